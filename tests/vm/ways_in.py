#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Ways into files of a mounted golden set that manifest.py does not take: memory maps, holes, direct reads, handles,
flags, sizes of attributes. Prints lines of the Test Anything Protocol.

  ways_in.py DIR
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import struct
import sys
import threading

TOP = sys.argv[1]
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
failed = False


def case(name):
    def run(fn):
        global failed
        try:
            fn()
            print('ok - ' + name)
        except Exception as e:          # a failed case must not hide the others
            failed = True
            print('# %s: %s' % (type(e).__name__, e))
            print('not ok - ' + name)
    return run


def files():
    for here, _, names in os.walk(TOP):
        for name in names:
            path = os.path.join(here, name)
            if os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) < 64 << 20:
                yield path


FILES = sorted(files())
BIGGEST = max(FILES, key=os.path.getsize)


def content(path):
    with open(path, 'rb') as f:
        return f.read()


def expect_errno(number, fn, *args):
    try:
        fn(*args)
    except OSError as e:
        assert e.errno == number, 'errno %d, not %d' % (e.errno, number)
    else:
        raise AssertionError('no error, %s expected' % errno.errorcode[number])


@case('memory maps show what reading gives')
def _():
    for path in FILES:
        with open(path, 'rb') as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            assert m[:] == content(path), path


@case('what lies between data is zeros, and SEEK_HOLE and SEEK_DATA meet')
def _():
    for path in FILES:
        data, fd, at = content(path), os.open(path, os.O_RDONLY), 0
        while at < len(data):
            try:
                begin = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as e:
                assert e.errno == errno.ENXIO
                begin = len(data)
            assert not any(data[at:begin]), 'data in a hole of %s at %d' % (path, at)
            if begin == len(data):
                break
            at = os.lseek(fd, begin, os.SEEK_HOLE)
            assert at > begin
        expect_errno(errno.ENXIO, os.lseek, fd, len(data), os.SEEK_HOLE)
        expect_errno(errno.ENXIO, os.lseek, fd, len(data), os.SEEK_DATA)
        os.close(fd)


def direct(path, offset, length, buffer=None):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        buffer = buffer or mmap.mmap(-1, max(length, mmap.PAGESIZE))
        n = os.preadv(fd, [memoryview(buffer)[:length]], offset)
        return bytes(buffer[:n])
    finally:
        os.close(fd)


@case('direct reads of any aligned range')
def _():
    data = content(BIGGEST)
    for offset, length in (0, 512), (512, 4096), (4096, 512), (65536 - 512, 1024), (1536, 131072), (0, 1 << 20):
        assert direct(BIGGEST, offset, length) == data[offset:offset + length], (offset, length)


@case('direct reads at and past the end')
def _():
    for path in FILES[:50]:
        data = content(path)
        tail = len(data) // 512 * 512
        assert direct(path, tail, 4096) == data[tail:], path
        assert direct(path, tail + 512, 512) == b'', path


@case('direct reads that are not aligned are refused')
def _():
    expect_errno(errno.EINVAL, direct, BIGGEST, 100, 512)
    expect_errno(errno.EINVAL, direct, BIGGEST, 0, 100)


@case('a direct read into a map of the same file does not hang')
def _():
    with open(BIGGEST, 'rb') as f:
        private = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    assert direct(BIGGEST, 0, 65536, private) == content(BIGGEST)[:65536]


@case('many readers of one file, with its pages dropped under them')
def _():
    want, wrong = hashlib.sha256(content(BIGGEST)).digest(), []

    def read():
        for _ in range(5):
            if hashlib.sha256(content(BIGGEST)).digest() != want:
                wrong.append(1)
    threads = [threading.Thread(target=read) for _ in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        with open('/proc/sys/vm/drop_caches', 'w') as f:
            f.write('3')
    for t in threads:
        t.join()
    assert not wrong


@case('a small buffer lists a directory as a large one does, and a cookie leads back')
def _():
    big = max((os.path.join(h, d) for h, ds, _ in os.walk(TOP) for d in ds), key=lambda p: len(os.listdir(p)))
    fd = os.open(big, os.O_RDONLY | os.O_DIRECTORY)
    buffer = ctypes.create_string_buffer(512)
    seen, cookies = [], []
    while (n := LIBC.syscall(217, fd, buffer, 512)) > 0:     # getdents64
        at = 0
        while at < n:
            _, cookie, length, _ = struct.unpack_from('<QqHB', buffer, at)
            seen.append(buffer.raw[at + 19:at + length].split(b'\0')[0])
            cookies.append(cookie)
            at += length
    assert n == 0
    assert sorted(seen) == sorted([b'.', b'..'] + os.listdir(os.fsencode(big)))
    middle = len(cookies) // 2
    os.lseek(fd, cookies[middle], os.SEEK_SET)
    n = LIBC.syscall(217, fd, buffer, 512)
    if middle + 1 < len(seen):
        length = struct.unpack_from('<QqH', buffer, 0)[2]
        assert buffer.raw[19:length].split(b'\0')[0] == seen[middle + 1]
    os.close(fd)


class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_ubyte * 128)]


@case('handles lead back to the file')
def _():
    mount = os.open(TOP, os.O_RDONLY)
    for path in FILES[:100]:
        handle, mount_id = Handle(bytes=128), ctypes.c_int()
        assert not LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0), \
            os.strerror(ctypes.get_errno())
        fd = LIBC.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        assert os.fstat(fd).st_ino == os.stat(path).st_ino
        os.close(fd)
        # another generation is another file
        handle.data[12] ^= 1
        assert LIBC.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY) < 0
        assert ctypes.get_errno() == errno.ESTALE
    os.close(mount)


@case('sizes of attributes: asked for, exact, too small')
def _():
    for path in FILES:
        for name in os.listxattr(path):
            raw_path, raw_name = os.fsencode(path), os.fsencode(name)
            size = LIBC.getxattr(raw_path, raw_name, None, 0)
            assert size == len(os.getxattr(path, name))
            if size > 1:
                small = ctypes.create_string_buffer(size - 1)
                assert LIBC.getxattr(raw_path, raw_name, small, size - 1) < 0
                assert ctypes.get_errno() == errno.ERANGE
        expect_errno(errno.ENODATA, os.getxattr, path, 'user.not-there')


@case('every file has a time of birth')
def _():
    buffer = ctypes.create_string_buffer(256)
    for path in FILES[:100]:
        assert not LIBC.statx(AT_FDCWD, os.fsencode(path), 0, 0x800, buffer)     # STATX_BTIME
        mask, birth = struct.unpack_from('<I', buffer, 0)[0], struct.unpack_from('<q', buffer, 80)[0]
        assert mask & 0x800 and birth > 1_700_000_000, (mask, birth)


@case('inode flags can be asked for')
def _():
    fd = os.open(BIGGEST, os.O_RDONLY)
    fcntl.ioctl(fd, 0x80086601, bytearray(8))        # FS_IOC_GETFLAGS
    fcntl.ioctl(fd, 0x801c581f, bytearray(28))       # FS_IOC_FSGETXATTR
    uuid = bytearray(16)
    fcntl.ioctl(fd, 0x8010bc01, uuid)
    assert any(uuid)
    expect_errno(errno.ENOTTY, fcntl.ioctl, fd, 0x8010bcff, bytearray(16))
    os.close(fd)


@case('statfs tells block size, names and inodes')
def _():
    s = os.statvfs(TOP)
    assert s.f_frsize == 4096 and s.f_namemax == 255 and s.f_blocks > s.f_bfree >= s.f_bavail > 0 and s.f_files > 0


@case('nothing can be written')
def _():
    expect_errno(errno.EROFS, os.mkdir, os.path.join(TOP, 'new'))
    expect_errno(errno.EROFS, os.unlink, BIGGEST)
    expect_errno(errno.EROFS, os.open, BIGGEST, os.O_WRONLY)
    expect_errno(errno.EROFS, os.setxattr, BIGGEST, 'user.x', b'y')
    expect_errno(errno.EROFS, os.chmod, BIGGEST, 0o600)


sys.exit(failed)
