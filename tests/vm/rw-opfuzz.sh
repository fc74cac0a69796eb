#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random operations on names and contents, at once on a set and on xfs, end the same way on both and leave the same trees, also
# after remounts; both checkers find nothing wrong with the set. OPERATIONS= is its length. SEED= takes another run than the
# usual one: long random ones (tests/soak/opfuzz.sh) end now and then with a link count that the in-tree driver alone thinks
# wrong (seed 11, 4000 operations), by its miscounting of names in snapshots or by an error of ours.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set plain @384M
new_set two --replicas=2 --compression=lz4 @256M @256M
truncate -s 400M "$WORK/reference.img"
mkfs.xfs -q "$WORK/reference.img"
IMAGES+=("$WORK/reference.img")

ours "$TOP/tests/vm/in-guest-opfuzz" "SEED=${SEED:-4}" "OPERATIONS=${OPERATIONS:-900}"
judged
finish
