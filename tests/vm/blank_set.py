#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the images of a set that a driver can initialise: the superblock of the golden set fresh-uninit with other
geometry, members and options, in all its copies (docs/format/10-superblock.md, sections 1 to 4 and 6;
00-overview.md, section 8).

  blank_set.py [--size MIB] [--bucket KIB] [--node KIB] [--block BYTES] [--set OPTION=NUMBER]... [--key]
               [--member INDEX:FLAG=NUMBER]... FROM.img TO.img...

One image, one member. OPTION is a name of FLAGS and FLAG one of MEMBER_FLAGS, the number as it is stored. With --key the
set is encrypted by a key that lies in its superblock, unwrapped (docs/format/20-checksums-encryption.md).
"""
import argparse
import random
import struct
import uuid

SECTOR = 512
COPY_SECTORS = 2048     # what each superblock copy reserves: 2^sb_max_size_bits
PRIMARY = 8 * SECTOR
HEADER = 752
LAYOUT = 240
MEMBER_BYTES, MEMBER_V1_BYTES = 144, 56
MEMBERS_V1, CRYPT, MEMBERS_V2 = 1, 2, 11
LZ4_GZIP_ZSTD = 0b111   # feature bits, which must be there before the first use

# option: word of flags[], first bit, width
FLAGS = {
    'btree_node_size': (0, 12, 16), 'metadata_checksum': (0, 40, 4), 'data_checksum': (0, 44, 4),
    'metadata_replicas': (0, 48, 4), 'data_replicas': (0, 52, 4), 'promote_whole_extents': (0, 63, 1),
    'str_hash': (1, 0, 4), 'compression': (1, 4, 4), 'inodes_32bit': (1, 8, 1), 'wide_macs': (1, 9, 1),
    'encryption': (1, 10, 4), 'encoded_extent_max': (1, 14, 6), 'promote_target': (1, 28, 12),
    'foreground_target': (1, 40, 12), 'background_target': (1, 52, 12), 'background_compression': (2, 0, 4),
    'erasure_code': (3, 0, 16), 'metadata_target': (3, 16, 12), 'shard_inode_numbers': (3, 28, 1),
    'inodes_use_key_cache': (3, 29, 1), 'journal_flush_delay': (3, 30, 32), 'nocow': (4, 33, 1),
    'compression_level': (4, 56, 4), 'background_compression_level': (4, 60, 4),
}
MEMBER_FLAGS = {'state': (0, 4), 'discard': (14, 1), 'data_allowed': (15, 5), 'durability': (28, 2)}


def put_bits(words, at, first, width, value):
    if not 0 <= value < 1 << width:
        raise SystemExit('blank_set: %d does not fit in %d bits' % (value, width))
    word = struct.unpack_from('<Q', words, at)[0]
    struct.pack_into('<Q', words, at, word & ~((1 << width) - 1 << first) | value << first)


def section(kind, payload):
    payload += bytes(-len(payload) % 8)
    return struct.pack('<II', 1 + len(payload) // 8, kind) + payload


def sections(sb):
    at, end = HEADER, HEADER + 8 * struct.unpack_from('<I', sb, 124)[0]
    while at < end:
        u64s, kind = struct.unpack_from('<II', sb, at)
        yield kind, bytes(sb[at + 8:at + 8 * u64s])
        at += 8 * u64s


def member(template, args, index, uuids):
    record = bytearray(template)
    record[:16] = uuids(128).to_bytes(16, 'big')
    bucket_sectors = args.bucket * 2
    struct.pack_into('<Q', record, 16, args.size * 2048 // bucket_sectors)
    struct.pack_into('<H', record, 26, bucket_sectors)
    for text in args.member:
        which, setting = text.split(':')
        name, value = setting.split('=')
        if int(which) == index:
            put_bits(record, 40, *MEMBER_FLAGS[name], int(value))
    return bytes(record)


def superblock(args, uuids):
    """The superblock that all members share, but for dev_idx and offset."""
    with open(args.source, 'rb') as f:
        f.seek(PRIMARY)
        sb = f.read(64 << 10)
    template = dict(sections(sb))[MEMBERS_V2][8:8 + MEMBER_BYTES]
    members = [member(template, args, i, uuids) for i in range(len(args.target))]
    tail = section(MEMBERS_V2, struct.pack('<H6x', MEMBER_BYTES) + b''.join(members))
    tail += section(MEMBERS_V1, b''.join(m[:MEMBER_V1_BYTES] for m in members))
    if args.key:
        tail += section(CRYPT, bytes(16) + b'bch**key' + uuids(256).to_bytes(32, 'big'))

    sb = bytearray(sb[:HEADER]) + tail
    sb[40:56] = uuid.UUID(int=uuids(128), version=4).bytes
    sb[56:72] = uuid.UUID(int=uuids(128), version=4).bytes
    struct.pack_into('<H', sb, 120, args.block // SECTOR)
    sb[123] = len(members)
    struct.pack_into('<I', sb, 124, len(tail) // 8)
    options = ['btree_node_size=%d' % (args.node * 2)] + args.set + ['encryption=1'] * args.key
    for name, value in (text.split('=') for text in options):
        word, first, width = FLAGS[name]
        put_bits(sb, 144 + 8 * word, first, width, int(value))
    features = struct.unpack_from('<Q', sb, 208)[0]
    struct.pack_into('<Q', sb, 208, features | LZ4_GZIP_ZSTD)
    return sb


def write_image(name, sb, args):
    second = (8 + COPY_SECTORS + args.block // SECTOR - 1) // (args.block // SECTOR) * (args.block // SECTOR)
    last = (args.size * 2048 - COPY_SECTORS) // (args.bucket * 2) * (args.bucket * 2)
    copies = (8, second, last)
    struct.pack_into('<3Q', sb, LAYOUT + 24, *copies)
    with open(name, 'wb') as f:
        f.truncate(args.size << 20)
        f.seek(7 * SECTOR)
        f.write(sb[LAYOUT:HEADER])
        for sector in copies:
            struct.pack_into('<Q', sb, 104, sector)
            f.seek(sector * SECTOR)
            f.write(sb)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name, default in ('size', 256), ('bucket', 256), ('node', 256), ('block', 4096), ('seed', None):
        parser.add_argument('--' + name, type=int, default=default)
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--member', action='append', default=[])
    parser.add_argument('--key', action='store_true')
    parser.add_argument('source')
    parser.add_argument('target', nargs='+')
    args = parser.parse_args()
    sb = superblock(args, random.Random(args.seed).getrandbits)
    for index, name in enumerate(args.target):
        sb[122] = index
        write_image(name, sb, args)


main()
