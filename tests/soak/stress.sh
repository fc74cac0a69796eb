#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/rw-stress.sh at length: a minute of all stressors at once, then each alone, also on two members.
# vehicle: uml uml-debug
# runs: host
export LONG=1
exec "$TOP/tests/vm/rw-stress.sh"
