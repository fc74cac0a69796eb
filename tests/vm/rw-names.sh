#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Names and attributes are changed: errors, races, attributes, ACLs, options, handles, subvolumes; what a remount then
# shows is what was there, and both checkers find nothing wrong with it.
# vehicle: uml
# options: --one-cpu
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set one @192M
new_set two --replicas=2 @128M @128M

ours "$TOP/tests/vm/in-guest-rw-names"
judged
finish
