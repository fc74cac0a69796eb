#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Options of a set that its mount chooses: they are in effect, shown, changed by a remount, and gone when it ends; those that the
# in-tree driver knows and we do not need are no error; what is wrong is said.
# vehicle: uml
# images: new:128M new:128M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1

bcachectl format -q -L opts --label=fast.one "${DISK[0]}" --label=slow.two "${DISK[1]}" || exit 1
dir=/sys/fs/bcachefs/$(set_uuid "${DISK[0]}")
device=$(bcachectl assemble "${DISK[@]}")

mounted() {
	mount -t bcachefs -o "$1" "$device" "${2:-/mnt}"
}

shows() {
	grep -qE " /mnt bcachefs [^ ]*\b$1(,| )" /proc/mounts
}

option() {
	cat "$dir/options/$1"
}

# user DEV: bytes of data there
user() {
	sed -n 's/^user_bytes //p' "$dir/dev-$1/usage"
}

# refused WORDS OPTIONS [DIRECTORY]: the mount fails, the log says why
refused() {
	dmesg -C
	! mounted "$2" ${3:+"$3"} 2>/dev/null && dmesg | grep -qF "$1" || { dmesg | sed 's/^/# /'; return 1; }
}

try "options of the set" mounted compression=zstd:3,data_checksum=xxhash,foreground_target=slow,metadata_replicas=2,nocow=0
try "  are shown" eval 'shows compression=zstd:3 && shows data_checksum=xxhash && shows foreground_target=slow'
try "  are in effect" same "$(option compression) $(option data_checksum)" "zstd:3 none crc32c crc64 [xxhash]"
head -c 8M /dev/zero | tr '\0' x >/mnt/easy
sync
try "  programs make their buffers of pages, not of blocks" same "$(stat -c %o /mnt/easy) $(stat -f -c %s /mnt)" "4096 512"
try "  data goes where they say" same "$(user 0)" 0
try "    compressed" test "$(user 1)" -gt 0 -a "$(user 1)" -lt $((1 << 20))
try "remounted with others" mount -o remount,compression=none,foreground_target=fast /mnt
try "  those are in effect" same "$(option compression) $(option foreground_target)" "none fast"
try "    and shown" eval 'shows compression=none && shows foreground_target=fast'
try "  the rest stays" shows data_checksum=xxhash
head -c 8M /dev/zero | tr '\0' x >/mnt/more
sync
try "  data follows" test "$(user 0)" -ge $((8 << 20))
try "a remount that names none" mount -o remount,ro /mnt
try "  changes none" eval 'shows foreground_target=fast && shows compression=none'
try "and back" mount -o remount,rw /mnt
mkdir -p /run/second
try "mounted a second time, as it is" mounted compression=none /run/second
umount /run/second
try "mounted a second time, otherwise" refused 'mount option compression: it is mounted with another value' compression=lz4 /run/second
umount /mnt

try "not stored: nothing of it is left" mounted errors=ro
try "  in effect is what the superblock says" same "$(option compression) $(option foreground_target)" "none none"
refuse "  nothing is shown" grep -q 'compression=\|_target=' /proc/mounts
try "stored while it is mounted otherwise" eval 'mount -o remount,data_checksum=crc64 /mnt && echo xxhash >"$dir/options/data_checksum"'
try "  the latter counts" same "$(option data_checksum)" "none crc32c crc64 [xxhash]"
umount /mnt
try "  afterwards, too" eval 'mounted errors=continue && [ "$(option data_checksum)" = "none crc32c crc64 [xxhash]" ]'
refuse "what counts from the start only is not changed later" mount -o remount,gc_reserve_percent=12 /mnt
umount /mnt
try "  given from the start" mounted gc_reserve_percent=12
try "    it counts" same "$(option gc_reserve_percent)" 12
umount /mnt

# ---- options of the in-tree driver ----

dmesg -C
try "what does nothing here" mounted verbose,noinline_data,version_upgrade=none,fix_errors,journal_reclaim_delay=50,nodiscard,nofsck,fsck=0
umount /mnt
try "  is said to" eval 'dmesg | grep -q "mount option version_upgrade does nothing here"'
try "a check is not made by a mount" refused 'by "bcachectl fsck"' fsck
try "nor any repair" refused 'mount option reconstruct_alloc' reconstruct_alloc

# ---- mistakes ----

try "an option that nobody knows" refused "Unknown parameter 'compresion'" compresion=zstd
try "  nor its opposite" refused "Unknown parameter 'nocompression'" nocompression
try "a value that is none" refused 'compression' compression=middling
try "a target that is none" refused 'foreground_target' foreground_target=nowhere
try "an option without its value" refused 'mount option compression: wants a value' compression
try "one that takes none" refused 'mount option nonocow: takes no value' nonocow=1
try "one that shapes the disk" refused "Unknown parameter 'block_size'" block_size=4k
try "without values where there are two" mounted nocow,noinodes_32bit
try "  they count" same "$(option nocow) $(option inodes_32bit)" "1 0"
umount /mnt

bcachectl stop opts
try "the checker has nothing to say" bcachectl fsck -n "${DISK[@]}"
try "the modules go" modprobe -r bcachefs dm-bcache
finish
