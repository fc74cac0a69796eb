#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a mounted, written set says of its space: statfs, bcachectl usage, quotas by the standard tools and their limits.
# vehicle: uml
# images: new:256M new:256M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1

# within PERCENT A B
within() {
	[ "$(($2 * 100))" -le "$(($3 * (100 + $1)))" ] && [ "$(($3 * 100))" -le "$(($2 * (100 + $1)))" ] ||
		{ echo "# $2 and $3 differ by more than $1 %"; return 1; }
}

# number OBJECT...: of the usage in JSON
number() {
	bcachectl usage --json /mnt | python3 -c "import json, sys; print(eval('json.load(sys.stdin)$1'))"
}

free_bytes() {
	echo "$(($(stat -f -c '%f * %S' /mnt)))"
}

bcachectl format -q -L usage --replicas=2 --compression=lz4 --label=fast.one "${DISK[0]}" --label=slow.one "${DISK[1]}" ||
	exit 1
device=$(bcachectl assemble "${DISK[@]}")
try "mounted with quotas" mount -t bcachefs -o usrquota,grpquota,errors=ro "$device" /mnt
try "  which are shown, and errors=" grep -q 'usrquota,grpquota.*errors=ro' /proc/mounts
before=$(free_bytes)
try "all is free" test "$before" -gt $((300 << 20))
head -c 20M /dev/urandom >/mnt/random
sync
try "two copies are counted" within 4 $((before - $(free_bytes))) $((40 << 20))
try "usage and statfs agree" within 1 "$(number '["free_bytes"]')" "$(free_bytes)"
try "data has two copies on two members" \
	same "$(number '["replicas"][-1]["data"]') $(number '["replicas"][-1]["copies"]')" "user 2"
head -c 8M /dev/zero | tr '\0' x >/mnt/easy
sync
ratio() {
	[ "$(number '["compression"]' | grep -c "'type': 'lz4'")" = 1 ]
}
try "compression is counted" ratio
try "members by label" same "$(number '["targets"][0]["label"]')" fast
try "for people" grep -q 'ratio' <(bcachectl usage /mnt)
fallocate -l 10M /mnt/promised
sync
try "promises to files are counted" same "$(number '["reserved"][0]["bytes"]')" $((20 << 20))
rm /mnt/random /mnt/easy /mnt/promised
sync
try "what is removed is free again" within 2 "$(free_bytes)" "$before"

# ---- quotas ----

# quota_line USER: space used in KiB, soft, hard; inodes, soft, hard. (repquota of Debian 12 reports file systems it knows
# by name only.)
quota_line() {
	quota -u -v -w -p "$1" | awk '$1 ~ "^/dev" { print $2 + 0, $3, $4, $6 + 0, $7, $8 }'
}

# xfs WHAT...: the tool of another file system, by the kernel's common interface
xfs() {
	xfs_quota -f -x -c "$*" /mnt
}

# of users' soft limits: for space, for files, in seconds; Q_GETINFO
grace_times() {
	python3 -c '
import ctypes, struct, sys
buf = ctypes.create_string_buffer(24)
if ctypes.CDLL(None).quotactl(0x80000500, sys.argv[1].encode(), 0, buf) == 0:
	print(*struct.unpack("=QQ", buf.raw[:16]))' "$device"
}

as_user() {
	setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
}

mkdir -m 777 /mnt/home
try "limits are set" setquota -u 1000 4000 8000 10 20 /mnt
try "  and told" same "$(quota_line 1000)" "0 4000 8000 0 10 20"
try "a file of the user's" as_user dd if=/dev/urandom of=/mnt/home/a bs=1M count=2 status=none
sync
try "  is charged" same "$(quota_line 1000 | cut -d' ' -f1,4)" "2048 1"
refuse "more than the limit" as_user dd if=/dev/urandom of=/mnt/home/b bs=1M count=12 status=none
sync
try "  is not stored" test "$(quota_line 1000 | cut -d' ' -f1)" -le 8000
many() {
	as_user bash -c 'for i in $(seq 40); do : >/mnt/home/n$i || exit; done' 2>/dev/null
}
refuse "more files than the limit" many
try "  are not made" same "$(quota_line 1000 | cut -d' ' -f4)" 20
try "all users are reported" same "$(xfs report -u -n -i | awk '$1 == "#1000" { print $2, $3, $4 }')" "20 10 20"
try "all groups, too" same "$(xfs report -g -n -i | awk '$1 == "#1000" { print $2 }')" 20
rm -r /mnt/home
sync
try "nothing is left in use" same "$(quota_line 1000 | cut -d' ' -f1,4)" "0 0"
try "grace times are set" setquota -u -t 3600 7200 /mnt
try "unmounted" umount /mnt
try "bcachectl usage of the unmounted set" grep -q Capacity <(bcachectl usage "${DISK[@]}")
try "mounted again" mount -t bcachefs -o usrquota,grpquota "$device" /mnt
try "limits are kept" same "$(quota_line 1000)" "0 4000 8000 0 10 20"
try "grace times are kept" same "$(grace_times)" "3600 7200"
umount /mnt
mount -t bcachefs "$device" /mnt
refuse "without the mount option there are no quotas" setquota -u 1000 1 1 1 1 /mnt
umount /mnt
bcachectl stop --all
try "the checker" bcachectl fsck -n "${DISK[@]}"
finish
