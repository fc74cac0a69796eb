#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# 128 MiB of memory, and several times as much to be written, packed out, mapped, read and removed: nothing hangs, no process is killed for
# want of memory and no allocation of ours fails, all is there.
# vehicle: uml
# images: new:1G new:1G
# options: --mem 128 --timeout 300
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1
bcachectl format -q --compression=lz4 --data_replicas=2 "${DISK[@]}" || exit 1
device=$(bcachectl assemble "${DISK[@]}")
mount -t bcachefs "$device" /mnt

# many NUMBER: a tree with so many small files
many() {
	python3 - "$1" <<'PYTHON'
import os, sys
for i in range(int(sys.argv[1])):
    top = f'/mnt/many/{i // 500}'
    if i % 500 == 0:
        os.makedirs(top)
    with open(f'{top}/a file with a rather long name, number {i}', 'w') as f:
        f.write(f'{i} ' * (i % 700))
PYTHON
}

all_there() {
	python3 - "$1" <<'PYTHON'
import sys
for i in range(int(sys.argv[1])):
    with open(f'/mnt/many/{i // 500}/a file with a rather long name, number {i}') as f:
        assert f.read() == f'{i} ' * (i % 700), i
PYTHON
}

# two at a time, each more than there is memory
large() {
	local pids=()
	for name in a b; do
		fio --name=$name --directory=/mnt --filename=$name --size=200m --rw=randwrite --bs=64k --ioengine="$1" --verify=crc32c \
			--verify_fatal=1 --fallocate=none --do_verify=1 --output=/run/fio.$name >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || { tail -5 /run/fio.?; return 1; }
	done
}

nothing_lacked() {
	! dmesg | grep -E 'Out of memory|oom-kill|page allocation failure|blocked for more than' | sed 's/^/# /' | grep .
}

try "20000 small files" many 20000
try "large ones written and verified" large psync
try "  by mapping" large mmap
drop_caches
try "the small ones are there" all_there 20000
try "a walk" test "$(find /mnt/many -type f | wc -l)" = 20000
try "removed" rm -r /mnt/many /mnt/a /mnt/b
try "unmounted" umount /mnt
try "taken apart" bcachectl stop "$device"
try "nothing was killed, nothing hung" nothing_lacked
try "the checker" bcachectl fsck -n "${DISK[@]}"
finish
