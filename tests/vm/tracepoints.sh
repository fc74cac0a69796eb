#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tracepoints (docs/tracepoints.md): each of those that ordinary use meets is met, with the fields that are documented.
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1

tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
events=$tracing/events/bce
if [ ! -d "$events" ]; then
	skip "tracepoints" "this kernel has none"
	finish
fi

# fields EVENT: as programs see them, in order
fields() {
	sed -n 's/^\tfield:.* \([a-z_]*\)\(\[[0-9]*\]\)\{0,1\};.*/\1/p' "$events/$1/format" | grep -v ^common_ | paste -sd' '
}

# has EVENT FIELD...
has() {
	local event=$1
	shift
	try "$event: its fields" same "$(fields "$event")" "set $*"
}

has bce_read dev sector sectors ns error
has bce_write dev sector sectors ns error
has bce_flush devs failed
has bce_journal_write seq sectors flush devs error
has bce_btree_node_read btree level sectors error
has bce_btree_node_write btree level sectors error
has bce_btree_node_replace btree level nr_old nr_new
has bce_trans_restart restarts
has bce_bucket_alloc dev bucket error
has bce_bucket_discard dev bucket error
has bce_copygc dev bucket error
has bce_file_write subvol inum sector sectors direct
has bce_error id

bcachectl format -q --btree_node_size=4k "${DISK[0]}" || exit 1
uuid=$(set_uuid "${DISK[0]}")
device=$(bcachectl assemble "${DISK[0]}")
echo 1 >"$events/enable"
mount -t bcachefs "$device" /mnt
head -c 4M /dev/urandom >/mnt/data
for i in $(seq 120); do
	: >"/mnt/a-rather-long-name-of-a-file-$i"
done
sync
inum=$(stat -c %i /mnt/data)
dd if=/mnt/data of=/dev/null bs=64K iflag=direct status=none
dd if=/dev/zero of=/mnt/data bs=64K count=1 oflag=direct conv=notrunc status=none
rm /mnt/data
sync
umount /mnt
bcachectl stop "$device"
device=$(bcachectl assemble "${DISK[0]}")
mount -t bcachefs "$device" /mnt
umount /mnt
echo 0 >"$events/enable"
cat $tracing/trace >/run/trace

# met EVENT [PATTERN]
met() {
	try "$1 was met${2:+: $2}" grep -qE "$1: set=$uuid .*$2" /run/trace
}
met bce_file_write "inum=$inum sector=0 sectors=[0-9]+ direct=0"
met bce_file_write "inum=$inum sector=0 sectors=128 direct=1"
met bce_write "dev=0 sector=[0-9]+ sectors=128 ns=[1-9][0-9]* error=0"
met bce_read "dev=0 sector=[0-9]+ sectors=[0-9]+ ns=[1-9][0-9]* error=0"
met bce_flush
met bce_journal_write "flush=1 devs=0x1 error=0"
met bce_btree_node_write "error=0"
met bce_btree_node_read "error=0"
met bce_btree_node_replace "old=1 new=[23]"
met bce_bucket_alloc "dev=0 bucket=[0-9]+ error=0"
refuse "no error was met" grep -q bce_error: /run/trace
bcachectl stop "$device"
try "the modules go" modprobe -r bcachefs dm-bcache
finish
