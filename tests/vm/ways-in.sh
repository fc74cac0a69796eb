#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Files by all the ways in, and what mounting accepts and refuses.
# vehicle: uml
# golden: small-tree
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

load_modules
device=$(assemble_golden --read-only)

# says TEXT COMMAND...: the command fails and its message has the text
says() {
	local text=$1
	shift
	"$@" >/tmp/said 2>&1 && return 1
	grep -q "$text" /tmp/said || { sed 's/^/# /' /tmp/said; return 1; }
}

try "an unknown option is refused" says 'wonderful\|bad option' "$O/mount.bcachefs" "$device" /mnt -o ro,wonderful
try "so is read-write of a set assembled read-only, saying what to do" says 'mount it with -o ro' "$O/mount.bcachefs" "$device" /mnt -o rw
try "so is a member by itself" says 'not an assembled set\|busy\|Busy' mount -i -t bcachefs -o ro "${DISK[0]}" /mnt
try "the set's device mounts" "$O/mount.bcachefs" "$device" /mnt -o ro,nosuid
try "with its options" grep -q ' /mnt bcachefs ro,nosuid,' /proc/mounts
refuse "remounting read-write" mount -o remount,rw /mnt
mkdir -p /tmp/second
try "a second mount of it shows the same" mount -i -t bcachefs -o ro "$device" /tmp/second
try "  really" cmp -s <(ls -R /mnt) <(ls -R /tmp/second | sed 's,^/tmp/second,/mnt,')
try "  and goes" umount /tmp/second
"$TOP/tests/vm/ways_in.py" /mnt || FAILED=1
exec 9</mnt/lost+found
refuse "unmounting in use" umount /mnt
exec 9<&-
getfacl -np /mnt/acl/f 2>/dev/null | grep -q 'user:1000:rw-' && echo "ok - getfacl shows a named user" || {
	echo "not ok - getfacl shows a named user"
	FAILED=1
}
try "unmounting" umount /mnt
try "without ACLs" mount -i -t bcachefs -o ro,noacl "$device" /mnt
refuse "none is shown" grep -q user:1000 <(getfacl -np /mnt/acl/f 2>/dev/null)
try "unmounting again" umount /mnt
try "mount by UUID assembles" bcachectl stop --all
try "  and mounts" "$O/mount.bcachefs" "UUID=${device##*/}" /mnt -o ro
try "  what is there" test -d /mnt/lost+found
umount /mnt
try "stop" bcachectl stop --all
finish
