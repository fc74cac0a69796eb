#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Say everything about a mounted tree, in the form of tests/golden/*/contents.txt.

  manifest.py [OPTION...] DIR        print it
  manifest.py [OPTION...] DIR FILE   compare with FILE (.zst allowed): print what differs, exit 1 if anything does

  --direct    files are read past the page cache
  --no-mtime  times are not said: of a set whose names come into being as it is looked at
  --pieces    files are read in pieces of odd sizes at random places, too, which must be what the whole read gave there
  --data-map  where files have data and where holes (SEEK_DATA) is said, too; holes must read as zeros, and what FILE
              says is a hole must be one (the in-tree driver calls space data that was allocated and never written)

Order never matters: sections are compared as sets of lines.
"""
import errno
import hashlib
import mmap
import os
import random
import re
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
PIECES = DATA_MAP = NO_MTIME = False


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


def read_in_pieces(path):
    """Raises if reads of a file at random places differ from the file read in order."""
    with open(path, 'rb') as f:
        whole = f.read()
    rng = random.Random(len(whole))
    fd = os.open(path, FLAGS)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        for _ in range(20 if whole else 0):
            at, length = rng.randrange(len(whole)), rng.choice((1, 512, 3000, 4096, 10000, 70000))
            os.posix_fadvise(fd, at, length, os.POSIX_FADV_RANDOM)
            if os.pread(fd, length, at) != whole[at:at + length]:
                raise ValueError('%r differs at %d, read in a piece of %d' % (path, at, length))
    finally:
        os.close(fd)


def data_map(path):
    """'0-4096 8192-12288': where data is."""
    out, end = [], 0
    fd = os.open(path, FLAGS)
    try:
        while True:
            try:
                start = os.lseek(fd, end, os.SEEK_DATA)
            except OSError as e:
                if e.errno == errno.ENXIO:
                    return ' '.join(out).encode()
                raise
            end = os.lseek(fd, start, os.SEEK_HOLE)
            out.append('%d-%d' % (start, end))
    finally:
        os.close(fd)


def check_holes(path, spans):
    """Raises if a hole does not read as zeros."""
    with open(path, 'rb') as f:
        whole = f.read()
    at = 0
    for start, end in spans + [(len(whole), len(whole))]:
        if whole[at:start].strip(b'\0'):
            raise ValueError('%r: not all zeros in the hole from %d to %d' % (path, at, start))
        at = end


def spans_of(text):
    return [tuple(map(int, span.split(b'-'))) for span in text.split()]


def within(inner, outer):
    """Whether every span of inner lies in those of outer, which may be in adjoining pieces."""
    joined = []
    for start, end in outer:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    return all(any(a <= start and end <= b for a, b in joined) for start, end in inner)


def map_differences(want, have):
    """Lines of both, 'path|spans', of files with data where it is wanted that there is none."""
    spans = dict(line.rsplit(b'|', 1) for line in want)
    for line in sorted(have):
        path, mine = line.rsplit(b'|', 1)
        if path not in spans:
            yield b'+ ' + line
        elif not within(spans_of(mine), spans_of(spans[path])):
            yield b'- ' + path + b'|' + spans[path]
            yield b'+ ' + line


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
    names, sums, huge, links, attrs, maps = set(), set(), set(), set(), set(), set()
    for path in walk(top):
        full = os.path.join(top, path)
        st = os.lstat(full)
        names.add(describe(path, st))
        if stat.S_ISREG(st.st_mode):
            mark, name = quoted(path)
            if DATA_MAP:
                data = data_map(full)
                maps.add(path + b'|' + data)
                if st.st_size < HUGE:
                    check_holes(full, spans_of(data))
            if PIECES and st.st_size < HUGE:
                read_in_pieces(full)
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
    return {'names': names, 'sha256': sums, 'huge': huge, 'symbolic': links, 'attributes': attrs, 'map': maps}


def parse(text):
    """A reference file in the same form."""
    out = {name: set() for name in ('names', 'sha256', 'huge', 'symbolic', 'attributes', 'map')}
    section = file = None
    for line in text.split(b'\n'):
        if line.startswith(b'## '):
            section = line[3:].replace(b':', b' ').split()[0].decode()
        elif section == 'extended' and line.startswith(b'# file: '):
            file = line[8:]
        elif line:
            out[section if section != 'extended' else 'attributes'].add(
                file + b' ' + line if section == 'extended' else line)
    return out


def without_mtime(names):
    return {re.sub(rb'\|mtime [^|]*', b'', line) for line in names}


def read_reference(name):
    if name.endswith('.zst'):
        return subprocess.run(['zstd', '-dcq', name], stdout=subprocess.PIPE, check=True).stdout
    with open(name, 'rb') as f:
        return f.read()


def main():
    global FLAGS, PIECES, DATA_MAP, NO_MTIME
    while sys.argv[1].startswith('--'):
        option = sys.argv.pop(1)
        FLAGS |= os.O_DIRECT if option == '--direct' else 0
        PIECES |= option == '--pieces'
        DATA_MAP |= option == '--data-map'
        NO_MTIME |= option == '--no-mtime'
    have = manifest(os.fsencode(sys.argv[1]))
    if NO_MTIME:
        have['names'] = without_mtime(have['names'])
    out = sys.stdout.buffer
    if len(sys.argv) == 2:
        for section, lines in have.items():
            out.write(b'## ' + section.encode() + b'\n' + b''.join(l + b'\n' for l in sorted(lines)))
        return 0
    want = parse(read_reference(sys.argv[2]))
    if not want['names']:
        sys.exit('manifest: %s lists no names' % sys.argv[2])
    if NO_MTIME:
        want['names'] = without_mtime(want['names'])
    differences = 0
    for line in map_differences(want.pop('map'), have.pop('map')):
        out.write(line + b'\n')
        differences += 1
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
