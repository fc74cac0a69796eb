#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the in-tree driver wrote and shows, ours must show exactly the same.

  differential.py [--rounds N] [--operations N] [--keep DIR] SEED...

Each seed is one set of random geometry, members and options (tests/vm/blank_set.py). In each round the in-tree driver
mounts it with random options and does random things to it (tests/vm/mutate.py); it is unmounted, or the machine loses
power, which leaves a journal to replay. Then the in-tree driver says what it shows, changing nothing, and ours is
compared with that, read through the page cache, past it, and in pieces; our checker finds nothing and no byte changes.

A seed's number repeats its set and options, and its operations nearly; with --keep the images and manifests of failed rounds stay in DIR. Runs on
the host and starts the vehicles: ours by $KERNEL and $VARIANT, the in-tree driver on the plain 6.12.
"""
import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

VM = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(VM))
OUT = os.environ.get('O') or os.path.join(TOP, 'build')
COMPRESSIONS = ('none', 'lz4', 'gzip', 'zstd', 'lz4:1', 'gzip:9', 'zstd:15')
CHECKSUMS = ('none', 'crc32c', 'crc64', 'xxhash')
DIED = (124, 125)   # status of run-uml when the guest was killed after its time, or its kernel died
TARGETS = ('foreground_target', 'background_target', 'promote_target', 'metadata_target')


def pick_set(rng):
    """Random arguments for blank_set.py, without the names of images, and what is needed to know about the set."""
    members = rng.choice((1, 1, 1, 2, 2, 3, 4))
    bucket = rng.choice((64, 128, 256, 512, 1024))
    node = rng.choice([n for n in (32, 64, 128, 256, 512) if n <= bucket])
    block = rng.choice((512, 1024, 2048, 4096, 4096, 4096))
    size = max(rng.choice((192, 256)), bucket * 300 // 1024)
    replicas = rng.randrange(1, min(members, 3) + 1)
    arguments = ['--size=%d' % size, '--bucket=%d' % bucket, '--node=%d' % node, '--block=%d' % block,
                 '--seed=%d' % rng.getrandbits(32)]
    options = {
        'metadata_checksum': rng.randrange(4), 'data_checksum': rng.randrange(4), 'data_replicas': replicas,
        'metadata_replicas': rng.choice((replicas, 1)), 'str_hash': rng.randrange(3), 'inodes_32bit': rng.randrange(2),
        'shard_inode_numbers': rng.randrange(2), # inodes_use_key_cache 0 makes the in-tree driver panic
        'encoded_extent_max': rng.choice((7, 7, 3, 5, 9, 11)), 'promote_whole_extents': rng.randrange(2),
        'compression': rng.choice((0, 0, 1, 2, 3)), 'background_compression': rng.choice((0, 0, 0, 1, 3)),
        'wide_macs': rng.randrange(2), 'nocow': int(rng.random() < 0.1),
    }
    if members > 1 and rng.random() < 0.5:
        for name in TARGETS:
            options[name] = rng.randrange(members + 1)
    arguments += ['--set=%s=%d' % o for o in options.items()]
    if rng.random() < 0.2:
        arguments.append('--key')
    degraded = replicas == options['metadata_replicas'] > 1 and rng.random() < 0.5
    if members > 1 and not degraded and rng.random() < 0.3:
        arguments.append('--member=%d:durability=%d' % (rng.randrange(members), rng.choice((1, 3))))
    return arguments, members, degraded


def pick_mount(rng, members):
    options = []
    for name, values, chance in (
            ('compression', COMPRESSIONS, 0.5), ('background_compression', COMPRESSIONS, 0.2),
            ('data_checksum', CHECKSUMS, 0.4), ('metadata_checksum', CHECKSUMS, 0.3),
            ('str_hash', ('crc32c', 'crc64', 'siphash'), 0.2), ('inline_data', '01', 0.3), ('nocow', '01', 0.1),
            ('journal_flush_delay', ('1', '100', '60000'), 0.3), ('usrquota', '1', 0.1),
            ('journal_reclaim_delay', ('1', '60000'), 0.2), ('wide_macs', '01', 0.2)):
        if rng.random() < chance:
            options.append('%s=%s' % (name, rng.choice(values)))
    return ','.join(options) or 'rw'


def fingerprint(images):
    """Of the images' bytes, skipping holes."""
    digest = hashlib.blake2b()
    for name in images:
        with open(name, 'rb') as f:
            while block := f.read(1 << 20):
                digest.update(block if block.strip(b'\0') else b'-')
    return digest.hexdigest()


class Failed(Exception):
    """A boot that ended badly, and how."""

    def __init__(self, step, status, text):
        super().__init__('%s: exit status %d\n%s' % (step, status, text))
        self.status = status


def boot(work, step, images, judge=False, **variables):
    command = [os.path.join(VM, 'run-uml'), '--timeout', '30' if step == 'write' else '120', '--mem', '768']
    if judge:
        command += ['--judge']
    else:
        command += ['--kernel', os.environ.get('KERNEL') or '6.12', '--variant', os.environ.get('VARIANT') or 'plain']
    if step == 'witness':
        command += ['--ro-images']
    for variable in ['STEP=' + step] + ['%s=%s' % v for v in variables.items()]:
        command += ['--env', variable]
    results = os.path.join(work, step)
    shutil.rmtree(results, ignore_errors=True)
    done = subprocess.run(command + [os.path.join(VM, 'in-guest-differential')] + images,
                          env=dict(os.environ, RESULTS=results, O=OUT), stderr=subprocess.STDOUT,
                          stdout=subprocess.PIPE if judge else None, check=False)
    if done.returncode:
        raise Failed(step, done.returncode, (done.stdout or b'').decode(errors='replace'))
    return done.stdout


def write(work, images, **variables):
    """The in-tree driver's own panic or standstill is one more kind of crash: what it left is read all the same."""
    try:
        said = boot(work, 'write', images, judge=True, **variables).decode(errors='replace')
        lines = [line[2:] for line in said.splitlines() if line.startswith('# ')]
    except Failed as failure:
        if failure.status not in DIED:
            raise
        lines = ['the writing machine died (125) or was killed after its time (124): %d' % failure.status] + str(failure).splitlines()[1:12]
    for line in lines:
        print('#', line)


def complaints(work):
    """What the in-tree driver found wrong with its own work, which then explains a difference."""
    with open(os.path.join(work, 'witness', 'console.log'), encoding='utf-8', errors='replace') as log:
        return [line.rstrip() for line in log
                if any(word in line for word in ('not fixing', ', fixing', 'error starting filesystem'))]


def run_round(work, name, images, rng, degraded, args):
    end = rng.choice(('clean', 'crash'))
    options = pick_mount(rng, len(images))
    print('# %s: mount -o %s, then %s' % (name, options, end), flush=True)
    write(work, images, SEED=rng.getrandbits(32), OPTIONS=options, END=end, OPERATIONS=args.operations)
    seen = images
    if degraded and rng.random() < 0.7:
        seen = rng.sample(images, len(images) - 1)
        print('# without', ' '.join(os.path.basename(i) for i in set(images) - set(seen)))
    more = {'DEGRADED': 1} if seen is not images else {}
    try:
        boot(work, 'witness', seen, judge=True, **more)
    except Failed as failure:
        print('# %s' % str(failure)[-3000:].replace('\n', '\n# '))
        print('ok - %s # SKIP the in-tree driver cannot read what it wrote' % name, flush=True)
        return False
    found = complaints(work)
    for line in found[:5]:
        print('# the in-tree driver:', line)
    before = fingerprint(images)
    boot(work, 'compare', seen, NAME=name, MANIFEST=os.path.join(work, 'witness', 'manifest.txt'),
         COMPLAINTS=1 if found else '', **more)
    same = fingerprint(images) == before
    print('%sok - %s: nothing was written' % ('' if same else 'not ', name), flush=True)
    if not same:
        raise Failed('compare', 1, 'images changed')
    return True


def make_blank(work, rng, seed):
    """A set never started. Return: its images, and whether it can do without one of them."""
    arguments, members, degraded = pick_set(rng)
    print('# seed %d: %d members, %s' % (seed, members, ' '.join(arguments)), flush=True)
    images = [os.path.join(work, 'disk%d.img' % i) for i in range(members)]
    blank = os.path.join(OUT, 'golden', 'fresh-uninit', 'disk0.img')
    subprocess.run([os.path.join(TOP, 'tests', 'golden', 'unpack'), 'fresh-uninit'], check=True,
                   env=dict(os.environ, O=OUT))
    subprocess.run([os.path.join(VM, 'blank_set.py')] + arguments + [blank] + images, check=True)
    return images, degraded


def run_seed(seed, args, one_round, make_set):
    """Rounds on one set, until one fails or says by False that there is no going on."""
    rng = random.Random(seed)
    work = tempfile.mkdtemp(prefix='bcachefs-seed.')
    try:
        images, degraded = make_set(work, rng, seed)
        for number in range(args.rounds):
            if not one_round(work, 'seed %d.%d' % (seed, number), images, rng, degraded, args):
                break
        return True
    except Failed as failure:
        print('not ok - seed %d: %s' % (seed, str(failure).replace('\n', '\n# ')), flush=True)
        if args.keep:
            kept = os.path.join(args.keep, str(seed))
            shutil.rmtree(kept, ignore_errors=True)
            os.makedirs(args.keep, exist_ok=True)
            shutil.copytree(work, kept)
            print('# kept', kept)
        return False
    finally:
        shutil.rmtree(work)


def main(usage=__doc__, one_round=run_round, operations=300, make_set=make_blank):
    """Also for roundtrip.py, which makes its sets another way."""
    parser = argparse.ArgumentParser(usage=usage)
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--operations', type=int, default=operations)
    parser.add_argument('--keep')
    parser.add_argument('seed', type=int, nargs='+')
    args = parser.parse_args()
    good = [run_seed(seed, args, one_round, make_set) for seed in args.seed]
    sys.exit(not all(good))


if __name__ == '__main__':
    main()
