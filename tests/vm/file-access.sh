#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Files through every door that the kernel has: maps, holes, direct and asynchronous reads, pipes, handles, directories
# in small pieces, attributes, owners shifted by the mount; mounting twice, remounting, and reading while caches are
# dropped.
# vehicle: uml
# golden: small-tree snapshots compressed encrypted
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"

prog() {
	"$O/tests/vm/prog/file-access" "$@"
}

# check NAME CHECK FILE...: the check on each file; skipped where the kernel cannot
check() {
	local name=$1 check=$2 file
	shift 2
	for file; do
		prog "$check" "$file" >/run/out
		case $? in
		0) ;;
		77) skip "$name" "the kernel has none"; return ;;
		*) sed "s|^#|# $file:|" /run/out; try "$name" false; return ;;
		esac
	done
	try "$name" true
}

says() {
	grep -qE -- "$1" "$2" || { head -n 20 "$2" | sed 's/^/# /'; return 1; }
}

load_modules
device=$(assemble_golden --read-only)
mount -t bcachefs -o ro "$device" /mnt
mkdir -p /run/second
cd /mnt

# Files of some size, each with its own way of being stored.
case $GOLDEN in
small-tree) files="sizes/f1048577 sizes/f3000005 rewrite/* sparse/[cimpz]* sparse/tail-hole" dirs=". names churn flags" ;;
snapshots) files="refl/over refl/whole2 snap1/a/f150000 sv1/a/f600015 snap-ro/sparse" dirs=". sv1 snap-ro/a/b" ;;
*) files=$(find . -type f -size +16k -printf '%s %P\n' | sort -n | tail -n 12 | cut -d' ' -f2) dirs=$(find . -type d) ;;
esac
nonempty=$(find $files -type f -size +0)
big=$(find $nonempty -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)

check "memory maps" mmap $nonempty
drop_caches
check "direct reads" direct $nonempty
check "asynchronous direct reads" aio $nonempty
check "io_uring" uring $big
check "vectors" vector $nonempty
check "splice and sendfile" splice $nonempty
check "holes are zeros, and where they are said to be" seek $files
check "FIEMAP" fiemap $files
check "directories in small pieces, and from every cookie" readdir $dirs
drop_caches
check "reading into a map of the same file" selfmap "$big"

several() {
	local i pids=() status=0
	for i in 1 2 3 4; do
		prog hammer "$big" 2 &
		pids+=($!)
	done
	for i in {1..12}; do
		echo $((i % 3 + 1)) >/proc/sys/vm/drop_caches
		dmsetup message "${device##*/}" 0 drop_cache >/dev/null
		sleep 0.1
	done
	refuse "unmounting meanwhile" umount /mnt
	for i in "${pids[@]}"; do
		wait "$i" || status=1
	done
	return $status
}
[ "$GOLDEN" = snapshots ] || try "several readers while caches are dropped" several

# ---- what each golden set is there for ----

# reads_as USER PATH: a user of no group of its own can read the file or list the directory
reads_as() {
	if [ -d "$2" ]; then
		set -- "$1" ls "$2"
	else
		set -- "$1" cat "$2"
	fi
	setpriv --reuid "$1" --regid 7 --clear-groups "${@:2}" >/dev/null 2>&1
}

handle() {
	prog handle "$1"
}

# handle_opens HANDLE PATH: it leads to that file; of a directory also the way to the root is known
handle_opens() {
	local got
	got=$(prog open-handle /mnt $1)
	[ -d "$2" ] || got=${got%% *}
	same "$got" "$(stat -c %i "$2")$([ ! -d "$2" ] || echo " $(realpath "$2")")"
}

remount_cold() {
	cd /
	umount /mnt && mount -t bcachefs -o ro "$device" /mnt && cd /mnt
}

small_tree() {
	local f map xattrs

	prog fiemap sizes/f100 >/run/out
	try "FIEMAP: inline data" says '^0-512 last .*inline|^0-4096 last .*inline' /run/out
	prog fiemap sparse/prealloc >/run/out
	try "FIEMAP: preallocated" says '^0-1003520 last .*unwritten' /run/out
	prog fiemap sizes/f1048576 >/run/out
	try "FIEMAP: neighbours are one" same "$(cat /run/out)" "0-1048576 last"
	try "SEEK_DATA: nothing in a file of holes" same "$(prog seek sparse/all-hole)" ""
	try "SEEK_DATA: nothing in a preallocated file" same "$(prog seek sparse/prealloc)" ""
	check "holes of a terabyte" seek sparse/far
	try "its tail" same "$(tail -c 8 sparse/far | tr -d '\0' | wc -c)" "$(tail -c 8 sparse/far | wc -c)"
	
	prog statx rewrite/direct >/run/out
	try "statx: alignment for direct reads" says 'dio=512/512' /run/out
	try "statx: time of birth" says 'btime=1795390[0-9]{3}\.[0-9]{9} ' /run/out
	try "statx: immutable" same "$(prog statx flags/i | cut -d' ' -f2)" attributes=10
	try "statx: append only" same "$(prog statx flags/a | cut -d' ' -f2)" attributes=20
	try "statx: not dumped" same "$(prog statx flags/d | cut -d' ' -f2)" attributes=40
	try "flags: immutable" says '^flags=10 xflags=8 project=0' <(prog flags flags/i)
	try "flags: append only" says '^flags=20 xflags=10 ' <(prog flags flags/a)
	try "flags: not dumped" says '^flags=40 xflags=80 ' <(prog flags flags/d)
	try "flags: no access times" says '^flags=80 xflags=40 ' <(prog flags flags/A_)
	try "flags: synchronous" says '^flags=8 xflags=20 ' <(prog flags flags/S_)
	try "lsattr" same "$(lsattr -d flags/i | cut -c5)" i

	check "attributes: lengths and short buffers" xattr . xattr xattr/* acl acl/d acl/f links/long names
	try "attributes of the trust are not for everybody" same \
		"$(setpriv --reuid 1000 --clear-groups getfattr -m - xattr/f6 2>&1)" ""
	try "ACL as text" says '^user:1000:rw-' <(getfacl -pn acl/f)
	try "ACL lets a user in" reads_as 1000 acl/f
	try "ACL, inherited, lets a user in" reads_as 1002 acl/d/inherits
	refuse "ACL keeps others out" reads_as 1003 acl/d/inherits
	refuse "mode 0 keeps others out" reads_as 1000 modes/m0
	refuse "mode 400 too" reads_as 1000 modes/m400
	try "mode 644 does not" reads_as 1000 modes/m644
	refuse "a directory of mode 700 keeps others out" reads_as 1000 modes/d700/.

	prog idmap /mnt /run/second >/run/out
	case $? in
	0)
		try "an idmapped mount shifts owners" same "$(stat -c %u:%g /run/second/owners/u0-g0)" 100000:100000
		try "also others than root" same "$(stat -c %u:%g /run/second/owners/u1000-g1000)" 101000:101000
		try "and in ACLs" says '^user:101000:rw-' <(getfacl -pn /run/second/acl/f)
		try "it goes" umount /run/second
		;;
	77) skip "an idmapped mount shifts owners" "no user namespaces" ;;
	*) try "an idmapped mount" cat /run/out \; false ;;
	esac

	try "a symbolic link of 4000 bytes" same "$(readlink links/very-long | tr -d '\n' | wc -c)" 4000
	try "a symbolic link to a directory" test -d links/to-dir/.
	refuse "a dangling one" test -e links/dangling

	f=$(handle links/h1)
	remount_cold
	try "a handle opens after a remount" handle_opens "$f" links/h1
	f=$(handle deep/d0/d1/d2)
	remount_cold
	try "of a directory, it finds the way to the root" handle_opens "$f" deep/d0/d1/d2
	# type 177: inode, subvolume, generation
	try "a handle of another generation is stale" same \
		"$(prog open-handle /mnt 177 "$(le64 "$(stat -c %i links/h1)")01000000ffffff7f")" ESTALE
	try "of an inode that is not there, too" same "$(prog open-handle /mnt 177 "$(le64 999999)0100000000000000")" ESTALE
	try "of a subvolume that is not there, too" same \
		"$(prog open-handle /mnt 177 "$(le64 "$(stat -c %i links/h1)")6300000000000000")" ESTALE
	try "a short handle is none" same "$(prog open-handle /mnt 177 01000000)" ESTALE
}

# le64 NUMBER: 8 bytes in hexadecimal, lowest first
le64() {
	printf '%016x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\8\7\6\5\4\3\2\1/'
}

snapshots() {
	local f g subvol

	prog fiemap refl/whole >/run/out
	try "FIEMAP: shared" says '^0-65536 last shared' /run/out
	for f in .:1 sv1:2 snap1:3 snap-ro:4 sv1/nested:8; do
		prog statx "${f%:*}" >/run/out
		subvol=$(sed -n 's/^subvol=\([^ ]*\).*/\1/p' /run/out)
		[ "$subvol" = - ] && skip "statx: subvolume of ${f%:*}" "the kernel has no field" && continue
		try "statx: subvolume of ${f%:*}" same "$subvol" "${f#*:}"
	done
	f=$(handle snap1/a/f150000)
	g=$(handle sv1/a/f150000)
	remount_cold
	try "a handle leads into its own snapshot" handle_opens "$f" snap1/a/f150000
	try "and another one to the same inode of another" handle_opens "$g" sv1/a/f150000
	f=$(handle sv1/nested)
	g=$(handle sv1/nested/f)
	remount_cold
	try "a handle of a nested subvolume" handle_opens "$f" sv1/nested
	try "and of a file in it" handle_opens "$g" sv1/nested/f
}

compressed() {
	prog fiemap "$big" >/run/out
	try "FIEMAP: encoded" says ' encoded' <(for f in $files; do prog fiemap "$f"; done)
	check "options as attributes: lengths" xattr $(find . -type d) $files
	try "an option set on a directory" same "$(getfattr --only-values -n bcachefs.compression gzip)" gzip
	f=$(find gzip -type f | head -n 1)
	try "in effect on a file in it" same "$(getfattr --only-values -n bcachefs_effective.compression "$f")" gzip
	refuse "and not set there" getfattr -n bcachefs.compression "$f"
}

encrypted() {
	try "FIEMAP: encoded" says ' encoded' <(prog fiemap "$big")
}
${GOLDEN//-/_}
cd /
if [ "$GOLDEN" != small-tree ]; then
	try "unmounted" umount /mnt
	try "stopped" bcachectl stop --all
	finish
fi

# ---- mounts ----

# refused WORDS COMMAND...: it fails, and the kernel's log says why in these words
refused() {
	local words=$1
	shift
	dmesg -C
	"$@" 2>/run/err && return 1
	dmesg | cat - /run/err >/run/out
	says "$words" /run/out
}

try "mounted a second time" mount -t bcachefs -o ro "$device" /run/second
try "it is the same" same "$(stat -c %d:%i /run/second)" "$(stat -c %d:%i /mnt)"
try "the first can go" umount /mnt
try "the second stays" mountpoint -q /run/second
try "an option that the set was not assembled with, though it is mounted" \
	refused 'mount option norecovery: ' mount -t bcachefs -o ro,norecovery "$device" /mnt
try "writing is refused" refused 'Read-only file system' touch /run/second/new
try "remounting for writing is refused" refused 'write-protected|cannot be remounted rw' mount -o remount,rw /run/second
try "remounting with attributes is not" mount -o remount,nosuid,ro /run/second
try "unmounted" umount /run/second
try "mounting for writing is refused" refused 'assembled with read_only.*mount it with -o ro' mount -i -w -t bcachefs "$device" /mnt
try "an unknown option is refused" refused "Unknown parameter 'wonderful'" \
	mount -t bcachefs -o ro,wonderful "$device" /mnt
try "where nobody insists, mount(8) falls back" mount -i -t bcachefs "$device" /mnt
try "  to reading" says ' ro,' <(grep ' /mnt bcachefs ' /proc/mounts)
try "statfs: type" same "$(stat -f -c %t /mnt)" ca451a4e
try "statfs: longest name" same "$(stat -f -c %l /mnt)" 255
try "statfs: an id" test "$(stat -f -c %i /mnt)" != 0
try "noacl on a set mounted with ACLs" refused 'mount option noacl: it is mounted acl' \
	mount -t bcachefs -o ro,noacl "$device" /run/second
umount /mnt
try "noacl" mount -t bcachefs -o ro,noacl "$device" /mnt
try "  shows" says ',noacl' <(grep ' /mnt bcachefs ' /proc/mounts)
try "  and stays over a remount" mount -o remount,nodev,ro /mnt
umount /mnt
try "stopped" bcachectl stop --all
try "a member that is not assembled is refused" refused 'not an assembled set; assemble it first' \
	mount -i -t bcachefs -o ro "${DISK[0]}" /mnt
try "nothing was written" bytes_unchanged
try "the modules go" modprobe -r bcachefs dm-bcache
finish
