#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/rw-log-writes.sh at length: $RUNS (10) times, every moment of half a minute's work looked at.
# vehicle: uml uml-debug
# runs: host
failed=0
for ((run = 0; run < ${RUNS:-10}; run++)); do
	MOMENTS=100000 SECONDS_EACH=30 LOG_SIZE=8G "$TOP/tests/vm/rw-log-writes.sh" || failed=1
done
exit $failed
