#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Members that come when their set runs already, and members that have failed: into a set that is assembled read-only, of which
# no byte changes; into one that was written without them; a set whose member's state is failed, when it is met later, as at
# every later boot; a set that can no longer be written. udev and the daemon, without systemd.
# vehicle: uml
# options: --one-cpu
# images: new:64M new:64M new:64M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
. "$TOP/tests/vm/daemon-lib.sh"
LATE=${DISK[1]}

come() {
	local device
	for device; do
		udevadm trigger --action=add --name-match="$device"
	done
	udevadm settle
}

go() {
	bcachectl incremental --remove "$1"
}

# closing what was written is an event: before they are forgotten
fail_member_1() {
	local device
	for device; do
		"$TOP/tests/vm/superblock.py" "$device" member_state=1:2
	done
	udevadm settle
	for device; do
		go "$device"
	done
}

sums() {
	sha256sum "${DISK[@]}"
}

status_is() {
	same "$(dmsetup status late | cut -d' ' -f4-10)" "$1"
}

made() {
	bcachectl format -q --force -L late --replicas=2 "${DISK[@]}" && bcachectl assemble "${DISK[@]}" >/dev/null &&
		mount -t bcachefs /dev/mapper/late /mnt && head -c 3M /dev/urandom >/mnt/first && sha256sum </mnt/first >/run/first &&
		umount /mnt && bcachectl stop late
	UUID=$(set_uuid "${DISK[0]}")
}

first_right() {
	drop_caches
	sha256sum </mnt/first | cmp - /run/first
}

checked() {
	bcachectl fsck -n "$@" >/run/fsck 2>&1 || { sed 's/^/# /' /run/fsck; return 1; }
}

load_modules
start_udev
start_daemon
try "a set with two copies on three members" made

# ---- assembled read-only ----

before=$(sums)
come "${DISK[0]}" "${DISK[2]}"
try "short of a member it is not assembled by itself" not test -e /dev/mapper/late
try "assembled read-only without it" bcachectl assemble --read-only --degraded "${DISK[0]}" "${DISK[2]}"
try "  mounted" mount -t bcachefs -o ro /dev/mapper/late /mnt
: >$EVENTS
come "$LATE"
try "the late member joins" event "^member-joined $UUID late 1 "
try "  the set is complete" status_is "running 0 clean ro complete 3 3"
try "  and read-only as before" grep -q ' read_only' <(dmsetup table late)
try "  what is there is right" first_right
try "  it cannot be written" not mount -o remount,rw /mnt
try "unmounted and stopped" eval 'umount /mnt && bcachectl stop late'
try "not a byte has changed" same "$(sums)" "$before"

# ---- written without the member ----

for device in "${DISK[@]}"; do
	go "$device"
done
come "${DISK[0]}" "${DISK[2]}"
try "assembled without a member, to be written" bcachectl assemble --degraded "${DISK[0]}" "${DISK[2]}"
mount -t bcachefs /dev/mapper/late /mnt
try "written" eval 'head -c 5M /dev/urandom >/mnt/second && sync && sha256sum </mnt/second >/run/second'
: >$EVENTS
come "$LATE"
try "while it is written the late member is only told of" event "^member-late $UUID late 1 .*bcachectl stop late && bcachectl assemble"
try "  and shown" grep -q '^ *1 .* late ' <(bcachectl status late)
umount /mnt
: >$EVENTS
come "$LATE"
try "unmounted: it joins" event "^member-joined $UUID late 1 "
try "  the set is complete" status_is "running 0 clean ro complete 3 3"
try "  mounted again" mount -t bcachefs /dev/mapper/late /mnt
try "  all is right" eval 'first_right && sha256sum </mnt/second | cmp - /run/second'
try "  written again" eval 'cp /mnt/second /mnt/third && sync && cmp /mnt/second /mnt/third'
try "  unmounted and stopped" eval 'umount /mnt && bcachectl stop late'
try "  the check finds nothing" checked "${DISK[@]}"
try "  nor without one that was there all the time" checked --degraded "$LATE" "${DISK[2]}"

# ---- a member whose state is failed, at later boots ----

fail_member_1 "${DISK[@]}"
: >$EVENTS
come "${DISK[0]}" "${DISK[2]}"
try "a member has failed and is away: the others are complete, assembled at once" event "^set-assembled $UUID"
try "  of these two" status_is "running 0 clean ro complete 2 3"
mount -t bcachefs /dev/mapper/late /mnt
try "  it can be written" eval 'cp /mnt/second /mnt/fourth && sync && cmp /mnt/second /mnt/fourth'
try "  unmounted and stopped" eval 'umount /mnt && bcachectl stop late'
for device in "${DISK[@]}"; do
	go "$device"
done
come "$LATE" "${DISK[0]}" "${DISK[2]}"
try "with the failed one met first: assembled" wait_for 8 test -e /dev/mapper/late
udevadm settle
try "  it is shown as failed" grep -qE '^ +1 .* failed ' <(bcachectl status late)
mount -t bcachefs /dev/mapper/late /mnt
try "  mounted and right" eval 'first_right && sha256sum </mnt/second | cmp - /run/second'
try "  it can be written" eval 'cp /mnt/second /mnt/fifth && sync && cmp /mnt/second /mnt/fifth'
try "  unmounted and stopped" eval 'umount /mnt && bcachectl stop late'
try "  the check finds nothing" checked "${DISK[@]}"

for device in "${DISK[@]}"; do
	go "$device"
done
two_made() {
	bcachectl format -q --force -L two --replicas=2 "${DISK[0]}" "$LATE" && wait_for 8 test -e /dev/mapper/two &&
		mount -t bcachefs /dev/mapper/two /mnt && echo hello >/mnt/hello && umount /mnt && bcachectl stop two
	TWO=$(set_uuid "$LATE")
}
try "a set of two, assembled as it is made" two_made
fail_member_1 "${DISK[0]}" "$LATE"
come "$LATE"
try "one has failed: alone it is not all there is" grep -q 'state incomplete, not assembled, 0 of 1' <(bcachectl status two)
mount --bind /dev/null "${DISK[0]}"	# the disk itself would be found
refuse "  it is not started" bcachectl assemble --recorded --degraded "$TWO" 2>/run/words
try "  and it is said" grep -q 'some data has NO copy' /run/words
umount "${DISK[0]}"
come "${DISK[0]}"
try "  with the other it is assembled" wait_for 8 test -e /dev/mapper/two
try "  and stopped" bcachectl stop two
kill $DAEMON
wait $DAEMON
stop_udev
sed 's/^/# /' /run/daemon.log
finish
