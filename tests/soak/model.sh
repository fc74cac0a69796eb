#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The long forms of tests/model/, in user space; what each takes from the environment is told at its head.
#
#   SOAK_SEEDS=n   sets of the model with 6000 operations each (200), on from SEED= (1000)
#   SOAK_ROUNDS=n  of filling and emptying (5); operations of each thread are 1000 times as many
#
# "make soak T=soak/model" runs it alone.
OUT=${O:-build}/tests/model
bad=0

long()
{
	nice "$@" || bad=1
}

long env FAULT_STRIDE=1 "$OUT/fault_test"
long env SPACE_ROUNDS="${SOAK_ROUNDS:-5}" "$OUT/space_test"
long env ROUNDS=$((${SOAK_ROUNDS:-5} * 1000)) "$OUT/set_tsan"
long env IMAGES=100000 "$OUT/crash_test"
long env SEED="${SEED:-1000}" SEEDS="${SOAK_SEEDS:-200}" OPERATIONS=2000 "$OUT/set_test"
exit $bad
