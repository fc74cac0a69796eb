#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random sets, written at random by the in-tree driver: ours shows exactly the same. $SEEDS seeds from $SEED on.
# vehicle: uml uml-6.1
# runs: host
first=${SEED:-$(date +%s)}
exec "$TOP/tests/vm/differential.py" --rounds 3 --operations 400 --keep "$O/differential" \
	$(seq "$first" $((first + ${SEEDS:-100} - 1)))
