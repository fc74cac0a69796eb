#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A set that is written while its table is suspended, reloaded with fewer members and with all, wiped, removed by force, and
# its file system frozen: writers wait or get errors, nothing crashes, and the set is whole afterwards.
# vehicle: uml
# images: new:192M new:192M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1

WRITERS=()
# writers: in the background until stopped or an error
writers() {
	local i
	rm -f /run/stop
	for i in 1 2; do
		(
			n=0
			while [ ! -e /run/stop ]; do
				n=$((n + 1))
				head -c 100000 /dev/urandom >"/mnt/w$i.$((n % 50))" || exit 1
				[ $((n % 5)) != 0 ] || sync "/mnt/w$i.$((n % 50))" || exit 1
				[ $((n % 7)) != 0 ] || rm -f "/mnt/w$i.$((n % 40))" || exit 1
				echo "$n" >"/run/w$i"
			done
		) 2>/dev/null &
		WRITERS+=($!)
	done
}

writers_end() {
	local pid ret=0
	touch /run/stop
	for pid in "${WRITERS[@]}"; do
		wait "$pid" || ret=1
	done
	WRITERS=()
	return $ret
}

# sectors written to the members
written() {
	local disk
	for disk in "${DISK[@]}"; do
		awk '{ printf "%s ", $7 }' "/sys/block/${disk#/dev/}/stat"
	done
}

quiet() {
	local before
	before=$(written)
	sleep 2
	same "$(written)" "$before"
}

busy() {
	local before
	before=$(written)
	sleep 2
	[ "$(written)" != "$before" ]
}

bcachectl format -q -L suspend --replicas=2 "${DISK[@]}" || exit 1
device=$(bcachectl assemble "${DISK[@]}")
name=${device##*/}
try "mounted" mount -t bcachefs "$device" /mnt
writers
try "writers write" busy
try "suspended" dmsetup suspend "$name"
try "  nothing is written" quiet
try "resumed" dmsetup resume "$name"
try "  and it goes on" busy
try "suspended without a freeze" dmsetup suspend --nolockfs "$name"
try "  nothing is written" quiet
try "resumed" dmsetup resume "$name"
try "frozen" fsfreeze -f /mnt
try "  nothing is written" quiet
try "thawed" fsfreeze -u /mnt
table=$(dmsetup table "$name")
try "the same table again" dmsetup load "$name" --table "$table"
try "  takes over" dmsetup resume "$name"
try "  and it goes on" busy
fewer=$(echo "$table" | sed -E 's/ 2 ([0-9]+:[0-9]+) [0-9]+:[0-9]+$/ 1 \1 1 degraded/')
refuse "a table that is read-only" dmsetup load "$name" --table "$table 1 read_only"
try "one member less" dmsetup load "$name" --table "$fewer"
try "  takes over" dmsetup resume "$name"
try "  and it goes on" busy
try "  degraded" grep -q ' degraded 1 2 ' <(dmsetup status "$name")
try "all members again" dmsetup load "$name" --table "$table"
try "  take over" dmsetup resume "$name"
try "  and it goes on" busy
try "nobody got an error" writers_end
try "unmounted" umount /mnt
bcachectl stop --all
try "the checker" bcachectl fsck -n "${DISK[@]}"

wiped() {
	case $1 in
	wipe) dmsetup wipe_table --force --noflush --nolockfs "$name" ;;
	remove) dmsetup remove --force "$name" ;;
	esac
	return 0
}
for way in wipe remove; do
	bcachectl assemble "${DISK[@]}" >/dev/null
	try "mounted" mount -t bcachefs "$device" /mnt
	writers
	sleep 1
	wiped $way
	refuse "the table goes ($way): writers get errors" writers_end
	refuse "  and so does who comes later" touch /mnt/later
	try "  the mount is read-only" grep -q '/mnt bcachefs ro' /proc/mounts
	try "  and can be left" umount /mnt
	dmsetup remove "$name" 2>/dev/null
	try "  the set is recovered" bcachectl assemble "${DISK[@]}"
	try "  when it is mounted again" mount -t bcachefs "$device" /mnt
	try "  and written" touch /mnt/later
	umount /mnt
	bcachectl stop --all
	try "  the checker" bcachectl fsck -n "${DISK[@]}"
done
try "nothing went wrong in the kernel" not grep -E 'BUG|WARNING|Oops|possible recursive|inconsistent lock' <(dmesg)
try "the modules go" modprobe -r bcachefs dm-bcache
finish
