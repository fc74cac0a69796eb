#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/rw-power.sh at length: $KILLS (100) power failures under load, from $SEED on.
# vehicle: uml
# runs: host
export KILLS=${KILLS:-100}
exec "$TOP/tests/vm/rw-power.sh"
