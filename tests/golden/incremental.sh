#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bcachectl incremental on images: states of sets as their members are met, in any order and at once; what is found against
# single devices; bad superblocks. Needs no root and no kernel.
. "$TOP/tests/vm/lib.sh"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/incremental.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
GOLDEN_DIR=$O/golden
REC=$WORK/records

# met IMAGE STATE PRESENT: the device is met, and its set is then in that state
met() {
	local out
	out=$(bcachectl incremental --export --records "$REC" "$1" 2>"$WORK/err") || { sed 's/^/# /' "$WORK/err"; return 1; }
	same "$(sed -n 's/^BCACHE_SET_STATE=//p; s/^BCACHE_SET_PRESENT=//p' <<<"$out" | paste -sd' ')" "$3 $2"
}

status() {
	bcachectl status --records "$REC" "$@"
}

says() {
	grep -qE -- "$1" "$2" && return
	head -n 20 "$2" | sed 's/^/# /'
	return 1
}

forget_all() {
	rm -rf "$REC"
}

copy() {
	cp --sparse=always --reflink=auto "$1" "$2"
}

# ---- order of members ----

for order in "0 1 2" "2 1 0" "1 0 2"; do
	forget_all
	set -- $order
	try "order $order: the first member" met "$GOLDEN_DIR/tiered/disk$1.img" incomplete 1
	try "order $order: the second" met "$GOLDEN_DIR/tiered/disk$2.img" incomplete 2
	try "order $order: the last completes the set" met "$GOLDEN_DIR/tiered/disk$3.img" complete 3
	try "order $order: again, as after switching root" met "$GOLDEN_DIR/tiered/disk$1.img" complete 3
done
forget_all
try "two copies of everything: the first member" met "$GOLDEN_DIR/replicas2/disk0.img" incomplete 1
try "  two of three are startable" met "$GOLDEN_DIR/replicas2/disk2.img" startable 2
try "  three are complete" met "$GOLDEN_DIR/replicas2/disk1.img" complete 3

# ---- members that go ----

copy "$GOLDEN_DIR/replicas2/disk1.img" "$WORK/gone"
try "a member is known by another path" eval 'bcachectl incremental --remove --records "$REC" "$GOLDEN_DIR/replicas2/disk1.img" &&
	met "$WORK/gone" complete 3'
rm "$WORK/gone"
try "  and gone: forgotten when the next one is met" met "$GOLDEN_DIR/replicas2/disk0.img" startable 2
try "removed by its command" bcachectl incremental --remove --records "$REC" "$GOLDEN_DIR/replicas2/disk2.img"
try "  it is missing" met "$GOLDEN_DIR/replicas2/disk0.img" incomplete 1
bcachectl incremental --remove --records "$REC" "$GOLDEN_DIR/replicas2/disk0.img"
try "the last one takes the set along" same "$(find "$REC" -mindepth 1)" ""
try "removing what was never met" bcachectl incremental --remove --records "$REC" 8:16

# ---- a member whose state is failed ----

for i in 0 1 2; do
	copy "$GOLDEN_DIR/replicas2/disk$i.img" "$WORK/failed$i"
	"$TOP/tests/vm/superblock.py" "$WORK/failed$i" member_state=1:2
done
forget_all
try "a failed member alone" met "$WORK/failed1" incomplete 0
try "  its copies do not count" met "$WORK/failed2" incomplete 1
try "  until the other comes" met "$WORK/failed0" complete 2
forget_all
met "$WORK/failed0" incomplete 1 >/dev/null
try "nobody waits for a failed member" met "$WORK/failed2" complete 2

# ---- a device that changes ----

forget_all
copy "$GOLDEN_DIR/small-tree/disk0.img" "$WORK/changing"
try "a set of one" met "$WORK/changing" complete 1
copy "$GOLDEN_DIR/many/disk0.img" "$WORK/other" && cat "$WORK/other" >"$WORK/changing"
try "  becomes another set" met "$WORK/changing" complete 1
try "  of which alone it is known" same "$(find "$REC" -name 'file-*' | wc -l)" 1
head -c 1M /dev/zero | dd of="$WORK/changing" conv=notrunc status=none
head -c 1M /dev/zero | dd of="$WORK/changing" conv=notrunc status=none bs=1M seek=1
refuse "  and nothing at all" bcachectl incremental --export --records "$REC" "$WORK/changing" 2>"$WORK/err"
try "  is forgotten" same "$(find "$REC" -name 'file-*' | wc -l)" 0

# ---- members that do not belong ----

DEGRADED=$GOLDEN_DIR/degraded
forget_all
try "a member that was away" met "$DEGRADED/disk2-stale.img" incomplete 1
met "$DEGRADED/disk0.img" incomplete 2 >/dev/null
try "  comes back" met "$DEGRADED/disk1.img" complete 3
copy "$DEGRADED/disk2-stale.img" "$WORK/split" && "$TOP/tests/vm/superblock.py" "$WORK/split" seq=35
forget_all
met "$DEGRADED/disk0.img" incomplete 1 >/dev/null
met "$DEGRADED/disk1.img" startable 2 >/dev/null
try "written without the others: split" met "$WORK/split" split 2
try "  for the others too" met "$DEGRADED/disk0.img" split 2
status >"$WORK/out"
try "  status says which and why" says 'split.*: has sequence number 35, member 0 saw it last at 29: split brain' "$WORK/out"
try "  and how it stands" says 'state split, not assembled' "$WORK/out"
refuse "  it is not assembled" bcachectl assemble --recorded 443cb006-d525-4655-8340-921a9d8e0d15 2>/dev/null

copy "$GOLDEN_DIR/small-tree/disk0.img" "$WORK/clone"
forget_all
try "one of two equal devices" met "$GOLDEN_DIR/small-tree/disk0.img" complete 1
try "  and the other: nobody can tell" met "$WORK/clone" clone 1
try "  which holds for the first, too" met "$GOLDEN_DIR/small-tree/disk0.img" clone 1
copy "$GOLDEN_DIR/replicas2/disk1.img" "$WORK/old"
seq=$(bcachectl probe --json "$WORK/old" | sed -n 's/.*"seq":\([0-9]*\).*/\1/p')
"$TOP/tests/vm/superblock.py" "$WORK/old" seq=$((seq - 2))
forget_all
met "$GOLDEN_DIR/replicas2/disk0.img" incomplete 1 >/dev/null
met "$GOLDEN_DIR/replicas2/disk2.img" startable 2 >/dev/null
try "an old copy of a member does not count as it" met "$WORK/old" clone 2
try "  the others wait on" met "$GOLDEN_DIR/replicas2/disk0.img" startable 2
try "  until the right one comes" met "$GOLDEN_DIR/replicas2/disk1.img" complete 3
try "  the old one has no say" met "$WORK/old" clone 3
status >"$WORK/out"
try "  status says so" says 'old: is (an old copy of member 1|an older copy of another device given|a copy of another)' "$WORK/out"
"$TOP/tests/vm/superblock.py" "$WORK/old" seq=$((seq - 1))
forget_all
met "$GOLDEN_DIR/replicas2/disk0.img" incomplete 1 >/dev/null
met "$GOLDEN_DIR/replicas2/disk2.img" startable 2 >/dev/null
try "behind by one write: power failed between two members" met "$WORK/old" complete 3

copy "$GOLDEN_DIR/small-tree/disk0.img" "$WORK/foreign"
"$TOP/tests/vm/superblock.py" "$WORK/foreign" user_uuid=084e0e59-7935-4ef7-8b2a-58a3cf71f4dd
forget_all
try "a member of another set under one UUID" met "$WORK/foreign" complete 1
try "  makes all foreign" met "$GOLDEN_DIR/tiered/disk0.img" foreign 1
status >"$WORK/out"
try "  status names it" says 'belongs to another set' "$WORK/out"
refuse "  none is assembled" bcachectl assemble --recorded 084e0e59-7935-4ef7-8b2a-58a3cf71f4dd 2>/dev/null

copy "$GOLDEN_DIR/tiered/disk0.img" "$WORK/short" && truncate -s 64M "$WORK/short"
forget_all
met "$GOLDEN_DIR/tiered/disk1.img" incomplete 1 >/dev/null
met "$GOLDEN_DIR/tiered/disk2.img" incomplete 2 >/dev/null
try "a device shorter than its buckets" met "$WORK/short" too-small 2

# ---- superblocks ----

forget_all
copy "$GOLDEN_DIR/small-tree/disk0.img" "$WORK/damaged"
printf garbage | dd of="$WORK/damaged" bs=1 seek=$((4096 + 300)) conv=notrunc status=none
try "the first superblock damaged: a copy serves" met "$WORK/damaged" complete 1
status >"$WORK/out"
try "  status says so" says 'superblock at sector 8: ' "$WORK/out"
forget_all
copy "$GOLDEN_DIR/small-tree/disk0.img" "$WORK/newer"
"$TOP/tests/vm/superblock.py" "$WORK/newer" version=2048
try "a newer version" met "$WORK/newer" unsupported 0
status a9bdabc1-5a19-4b2b-beee-1030f6df6594 >"$WORK/out"
try "  status knows the set, and why" says 'version' "$WORK/out"
"$TOP/tests/vm/superblock.py" "$WORK/newer" version=1037 feature=62
try "an unknown incompatible feature" met "$WORK/newer" unsupported 0
status >"$WORK/out"
try "  status says which" says 'feature' "$WORK/out"
refuse "  it is not assembled" bcachectl assemble --recorded a9bdabc1-5a19-4b2b-beee-1030f6df6594 2>/dev/null
for sector in $(bcachectl show-super -l "$WORK/damaged" | sed -n 's/^ *Offsets: *//p' | tr -d '+,'); do
	printf garbage | dd of="$WORK/damaged" bs=1 seek=$((sector * 512 + 300)) conv=notrunc status=none
done
try "no good superblock at all" met "$WORK/damaged" unsupported 0
for sector in $(bcachectl show-super -l "$GOLDEN_DIR/small-tree/disk0.img" | sed -n 's/^ *Offsets: *//p' | tr -d '+,'); do
	printf garbagegarbage | dd of="$WORK/damaged" bs=1 seek=$((sector * 512 + 24)) conv=notrunc status=none
done
try "  nor one that names a set" met "$WORK/damaged" unsupported 0
status unreadable >"$WORK/out"
try "  status says what is wrong with each" says 'sector 8: no bcachefs magic; superblock at sector 2056: no bcachefs magic; ' "$WORK/out"
gone() {
	local got=0
	bcachectl incremental --export --records "$REC" "$WORK/vanished" >"$WORK/out" 2>"$WORK/err" || got=$?
	same "$got" 4 && says 'vanished: No such file' "$WORK/err" && same "$(cat "$WORK/out")" ""
}
try "a device that is gone between event and open" gone
try "a record that was cut short" eval 'for f in "$REC"/*/file-*; do truncate -s 100 "$f"; done; status >/dev/null'
try "an encrypted set without its key" met "$GOLDEN_DIR/encrypted/disk0.img" locked 1
try "  is marked for the unit that asks" test -e "$REC/36302c7f-c536-458c-9c6b-eb4e87f1e3db/encrypted"

# ---- two sets with one label ----

forget_all
for i in 0 1; do
	bcachectl format -q -L same --size 64M "$WORK/label$i"
	bcachectl incremental --records "$REC" "$WORK/label$i" >/dev/null
done
status same >"$WORK/out"
try "two sets with one label are both shown" same "$(grep -c '^same ' "$WORK/out")" 2

# ---- at once ----

forget_all
for i in {0..63}; do
	arguments+=" --label=d$i --size 16M $WORK/many$i"
done
try "a set of sixty-four" bcachectl format -q --superblock-size 64k $arguments
at_once() {
	printf "$WORK/many%d\n" {0..63} | xargs -P 16 -n 1 bcachectl incremental --export --records "$REC" >"$WORK/out"
	same "$(grep -c '^BCACHE_SET_STATE=' "$WORK/out")" 64 && grep -q '^BCACHE_SET_STATE=complete$' "$WORK/out"
}
for i in {1..5}; do
	forget_all
	try "sixty-four members at once: somebody sees all" at_once
done
milliseconds() {
	local begin=${EPOCHREALTIME/./}
	for i in {0..9}; do
		bcachectl incremental --export --records "$REC" "$WORK/many$i" >/dev/null
	done
	echo "# $(((${EPOCHREALTIME/./} - begin) / 10000)) ms for each of sixty-four"
	test $((${EPOCHREALTIME/./} - begin)) -lt 3000000
}
try "each is a matter of milliseconds" milliseconds
finish
