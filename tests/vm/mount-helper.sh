#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mount.bcachefs and the commands around it: what may be named, which options go where, what is refused in which words
# and with which exit code.
# vehicle: uml
# options: --one-cpu
# images: golden/replicas2 golden/encrypted new:16M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

MEMBERS=("${DISK[@]:0:3}")
LOCKED=${DISK[3]}
OTHER=${DISK[4]}
OUT=/run/out

# code EXPECTED WORDS COMMAND...: exit status, and words that it says ("" where nothing is)
code() {
	local want=$1 words=$2 got=0
	shift 2
	"$@" >$OUT 2>&1 </dev/null || got=$?
	same "$got" "$want" || { head -n 5 $OUT | sed 's/^/# /'; return 1; }
	grep -qE -- "${words:-^$}" $OUT || [ -z "$words$(cat $OUT)" ] || { head -n 5 $OUT | sed 's/^/# /'; return 1; }
}

export_of() {
	bcachectl probe --export "$1" | sed -n "s/^$2=//p"
}

# mounts NAME ARGUMENT...: mount.bcachefs succeeds without a word, what is there is right; unmounted and stopped again
mounts() {
	local name=$1
	shift
	try "$name" code 0 "" mount.bcachefs "$@"
	try "  is the set" test -f /mnt/a/f600013
	try "  goes" umount /mnt
	try "  stops" bcachectl stop --all
}

shows() {
	grep -E " /mnt bcachefs " /proc/mounts | grep -qE -- "[ ,]$1[ ,]"
}

load_modules
UUID=$(export_of "${MEMBERS[0]}" BCACHE_SET_UUID)
ln -sf "$O/mount.bcachefs" /sbin/mount.bcachefs
ln -sf "$O/bcachectl" /sbin/fsck.bcachefs

try "nothing named" code 1 usage mount.bcachefs
try "one thing named" code 1 usage mount.bcachefs "$UUID"
try "a UUID that is nowhere" code 32 'no member of set 00000000-.* found' \
	mount.bcachefs UUID=00000000-1111-2222-3333-444444444444 /mnt -o ro
try "a label that is nowhere" code 32 'no member of set LABEL=nobody found' mount.bcachefs LABEL=nobody /mnt -o ro
try "a device that is not there" code 32 'nonexistent' mount.bcachefs /dev/nonexistent /mnt -o ro
try "only pretending" code 0 "" mount.bcachefs -f "UUID=$UUID" /mnt -o ro
try "  makes nothing" same "$(dmsetup ls)" "No devices found"

mounts "by UUID" "UUID=$UUID" /mnt -o ro
mounts "by one member" "${MEMBERS[1]}" /mnt -o ro
mounts "by all members" "${MEMBERS[0]}:${MEMBERS[2]}:${MEMBERS[1]}" /mnt -o ro,nosuid,x-systemd.automount
device=$(bcachectl assemble "$UUID")
try "fsck.bcachefs of an assembled set: nobody asks for a check" code 0 "" fsck.bcachefs -a "$device"
try "  to look all the same, it is to be stopped" code 8 'bcachectl stop' fsck.bcachefs -n "$device"
mounts "by the set's device" "$device" /mnt -o ro
try "fsck.bcachefs of one member: the others are found" code 0 ' 0 findings' fsck.bcachefs -n "${MEMBERS[1]}"
try "ls of one member: the same" code 0 'f600013' bcachectl ls "${MEMBERS[1]}" /a
try "set-option of one member: all of them" code 0 'compression: none -> lz4' bcachectl set-option compression=lz4 "${MEMBERS[2]}"
try "  really" same "$(for member in "${MEMBERS[@]}"; do bcachectl show-super "$member" | grep -c 'ompression: *lz4$'; done | xargs)" "1 1 1"
try "  and back" code 0 'lz4 -> none' bcachectl set-option compression=none "${MEMBERS[0]}"
try "by UUID" code 0 'compression: none -> zstd' bcachectl set-option compression=zstd "UUID=$UUID"
try "  and back" code 0 'zstd -> none' bcachectl set-option compression=none "$UUID"
try "  ls" code 0 'f600013' bcachectl ls "UUID=$UUID" /a
try "  fsck" code 0 ' 0 findings' bcachectl fsck -n "UUID=$UUID"
try "    which may mend" code 0 ' 0 findings' bcachectl fsck -y "$UUID"
try "  a set that is nowhere" code 4 'no member of set 00000000-.* found' bcachectl ls UUID=00000000-1111-2222-3333-444444444444 /
try "a label is given" code 0 "" bcachectl set-option fs_label=name "${MEMBERS[0]}"
try "  and serves" code 0 'f600013' bcachectl ls LABEL=name /a
try "  a label that is nowhere" code 4 'no member of set LABEL=nobody found' bcachectl usage LABEL=nobody
try "  taken away" code 0 "" bcachectl set-option fs_label= LABEL=name
try "set-member of one" code 0 "" bcachectl set-member --label=x.y "${MEMBERS[1]}"
try "  of that one, noted by all" same "$(for member in "${MEMBERS[@]}"; do bcachectl show-super --json "$member" | grep -c '"label": *"x.y"'; done | xargs)" "1 1 1"
device=$(bcachectl assemble "$UUID")
try "a set that is assembled is changed by nobody else" code 5 'is in use: .*dm-0' bcachectl mkdir "${MEMBERS[1]}" /new
try "  nor its options" code 5 'is in use: .*dm-0' bcachectl set-option compression=lz4 "${MEMBERS[1]}"
bcachectl stop --all
try "mount(8) finds the helper" mount -t bcachefs -o ro,noatime "${MEMBERS[0]}" /mnt
try "  and hands options on" shows noatime
try "a mounted set does not stop" code 5 'is in use \(opened 1 times\): unmount it first' bcachectl stop "$UUID"
try "again, elsewhere" code 0 "" mount.bcachefs "UUID=$UUID" /run/lock -o ro
umount /run/lock
in_use() {
	bcachectl status --json | python3 -c '
import json, sys
(s,) = json.load(sys.stdin)["sets"]
assert s["uuid"] == sys.argv[1] and s["state"] == "running" and s["in_use"] and s["read_only"] and not s["degraded"]
assert s["clean"] and s["errors"] == 0 and s["members_present"] == s["members_total"] == len(s["members"]) == 3
assert [m["device"] for m in s["members"]] == sys.argv[2:], s["members"]
assert all(m["reads"] > 0 and not m["io_errors"] and not m["checksum_errors"] for m in s["members"])
' "$UUID" "${MEMBERS[@]}"
}
try "status as JSON" in_use
umount /mnt
try "stopped" code 0 "" bcachectl stop "$UUID"
try "what is not there does not stop" code 4 'no assembled set is called' bcachectl stop "$UUID"
try "and has no status" code 4 'no assembled set is called' bcachectl status "$UUID"
try "nothing assembled, as JSON" python3 -c 'import json, sys; assert json.loads(sys.argv[1])["sets"] == []' \
	"$(bcachectl status --json)"
try "a set that is nowhere does not assemble" code 4 'found on this machine' bcachectl assemble LABEL=nobody

# Options of the table.
two="${MEMBERS[0]}:${MEMBERS[2]}"
try "a member too few" code 32 '2 of 3 members are here; missing: 1' mount.bcachefs "$two" /mnt -o ro
try "  allowed" code 0 "" mount.bcachefs "$two" /mnt -o ro,degraded
try "  shows" shows degraded
try "  in the status, too" grep -q DEGRADED <(bcachectl status)
try "  and reads" eval 'find /mnt -type f -exec cat {} + >/dev/null'
try "  stays over a remount by mount(8)" mount -o remount,nodev /mnt
try "  which does what it should" shows nodev
try "  and no more than that" mount -o remount,dev,noexec /mnt
refuse "  as asked" shows nodev
try "  as asked, too" shows noexec
try "a remount with an option that the set was assembled without" code 32 'mount option norecovery' \
	mount -o remount,norecovery /mnt
try "a remount for writing" mount -o remount,rw /mnt
try "  which it is then" touch /mnt/written
try "and back" mount -o remount,ro /mnt
refuse "  not written any more" touch /mnt/again
umount /mnt
bcachectl stop --all
for option in nochanges norecovery no_splitbrain_check very_degraded; do
	try "option $option goes into the table" code 0 "" mount.bcachefs "UUID=$UUID" /mnt "-oro,$option"
	try "  really" grep -qw "$option" <(dmsetup table "$UUID")
	umount /mnt
	bcachectl stop --all
done
device=$(bcachectl assemble "$UUID")
for option in nochanges norecovery; do
	try "option $option on a set assembled without" code 32 "mount option $option: the set was assembled without" \
		mount.bcachefs "UUID=$UUID" /mnt "-oro,$option"
done
for option in degraded very_degraded no_splitbrain_check; do
	try "option $option on a set that has all members" code 0 "" mount.bcachefs "$device" /mnt "-oro,$option"
	try "  also by a remount" mount -o "remount,ro,$option" /mnt
	umount /mnt
done
try "writing" code 0 "" mount.bcachefs "$device" /mnt
umount /mnt
try "an unknown option" code 32 "Unknown parameter 'wonderful'" mount.bcachefs "$device" /mnt -o ro,wonderful
try "noacl goes to the file system" code 0 "" mount.bcachefs "$device" /mnt -o ro,noacl
try "  shows" shows noacl
try "a directory that is not there" code 32 'No such file or directory' mount.bcachefs "$device" /nowhere -o ro
umount /mnt
bcachectl stop --all
bcachectl assemble --read-only "UUID=$UUID" >/run/out
try "writing a set assembled read-only" code 32 'assembled with read_only' mount.bcachefs "UUID=$UUID" /mnt
bcachectl stop --all

# Encryption.
KEY="bcachefs:$(export_of "$LOCKED" BCACHE_SET_UUID)"
unlock() {
	echo "$1" | bcachectl unlock "$LOCKED"
}
try "a locked set" code 32 'is encrypted and locked; unlock it first' mount.bcachefs "$LOCKED" /mnt -o ro
try "  assembling it" code 2 'bcachectl unlock' bcachectl assemble "$LOCKED"
try "a wrong passphrase" code 2 'wrong passphrase' unlock "not $PASSPHRASE"
try "an empty passphrase" code 2 'no passphrase' unlock ""
refuse "  leave no key" keyctl search @u user "$KEY"
try "the right one, only tried" code 0 "" eval 'echo "$PASSPHRASE" | bcachectl unlock --check "$LOCKED"'
refuse "  leaves no key either" keyctl search @u user "$KEY"
try "the right one" code 0 "" unlock "$PASSPHRASE"
try "  leaves one" code 0 '^[0-9]+$' keyctl request user "$KEY"
try "then it mounts" code 0 "" mount.bcachefs "$LOCKED" /mnt -o ro
try "  and reads" eval 'find /mnt -type f -exec cat {} + >/dev/null'
umount /mnt
bcachectl stop --all
refuse "a session that does not know root's keyring" keyctl session - keyctl request user "$KEY"
try "  mounts, too" code 0 'Joined session' keyctl session - mount.bcachefs "$LOCKED" /mnt -o ro
umount /mnt
bcachectl stop --all
try "a set without encryption has nothing to unlock" code 6 'not encrypted' bcachectl unlock "${MEMBERS[0]}"
keyctl unlink "$(keyctl request user "$KEY")" @u
wrong_key() {
	head -c 32 /dev/zero | keyctl padd user "$KEY" @u >/dev/null
	code 32 'kernel refuses' mount.bcachefs "$LOCKED" /mnt -o ro || return
	dmesg | tail -n 3 >$OUT
	grep -q 'key' $OUT
}
try "a key that is not the set's" wrong_key

# What is no member.
mkfs.ext4 -q "$OTHER"
try "another file system is named" code 4 'it holds: ext4' bcachectl probe "$OTHER"
try "  and not mounted" code 32 "$OTHER" mount.bcachefs "$OTHER" /mnt -o ro
try "nothing is left" same "$(dmsetup ls)" "No devices found"
try "the modules go" modprobe -r bcachefs dm-bcache
finish
