#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every write, flush and discard of a working set is logged by the target log-writes, and done again one after another: at the moments
# at which something had become durable our checker finds nothing wrong with what the device then held, everything for which
# fsync() had returned is there, and the in-tree driver finds nothing wrong with some of them. $MOMENTS (40) of each set. SEED=.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"
SEED=${SEED:-$RANDOM}
echo "# SEED=$SEED"

# logged_set NAME OPTION...: a set of one device, the image it is to be replayed on, and a disk for the log
logged_set() {
	new_set "$@" @64M
	cp --sparse=always "$WORK/$1.0.img" "$WORK/$1.replay"
	truncate -s "${LOG_SIZE:-1G}" "$WORK/$1.log"
	IMAGES+=("$WORK/$1.log")
	SETS[-1]=$1:2:
}

logged_set one --compression=lz4
logged_set small --block_size=512 --btree_node_size=8k --bucket=64k

export RESULTS=$WORK/results
mkdir "$RESULTS"
ours "$TOP/tests/vm/in-guest-log-writes" "SEED=$SEED" "SECONDS_EACH=${SECONDS_EACH:-2}"

IMAGES=()
SETS=()
for name in one small; do
	try "$name: whole at each moment" "$TOP/tests/vm/log_writes.py" replay "$WORK/$name.replay" "$WORK/$name.log" "$RESULTS/$name" \
		"${MOMENTS:-40}" "$WORK/$name-"
	for image in "$WORK/$name"-*.0.img; do
		IMAGES+=("$image")
		set=${image##*/}
		SETS+=("${set%.0.img}:1:")
	done
done
judged
finish
