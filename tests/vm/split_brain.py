#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make a member look as if it had been written without the others: its superblocks get another sequence number.

  split_brain.py DEVICE SEQ

Only superblocks with crc32c. Source: docs/format/10-superblock.md, sections 2 and 3.
"""
import struct
import sys

PRIMARY = 4096
SEQ, U64S, LAYOUT, HEADER_BYTES = 112, 124, 240, 752


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def rewrite(f, offset, seq):
    f.seek(offset)
    header = f.read(HEADER_BYTES)
    f.seek(offset)
    sb = bytearray(f.read(HEADER_BYTES + 8 * struct.unpack_from('<I', header, U64S)[0]))
    if struct.unpack_from('<Q', sb)[0] != crc32c(sb[16:]):
        sys.exit('%s: the superblock at %d has another kind of checksum, or a wrong one' % (f.name, offset))
    struct.pack_into('<Q', sb, SEQ, seq)
    struct.pack_into('<Q', sb, 0, crc32c(sb[16:]))
    f.seek(offset)
    f.write(sb)


def main():
    with open(sys.argv[1], 'r+b') as f:
        f.seek(PRIMARY + LAYOUT)
        layout = f.read(512)
        for offset in struct.unpack_from('<%dQ' % layout[18], layout, 24):
            rewrite(f, offset * 512, int(sys.argv[2]))


main()
