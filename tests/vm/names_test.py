#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What Linux programs expect of names and attributes, on the mounted set in the current directory.

  names_test.py parts          names of the parts that leave a tree behind, to be compared after a remount
  names_test.py PART           one of them, or race-rename, race-remove, handles-make FILE, handles-use FILE

Each check says what it is about when it fails. SEED= repeats a race's choices.
"""
import ctypes
import errno
import fcntl
import multiprocessing
import os
import random
import shutil
import socket
import stat
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
SUBVOLUME_CREATE, SUBVOLUME_DESTROY = 0x4020bc10, 0x4020bc11   # docs/format/90-ioctl-mount-sysfs.md, section 5
SNAPSHOT, READ_ONLY = 1, 2
GETFLAGS, SETFLAGS, FSGETXATTR, FSSETXATTR = 0x80086601, 0x40086602, 0x801c581f, 0x401c5820
SYNC, IMMUTABLE, APPEND, NODUMP, NOATIME, PROJINHERIT = 0x8, 0x10, 0x20, 0x40, 0x80, 0x20000000
FAILED = []


def check(what, good):
    if not good:
        FAILED.append(what)
        print('#', what, flush=True)


def same(what, got, want):
    check('%s: %r, not %r' % (what, got, want), got == want)


def fails(number, what, fn, *args, **named):
    try:
        fn(*args, **named)
    except OSError as e:
        check('%s: %s, not %s' % (what, errno.errorcode[e.errno], errno.errorcode[number]), e.errno == number)
        return
    check('%s: done, not %s' % (what, errno.errorcode[number]), False)


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def renameat2(a, b, flags):
    call(LIBC.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), flags))


def touch(path, mode=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))
    return path


def subvolume(request, dst, flags=0, src=None, mode=0o755):
    dst, src = ctypes.create_string_buffer(os.fsencode(dst)), src and ctypes.create_string_buffer(os.fsencode(src))
    fd = os.open('.', os.O_RDONLY)
    try:
        fcntl.ioctl(fd, request, struct.pack('<IiHxxxxxxQQ', flags, AT_FDCWD, mode if request == SUBVOLUME_CREATE else 0,
                                             ctypes.addressof(dst), ctypes.addressof(src) if src else 0))
    finally:
        os.close(fd)


def with_fd(path, fn, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        return fn(fd)
    finally:
        os.close(fd)


def get_flags(path):
    return with_fd(path, lambda fd: struct.unpack('<Q', fcntl.ioctl(fd, GETFLAGS, bytes(8)))[0])


def set_flags(path, flags):
    with_fd(path, lambda fd: fcntl.ioctl(fd, SETFLAGS, struct.pack('<Q', flags)))


def project(path, number=None, inherit=False):
    def change(fd):
        words = list(struct.unpack('<IIIII8s', fcntl.ioctl(fd, FSGETXATTR, bytes(28))))
        if number is not None:
            words[3] = number
            words[0] = words[0] & ~0x200 | (0x200 if inherit else 0)
            fcntl.ioctl(fd, FSSETXATTR, struct.pack('<IIIII8s', *words))
        return words[3], bool(words[0] & 0x200)
    return with_fd(path, change)


def as_user(uid, gid, fn, *args, groups=()):
    """In a process of that user: what he may not do. An error of his is raised here."""
    pid = os.fork()
    if not pid:
        code = 0
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            fn(*args)
        except OSError as e:
            code = e.errno
        except BaseException as e:
            print('#', repr(e), flush=True)
            code = 250
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


# ---- parts ----

def part_errors():
    os.makedirs('err/dir/full')
    touch('err/file')
    os.symlink('loop2', 'err/loop1')
    os.symlink('loop1', 'err/loop2')
    os.symlink('nowhere', 'err/dangling')
    at = 'err/'
    makers = (('create', lambda p: os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY))), ('mkdir', os.mkdir),
              ('symlink', lambda p: os.symlink('x', p)), ('mknod', lambda p: os.mknod(p, stat.S_IFIFO | 0o600)),
              ('link', lambda p: os.link('err/file', p)), ('subvolume', lambda p: subvolume(SUBVOLUME_CREATE, p)),
              ('snapshot', lambda p: subvolume(SUBVOLUME_CREATE, p, SNAPSHOT)))
    for what, make in makers:
        for there in 'file', 'dir', 'dangling', 'loop1':
            fails(errno.EEXIST, what + ' over ' + there, make, at + there)
        fails(errno.ENOENT, what + ' in a directory that is not there', make, at + 'none/x')
        fails(errno.ENOTDIR, what + ' below a file', make, at + 'file/x')
        fails(errno.ELOOP, what + ' below a loop', make, at + 'loop1/x')
        fails(errno.ENAMETOOLONG, what + ' of 256 bytes', make, at + 'x' * 256)
        # the kernel protects others' files from links before the directory is asked
        fails(errno.EPERM if what == 'link' else errno.EACCES, what + ' by another', as_user, 1000, 1000, make, at + 'x')
    os.chmod('err', 0o755)
    for what, remove, path, number in (
            ('unlink', os.unlink, 'none', errno.ENOENT), ('unlink', os.unlink, 'dir', errno.EISDIR),
            ('unlink', os.unlink, 'file/x', errno.ENOTDIR), ('unlink', os.unlink, 'x' * 256, errno.ENAMETOOLONG),
            ('rmdir', os.rmdir, 'none', errno.ENOENT), ('rmdir', os.rmdir, 'file', errno.ENOTDIR),
            ('rmdir', os.rmdir, 'dir', errno.ENOTEMPTY), ('rmdir', os.rmdir, 'dir/.', errno.EINVAL),
            ('rmdir', os.rmdir, 'dir/full/..', errno.ENOTEMPTY), ('open', touch, 'loop1', errno.ELOOP),
            ('open', touch, 'dir', errno.EISDIR), ('link', lambda p: os.link(p, 'err/l'), 'dir', errno.EPERM),
            ('readlink', os.readlink, 'file', errno.EINVAL),
            ('symlink of 4096', lambda p: os.symlink('x' * 4096, p), 'toolong', errno.ENAMETOOLONG),
            ('empty symlink', lambda p: os.symlink('', p), 'empty', errno.ENOENT)):
        fails(number, '%s %s' % (what, path[:20]), remove, at + path)
    os.mkdir('err/empty')
    for what, a, b, flags, number in (
            ('over a full directory', 'empty', 'dir', 0, errno.ENOTEMPTY), ('a directory over a file', 'dir', 'file', 0, errno.ENOTDIR),
            ('a file over a directory', 'file', 'empty', 0, errno.EISDIR), ('into itself', 'dir', 'dir/full/x', 0, errno.EINVAL),
            ('of nothing', 'none', 'x', 0, errno.ENOENT), ('over its parent', 'dir/full', 'dir', 0, errno.ENOTEMPTY),
            ('NOREPLACE', 'file', 'empty', NOREPLACE, errno.EEXIST), ('EXCHANGE with nothing', 'file', 'none', EXCHANGE, errno.ENOENT),
            ('EXCHANGE with a child', 'dir', 'dir/full', EXCHANGE, errno.EINVAL), ('both', 'file', 'empty', 3, errno.EINVAL),
            ('to 256 bytes', 'file', 'y' * 256, 0, errno.ENAMETOOLONG), ('below a file', 'dir', 'file/x', 0, errno.ENOTDIR)):
        fails(number, 'rename ' + what, renameat2, at + a, at + b, flags)
    os.rmdir('err/empty')
    # sticky directories
    os.mkdir('err/sticky')
    os.chmod('err/sticky', 0o1777)
    touch('err/sticky/root')
    fails(errno.EPERM, 'unlink in a sticky directory', as_user, 1000, 1000, os.unlink, 'err/sticky/root')
    fails(errno.EPERM, 'rename in a sticky directory', as_user, 1000, 1000, os.rename, 'err/sticky/root', 'err/sticky/x')
    as_user(1000, 1000, touch, 'err/sticky/own')
    as_user(1000, 1000, os.rename, 'err/sticky/own', 'err/sticky/mine')


def part_changes():
    top = 'changes%d' % time.time_ns()
    os.mkdir(top)
    os.chdir(top)
    os.mkdir('d')
    same('links of a directory', os.stat('.').st_nlink, 3)
    touch('f')
    os.link('f', 'g')
    same('links of a file', os.stat('f').st_nlink, 2)
    before = os.stat('d').st_mtime_ns
    time.sleep(0.02)
    touch('d/x')
    st = os.stat('d')
    check('a directory changes with its names', st.st_mtime_ns > before and st.st_ctime_ns == st.st_mtime_ns)
    os.rename('f', 'd/f')
    same('a moved name', os.stat('g').st_ino, os.stat('d/f').st_ino)
    os.rename('d/f', 'g')
    check('two names of one file: nothing happens', os.path.exists('d/f') and os.path.exists('g'))
    os.mkdir('e')
    os.mkdir('e/sub')
    os.rename('e/sub', 'd/sub')
    same('links after a move', (os.stat('e').st_nlink, os.stat('d').st_nlink), (2, 3))
    os.rename('d/sub', 'e')
    same('links after a replacement', (os.stat('.').st_nlink, os.stat('d').st_nlink, os.stat('e').st_nlink), (4, 2, 2))
    touch('e/inner')
    renameat2('e', 'g', EXCHANGE)
    check('exchanged', os.path.isdir('g') and os.path.isfile('e') and os.path.exists('g/inner'))
    os.chown('e', 77, 78)
    renameat2('e', 'd/e', WHITEOUT)
    st = os.lstat('e')
    check('a whiteout stays behind', stat.S_ISCHR(st.st_mode) and st.st_rdev == 0 and os.path.isfile('d/e'))
    same('whose it is', (st.st_uid, st.st_gid), (0, 0))
    renameat2('g', 'h', NOREPLACE)
    for kind, mode in (('fifo', stat.S_IFIFO), ('sock', stat.S_IFSOCK), ('chr', stat.S_IFCHR), ('blk', stat.S_IFBLK)):
        os.mknod(kind, mode | 0o640, os.makedev(300, 70000))
        st = os.lstat(kind)
        same(kind, (stat.S_IFMT(st.st_mode), st.st_rdev if mode in (stat.S_IFCHR, stat.S_IFBLK) else 0),
             (mode, os.makedev(300, 70000) if mode in (stat.S_IFCHR, stat.S_IFBLK) else 0))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind('socket')
    for n in 1, 100, 1000, 2047, 2048, 4095:
        os.symlink('t' * n, 'link%d' % n)
        same('symlink of %d' % n, (os.readlink('link%d' % n), os.lstat('link%d' % n).st_size), ('t' * n, n))
    for name in (b'\xff\xfe', 'ü'.encode(), b' ', b'\n', b'x' * 255, b'...'):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        check('name %r is listed' % name, name in os.listdir(b'.'))
    check('a name that was not there', not os.path.exists('later'))
    touch('later')
    check('is there when it is made', os.path.exists('later'))
    os.unlink('later')
    check('and not afterwards', not os.path.exists('later'))
    # files without a name
    fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
    same('links of an unnamed file', os.fstat(fd).st_nlink, 0)
    call(LIBC.linkat(AT_FDCWD, b'/proc/self/fd/%d' % fd, AT_FDCWD, b'named', AT_SYMLINK_FOLLOW))
    same('named', os.fstat(fd).st_nlink, 1)
    os.close(fd)
    fd = os.open('.', os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
    fails(errno.ENOENT, 'link of what may not be linked', lambda: call(LIBC.linkat(
        AT_FDCWD, b'/proc/self/fd/%d' % fd, AT_FDCWD, b'never', AT_SYMLINK_FOLLOW)))
    os.close(fd)
    # open and removed
    fd = os.open(touch('gone'), os.O_RDWR)
    os.unlink('gone')
    same('links of a removed file', os.fstat(fd).st_nlink, 0)
    os.fchmod(fd, 0o604)
    same('its mode', os.fstat(fd).st_mode & 0o777, 0o604)
    fails(errno.ENOENT, 'link of a removed file', lambda: call(LIBC.linkat(
        AT_FDCWD, b'/proc/self/fd/%d' % fd, AT_FDCWD, b'back', AT_SYMLINK_FOLLOW)))
    os.close(fd)
    os.mkdir('dead')
    fd = os.open('dead', os.O_RDONLY)
    os.rmdir('dead')
    fails(errno.ENOENT, 'a file in a removed directory', os.open, 'x', os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    same('entries of a removed directory', os.listdir(fd), [])
    os.close(fd)
    # a directory of many names
    os.mkdir('many')
    for i in range(1500):
        touch('many/n%d' % i)
    for i in range(0, 1500, 3):
        os.unlink('many/n%d' % i)
    same('many names', sorted(os.listdir('many')), sorted('n%d' % i for i in range(1500) if i % 3))
    os.fsync(os.open('many', os.O_RDONLY))
    os.chdir('..')


def part_attributes():
    os.mkdir('attr')
    touch('attr/f')
    for mode in 0o7777, 0, 0o4711, 0o644:
        os.chmod('attr/f', mode)
        same('mode', os.stat('attr/f').st_mode & 0o7777, mode)
    for uid, gid in ((1000, 1001), (0xfffffffe, 0xfffffffe), (70000, 5)):
        os.chown('attr/f', uid, gid)
        same('owner', (os.stat('attr/f').st_uid, os.stat('attr/f').st_gid), (uid, gid))
    os.chmod('attr/f', 0o6755)
    os.chown('attr/f', 1000, 1000)
    same('a new owner takes set-id bits away', os.stat('attr/f').st_mode & 0o7777, 0o755)
    for ns in (0, 1, -1, 10**18 + 123456789, -10**18 - 1, 2**62):
        os.utime('attr/f', ns=(ns, ns + 5))
        same('times', (os.stat('attr/f').st_atime_ns, os.stat('attr/f').st_mtime_ns), (ns, ns + 5))
    before = os.stat('attr/f').st_ctime_ns
    time.sleep(0.02)
    os.chmod('attr/f', 0o600)
    check('ctime goes on', os.stat('attr/f').st_ctime_ns > before)
    os.symlink('f', 'attr/l')
    os.lchown('attr/l', 7, 8)
    os.utime('attr/l', ns=(5, 6), follow_symlinks=False)
    same('of the symlink itself', (os.lstat('attr/l').st_uid, os.lstat('attr/l').st_mtime_ns), (7, 6))
    # groups of directories
    os.mkdir('attr/g')
    os.chown('attr/g', 0, 4321)
    os.chmod('attr/g', 0o2777)
    touch('attr/g/f')
    os.mkdir('attr/g/d')
    same('group of new files', (os.stat('attr/g/f').st_gid, os.stat('attr/g/d').st_gid), (4321, 4321))
    same('setgid of new directories', os.stat('attr/g/d').st_mode & 0o2000, 0o2000)
    as_user(1000, 1000, touch, 'attr/g/u')
    same('owner of new files', (os.stat('attr/g/u').st_uid, os.stat('attr/g/u').st_gid), (1000, 4321))
    as_user(1000, 1000, os.chmod, 'attr/g/u', 0o2755)
    same('setgid by a stranger to the group', os.stat('attr/g/u').st_mode & 0o7777, 0o755)
    fails(errno.EPERM, 'chown by a user', as_user, 1000, 1000, os.chown, 'attr/g/u', 1, -1)
    fails(errno.EPERM, 'chmod of another', as_user, 1000, 1000, os.chmod, 'attr/f', 0o777) if os.stat('attr/f').st_uid != 1000 else None
    fails(errno.EACCES, 'truncation of another', as_user, 1001, 1001, os.truncate, 'attr/g/f', 0)
    # flags
    touch('attr/flag')
    for flags in (SYNC, NODUMP | NOATIME, SYNC | NODUMP, 0):
        set_flags('attr/flag', flags)
        same('flags', get_flags('attr/flag'), flags)
    fails(errno.EOPNOTSUPP, 'a flag that is not there', set_flags, 'attr/flag', 0x4)
    set_flags('attr/flag', IMMUTABLE)
    fails(errno.EPERM, 'chmod of an immutable file', os.chmod, 'attr/flag', 0)
    fails(errno.EPERM, 'unlink of an immutable file', os.unlink, 'attr/flag')
    fails(errno.EPERM, 'link of an immutable file', os.link, 'attr/flag', 'attr/flag2')
    fails(errno.EPERM, 'opening an immutable file', os.open, 'attr/flag', os.O_WRONLY)
    set_flags('attr/flag', APPEND)
    fails(errno.EPERM, 'opening an append-only file', os.open, 'attr/flag', os.O_WRONLY)
    os.close(os.open('attr/flag', os.O_WRONLY | os.O_APPEND))
    fails(errno.EPERM, 'unlink of an append-only file', os.unlink, 'attr/flag')
    os.mkdir('attr/append')
    set_flags('attr/append', APPEND)
    touch('attr/append/x')
    fails(errno.EPERM, 'unlink in an append-only directory', os.unlink, 'attr/append/x')
    fails(errno.EPERM, 'flags by another', as_user, 1000, 1000, set_flags, 'attr/flag', 0)
    set_flags('attr/append', 0)
    set_flags('attr/flag', 0)
    # projects
    os.mkdir('attr/p')
    same('no project', project('attr/p'), (0, False))
    project('attr/p', 17, True)
    touch('attr/p/f')
    same('project of a new file', project('attr/p/f'), (17, False))
    same('project of the directory', project('attr/p'), (17, True))
    check('its flag', get_flags('attr/p') & PROJINHERIT)
    project('attr/flag', 0xfffffffe)
    same('a large project', project('attr/flag')[0], 0xfffffffe)
    fails(errno.EXDEV, 'link into another project', os.link, 'attr/f', 'attr/p/l')
    os.rename('attr/p/f', 'attr/p17')
    same('a move out of the project', project('attr/p17'), (0, False))


def part_xattrs():
    os.mkdir('xattr')
    touch('xattr/f')
    os.mkdir('xattr/d')
    for path in 'xattr/f', 'xattr/d':
        for name in ('user.a', 'trusted.b', 'security.c', 'user.' + 'n' * 250):
            for value in (b'', b'x', os.urandom(100), os.urandom(1500)):
                os.setxattr(path, name, value)
                same(name[:20], os.getxattr(path, name), value)
        same('listed', sorted(os.listxattr(path)), sorted(['user.a', 'trusted.b', 'security.c', 'user.' + 'n' * 250]))
        fails(errno.EEXIST, 'XATTR_CREATE', os.setxattr, path, 'user.a', b'', os.XATTR_CREATE)
        fails(errno.ENODATA, 'XATTR_REPLACE', os.setxattr, path, 'user.z', b'', os.XATTR_REPLACE)
        fails(errno.ENODATA, 'removing what is not there', os.removexattr, path, 'user.z')
        fails(errno.ERANGE, 'a name of 256', os.setxattr, path, 'user.' + 'n' * 251, b'')
        fails(errno.E2BIG, 'a value of 60000', os.setxattr, path, 'user.big', bytes(60000))
        fails(errno.EOPNOTSUPP, 'a namespace that is not there', os.setxattr, path, 'other.x', b'')
        os.removexattr(path, 'trusted.b')
        fails(errno.ENODATA, 'one that was removed', os.getxattr, path, 'trusted.b')
        fails(errno.EPERM, 'trusted by a user', as_user, 1000, 1000, os.setxattr, path, 'trusted.x', b'')
        fails(errno.EACCES, 'user by another', as_user, 1000, 1000, os.setxattr, path, 'user.x', b'')
    for i in range(60):
        os.setxattr('xattr/f', 'user.m%d' % i, b'v' * (i * 13 % 300))
    for i in range(0, 60, 2):
        os.removexattr('xattr/f', 'user.m%d' % i)
    same('many', len([n for n in os.listxattr('xattr/f') if n.startswith('user.m')]), 30)
    os.symlink('f', 'xattr/l')
    fails(errno.EPERM, 'user of a symlink', os.setxattr, 'xattr/l', 'user.x', b'', follow_symlinks=False)
    os.setxattr('xattr/l', 'trusted.x', b'1', follow_symlinks=False)
    same('trusted of a symlink', os.listxattr('xattr/l', follow_symlinks=False), ['trusted.x'])
    before = os.stat('xattr/d').st_ctime_ns
    time.sleep(0.02)
    os.setxattr('xattr/d', 'user.later', b'')
    check('ctime goes on', os.stat('xattr/d').st_ctime_ns > before)


def acl(*entries):
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', t, p, i & 0xffffffff) for t, p, i in entries)


def part_acls():
    ACCESS, DEFAULT = 'system.posix_acl_access', 'system.posix_acl_default'
    full = acl((1, 7, -1), (2, 7, 1000), (4, 5, -1), (8, 5, 2000), (16, 7, -1), (32, 0, -1))
    os.mkdir('acl')
    os.setxattr('acl', ACCESS, full)
    same('read back', os.getxattr('acl', ACCESS), full)
    same('mode of the mask', os.stat('acl').st_mode & 0o777, 0o770)
    os.chmod('acl', 0o750)
    same('chmod changes the mask', os.getxattr('acl', ACCESS)[4 + 4 * 8:4 + 5 * 8], struct.pack('<HHI', 16, 5, 0xffffffff))
    os.setxattr('acl', DEFAULT, full)
    same('default', os.getxattr('acl', DEFAULT), full)
    old = os.umask(0o077)
    touch('acl/f', 0o666)
    os.mkdir('acl/d', 0o777)
    os.symlink('x', 'acl/l')
    os.mknod('acl/p', stat.S_IFIFO | 0o666)
    subvolume(SUBVOLUME_CREATE, 'acl/v', mode=0o777)
    os.umask(old)
    same('mode of a new file', os.stat('acl/f').st_mode & 0o777, 0o660)
    same('mode of a new directory', os.stat('acl/d').st_mode & 0o777, 0o770)
    for new in 'acl/d', 'acl/v':
        same('default goes on: ' + new, os.getxattr(new, DEFAULT), full)
        same('access: ' + new, os.getxattr(new, ACCESS), full)
    check('files have no default', DEFAULT not in os.listxattr('acl/f') and ACCESS in os.listxattr('acl/f'))
    check('fifos have an ACL', ACCESS in os.listxattr('acl/p'))
    fails(errno.EACCES, 'default of a file', os.setxattr, 'acl/f', DEFAULT, full)
    os.chmod('acl', 0o755)
    as_user(1000, 1, lambda: os.close(os.open('acl/f', os.O_RDWR)))
    fails(errno.EACCES, 'who is not named', as_user, 1001, 1, os.open, 'acl/f', os.O_RDONLY)
    as_user(1001, 2000, lambda: os.close(os.open('acl/f', os.O_RDONLY)))
    fails(errno.EACCES, 'the group to write', as_user, 1001, 2000, os.open, 'acl/f', os.O_WRONLY)
    os.setxattr('acl/f', ACCESS, acl((1, 6, -1), (4, 4, -1), (32, 4, -1)))
    same('no more than the mode: no ACL', (ACCESS in os.listxattr('acl/f'), os.stat('acl/f').st_mode & 0o777), (False, 0o644))
    os.removexattr('acl/d', DEFAULT)
    check('removed', DEFAULT not in os.listxattr('acl/d'))


def part_options():
    os.mkdir('opt')
    for name, value in (('compression', b'zstd:3'), ('data_checksum', b'xxhash'), ('data_replicas', b'1'), ('nocow', b'0')):
        os.setxattr('opt', 'bcachefs.' + name, value)
        same(name, os.getxattr('opt', 'bcachefs.' + name), value)
    touch('opt/f')
    same('inherited', os.getxattr('opt/f', 'bcachefs_effective.compression'), b'zstd:3')
    fails(errno.ENODATA, 'not set on the file', os.getxattr, 'opt/f', 'bcachefs.compression')
    os.setxattr('opt/f', 'bcachefs_effective.compression', b'lz4')
    same('nothing changes', os.getxattr('opt/f', 'bcachefs_effective.compression'), b'zstd:3')
    os.setxattr('opt/f', 'bcachefs.compression', b'lz4')
    same('set on the file', os.getxattr('opt/f', 'bcachefs_effective.compression'), b'lz4')
    os.removexattr('opt/f', 'bcachefs.compression')
    same('inherited again', os.getxattr('opt/f', 'bcachefs_effective.compression'), b'zstd:3')
    check('listed', 'bcachefs.compression' in os.listxattr('opt') and 'bcachefs.compression' not in os.listxattr('opt/f') and
          'bcachefs_effective.compression' in os.listxattr('opt/f'))
    fails(errno.EINVAL, 'no such option', os.setxattr, 'opt', 'bcachefs.nonsense', b'1')
    fails(errno.EINVAL, 'no such value', os.setxattr, 'opt', 'bcachefs.compression', b'nonsense')
    fails(errno.EINVAL, 'a long value', os.setxattr, 'opt', 'bcachefs.compression', b'x' * 500)
    fails(errno.EPERM, 'by another', as_user, 1000, 1000, os.setxattr, 'opt', 'bcachefs.compression', b'none') \
        if os.chmod('opt', 0o777) is None else None
    os.mkdir('opt/d')
    fails(errno.EXDEV, 'a directory moved where options differ', os.rename, 'opt/d', 'optd')
    os.rename('opt/f', 'optf')
    fails(errno.ENODATA, 'a file takes over the new directory', os.getxattr, 'optf', 'bcachefs_effective.compression')
    fails(errno.EXDEV, 'a link where options differ', os.link, 'optf', 'opt/l')


def part_subvolumes():
    create, destroy = SUBVOLUME_CREATE, SUBVOLUME_DESTROY
    os.mkdir('sv')
    links = os.stat('sv').st_nlink
    subvolume(create, 'sv/a', mode=0o751)
    same('mode', os.stat('sv/a').st_mode & 0o777, 0o751)
    same('subvolumes are no links', os.stat('sv').st_nlink, links)
    os.makedirs('sv/a/d/e')
    touch('sv/a/f')
    touch('sv/out')
    os.setxattr('sv/a/f', 'user.x', b'1')
    subvolume(create, 'sv/s', SNAPSHOT, 'sv/a')
    subvolume(create, 'sv/r', SNAPSHOT | READ_ONLY, 'sv/a')
    same('numbers', os.stat('sv/s/f').st_ino, os.stat('sv/a/f').st_ino)
    devices = [os.stat(p).st_dev for p in ('sv', 'sv/out', 'sv/a', 'sv/a/d', 'sv/s', 'sv/s/f', 'sv/r')]
    check('by device and number they are other files: %r' % devices, devices[0] == devices[1] and devices[2] == devices[3] and
          devices[4] == devices[5] and len(set(devices)) == 4)
    os.unlink('sv/a/f')
    os.rmdir('sv/a/d/e')
    os.setxattr('sv/s/f', 'user.x', b'2')
    os.chmod('sv/s/f', 0o600)
    same('the read-only one stays', (os.getxattr('sv/r/f', 'user.x'), os.stat('sv/r/f').st_mode & 0o777), (b'1', 0o644))
    check('and has all', os.path.isdir('sv/r/d/e'))
    for what, change in (('create', lambda: touch('sv/r/x')), ('unlink', lambda: os.unlink('sv/r/f')),
                         ('mkdir', lambda: os.mkdir('sv/r/x')), ('rmdir', lambda: os.rmdir('sv/r/d/e')),
                         ('rename', lambda: os.rename('sv/r/f', 'sv/r/g')), ('chmod', lambda: os.chmod('sv/r/f', 0)),
                         ('utime', lambda: os.utime('sv/r/f', (1, 1))), ('xattr', lambda: os.setxattr('sv/r/f', 'user.y', b'')),
                         ('open', lambda: os.open('sv/r/f', os.O_WRONLY)), ('truncate', lambda: os.truncate('sv/r/f', 0)),
                         ('subvolume', lambda: subvolume(create, 'sv/r/x')), ('flags', lambda: set_flags('sv/r/f', NODUMP))):
        fails(errno.EROFS, what + ' in a read-only snapshot', change)
    os.listdir('sv/r/d')
    for what, change in (('link', lambda: os.link('sv/out', 'sv/s/x')), ('rename in', lambda: os.rename('sv/out', 'sv/s/x')),
                         ('rename out', lambda: os.rename('sv/s/f', 'sv/x')), ('rename of a directory', lambda: os.rename('sv/s/d', 'sv/x')),
                         ('exchange', lambda: renameat2('sv/out', 'sv/s/f', EXCHANGE))):
        fails(errno.EXDEV, what + ' over the border', change)
    os.rename('sv/s', 'sv/moved')
    os.rename('sv/moved', 'sv/a/moved')
    check('a subvolume moves as a whole', os.path.exists('sv/a/moved/f'))
    fails(errno.ENOTEMPTY, 'a subvolume with one in it', subvolume, destroy, 'sv/a')
    fails(errno.ENOENT, 'a directory is none', subvolume, destroy, 'sv/a/d')
    fails(errno.ENOENT, 'nothing', subvolume, destroy, 'sv/none')
    fails(errno.EINVAL, 'unknown flags', subvolume, create, 'sv/x', 8)
    fails(errno.EINVAL, 'a source without snapshot', subvolume, create, 'sv/x', 0, 'sv/a')
    fails(errno.EXDEV, 'a source elsewhere', subvolume, create, 'sv/x', SNAPSHOT, '/proc')
    fails(errno.EXDEV, 'a name elsewhere', subvolume, create, '/run/sv', 0)
    os.chmod('sv', 0o777)
    fails(errno.EPERM, 'a snapshot of another\'s', as_user, 1000, 1000, subvolume, create, 'sv/x', SNAPSHOT, 'sv/a')
    as_user(1000, 1000, subvolume, create, 'sv/users')
    same('its owner', os.stat('sv/users').st_uid, 1000)
    fails(errno.EACCES, 'destroyed by another', as_user, 1001, 1001, subvolume, destroy, 'sv/users')
    as_user(1000, 1000, subvolume, create, 'sv/users/snap', SNAPSHOT, 'sv/users')
    # removed while it is in use
    fd, held = os.open('sv/a/moved', os.O_RDONLY), os.open('sv/a/moved/f', os.O_RDONLY)
    subvolume(destroy, 'sv/a/moved')
    check('gone', not os.path.exists('sv/a/moved') and 'moved' not in os.listdir('sv/a'))
    fails(errno.ENOENT, 'a file in what is gone', os.open, 'x', os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    subvolume(create, 'sv/a/again', SNAPSHOT, 'sv/r')
    same('a new one is not the old', os.getxattr('sv/a/again/f', 'user.x'), b'1')
    os.close(fd)
    os.close(held)
    subvolume(create, 'sv/empty')
    os.rmdir('sv/empty')
    fails(errno.ENOTEMPTY, 'rmdir of a full one', os.rmdir, 'sv/r')
    # of the one that everything is in
    subvolume(create, 'sv/all', SNAPSHOT)
    check('a snapshot of the root', os.path.exists('sv/all/sv/out') and not os.path.exists('sv/all/sv/r'))
    # a file that is open and has no name, in a snapshot and beside it
    fd = os.open(touch('sv/a/open'), os.O_RDWR)
    os.unlink('sv/a/open')
    subvolume(create, 'sv/late', SNAPSHOT, 'sv/a')
    os.fchmod(fd, 0o641)
    same('it goes on', os.fstat(fd).st_mode & 0o777, 0o641)
    os.close(fd)
    for i in range(20):
        subvolume(create, 'sv/a/n%d' % i, SNAPSHOT, 'sv/late')
        touch('sv/late/f%d' % i)
    for i in range(0, 20, 2):
        subvolume(destroy, 'sv/a/n%d' % i)
    same('each as it was', [len(os.listdir('sv/a/n%d' % i)) - len(os.listdir('sv/a/n1')) for i in (1, 3, 19)], [0, 2, 18])


# ---- idmapped mounts ----

def mapped_namespace():
    """A user namespace in which 10000... are 0...; a descriptor of it, or None where the kernel has none."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.write(ready[1], b'0' if LIBC.unshare(0x10000000) else b'1')
        os.read(done[0], 1)
        os._exit(0)
    fd = None
    if os.read(ready[0], 1) == b'1':
        for kind in 'uid', 'gid':
            with open('/proc/%d/%s_map' % (pid, kind), 'w') as f:
                f.write('0 10000 5000')
        fd = os.open('/proc/%d/ns/user' % pid, os.O_RDONLY)
    os.write(done[1], b'x')
    os.waitpid(pid, 0)
    return fd


def part_idmapped():
    os.mkdir('idmap')
    touch('idmap/zero')
    os.chmod('idmap', 0o777)
    ns = mapped_namespace()
    if ns is None:
        print('# no user namespaces here')
        return
    tree = call(LIBC.syscall(428, AT_FDCWD, os.fsencode(os.path.abspath('idmap')), 0x80001))     # open_tree: clone
    attr = struct.pack('<QQQQ', 0x100000, 0, 0, ns)
    call(LIBC.syscall(442, tree, b'', AT_EMPTY_PATH, attr, len(attr)))                           # mount_setattr
    call(LIBC.syscall(429, tree, b'', AT_FDCWD, b'/run/idmapped', 4))                            # move_mount
    try:
        m = '/run/idmapped/'
        same('shown', os.stat(m + 'zero').st_uid, 10000)
        as_user(10003, 10004, touch, m + 'f')
        same('made', (os.stat('idmap/f').st_uid, os.stat('idmap/f').st_gid), (3, 4))
        as_user(10003, 10004, os.mkdir, m + 'd')
        os.chown(m + 'f', 10007, 10008)
        same('given away', (os.stat('idmap/f').st_uid, os.stat('idmap/f').st_gid), (7, 8))
        fails(errno.EOVERFLOW, 'who is not mapped', as_user, 3, 3, touch, m + 'x')
        fails(errno.EOVERFLOW, 'to who is not mapped', os.chown, m + 'f', 3, -1)
        as_user(10007, 10008, os.chmod, m + 'f', 0o640)
        as_user(10003, 10004, os.close, os.open(m + 'd', os.O_RDONLY))
        as_user(10003, 10004, lambda: os.close(os.open(m, os.O_TMPFILE | os.O_RDWR)))
    finally:
        call(LIBC.umount2(b'/run/idmapped', 2))
        os.close(tree)


# ---- races ----

def workers(fn, count, *args):
    seed = int(os.environ.get('SEED') or random.SystemRandom().getrandbits(31))
    print('# SEED=%d' % seed, flush=True)
    processes = [multiprocessing.Process(target=fn, args=(random.Random(seed + i), i) + args) for i in range(count)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
        check('a worker ended with %d' % p.exitcode, p.exitcode == 0)


def rename_worker(rng, me):
    expected = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ESTALE,
                errno.EPERM, errno.ENXIO}                         # a link to a directory; a whiteout opened
    end = time.monotonic() + 6
    path = lambda: rng.choice(('race', 'race/a', 'race/b', 'race/a/c', 'race/n1')) + '/n%d' % rng.randrange(6)
    while time.monotonic() < end:
        try:
            kind = rng.randrange(10)
            if kind < 2:
                touch(path())
            elif kind == 2:
                os.mkdir(path())
            elif kind == 3:
                os.unlink(path())
            elif kind == 4:
                os.rmdir(path())
            elif kind == 5:
                os.link(path(), path())
            elif kind == 6:
                for entry in os.scandir(os.path.dirname(path())):
                    entry.stat(follow_symlinks=False)
            else:
                renameat2(path(), path(), rng.choice((0, 0, NOREPLACE, EXCHANGE, WHITEOUT)))
        except OSError as e:
            if e.errno not in expected:
                print('# worker %d: %s' % (me, e), flush=True)
                os._exit(1)


def race_rename():
    os.makedirs('race/a/c')
    os.mkdir('race/b')
    workers(rename_worker, 4)
    for here, dirs, files in os.walk('race'):
        same('links of ' + here, os.stat(here).st_nlink, 2 + len(dirs))


def list_worker(rng, me):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        seen = [n for n in os.listdir('crowd') if n.startswith('stays')]
        if len(seen) != 50 or len(set(seen)) != 50:
            print('# %d of the 50 names that stay' % len(seen), flush=True)
            os._exit(1)
        for here, dirs, files in os.walk('crowd'):
            pass


def change_worker(rng, me):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        top = 'crowd/w%d' % me
        for i in range(5):
            os.makedirs('%s/d%d' % (top, i))
            for j in range(20):
                touch('%s/d%d/f%d' % (top, i, j))
                touch('crowd/%d-%d-%d' % (me, i, j))
        shutil.rmtree(top)
        for name in os.listdir('crowd'):
            if name.startswith('%d-' % me):
                os.unlink('crowd/' + name)


def crowd_worker(rng, me):
    (list_worker if me < 2 else change_worker)(rng, me)


def race_remove():
    os.mkdir('crowd')
    for i in range(50):
        touch('crowd/stays%d' % i)
    workers(crowd_worker, 4)
    same('what stays', len(os.listdir('crowd')), 50)
    os.makedirs('crowd/deep/' + '/'.join('d' * 50))
    shutil.rmtree('crowd/deep')


# ---- handles ----

def name_to_handle(path):
    handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0) + bytes(128), 136)
    mount = ctypes.c_int()
    call(LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), handle, ctypes.byref(mount), 0))
    return handle.raw


def open_handle(handle):
    def opened(fd):
        return call(LIBC.open_by_handle_at(fd, ctypes.create_string_buffer(handle, len(handle)), os.O_RDONLY))
    return with_fd('.', opened)


# a file without a name is there by its handle as long as it is open (a server of NFS 4 needs that)
def part_handle_of_open():
    path = 'nameless'
    held = os.open(path, os.O_CREAT | os.O_RDWR)
    os.write(held, b'still here')
    handle = name_to_handle(path)
    os.unlink(path)
    fd = open_handle(handle)
    same('what it holds', os.pread(fd, 100, 0), b'still here')
    os.close(fd)
    os.close(held)
    fails(errno.ESTALE, 'a handle of what is gone', open_handle, handle)


def handles_make(where):
    os.makedirs('fh/d')
    subvolume(SUBVOLUME_CREATE, 'fh/v')
    for path in 'fh/d/f', 'fh/v/f', 'fh/gone':
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    with open(where, 'wb') as f:
        for path in 'fh/d', 'fh/d/f', 'fh/v', 'fh/v/f', 'fh/gone':
            f.write(name_to_handle(path))
    os.unlink('fh/gone')
    os.rename('fh/d', 'fh/e')


def handles_use(where):
    with open(where, 'rb') as f:
        data = f.read()
    handles = [data[i:i + 136] for i in range(0, len(data), 136)]
    for handle, path in zip(handles, ('fh/e', 'fh/e/f', 'fh/v', 'fh/v/f')):
        fd = open_handle(handle)
        same('a handle of ' + path, os.fstat(fd).st_ino, os.stat(path).st_ino)
        # of a directory the way to it is found
        if os.path.isdir(path):
            same('the path of ' + path, os.readlink('/proc/self/fd/%d' % fd), os.path.abspath(path))
        os.close(fd)
    fails(errno.ESTALE, 'a handle of what is gone', open_handle, handles[4])


PARTS = {n[5:]: f for n, f in list(globals().items()) if n.startswith('part_')}
OTHERS = {'race-rename': race_rename, 'race-remove': race_remove, 'handles-make': handles_make, 'handles-use': handles_use}

if __name__ == '__main__':
    if sys.argv[1] == 'parts':
        print(' '.join(PARTS))
    else:
        {**PARTS, **OTHERS}[sys.argv[1]](*sys.argv[2:])
        sys.exit(bool(FAILED))
