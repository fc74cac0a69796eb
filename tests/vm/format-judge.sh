#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sets made by "bcachectl format": the in-tree driver initialises them at the first mount, uses them, and finds nothing
# wrong; what it left we read. Then its superblocks are changed and written by us, and it takes them back.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one @256M
new_set tiered --label=ssd.ssd1 @128M --label=hdd.hdd1 @128M --label=hdd.hdd2 --durability=2 @128M --replicas=2 \
	--foreground_target=ssd --promote_target=ssd --background_target=hdd --background_compression=zstd:3
new_set encrypted --encrypted @128M --compression=lz4
new_set small --block_size=512 --btree_node_size=16k --superblock_size=64k --bucket=64k @96M --metadata_checksum=xxhash
new_set mixed --bucket=1M --label=a.b.c @300M --bucket=300k --data_allowed=journal,user --discard @128M \
	--metadata_checksum=crc64 --data_checksum=none --compression=gzip:9 --encoded_extent_max=16k --no-acl --prjquota

truncate -s 128M "$WORK/spare.img"

IMAGES+=("$WORK/spare.img")
boot --judge --env STEP=first "$TOP/tests/vm/in-guest-format"

# as_left NAME: a file of the driver's in every btree that tells of it
as_left() {
	bcachectl list -b dirents "$WORK/$1".*.img <<<"$PASSPHRASE" | grep -q 'left-by-the-driver' &&
		bcachectl show-super "$WORK/$1.0.img" | grep -qE '^Clean: +1'
}

for name in "${SETS[@]%%:*}"; do
	try "$name: bcachectl fsck" checked "" "$WORK/$name".*.img
	try "$name: read" as_left "$name"
	try "$name: options changed" bcachectl set-option metadata_checksum=xxhash background_compression=gzip fs_label=changed \
		"$WORK/$name".*.img >/dev/null
	try "$name: its first member changed" bcachectl set-member --label=new.name --discard "$WORK/$name".*.img
done
boot --judge --env STEP=again "$TOP/tests/vm/in-guest-format"
for name in "${SETS[@]%%:*}"; do
	try "$name: bcachectl fsck, in the end" checked "" "$WORK/$name".*.img
done
finish
