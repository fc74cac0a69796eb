#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sets that the in-tree driver made lose all btrees of allocation information, every copy; or something is made wrong with
# their names and snapshots (tests/vm/host/damage-names.c). We repair them. The in-tree driver's checker then finds nothing
# wrong, and every file, or every name, is what it was.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

golden_set small-tree
golden_set replicas2
golden_set snapshots
golden_set crash
golden_set encrypted
golden_set tiered
golden_set compressed

# roots BTREE IMAGE...: "member sector" of every copy of a root that has a place
roots() {
	bcachectl list --nodes --json -b "$1" "${@:2}" <<<"$PASSPHRASE" 2>/dev/null | python3 -c '
import json, sys
nodes = [json.loads(line) for line in sys.stdin]
value = nodes[0]["ptr"].get("value") or {} if nodes else {}
for e in value.get("entries", []):
    if "sector" in e:
        print(e["dev"], e["sector"])'
}

# overwritten NAME: at least three of its roots
overwritten() {
	local btree member sector nr=0
	for btree in alloc freespace need_discard lru bucket_gens backpointers accounting; do
		while read -r member sector; do
			head -c 4096 /dev/urandom |
				dd of="$WORK/$1.$member.img" bs=512 seek="$sector" conv=notrunc status=none
			: $((nr++))
		done < <(roots "$btree" "$WORK/$1".*.img)
	done
	[ "$nr" -ge 3 ]
}

# of cached copies alone nobody knows any more whether they are good. A file without a name, which a crash left, goes
contents() {
	local btree btrees="dirents xattrs snapshots subvolumes"
	[ "$1" = crash ] || btrees+=" inodes extents reflink"
	for btree in $btrees; do
		bcachectl list -b "$btree" "$WORK/$1".*.img <<<"$PASSPHRASE" 2>/dev/null | sed 's/ cached stale/ cached/g'
	done
}

fails() {
	! "$@" >/dev/null 2>&1
}

repaired() {
	local ret=0
	bcachectl fsck -y "$WORK/$1".*.img <<<"$PASSPHRASE" >"$WORK/repair" 2>&1 || ret=$?
	[ "$ret" = 1 ] && return
	tail -n 20 "$WORK/repair" | sed 's/^/# /'
	return 1
}

for name in "${SETS[@]%%:*}"; do
	contents "$name" >"$WORK/before"
	try "$name: roots overwritten" overwritten "$name"
	try "$name: fsck -n finds it" fails checked "" "$WORK/$name".*.img
	try "$name: repaired" repaired "$name"
	contents "$name" >"$WORK/after"
	try "$name: the files are what they were" cmp "$WORK/before" "$WORK/after"
done
judged

# ---- names ----

IMAGES=()
SETS=()

# but for tombstones, which places leave that were given up
names() {
	local btree
	for btree in dirents xattrs subvolumes; do
		bcachectl list -b "$btree" "$WORK/$1".*.img 2>/dev/null | grep -av hash_whiteout
	done
}

# damaged KIND GOLDEN [kept]: kept: all names are what they were
damaged() {
	local name=$1-$2
	golden_set "$name" "$2"
	names "$name" >"$WORK/before"
	try "$name: damaged" "$O/tests/vm/host/damage-names" "$1" "$WORK/$name".*.img
	try "$name: fsck -n finds it" fails checked "" "$WORK/$name".*.img
	try "$name: repaired" repaired "$name"
	names "$name" >"$WORK/after"
	[ -z "${3:-}" ] || try "$name: the names are what they were" cmp "$WORK/before" "$WORK/after"
}

damaged places small-tree kept
damaged before small-tree kept
damaged twice small-tree
damaged ends small-tree
damaged places snapshots
damaged before snapshots
damaged holes snapshots
damaged children snapshots kept
damaged parents snapshots kept
damaged subvolumes snapshots kept
damaged lost snapshots
judged
finish
