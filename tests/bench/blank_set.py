#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes an image of any size that a driver can initialise: the superblock of the golden set fresh-uninit with other
geometry, in all its copies (docs/format/10-superblock.md, sections 1 to 3 and 6; 00-overview.md, section 8).

  blank_set.py FROM.img TO.img SIZE_MIB BUCKET_KIB NODE_KIB
"""
import struct
import sys

SECTOR = 512
COPY_SECTORS = 2048     # what each superblock copy reserves: 2^sb_max_size_bits
PRIMARY = 8 * SECTOR


def fields(sb):
    at, end = 752, 752 + 8 * struct.unpack_from('<I', sb, 124)[0]
    while at < end:
        u64s, kind = struct.unpack_from('<II', sb, at)
        yield kind, at
        at += 8 * u64s


def main():
    source, target, size_mib, bucket_kib, node_kib = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    with open(source, 'rb') as f:
        f.seek(PRIMARY)
        sb = bytearray(f.read(64 << 10))
    sb = sb[:752 + 8 * struct.unpack_from('<I', sb, 124)[0]]

    bucket_sectors, size_sectors = bucket_kib * 2, size_mib * 2048
    nbuckets = size_sectors // bucket_sectors
    flags = struct.unpack_from('<Q', sb, 144)[0]
    flags = flags & ~(0xffff << 12) | node_kib * 2 << 12
    struct.pack_into('<Q', sb, 144, flags)
    for kind, at in fields(sb):
        if kind in (1, 11):     # members_v1, members_v2
            record = at + (8 if kind == 1 else 16)
            struct.pack_into('<Q', sb, record + 16, nbuckets)
            struct.pack_into('<H', sb, record + 26, bucket_sectors)
    last = (size_sectors - COPY_SECTORS) // bucket_sectors * bucket_sectors
    copies = (8, 8 + COPY_SECTORS, last)
    struct.pack_into('<3Q', sb, 240 + 24, *copies)

    with open(target, 'wb') as f:
        f.truncate(size_mib << 20)
        f.seek(7 * SECTOR)
        f.write(sb[240:752])
        for sector in copies:
            struct.pack_into('<Q', sb, 104, sector)
            f.seek(sector * SECTOR)
            f.write(sb)


main()
