#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PostgreSQL's own regression tests with the data directory on a set, for the server that is installed here; then both checkers.
# vehicle: uml uml-debug
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
	skip "PostgreSQL" "it is not installed"
	exit 0
fi
REGRESS=$("$TOP/tests/vm/make-postgresql") || exit 1
new_set one --compression=lz4 @1G
new_set two --data_replicas=2 --metadata_replicas=2 --btree_node_size=32k --bucket=128k @1G @1G

ours "$TOP/tests/vm/in-guest-postgresql" "REGRESS=$REGRESS"
judged
finish
