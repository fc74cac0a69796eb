#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# udev and systemd on a machine that runs: rules and units put in place later, an event for every device. Members are linked
# and not ready, the set is assembled, its device owns the by-uuid link, fstab's UUID= mounts, stopping takes all away.
# vehicle: qemu-6.12
# golden: tiered
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"

ln -sf "$O/bcachectl" /usr/sbin/bcachectl
ln -sf bcachectl /usr/sbin/mount.bcachefs
cp "$TOP/udev/64-bcachefs-set.rules" /etc/udev/rules.d/
cp "$TOP"/systemd/*.service "$TOP"/systemd/*.timer /etc/systemd/system/
udevadm control --reload
systemctl daemon-reload
load_modules
UUID=$(set_uuid "${DISK[0]}")
udevadm trigger --subsystem-match=block --settle
try "the set is assembled by its unit" wait_for 60 systemctl is-active "bcache-assemble@$UUID"

property() {
	udevadm info --query=property --name="$1" | sed -n "s/^$2=//p"
}

udevadm settle
try "members are linked by set and index" same \
	"$(readlink -f /dev/disk/by-bcachefs-member/$UUID-1)" "${DISK[1]}"
try "a member is not ready to be mounted" same "$(property "${DISK[0]}" SYSTEMD_READY)" 0
try "the units are well-formed" systemd-analyze verify --man=no /etc/systemd/system/bcache*.service /etc/systemd/system/bcache*.timer
try "the set's device owns the by-uuid link" same \
	"$(readlink -f "/dev/disk/by-uuid/$UUID")" "$(readlink -f "/dev/mapper/$UUID")"
refuse "and is not held back" same "$(property "/dev/mapper/$UUID" SYSTEMD_READY)" 0 2>/dev/null
try "UUID= mounts" mount -o ro "UUID=$UUID" /mnt -t bcachefs
try "what is there is right" "$TOP/tests/vm/manifest.py" /mnt "$(contents_reference)"
try "unmount" umount /mnt
try "the unit stops the set" systemctl stop "bcache-assemble@$UUID"
udevadm settle
try "nothing of it is left" same "$(dmsetup ls --target bcache-set)" "No devices found"
finish
