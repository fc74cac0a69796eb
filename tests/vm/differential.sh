#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two sets written at random by the in-tree driver: ours shows exactly the same. The long form is in tests/soak.
# vehicle: uml
# runs: host
exec "$TOP/tests/vm/differential.py" --rounds 1 --operations 250 --keep "$O/differential" ${SEEDS:-1 7}
