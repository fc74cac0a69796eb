#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# stress-ng's stressors of file systems, all at once, each verifying what it does, dbench and fs_mark: none fails, nothing is left
# over, and both checkers find nothing wrong with the sets.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

if ! command -v stress-ng >/dev/null; then
	skip "stress-ng" "it is not installed"
	exit 0
fi
new_set one --compression=lz4 @1G
[ -z "${LONG:-}" ] || new_set two --block_size=512 --btree_node_size=16k --bucket=64k --replicas=2 @512M @1G

ours "$TOP/tests/vm/in-guest-stress" "LONG=${LONG:-}"
judged
finish
