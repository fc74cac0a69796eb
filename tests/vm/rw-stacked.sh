#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What others put on top of a file system works on a set, and is whole after a remount: an overlay with its upper layer
# here, ext4 on a loop device on a file here (buffered and direct, and trimmed), SQLite with writers that are killed,
# PostgreSQL (where it is installed) killed under load. Both checkers find nothing wrong with the set.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one --compression=lz4 @384M
new_set two --data_replicas=2 --metadata_replicas=2 @256M @256M

ours "$TOP/tests/vm/in-guest-stacked" "LONG=${LONG:-}"
judged
finish
