#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One set of sixty-four members, the format's limit, and four of fifty, on loop devices that all come at once: assembled
# within five seconds of the last event, by udev's rules alone. The daemon, watching, stays small.
# vehicle: uml
# options: --mem 1536 --one-cpu
# alone: it measures how long assembling takes
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/golden-lib.sh"
. "$TOP/tests/vm/udev-lib.sh"
WITHIN=5	# seconds, docs/boot.md
# kernels that watch locks and memory have no speed to speak of
case ${VARIANT:-} in debug | kasan) WITHIN=60 ;; esac
IMAGES=/run/images
declare -A SIZE=([big]=64 [one]=50 [two]=50 [three]=50 [four]=50)

make_set() {
	local i arguments=()
	for ((i = 0; i < $2; i++)); do
		arguments+=(--label=d$i --size 8M "$IMAGES/$1.$i")
	done
	bcachectl format -q -L "$1" --superblock-size 64k --btree-node-size 64k "${arguments[@]}"
}

# all at once, members of all sets mixed
attach_all() {
	local i name
	for ((i = 0; i < 64; i++)); do
		for name in "${!SIZE[@]}"; do
			[ ! -e "$IMAGES/$name.$i" ] || losetup -f "$IMAGES/$name.$i" || return
		done
	done
}

all_there() {
	local name
	for name in "${!SIZE[@]}"; do
		[ -e "/dev/mapper/$name" ] || return
	done
}

mkdir $IMAGES
mount -t tmpfs -o size=90% images $IMAGES
load_modules
modprobe -q loop
for name in "${!SIZE[@]}"; do
	try "$name: a set of ${SIZE[$name]}" make_set "$name" "${SIZE[$name]}"
done
start_udev
bcachectl daemon 2>/run/daemon.log &
DAEMON=$!
begin=${EPOCHREALTIME/./}
try "all loop devices are made" attach_all
last=${EPOCHREALTIME/./}
made=$(((last - begin) / 1000))
echo "# made in $made ms"
try "all sets are assembled" wait_for 120 all_there
took=$(((${EPOCHREALTIME/./} - last) / 1000))
echo "# $took ms after the last"
# making them takes 25 s on a machine that does nothing else; where that takes longer, so may this
try "  within $WITHIN s of the last event" test $took -lt $((made / 5 > WITHIN * 1000 ? made / 5 : WITHIN * 1000))
udevadm settle
for name in "${!SIZE[@]}"; do
	try "  $name has all its members" grep -q " complete ${SIZE[$name]} ${SIZE[$name]} " <(dmsetup status "$name")
done
sleep 6
echo "# the daemon: $(awk '/^VmHWM/ { print $2 }' /proc/$DAEMON/status) KiB at most"
try "the daemon stays below 20 MB" test "$(awk '/^VmHWM/ { print $2 }' /proc/$DAEMON/status)" -lt 20480
milliseconds() {
	local begin=${EPOCHREALTIME/./}
	bcachectl status --json >/run/status || return
	echo "# $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
	python3 -c 'import json; assert sum(len(s["members"]) for s in json.load(open("/run/status"))["sets"]) == 264'
}
try "and tells of all members" milliseconds
kill $DAEMON
wait $DAEMON
try "all stop" bcachectl stop --all
stop_udev
finish
