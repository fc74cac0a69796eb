#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two sets go to and fro between our engine and the in-tree driver, whose checker has nothing to say. The long form is in
# tests/soak.
# vehicle: uml
# runs: host
if [ "${VARIANT:-plain}" != plain ]; then
	echo "ok - sets to and fro # SKIP ours runs in user space here, and the judge on the plain kernel"
	exit 0
fi
make -s -C "$TOP" O="$O" "$O/bcachectl" "$O/tests/model/set_test" || exit
exec "$TOP/tests/vm/roundtrip.py" --rounds 2 --operations 120 --keep "$O/roundtrip" ${SEEDS:-1009 4205}
