#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /sys/fs/bcachefs/UUID/: what its files say, options changed there, and readers of all of them while the set is mounted,
# unmounted and loses its table.
# vehicle: uml
# images: new:128M new:128M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1

# at FILE: its contents
at() {
	cat "$dir/$1"
}

# word FILE NAME: the number after NAME
word() {
	sed -n "s/^$2 //p" "$dir/$1"
}

try "the directory of all sets is there" test -d /sys/fs/bcachefs
bcachectl format -q -L first --label=fast.one "${DISK[0]}" --label=slow.two --durability=2 "${DISK[1]}" || exit 1
uuid=$(set_uuid "${DISK[0]}")
dir=/sys/fs/bcachefs/$uuid
device=$(bcachectl assemble "${DISK[@]}")
refuse "nothing before it is mounted" test -e "$dir"
mount -t bcachefs "$device" /mnt
try "the set's directory" same "$(at uuid)" "$uuid"
try "  version" same "$(at version)" 1.13
try "  state" same "$(at state)" rw
try "  label" same "$(at label)" first
try "  no reason for an end" same "$(at fail_reason)" ""
try "  usage" same "$(word usage free)" "$(stat -f -c '%f %S' /mnt | awk '{ print $1 * $2 }')"
try "a member's label" same "$(at dev-1/label)" slow.two
try "  state" same "$(at dev-1/state)" "[rw] ro failed spare"
try "  durability" same "$(at dev-1/durability)" 2
try "  it is there" same "$(at dev-1/present)" 1
try "  name" same "$(at dev-1/name)" "${DISK[1]##*/}"
try "  size" test "$(($(at dev-1/nbuckets) * $(at dev-1/bucket_size)))" -le $((128 << 20))
refuse "no third member" test -e "$dir/dev-2"

# ---- counters follow what is done ----

written() {
	echo "$(($(word dev-0/io_done write_bytes) + $(word dev-1/io_done write_bytes)))"
}
buckets_sum() {
	sed -n 's/^\(below_.*\|longer\) //p' "$dir/dev-$1/io_latency_stats_$2" | paste -sd+ | bc
}
before=$(written)
head -c 8M /dev/urandom >/mnt/data
sync
try "bytes written are counted" test "$(($(written) - before))" -ge $((8 << 20))
try "  as a member's data" test "$(($(word dev-0/usage user_bytes) + $(word dev-1/usage user_bytes)))" = $((8 << 20))
for i in 0 1; do
	try "each write of member $i is in its histogram" \
		same "$(buckets_sum "$i" write)" "$(word "dev-$i/io_latency_stats_write" count)"
	try "  and in no time none was done" test "$(word "dev-$i/io_latency_stats_write" max_ns)" -gt 0
done
drop_caches
reads=$(($(word dev-0/io_done read_ios) + $(word dev-1/io_done read_ios)))
cat /mnt/data >/dev/null
try "reads are counted" test "$(($(word dev-0/io_done read_ios) + $(word dev-1/io_done read_ios)))" -gt "$reads"
try "no errors" same "$(cat "$dir"/dev-?/io_errors | sort -u | paste -sd,)" "checksum 0,io 0"

before=$(word counters/transaction_commit since_assembled)
for i in 1 2 3; do mkdir "/mnt/dir$i"; done
try "transactions are counted" test "$(($(word counters/transaction_commit since_assembled) - before))" -ge 3
try "data written, too" test "$(word counters/io_write since_assembled)" -ge $((8 << 20 >> 9))
try "  and read" test "$(word counters/io_read since_assembled)" -ge $((8 << 20 >> 9))
try "a new set's begin at nothing" \
	same "$(word counters/io_write since_creation)" "$(word counters/io_write since_assembled)"

# ---- options ----

# put OPTION VALUE
put() {
	echo "$2" 2>/dev/null >"$dir/options/$1"
}
try "an option with choices" same "$(at options/data_checksum)" "none [crc32c] crc64 xxhash"
try "  is changed" put data_checksum xxhash
try "  and is then so" same "$(at options/data_checksum)" "none crc32c crc64 [xxhash]"
refuse "a value that is none" put data_checksum md5
try "  the log says what is allowed" grep -q 'data_checksum is one of none, crc32c' <(dmesg)
try "  and nothing has changed" same "$(at options/data_checksum)" "none crc32c crc64 [xxhash]"
try "a target by label" put foreground_target slow
user=$(word dev-0/usage user_bytes)
head -c 8M /dev/urandom >/mnt/slow
sync
try "  new data goes there alone" same "$(word dev-0/usage user_bytes)" "$user"
try "no option that shapes the disk" same "$(stat -c %a "$dir/options/block_size")" 444
try "errors= of the mount" same "$(at options/errors)" "continue [fix_safe] panic ro"
mount -o remount,errors=ro /mnt
try "  as remounted" same "$(at options/errors)" "continue fix_safe panic [ro]"
try "compression" put compression zstd:9
user=$(word dev-1/usage user_bytes)
head -c 8M /dev/zero | tr '\0' x >/mnt/easy
sync
try "  compresses what is written now" test "$(($(word dev-1/usage user_bytes) - user))" -lt $((1 << 20))

# ---- label ----

# what the set's device shows, through its page cache
shown() {
	grep -aq "$1" <(head -c 8192 "$device")
}
try "the device shows the label" shown first
try "the label is changed" eval 'echo second >"$dir/label"'
try "  and told" same "$(at label)" second
try "  on the device, too" shown second
refuse "33 bytes are too many" eval 'echo 123456789012345678901234567890123 2>/dev/null >"$dir/label"'

# label_ioctl COMMAND LABEL: prints what is in its buffer afterwards
label_ioctl() {
	python3 -c '
import fcntl, os, sys
fd = os.open("/mnt", os.O_RDONLY)
arg = bytearray(sys.argv[2].encode().ljust(256, bytes(1)))
fcntl.ioctl(fd, int(sys.argv[1], 0), arg)
print(arg.rstrip(bytes(1)).decode())' "$@"
}
FS_IOC_GETFSLABEL=0x81009431 FS_IOC_SETFSLABEL=0x41009432
try "the label by ioctl" same "$(label_ioctl $FS_IOC_GETFSLABEL "")" second
try "  set" label_ioctl $FS_IOC_SETFSLABEL third >/run/said
try "  and told" same "$(label_ioctl $FS_IOC_GETFSLABEL "") $(at label)" "third third"
refuse "  not by anybody" setpriv --reuid=1000 --regid=1000 --clear-groups python3 -c '
import fcntl, os
fcntl.ioctl(os.open("/mnt", os.O_RDONLY), 0x41009432, bytes(256))' 2>/run/said

# ---- suspended, read-only ----

fsfreeze -f /mnt
try "files are read while it is frozen" cat "$dir/usage" "$dir/options/compression"
fsfreeze -u /mnt
mount -o remount,ro /mnt
try "remounted read-only" same "$(at state)" ro
refuse "  nothing can be changed" put data_checksum crc32c
mount -o remount,rw /mnt
umount /mnt
bcachectl stop "$device"
device=$(bcachectl assemble "${DISK[@]}")
mount -t bcachefs "$device" /mnt
try "counters are kept" test "$(word counters/io_write since_creation)" -ge $((16 << 20 >> 9))
try "  beside those since then" test "$(word counters/io_write since_assembled)" -lt $((8 << 20 >> 9))
umount /mnt
refuse "unmounted, it is gone" test -e "$dir"
try "what was changed is stored" grep -q 'xxhash' <(bcachectl show-super "${DISK[0]}" | grep data_checksum)
try "  the label, too" grep -q 'third' <(bcachectl show-super "${DISK[0]}")

# ---- readers while it comes and goes ----

read_all() {
	while [ ! -e /run/stop ]; do
		find /sys/fs/bcachefs -type f -exec cat {} + >/dev/null 2>&1
		echo 5 2>/dev/null >"$dir/options/journal_flush_delay"
	done
}
rm -f /run/stop
read_all &
read_all &
round() {
	mount -t bcachefs "$device" /mnt && head -c 256K /dev/urandom >/mnt/"$1" && umount /mnt
}
rounds() {
	for i in $(seq 12); do
		round "$i" || return
	done
}
try "mounted and unmounted under readers" rounds
mount -t bcachefs "$device" /mnt
exec 3<"$dir/dev-0/io_latency_stats_read" 4<"$dir/usage"
try "its table goes" dmsetup wipe_table "${device##*/}"
try "files still answer" cat "$dir/dev-0/present" "$dir/dev-0/io_latency_stats_write" "$dir/options/errors" >/run/said
echo x 2>/dev/null >/mnt/late && sync
umount /mnt
touch /run/stop
wait
refuse "a file that was open answers no more" cat <&3
refuse "  no other does" cat <&4
exec 3<&- 4<&-
dmsetup remove "${device##*/}"
try "the modules go" modprobe -r bcachefs dm-bcache
refuse "the directory of all sets is gone" test -e /sys/fs/bcachefs
try "the checker" bcachectl fsck -n "${DISK[@]}"
finish
