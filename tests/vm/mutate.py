#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does random things to a mounted tree: all ways to write, move, share and shape files that the system calls offer, on a
set of the in-tree driver.

  mutate.py SEED OPERATIONS DIR [COMMAND...]

The same seed does much the same to the same tree: what is refused depends on the driver's timing. What a file system may
refuse (no space, a rename between directories of different options...) is counted by errno and passed over; a read or
write error of a device is not. At the end it prints the counts, syncs and runs COMMAND, which may end the machine with
unlinked files still open.
"""
import collections
import ctypes
import errno
import fcntl
import mmap
import os
import random
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64
FICLONE, FICLONERANGE = 0x40049409, 0x4020940d
SUBVOLUME_CREATE, SUBVOLUME_DESTROY = 0x4020bc10, 0x4020bc11   # docs/format/90-ioctl-mount-sysfs.md, section 5
SNAPSHOT, READ_ONLY = 1, 2
AT_FDCWD = -100 & 0xffffffff
FATAL = {errno.EIO, errno.EUCLEAN, errno.ESHUTDOWN, errno.EFAULT}
SIZES = (1, 511, 512, 513, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 131072, 262144, 1 << 20)
MAX_SIZE = 6 << 20
WORDS = [b'bucket ', b'extent ', b'key ', b'\0' * 64, b'journal\n', b'aaaaaaaaaaaaaaaa', b'snapshot ']


class EmergencyReadOnly(Exception):
    """The driver found itself in disorder and writes no more: an end like a crash."""


class Tree:
    """The tree as it should be: names of what was made, by kind. Paths are relative to the working directory."""

    def __init__(self, rng):
        self.rng = rng
        self.files, self.dirs, self.links, self.volumes, self.open = [], ['.'], [], [], []
        self.frozen = []        # read-only snapshots
        self.counts = collections.Counter()
        self.serial = rng.getrandbits(24)

    def find(self):
        """Takes over what an earlier run left."""
        for here, dirs, files in os.walk('.'):
            dirs[:] = sorted(d for d in dirs if d != 'lost+found')
            if any(here.startswith(f) for f in self.frozen):
                continue
            for name in dirs:
                path = os.path.join(here, name)
                if name.startswith('frozen'):
                    self.frozen.append(path)
                elif not os.path.islink(path):
                    self.dirs.append(path)
                    if name.startswith('vol'):
                        self.volumes.append(path)
            for name in sorted(files):
                path = os.path.join(here, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    self.files.append(path)

    def name(self, kind='f'):
        self.serial += 1
        stem = '%s%d' % (kind, self.serial)
        if kind in 'fdl' and self.rng.random() < 0.2:
            stem += self.rng.choice(['é', ' x', '-' * 200, '\\', '日本'])
        return os.path.join(self.rng.choice(self.dirs), stem)

    def size(self):
        return max(0, self.rng.choice(SIZES) + self.rng.choice((0, 0, 0, -1, 1, 512, self.rng.randrange(5000))))

    def offset(self, size):
        rng = self.rng
        at = rng.choice((0, size, rng.randrange(size + 1), rng.randrange(MAX_SIZE), rng.choice(SIZES)))
        align = rng.choice((1, 1, 512, 4096, 65536))
        return min(at // align * align, MAX_SIZE)

    def data(self, length):
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0:
            return rng.randbytes(length)
        if kind == 1:
            return bytes(length)
        if kind == 2:
            return (rng.randbytes(64) * (length // 64 + 1))[:length]
        if kind == 3:
            half = rng.randbytes(length // 2)
            return half + b'-' * (length - len(half))
        words = b''.join(rng.choice(WORDS) for _ in range(300))
        return (words * (length // len(words) + 1))[:length]

    def file(self):
        return self.rng.choice(self.files) if self.files else None

    # Operations. Each is a method whose name begins with op_; the weight stands in WEIGHTS.

    def op_create(self):
        path = self.name()
        with open(path, 'wb') as f:
            if self.rng.random() < 0.8:
                f.write(self.data(self.size()))
        self.files.append(path)

    def op_write(self):
        fd = os.open(self.file(), os.O_RDWR)
        try:
            for _ in range(self.rng.choice((1, 1, 2, 5, 20))):
                at = self.offset(os.fstat(fd).st_size)
                os.pwrite(fd, self.data(self.size()), at)
                if self.rng.random() < 0.3:
                    os.fsync(fd)
        finally:
            os.close(fd)

    def op_fragments(self):
        """Many small pieces, each its own extent."""
        fd = os.open(self.file(), os.O_RDWR)
        try:
            base, step = self.offset(os.fstat(fd).st_size) // 4096 * 4096, self.rng.choice((4096, 8192, 12288))
            for i in range(self.rng.randrange(5, 40)):
                os.pwrite(fd, self.data(self.rng.choice((512, 4096))), base + i * step)
                os.fdatasync(fd)
        finally:
            os.close(fd)

    def op_direct(self):
        fd = os.open(self.file(), os.O_RDWR | os.O_DIRECT)
        try:
            for _ in range(self.rng.choice((1, 2, 4))):
                unit = self.rng.choice((512, 4096))
                length = max(unit, self.size() // unit * unit)
                with mmap.mmap(-1, length) as buffer:
                    buffer.write(self.data(length))
                    os.pwritev(fd, [buffer], self.offset(os.fstat(fd).st_size) // unit * unit)
        finally:
            os.close(fd)

    def op_mmap(self):
        fd = os.open(self.file(), os.O_RDWR)
        try:
            size = os.fstat(fd).st_size
            if size:
                with mmap.mmap(fd, size) as view:
                    for _ in range(5):
                        at = self.rng.randrange(size)
                        piece = self.data(min(size - at, self.size()))
                        view[at:at + len(piece)] = piece
        finally:
            os.close(fd)

    def op_truncate(self):
        path = self.file()
        size = os.stat(path).st_size
        os.truncate(path, self.rng.choice((0, size // 2, self.offset(size), size + self.size())))

    def op_fallocate(self):
        path = self.file()
        fd = os.open(path, os.O_RDWR)
        try:
            size = os.fstat(fd).st_size
            mode = self.rng.choice((0, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE,
                                    ZERO_RANGE | KEEP_SIZE, INSERT, COLLAPSE))
            if mode in (INSERT, COLLAPSE) and self.volumes + self.frozen:
                return      # the in-tree driver now and then stops itself on these once there are snapshots
            at, length = self.offset(size), max(1, self.size())
            if mode in (INSERT, COLLAPSE):
                at, length = at // 4096 * 4096, max(4096, length // 4096 * 4096)
            self.call(LIBC.fallocate, fd, mode, ctypes.c_long(at), ctypes.c_long(length))
        finally:
            os.close(fd)

    def op_clone(self):
        source = os.open(self.file(), os.O_RDONLY)
        path = self.name() if self.rng.random() < 0.5 else self.file()
        target = os.open(path, os.O_RDWR | os.O_CREAT)
        if path not in self.files:
            self.files.append(path)
        try:
            size = os.fstat(source).st_size
            kind = self.rng.randrange(3)
            if kind == 0:
                fcntl.ioctl(target, FICLONE, source)
            elif kind == 1:
                at = self.offset(size) // 4096 * 4096
                length = self.rng.choice((0, self.size() // 4096 * 4096 or 4096))
                fcntl.ioctl(target, FICLONERANGE, struct.pack(
                    '<qQQQ', source, at, length, self.offset(os.fstat(target).st_size) // 4096 * 4096))
            else:
                os.copy_file_range(source, target, self.size(), self.offset(size),
                                   self.offset(os.fstat(target).st_size))
        finally:
            os.close(source)
            os.close(target)

    def op_rename(self):
        path, to = self.file(), self.name()
        if self.rng.random() < 0.2:
            to = self.file()
        os.rename(path, to)
        self.files = [f for f in self.files if f not in (path, to)] + [to]

    def op_rename_directory(self):
        plain = [d for d in self.dirs if d != '.' and not any(v == d or v.startswith(d + '/')
                                                               for v in self.volumes + self.frozen)]
        if plain:
            path, to = self.rng.choice(plain), self.name('d')
            os.rename(path, to)
            moved = lambda p: to + p[len(path):] if p == path or p.startswith(path + '/') else p
            self.files, self.dirs, self.links = ([moved(p) for p in l] for l in (self.files, self.dirs, self.links))

    def op_link(self):
        to = self.name('l')
        os.link(self.file(), to)
        self.files.append(to)

    def op_symlink(self):
        to = self.name('s')
        os.symlink('x' * self.rng.choice((1, 20, 100, 500, 1000, 4000)), to)
        self.links.append(to)

    def op_special(self):
        os.mknod(self.name('p'), self.rng.choice((0o10644, 0o20600, 0o60600, 0o140644)), os.makedev(7, 300))

    def op_unlink(self):
        path = self.file()
        if self.rng.random() < 0.2:
            self.open.append(os.open(path, os.O_RDWR))
        os.unlink(path)
        self.files.remove(path)

    def op_mkdir(self):
        path = self.name('d')
        os.mkdir(path)
        self.dirs.append(path)

    def op_rmdir(self):
        path = self.rng.choice(self.dirs)
        if path != '.' and path not in self.volumes:
            os.rmdir(path)
            self.dirs.remove(path)

    def op_crowd(self):
        """A directory of many names, some taken away again."""
        path = self.name('d')
        os.mkdir(path)
        self.dirs.append(path)
        names = ['%s/n%d%s' % (path, i, 'y' * self.rng.randrange(60)) for i in range(self.rng.randrange(20, 400))]
        for name in names:
            with open(name, 'wb') as f:
                f.write(b'z' * self.rng.randrange(80))
        for name in names:
            if self.rng.random() < 0.3:
                os.unlink(name)

    def op_setxattr(self):
        path = self.rng.choice(self.files + self.dirs[1:] or ['.'])
        for _ in range(self.rng.choice((1, 1, 3, 30))):
            name = self.rng.choice(('user.', 'trusted.', 'security.')) + 'n' * self.rng.choice((1, 5, 30, 200)) \
                + str(self.rng.randrange(40))
            os.setxattr(path, name, self.rng.randbytes(self.rng.choice((0, 1, 7, 8, 100, 500, 1000, 2000))))

    def op_acl(self):
        path = self.rng.choice(self.files + self.dirs[1:] or ['.'])
        entries = [(1, 7, -1), (2, 5, self.rng.randrange(70000)), (4, 4, -1), (8, 6, 77), (16, 7, -1), (32, 4, -1)]
        value = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', t, p, i & 0xffffffff) for t, p, i in entries)
        kinds = ['access'] + ['default'] * os.path.isdir(path)
        os.setxattr(path, 'system.posix_acl_' + self.rng.choice(kinds), value)

    def op_removexattr(self):
        path = self.rng.choice(self.files + self.dirs[1:] or ['.'])
        names = os.listxattr(path)
        if names:
            os.removexattr(path, self.rng.choice(names))

    def op_option(self):
        path = self.rng.choice(self.files + self.dirs[1:] or ['.'])
        name, values = self.rng.choice((
            ('compression', ('none', 'lz4', 'gzip', 'zstd', 'zstd:9', 'gzip:3')),
            ('background_compression', ('none', 'lz4', 'zstd')), ('data_checksum', ('none', 'crc32c', 'crc64', 'xxhash')),
            ('nocow', ('0', '1')), ('project', ('1',))))
        os.setxattr(path, 'bcachefs.' + name, self.rng.choice(values).encode())

    def op_attributes(self):
        path = self.rng.choice(self.files + self.dirs[1:] or ['.'])
        kind = self.rng.randrange(3)
        if kind == 0:
            os.chmod(path, self.rng.randrange(0o10000))
        elif kind == 1:
            os.chown(path, self.rng.choice((0, 1000, 70000, 0xfffffffe)), self.rng.randrange(70000))
        else:
            ns = self.rng.randrange(-10**18, 4 * 10**18)
            os.utime(path, ns=(ns, self.rng.randrange(-10**18, 4 * 10**18)))

    def op_subvolume(self):
        path = self.name('vol')
        self.subvolume(SUBVOLUME_CREATE, 0, path, None)
        self.volumes.append(path)
        self.dirs.append(path)

    def op_snapshot(self):
        """Of a subvolume or of all, writable or not. Its files join those to be changed, so that both sides diverge."""
        source = self.rng.choice(self.volumes + ['.'])
        frozen = self.rng.random() < 0.3
        path = os.path.join(self.rng.choice(['.', '.', self.rng.choice(self.dirs)]),
                            '%s%d' % ('frozen' if frozen else 'vol', self.serial))
        self.serial += 1
        self.subvolume(SUBVOLUME_CREATE, SNAPSHOT | READ_ONLY * frozen, path, source)
        if frozen:
            self.frozen.append(path)
            return
        self.volumes.append(path)
        self.dirs.append(path)
        here = os.path.join(path, '')
        for name in sorted(f for f in os.listdir(path) if f.startswith('f')):
            if os.path.isfile(here + name) and not os.path.islink(here + name):
                self.files.append(here + name)

    def op_destroy(self):
        inner = [v for v in self.volumes + self.frozen
                 if not any(o != v and o.startswith(v + '/') for o in self.volumes + self.frozen)]
        if inner:
            path = self.rng.choice(inner)
            self.subvolume(SUBVOLUME_DESTROY, 0, path, None)
            gone = lambda p: p == path or p.startswith(path + '/')
            for name in 'files', 'dirs', 'links', 'volumes', 'frozen':
                setattr(self, name, [p for p in getattr(self, name) if not gone(p)])

    def op_sync(self):
        os.sync()

    def op_drop(self):
        os.sync()
        with open('/proc/sys/vm/drop_caches', 'w', encoding='ascii') as f:
            f.write('3')

    def call(self, function, *args):
        if function(*args) < 0:
            raise OSError(ctypes.get_errno(), 'call')

    def subvolume(self, request, flags, target, source):
        paths = [ctypes.create_string_buffer(os.fsencode(p)) if p else None for p in (target, source)]
        pointers = [ctypes.addressof(p) if p else 0 for p in paths]
        argument = struct.pack('<IIH6xQQ', flags, AT_FDCWD, 0o755, *pointers)
        fd = os.open('.', os.O_RDONLY)
        try:
            fcntl.ioctl(fd, request, argument)
        finally:
            os.close(fd)

    def step(self):
        name = self.rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
        if not self.files:
            name = 'create'
        try:
            getattr(self, 'op_' + name)()
            self.counts[name] += 1
        except OSError as e:
            if e.errno == errno.EROFS and os.statvfs('.').f_flag & os.ST_RDONLY:
                raise EmergencyReadOnly from e
            if e.errno in FATAL:
                raise
            self.counts[name + ' ' + errno.errorcode.get(e.errno, str(e.errno))] += 1


WEIGHTS = {'create': 14, 'write': 16, 'fragments': 3, 'direct': 8, 'mmap': 5, 'truncate': 6, 'fallocate': 9, 'clone': 10,
           'rename': 4, 'rename_directory': 1, 'link': 3, 'symlink': 2, 'special': 0.5, 'unlink': 5, 'mkdir': 3, 'rmdir': 1,
           'crowd': 0.7, 'setxattr': 4, 'acl': 1, 'removexattr': 1, 'option': 4, 'attributes': 4, 'subvolume': 1,
           'snapshot': 1.5, 'destroy': 0.5, 'sync': 2, 'drop': 1}


def main():
    seed, operations, top = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.chdir(top)
    tree = Tree(random.Random(seed))
    tree.find()
    try:
        for _ in range(operations):
            tree.step()
    except EmergencyReadOnly:
        print('# the driver went read-only by itself')
    print('# ' + ', '.join('%s %d' % c for c in sorted(tree.counts.items())), flush=True)
    os.sync()
    if sys.argv[4:]:
        subprocess.run(sys.argv[4:], check=True)


if __name__ == '__main__':
    main()
