#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/rw-stacked.sh at length: databases for minutes, each on each set.
# vehicle: uml uml-debug
# runs: host
export LONG=1
exec "$TOP/tests/vm/rw-stacked.sh"
