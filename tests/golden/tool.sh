#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bcachectl on images: what it prints, what it refuses and how, exit codes. Needs no root and no kernel.
. "$TOP/tests/vm/lib.sh"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tool.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
IMAGE=$O/golden/small-tree/disk0.img

# code EXPECTED COMMAND...: the command's exit status, and a message on standard error when it is not 0
code() {
	local want=$1 got=0
	shift
	"$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
	[ "$want" = 0 ] || [ -s "$WORK/err" ] || { echo "# no message"; return 1; }
	same "$got" "$want"
}

says() {
	grep -qE -- "$1" "$WORK/out" "$WORK/err" || { cat "$WORK/out" "$WORK/err" | head -n 20 | sed 's/^/# /'; return 1; }
}

valid_json() {
	python3 -c 'import json, sys; [json.loads(l) for l in sys.stdin]'
}

try "no command is a usage error" code 1 bcachectl
try "so is an unknown command" code 1 bcachectl dance
try "and an unknown option" code 1 bcachectl list --wonderful "$IMAGE"
try "and a missing operand" code 1 bcachectl show-super
try "and a btree that does not exist" code 1 bcachectl list -b nothing "$IMAGE"
try "and a position that is none" code 1 bcachectl list -s 1:2:3:4 "$IMAGE"
for command in assemble stop status unlock probe show-super list dump fsck; do
	try "$command --help" code 0 bcachectl $command --help
	try "$command: its manual has it" grep -q "^\.SS ${command/-/.*}" "$TOP/tools/bcachectl/bcachectl.8"
	try "$command: completion knows it" grep -q "$command" "$TOP/tools/bcachectl/completion/bcachectl"
done

try "a file that is not there" code 4 bcachectl show-super "$WORK/none"
truncate -s 64M "$WORK/zeros"
try "a device without superblock" code 4 bcachectl show-super "$WORK/zeros"
truncate -s 1000 "$WORK/tiny"
try "a device too short for one" code 4 bcachectl probe "$WORK/tiny"
truncate -s 16M "$WORK/ext4" && mkfs.ext4 -q "$WORK/ext4"
try "probe: another file system" code 4 bcachectl probe "$WORK/ext4"
try "  is named" says ext4
try "probe: a member" code 0 bcachectl probe "$IMAGE"
try "  says which" says 'member 0 of 1'
try "probe --export" code 0 bcachectl probe --export "$IMAGE"
try "  names the set for udev" says '^BCACHE_SET_UUID=a9bdabc1-5a19-4b2b-beee-1030f6df6594$'

try "show-super --json" code 0 bcachectl show-super --json "$IMAGE"
try "  is JSON" python3 -m json.tool "$WORK/out" /dev/null
try "show-super --fields all --layout" code 0 bcachectl show-super -l -f all "$IMAGE"
try "  shows the copies" says 'Offsets: +8, 2056'
try "show-super --sector: a backup copy" code 0 bcachectl show-super --sector 2056 "$IMAGE"
try "show-super --sector: no copy there" code 4 bcachectl show-super --sector 4096 "$IMAGE"

try "list: one inode" code 0 bcachectl list -b inodes -s 0:4096 -e 0:4096:U32_MAX "$IMAGE"
try "  is the root" says 'type inode_v3 0:4096:U32_MAX'
# reads ahead may be under way when the tool is done
ten_lookups() {
	local i
	for i in {1..10}; do
		code 0 bcachectl list -b inodes -s 0:4431 -e 0:4431:U32_MAX "$IMAGE" && same "$(cat "$WORK/err")" "" || return
	done
}
try "  ten times without a message" ten_lookups

try "list --nodes" code 0 bcachectl list --nodes "$IMAGE"
try "  shows leaves" says '^l 0 POS_MIN - '
try "list --nodes --json" code 0 bcachectl list --nodes --json "$IMAGE"
try "  is JSON, line by line" valid_json <"$WORK/out"
try "list --level 1" code 0 bcachectl list -b inodes -l 1 "$IMAGE"
try "  shows pointers" says 'btree_ptr_v2'

try "dump: a key" code 0 bcachectl dump -b inodes -p 0:4096 "$IMAGE"
try "  in bytes" says '^  000000 '
try "dump: a node" code 0 bcachectl dump -b extents -n "$IMAGE"
try "  from its member" says 'header as it lies on member 0 sector'
try "  decoded" says 'type extent'
try "dump: beyond the last key" code 4 bcachectl dump -b snapshots -p 1:0 "$IMAGE"
try "dump: a level that is not there" code 4 bcachectl dump -b snapshots -n -l 3 "$IMAGE"

TIERED=$O/golden/tiered
try "a missing member" code 4 bcachectl list "$TIERED"/disk[01].img
try "  and what would start it" says 'very_degraded'
try "the same member twice" code 6 bcachectl list "$TIERED"/disk[012].img "$TIERED/disk0.img"
try "a member of another set" code 6 bcachectl list "$TIERED"/disk[012].img "$IMAGE"
try "  is named" says 'small-tree'
DEGRADED=$O/golden/degraded
try "a stale member is left out" code 0 bcachectl list --degraded "$DEGRADED"/disk[01].img "$DEGRADED/disk2-stale.img"
cp --sparse=always "$IMAGE" "$WORK/short" && truncate -s 128M "$WORK/short"
try "a device shorter than its buckets" code 6 bcachectl list "$WORK/short"
try "a set that was never initialised" code 4 bcachectl list "$O/golden/fresh-uninit/disk0.img"
try "  says so" says 'never initialised'

wrong_key() {
	local got=0
	echo wrong | bcachectl list "$O/golden/encrypted/disk0.img" >"$WORK/out" 2>"$WORK/err" || got=$?
	same $got 2
}
try "a wrong passphrase" wrong_key
try "  is called that" says 'wrong passphrase'
try "no passphrase" code 2 bcachectl list "$O/golden/encrypted/disk0.img"

# a damaged primary superblock: the next copy serves, and fsck stays clean
cp --sparse=always "$IMAGE" "$WORK/damaged"
printf 'garbage' | dd of="$WORK/damaged" bs=1 seek=$((4096 + 300)) conv=notrunc status=none
try "a damaged superblock copy: another serves" code 0 bcachectl fsck -n "$WORK/damaged"
# a damaged leaf of the only copy
sector=$(bcachectl list --nodes --json -b dirents "$IMAGE" | python3 -c '
import json, sys
node = [n for n in map(json.loads, sys.stdin) if n["level"] == 0][0]
print(node["ptr"]["value"]["entries"][0]["sector"])')
cp --sparse=always "$IMAGE" "$WORK/leaf"
head -c 512 /dev/urandom | dd of="$WORK/leaf" bs=512 seek=$((sector + 8)) conv=notrunc status=none
try "fsck finds a damaged node" code 4 bcachectl fsck -n "$WORK/leaf"
try "  and names btree and position" says 'btree dirents level 0 SPOS_MAX'
try "fsck --json" code 4 bcachectl fsck -n --json "$WORK/leaf"
try "  counts it" says '"unreadable_nodes": ?1'
try "list goes on with the other btrees" code 6 bcachectl list "$WORK/leaf"
try "  after it" says '^# btree 20 accounting'
try "fsck without -n is refused" code 16 bcachectl fsck "$IMAGE"
try "fsck of nothing cannot be made" code 8 bcachectl fsck -n "$WORK/zeros"
finish
