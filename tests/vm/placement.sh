#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Targets of a mounted set of three members under two labels: of the set, of a directory, for metadata; full, missing, and
# with members of more durability.
# vehicle: uml
# images: new:96M new:128M new:128M
. "$TOP/tests/vm/lib.sh"
export DM_DISABLE_UDEV=1
modprobe dm-bcache && modprobe bcachefs || exit 1
# small nodes: there are many
bcachectl format -q --block_size=512 --btree_node_size=4k --metadata_replicas=2 --foreground_target=fast --metadata_target=slow --label=fast.one "${DISK[0]}" \
	--label=slow.one "${DISK[1]}" --label=slow.two "${DISK[2]}" || exit 1
uuid=$(set_uuid "${DISK[0]}")
sys=/sys/fs/bcachefs/$uuid

# on TYPE: bytes of it on each member
on() {
	local i
	sync
	for i in 0 1 2; do
		sed -n "s/^${1}_bytes //p" "$sys/dev-$i/usage"
	done | paste -sd' '
}
# grown FROM TO: by how many MiB, rounded down, each member
grown() {
	python3 -c 'import sys; print(*((int(b) - int(a)) >> 20 for a, b in zip(sys.argv[1].split(), sys.argv[2].split())))' "$@"
}
# write FILE MIB
write() {
	head -c "$2M" /dev/urandom >"$1"
}

device=$(bcachectl assemble "${DISK[@]}")
mount -t bcachefs "$device" /mnt
before=$(on user)
write /mnt/a 8
try "data goes to the foreground target" same "$(grown "$before" "$(on user)")" "8 0 0"
mkdir /mnt/slow
setfattr -n bcachefs.foreground_target -v slow.two /mnt/slow
before=$(on user)
write /mnt/slow/a 8
try "  of a directory to its own" same "$(grown "$before" "$(on user)")" "0 0 8"
# (the first nodes of a new set are made when not all members have told what is free on them)
before=$(on btree)
for i in $(seq 300); do : >"/mnt/a-file-with-a-rather-long-name-$i"; done
after=$(on btree)
try "metadata goes to its target ($before; $after)" \
	same "$(echo "$before $after" | awk '{ print ($4 <= $1 && $5 > $2 && $6 > $3) }')" 1
copies() {
	bcachectl usage --json /mnt | python3 -c '
import json, sys
print(*{r["copies"] for r in json.load(sys.stdin)["replicas"] if r["data"] == "btree"})'
}
try "  in two copies" same "$(copies)" 2
before=$(on user)
try "more than the target holds can be written" write /mnt/big 100
after=$(grown "$before" "$(on user)")
try "  to others when it is full ($after)" test "$(echo "$after" | awk '{ print ($1 > 40 && $2 + $3 > 10) }')" = 1
rm /mnt/big /mnt/a
sync
try "two copies" eval 'echo 2 >"$sys/options/data_replicas"'
before=$(on user)
write /mnt/two 8
try "  the one of the target's, the other outside" \
	same "$(grown "$before" "$(on user)" | awk '{ print $1, ($2 + $3 >= 7) }')" "8 1"
umount /mnt
bcachectl stop "$device"
# it holds the only copy of some files
try "without the member of the target" eval 'device=$(bcachectl assemble --very-degraded "${DISK[1]}" "${DISK[2]}")'
mount -t bcachefs "$device" /mnt
before=$(on user)
try "  data is written all the same" write /mnt/without 4
try "  to the others" same "$(grown "$before" "$(on user)")" "0 4 4"
umount /mnt
bcachectl stop "$device"
device=$(bcachectl assemble "${DISK[@]}")
mount -t bcachefs "$device" /mnt
try "with it again" test "$(stat -c %s /mnt/without)" = $((4 << 20))
before=$(on user)
write /mnt/again 4
try "  it is the target again" same "$(grown "$before" "$(on user)" | cut -d' ' -f1)" 4
umount /mnt
bcachectl stop "$device"
try "the checker" bcachectl fsck -n "${DISK[@]}"

bcachectl format -q --force --data_replicas=2 --foreground_target=safe --durability=2 --label=safe "${DISK[0]}" \
	--durability=1 --label=plain.one "${DISK[1]}" --label=plain.two "${DISK[2]}" || exit 1
sys=/sys/fs/bcachefs/$(set_uuid "${DISK[0]}")
device=$(bcachectl assemble "${DISK[@]}")
mount -t bcachefs "$device" /mnt
before=$(on user)
write /mnt/a 8
try "a member of durability 2 needs no second copy" same "$(grown "$before" "$(on user)")" "8 0 0"
umount /mnt
bcachectl stop "$device"
try "the checker" bcachectl fsck -n "${DISK[@]}"
finish
