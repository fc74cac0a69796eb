# SPDX-License-Identifier: GPL-2.0
#
# For scripts that run in a vehicle: . "$TOP/tests/vm/lib.sh". Results are lines of the Test Anything Protocol, which
# tests/run counts; the script's exit status is that of the last "finish".
#
# Given by the vehicle: $DISKS (devices, in order), $TOP (this tree), $O (build directory, first in PATH), $VEHICLE,
# $GOLDEN (the golden set under test, if the header asked for it), /results (what outlives the guest).

FAILED=0
DISK=($DISKS)

# try NAME COMMAND...: one case, passed when the command is.
try() {
	local name=$1
	shift
	if "$@"; then
		echo "ok - $name"
	else
		echo "# failed ($?): $*"
		echo "not ok - $name"
		FAILED=1
	fi
}

# refuse NAME COMMAND...: one case, passed when the command fails.
refuse() {
	local name=$1
	shift
	try "$name" not "$@"
}

not() {
	! "$@"
}

same() {
	[ "$1" = "$2" ] || { echo "# got: $1"; echo "# want: $2"; return 1; }
}

skip() {
	echo "ok - $1 # SKIP $2"
}

finish() {
	exit "$FAILED"
}

# set_uuid DEVICE: prints the UUID of the set that the member is of.
set_uuid() {
	bcachectl probe --export "$1" | sed -n 's/^BCACHE_SET_UUID=//p'
}

# drop_caches: what is read next comes from the devices.
drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# lose_power STATUS: the machine stops at once, nothing synced; the script counts as ended with this exit status.
lose_power() {
	echo "$1" >/run/vehicle/status
	echo o >/proc/sysrq-trigger
	sleep 60
}

# golden_file NAME: contents of a reference listing of the golden set under test, unpacked.
golden_file() {
	local file=$TOP/tests/golden/$GOLDEN/$1
	if [ -e "$file.zst" ]; then
		zstd -dcq "$file.zst"
	else
		cat "$file"
	fi
}
