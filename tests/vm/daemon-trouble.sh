#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the daemon tells of sets in trouble, to the hook, once: a tier that is full, an error that ends writing. And top, which
# asks the daemon for sets.
# vehicle: uml
# options: --one-cpu
# images: new:128M new:256M new:64M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
. "$TOP/tests/vm/daemon-lib.sh"

look_again() {
	"$TOP/tests/vm/varlink.py" $SOCKET org.bcachectl.Sets.Rescan >/dev/null
}

load_modules
start_udev
start_daemon

# ---- a tier gets full ----

try "a tiered set" bcachectl format -q -L tank --btree-node-size 64k --foreground-target=ssd --label=ssd.a "${DISK[0]}" --label=hdd.a "${DISK[1]}"
bcachectl assemble "${DISK[0]}" "${DISK[1]}" >/dev/null
mount -t bcachefs /dev/mapper/tank /mnt
look_again
try "there is room: nothing is told" same "$(events '^tier-full')" 0
try "written until the first tier is full" eval 'head -c 150M /dev/urandom >/mnt/file && sync'
look_again
try "that is told" event '^tier-full [^ ]+ tank - members of group ssd are full: [0-9]+ MiB of [0-9]+ are left'
refuse "  the other is not" grep -q '^tier-full.*hdd' $EVENTS
look_again
try "  once" same "$(events '^tier-full')" 1
rm /mnt/file
sync
gets_full_again() {
	look_again
	head -c 150M /dev/urandom >/mnt/file && sync && look_again && [ "$(events '^tier-full')" = 2 ]
}
try "there is room again, and it gets full again: told anew" wait_for 30 gets_full_again

# ---- top ----

# what a look at the set says of member $1, as somebody who may not ask device-mapper, but the daemon
top_says() {
	setpriv --reuid=1 --regid=1 --clear-groups bcachectl top --json --count 1 --interval 2 tank >/run/top 2>/run/words || return
	python3 -c '
import json, sys
s, = json.load(open("/run/top"))["sets"]
m = s["members"][int(sys.argv[1])]
ok = eval(sys.argv[2])
ok or print("#", s)
sys.exit(not ok)' "$@"
}
rm /mnt/file
sync
# what the removal leaves to be done (the journal, discards) is written behind the sync
try "top: nothing is done" wait_for 30 top_says 1 'm["write_bytes_per_second"] == 0 and s["mounted"] and not s["degraded"]'
try "  how much room there is" top_says 1 '0 < m["room_bytes"] < m["bytes"] <= 256 << 20'
(sleep 1; head -c 16M /dev/urandom >/mnt/file; sync) &
try "  something is written" top_says 0 'm["write_bytes_per_second"] > 4 << 20 and m["write_ios_per_second"] > 0 and m["write_ns"] > 0'
wait $!
try "  for people" grep -qE '^ +1 +/?[a-z/0-9]+ +rw ' <(bcachectl top --count 1 --interval 1)
try "  a set that is not there" not bcachectl top --count 1 --interval 1 nowhere 2>/run/words
umount /mnt
try "stopped" bcachectl stop tank

# ---- an error ends writing ----

linear() {
	echo "0 $(blockdev --getsz "${DISK[2]}") $1"
}
dmsetup create under --table "$(linear "linear ${DISK[2]} 0")"
try "a set on a device that will fail" bcachectl format -q -L lone /dev/mapper/under
bcachectl assemble /dev/mapper/under >/dev/null
mount -t bcachefs /dev/mapper/lone /mnt
dmsetup suspend --nolockfs --noflush under && dmsetup load under --table "$(linear error)" && dmsetup resume under
refuse "it fails" eval 'head -c 100k /dev/urandom >/mnt/file && sync -f /mnt/file' 2>/run/words
try "the daemon tells that it is not written any more" event '^set-failed [^ ]+ lone - an error has ended writing'
look_again
try "  once" same "$(events '^set-failed')" 1
umount /mnt
try "stopped" bcachectl stop lone
dmsetup remove under
kill $DAEMON
wait $DAEMON
try "the daemon ends" same $? 0
stop_udev
sed 's/^/# /' /run/daemon.log
finish
