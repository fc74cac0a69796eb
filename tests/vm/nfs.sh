#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A mounted set exported by NFS, versions 4.2 and 3, to this machine itself: what is done on either side is seen on the other,
# large directories are read whole, and handles stay valid while the set is taken away and comes back. One disk, empty.
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
CLIENT=/run/client
EXPORT=127.0.0.1:/mnt

command -v exportfs >/dev/null || { skip "NFS" "its server is not installed"; finish; }
modprobe dm-bcache && modprobe bcachefs && modprobe nfsd || exit 1

set_there() {
	device=$(bcachectl assemble "${DISK[0]}") && mount -t bcachefs "$device" /mnt &&
		exportfs -i -o rw,sync,no_root_squash,no_subtree_check,fsid=0 "$EXPORT"
}

serve() {
	rpc.nfsd --grace-time 10 --lease-time 10 4
}

set_away() {
	rpc.nfsd 0 && exportfs -u "$EXPORT" && exportfs -f && umount /mnt && bcachectl stop "$device"
}

served() {
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd || return
	ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null
	mkdir -p /run/rpcbind /var/lib/nfs/v4recovery /var/lib/nfs/rpc_pipefs && touch /var/lib/nfs/etab /var/lib/nfs/rmtab
	pgrep -x rpcbind >/dev/null || rpcbind -w
	set_there && rpc.mountd && serve
}

# version 4 sees as the root what is exported as number 0; version 3 would lock by another daemon
mounted() {
	local path=/ options=
	[ $version != 3 ] || path=/mnt options=,nolock
	mkdir -p $CLIENT && mount -t nfs -o "vers=$version,soft,timeo=600$options" "127.0.0.1:$path" $CLIENT
}

tree_seen() {
	cp -a "$TOP/fs/bcachefs" $CLIENT/tree && diff -r "$TOP/fs/bcachefs" /mnt/tree && diff -r "$TOP/fs/bcachefs" $CLIENT/tree &&
		mv $CLIENT/tree/dir.c $CLIENT/tree/moved && ln $CLIENT/tree/moved $CLIENT/tree/hard && ln -s moved $CLIENT/tree/soft &&
		chmod 640 $CLIENT/tree/moved && truncate -s 100 $CLIENT/tree/acl.c && mkdir $CLIENT/tree/d && rmdir $CLIENT/tree/d &&
		same "$(cd /mnt/tree && stat -c '%n %h %a %s %i' *)" "$(cd $CLIENT/tree && stat -c '%n %h %a %s %i' *)" &&
		same "$(readlink /mnt/tree/soft)" moved && cmp /mnt/tree/hard "$TOP/fs/bcachefs/dir.c"
}

directory_whole() {
	mkdir /mnt/many && (cd /mnt/many && for i in $(seq 3000); do : >"a-file-of-some-length-$i"; done) &&
		same "$(ls -U $CLIENT/many | sort | sha256sum)" "$(ls -U /mnt/many | sort | sha256sum)" &&
		rm -r $CLIENT/many && test ! -e /mnt/many
}

# made here while the client knows the directory, and removed here while the client holds it open: so does the server, in
# version 4
other_side() {
	echo first >/mnt/there && same "$(cat $CLIENT/there)" first && exec 5<$CLIENT/there && rm /mnt/there &&
		echo 3 >/proc/sys/vm/drop_caches || return
	if [ $version = 3 ]; then
		! cat <&5 >/dev/null 2>/run/err && grep -qi stale /run/err
	else
		same "$(cat <&5)" first
	fi
}

removed_while_open() {
	echo kept >$CLIENT/open && exec 5<$CLIENT/open && rm $CLIENT/open && same "$(cat <&5)" kept && exec 5<&- &&
		same "$(ls -A /mnt | grep -c '^\.nfs')" 0
}

locked() {
	: >$CLIENT/lock
	flock $CLIENT/lock sh -c "! flock -n $CLIENT/lock true"
}

direct() {
	dd if=/dev/urandom of=$CLIENT/direct bs=64K count=16 oflag=direct conv=fsync status=none &&
		same "$(dd if=$CLIENT/direct bs=128K iflag=direct status=none | sha256sum)" "$(sha256sum </mnt/direct)"
}

# what version 4.2 has and 3 has not
of_42() {
	cp --reflink=always $CLIENT/direct $CLIENT/cloned && cmp /mnt/direct /mnt/cloned &&
		fallocate -p -o 64K -l 128K $CLIENT/cloned && same "$(stat -c %b /mnt/cloned)" $((1792)) &&
		same "$(head -c 192K /mnt/cloned | tail -c 128K | tr -d '\0' | wc -c)" 0 &&
		setfattr -n user.colour -v blue $CLIENT/cloned &&
		same "$(getfattr --absolute-names --only-values -n user.colour /mnt/cloned)" blue
}

# the client goes on where it was, by handles of before: in its directory, and in version 3, where a server knows of no open
# files, with one that is open
comes_back() {
	local sum
	sum=$(sha256sum <$CLIENT/direct)
	[ $version != 3 ] || exec 6<>$CLIENT/direct
	cd $CLIENT/tree && set_away && set_there && serve && echo 3 >/proc/sys/vm/drop_caches &&
		same "$(ls -U | sort)" "$(ls -U /mnt/tree | sort)" && cmp hard "$TOP/fs/bcachefs/dir.c" && echo new >made &&
		same "$(cat /mnt/tree/made)" new && cd / && same "$(sha256sum <$CLIENT/direct)" "$sum" || return
	[ $version = 3 ] || return 0
	same "$(dd bs=64K status=none <&6 | sha256sum)" "$sum" && echo more >&6 && exec 6<&- && sync &&
		same "$(tail -c 5 /mnt/direct)" more
}

snapshot_seen() {
	bcachectl subvolume create /mnt/sub && echo inside >$CLIENT/sub/file && bcachectl subvolume snapshot /mnt/sub /mnt/snap &&
		echo other >$CLIENT/sub/file && same "$(cat $CLIENT/snap/file)" inside && same "$(cat /mnt/sub/file)" other &&
		bcachectl subvolume delete /mnt/snap && test ! -e $CLIENT/snap/file && bcachectl subvolume delete /mnt/sub
}

bcachectl format -q "${DISK[0]}" || exit 1
try "served" served
for version in 4.2 3; do
	try "mounted, version $version" mounted
	mountpoint -q $CLIENT || finish
	try "  a tree, changed, is the same on both sides" tree_seen
	try "  a directory of 3000 is read whole, and removed" directory_whole
	try "  what is done behind the client's back" other_side
	exec 5<&-
	try "  a file removed while open" removed_while_open
	try "  read and written directly" direct
	if [ $version = 4.2 ]; then
		try "  locked" locked
		try "  cloned, punched, attributes" of_42
		try "  subvolumes" snapshot_seen
	fi
	try "  the set goes and comes back under open files" comes_back
	cd / && exec 6<&-
	try "  unmounted" umount $CLIENT
	rm -rf /mnt/*
done
try "taken away" set_away
try "nothing wrong with it" bcachectl fsck -n "${DISK[0]}"
finish
