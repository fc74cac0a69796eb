#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# 256 MiB of memory, and several times as much to be written, packed out, mapped, read and removed: nothing hangs, no process is killed for
# want of memory and no allocation of ours fails, all is there.
# vehicle: uml
# images: new:1G new:1G
# length: long
# options: --mem 256 --timeout 300
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

# large NAME MAPPED: a file of 160 MiB in random order, some of it twice, then read and compared
large() {
	python3 - "$@" <<'PYTHON'
import mmap, os, random, sys
path, mapped = '/mnt/' + sys.argv[1], sys.argv[2] == 'mapped'
BLOCK, BLOCKS = 1 << 16, 2560
random.seed(path)

def contents(block, version):
    return (b'%d %d ' % (block, version) * (BLOCK // 4))[:BLOCK]

fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.truncate(fd, BLOCK * BLOCKS)
view = mmap.mmap(fd, BLOCK * BLOCKS)
order = list(range(BLOCKS)) + random.sample(range(BLOCKS), 400)
random.shuffle(order)
version = [0] * BLOCKS
for block in order:
    version[block] += 1
    data = contents(block, version[block])
    if mapped:
        view[block * BLOCK:(block + 1) * BLOCK] = data
    else:
        assert os.pwrite(fd, data, block * BLOCK) == BLOCK
os.fsync(fd)
random.shuffle(order)
for block in order:
    data = view[block * BLOCK:(block + 1) * BLOCK] if mapped else os.pread(fd, BLOCK, block * BLOCK)
    assert data == contents(block, version[block]), block
PYTHON
}

# two at a time, each more than there is memory
large_two() {
	local pids=() failed=0
	large "$1.a" "$1" &
	pids+=($!)
	large "$1.b" "$1" &
	pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
	return "$failed"
}

# (stacks of new threads are 64 KiB in one piece here: that these are not always to be had is no fault)
nothing_lacked() {
	! dmesg | grep -E 'Out of memory|oom-kill|page allocation failure|blocked for more than' | grep -v 'kthreadd: page' | sed 's/^/# /' | grep .
}

try "10000 small files" many 10000
try "large ones written and verified" large_two written
try "  by mapping" large_two mapped
drop_caches
try "the small ones are there" all_there 10000
try "a walk" test "$(find /mnt/many -type f | wc -l)" = 10000
try "removed" rm -r /mnt/many /mnt/written.? /mnt/mapped.?
try "unmounted" umount /mnt
try "taken apart" bcachectl stop "$device"
try "nothing was killed, nothing hung" nothing_lacked
try "the checker" bcachectl fsck -n "${DISK[@]}"
finish
