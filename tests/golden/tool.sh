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
try "  says where they stand" says "bcachectl --help"
try "and an unknown option" code 1 bcachectl list --wonderful "$IMAGE"
try "and a missing operand" code 1 bcachectl show-super
try "and a btree that does not exist" code 1 bcachectl list -b nothing "$IMAGE"
try "and a position that is none" code 1 bcachectl list -s 1:2:3:4 "$IMAGE"
for command in format assemble incremental daemon stop status top unlock probe show-super list dump fsck set-option set-member ls get put \
	mkdir rm mv subvolume usage; do
	try "$command --help" code 0 bcachectl $command --help
	try "$command: its manual has it" grep -q "^\.SS ${command/-/.*}" "$TOP/tools/bcachectl/bcachectl.8"
	try "$command: completion knows it" grep -q "$command" "$TOP/tools/bcachectl/completion/bcachectl"
done

try "top: no time between two looks" code 1 bcachectl top --interval 0
try "top: half a look" code 1 bcachectl top --count 0.5

try "a file that is not there" code 4 bcachectl show-super "$WORK/none"
truncate -s 64M "$WORK/zeros"
try "a device without superblock" code 4 bcachectl show-super "$WORK/zeros"
truncate -s 1000 "$WORK/tiny"
try "a device too short for one" code 4 bcachectl probe "$WORK/tiny"
truncate -s 16M "$WORK/ext4" && mkfs.ext4 -q "$WORK/ext4"
try "probe: another file system" code 4 bcachectl probe "$WORK/ext4"
try "  is named" says ext4
try "  also to who takes it for a member" code 4 bcachectl show-super "$WORK/ext4"
try "    in one line" same "$(cat "$WORK/err")" "bcachectl: $WORK/ext4: no member of a bcachefs set; it holds: $(blkid -p -s TYPE -o value "$WORK/ext4"), UUID $(blkid -p -s UUID -o value "$WORK/ext4")"
try "one image of a set of three" code 4 bcachectl ls "$O/golden/tiered/disk0.img"
try "  says what to do" says 'name the others too, or start without them: --degraded'
try "more devices than a set has members" code 1 bcachectl ls "$(printf "$IMAGE:%.0s" {1..65})"
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
try "a set that was never initialised is looked at" code 0 bcachectl ls "$O/golden/fresh-uninit/disk0.img"
try "  says so" says 'never initialised'
cp --sparse=always "$O/golden/fresh-uninit/disk0.img" "$WORK/uninit"
try "  and nothing is wrong with it" code 0 bcachectl fsck -n "$WORK/uninit"
try "  or to be repaired" code 0 bcachectl fsck -y "$WORK/uninit"
try "  or written" cmp "$WORK/uninit" "$O/golden/fresh-uninit/disk0.img"

wrong_key() {
	local got=0
	echo wrong | bcachectl list "$O/golden/encrypted/disk0.img" >"$WORK/out" 2>"$WORK/err" || got=$?
	same $got 2
}
try "a wrong passphrase" wrong_key
try "  is called that" says 'wrong passphrase'
try "no passphrase" code 2 bcachectl list "$O/golden/encrypted/disk0.img"

# format: what is there is named and kept, unless forced
checksum() {
	sha256sum <"$1"
}
unchanged() {
	same "$(checksum "$1")" "$2"
}
new_format() {
	code "$1" bcachectl format "${@:2}"
}
empty=$(checksum "$WORK/zeros")
try "format: no device" new_format 1
try "format: options behind the last device" new_format 1 "$WORK/zeros" --label ssd
try "format: an unknown option" new_format 1 --wonder "$WORK/zeros"
try "format: a value that is none" new_format 1 --data_checksum=md5 "$WORK/zeros"
try "  says which there are" says 'none, crc32c, crc64, xxhash'
try "format: a target that nobody has" new_format 1 --foreground-target=ssd "$WORK/zeros"
try "format: a file that is not there" new_format 4 "$WORK/none"
try "format: a directory" new_format 6 "$WORK"
try "format: the same file twice" new_format 1 "$WORK/zeros" "$WORK/./zeros"
try "  after all that it is as it was" unchanged "$WORK/zeros" "$empty"
before=$(checksum "$WORK/ext4")
try "format: another file system" new_format 6 "$WORK/zeros" "$WORK/ext4"
try "  is named" says 'ext4: holds ext4, UUID'
try "  with the way out" says '--force'
try "  nor is the other one touched" unchanged "$WORK/zeros" "$empty"
try "format --dry-run --force" new_format 0 --dry-run --force "$WORK/ext4"
try "  says what would be lost" says 'would be lost: ext4'
try "  writes nothing" unchanged "$WORK/ext4" "$before"
try "format --dry-run --size" new_format 0 --dry-run --size 64M "$WORK/none"
try "  makes no file" not test -e "$WORK/none"
try "format --size, and no good option" new_format 1 --size 64M "$WORK/none" --data-replicas=7
try "  leaves no file" not test -e "$WORK/none"
try "format: too small" new_format 6 --force "$WORK/tiny"
truncate -s 4M "$WORK/small" # three superblocks of 1 MiB, and little else
try "format: small" new_format 0 "$WORK/small"
try "format: no room for the superblocks" new_format 6 --force --superblock-size 4M "$WORK/small"
try "  says what to ask for" says 'ask for smaller ones'
try "format --force" new_format 0 --force "$WORK/ext4"
try "  and it is a member" code 0 bcachectl probe "$WORK/ext4"
try "  that nobody has used" says 'never initialised'
try "format: its own work" new_format 6 "$WORK/ext4"
try "  is named, too" says 'holds bcachefs, member 0 of set'
cp "$WORK/ext4" "$WORK/hidden" && printf garbage | dd of="$WORK/hidden" bs=1 seek=4200 conv=notrunc status=none
try "format: a member with a damaged superblock" new_format 6 "$WORK/hidden"
try "format: three devices, many options" new_format 0 --json -L tank -U 00112233-4455-6677-8899-aabbccddeeff \
	--label=ssd.a --durability=2 --size 64M "$WORK/new0" --label=hdd.b --data_allowed=user --bucket=512k --size 64M "$WORK/new1" \
	--discard --fs-size 50M --size 70M "$WORK/new2" --replicas=2 --foreground_target=ssd --background_target="$WORK/new2" \
	--compression=zstd:5 --no-acl --gc-reserve-percent=10 --errors=ro --encoded-extent-max=128k
try "  is JSON" python3 -m json.tool "$WORK/out" /dev/null
try "  and can be shown" code 0 bcachectl show-super -l -f all "$WORK/new1"
for line in 'External UUID: +00112233-4455-6677-8899-aabbccddeeff' 'Device index: +1$' 'Label: +tank' 'Devices: +3' \
	'Clean: +0' 'Sequence number: +0' 'btree_node_size: +128 KiB' 'metadata_replicas: +2' 'data_replicas: +2' \
	'foreground_target: +ssd' 'background_target: +device 2' ' compression: +zstd:5' 'acl: +0' \
	'gc_reserve_percent: +10' 'errors: +continue fix_safe panic \[ro\]' 'encoded_extent_max: +128 KiB' \
	'Label: +b \(3\)' 'Bucket size: +512 KiB' 'Data allowed: +user$' 'Durability: +2' 'Discard: +1' 'Buckets: +400$' \
	'Features: .*zstd'; do
	try "  show-super: $line" says "$line"
done
encrypted() {
	echo secret | bcachectl format -q --encrypted --size 64M "$WORK/locked" && echo secret | bcachectl unlock --check "$WORK/locked"
}
try "format --encrypted" encrypted
try "format --encrypted: no passphrase" new_format 2 --encrypted --force "$WORK/locked"
try "  names the other way" says '--no-passphrase'
try "format --encrypted --no-passphrase" new_format 0 --encrypted --no-passphrase --force "$WORK/locked"
try "format --no-passphrase alone" new_format 1 --no-passphrase --force "$WORK/locked"
try "format --quiet" new_format 0 -q --force "$WORK/locked"
try "  is quiet" same "$(cat "$WORK/out" "$WORK/err")" ""

# superblocks changed
cp --sparse=always "$IMAGE" "$WORK/changed"
try "set-option" code 0 bcachectl set-option compression=zstd:4 data-replicas=2 fs_label=renamed "$WORK/changed"
try "  says what it did" says '^compression: none -> zstd:4$'
try "  and it is there" code 0 bcachectl show-super "$WORK/changed"
try "  with what it needs" says 'Features: .*zstd'
try "  named anew" says 'Label: +renamed'
try "  and nothing else is hurt" code 0 bcachectl fsck -n "$WORK/changed"
before=$(checksum "$WORK/changed")
try "set-option --dry-run" code 0 bcachectl set-option -n acl=0 "$WORK/changed"
try "set-option: what is fixed" code 1 bcachectl set-option btree_node_size=64k "$WORK/changed"
try "set-option: what does not exist" code 1 bcachectl set-option wonder=1 "$WORK/changed"
try "set-option: no value that it may have" code 1 bcachectl set-option acl=0 data_replicas=4 "$WORK/changed"
try "set-option: no device" code 1 bcachectl set-option acl=0
try "  nothing of that writes" unchanged "$WORK/changed" "$before"
try "set-option: some members only" code 4 bcachectl set-option acl=0 "$TIERED"/disk[01].img
try "  says how many" says '2 of 3 members'
try "set-option: members of two sets" code 6 bcachectl set-option acl=0 "$IMAGE" "$TIERED/disk0.img"
try "set-option: a set that was never started" code 6 bcachectl set-option acl=0 "$WORK/new0" "$WORK/new1" "$WORK/new2"
for disk in 0 1 2; do
	cp --sparse=always "$TIERED/disk$disk.img" "$WORK/t$disk"
done
try "set-member" code 0 bcachectl set-member --label=x.y --durability=2 --discard --data-allowed=user "$WORK/t1" "$WORK/t0" "$WORK/t2"
try "  all members note it" code 0 bcachectl show-super --json "$WORK/t2"
try "  the label" says '"label":"x.y"'
try "  what may be there" says '"data_allowed":16'
try "set-option: a member as target" code 0 bcachectl set-option promote_target="$WORK/t1" foreground_target=x "$WORK"/t[012]
try "  by its number" says '^promote_target: .* -> device 1$'
try "set-member: nothing to change" code 1 bcachectl set-member "$WORK/t0" "$WORK/t1" "$WORK/t2"
try "set-member: no label" code 1 bcachectl set-member --label=a..b "$WORK/t0" "$WORK/t1" "$WORK/t2"
try "set-member --degraded" code 0 bcachectl set-member --degraded --durability=0 "$WORK/t0" "$WORK/t1"
try "  after which the third is behind, and comes along" code 0 bcachectl list -b inodes "$WORK"/t[012]

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

# repair: what follows from other keys
# spoil IMAGE BTREE: the root of a btree cannot be read any more
spoil() {
	local sector
	sector=$(bcachectl list --nodes --json -b "$2" "$1" 2>/dev/null | python3 -c '
import json, sys
node = [n for n in map(json.loads, sys.stdin)][0]
print(node["ptr"]["value"]["entries"][0]["sector"])')
	head -c 512 /dev/urandom | dd of="$1" bs=512 seek="$sector" conv=notrunc status=none
}
contents() {
	local btree
	for btree in inodes dirents extents xattrs; do
		bcachectl list -b "$btree" "$1"
	done | sort
}
cp --sparse=always "$IMAGE" "$WORK/broken"
contents "$WORK/broken" >"$WORK/contents"
for btree in alloc freespace lru bucket_gens backpointers accounting; do
	spoil "$WORK/broken" "$btree"
done
cp --sparse=always "$WORK/broken" "$WORK/untouched"
try "fsck -n finds what cannot be read" code 4 bcachectl fsck -n "$WORK/broken"
try "it cannot be written" code 6 bcachectl mkdir "$WORK/broken" /new
try "fsck without a terminal to ask at changes nothing" code 4 bcachectl fsck "$WORK/broken"
try "  and says how" says '-y says yes'
try "  really nothing" cmp "$WORK/broken" "$WORK/untouched"
try "fsck -y repairs it" code 1 bcachectl fsck -y --json "$WORK/broken"
try "  says what it did" says 'btree alloc: cannot be read, begins anew'
try "  each change" says 'btree backpointers .*: was nothing; is now .* type backpointer'
try "  and how it ended" says '"findings_left": ?0'
try "fsck -n: nothing is left" code 0 bcachectl fsck -n "$WORK/broken"
try "  and the files are what they were" same "$(contents "$WORK/broken")" "$(cat "$WORK/contents")"
try "it can be written again" code 0 bcachectl mkdir "$WORK/broken" /new
try "fsck -p has nothing to do" code 0 bcachectl fsck -p "$WORK/broken"
try "fsck.bcachefs is fsck" code 0 bash -c "exec -a fsck.bcachefs bcachectl -a '$WORK/broken'"
try "fsck -y of what does not follow from anything" code 4 bcachectl fsck -y "$WORK/leaf"
try "  says which" says 'btree dirents has nodes that cannot be read'
try "fsck of nothing cannot be made" code 8 bcachectl fsck -n "$WORK/zeros"
for mode in -n -p -y; do
	try "fsck $mode of a path that is not there" code 8 bcachectl fsck $mode "$WORK/nowhere"
	try "  says so once" same "$(grep -c nowhere "$WORK/err")" 1
done
finish
