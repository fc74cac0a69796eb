#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What we write the in-tree driver accepts without one complaint; what it then makes of it we read as it does.

  roundtrip.py [--rounds N] [--operations N] [--keep DIR] SEED...

Each seed is one set of random geometry, members, options and encryption, made by "bcachectl format". In each round our
engine, in user space, does random operations to it (tests/model/set_test: compared with a model, our checker clean) and
shuts it down, or stops as by a power cut; the in-tree driver checks and reads it, changes it at random, and checks it
again (tests/vm/in-guest-roundtrip); then ours must show what it showed (tests/vm/in-guest-differential). The last line
counts the rounds.

With --keep the images and logs of failed rounds stay in DIR. Runs on the host; needs UML's plain 6.12.
"""
import collections
import hashlib
import os
import re
import shutil
import subprocess

from differential import COMPRESSIONS, DIED, OUT, TARGETS, VM, Failed, boot, fingerprint, main, pick_mount

SET_TEST = os.path.join(OUT, 'tests', 'model', 'set_test')
BCACHECTL = os.path.join(OUT, 'bcachectl')
CHECKSUMS = ('none', 'crc32c', 'crc64', 'xxhash')
ROUNDS = collections.Counter()

PASSPHRASE = 'correct horse battery'
# As docs/format/20-checksums-encryption.md, section 5 has it; not as bcachectl calculates it.
PASSPHRASE_KEY = hashlib.scrypt(PASSPHRASE.encode(), salt=b'bcache\0', n=1 << 14, r=8, p=16, maxmem=64 << 20, dklen=32)

# What the in-tree driver says in the ordinary course of things. Anything else of it is a complaint.
ORDINARY = re.compile('|'.join((
    r'roundtrip: ', r'starting version', r'opts=', r'initializing', r'recovering from (clean|unclean)',
    r'recovery pass', r'going read-(write|only)', r'done going read-(write|only)', r'journal read',
    r'Journal keys:', r'journal replay', r'\w+\.\.\.( done)?$', r' done$', r'accounting_read', r'alloc_read',
    r'shutting down', r'shutdown complete', r'finished waiting', r'flushing journal', r'unshutdown',
    r'insufficient writeable journal devices', r'deleting unlinked inode', r'hrtimer: interrupt took',
    r'marking (filesystem )?clean', r'clean shutdown complete', r'loading out-of-tree', r'module verification', r'dropped unflushed',
    r'ignored \d+ unflushed', r'not marking superblocks', r'Doing incompatible', r'set_may_go_rw', r'starting (journal|filesystem)',
    r'with devices', r'fs_journal_alloc', r'initialize', r'resume_logged_ops',
    r'journal_replay', r'bcachefs: (module|loading)', r'mi_btree_bitmap', r'found superblock', r'unmounted',
    r'journal bucket', r'blacklist', r'reading quotas')))

# It counts names in a snapshot for an older version of the inode too, when the version there has one name: also in sets that
# only it has written (docs/format/60-filesystem-keys.md, part VIII). Then it makes counts wrong that were right.
MISCOUNTED = 'has wrong i_nlink'
# Where nodes are small one of its own transactions now and then needs more paths than it has; it dies of it.
OVERFLOWED = 'trans path overflow'
DAMAGE = re.compile(r'fixing|should be|incorrect|missing|mismatch|[Ee]rror|wrong|invalid|unable|corrupt')


def is_damage(line):
    """Also in lines that would be ordinary without it. The options a mount repeats are no finding."""
    return DAMAGE.search(line) and 'opts=' not in line and 'insufficient writeable journal' not in line


def complaints(results):
    """Lines of the in-tree driver that are not ordinary, with the step they came in. What it finds after changes of its
    own may be its own doing, and is another list."""
    step, found, later = '', [], []
    with open(os.path.join(results, 'console.log'), encoding='utf-8', errors='replace') as log:
        for line in log:
            line = re.sub(r'^\[[^]]*\] *', '', line.rstrip())
            if line.startswith('roundtrip: '):
                step = line[11:]
            elif MISCOUNTED in line:
                later.append('%s: %s' % (step, line))
            elif step and (is_damage(line) or 'bcachefs' in line and not ORDINARY.search(line)):
                (found if step in ('before', 'change') else later).append('%s: %s' % (step, line))
    return found, later


def last_step(results):
    with open(os.path.join(results, 'console.log'), encoding='utf-8', errors='replace') as log:
        return ([line.rstrip().split('roundtrip: ')[1] for line in log if 'roundtrip: ' in line] or [''])[-1]


def pick_member(rng, members, bucket):
    """Arguments of bcachectl format for one member, without its name."""
    bucket = rng.choice((bucket, bucket, bucket, 2 * bucket))
    size = max(rng.choice((160, 192, 256)), bucket * 300 // 1024)
    arguments = ['--bucket=%dk' % bucket, '--size=%dM' % size]
    if rng.random() < 0.3:
        arguments.append('--discard')
    if members > 1 and rng.random() < 0.15:
        arguments.append('--durability=%d' % rng.choice((1, 2)))
    return arguments


def pick_replicas(rng, members):
    data = rng.randrange(1, min(members, 3) + 1)
    return ['--data_replicas=%d' % data, '--metadata_replicas=%d' % rng.choice((data, data, 1, min(members, 2)))]


def pick_options(rng, members, block, node):
    """Arguments of bcachectl format for the whole set."""
    arguments = ['--block_size=%d' % block, '--btree_node_size=%dk' % node] + pick_replicas(rng, members)
    for name, values, chance in (
            ('metadata_checksum', CHECKSUMS, 0.7), ('data_checksum', CHECKSUMS, 0.7), ('compression', COMPRESSIONS, 0.5),
            ('background_compression', COMPRESSIONS, 0.2), ('str_hash', ('crc32c', 'crc64', 'siphash'), 0.5),
            ('encoded_extent_max', ('16k', '32k', '128k', '256k', '1M'), 0.6), ('wide_macs', '01', 0.5),
            ('inodes_32bit', '01', 0.5), ('shard_inode_numbers', '01', 0.5), ('promote_whole_extents', '01', 0.5),
            ('superblock_size', ('64k', '256k', '1M'), 0.5), ('prjquota', '1', 0.1), ('nocow', '1', 0.3)):
        if rng.random() < chance:
            arguments.append('--%s=%s' % (name, rng.choice(values)))
    if members > 1 and rng.random() < 0.4:
        targets = ['--%s=m%d' % (name, rng.randrange(members)) for name in TARGETS if rng.random() < 0.6]
        # written in place by the in-tree driver, data has cached copies that are old (docs/format/85-policies.md, section 7)
        arguments += [t for t in targets if 'promote' not in t or '--nocow=1' not in arguments]
    return arguments


def make_set(work, rng, seed):
    """By bcachectl format. Return: images, and False: not to be used without one of them."""
    members = rng.choice((1, 1, 2, 2, 3, 4, 5))
    block = rng.choice((512, 1024, 2048, 4096, 4096, 4096))
    bucket = rng.choice((64, 128, 256, 512, 1024))
    node = rng.choice([n for n in (32, 64, 128, 256, 512) if 8 * block >> 10 <= n <= bucket])
    encrypted = rng.choice(([], [], [], ['--encrypted'], ['--encrypted'], ['--encrypted', '--no-passphrase']))
    arguments = pick_options(rng, members, block, node) + encrypted
    images = [os.path.join(work, 'disk%d.img' % i) for i in range(members)]
    for i, image in enumerate(images):
        arguments += ['--label=m%d' % i] + pick_member(rng, members, bucket) + [image]
    print('# seed %d: %s' % (seed, ' '.join(os.path.basename(a) for a in arguments)), flush=True)
    subprocess.run([BCACHECTL, 'format', '-q'] + arguments, check=True, input=PASSPHRASE.encode())
    return images, False


def run_ours(images, seed, operations, crash):
    command = ['setarch', '-R', SET_TEST, '--seed', str(seed), '--operations', str(operations), '--rounds', '1']
    if crash:
        command.append('--crash')
    done = subprocess.run(command + images, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, SET_KEY=PASSPHRASE_KEY.hex()))
    if done.returncode:
        raise Failed('ours', done.returncode, ' '.join(command) + '\n' + done.stdout.decode(errors='replace')[-6000:])


def run_judge(work, images, seed, operations, options):
    results = os.path.join(work, 'judge')
    shutil.rmtree(results, ignore_errors=True)
    command = [os.path.join(VM, 'run-uml'), '--timeout', '180', '--mem', '768', '--judge',
               '--env', 'SEED=%d' % seed, '--env', 'OPERATIONS=%d' % operations, '--env', 'OPTIONS=' + options, '--env', 'SET_KEY=' + PASSPHRASE_KEY.hex(),
               os.path.join(VM, 'in-guest-roundtrip')] + images
    done = subprocess.run(command, env=dict(os.environ, RESULTS=results, O=OUT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    found, later = complaints(results)
    if any(OVERFLOWED in line for line in found + later):
        return None, ['it died of ' + OVERFLOWED]
    if found:
        raise Failed('judge', done.returncode, 'the in-tree driver complains:\n' + '\n'.join(found[:40]))
    # what it mended in memory is in what it shows, not on the members
    if any(MISCOUNTED in line or 'fixing' in line for line in later) or done.returncode and later:
        return None, later
    if done.returncode in DIED and last_step(results) == 'its own changes':
        return None, ['it died or stood still in the midst of its own changes']
    if done.returncode:
        with open(os.path.join(results, 'console.log'), encoding='utf-8', errors='replace') as log:
            tail = ''.join(log.readlines()[-4:])
        raise Failed('judge', done.returncode, done.stdout.decode(errors='replace')[-1500:] + tail)
    return os.path.join(results, 'after.txt'), later


def run_round(work, name, images, rng, _degraded, args):
    try:
        good = to_and_fro(work, name, images, rng, args)
    except Failed:
        ROUNDS['failed'] += 1
        raise
    ROUNDS['good' if good else 'skipped'] += 1
    return good


def to_and_fro(work, name, images, rng, args):
    crash = rng.random() < 0.4
    options = pick_mount(rng, len(images)).replace('nocow=1', 'nocow=0')
    seed = rng.getrandbits(31)
    operations = rng.choice((20, args.operations, args.operations))
    print('# %s: ours: seed %d, %d operations, %s; then the in-tree driver: -o %s' %
          (name, seed, operations, 'crash' if crash else 'clean', options), flush=True)
    run_ours(images, seed, operations, crash)
    manifest, later = run_judge(work, images, rng.getrandbits(31), args.operations // 2, options)
    for line in later[:5]:
        print('# the in-tree driver of its own work:', line)
    if not manifest:
        print('ok - %s # SKIP the in-tree driver broke down over its own work' % name, flush=True)
        return False
    before = fingerprint(images)
    said = boot(work, 'compare', images, NAME=name, MANIFEST=manifest, COMPLAINTS=1 if later else '',
                PASSPHRASE=PASSPHRASE)
    if said:
        print(said.decode(errors='replace'), end='')
    if fingerprint(images) != before:
        raise Failed('compare', 1, 'images changed')
    print('ok - %s' % name, flush=True)
    return True


if __name__ == '__main__':
    try:
        main(__doc__, run_round, operations=200, make_set=make_set)
    finally:
        print('# rounds: %s' % (', '.join('%d %s' % (n, what) for what, n in sorted(ROUNDS.items()))), flush=True)
