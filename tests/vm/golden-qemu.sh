#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A choice of golden sets on Debian's own kernels: two processors, large folios, udev.
# vehicle: qemu-6.1 qemu-6.12
# golden: snapshots tiered
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
