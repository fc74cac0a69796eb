#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The same random operations on two file systems at once: each must end the same way on both, and leave the same tree.

  opfuzz.py OURS REFERENCE REMOUNT OPERATIONS [SEED]

OURS and REFERENCE are directories on a set and on a file system that has reflinks (xfs); REMOUNT is a command that unmounts and mounts
OURS' file system again. Names, contents, mappings, direct I/O, ranges, attributes, and snapshots: the reference's are
copies. Trees are compared after each round of operations, and after every second one again after a remount. The seed
that was taken is printed; what was done last, when something differs.
"""
import collections
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import random
import shutil
import stat
import struct
import subprocess
import sys

import tree

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
SUBVOLUME_CREATE, SUBVOLUME_DESTROY = 0x4020bc10, 0x4020bc11
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE, INSERT = 1, 2, 8, 16, 32
FICLONE, FICLONERANGE = 0x40049409, 0x4020940d
NO_WAIT = os.O_NOFOLLOW | os.O_NONBLOCK        # for the other end of a fifo
MAX_SIZE, BLOCK, ROUND = 1 << 20, 4096, 150
NAMES = ['a', 'b', 'c', 'd', 'e', 'long' + 'x' * 240]
# what file systems may see differently in one situation
ALIKE = [{errno.EEXIST, errno.ENOTEMPTY}, {errno.EINVAL, errno.EOPNOTSUPP}]


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def subvolume(request, dst, flags=0, src=None):
    dst, src = ctypes.create_string_buffer(os.fsencode(dst)), src and ctypes.create_string_buffer(os.fsencode(src))
    fd = os.open(os.path.dirname(os.fsdecode(dst.value)), os.O_RDONLY)
    try:
        fcntl.ioctl(fd, request, struct.pack('<IiHxxxxxxQQ', flags, AT_FDCWD, 0, ctypes.addressof(dst),
                                             ctypes.addressof(src) if src else 0))
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened_two(side, source, target):
    a = os.open(side.path(source), os.O_RDONLY | NO_WAIT)
    try:
        b = os.open(side.path(target), os.O_RDWR | NO_WAIT)
        try:
            yield a, b
        finally:
            os.close(b)
    finally:
        os.close(a)


class Side:
    """One of the two: where it is, and files that are held open."""

    def __init__(self, top):
        self.top, self.open = top, {}

    def path(self, name):
        return os.path.join(self.top, name)

    def close_all(self):
        for fd in self.open.values():
            os.close(fd)
        self.open = {}


class Fuzz:
    def __init__(self, rng, ours, reference):
        self.rng, self.sides = rng, [Side(ours), Side(reference)]
        self.log = collections.deque(maxlen=ROUND)
        self.counts = collections.Counter()
        self.snapshots, self.serial = [], 0
        self.known = []         # paths that were there a few operations ago

    # Choices

    def path(self):
        rng = self.rng
        if self.known and rng.random() < 0.6:
            return rng.choice(self.known)
        parts = [rng.choice(NAMES[:3]) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
        return os.path.join('t', *parts, rng.choice(NAMES))

    def look_around(self):
        top = self.sides[1].path('t')
        self.known = sorted(os.path.join('t', os.path.relpath(os.path.join(here, name), top))
                            for here, dirs, files in os.walk(top) for name in dirs + files)

    def size(self):
        return max(1, self.rng.choice((1, 511, 512, 4095, 4096, 8192, 20000, 65536, 200000)) + self.rng.choice((0, 0, -1, 7)))

    def offset(self, align=1):
        return self.rng.choice((0, 0, BLOCK, self.rng.randrange(70000), self.rng.randrange(MAX_SIZE // 2))) // align * align

    def data(self, length):
        kind = self.rng.randrange(4)
        if kind == 0:
            return self.rng.randbytes(length)
        if kind == 1:
            return bytes(length)
        return (self.rng.randbytes(self.rng.choice((3, 50, 700))) * (length // 3 + 1))[:length]

    # One operation on both sides

    def both(self, what, fn):
        results, refused = [], 0
        for side in self.sides:
            try:
                results.append(fn(side))
            except OSError as e:
                refused = 1
                results.append(e.errno if e.errno != errno.ENOTSUP else errno.EOPNOTSUPP)
                if e.errno in (errno.EIO, errno.EUCLEAN, errno.EROFS, errno.ENOSPC):
                    print('# unexpected: %s: %s' % (what, e), flush=True)
                    results[-1] = 'broken'
        self.log.append('%s -> %r' % (what, results[0] if not isinstance(results[0], bytes) else len(results[0])))
        a, b = results
        self.counts['refused' if refused else 'done'] += 1
        if a != b and not any(a in s and b in s for s in ALIKE if not isinstance(a, (bytes, list, tuple))):
            if isinstance(a, bytes) and isinstance(b, bytes):
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                results = '%d and %d bytes, first difference at %d' % (len(a), len(b), at)
            raise SystemExit('%s: ours and the reference: %s\n' % (what, results))

    def on_file(self, what, path, fn, flags=os.O_RDWR):
        def run(side):
            fd = os.open(side.path(path), flags | NO_WAIT, 0o644)
            try:
                return fn(fd)
            finally:
                os.close(fd)
        self.both('%s %s' % (what, path), run)

    # Operations; WEIGHTS tells how often

    def op_create(self):
        path, mode, flags = self.path(), self.rng.choice((0o644, 0o600, 0o4755)), self.rng.choice((os.O_EXCL, 0, os.O_TRUNC))
        data = self.data(self.size())
        self.on_file('create %s %d' % (flags, len(data)), path, lambda fd: os.write(fd, data), os.O_CREAT | os.O_RDWR | flags)

    def op_write(self):
        data, at = self.data(self.size()), self.offset()
        self.on_file('write %d at %d' % (len(data), at), self.path(), lambda fd: os.pwrite(fd, data, at))

    def op_append(self):
        data = self.data(self.size() % 9000 + 1)
        self.on_file('append %d' % len(data), self.path(), lambda fd: os.write(fd, data), os.O_WRONLY | os.O_APPEND)

    def op_read(self):
        at, length = self.offset(), self.size()
        self.on_file('read %d at %d' % (length, at), self.path(), lambda fd: os.pread(fd, length, at), os.O_RDONLY)

    def op_direct(self):
        at, length, write = self.offset(BLOCK), self.rng.choice((4096, 8192, 65536)), self.rng.randrange(2)
        data = self.data(length)

        def run(fd):
            with mmap.mmap(-1, length) as buffer:
                if write:
                    buffer.write(data)
                    return os.pwritev(fd, [buffer], at)
                return buffer[:os.preadv(fd, [buffer], at)]
        self.on_file('direct %s %d at %d' % ('write' if write else 'read', length, at), self.path(), run, os.O_RDWR | os.O_DIRECT)

    def op_mmap(self):
        pick, data, sync = self.rng.random(), self.data(self.size()), self.rng.randrange(2)

        def run(fd):
            size = os.fstat(fd).st_size
            if not size:
                return b''
            at = int(pick * size)
            with mmap.mmap(fd, size) as view:
                before = view[at:at + 100]
                piece = data[:size - at]
                view[at:at + len(piece)] = piece
                if sync:
                    view.flush()
            return before
        self.on_file('mmap write %d' % len(data), self.path(), run)

    def op_truncate(self):
        size = self.rng.choice((0, self.offset(), self.offset(BLOCK), self.offset() + self.size()))
        path = self.path()
        self.both('truncate %s %d' % (path, size), lambda s: os.truncate(s.path(path), size))

    def op_range(self):
        mode = self.rng.choice((0, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE,
                                INSERT, COLLAPSE))
        at, length = self.offset(), self.size()
        if mode in (INSERT, COLLAPSE):
            at, length = at // BLOCK * BLOCK, max(1, length // BLOCK) * BLOCK

        def run(fd):
            if mode == INSERT and os.fstat(fd).st_size > MAX_SIZE:
                return None
            return call(LIBC.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(length)))
        self.on_file('fallocate mode %d at %d length %d' % (mode, at, length), self.path(), run)

    def op_clone(self):
        source, target, whole = self.path(), self.path(), self.rng.randrange(2)
        at, to, length = self.offset(BLOCK), self.offset(BLOCK), self.rng.choice((0, 1, 4, 20)) * BLOCK

        def run(side):
            with opened_two(side, source, target) as (a, b):
                if whole:
                    return fcntl.ioctl(b, FICLONE, a)
                return fcntl.ioctl(b, FICLONERANGE, struct.pack('<qQQQ', a, at, length, to)) and None
        self.both('clone %s %s %d %d %d' % (source, target, at, length, to), run)

    def op_copy_range(self):
        source, target, at, to, length = self.path(), self.path(), self.offset(), self.offset(), self.size()

        def run(side):
            with opened_two(side, source, target) as (a, b):
                done = 0
                while done < length:
                    n = os.copy_file_range(a, b, length - done, at + done, to + done)
                    if not n:
                        break
                    done += n
                return str(done)
        self.both('copy range %s %s %d at %d to %d' % (source, target, length, at, to), run)

    def op_fsync(self):
        self.on_file('fsync', self.path(), lambda fd: os.fsync(fd), os.O_RDONLY)

    def op_hold(self):
        path, key = self.path(), self.rng.randrange(4)

        def run(side):
            old = side.open.pop(key, None)
            if old is not None:
                os.close(old)
            side.open[key] = os.open(side.path(path), os.O_RDWR | NO_WAIT)
        self.both('hold %s as %d' % (path, key), run)

    def op_held(self):
        key, data, at = self.rng.randrange(4), self.data(self.size()), self.offset()

        def run(side):
            fd = side.open.get(key)
            if fd is None or not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            before = os.pread(fd, 1000, at)
            os.pwrite(fd, data, at)
            return before + b'%d' % os.fstat(fd).st_nlink
        self.both('write %d at %d through %d' % (len(data), at, key), run)

    def op_mkdir(self):
        path = self.path()
        self.both('mkdir ' + path, lambda s: os.mkdir(s.path(path)))

    def op_rmdir(self):
        path = self.path()
        self.both('rmdir ' + path, lambda s: os.rmdir(s.path(path)))

    def op_unlink(self):
        path = self.path()
        self.both('unlink ' + path, lambda s: os.unlink(s.path(path)))

    def op_link(self):
        a, b = self.path(), self.path()
        self.both('link %s %s' % (a, b), lambda s: os.link(s.path(a), s.path(b), follow_symlinks=False))

    def op_symlink(self):
        path, target = self.path(), 'x' * self.rng.choice((1, 60, 500, 1000))
        self.both('symlink ' + path, lambda s: os.symlink(target, s.path(path)))

    def op_special(self):
        path, mode = self.path(), self.rng.choice((stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)) | 0o640
        self.both('mknod ' + path, lambda s: os.mknod(s.path(path), mode, os.makedev(1, 3)))

    def op_tmpfile(self):
        path, data = self.path(), self.data(self.size())

        def run(side):
            fd = os.open(side.path('t'), os.O_TMPFILE | os.O_RDWR, 0o640)
            try:
                os.write(fd, data)
                return call(LIBC.linkat(AT_FDCWD, b'/proc/self/fd/%d' % fd, AT_FDCWD, os.fsencode(side.path(path)),
                                        AT_SYMLINK_FOLLOW))
            finally:
                os.close(fd)
        self.both('tmpfile ' + path, run)

    def op_rename(self):
        a, b, flags = self.path(), self.path(), self.rng.choice((0, 0, 0, 1, 2, 4))
        if flags == 4:
            # xfs takes the whiteout's group from the new directory
            b = os.path.join(os.path.dirname(a), self.rng.choice(NAMES))
        self.both('rename %s %s flags %d' % (a, b, flags), lambda s: call(LIBC.renameat2(
            AT_FDCWD, os.fsencode(s.path(a)), AT_FDCWD, os.fsencode(s.path(b)), flags)))

    def op_chmod(self):
        path, mode = self.path(), self.rng.randrange(0o10000)
        self.both('chmod %s %o' % (path, mode), lambda s: os.chmod(s.path(path), mode))

    def op_chown(self):
        path, uid, gid = self.path(), self.rng.randrange(3), self.rng.randrange(70000)
        self.both('chown ' + path, lambda s: os.chown(s.path(path), uid, gid, follow_symlinks=False))

    def op_utime(self):
        path, ns = self.path(), self.rng.randrange(10**18)

        def run(side):
            os.utime(side.path(path), ns=(ns, ns + 1), follow_symlinks=False)
            st = os.lstat(side.path(path))
            return [st.st_atime_ns, st.st_mtime_ns]
        self.both('utime ' + path, run)

    def op_xattr(self):
        path, name = self.path(), 'user.' + self.rng.choice(('a', 'b', 'c' * 100))
        value, flags = self.rng.randbytes(self.rng.choice((0, 1, 40, 300))), self.rng.choice((0, 0, 1, 2))
        self.both('setxattr %s %s' % (path, name[:8]), lambda s: os.setxattr(s.path(path), name, value, flags))

    def op_removexattr(self):
        path, name = self.path(), 'user.' + self.rng.choice(('a', 'b', 'c' * 100))
        self.both('removexattr %s %s' % (path, name[:8]), lambda s: os.removexattr(s.path(path), name))

    def op_acl(self):
        path, kind = self.path(), self.rng.choice(('access', 'default'))
        value = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in (
            (1, 7, 0xffffffff), (2, self.rng.randrange(8), 1000), (4, 5, 0xffffffff), (16, 7, 0xffffffff), (32, 4, 0xffffffff)))
        self.both('acl %s %s' % (kind, path), lambda s: os.setxattr(s.path(path), 'system.posix_acl_' + kind, value))

    def op_list(self):
        path = self.path()
        self.both('list ' + path, lambda s: sorted(os.listdir(s.path(path))))

    def op_snapshot(self):
        if len(self.snapshots) >= 3:
            return
        self.serial += 1
        name, flags = 'snap%d' % self.serial, self.rng.choice((1, 1, 3))
        ours, reference = self.sides
        os.sync()
        subvolume(SUBVOLUME_CREATE, ours.path(name), flags, ours.path('t'))
        subprocess.run(['cp', '-a', '--reflink=auto', reference.path('t'), reference.path(name)], check=True)
        self.snapshots.append(name)
        self.log.append('snapshot %s %d' % (name, flags))

    def op_drop_snapshot(self):
        if self.snapshots:
            name = self.snapshots.pop(self.rng.randrange(len(self.snapshots)))
            subvolume(SUBVOLUME_DESTROY, self.sides[0].path(name))
            shutil.rmtree(self.sides[1].path(name))
            self.log.append('drop ' + name)

    # Rounds

    def compare(self, when):
        for name in ['t'] + self.snapshots:
            a, b = (set(list(tree.listing(os.path.abspath(s.path(name)), True))[1:]) for s in self.sides)
            if a != b:
                for sign, lines in (('<', a - b), ('>', b - a)):
                    for line in sorted(lines)[:8]:
                        print('#', sign, name, line.replace(NAMES[-1], 'LONG')[:400], flush=True)
                raise SystemExit('trees differ ' + when)
        os.chdir('/')

    def run(self, operations, remount):
        ops = [getattr(self, 'op_' + n) for n, w in WEIGHTS.items() for _ in range(w)]
        for done in range(operations):
            if done % 8 == 0:
                self.look_around()
            self.rng.choice(ops)()
            if done % ROUND == ROUND - 1:
                self.compare('after %d operations' % done)
                if done // ROUND % 2:
                    for side in self.sides:
                        side.close_all()
                    subprocess.run(remount, shell=True, check=True)
                    self.compare('after %d operations and a remount' % done)
        for side in self.sides:
            side.close_all()


WEIGHTS = {'create': 12, 'write': 10, 'append': 4, 'read': 4, 'direct': 5, 'mmap': 5, 'truncate': 5, 'range': 8, 'clone': 5,
           'copy_range': 3, 'fsync': 2, 'hold': 3, 'held': 5, 'mkdir': 6, 'rmdir': 2, 'unlink': 4, 'link': 4, 'symlink': 2,
           'special': 1, 'tmpfile': 2, 'rename': 10, 'chmod': 2, 'chown': 2, 'utime': 2, 'xattr': 4, 'removexattr': 1, 'acl': 2,
           'list': 2, 'snapshot': 1, 'drop_snapshot': 1}


def main():
    ours, reference, remount, operations = sys.argv[1:5]
    seed = int(sys.argv[5]) if len(sys.argv) > 5 and sys.argv[5] else random.SystemRandom().getrandbits(31)
    print('# SEED=%d' % seed, flush=True)
    fuzz = Fuzz(random.Random(seed), ours, reference)
    subvolume(SUBVOLUME_CREATE, os.path.join(ours, 't'))
    os.mkdir(os.path.join(reference, 't'))
    for side in fuzz.sides:
        os.chmod(side.path('t'), 0o755)
    try:
        fuzz.run(int(operations), remount)
    except SystemExit as e:
        for line in fuzz.log:
            print('#', line.replace(NAMES[-1], 'LONG')[:200])
        print('#', e, flush=True)
        return 1
    print('# %s' % dict(fuzz.counts), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
