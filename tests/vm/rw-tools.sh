#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Programs people use copy, pack, mirror and keep a tree on a set: cp, tar, rsync, git; and what they made is the same after a
# remount. The same tree fills a new set (format --source). Both checkers find nothing wrong with the set.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one @512M
new_set filled @256M

ours "$TOP/tests/vm/in-guest-tools"
judged
finish
