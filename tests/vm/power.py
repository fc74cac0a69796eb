#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What was promised durable, beside a power failure.

    power.py load DIRECTORY LOG SEED    works in DIRECTORY until it is killed
    power.py verify DIRECTORY LOG       after that, once or more often

Everything that is done is written to LOG (which survives) before, and again once an fsync() has returned for it. Afterwards each
name must be in the state of its last promise, or in one that was begun later: a file whole, with its old or its new contents,
or gone. Blocks of one file are written over in place; each must be the one promised last, or a later one, and never a mixture.
LOG is a line for each: "will WHAT STATE" and "done WHAT STATE".
"""

import hashlib
import os
import random
import sys
import time

NAMES = 40
BLOCKS = 256
BLOCK = 4096


def contents(name, number, size):
    block = hashlib.sha256(f"{name} {number}".encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def state_of(data):
    return hashlib.sha256(data).hexdigest()[:16]


class Log:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, *words):
        os.write(self.fd, (" ".join(map(str, words)) + "\n").encode())
        os.fdatasync(self.fd)


def sync_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def write_file(path, data, sync):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    if sync:
        os.fsync(fd)
    os.close(fd)


def load_names(directory, log, worker):
    """Files are made beside and renamed over, or removed; then the directory is synced."""
    os.makedirs(directory, exist_ok=True)
    number = int(time.time() * 1e6)
    while True:
        number += 1
        name = f"{worker}.{random.randrange(NAMES)}"
        path = f"{directory}/{name}"
        if random.random() < 0.2 and os.path.exists(path):
            log.say("will", name, "gone")
            os.unlink(path)
            sync_dir(directory)
            log.say("done", name, "gone")
            continue
        data = contents(name, number, random.choice((10, 3000, 4096, 20000, 300000)))
        log.say("will", name, state_of(data))
        write_file(f"{directory}/new.{worker}", data, True)
        os.rename(f"{directory}/new.{worker}", path)
        sync_dir(directory)
        log.say("done", name, state_of(data))


def load_blocks(directory, log, direct):
    import mmap
    name = "direct" if direct else "buffered"
    fd = os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT | (os.O_DIRECT if direct else 0), 0o644)
    buffer = mmap.mmap(-1, BLOCK)
    number = int(time.time() * 1e6)
    while True:
        number += 1
        block = random.randrange(BLOCKS)
        data = contents(f"{name} {block}", number, BLOCK)
        buffer[:] = data
        log.say("will", f"{name}:{block}", state_of(data))
        os.pwrite(fd, buffer, block * BLOCK)
        os.fdatasync(fd)
        log.say("done", f"{name}:{block}", state_of(data))


def load_noise(directory):
    """What nobody is promised anything about."""
    noise = f"{directory}/noise"
    os.makedirs(noise, exist_ok=True)
    while True:
        path = f"{noise}/{random.randrange(30)}"
        what = random.randrange(5)
        if what < 3:
            write_file(path, os.urandom(random.randrange(400000)), False)
        elif not os.path.exists(path):
            continue
        elif what == 3:
            os.truncate(path, random.randrange(300000))
        else:
            os.unlink(path)


def load(directory, log_path, seed):
    log = Log(log_path)
    workers = [lambda: load_names(f"{directory}/names", log, 0), lambda: load_names(f"{directory}/names", log, 1),
               lambda: load_blocks(directory, log, False), lambda: load_blocks(directory, log, True),
               lambda: load_noise(directory)]
    for i, worker in enumerate(workers):
        if not os.fork():
            random.seed(f"{seed} {i}")
            worker()
    while True:
        os.wait()
        print("# a worker has ended")
        return 1


def read_log(path):
    """What -> states that may be found: the one promised last, and those begun since"""
    allowed = {}
    lines = open(path).read().split("\n")[:-1]	# the last may be half a line
    for line in lines:
        word, rest = line.split(" ", 1)
        what, state = rest.rsplit(" ", 1)
        if word == "will":
            allowed.setdefault(what, [None]).append(state)
        else:
            states = allowed[what]
            allowed[what] = states[states.index(state):]
    return allowed, sum(line.startswith("done") for line in lines)


def verify(directory, log_path):
    allowed, promises = read_log(log_path)
    bad = 0
    blocks = {name: open(f"{directory}/{name}", "rb").read() if os.path.exists(f"{directory}/{name}") else b""
              for name in ("direct", "buffered")}
    log = Log(log_path)
    for what, states in sorted(allowed.items()):
        if ":" in what:
            name, block = what.split(":")
            data = blocks[name][int(block) * BLOCK:][:BLOCK]
            found = None if not data.strip(b"\0") else state_of(data)
        else:
            path = f"{directory}/names/{what}"
            found = state_of(open(path, "rb").read()) if os.path.exists(path) else "gone"
            if states[0] is None:
                states = ["gone"] + states[1:]
        if found not in states:
            print(f"# {what} is {found}, may be {states}")
            bad += 1
        elif found != states[0]:
            # what is found once stays
            log.say("will", what, found)
            log.say("done", what, found)
    for name in os.listdir(f"{directory}/names") if os.path.exists(f"{directory}/names") else ():
        if name not in allowed and not name.startswith("new."):
            print(f"# {name} was never made")
            bad += 1
    print(f"# {promises} promises, {len(allowed)} things")
    return bool(bad)


def main():
    if sys.argv[1] == "load":
        return load(*sys.argv[2:5])
    return verify(*sys.argv[2:4])


sys.exit(main())
