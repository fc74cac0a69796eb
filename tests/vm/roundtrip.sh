#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two sets go to and fro between our engine and the in-tree driver, whose checker has nothing to say. The long form is in
# tests/soak.
# vehicle: uml
# runs: host
make -s -C "$TOP" O="$O" "$O/bcachectl" "$O/tests/model/set_test" || exit
exec "$TOP/tests/vm/roundtrip.py" --rounds 2 --operations 120 --keep "$O/roundtrip" ${SEEDS:-1009 4205}
