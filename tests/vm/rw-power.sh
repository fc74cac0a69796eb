#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Guests that lose power at random moments under load, $KILLS (4) times: what fsync() had returned for is there each time, whole;
# our checker finds nothing wrong with what was left behind (unrecovered), and the in-tree driver with what the last failure left.
# (What a device had not flushed is not lost here; tests/model/crash_test does that.)
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one --compression=lz4 @256M
new_set small --block_size=512 --btree_node_size=8k --replicas=2 @128M @128M @128M

seed=${SEED:-$(date +%s)}
RESULTS=$WORK/results
export RESULTS
mkdir -p "$RESULTS"
echo "# SEED=$seed"
for ((kill = 1; kill <= ${KILLS:-4}; kill++)); do
	ours "$TOP/tests/vm/in-guest-power" "SEED=$((seed + kill))"
	for set in one small; do
		try "$set: bcachectl fsck of what was left ($kill)" checked '' "$WORK/$set".*.img
	done
done
judged
ours "$TOP/tests/vm/in-guest-power" "SEED="
judged
finish
