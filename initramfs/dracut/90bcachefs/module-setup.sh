#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# dracut module: bcachefs sets are assembled by udev's rules, with the units where dracut has systemd, by the rule itself
# where not. When dracut has waited in vain, sets are started without their missing members, if all data has a copy.

check() {
	require_binaries bcachectl || return 1
	[[ $hostonly ]] || [[ $mount_needs ]] && {
		local fs
		for fs in "${host_fs_types[@]}"; do
			[[ $fs == bcachefs ]] && return 0
		done
		return 255
	}
	return 0
}

depends() {
	echo dm rootfs-block
}

installkernel() {
	hostonly='' instmods dm-bcache bcachefs
}

install() {
	inst_multiple bcachectl sed cut
	inst_multiple -o systemd-ask-password
	ln -sf bcachectl "$initdir/usr/sbin/mount.bcachefs"
	inst_rules 64-bcachefs-set.rules
	# older udev cannot take links away; beside it is a libblkid that does not know bcachefs
	if [[ $(udevadm --version) -ge 253 ]]; then
		inst_simple "$moddir/65-bcachefs-member-links.rules" "${udevdir:-/usr/lib/udev}/rules.d/65-bcachefs-member-links.rules"
	fi
	if dracut_module_included "systemd"; then
		inst_multiple -o \
			"$systemdsystemunitdir/bcache-assemble@.service" \
			"$systemdsystemunitdir/bcache-last-resort@.service" \
			"$systemdsystemunitdir/bcache-last-resort@.timer" \
			"$systemdsystemunitdir/bcache-unlock@.service" \
			"$systemdsystemunitdir/bcache-shutdown.service" \
			"${systemdutildir}/system-generators/bcachefs-generator"
	fi
	inst_hook pre-udev 30 "$moddir/bcachefs-modules.sh"
	inst_hook pre-mount 10 "$moddir/bcachefs-no-fsck.sh"
	inst_hook initqueue/settled 50 "$moddir/bcachefs-unlock.sh"
	inst_hook initqueue/timeout 50 "$moddir/bcachefs-last-resort.sh"
}
