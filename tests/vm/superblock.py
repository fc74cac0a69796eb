#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Change fields of all superblock copies of a member, and their checksums, to what no formatter writes.

  superblock.py DEVICE seq=N | version=N | user_uuid=UUID | feature=BIT | member_state=INDEX:STATE ...

STATE: 0 rw, 1 ro, 2 failed. Only superblocks with crc32c. Source: docs/format/10-superblock.md, sections 2, 3 and 6.11.
"""
import struct
import sys
import uuid

PRIMARY = 4096
MEMBERS_V2, MEMBER_FLAGS = 11, 40
VERSION, USER_UUID, SEQ, U64S, FEATURES, LAYOUT, HEADER_BYTES = 16, 56, 112, 124, 208, 240, 752


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def member(sb, index):
    at = HEADER_BYTES
    while at < len(sb):
        u64s, kind = struct.unpack_from('<II', sb, at)
        if kind == MEMBERS_V2:
            return at + 16 + index * struct.unpack_from('<H', sb, at + 8)[0]
        at += 8 * u64s
    sys.exit('no table of members')


def set_member_state(sb, index, state):
    at = member(sb, index) + MEMBER_FLAGS
    struct.pack_into('<Q', sb, at, struct.unpack_from('<Q', sb, at)[0] & ~15 | state)


def set_field(sb, name, value):
    if name == 'seq':
        struct.pack_into('<Q', sb, SEQ, int(value))
    elif name == 'version':
        struct.pack_into('<H', sb, VERSION, int(value))
    elif name == 'user_uuid':
        sb[USER_UUID:USER_UUID + 16] = uuid.UUID(value).bytes
    elif name == 'feature':
        sb[FEATURES + int(value) // 8] |= 1 << int(value) % 8
    elif name == 'member_state':
        set_member_state(sb, *map(int, value.split(':')))
    else:
        sys.exit('no field ' + name)


def rewrite(f, offset, fields):
    f.seek(offset)
    header = f.read(HEADER_BYTES)
    f.seek(offset)
    sb = bytearray(f.read(HEADER_BYTES + 8 * struct.unpack_from('<I', header, U64S)[0]))
    if struct.unpack_from('<Q', sb)[0] != crc32c(sb[16:]):
        sys.exit('%s: the superblock at %d has another kind of checksum, or a wrong one' % (f.name, offset))
    for field in fields:
        set_field(sb, *field.split('='))
    struct.pack_into('<Q', sb, 0, crc32c(sb[16:]))
    f.seek(offset)
    f.write(sb)


def main():
    with open(sys.argv[1], 'r+b') as f:
        f.seek(PRIMARY + LAYOUT)
        layout = f.read(512)
        for offset in struct.unpack_from('<%dQ' % layout[18], layout, 24):
            rewrite(f, offset * 512, sys.argv[2:])


main()
