# SPDX-License-Identifier: GPL-2.0
#
# For scripts that run on the host and start vehicles themselves ("# runs: host"): sets of disk images, to be written by
# our modules in one boot and judged afterwards, by our checker and by the in-tree driver. After tests/vm/lib.sh:
#
#   new_set NAME ARGUMENT...     formats a set of that name; "@SIZE" stands for a new image of that size
#   golden_set NAME [GOLDEN [OPTION]]
#                                a copy of the golden set; OPTION: what mounting it needs ("degraded")
#   ours SCRIPT [NAME=VALUE...]  one boot with our modules: SCRIPT, with $SETS and all images as disks
#   judged                       fsck -n, and one boot of the in-tree driver, must find nothing in any of them
#
# $SETS is a list of NAME:MEMBERS:OPTION, in the order of the disks; in the guest in_each_set goes through it. At most 16
# disks. The passphrase of encrypted sets is $PASSPHRASE.

PASSPHRASE='correct horse'

if [ -z "${VEHICLE:-}" ]; then
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/sets.XXXXXX")
	trap 'rm -rf "$WORK"' EXIT
	export PATH=$O:$PATH
	IMAGES=()
	SETS=()
fi

new_set() {
	local name=$1 arguments=() nr=0 argument
	shift
	for argument; do
		if [[ $argument = @* ]]; then
			IMAGES+=("$WORK/$name.$nr.img")
			arguments+=(--size "${argument#@}" "$WORK/$name.$((nr++)).img")
		else
			arguments+=("$argument")
		fi
	done
	SETS+=("$name:$nr:")
	try "$name: formatted" bcachectl format -q -L "$name" "${arguments[@]}" <<<"$PASSPHRASE"
}

golden_set() {
	local name=$1 golden=${2:-$1} nr=0 image
	"$TOP/tests/golden/unpack" "$golden" >/dev/null
	for image in "$O/golden/$golden"/disk[0-9].img; do
		cp --sparse=always "$image" "$WORK/$name.$nr.img"
		IMAGES+=("$WORK/$name.$((nr++)).img")
	done
	SETS+=("$name:$nr:${3:-}")
}

# boot OPTION... SCRIPT
boot() {
	"$TOP/tests/vm/run-uml" --kernel "$KERNEL" --variant "$VARIANT" --env "SETS=${SETS[*]}" "$@" "${IMAGES[@]}" || FAILED=1
}

ours() {
	local script=$1 environment=() variable
	shift
	for variable; do
		environment+=(--env "$variable")
	done
	boot "${environment[@]}" "$script"
}

# checked OPTION IMAGE...
checked() {
	bcachectl fsck -n ${1:+"--$1"} "${@:2}" <<<"$PASSPHRASE" >"$WORK/fsck" 2>&1 && return
	sed 's/^/# /' "$WORK/fsck"
	return 1
}

judged() {
	local set name nr option
	for set in "${SETS[@]}"; do
		IFS=: read -r name nr option <<<"$set"
		try "$name: bcachectl fsck" checked "$option" "$WORK/$name".*.img
	done
	boot --judge "$TOP/tests/vm/in-guest-judge"
}

# in_each_set COMMAND...: in the guest: once for each set, with its $NAME, $MEMBERS (devices) and $OPTION
in_each_set() {
	local set nr rest=("${DISK[@]}")
	for set in $SETS; do
		IFS=: read -r NAME nr OPTION <<<"$set"
		MEMBERS=("${rest[@]:0:nr}")
		rest=("${rest[@]:nr}")
		"$@"
	done
}

unlocked() {
	! bcachectl probe --export "${MEMBERS[0]}" | grep -q '^BCACHE_SET_ENCRYPTED=1' ||
		bcachectl unlock "${MEMBERS[0]}" <<<"$PASSPHRASE"
}

# assembled: in the guest: the set of in_each_set; its device is $device
assembled() {
	unlocked && device=$(bcachectl assemble ${OPTION:+"--$OPTION"} "${MEMBERS[@]}")
}

# in the guest: what the in-tree driver said that is not ordinary, since the last call
nothing_said() {
	! dmesg --read-clear | grep -E 'not fixing|, fixing|[Ee]rror|inconsisten|corrupt|invalid|incorrect' |
		grep -vE 'insufficient writeable journal devices|fix_errors=no|errors=' | sed 's/^/# /' | grep .
}
