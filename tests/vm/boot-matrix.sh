#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A boot with a set for each line of the table in docs/boot.md: complete, members missing, late or failed, old copies, equal
# copies, halves written without each other, encrypted, one label for two sets, one UUID for two sets, a damaged superblock, a
# newer version. Twice, with the same outcome; members of refused sets keep every byte.
# vehicle: qemu-6.1 qemu-6.12
# runs: host
. "$TOP/tests/vm/lib.sh"
if [ "$KERNEL" = 6.1 ] && [ -z "${LONG:-}" ]; then
	skip "kernel 6.1" "with make check-boot"
	finish
fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/boot.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
# two minutes of a machine that does nothing else; others work beside it
export BOOT_SECONDS=${BOOT_SECONDS:-600}
SCRIPT_SECONDS=2400
declare -A UUID
DISKS_OF=()

# make_set NAME MEMBERS [FORMAT-OPTION...]: images NAME.0..., with a file in the set
make_set() {
	local name=$1 members=$2 i devices=() images=()
	shift 2
	for ((i = 0; i < members; i++)); do
		devices+=(--label=d$i --size 64M "$WORK/$name.$i")
		images+=("$WORK/$name.$i")
	done
	bcachectl format -q -L "$name" "$@" "${devices[@]}" <<<sesame || return
	UUID[$name]=$(set_uuid "$WORK/$name.0")
	put "$name" "hello $name" "${images[@]}"
}

# put NAME CONTENTS IMAGE... [OPTION]: writes the set's file
put() {
	local name=$1 text=$2 IFS=:
	shift 2
	echo "$text" >"$WORK/hello"
	bcachectl put $PUT_OPTION "$*" "$WORK/hello" /hello <<<sesame 2>"$WORK/err" || { sed 's/^/# /' "$WORK/err"; return 1; }
}

# a copy of a member, as after dd
copy() {
	cp --sparse=always "$WORK/$1" "$WORK/$2"
}

sets_made() {
	make_set plain 2 &&
	make_set short 3 --replicas=2 &&
	make_set lost 2 --metadata-replicas=1 &&
	make_set split 2 --replicas=2 && copy split.0 split.old0 && copy split.1 split.old1 &&
	PUT_OPTION=--degraded put split "one half" "$WORK/split.0" && PUT_OPTION=--degraded put split "the other" "$WORK/split.1" &&
	PUT_OPTION=--degraded put split "changed twice" "$WORK/split.1" &&
	make_set stale 2 --replicas=2 && copy stale.1 stale.copy &&
	put stale again "$WORK/stale.0" "$WORK/stale.1" && put stale "hello stale" "$WORK/stale.0" "$WORK/stale.1" &&
	make_set old 2 --replicas=2 && copy old.1 old.copy &&
	put old again "$WORK/old.0" "$WORK/old.1" && put old "hello old" "$WORK/old.0" "$WORK/old.1" &&
	make_set ailing 3 --replicas=2 && "$TOP/tests/vm/superblock.py" "$WORK/ailing.0" member_state=1:2 &&
	"$TOP/tests/vm/superblock.py" "$WORK/ailing.2" member_state=1:2 &&
	make_set crypt 1 --encrypted &&
	make_set cshort 2 --encrypted --replicas=2 &&
	make_set mute 1 --encrypted &&
	make_set clone 1 && copy clone.0 clone.copy &&
	make_set early 2 &&
	make_set late 2 --replicas=2 &&
	make_set lostlate 2 --metadata-replicas=1 &&
	late_disk early.1 && late_disk late.1 && late_disk lostlate.1 &&
	make_set dented 2 && damage_first_superblock dented.0 &&
	make_set twin 1 && UUID[twin1]=${UUID[twin]} && mv "$WORK/twin.0" "$WORK/twin1.0" &&
	make_set twin 1 && UUID[twin2]=${UUID[twin]} && mv "$WORK/twin.0" "$WORK/twin2.0" && unset 'UUID[twin]' &&
	make_set newer 1 && "$TOP/tests/vm/superblock.py" "$WORK/newer.0" version=$NEWER_VERSION &&
	make_set foreign 2 && make_set stranger 1 &&
	"$TOP/tests/vm/superblock.py" "$WORK/stranger.0" "user_uuid=${UUID[foreign]}"
}

NEWER_VERSION=2048	# 2.0

# one that a set's device would show as its own, were it not for the copies
damage_first_superblock() {
	printf garbage | dd of="$WORK/$1" bs=1 seek=$((4096 + 300)) conv=notrunc status=none
}

# behind a MiB of zeros, so that nothing is seen on the disk itself
late_disk() {
	truncate -s 1M "$WORK/disk.$1" && dd if="$WORK/$1" of="$WORK/disk.$1" bs=1M seek=1 conv=sparse status=none &&
		truncate -s 65M "$WORK/disk.$1"
}

IMAGES=(short.2 plain.1 split.1 stale.copy twin1.0 stale.1 lost.0 newer.0 crypt.0 clone.copy late.0 dented.1 foreign.1 plain.0
	short.0 clone.0 early.0 split.0 stale.0 stranger.0 dented.0 twin2.0 foreign.0 old.copy ailing.2 cshort.1 mute.0 lostlate.0
	ailing.0 old.0 disk.lostlate.1 disk.early.1 disk.late.1)
REFUSED="lost.0 split.0 split.1 clone.0 clone.copy newer.0 foreign.0 foreign.1 stranger.0 mute.0 old.copy"

early_script() {
	local name
	echo "FSTAB='LABEL=plain /mnt/plain bcachefs ro,x-systemd.device-timeout=3600 0 0"
	for name in short early stale dented twin1 twin2 old ailing crypt cshort lostlate; do
		echo "UUID=${UUID[$name]} /mnt/$name bcachefs ro,x-systemd.device-timeout=3600 0 0"
	done
	# the 90 s that systemd waits by itself may be over before an emulated machine is done
	echo "LABEL=late /mnt/late bcachefs ro,nofail,x-systemd.device-timeout=3600 0 0"
	echo "LABEL=twin /mnt/twin bcachefs ro,nofail 0 0"
	for name in split clone newer foreign mute; do
		echo "UUID=${UUID[$name]} /mnt/$name bcachefs ro,nofail 0 0"
	done
	echo "UUID=${UUID[lost]} /mnt/lost bcachefs ro,x-systemd.device-timeout=30 0 0'"
	echo "DROP_INS='"
	# longer than the slowest machine takes to bring the late member, or to start the unit of a complete set: nobody waits for its end
	for name in early ailing; do
		echo "bcache-last-resort@${UUID[$name]}.timer Timer OnActiveSec="
		echo "bcache-last-resort@${UUID[$name]}.timer Timer OnActiveSec=900"
	done
	echo "'"
	echo "cat >/new/run/vehicle/early.vars <<VARS"
	for name in "${!UUID[@]}"; do
		echo "${name^^}=${UUID[$name]}"
	done
	echo "VARS"
	cat "$TOP/tests/vm/boot-early"
}

sums() {
	(cd "$WORK" && sha256sum $REFUSED)
}

boot() {
	mkdir -p "$WORK/results.$1"
	(cd "$WORK" && RESULTS=$WORK/results.$1 "$TOP/tests/vm/run-qemu" --kernel "$KERNEL" --early "$WORK/early" \
		--timeout $SCRIPT_SECONDS --append bcachefs.timeout=8 "$TOP/tests/vm/in-guest-boot" "${IMAGES[@]}") >"$WORK/out.$1"
	local status=$?
	sed "s/^\(\(not \)\?ok\) - /\1 - boot $1: /" "$WORK/out.$1"
	[ -z "${KEEP_RESULTS:-}" ] || cp -r "$WORK/results.$1" "$KEEP_RESULTS/boot$1"
	return $status
}

try "sets are made" sets_made
early_script >"$WORK/early"
before=$(sums)
boot 1 || FAILED=1
try "not a byte of a refused set's members changed" same "$(sums)" "$before"
if [ -n "${LONG:-}" ]; then
	boot 2 || FAILED=1
	try "a second boot is the same" same "$(grep -E '^(not )?ok' "$WORK/out.2")" "$(grep -E '^(not )?ok' "$WORK/out.1")"
fi
finish
