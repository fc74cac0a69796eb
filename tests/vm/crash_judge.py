#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What crashes leave of our sets, the in-tree driver takes over without a complaint.

  crash_judge.py [--sample N] SEED...

For each seed the images of crashes (tests/model/crash_test), before recovery; a sample of them goes to the in-tree
driver, which checks and reads each without a change, recovers it, and checks it again (tests/vm/in-guest-roundtrip).
"""
import argparse
import collections
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile

from differential import OUT, Failed
from roundtrip import run_judge

CRASH_TEST = os.path.join(OUT, 'tests', 'model', 'crash_test')


def make_crashes(directory, seed, images):
    done = subprocess.run([CRASH_TEST], env=dict(os.environ, DUMP=directory, SEED=str(seed), IMAGES=str(images)),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit('crash_test, seed %d:\n%s' % (seed, done.stdout.decode(errors='replace')[-4000:]))
    crashes = collections.defaultdict(list)
    for name in sorted(glob.glob(os.path.join(directory, '*.img'))):
        crashes[os.path.basename(name).split('.')[0]].append(name)
    return crashes


def judge(work, name, images):
    try:
        _, later = run_judge(work, images, 1, 0, '')
        if later:
            raise Failed('judge', 1, 'after its recovery:\n' + '\n'.join(later[:20]))
        print('ok - %s' % name, flush=True)
        return True
    except Failed as failure:
        print('not ok - %s: %s' % (name, str(failure).replace('\n', '\n# ')), flush=True)
        return False


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--sample', type=int, default=5)
    parser.add_argument('seed', type=int, nargs='+')
    args = parser.parse_args()
    good = total = 0
    for seed in args.seed:
        work = tempfile.mkdtemp(prefix='bcachefs-crash.')
        try:
            crashes = make_crashes(work, seed, 4 * args.sample)
            names = random.Random(seed).sample(sorted(crashes), min(args.sample, len(crashes)))
            total += len(names)
            good += sum(judge(work, 'seed %d, members-mark-seed %s' % (seed, n), crashes[n]) for n in names)
        finally:
            shutil.rmtree(work)
    print('# crashes: %d of %d good' % (good, total))
    sys.exit(good != total)


if __name__ == '__main__':
    main()
