#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Say everything about a mounted tree, in the form of tests/golden/*/contents.txt.

  manifest.py [--direct] DIR        print it
  manifest.py [--direct] DIR FILE   compare with FILE (.zst allowed): print what differs, exit 1 if anything does

With --direct files are read past the page cache. Order never matters: sections are compared as sets of lines.
"""
import hashlib
import mmap
import os
import stat
import subprocess
import sys

TYPES = {stat.S_IFREG: 'regular file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symbolic link',
         stat.S_IFCHR: 'character special file', stat.S_IFBLK: 'block special file',
         stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket'}
HUGE = 256 << 20


def walk(top):
    """Paths below top as bytes, './a/b'; errors are the caller's to see."""
    stack = [b'.']
    while stack:
        here = stack.pop()
        with os.scandir(os.path.join(top, here)) as entries:
            for entry in entries:
                path = os.path.join(here, entry.name)
                yield path
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)


def describe(path, st):
    kind = TYPES[stat.S_IFMT(st.st_mode)]
    if kind == 'regular file' and not st.st_size:
        kind = 'regular empty file'
    # before 1970: the number of seconds as one negative decimal fraction
    sec, ns = divmod(abs(st.st_mtime_ns), 10**9)
    sign = '-' if st.st_mtime_ns < 0 else ''
    return path + ('|%s|%o|%d:%d|links %d|size %d|blocks %d|rdev %x:%x|mtime %s%d.%09d|ino %d' % (
        kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_blocks,
        os.major(st.st_rdev), os.minor(st.st_rdev), sign, sec, ns, st.st_ino)).encode()


# one buffer for all reads; anonymous memory is aligned to pages, as direct reads want
BUFFER = mmap.mmap(-1, 1 << 20)
FLAGS = os.O_RDONLY


def digest(path, offset=0, length=None):
    h = hashlib.sha256()
    fd = os.open(path, FLAGS)
    try:
        # whole sectors around the range: direct reads want that too
        pos, skip = offset & ~511, offset & 511
        while length is None or length > 0:
            got = os.preadv(fd, [BUFFER], pos)
            data = memoryview(BUFFER)[skip:got]
            if length is not None:
                data = data[:length]
                length -= len(data)
            if not data:
                break
            h.update(data)
            pos, skip = pos + got, 0
            if pos & 511:
                break
    finally:
        os.close(fd)
    return h.hexdigest().encode()


def quoted(path):
    """As sha256sum prints names that would be ambiguous."""
    if b'\\' in path or b'\n' in path:
        return b'\\', path.replace(b'\\', b'\\\\').replace(b'\n', b'\\n')
    return b'', path


def xattrs(full):
    for name in os.listxattr(full, follow_symlinks=False):
        value = os.getxattr(full, name, follow_symlinks=False)
        yield os.fsencode(name) + b'=0x' + value.hex().encode()


def manifest(top):
    names, sums, huge, links, attrs = set(), set(), set(), set(), set()
    for path in walk(top):
        full = os.path.join(top, path)
        st = os.lstat(full)
        names.add(describe(path, st))
        if stat.S_ISREG(st.st_mode):
            mark, name = quoted(path)
            if st.st_size < HUGE:
                sums.add(mark + digest(full) + b'  ' + name)
            else:
                huge.add(digest(full, 0, 65536) + b' ' +
                         digest(full, max(0, st.st_size - 65536), 65536) + b'  ' + path)
        elif stat.S_ISLNK(st.st_mode):
            links.add(path + b' -> ' + os.readlink(full))
        for line in xattrs(full):
            attrs.add(path[2:] + b' ' + line)
    for line in xattrs(top):
        attrs.add(b'. ' + line)
    return {'names': names, 'sha256': sums, 'huge': huge, 'symbolic': links, 'extended': attrs}


def parse(text):
    """A reference file in the same form."""
    out = {'names': set(), 'sha256': set(), 'huge': set(), 'symbolic': set(), 'extended': set()}
    section = file = None
    for line in text.split(b'\n'):
        if line.startswith(b'## '):
            section = line[3:].replace(b':', b' ').split()[0].decode()
        elif section == 'extended' and line.startswith(b'# file: '):
            file = line[8:]
        elif line:
            out[section].add(file + b' ' + line if section == 'extended' else line)
    return out


def read_reference(name):
    if name.endswith('.zst'):
        return subprocess.run(['zstd', '-dcq', name], stdout=subprocess.PIPE, check=True).stdout
    with open(name, 'rb') as f:
        return f.read()


def main():
    global FLAGS
    if sys.argv[1] == '--direct':
        FLAGS |= os.O_DIRECT
        del sys.argv[1]
    have = manifest(os.fsencode(sys.argv[1]))
    out = sys.stdout.buffer
    if len(sys.argv) == 2:
        for section, lines in have.items():
            out.write(b'## ' + section.encode() + b'\n' + b''.join(l + b'\n' for l in sorted(lines)))
        return 0
    want = parse(read_reference(sys.argv[2]))
    if not want['names']:
        sys.exit('manifest: %s lists no names' % sys.argv[2])
    differences = 0
    for section in want:
        for sign, lines in (b'- ', want[section] - have[section]), (b'+ ', have[section] - want[section]):
            for line in sorted(lines):
                out.write(sign + line + b'\n')
                differences += 1
    out.write(b'%d names, %d files read, %d differences\n' % (
        len(have['names']), len(have['sha256']) + len(have['huge']), differences))
    return 1 if differences else 0


if __name__ == '__main__':
    sys.exit(main())
