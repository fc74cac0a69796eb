#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Fills a mounted file system for the read benchmarks: one file of 512 MiB, and 20,000 small ones in 200 directories."""
import os
import random
import sys

top = sys.argv[1]
source = random.Random(1)
block = source.randbytes(1 << 20)
with open(os.path.join(top, 'big'), 'wb', buffering=0) as f:
    for i in range(512):
        f.write(i.to_bytes(8, 'little') + block[8:])
    os.fsync(f.fileno())
for d in range(200):
    path = os.path.join(top, 'many', '%03d' % d)
    os.makedirs(path)
    for i in range(100):
        with open(os.path.join(path, 'file%02d' % i), 'wb', buffering=0) as f:
            f.write(block[:source.randrange(100, 6000)])
