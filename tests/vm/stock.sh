#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# On Debian's own kernels, with two processors, large folios and udev, what other scripts check in User-Mode Linux; all in one
# boot, as emulation is slow. tests/soak/stock.sh has more.
# vehicle: qemu-6.1 qemu-6.12
# images: golden/fresh-1dev new:64M new:128M golden/snapshots golden/tiered golden/compressed
. "$TOP/tests/vm/lib.sh"
NEXT=0

# on GOLDEN DISKS SCRIPT: the script with so many of the disks that are left; its cases count here
on() {
	local disks="${DISK[*]:NEXT:$2}"
	NEXT=$((NEXT + $2))
	echo "# $3${1:+, $1}"
	DISKS=$disks GOLDEN=$1 bash "$TOP/tests/vm/$3" || FAILED=1
	! mountpoint -q /mnt || umount -l /mnt
	bcachectl stop --all 2>/dev/null
}

on "" 2 smoke.sh
on "" 1 tracepoints.sh
on snapshots 1 golden.sh
on tiered 3 golden.sh
on compressed 1 file-access.sh
if [ -n "${MORE:-}" ]; then
	on "" 1 nfs.sh
	on fresh-uninit 1 golden.sh
	on "" 9 bad-sets.sh
fi
finish
