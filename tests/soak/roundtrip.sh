#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random sets, written in turn by our engine and the in-tree driver. $SEEDS seeds from $SEED on, four rounds each.
# vehicle: uml
# runs: host
first=${SEED:-$(date +%s)}
make -s -C "$TOP" O="$O" "$O/bcachectl" "$O/tests/model/set_test" || exit
exec "$TOP/tests/vm/roundtrip.py" --rounds 4 --operations 200 --keep "$O/roundtrip" \
	$(seq "$first" $((first + ${SEEDS:-50} - 1)))
