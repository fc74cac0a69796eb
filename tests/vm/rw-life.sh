#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Read-write mounts without a change: newly formatted sets get their file system, golden ones (a dirty one, a degraded one,
# an encrypted one among them) are recovered and left clean, remounted and mounted again; the in-tree driver finds nothing
# wrong with what that made of them.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one @128M
new_set three --replicas=2 --label=a @128M --label=b @128M --label=b @128M
golden_set crash
golden_set encrypted
golden_set degraded degraded degraded
golden_set tiered
golden_set replicas2
golden_set snapshots
golden_set compressed

ours "$TOP/tests/vm/in-guest-rw-life"
judged
finish
