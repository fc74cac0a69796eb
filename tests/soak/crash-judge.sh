#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What crashes leave of our sets, handed to the in-tree driver: $SEEDS seeds from $SEED on, ten crashes of each.
# vehicle: uml
# runs: host
first=${SEED:-$(date +%s)}
make -s -C "$TOP" O="$O" "$O/tests/model/crash_test" "$O/bcachectl" || exit
exec "$TOP/tests/vm/crash_judge.py" --sample 10 $(seq "$first" $((first + ${SEEDS:-20} - 1)))
