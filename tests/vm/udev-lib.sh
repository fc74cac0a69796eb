# SPDX-License-Identifier: GPL-2.0
#
# udev without systemd, in a vehicle that has neither (UML): the host's udevd over our rules and those of the distribution
# that ours work beside. Sourced after lib.sh.

# wait_for SECONDS COMMAND...: until it succeeds; more seconds where the kernel is slow
wait_for() {
	local deadline=$((SECONDS + $1 * SLOWER))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.1
	done
}

# The host's rules would do the host's work: only those that concern us are there.
start_udev() {
	local rule
	mkdir -p /run/udev/rules.d
	for rule in /usr/lib/udev/rules.d/*.rules; do
		case ${rule##*/} in
		50-udev-default.rules | 55-dm.rules | 60-block.rules | 60-persistent-storage.rules | 60-persistent-storage-dm.rules | \
			95-dm-notify.rules | 99-systemd.rules) ;;
		*) ln -sf /dev/null "/run/udev/rules.d/${rule##*/}" ;;
		esac
	done
	cp "$O/bcachectl" /usr/sbin/bcachectl 2>/dev/null || mount --bind "$O/bcachectl" /usr/sbin/bcachectl
	cp "$TOP/udev/64-bcachefs-set.rules" /run/udev/rules.d/
	/lib/systemd/systemd-udevd --daemon --resolve-names=never
	wait_for 5 udevadm control --ping
}

stop_udev() {
	udevadm control --exit
}

coldplug() {
	udevadm trigger --type=devices --action=add --subsystem-match=block
	udevadm settle
}
