#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""All that can be told of a tree from outside, as text: to compare two trees, or one with itself after a remount.

  tree.py show DIR             of everything below: type, mode, owner, links, size, times, attributes, contents
  tree.py compare DIR DIR      what both kinds of file system must agree on: not times, nor numbers of inodes
  tree.py restored DIR DIR     the same for who copies all that can be copied: also times of modification, holes, the roots
"""
import hashlib
import os
import stat
import sys

# ours shows its options so, and xfs its ACLs once more
NOT_PORTABLE = ('bcachefs.', 'bcachefs_effective.', 'trusted.SGI_ACL_')


def attributes(path, portable):
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError as e:
        return ['? %s' % e.strerror]
    if portable:
        names = [n for n in names if not n.startswith(NOT_PORTABLE)]
    return ['%s=%s' % (n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in names]


def contents(path, st):
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(os.fsencode(path)).hex()
    if not stat.S_ISREG(st.st_mode):
        return '-'
    digest = hashlib.md5()
    with open(path, 'rb') as f:
        while piece := f.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def holes(path, st):
    """Blocks of 4 KiB that have no data, as spans."""
    if not stat.S_ISREG(st.st_mode):
        return '-'
    spans, at = [], 0
    with open(path, 'rb') as f:
        while at < st.st_size:
            try:
                data = os.lseek(f.fileno(), at, os.SEEK_DATA) & ~4095
            except OSError:
                data = st.st_size
            if data > at:
                spans.append('%d-%d' % (at, data))
            at = data if data >= st.st_size else (os.lseek(f.fileno(), data, os.SEEK_HOLE) + 4095) & ~4095
    return ' '.join(spans)


def entry(path, portable, groups, restored=False):
    st = os.lstat(path)
    kind = stat.S_ISDIR(st.st_mode)
    line = ['%o' % st.st_mode, st.st_uid, st.st_gid, st.st_nlink,
            '-' if kind else st.st_size, st.st_rdev if stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode) else 0]
    # names of one file are known by the first of them
    line.append(groups.setdefault((st.st_dev, st.st_ino), os.fsencode(path).hex()[-40:]) if st.st_nlink > 1 and not kind else '')
    if not portable:
        line += [st.st_ino, st.st_blocks, st.st_mtime_ns, st.st_ctime_ns]
    if restored:
        line += [st.st_mtime_ns, '[%s]' % holes(path, st)]
    return ' '.join(map(str, [os.fsencode(path).decode('latin-1').encode('unicode_escape').decode()] + line +
                        [contents(path, st)] + attributes(path, portable)))


def listing(top, portable, restored=False):
    groups = {}
    os.chdir(top)
    yield entry('.', portable, groups, restored)
    for here, dirs, files in os.walk('.'):
        if here == '.' and 'lost+found' in dirs:
            dirs.remove('lost+found')
        dirs.sort()
        for name in sorted(dirs + files):
            yield entry(os.path.join(here, name), portable, groups, restored)


def main():
    if sys.argv[1] == 'show':
        for line in listing(sys.argv[2], False):
            print(line)
        return 0
    restored = sys.argv[1] == 'restored'
    # the roots are made by others
    a, b = (list(listing(d, True, restored))[not restored:] for d in [os.path.abspath(p) for p in sys.argv[2:4]])
    in_a, in_b = set(a), set(b)
    extra = [l for l in a if l not in in_b], [l for l in b if l not in in_a]
    for sign, lines in zip('<>', extra):
        for line in lines[:10]:
            print('#', sign, line[:300])
    return bool(extra[0] or extra[1])


if __name__ == '__main__':
    sys.exit(main())
