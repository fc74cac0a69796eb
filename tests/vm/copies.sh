#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two equal copies of a set's only member, on disks that are both there while udev has met but the first: by that one alone
# the set looks complete. Nothing is assembled. A copy that a rule keeps out is no copy.
# vehicle: uml
# options: --one-cpu
# images: new:64M new:64M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
COPY=${DISK[1]}

late_rule() {
	echo "KERNEL==\"${COPY##*/}\", ACTION==\"add\", $1" >/run/udev/rules.d/10-late.rules
	udevadm control --reload
}

state_is() {
	same "$(bcachectl status --json | python3 -c 'import json, sys; print(*[s["state"] for s in json.load(sys.stdin)["waiting"]])')" "$1"
}

load_modules
try "a set of one member" bcachectl format -q -L twin "${DISK[0]}"
try "  and a copy of it" dd if="${DISK[0]}" of="$COPY" bs=1M status=none
UUID=$(set_uuid "${DISK[0]}")
start_udev

late_rule 'PROGRAM="/bin/sleep 3"'
udevadm trigger --type=devices --action=add --subsystem-match=block
wait_for 2 test -d "/run/bcachectl/$UUID"
try "the first copy is met, the set complete" state_is complete
refuse "  a unit would not assemble it" bcachectl assemble --recorded "$UUID" 2>/run/words
try "  and says what is there twice" grep -q 'set "twin": clone; nothing is assembled' /run/words
udevadm settle
refuse "  udev's rule has not" test -e /dev/mapper/twin
try "both are met: told as copies" state_is clone
stop_udev

rm -rf "/run/bcachectl/$UUID" /run/udev/data
start_udev
late_rule 'ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"'
coldplug
try "a copy that a rule keeps out is none: assembled" wait_for 5 test -b /dev/mapper/twin
try "  of the other disk" same "$(dmsetup deps -o devname twin | grep -o '(.*)')" "(${DISK[0]##*/})"
try "it is stopped" bcachectl stop --all
stop_udev
finish
