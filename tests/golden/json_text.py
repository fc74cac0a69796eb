#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes what "bcachectl list --json" says in the text form of tests/golden/*/btree-keys.txt, so that both can be
compared key by key.

  json_text.py SUPER.json < LIST.json

SUPER.json is "bcachectl show-super --json": the members' bucket sizes and durability. What the text has and JSON says
otherwise or not at all (marks of stale pointers, the count of packed inode fields, the fragmentation index, which
follows from the rest) is left out on both sides: json_text.py --plain filters a reference listing accordingly.
"""
import json
import re
import sys

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1

SUPER = {}


def pos(p):
    t = (p['inode'], p['offset'], p['snapshot'])
    if t == (0, 0, 0):
        return 'POS_MIN'
    if t == (U64_MAX, U64_MAX, 0):
        return 'POS_MAX'
    if t == (U64_MAX, U64_MAX, U32_MAX):
        return 'SPOS_MAX'
    part = [str(t[0]) if t[0] != U64_MAX else 'U64_MAX', str(t[1]) if t[1] != U64_MAX else 'U64_MAX',
            str(t[2]) if t[2] != U32_MAX else 'U32_MAX']
    return ':'.join(part)


def member(dev):
    return SUPER[dev]


def ptr(e):
    sectors = member(e['dev'])['bucket_bytes'] // 512
    return ' ptr: %d:%d:%d gen %d%s%s' % (e['dev'], e['sector'] // sectors, e['sector'] % sectors, e['gen'],
                                          ' cached' if e['cached'] else '', ' unwritten' if e['unwritten'] else '')


def entries(key, v):
    durability = sum(member(e['dev'])['durability'] for e in v['entries'] if e['kind'] == 'ptr' and not e['cached'])
    out = 'durability: %d' % durability
    for e in v['entries']:
        if e['kind'] == 'ptr':
            out += ptr(e)
        elif e['kind'] == 'crc':
            out += ' crc: c_size %d size %d offset %d nonce %d csum %s %x:%x  compress %s' % (
                e['compressed_size'], e['uncompressed_size'], e['offset'], e['nonce'], e['csum_type'], e['csum_hi'],
                e['csum_lo'], e['compression_type'])
        else:
            raise SystemExit('json_text: no reference has an entry of kind ' + e['kind'])
    return out


def reflink_v(key, v):
    return 'refcount: %d %s' % (v['refcount'], entries(key, v))


def inline(key, v):
    count = 'refcount %d: ' % v['refcount'] if 'refcount' in v else ''
    return '%svalue bytes %d: %s' % (count, len(v['data']) // 2, v['data'])


INODE_FIELDS = ('bi_size bi_sectors bi_version bi_atime bi_ctime bi_mtime bi_otime bi_uid bi_gid bi_nlink bi_generation '
                'bi_dev bi_data_checksum bi_compression bi_project bi_background_compression bi_data_replicas '
                'bi_promote_target bi_foreground_target bi_background_target bi_erasure_code bi_fields_set bi_dir '
                'bi_dir_offset bi_subvol bi_parent_subvol bi_nocow').split()


def inode(key, v):
    out = '\n  mode=%o\n  flags=(%x)\n  journal_seq=%d' % (v['mode'], v['flags'] | v['str_hash'] << 20, v['journal_seq'])
    # the driver prints times without sign
    return out + ''.join('\n  %s=%d' % (name, v[name] % 2**64) for name in INODE_FIELDS)


TYPES = {1: 'fifo', 2: 'chr', 4: 'dir', 6: 'blk', 8: 'reg', 10: 'lnk', 12: 'sock', 16: 'subvol'}


def name(hexed):
    return bytes.fromhex(hexed).decode('utf-8', 'surrogateescape')


def dirent(key, v):
    target = '%d -> %d' % (v['parent_subvol'], v['child_subvol']) if 'child_subvol' in v else '%d' % v['inum']
    return '%s -> %s type %s' % (name(v['name_hex']), target, TYPES[v['d_type']])


ACL_TAGS = {1: 'user_obj', 2: 'user uid', 4: 'group_obj', 8: 'group gid', 16: 'mask', 32: 'other'}


def acl(value):
    out, at = [], 4
    while at < len(value):
        tag, perm = value[at] | value[at + 1] << 8, value[at + 2] | value[at + 3] << 8
        at += 4
        text = ACL_TAGS[tag]
        if tag in (2, 8):
            text += ' %d' % int.from_bytes(value[at:at + 4], 'little')
            at += 4
        out.append(' %s %d' % (text, perm))
    return ''.join(out)


def xattr(key, v):
    value = bytes.fromhex(v['val'])
    # the driver prints a value as a string, up to the first zero byte; an ACL's entries follow
    text = value.split(b'\0')[0].decode('utf-8', 'surrogateescape')
    if v['x_type'] in (1, 2):
        return '%s(type %d):%s%s' % (name(v['name_hex']), v['x_type'], text, acl(value))
    prefix = {0: 'user.', 3: 'trusted.', 4: 'security.'}[v['x_type']]
    return '%s%s:%s' % (prefix, name(v['name_hex']), text)


def alloc(key, v):
    return ('\n  gen %d oldest_gen %d data_type %s\n  journal_seq       %d\n  need_discard      %d\n'
            '  need_inc_gen      %d\n  dirty_sectors     %d\n  stripe_sectors    %d\n  cached_sectors    %d\n'
            '  stripe            %d\n  stripe_redundancy %d\n  io_time[READ]     %d\n  io_time[WRITE]    %d\n'
            '  bp_start          %d\n' % (
                v['gen'], v['oldest_gen'], v['data_type'], v['journal_seq'], v['need_discard'], v['need_inc_gen'],
                v['dirty_sectors'], v['stripe_sectors'], v['cached_sectors'], v['stripe'], v['stripe_redundancy'],
                v['io_time_read'], v['io_time_write'], v['backpointers_start']))


def backpointer(key, v):
    dev = key['pos']['inode']
    sectors = member(dev)['bucket_bytes'] // 512
    bucket = (key['pos']['offset'] >> 10) // sectors
    return 'bucket=%d:%d:0 btree=%s l=%d offset=%d:%d len=%d pos=%s' % (
        dev, bucket, v['btree'], v['level'], v['bucket_offset'] >> 10, v['bucket_offset'] & 1023, v['bucket_len'],
        pos(v['pos']))


def accounting(key, v):
    kind, counters = v['kind'], ' '.join('%d' % c for c in v['counters'])
    middle = {
        'nr_inodes': lambda: '',
        'persistent_reserved': lambda: 'replicas=%d' % v['nr_replicas'],
        'replicas': lambda: '%s: %d/%d [%s]' % (v['data_type'], v['nr_required'], len(v['devs']),
                                               ' '.join(map(str, v['devs']))),
        'dev_data_type': lambda: 'dev=%d data_type=%s' % (v['dev'], v['data_type']),
        'compression': lambda: v['compression_type'],
        'snapshot': lambda: 'id=%d' % v['id'],
        'btree': lambda: 'btree=' + BTREES[v['id']],
        'rebalance_work': lambda: '',
        'inum': lambda: '',
    }[kind]()
    return '%s %s %s' % (kind, middle, counters)


BTREES = ('extents inodes dirents xattrs alloc quotas stripes reflink subvolumes snapshots lru freespace need_discard '
          'backpointers bucket_gens snapshot_trees deleted_inodes logged_ops rebalance_work subvolume_children '
          'accounting').split()


def subvolume(key, v):
    return 'root %d snapshot id %d creation_parent %d fs_parent %d' % (
        v['inode'], v['snapshot'], v['creation_parent'], v['fs_path_parent'])


def snapshot(key, v):
    return 'is_subvol %d deleted %d parent %10d children %10d %10d subvol %d tree %d depth %d skiplist %d %d %d' % (
        v['is_subvol'], v['deleted'], v['parent'], *v['children'], v['subvol'], v['tree'], v['depth'], *v['skip'])


VALUES = {
    'extent': entries, 'reflink_v': reflink_v, 'inode_v3': inode, 'dirent': dirent, 'xattr': xattr, 'alloc_v4': alloc,
    'backpointer': backpointer, 'accounting': accounting, 'subvolume': subvolume, 'snapshot': snapshot,
    'inline_data': inline, 'indirect_inline_data': inline,
    'reservation': lambda k, v: 'generation %d replicas %d' % (v['generation'], v['nr_replicas']),
    'inode_generation': lambda k, v: 'generation: %d' % v['generation'],
    'reflink_p': lambda k, v: 'idx %d front_pad %d back_pad %d' % (v['idx'], v['front_pad'], v['back_pad']),
    'snapshot_tree': lambda k, v: 'subvol %d root snapshot %d' % (v['master_subvol'], v['root_snapshot']),
    'bucket_gens': lambda k, v: ' '.join(str(b) for b in bytes.fromhex(v['gens'])),
    'logged_op_truncate': lambda k, v: 'subvol=%d inum=%d new_i_size=%d' % (v['subvol'], v['inum'], v['new_i_size']),
    'logged_op_finsert': lambda k, v: 'subvol=%d inum=%d dst_offset=%d src_offset=%d' % (
        v['subvol'], v['inum'], v['dst_offset'], v['src_offset']),
}


def key_text(key):
    version = key['version']['lo'] if not key['version']['hi'] else '%d:%d' % (key['version']['hi'], key['version']['lo'])
    out = 'u64s %d type %s %s len %d ver %s' % (key['u64s'], key['type'], pos(key['pos']), key['size'], version)
    if key['type'] in VALUES:
        out += ': ' + VALUES[key['type']](key, key['value'])
    return out


# The word of inode flags holds the count of packed fields in bits 24 to 30, which is no property of the inode; the
# names before it are the same bits again.
def plain_flags(match):
    return 'flags=(%x)' % (int(match.group(1), 16) & 0xffffff)


def plain(line):
    return re.sub(r'flags=[a-z_,]*\(([0-9a-f]+)\)', plain_flags, line).replace(' stale', '')


def main():
    sys.stdin.reconfigure(errors='surrogateescape')
    sys.stdout.reconfigure(errors='surrogateescape')
    if sys.argv[1] == '--plain':
        for line in sys.stdin:
            if not line.startswith(('#', '  fragmentation ')):
                sys.stdout.write(plain(line))
        return
    with open(sys.argv[1]) as f:
        for m in json.load(f)['members']:
            SUPER[m['index']] = m
    for line in sys.stdin:
        print(key_text(json.loads(line)))


main()
