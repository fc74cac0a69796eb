#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Target bcache-set: tables good and bad, removal, reload under a mount, loss of the table, status and messages.
# vehicle: uml
# golden: tiered
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

load_modules
UUID=$(bcachectl probe --json "${DISK[0]}" | sed -n 's/.*"uuid":"\([0-9a-f-]*\)".*/\1/p' | head -n 1)
[ -n "$UUID" ] || UUID=$(set_uuid "${DISK[0]}")
SECTORS=1572864

table() {
	echo "0 $SECTORS bcache-set $*"
}

create() {
	dmsetup create "$@" --readonly --noudevsync
}

# where the readahead of the device of that name is set, in KiB
readahead_of() {
	echo "/sys/class/bdi/$(dmsetup info -c --noheadings --separator : -o major,minor "$1")/read_ahead_kb"
}

refuse "a table without arguments" create bad --table "$(table)"
refuse "a malformed UUID" create bad --table "$(table not-a-uuid 1 "${DISK[0]}")"
refuse "the UUID of another set" \
	create bad --table "$(table 00000000-1111-2222-3333-444444444444 3 "${DISK[@]}")"
refuse "no devices" create bad --table "$(table "$UUID" 0)"
refuse "more devices than given" create bad --table "$(table "$UUID" 64 "${DISK[@]}")"
refuse "a device that is not there" create bad --table "$(table "$UUID" 1 /dev/nonexistent)"
refuse "the same member twice" create bad --table "$(table "$UUID" 4 "${DISK[@]}" "${DISK[0]}")"
refuse "an unknown feature" create bad --table "$(table "$UUID" 3 "${DISK[@]}" 1 wonderful)"
refuse "arguments left over" create bad --table "$(table "$UUID" 3 "${DISK[@]}" 0 more)"
refuse "a missing member, not degraded" create bad --table "$(table "$UUID" 2 "${DISK[0]}" "${DISK[1]}")"
try "nothing is left of all that" same "$(dmsetup ls)" "No devices found"

try "members in any order" create tank --uuid "BCACHE-SET-$UUID" \
	--table "$(table "$UUID" 3 "${DISK[2]}" "${DISK[0]}" "${DISK[1]}" 1 read_only)"
try "recovery ends well" dmsetup message tank 0 wait_started
try "the table reads back as it was loaded" same \
	"$(dmsetup table tank | cut -d' ' -f4-5)" "$UUID 3"
try "status says it runs" grep -q 'bcache-set running 0 clean ro complete 3 3 0' <(dmsetup status tank)
try "the device shows the superblock" same \
	"$(bcachectl probe --export /dev/mapper/tank | grep BCACHE_SET_UUID)" "BCACHE_SET_UUID=$UUID"
try "beyond it there are zeros" same \
	"$(dd if=/dev/mapper/tank bs=1M skip=16 count=1 status=none | tr -d '\0' | wc -c)" 0
refuse "writing" dd if=/dev/zero of=/dev/mapper/tank bs=4096 count=1 oflag=direct status=none
refuse "a second set of the same UUID" create twin --table "$(table "$UUID" 3 "${DISK[@]}")"
dmsetup remove twin 2>/dev/null

refuse "a mount option that contradicts the table" mount -t bcachefs -o ro,norecovery /dev/mapper/tank /mnt
try "it mounts" mount -t bcachefs -o ro /dev/mapper/tank /mnt
refuse "removal while mounted" dmsetup remove tank
try "readahead is half a MiB" same "$(cat "$(readahead_of tank)")" 512
echo 1024 >"$(readahead_of tank)"
try "it remounts" mount -o remount,ro /mnt
try "a readahead that was chosen by hand survives that" same "$(cat "$(readahead_of tank)")" 1024
try "a reload with the members in another order" dmsetup load tank --readonly \
	--table "$(table "$UUID" 3 "${DISK[@]}" 1 read_only)"
try "suspend and resume swap the table" dmsetup resume tank
drop_caches
try "files are right after it" "$TOP/tests/vm/manifest.py" /mnt "$(contents_reference)"
try "message drop_cache answers with a number" \
	grep -qE '^[0-9]+$' <(dmsetup message tank 0 drop_cache)
refuse "an unknown message" dmsetup message tank 0 dance
try "plain suspend" dmsetup suspend tank
try "plain resume" dmsetup resume tank

touch_all() {
	find /mnt -type f -exec cat {} + >/dev/null
}
try "the table is wiped under the mount" dmsetup wipe_table --force tank
drop_caches
refuse "reading is an error then" touch_all
try "the mount can be left" umount /mnt
try "the device can be removed" dmsetup remove tank

try "degraded by hand: two of three members" create tank --uuid "BCACHE-SET-$UUID" \
	--table "$(table "$UUID" 2 "${DISK[1]}" "${DISK[2]}" 1 very_degraded)"
try "status says so" grep -q ' degraded 2 3 ' <(dmsetup status tank)
try "forced removal" dmsetup remove --force tank
try "nothing was written" bytes_unchanged
try "the modules go" modprobe -r bcachefs dm-bcache
finish
