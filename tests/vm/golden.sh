#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every golden set, assembled and mounted: all that the in-tree driver showed is there and right, and no byte is written.
# vehicle: uml
# golden: compressed crash csum-crc64 csum-none csum-xxhash degraded encrypted fresh-1dev fresh-3dev fresh-uninit many mounted-once-empty replicas2 small-tree snapshots tiered
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

try "the modules load" load_modules
device=$(assemble_golden)
try "the set is assembled" test -b "$device"
try "it is mounted" mount -t bcachefs -o ro "$device" /mnt
try "its contents are right" contents_right
drop_caches
try "they are right read directly" contents_right --direct
try "it is unmounted" umount /mnt
try "it is stopped" bcachectl stop --all
try "nothing was written" bytes_unchanged
finish
