#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a set of one device was at each moment at which something had become durable.

    log_writes.py load DIRECTORY LOG DEVICE WORKERS SECONDS SEED
                            in the guest: works in DIRECTORY; what will be done is said in LOG before, and that it is
                            done (fsync() has returned) by a mark of the device-mapper target log-writes, DEVICE
    log_writes.py replay IMAGE WRITES LOG MOMENTS KEEP
                            on the host: IMAGE, as it was before, becomes what it was after each flush, FUA write and
                            mark in WRITES (the target's log), and is looked at MOMENTS times, evenly: our checker finds nothing,
                            and each file is what it was promised to be. Of those moments some are left in KEEP.N.img

A file that was promised is what the last of its promises says, or what the operation after that was to make of it; a file that
is being appended to may have part of that. Everything that was not flushed when a mark was written is missing in the replay: that is
what the target is for. A discarded range reads as bytes that nobody wrote.

WRITES: sectors of 512 bytes. The first is magic, version, number of entries, sector size. An entry is one sector (sector, sectors,
flags, bytes of a mark's name, all 64 bits; then that name), and, but for marks and discards, the data.
"""

import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import time

SECTOR = 512
MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
BLOCK = 4096
NAMES = 8


# ---- in the guest ----

def contents(number, size):
    block = hashlib.sha256(b'%d' % number).digest()
    return (block * (size // len(block) + 1))[:size]


def durable(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    os.fsync(fd)
    os.close(fd)


class Worker:
    """Files of its own, one operation at a time. @was: name -> contents"""

    def __init__(self, directory, number, say, mark):
        self.directory, self.number, self.say, self.mark = directory, number, say, mark
        self.was, self.step = {}, 0

    def path(self, name):
        return f'{self.directory}/{name}'

    def replace(self, name, data):
        new = self.path(f'new.{self.number}')
        with open(new, 'wb') as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.rename(new, self.path(name))
        durable(self.directory)

    def append(self, name, data):
        with open(self.path(name), 'r+b') as f:
            f.seek(len(self.was[name]))
            f.write(data[len(self.was[name]):])
            f.flush()
            os.fdatasync(f.fileno())

    def over(self, name, data, block):
        fd = os.open(self.path(name), os.O_WRONLY | os.O_DSYNC)
        os.pwrite(fd, data[block * BLOCK:][:BLOCK], block * BLOCK)
        os.close(fd)

    def cut(self, name, data):
        os.truncate(self.path(name), len(data))
        durable(self.path(name))

    def remove(self, name):
        os.unlink(self.path(name))
        durable(self.directory)

    def operation(self):
        """(what it becomes, how)"""
        name = f'{self.number}.{random.randrange(NAMES)}'
        old = self.was.get(name)
        number = random.getrandbits(60)
        what = random.choice(('replace', 'append', 'over', 'over', 'cut', 'remove')) if old is not None else 'replace'
        if what == 'append' and len(old) < 400000:
            new = old + contents(number, random.choice((7, 5000, 70000)))
            return name, new, what, lambda: self.append(name, new)
        if what == 'over' and len(old) >= BLOCK:
            block = random.randrange(len(old) // BLOCK)
            new = old[:block * BLOCK] + contents(number, BLOCK) + old[(block + 1) * BLOCK:]
            return name, new, what, lambda: self.over(name, new, block)
        if what == 'cut':
            new = old[:random.randrange(len(old) + 1)]
            return name, new, what, lambda: self.cut(name, new)
        if what == 'remove':
            return name, None, what, lambda: self.remove(name)
        new = contents(number, random.choice((10, 3000, BLOCK, 20000, 150000)))
        return name, new, 'replace', lambda: self.replace(name, new)

    def work(self):
        name, new, what, do = self.operation()
        self.step += 1
        # a promised prefix is enough for files that grow, so all of them are told by their bytes, once
        self.say(f'{self.number} {self.step} {what} {name} {"gone" if new is None else len(new)}', new)
        do()
        self.mark(f'{self.number}.{self.step}')
        if new is None:
            del self.was[name]
        else:
            self.was[name] = new


def noise(directory):
    """What nobody is promised anything about, for there to be much to lose"""
    os.makedirs(directory, exist_ok=True)
    while True:
        path = f'{directory}/{random.randrange(40)}'
        if os.path.exists(path) and random.random() < 0.6:
            os.truncate(path, random.randrange(100000)) if random.random() < 0.7 else os.unlink(path)
        else:
            with open(path, 'wb') as f:
                f.write(os.urandom(random.randrange(200000)))
        time.sleep(0.005)


def load(directory, log, device, workers, seconds, seed):
    def mark(name):
        subprocess.run(['dmsetup', 'message', device, '0', 'mark', name], check=True)

    def worker(i):
        random.seed(f'{seed} {i}')
        with open(f'{log}.{i}', 'wb') as out:
            def say(line, data):
                out.write(line.encode() + b'\n' + (data or b''))
                out.flush()
            w = Worker(f'{directory}/promised', i, say, mark)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                w.work()

    os.makedirs(f'{directory}/promised')
    durable(directory)
    os.sync()
    mark('start')
    others = os.fork()
    if not others:
        random.seed(f'{seed} noise')
        noise(f'{directory}/noise')
    pids = []
    for i in range(workers):
        pids.append(os.fork())
        if not pids[-1]:
            try:
                worker(i)
            except BaseException as error:
                print(f'# worker {i}: {error!r}', flush=True)
                os._exit(1)
            os._exit(0)
    bad = [os.waitpid(pid, 0)[1] for pid in pids]
    os.kill(others, 9)
    os.waitpid(others, 0)
    return any(bad)


# ---- on the host ----

def entries(path):
    """(flags, sector, data or name) of each entry of the log"""
    with open(path, 'rb') as f:
        magic, version, count, size = struct.unpack('<QQQI', f.read(28))
        assert (magic, version, size) == (MAGIC, 1, SECTOR), (magic, version, size)
        f.seek(SECTOR)
        for _ in range(count):
            head = f.read(SECTOR)
            sector, sectors, flags, length = struct.unpack('<QQQQ', head[:32])
            if flags & MARK:
                yield flags, 0, head[32:32 + length].rstrip(b'\0').decode()
            elif flags & DISCARD:
                yield flags, sector, sectors
            else:
                yield flags, sector, f.read(sectors * SECTOR)


class Promises:
    """What worker N was to do, in order: (kind, name, contents)"""

    def __init__(self, log):
        self.steps, self.done, self.started = {}, {}, False
        directory, base = os.path.split(log)
        for name in os.listdir(directory):
            if name.startswith(base + '.'):
                self.read(f'{directory}/{name}')

    def read(self, path):
        with open(path, 'rb') as f:
            for line in f:
                worker, step, kind, name, size = line.decode().split()
                data = None if size == 'gone' else f.read(int(size))
                self.steps.setdefault(worker, []).append((kind, name, data))
                assert len(self.steps[worker]) == int(step)

    def mark(self, name):
        if name == 'start':
            self.started = True
        elif name != 'dm-log-writes-end':	# the target's own
            worker, step = name.split('.')
            self.done[worker] = int(step)

    def wrong(self, directory):
        """what is not as it must be"""
        bad = []
        for worker, steps in self.steps.items():
            done = self.done.get(worker, 0)
            states = {}
            for _, name, data in steps[:done]:
                states[name] = data
            kind, next_name, next_data = steps[done] if done < len(steps) else (None, None, None)
            for name in {n for _, n, _ in steps}:
                path = f'{directory}/promised/{name}'
                found = open(path, 'rb').read() if os.path.exists(path) else None
                old = states.get(name)
                if found == old or name == next_name and found == next_data:
                    continue
                if name == next_name and kind == 'append' and found and next_data.startswith(found) and len(found) >= len(old):
                    continue
                bad.append(f'{name}: {length(found)}, was {length(old)} when step {done} was done; '
                           f'next: {kind} {next_name} {length(next_data)}')
        return bad


def length(data):
    return 'gone' if data is None else f'{len(data)} bytes ({hashlib.sha256(data).hexdigest()[:8]})'


def looked_at(image, promises):
    """what is wrong with this moment"""
    check = subprocess.run(['bcachectl', 'fsck', '-n', image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if check.returncode:
        return [f'fsck: exit status {check.returncode}'] + check.stdout.decode(errors='replace').splitlines()[:10]
    if not promises.started:
        return []
    out = f'{image}.files'
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    got = subprocess.run(['bcachectl', 'get', '-r', image, '/promised', out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         check=False)
    if got.returncode:
        return ['not read: ' + got.stdout.decode(errors='replace')[:1000]]
    bad = promises.wrong(out)
    shutil.rmtree(out)
    return bad


def apply(image, flags, sector, what):
    if flags & DISCARD:
        os.pwrite(image, b'\xa5' * (what * SECTOR), sector * SECTOR)
    elif not flags & MARK:
        os.pwrite(image, what, sector * SECTOR)


def replay(path, writes, log, moments, keep):
    def is_moment(flags):
        return flags & (FLUSH | FUA | MARK)

    total = sum(bool(is_moment(flags)) for flags, _, _ in entries(writes))
    looks = {round(i * (total - 1) / max(moments - 1, 1)) for i in range(moments)} if moments < total else set(range(total))
    kept = {sorted(looks)[i * (len(looks) - 1) // 6] for i in range(7)}
    promises, image, nr, bad = Promises(log), os.open(path, os.O_RDWR), 0, 0
    for flags, sector, what in entries(writes):
        apply(image, flags, sector, what)
        if flags & MARK:
            promises.mark(what)
        if not is_moment(flags):
            continue
        if nr in looks:
            wrong = looked_at(path, promises)
            bad += bool(wrong)
            for line in wrong:
                print(f'# moment {nr} of {total}: {line}')
            if nr in kept or wrong and bad == 1:
                subprocess.run(['cp', '--sparse=always', path, f'{keep}{nr}.0.img'], check=True)
        nr += 1
    steps, done = sum(map(len, promises.steps.values())), sum(promises.done.values())
    print(f'# {total} moments, {len(looks)} looked at, {bad} bad; {done} of {steps} promises')
    return bool(bad) or done < 10 or done < steps


def main():
    if sys.argv[1] == 'load':
        directory, log, device, workers, seconds, seed = sys.argv[2:8]
        return load(directory, log, device, int(workers), float(seconds), seed)
    path, writes, log, moments, keep = sys.argv[2:7]
    return replay(path, writes, log, int(moments), keep)


sys.exit(main())
