#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sets in bad company and bad health: members that do not belong, devices too short, too empty, twice there; garbage where
# superblocks, nodes and data were; devices that fail. What has another copy reads right, what has none is an error for
# that and nothing else, and each says where.
# vehicle: uml
# images: golden/degraded golden/degraded/disk2-stale.img golden/replicas2 golden/small-tree golden/fresh-uninit new:256M
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

DEGRADED=("${DISK[@]:0:3}")
REPLICAS=("${DISK[@]:3:3}")
SINGLE=${DISK[6]}
UNINIT=${DISK[7]}
EMPTY=${DISK[8]}
SB_SECTORS=16			# more than any of these superblocks has
OUT=/run/out

# code EXPECTED WORDS COMMAND...: exit status, and words in what it says
code() {
	local want=$1 words=$2 got=0
	shift 2
	"$@" >$OUT 2>&1 </dev/null || got=$?
	same "$got" "$want" && says "$words" $OUT
}

says() {
	grep -qE -- "$1" "$2" && return
	head -n 12 "$2" | sed 's/^/# /'
	return 1
}

# log_says WORDS: in the kernel's log since the last time
log_says() {
	dmesg -c >/run/words
	says "$1" /run/words
}

GARBAGE=()
# garbage DEVICE SECTOR COUNT: random bytes there, until mend
garbage() {
	local saved=/run/saved${#GARBAGE[@]}
	dd if="$1" of="$saved" bs=512 skip="$2" count="$3" status=none
	dd if=/dev/urandom of="$1" bs=512 seek="$2" count="$3" conv=notrunc,fsync status=none
	GARBAGE+=("$1 $2 $saved")
}

mend() {
	local i device sector saved
	for ((i = ${#GARBAGE[@]} - 1; i >= 0; i--)); do
		read -r device sector saved <<<"${GARBAGE[i]}"
		dd if="$saved" of="$device" bs=512 seek="$sector" conv=notrunc,fsync status=none
	done
	GARBAGE=()
}

# nodes BTREE DEVICE...: "member sector" of every node's pointers, root first
nodes() {
	bcachectl list --nodes --json -b "$@" 2>/dev/null | python3 -c '
import json, sys
for node in sorted(map(json.loads, sys.stdin), key=lambda n: -n["level"]):
    for p in node["ptr"]["value"]["entries"]:
        print(p["dev"], p["sector"])'
}

# data INODE DEVICE...: "member sector sectors" of every extent's pointers
data() {
	local inode=$1
	shift
	bcachectl list --json -b extents -s "$inode" -e "$inode:18446744073709551615" "$@" 2>/dev/null | python3 -c '
import json, sys
for key in map(json.loads, sys.stdin):
    for p in key["value"].get("entries", []):
        if p["kind"] == "ptr":
            print(p["dev"], p["sector"], key["size"])'
}

# contents GOLDEN: all of /mnt is right
contents() {
	local GOLDEN=$1
	drop_caches
	contents_right
}

# assembled [OPTION...] DEVICE...: sets $device
assembled() {
	device=$(bcachectl assemble "$@" 2>/run/err) && return
	sed 's/^/# /' /run/err
	return 1
}

ended() {
	umount /mnt && bcachectl stop --all
}

# errors FIELD INDEX: of a member's status: 5 I/O errors, 6 checksum errors
errors() {
	dmsetup status "${device##*/}" | python3 -c '
import sys
words, field, index = sys.stdin.read().split(), int(sys.argv[1]), sys.argv[2]
members = [words[i:i + 6] for i in range(11, len(words), 6)]
print([m[field - 1] for m in members if m[0] == index][0])' "$@"
}

load_modules
dmesg -C

# ---- members that do not belong ----

try "a member that was away: not split, since it was not written" assembled "${DEGRADED[@]}"
try "  it mounts" mount -t bcachefs -o ro "$device" /mnt
try "  and shows what was written without it" contents degraded
try "  without an error from it" same "$(errors 5 2) $(errors 6 2)" "0 0"
ended
try "without it, degraded" assembled --degraded "${DEGRADED[0]}" "${DEGRADED[1]}"
try "  it mounts" mount -t bcachefs -o ro "$device" /mnt
try "  and shows the same" contents degraded
ended

# the same, but written: its own superblock says a later time than the others know
split() {
	"$TOP/tests/vm/superblock.py" "${DEGRADED[2]}" seq=35
}
try "the member that was away is written" split
try "  and left out, which leaves too few" code 4 'split brain' bcachectl assemble "${DEGRADED[@]}"
try "  degraded, the others are used" assembled --degraded "${DEGRADED[@]}"
try "  not the one that was written" grep -q ' degraded 2 3 ' <(dmsetup status "${device##*/}")
mount -t bcachefs -o ro "$device" /mnt
try "  and show what they should" contents degraded
ended
try "  all, by force" assembled --no-splitbrain-check "${DEGRADED[@]}"
try "  are three" grep -q ' complete 3 3 ' <(dmsetup status "${device##*/}")
bcachectl stop --all
refuse "the kernel looks, too" dmsetup create split --readonly --noudevsync --table "0 8 bcache-set $(
	set_uuid "${DEGRADED[0]}") 3 ${DEGRADED[*]}"
try "  and says so" log_says 'split brain'

dd if="$SINGLE" of="$EMPTY" bs=1M conv=sparse,fsync status=none
try "a member and its copy" code 6 "$EMPTY: is a copy of another device" bcachectl assemble "$SINGLE" "$EMPTY"
try "a member of another set" code 6 "$SINGLE: belongs to another set" bcachectl assemble "${REPLICAS[@]}" "$SINGLE"
dmsetup create short --noudevsync --table "0 200000 linear $SINGLE 0"
dmsetup mknodes short	# udev may be there, and late
try "a device shorter than its buckets" code 6 'has 200000 sectors, member 0 needs 524288' \
	bcachectl assemble /dev/mapper/short
dmsetup remove --retry short
dd if=/dev/zero of="$EMPTY" bs=1M count=8 conv=fsync status=none
try "a device of zeros" code 4 "$EMPTY: .*superblock" bcachectl assemble "${REPLICAS[0]}" "${REPLICAS[1]}" "$EMPTY"
try "nothing is left of these" same "$(dmsetup ls)" "No devices found"
dmesg -C

try "a set that was never initialised is looked at" assembled --read-only "$UNINIT"
try "  and it is said" log_says 'never initialised: shown as'
bcachectl stop --all

# ---- superblocks ----

garbage "$SINGLE" 8 "$SB_SECTORS"
try "the first superblock damaged: another copy serves" assembled "$SINGLE"
try "  and it is said" log_says "${SINGLE#/dev/}: using the superblock copy at sector 2056"
mount -t bcachefs -o ro "$device" /mnt
try "  to read everything" test "$(find /mnt -type f | wc -l)" -gt 500
ended
for sector in $(bcachectl show-super -l "$SINGLE" | sed -n 's/^ *Offsets: *//p' | tr -d '+,'); do
	garbage "$SINGLE" "$sector" "$SB_SECTORS"
done
try "every superblock damaged" code 6 "$SINGLE: superblock at sector 8: " bcachectl assemble "$SINGLE"
mend

# ---- two copies, one of them damaged ----

damage_member() {
	local member=$1 btree sector size inode dev
	for btree in extents inodes dirents alloc snapshots subvolumes; do
		nodes "$btree" "${REPLICAS[@]}" >/run/nodes
		while read -r dev sector; do
			[ "$dev" != "$member" ] || garbage "${REPLICAS[dev]}" "$sector" 24
		done </run/nodes
	done
	for inode in 1073741832 1073741833 1073741831; do
		data $inode "${REPLICAS[@]}" >/run/data
		while read -r dev sector size; do
			[ "$dev" != "$member" ] || garbage "${REPLICAS[dev]}" "$sector" "$size"
		done </run/data
	done
}

for member in 0 2; do
	damage_member $member
	try "two copies: nodes and data of member $member damaged" test "${#GARBAGE[@]}" -gt 4
	try "  it assembles" assembled "${REPLICAS[@]}"
	try "  it mounts" mount -t bcachefs -o ro "$device" /mnt
	try "  everything is right" contents replicas2
	try "  errors are counted against that member" test "$(errors 6 $member)" -gt 0
	try "  and against no other" same "$(errors 6 1) $(errors 6 $((2 - member)))" "0 0"
	try "  and logged with their place" log_says "${REPLICAS[member]#/dev/}: btree (inodes|dirents|extents) level 0 SPOS_MAX: magic"
	ended
	mend
done

# ---- one copy ----

# whole_but WORDS FILE...: these are errors, all other files are right
whole_but() {
	local GOLDEN=small-tree file bad=0
	drop_caches
	(cd /mnt && contents_sums | sha256sum -c --quiet 2>/dev/null) >/run/sums
	sed -n 's/^\(.*\): FAILED.*/\1/p' /run/sums | sort >/run/failed
	printf '%s\n' "$@" | sort >/run/wanted
	diff /run/wanted /run/failed | sed 's/^/# /'
	cmp -s /run/wanted /run/failed
}

contents_sums() {
	zstd -dcq "$(contents_reference)" | sed -n '/^## sha256/,/^$/p' | grep -aE '^\\?[0-9a-f]{64}  '
}

data 1073741853 "$SINGLE" | sed -n 5p >/run/data	# sizes/f3000005
read -r _ sector size </run/data
garbage "$SINGLE" "$sector" "$size"
data 1073741847 "$SINGLE" | head -n 1 >/run/data	# sizes/f131072
read -r _ sector size </run/data
garbage "$SINGLE" "$((sector + size - 1))" 1
dmesg -C
try "one copy: data damaged" assembled "$SINGLE"
mount -t bcachefs -o ro "$device" /mnt
try "  those files are errors, no other" whole_but ./sizes/f3000005 ./sizes/f131072
try "  said with their place" log_says 'inode 1073741853 '
try "  and counted" test "$(errors 6 0)" -gt 0
try "  before the damage the file reads" cmp -n 65536 /mnt/sizes/f131072 /mnt/sizes/f131072
try "  one reads on behind it" eval 'tail -c 5 /mnt/sizes/f3000005 | wc -c | grep -qx 5'
try "  directly it is an error, too" eval '! dd if=/mnt/sizes/f3000005 iflag=direct bs=64k of=/dev/null status=none 2>/dev/null'
ended
mend

# The second leaf of inodes: what it held is gone, the rest reads.
nodes inodes "$SINGLE" | sed -n 3p >/run/nodes
read -r _ sector </run/nodes
garbage "$SINGLE" "$sector" 160
dmesg -C
try "one copy: a leaf damaged" assembled "$SINGLE"
mount -t bcachefs -o ro "$device" /mnt
try "  files of the other leaf read" eval 'cat /mnt/rewrite/append /mnt/sizes/* >/dev/null'
refuse "  those of this leaf are errors" stat /mnt/times/t0
try "  I/O errors" eval 'LC_ALL=C stat /mnt/times/t0 2>&1 | grep -q "Input/output error"'
try "  and it is said where" log_says 'btree inodes level 0 SPOS_MAX'
try "  names are there" eval 'ls -f /mnt | grep -qx times'
try "  fsck finds it" code 4 '1 unreadable' bcachectl fsck -n "$SINGLE"
ended
mend

nodes extents "$SINGLE" | head -n 1 >/run/nodes
read -r _ sector </run/nodes
garbage "$SINGLE" "$sector" 24
dmesg -C
if assembled "$SINGLE"; then
	mount -t bcachefs -o ro "$device" /mnt
	refuse "one copy: the root of extents damaged: data is an error" cat /mnt/sizes/f3000005
	try "  names are not" test "$(stat -c %s /mnt/sizes/f3000005)" = 3000005
	ended
else
	try "one copy: the root of extents damaged: it does not start" test ! -e "$device"
fi
try "  and it is said where" log_says 'btree extents'
mend

nodes inodes "$SINGLE" | head -n 1 >/run/nodes
read -r _ sector </run/nodes
garbage "$SINGLE" "$sector" 24
dmesg -C
if assembled "$SINGLE"; then
	try "one copy: the root of inodes damaged: it does not mount" code 32 'mount' mount -i -t bcachefs -o ro "$device" /mnt
	bcachectl stop --all
else
	try "one copy: the root of inodes damaged: it does not start" true
fi
try "  and it is said where" log_says 'btree inodes'
mend
try "mended, it is whole" assembled "$SINGLE"
mount -t bcachefs -o ro "$device" /mnt
try "  again" contents small-tree
ended

# ---- devices that fail ----

sectors=$(blockdev --getsz "${REPLICAS[0]}")
linear="0 $sectors linear ${REPLICAS[0]} 0"
dmsetup create under --noudevsync --table "$linear"
dmsetup mknodes under
dmesg -C
try "a member on top of another device" assembled /dev/mapper/under "${REPLICAS[1]}" "${REPLICAS[2]}"
mount -t bcachefs -o ro "$device" /mnt
replace() {
	dmsetup load under --table "$1" && dmsetup suspend --noflush under && dmsetup resume under --noudevsync
	dmsetup message "${device##*/}" 0 drop_cache >/dev/null
}
try "  begins to fail" replace "0 $sectors error"
try "  the other copies are read" contents replicas2
# counted FIELD: of the first member, if need be after some more reading: which copy is read is also left to chance
counted() {
	local round
	for round in {1..20}; do
		[ "$(errors "$1" 0)" = 0 ] || return 0
		contents replicas2 >/dev/null || return 1
	done
	return 1
}
try "  its errors are counted" counted 5
try "  and no one else's" same "$(errors 5 1) $(errors 5 2)" "0 0"
modprobe dm-flakey
try "  fails now and then" replace "0 $sectors flakey ${REPLICAS[0]} 0 1 1"
try "  everything is right" contents replicas2
try "  garbles what it returns" replace \
	"0 $sectors flakey ${REPLICAS[0]} 0 0 60 5 corrupt_bio_byte 32 r 1 0"
try "  everything is right, still" contents replicas2
# reads the first 64 KiB of a device
first() {
	dd if="$1" bs=64k count=1 iflag=direct status=none
}
if cmp -s <(first "${REPLICAS[0]}") <(first /dev/mapper/under); then
	echo "ok -   and that is counted # SKIP dm-flakey of this kernel garbles nothing that is read"
else
	try "  and that is counted" counted 6
fi
ended
dmsetup remove --retry under
try "the modules go" modprobe -r bcachefs dm-bcache
finish
