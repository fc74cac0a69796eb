#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The udev rules, path by path, as "udevadm test" shows them: what becomes of a device by the state of its set, what is left
# alone. No systemd is there; that there were one is told by its directory. And what the generator makes of the kernel's
# command line.
# vehicle: uml
# options: --one-cpu
# images: golden/replicas2 golden/encrypted golden/small-tree/disk0.img golden/small-tree/disk0.img new:16M golden/many/disk0.img new:64M new:64M new:64M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
OUT=/run/out

# rules DEVICE [ACTION]: what they would do
rules() {
	udevadm test --action="${2:-add}" "/sys/block/${1#/dev/}" >$OUT 2>&1
}

says() {
	grep -qE -- "$1" $OUT || { tail -n 30 $OUT | sed 's/^/# /'; return 1; }
}

# as says, the other way round
lacks() {
	! grep -E -- "$1" $OUT | sed 's/^/# /' | grep .
}

# what they would do with the third disk, had an earlier rule said this
with() {
	printf '%s\n' "SUBSYSTEM==\"block\", $1" >/run/udev/rules.d/63-test.rules
	rules "${DISK[2]}"
}

without() {
	rm /run/udev/rules.d/63-test.rules
}

# a member of another set that says to be of this one
estranged() {
	# written once, its superblocks have the checksum that superblock.py knows
	bcachectl format -q -L stranger "$STRANGER" && bcachectl put "$STRANGER" /etc/hostname /file &&
		"$TOP/tests/vm/superblock.py" "$STRANGER" "user_uuid=$1"
}

# sectors of a member's superblocks
superblocks() {
	bcachectl show-super -l "$1" | sed -n 's/^ *Offsets: *//p' | tr -d '+,'
}

# deface DEVICE SECTOR...: no superblock that names a set is left, only the list of their places
deface() {
	local device=$1 sector
	shift
	for sector; do
		printf garbagegarbage | dd of="$device" bs=1 seek=$((sector * 512 + 24)) conv=notrunc,fsync status=none
	done
}

# a set's own device, as udev knows it after its event
set_device() {
	dmsetup info -c --noheadings -o blkdevname "$1"
}

start_udev
mkdir -p /run/systemd/system
REPLICAS=$(set_uuid "${DISK[0]}")
LOCKED=$(set_uuid "${DISK[3]}")
CLONE=$(set_uuid "${DISK[4]}")
OTHER=${DISK[6]}
BAD=${DISK[7]}
TWIN1=${DISK[8]}
TWIN2=${DISK[9]}
STRANGER=${DISK[10]}

rules "${DISK[0]}"
try "one of three: the timer" says "^run: '/bin/systemctl --no-block start bcache-last-resort@$REPLICAS.timer'"
try "  is not ready" says '^SYSTEMD_READY=0'
try "  linked by set and index" says "^DEVLINKS=.*/dev/disk/by-bcachefs-member/$REPLICAS-0( |\$)"
try "  incomplete" says '^BCACHE_SET_STATE=incomplete'
try "  nothing is assembled" lacks 'bcache-assemble'
rules "${DISK[1]}"
try "two of three: startable, the timer" says "^run: '/bin/systemctl --no-block start bcache-last-resort@$REPLICAS.timer'"
try "  startable" says '^BCACHE_SET_STATE=startable'
rules "${DISK[2]}"
try "three: assembled" says "^run: '/bin/systemctl --no-block start bcache-assemble@$REPLICAS.service'"
try "  for people" says "^SYSTEMD_WANTS=bcache-assemble@$REPLICAS.service"
try "  complete, not ready" eval 'says "^BCACHE_SET_STATE=complete" && says "^SYSTEMD_READY=0"'
rules "${DISK[2]}" change
try "a change of what is known starts nothing" not grep -q '^run: ./bin/systemctl' $OUT
try "  but is no less a member" says '^SYSTEMD_READY=0'
bcachectl incremental --remove "${DISK[2]}"
rules "${DISK[2]}" change
try "a change that makes it a member does" says "^run: '/bin/systemctl --no-block start bcache-assemble@$REPLICAS.service'"
rmdir /run/systemd/system
rules "${DISK[2]}"
try "without systemd: from the rule" says "^run: '/usr/sbin/bcachectl assemble --recorded --no-wait $REPLICAS'"
rules "${DISK[3]}"
try "  not one that wants a passphrase" lacks '^run: ./usr/sbin/bcachectl assemble'
mkdir /run/systemd/system
rules "${DISK[3]}"
try "locked: the unit, which asks first" says "^run: '/bin/systemctl --no-block start bcache-assemble@$LOCKED.service'"
try "  locked" says '^BCACHE_SET_STATE=locked'
rules "${DISK[4]}" && rules "${DISK[5]}"
try "two equal devices: the timer" says "^run: '/bin/systemctl --no-block start bcache-last-resort@$CLONE.timer'"
try "  clone" says '^BCACHE_SET_STATE=clone'
try "  no link" lacks "by-bcachefs-member/$CLONE"

bcachectl incremental --remove "${DISK[2]}"
with 'ENV{DM_MULTIPATH_DEVICE_PATH}="1"'
try "a part of a multipath device is left alone" lacks '^BCACHE_'
with 'ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"'
try "so is what device-mapper keeps to itself" lacks '^BCACHE_'
with 'ENV{DM_SUSPENDED}="1"'
try "and what is suspended" lacks '^BCACHE_'
with 'ENV{ID_FS_TYPE}="bcachefs"'
try "libblkid may know the format" says '^BCACHE_SET_STATE=complete'
with 'ENV{ID_FS_TYPE}="linux_raid_member"'
try "what something else is on is left alone" lacks '^BCACHE_SET_STATE'
with 'ENV{ID_FS_AMBIVALENT}="other:x:1"'
try "so is what cannot be told" lacks '^BCACHE_SET_STATE'
without
mkfs.ext4 -q "$OTHER"
rules "$OTHER"
try "another file system" lacks '^BCACHE_|SYSTEMD_READY'

bad=$(set_uuid "$BAD")
places=$(superblocks "$BAD")
"$TOP/tests/vm/superblock.py" "$BAD" version=2048
rules "$BAD"
try "a newer version: the timer, at whose end the journal says why" \
	says "^run: '/bin/systemctl --no-block start bcache-last-resort@$bad.timer'"
try "  unsupported, not ready" eval 'says "^BCACHE_SET_STATE=unsupported" && says "^SYSTEMD_READY=0"'
deface "$BAD" $places
rules "$BAD"
try "no superblock that names a set: not ready" eval 'says "^BCACHE_SET_UUID=unreadable" && says "^SYSTEMD_READY=0"'
try "  nobody waits for it" lacks '^run: ./bin/systemctl'
try "  no link" lacks 'by-bcachefs-member'
try "two sets with one label" eval 'bcachectl format -q -L twin "$TWIN1" && bcachectl format -q -L twin "$TWIN2"'
twin=$(set_uuid "$TWIN1")
estranged "$twin"
rules "$TWIN1" && rules "$STRANGER"
try "two sets with one UUID: the timer" says "^run: '/bin/systemctl --no-block start bcache-last-resort@$twin.timer'"
try "  foreign" says '^BCACHE_SET_STATE=foreign'
try "  no link" lacks "by-bcachefs-member/$twin"
bcachectl incremental --remove "$STRANGER"
dd if=/dev/zero of="$STRANGER" bs=1M count=64 conv=fsync status=none

modprobe -q loop
empty=$(losetup -f)
rules "$empty"
try "a loop device without a file is left alone" lacks '^BCACHE_'
rules "$empty" change
try "so is a disk without a medium" lacks '^BCACHE_'

coldplug
with 'ENV{ID_FS_TYPE}="linux_raid_member"'
try "what was a member and is something else now: forgotten" \
	says "^run: '/usr/sbin/bcachectl incremental --remove [0-9]+:[0-9]+'"
without
rules "${DISK[0]}" remove
try "a member goes: forgotten" says "^run: '/usr/sbin/bcachectl incremental --remove [0-9]+:[0-9]+'"

# ---- a set's own device ----

load_modules
try "assembled" bcachectl assemble --recorded "$REPLICAS"
udevadm settle
device=/dev/$(set_device "$REPLICAS")
rules "$device"
try "a set's device: by-uuid" says "^DEVLINKS=.*/dev/disk/by-uuid/$REPLICAS( |\$)"
try "  ready" lacks '^SYSTEMD_READY=0'
try "  starts nothing" lacks '^run: '
try "  its links win" grep -qx 'L: 100' <(udevadm info "$device")
printf '%s\n' 'SUBSYSTEM=="block", ENV{DM_UUID}=="BCACHE-SET-?*", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"' >/run/udev/rules.d/63-test.rules
rules "$device"
try "  none where device-mapper keeps it to itself" lacks '^DEVLINKS=.*by-uuid'
without
rules "$device" remove
try "  when it goes nobody is forgotten" lacks '^run: .*bcachectl'
bcachectl incremental --remove "${DISK[0]}"
rules "${DISK[0]}"
try "a member of an assembled set: not ready" eval 'says "^BCACHE_SET_RUNNING=1" && says "^SYSTEMD_READY=0"'
try "  linked" says "^DEVLINKS=.*/dev/disk/by-bcachefs-member/$REPLICAS-0( |\$)"
try "  starts nothing" lacks '^run: ./bin/systemctl'
try "a set whose label another has, too" bcachectl assemble "$TWIN1"
udevadm settle
device=/dev/$(set_device twin)
rules "$device"
try "  is linked by its UUID" says "^DEVLINKS=.*/dev/disk/by-uuid/$twin( |\$)"
try "  not by its label" lacks 'by-label/twin'
bcachectl incremental --remove "$TWIN2"
rules "$device"
try "  until the other is gone" says '^DEVLINKS=.*/dev/disk/by-label/twin( |$)'
try "all stop" bcachectl stop --all

generated() {
	rm -rf /run/generated
	echo "quiet $1" >/run/cmdline
	mkdir /run/generated
	BCACHEFS_CMDLINE=/run/cmdline "$TOP/systemd/bcachefs-generator" /run/generated /run/generated /run/generated 2>$OUT
	cat /run/generated/*.d/*.conf 2>/dev/null | tr '\n' ' '
}
try "generator: nothing asked for" same "$(generated "")" ""
try "generator: bcachefs.degraded=no" same "$(generated bcachefs.degraded=no)" "[Service] Environment=BCACHE_DEGRADED= "
try "generator: bcachefs.degraded=very" same "$(generated bcachefs.degraded=very)" "[Service] Environment=BCACHE_DEGRADED=--very-degraded "
try "generator: bcachefs.degraded=yes" same "$(generated bcachefs.degraded=yes)" ""
try "generator: bcachefs.timeout=7" same "$(generated bcachefs.timeout=7)" "[Timer] OnActiveSec= OnActiveSec=7 "
try "generator: nonsense changes nothing" same "$(generated "bcachefs.timeout=soon bcachefs.degraded=perhaps")" ""
for unit in bcache-assemble@x.service bcache-last-resort@x.service bcache-last-resort@x.timer bcache-unlock@x.service \
	bcache-shutdown.service bcachectl-daemon.service; do
	mkdir -p /etc/systemd/system
	cp "$TOP/systemd/${unit/@x/@}" /etc/systemd/system/
	try "$unit is well-formed" same "$(systemd-analyze verify --man=no --recursive-errors=no "/etc/systemd/system/$unit" 2>&1)" ""
done
# of ten; 9.6 is a service that nothing is taken away from
try "the daemon is exposed no more than its work asks for" \
	systemd-analyze security --offline=true --threshold=28 --no-pager /etc/systemd/system/bcachectl-daemon.service >$OUT
stop_udev
finish
