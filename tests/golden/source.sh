#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Trees of this machine into sets and out again: format --source, put -r, get -r. Nothing is lost on the way, and what cannot be
# made whole is not made. Needs no root; as root, owners, device nodes and capabilities are copied, too.
. "$TOP/tests/vm/lib.sh"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/source.XXXXXX")
trap 'chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
TREE=$TOP/tests/vm/tree.py
cd "$WORK" || exit 1

code() {
	local want=$1 got=0
	shift
	"$@" >out 2>err </dev/null || got=$?
	same "$got" "$want" || { sed 's/^/# /' err; return 1; }
}

says() {
	grep -qE -- "$1" out err || { cat out err | head -n 20 | sed 's/^/# /'; return 1; }
}

clean() {
	bcachectl fsck -n "$@" >out 2>err <<<"$PASSPHRASE" || { cat out err | head -n 20 | sed 's/^/# /'; return 1; }
}

no_superblock() {
	! bcachectl show-super "$@" >out 2>err
}

make_tree() {
	mkdir -p src/dir src/deep/"$(printf 'd/%.0s' {1..40})" && cp -a "$TOP"/docs "$TOP"/lib/engine/data src &&
		ln src/docs/README.md src/hard && ln -s docs src/soft && ln -s "$(printf 'y%.0s' {1..1500})" src/long &&
		mkfifo src/fifo && : >src/"$(printf 'n%.0s' {1..255})" && : >src/$'odd \n name' && echo tiny >src/tiny &&
		truncate -s 3M src/sparse && printf data | dd of=src/sparse bs=1 seek=2000000 conv=notrunc status=none &&
		# holes between data nearer to each other than what one call moves, and one at the end
		for at in 0 3 20 21 400; do
			printf x | dd of=src/holes bs=4k seek=$at conv=notrunc status=none
		done && truncate -s 5000001 src/holes &&
		python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("src/sock")' &&
		head -c 2500000 /dev/urandom >src/big && chmod 4711 src/hard && chmod 1777 src/dir || return
	setfattr -n user.note -v "$(printf 'x%.0s' {1..300})" src/big && setfattr -n user.empty src/dir &&
		setfacl -m u:1000:rwx,g:2000:r src/tiny && setfacl -d -m u:1000:rwx,o::- src/docs && setfacl -m g:7:x src/docs || return
	if [ "$(id -u)" = 0 ]; then
		chown 70000:70001 src/fifo && chown -h 70000:70001 src/soft && mknod src/null c 1 3 && mknod src/blk b 4095 1048575 &&
			setfattr -n trusted.t -v 1 src/dir && cp /bin/true src/cap && chown 5:5 src/cap &&
			setcap cap_net_raw+ep src/cap && chmod 2750 src/cap || return
	fi
	touch -d '1999-12-31 01:02:03.123456789 UTC' src/docs/arch src/big && touch -h -d '1960-01-01 00:00:00.5 UTC' src/soft &&
		touch -d '2038-02-01 UTC' src/fifo && chmod 751 src && touch -d '2001-02-03 04:05:06.000000007 UTC' src
}

PASSPHRASE='correct horse'
there_and_back() {
	bcachectl get -r "$1" / back >err 2>&1 <<<"$PASSPHRASE" || { sed 's/^/# /' err; return 1; }
	# what every set has
	rmdir back/lost+found && touch -d '2001-02-03 04:05:06.000000007 UTC' back && "$TREE" restored src back && rm -r back
}

try "a tree" make_tree
try "format --source" code 0 bcachectl format --source src --size 64M -L tank -U 01234567-89ab-4cde-8f01-23456789abcd one.img
try "  says what it holds" says 'holds [0-9]+ files of src'
try "  has the name it was to have" same "$(bcachectl show-super one.img | awk '/^(External|Label)/ { print $NF }' | xargs)" \
	"01234567-89ab-4cde-8f01-23456789abcd tank"
try "  is clean" clean one.img
try "  nothing was lost" there_and_back one.img
try "of two members, encrypted and compressed" bcachectl format --source src -q --replicas 2 --encrypted --compression zstd \
	--size 64M a.img --size 64M b.img <<<"$PASSPHRASE"
try "  is clean" clean a.img b.img
try "  nothing was lost" there_and_back a.img:b.img
try "with blocks of 512, without checksums" code 0 bcachectl format --source src --block-size 512 --data-checksum none --size 64M s.img
try "  nothing was lost" there_and_back s.img
try "dry run" code 0 bcachectl format --dry-run --json --source src --size 64M none.img
try "  says how much it would be" says '"files": ?[1-9]'
try "  makes nothing" not test -e none.img
try "json" code 0 bcachectl format --json --progress-json --source src --size 64M j.img
try "  says how much it is" python3 -c 'import json; s = json.load(open("out"))["source"]; assert s["files"] > 20 and s["bytes"] > 2500000, s'
try "  and shows progress up to the end" python3 -c '
import json
last = [json.loads(l) for l in open("err")][-1]
assert last["files"] == last["total_files"] and last["bytes"] == last["total_bytes"] > 0, last'

onto_an_acl() {
	rm src/hard && mkdir -p l/docs && setfacl -m u:3:rwx l/docs && setfacl -d -m u:3:rwx l/docs &&
		bcachectl format -q --size 64M p.img && bcachectl put -r p.img l/docs / && bcachectl put -r p.img src/* / &&
		bcachectl get -r p.img /docs back && "$TREE" restored src/docs back && rm -r back
}
try "put onto a directory that has an ACL" onto_an_acl
try "  is clean" clean p.img

# nothing half-made
truncate -s 32M small.img
head -c 40000000 /dev/urandom >src/large
try "a tree that does not fit" code 6 bcachectl format --source src small.img
try "  which file, and what to do" says 'src/large: write: No space left.*|does not fit: .* larger'
try "  leaves no superblock" no_superblock small.img
try "  nor a copy of one" no_superblock --sector 2056 small.img
try "  nor an image file of its own" code 6 bcachectl format --source src --size 32M own.img
try "  nor an image file of its own: gone" not test -e own.img
try "an image in the tree" code 6 bcachectl format --source src --size 64M src/own.img
try "  is named" says 'src/own.img: is in the tree'
try "  and gone" not test -e src/own.img
try "no such directory" code 4 bcachectl format --source nowhere --size 64M own.img
try "no directory" code 6 bcachectl format --source src/tiny --size 64M own.img
if [ "$(id -u)" != 0 ]; then
	chmod 0 src/big
	try "a file that cannot be read" code 6 bcachectl format --source src --size 128M own.img
	try "  is named" says 'src/big: read: Permission denied'
	chmod 600 src/big
fi
truncate -s 512M killed.img
broken_off() {
	bcachectl format -q --force -L tank -U 01234567-89ab-4cde-8f01-23456789abcd --source src killed.img 2>err &
	local pid=$! ret=0
	# it has begun to copy when the set is in use
	until bcachectl show-super killed.img 2>/dev/null | grep -q '^Label: *unfinished'; do
		kill -0 $pid 2>/dev/null || break
	done
	kill -"$1" $pid
	wait $pid 2>/dev/null || ret=$?
	same "$ret" "$2"
}
for i in {1..30}; do head -c 10000000 /dev/urandom >src/large$i; done
try "killed half-way" broken_off KILL 137
try "  it does not bear the name" not grep -q 'tank\|01234567' <(bcachectl show-super killed.img)
truncate -s 0 killed.img
truncate -s 512M killed.img
try "terminated half-way" broken_off TERM 6
try "  says so" says 'nothing is left of it'
try "  leaves nothing" no_superblock killed.img
finish
