#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shutting down by ioctl, options inherited anew, reads and writes that do not wait.
# vehicle: uml
# images: new:128M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1
# small nodes: the extents of one file fill several
bcachectl format -q --block_size=512 --btree_node_size=4k "${DISK[0]}" || exit 1
device=$(bcachectl assemble "${DISK[0]}")

mounted() {
	mount -t bcachefs "$device" /mnt
}

# again: the set is assembled anew, as after a crash
again() {
	umount /mnt && bcachectl stop "$device" && device=$(bcachectl assemble "${DISK[0]}") && mounted
}

# ---- shutting down ----

# going_down HOW
going_down() {
	python3 -c '
import fcntl, os, struct, sys
fcntl.ioctl(os.open("/mnt", os.O_RDONLY), 0x8004587d, struct.pack("I", int(sys.argv[1])))' "$1"
}

mounted
refuse "shut down in no way there is" going_down 7 2>/run/said
refuse "  by nobody but root" setpriv --reuid=1000 --regid=1000 --clear-groups python3 -c '
import fcntl, os, struct
fcntl.ioctl(os.open("/mnt", os.O_RDONLY), 0x8004587d, struct.pack("I", 0))' 2>/run/said
try "  so it is written as before" touch /mnt/before
echo kept >/mnt/kept
try "shut down after a sync" going_down 0
refuse "  nothing is written any more" touch /mnt/late 2>/run/said
try "  but read" same "$(cat /mnt/kept)" kept
try "  shown as read-only" grep -q ' /mnt bcachefs ro' /proc/mounts
try "  with the reason" grep -q 'shut down by an ioctl' /sys/fs/bcachefs/*/fail_reason
try "  assembled anew" again
try "  all is there" same "$(cat /mnt/kept)" kept
echo synced >/mnt/synced
sync -f /mnt
mkdir /mnt/flushed
echo not-written >/mnt/dirty
try "shut down after the journal is flushed" going_down 1
try "  assembled anew" again
try "  names are there" test -d /mnt/flushed
try "  what was synced, too" same "$(cat /mnt/synced)" synced
try "  contents that were only in memory are not" test ! -s /mnt/dirty
mkdir /mnt/lost
try "shut down at once" going_down 2
try "  assembled anew" again
try "  what was synced is there" same "$(cat /mnt/synced)" synced
try "read-only" mount -o remount,ro /mnt
try "  there is nothing to shut down" going_down 0
mount -o remount,rw /mnt
try "  and it is written again" touch /mnt/more

# ---- options inherited anew ----

# reinherit DIRECTORY NAME: prints what the ioctl returned
reinherit() {
	python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ret = libc.ioctl(os.open(sys.argv[1], os.O_RDONLY), ctypes.c_ulong(0x8008bc40), sys.argv[2].encode())
print(ret if ret >= 0 else os.strerror(ctypes.get_errno()))' "$@"
}
option() {
	getfattr --only-values -n "bcachefs_effective.$2" "$1" 2>/run/said
}
mkdir -p /mnt/dir/sub
echo x >/mnt/dir/file
setfattr -n bcachefs.compression -v zstd /mnt/dir
try "a file that was there has other options" same "$(option /mnt/dir/file compression)" ""
try "they are inherited" same "$(reinherit /mnt/dir file)" 1
try "  and in effect" same "$(option /mnt/dir/file compression)" zstd
try "  once" same "$(reinherit /mnt/dir file)" 0
try "a directory, too" same "$(reinherit /mnt/dir sub) $(option /mnt/dir/sub compression)" "1 zstd"
setfattr -n bcachefs.compression -v lz4 /mnt/dir/file
try "what was set for the file stays" same "$(reinherit /mnt/dir file) $(option /mnt/dir/file compression)" "0 lz4"
try "no such file" same "$(reinherit /mnt/dir nobody)" "No such file or directory"
try "not a directory" same "$(reinherit /mnt/dir/file x)" "Not a directory"

# ---- without waiting ----

cat >/run/nowait.py <<'END'
import mmap, os, sys
how, path = sys.argv[1:3]
flags = os.O_DIRECT if "direct" in how else 0
fd = os.open(path, os.O_RDWR | flags)
buf = mmap.mmap(-1, 65536)
try:
    if "write" in how:
        buf.write(b"w" * 65536)
        n = os.pwritev(fd, [buf], int(sys.argv[3]), os.RWF_NOWAIT)
    else:
        n = os.preadv(fd, [buf], 0, os.RWF_NOWAIT)
    print(n, buf[:1].decode())
except OSError as e:
    print(os.strerror(e.errno))
END
nowait() {
	python3 /run/nowait.py "$@"
}
would_wait="Resource temporarily unavailable"
head -c 20M /dev/zero | tr '\0' d >/mnt/nowait
try "a direct read of dirty pages would wait" same "$(nowait direct-read /mnt/nowait)" "$would_wait"
sync
try "  not of written ones" same "$(nowait direct-read /mnt/nowait)" "65536 d"
try "a buffered read of cached pages" same "$(nowait read /mnt/nowait)" "65536 d"
try "a direct write to cached pages would wait" same "$(nowait direct-write /mnt/nowait 0)" "$would_wait"
again
try "a direct read without metadata in memory would wait" same "$(nowait direct-read /mnt/nowait)" "$would_wait"
dd if=/mnt/nowait of=/run/got bs=64K count=1 iflag=direct status=none
try "  not with it" same "$(nowait direct-read /mnt/nowait)" "65536 d"
# who may have privileges to lose by a write is known after the first one
dd if=/run/got of=/mnt/nowait bs=64K count=1 conv=notrunc oflag=direct status=none
try "a direct write to no cached ones" same "$(nowait direct-write /mnt/nowait 0)" "65536 w"
try "  is read" same "$(nowait direct-read /mnt/nowait)" "65536 w"
try "  one that makes the file longer would wait" same "$(nowait direct-write /mnt/nowait $((20 << 20)))" "$would_wait"
try "  and has not made it so" same "$(stat -c %s /mnt/nowait)" $((20 << 20))
try "a buffered write cannot be had so" same "$(nowait write /mnt/nowait 0)" "Invalid argument"
if grep -q io_uring_setup /proc/kallsyms; then
	try "io_uring" fio --name=u --filename=/mnt/uring --size=16M --bs=4k --ioengine=io_uring --iodepth=16 --direct=1 \
		--rw=randrw --verify=crc32c --verify_state_save=0 --output=/run/fio
fi
umount /mnt
bcachectl stop "$device"
try "the checker" bcachectl fsck -n "${DISK[0]}"
try "the modules go" modprobe -r bcachefs dm-bcache
finish
