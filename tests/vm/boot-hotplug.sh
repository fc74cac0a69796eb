#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A member is pulled out of a machine whose set is mounted and written, and put back later: disks behind hotplug ports, by
# QEMU's monitor. What the kernel log, the daemon and status say, and that what was written meanwhile is there and right.
# vehicle: qemu-6.12
# runs: host
. "$TOP/tests/vm/lib.sh"
if [ -z "${LONG:-}" ]; then
	skip "hot unplug" "with make check-boot"
	finish
fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/hotplug.XXXXXX")
SERVER=
trap '[ -z "$SERVER" ] || kill $SERVER 2>/dev/null; rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
IMAGES=(hot.0 hot.1 hot.2)

made() {
	bcachectl format -q -L hot --replicas=2 --size 256M "$WORK/hot.0" --size 256M "$WORK/hot.1" --size 256M "$WORK/hot.2" &&
		echo "hello hot" >"$WORK/hello" &&
		bcachectl put "$WORK/hot.0:$WORK/hot.1:$WORK/hot.2" "$WORK/hello" /hello
}

monitor() {
	"$TOP/tests/vm/monitor.py" "$WORK/monitor" "$@"
}

# The guest asks for what it cannot do by itself: "pull N" or "plug N" in a file that is renamed when it is whole.
serve() {
	local request verb nr generation=0
	while sleep 0.2; do
		for request in "$WORK"/results/ask.*[0-9]; do
			[ -e "$request" ] && [ ! -e "$request.done" ] || continue
			read -r verb nr <"$request"
			case $verb in
			pull)
				monitor "device_del dev-disk$nr"
				;;
			plug)
				generation=$((generation + 1))
				monitor "drive_add 0 if=none,id=again$generation,format=raw,file=$WORK/hot.$nr,cache=unsafe" \
					"device_add virtio-blk-pci,id=dev-disk$nr,drive=again$generation,serial=disk$nr,bus=port$nr"
				;;
			esac >"$request.said" 2>&1
			: >"$request.done"
		done
	done
}

early_script() {
	echo "FSTAB='UUID=$UUID /mnt/hot bcachefs defaults,x-systemd.device-timeout=600 0 0'"
	echo "DROP_INS="
	echo "echo HOT=$UUID >/new/run/vehicle/hotplug.vars"
	cat "$TOP/tests/vm/boot-early"
}

boot() {
	mkdir -p "$WORK/results"
	serve &
	SERVER=$!
	(cd "$WORK" && RESULTS=$WORK/results "$TOP/tests/vm/run-qemu" --kernel "$KERNEL" --early "$WORK/early" --monitor "$WORK/monitor" \
		"$TOP/tests/vm/in-guest-hotplug" "${IMAGES[@]}")
	local status=$?
	kill $SERVER
	[ -z "${KEEP_RESULTS:-}" ] || cp -r "$WORK/results" "$KEEP_RESULTS/hotplug"
	return $status
}

checked() {
	bcachectl fsck -n "$@" >"$WORK/fsck" 2>&1 && return
	sed 's/^/# /' "$WORK/fsck"
	return 1
}

try "a set with two copies is made" made
UUID=$(set_uuid "$WORK/hot.0")
early_script >"$WORK/early"
boot || FAILED=1
try "fsck finds nothing, without the member that was pulled" checked --degraded "$WORK/hot.0" "$WORK/hot.2"
try "  nor with it" checked "$WORK/hot.0" "$WORK/hot.1" "$WORK/hot.2"
finish
