#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Contents of files: random operations in every way against a model, races in the page cache, fio, a full set; everything is
# there after a remount, and what was synced after a cut of the power; both checkers find nothing. SEED= of the operations.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"
SEED=${SEED:-$((RANDOM * 10))}
echo "# SEED=$SEED"

new_set plain @192M
new_set small --block_size=512 --btree_node_size=64k --bucket=64k @128M --data_checksum=none
new_set packed --encrypted --compression=lz4 @256M
new_set two --replicas=2 --bucket=256k @192M @192M
new_set nocow --nocow @192M

export RESULTS=$WORK/models
ours "$TOP/tests/vm/in-guest-rw-data" STEP=write SEED=$SEED
cp -r "$RESULTS" "$WORK/kept"
RESULTS=$WORK/results ours "$TOP/tests/vm/in-guest-rw-data" STEP=compare MODELS="$WORK/kept"
judged
finish
