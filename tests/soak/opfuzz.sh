#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/rw-opfuzz.sh at length: $RUNS runs of 20,000 operations on each set, from $SEED on.
# vehicle: uml uml-debug
# runs: host
failed=0
first=${SEED:-$(date +%s)}
for ((run = 0; run < ${RUNS:-20}; run++)); do
	SEED=$((first + run)) OPERATIONS=${OPERATIONS:-20000} "$TOP/tests/vm/rw-opfuzz.sh" || failed=1
done
exit $failed
