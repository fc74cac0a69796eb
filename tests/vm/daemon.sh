#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# udev alone, without systemd, and the daemon: sets assemble by the rules; members that are pulled and come back; events to the
# hook and to those who watch; the socket, who may call what; a restart that loses nothing; memory.
# vehicle: uml
# options: --one-cpu
# images: golden/replicas2 golden/tiered
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
. "$TOP/tests/vm/daemon-lib.sh"

# call METHOD [PARAMETERS]: prints the answer
call() {
	"$TOP/tests/vm/varlink.py" $SOCKET "$@"
}

load_modules
start_udev
UUID=$(set_uuid "${DISK[0]}")
TIERED=$(set_uuid "${DISK[3]}")
start_daemon
try "the daemon answers before there is any set" same "$(call org.bcachectl.Sets.List)" '{"sets": [], "waiting": []}'
coldplug
try "two sets are assembled by the rules alone" wait_for 20 test -e "/dev/mapper/$UUID" -a -e "/dev/mapper/$TIERED"
udevadm settle
try "  a set's device owns the by-uuid link" same "$(readlink -f "/dev/disk/by-uuid/$UUID")" "$(readlink -f "/dev/mapper/$UUID")"
try "  members are linked by set and index" same "$(readlink -f "/dev/disk/by-bcachefs-member/$UUID-1")" "${DISK[1]}"
try "  a member is not ready" grep -q '^E: SYSTEMD_READY=0' <(udevadm info "${DISK[0]}")
try "  the daemon's event says so" event "^set-assembled $UUID"
try "UUID= mounts" mount -t bcachefs -o ro "UUID=$UUID" /mnt

# ---- the socket ----

try "it describes itself" grep -q '"org.bcachectl.Sets"' <(call org.varlink.service.GetInfo)
try "  and its interface" grep -q 'method List() -> (sets:' <(call org.varlink.service.GetInterfaceDescription '{"interface": "org.bcachectl.Sets"}')
# uuids that "bcachectl status --json [...]" knows, run by somebody of the daemon's group, who may not ask device-mapper
status_as_group() {
	setpriv --reuid=1 --regid=1 --clear-groups bcachectl status --json "$@" 2>/dev/null |
		python3 -c 'import json, sys; print(*sorted(s["uuid"] for s in json.load(sys.stdin)["sets"]))' 2>/dev/null
}
BOTH=$(printf '%s\n' "$UUID" "$TIERED" | sort | xargs)
try "status asks it" same "$(status_as_group)" "$BOTH"
try "  without it there is no telling" same "$(status_as_group --records /run/none)" ""
as_daemon() {
	setpriv --reuid=1 --regid="$1" --clear-groups "$TOP/tests/vm/varlink.py" $SOCKET "${@:2}" 2>&1
}
try "the group reads" grep -q "\"$UUID\"" <(as_daemon 1 org.bcachectl.Sets.List)
try "  and writes nothing" grep -q 'org.bcachectl.Sets.NotPermitted' <(as_daemon 1 org.bcachectl.Sets.Stop "{\"set\": \"$TIERED\"}")
try "others do not get in" grep -q 'Permission denied' <(as_daemon 2 org.bcachectl.Sets.List)
try "a method that is not there" grep -q 'org.varlink.service.MethodNotFound' <(call org.bcachectl.Sets.Dance)
try "nonsense is hung up on" same "$(timeout 5 "$TOP/tests/vm/varlink.py" $SOCKET --raw nonsense)" ""
try "a mounted set is not stopped" grep -q 'org.bcachectl.Sets.InUse' <(call org.bcachectl.Sets.Stop "{\"set\": \"$UUID\"}")
"$TOP/tests/vm/varlink.py" $SOCKET --more org.bcachectl.Sets.Watch >/run/watched &
WATCHER=$!
wait_for 10 test -s /run/watched
try "root stops the other" same "$(call org.bcachectl.Sets.Stop "{\"set\": \"$TIERED\"}")" '{}'
try "  really" not test -e "/dev/mapper/$TIERED"
try "  who watches is told" wait_for 8 grep -q '"set-stopped"' /run/watched
kill $WATCHER

# ---- members go and come ----

pull() {
	bcachectl incremental --remove "${DISK[1]}"
	udevadm trigger --action=remove --name-match="${DISK[1]}"
}
try "a member is pulled: the set lets go of it" eval 'pull; event "^member-lost $UUID"'
try "  and is degraded" event "^set-degraded $UUID"
try "  says the status" grep -q DEGRADED <(bcachectl status "$UUID")
try "  and is read all the same" eval 'drop_caches; find /mnt -type f -exec cat {} + >/dev/null'
: >$EVENTS
try "it comes back: the set takes it in" eval 'udevadm trigger --action=add --name-match="${DISK[1]}"; event "^member-joined $UUID"'
try "  and is complete" event "^set-complete $UUID"
try "  with all members" grep -q ' complete 3 3 ' <(dmsetup status "$UUID")
drop_caches
try "  and right" eval 'GOLDEN=replicas2; "$TOP/tests/vm/manifest.py" /mnt "$(contents_reference)"'

# ---- restart ----

: >$EVENTS
kill -KILL $DAEMON
wait $DAEMON 2>/dev/null
pull
number=$(lsblk -dno MAJ:MIN "${DISK[1]}" | tr -d ' ')
dmsetup load "$UUID" --noudevsync --table "$(dmsetup table "$UUID" | sed "s/ 3 / 2 /; s/ $number / /")" && dmsetup resume "$UUID" --noudevsync
start_daemon
try "killed, and a member lost meanwhile: told by its successor" event "^member-lost $UUID"
try "  nothing else is told anew" not grep -q set-assembled $EVENTS
: >$EVENTS
kill -KILL $DAEMON
wait $DAEMON 2>/dev/null
udevadm trigger --action=add --name-match="${DISK[1]}"
udevadm settle
start_daemon
try "killed, and a member back meanwhile: taken in by its successor" event "^member-joined $UUID"
try "memory below 20 MB" test "$(awk '/^VmRSS/ { print $2 }' /proc/$DAEMON/status)" -lt 20480
echo "# $(awk '/^VmRSS/ { print $2 }' /proc/$DAEMON/status) KiB"
kill $DAEMON
wait $DAEMON
try "it ends when told to" same $? 0
try "  and takes its socket along" not test -e $SOCKET
umount /mnt
try "status works without it" grep -q "\"$UUID\"" <(bcachectl status --json)
try "everything stops" bcachectl stop --all
sleep 1
udevadm settle
try "  and stays stopped" same "$(dmsetup ls)" "No devices found"
stop_udev
sed 's/^/# /' /run/daemon.log
finish
