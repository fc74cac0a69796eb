#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures a mounted file system filled by fill.py, page cache dropped before each: prints NAME VALUE, higher is better.

  measure.py DIR

What takes less than a second is the median of several runs: other users of the machine disturb a short one most.
"""
import os
import statistics
import subprocess
import sys
import time

TOP = sys.argv[1]
RUNS = 7


def cold():
    os.sync()
    with open('/proc/sys/vm/drop_caches', 'w') as f:
        f.write('3')


def timed_once(fn):
    cold()
    start = time.monotonic()
    amount = fn()
    return amount / (time.monotonic() - start)


def timed(fn):
    return statistics.median(timed_once(fn) for _ in range(RUNS))


def sequential():
    total = 0
    buffer = bytearray(1 << 20)
    with open(os.path.join(TOP, 'big'), 'rb', buffering=0) as f:
        while n := f.readinto(buffer):
            total += n
    return total / 2**20


def find_stat():
    count = 0
    stack = [os.path.join(TOP, 'many')]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                count += 1
                if entry.stat(follow_symlinks=False).st_mode & 0o170000 == 0o040000:
                    stack.append(entry.path)
    return count


def fio(rw, bs, direct, depth, seconds):
    cold()
    out = subprocess.run(
        ['fio', '--name=x', '--readonly', '--filename=' + os.path.join(TOP, 'big'), '--rw=' + rw, '--bs=' + bs,
         '--direct=%d' % direct, '--ioengine=libaio', '--iodepth=%d' % depth, '--runtime=%d' % seconds, '--time_based',
         '--output-format=terse', '--terse-version=3', '--thread', '--randseed=7'],
        stdout=subprocess.PIPE, check=True, text=True).stdout.strip().split('\n')[-1].split(';')
    return float(out[6]) / 1024, float(out[7])


print('sequential_MiB/s %.1f' % timed(sequential))
print('random_4k_direct_depth16_IOPS %.0f' % fio('randread', '4k', 1, 16, 4)[1])
print('direct_1M_depth16_MiB/s %.1f' % fio('read', '1m', 1, 16, 3)[0])
print('find_stat_files/s %.0f' % timed(find_stat))
