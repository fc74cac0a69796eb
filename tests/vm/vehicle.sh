# SPDX-License-Identifier: GPL-2.0
#
# What run-uml and run-qemu share: the command line, the job, the modules, and the verdict. Sourced after host.sh.
#
#   run-X [--kernel 6.1|6.12] [--mem M] [--keep] [--debug] [--judge] [--timeout S] [--ro-images] [--env NAME=VALUE]
#         SCRIPT [IMAGE...]
#
#   --kernel     which kernel (default 6.12)
#   --mem        the guest's memory in MiB
#   --keep       keep the working directory (console, output) and say where it is
#   --debug      a kernel with lockdep and other checks (run-uml)
#   --judge      "modprobe bcachefs" loads the kernel's own in-tree module instead of ours
#   --one-cpu    keep the guest on one of the host's processors: one that starts many programs is up to twice as fast so, as
#                each of its system calls goes from one thread of the host to another (run-uml)
#   --timeout    seconds after which the guest is killed (default $VEHICLE_TIMEOUT, or 600); what a script asks for is meant for
#                the plain kernel: $SLOWER times as many on one that watches locks or memory
#   --ro-images  attach the images read-only
#   --env        a variable for the script's environment (may be repeated)
#   --variant    plain, debug or kasan: --debug is short for the second
#   --early      a file that the initramfs sources (busybox) when the guest's root is complete in /new, before systemd starts
#                (run-qemu)
#   --append     words for the kernel command line (run-qemu; may be repeated)
#   --monitor    a socket at which QEMU's monitor answers (monitor.py), by which disks can be pulled and put back: device
#                dev-diskN in portN for the N-th image, from 0 (run-qemu)
#
# SCRIPT runs as root in the guest, with $O (build/) first in PATH, the images' devices, in order, in $DISKS, and in $SLOWER by
# what it multiplies its own time limits: 1, or 5 on a kernel that watches locks or memory. Its standard output and error are
# ours. What it leaves in /results is in $RESULTS afterwards, beside console.log. Our exit status is SCRIPT's, or 124 after a
# timeout, or 125 when the guest died or the kernel's log holds a report of damage (an oops, a BUG, a WARNING, lockdep,
# KASAN...), which is then printed.

KERNEL=6.12
MEM=
KEEP=
VARIANT=plain
JUDGE=
ONE_CPU=
TIMEOUT=${VEHICLE_TIMEOUT:-600}
ASKED=0
SLOWER=1
RO_IMAGES=
EARLY=
APPEND=
MONITOR=
ENVIRONMENT=()
IMAGES=()

STATUS_TIMEOUT=124
STATUS_BROKEN=125

# Reports of damage. The taint that an out-of-tree module leaves is not among them.
DAMAGE='kernel BUG at|BUG: |WARNING: |Oops|Kernel panic|general protection fault|Call Trace:|INFO: (task .* blocked|rcu_)'
DAMAGE+='|possible (circular|recursive|irq lock inversion|deadlock)|suspicious RCU|KASAN:|KFENCE:|UBSAN:|refcount_t: '
DAMAGE+='|unreferenced object|DEBUG_LOCKS_WARN|list_(add|del) corruption|ODEBUG:|Objects remaining'

usage() {
	sed -n 's/^#   run-X/usage: '"${0##*/}"'/p; s/^#   \(--.*\)/  \1/p' "$VM_DIR/vehicle.sh" >&2
	exit 2
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel) KERNEL=${2:?}; shift ;;
		--mem) MEM=${2:?}; shift ;;
		--keep) KEEP=1 ;;
		--debug) VARIANT=debug ;;
		--variant) VARIANT=${2:?}; shift ;;
		--judge) JUDGE=1 ;;
		--one-cpu) ONE_CPU=1 ;;
		--timeout) ASKED=${2:?}; shift ;;
		--ro-images) RO_IMAGES=1 ;;
		--early) EARLY=$(realpath -e "${2:?}"); shift ;;
		--append) APPEND+=" ${2:?}"; shift ;;
		--monitor) MONITOR=${2:?}; shift ;;
		--env) ENVIRONMENT+=("${2:?}"); shift ;;
		-*) usage ;;
		*) break ;;
		esac
		shift
	done
	[ $# -gt 0 ] || usage
	[ "$VARIANT" = plain ] || SLOWER=5
	TIMEOUT=$((ASKED ? ASKED * SLOWER : TIMEOUT))
	case $KERNEL in 6.1 | 6.12) ;; *) die "no kernel $KERNEL; there are 6.1 and 6.12" ;; esac
	SCRIPT=$(realpath -e "$1") || die "no script $1"
	shift
	local image
	for image; do
		IMAGES+=("$(realpath -e "$image")") || die "no image $image"
	done
}

# WORK holds the job and what comes of it; RESULTS is the caller's, or lies in WORK and goes with it.
make_work() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/vehicle.XXXXXX")
	RESULTS=${RESULTS:-$WORK/results}
	mkdir -p "$RESULTS"
	RESULTS=$(realpath "$RESULTS")
	CONSOLE=$RESULTS/console.log
	: >"$CONSOLE"
	: >"$WORK/stdout"
	: >"$WORK/stderr"
	trap end_work EXIT
	trap 'exit 130' INT TERM HUP
}

end_work() {
	stop_guest
	if [ -n "$KEEP" ]; then
		say "kept $WORK, console in $CONSOLE"
	else
		rm -rf "$WORK"
	fi
}

stop_guest() {
	[ -z "${GUEST:-}" ] || kill -KILL -- "-$GUEST" 2>/dev/null || true
}

# write_job KIND DISKS: the job, read by the guest. Shell quoting, so that any path will do.
write_job() {
	local variable
	{
		declare -p SCRIPT OUT TOP
		printf 'VEHICLE=%q DISKS=%q RELEASE=%q\n' "$1" "$2" "$RELEASE"
		printf 'export VARIANT=%q SLOWER=%q\n' "$VARIANT" "$SLOWER"
		for variable in "${ENVIRONMENT[@]}"; do
			printf 'export %s=%q\n' "${variable%%=*}" "${variable#*=}"
		done
	} >"$WORK/job"
}

# stripped FROM TO: modules without debug information, which is nine tenths of them: a guest that is emulated reads it all
stripped() {
	local module
	mkdir "$2"
	for module in "$1"/*.ko; do
		[ ! -e "$module" ] || strip --strip-debug -o "$2/${module##*/}" "$module"
	done
}

# module_tree RELEASE KERNEL_MODULES JUDGE_DIR: prints a directory that serves as /lib/modules/RELEASE in the guest: the
# kernel's own modules, and ours (or the judge) under updates/, where depmod prefers them.
module_tree() {
	local release=$1 kernel=$2 judge=$3 ours=$OUT/modules/$1 tree=$OUT/vehicle/$1
	[ -z "$JUDGE" ] || ours=$judge tree=$tree-judge
	mkdir -p "$tree/lib/modules/$release" "$OUT/modules/$release"
	(
		flock 6
		cd "$tree/lib/modules/$release"
		if [ ! modules.dep -nt "$ours" ] || [ "$(readlink kernel)" != "$kernel/kernel" ] ||
			[ -n "$(find "$ours/" -name '*.ko' -newer modules.dep -print -quit)" ]; then
			ln -sfn "$kernel/kernel" kernel
			rm -rf updates
			if [ -n "$JUDGE" ]; then
				ln -s "$ours" updates
			else
				stripped "$ours" updates
			fi
			cp "$kernel"/modules.{order,builtin} .
			cp "$kernel"/modules.builtin.modinfo . 2>/dev/null || true
			depmod -b "$tree" "$release"
		fi
	) 6>"$tree/.lock"
	echo "$tree/lib/modules/$release"
}

# relay: copies the script's output to ours while the guest process lives, and what is left afterwards.
relay() {
	tail -q -c +1 -s 0.02 --pid="$GUEST" -f "$WORK/stdout" &
	tail -q -c +1 -s 0.02 --pid="$GUEST" -f "$WORK/stderr" >&2 &
	wait %tail 2>/dev/null || true
}

# verdict STATUS_FILE: exits as the contract says.
verdict() {
	local status damage
	damage=$(grep -anE "$DAMAGE" "$CONSOLE" | head -n 1 | cut -d: -f1 || true)
	if [ -n "$damage" ]; then
		say "the kernel reported damage:"
		tail -n "+$((damage > 3 ? damage - 3 : 1))" "$CONSOLE" | head -n 80 >&2
		exit $STATUS_BROKEN
	fi
	if [ -n "${TIMED_OUT:-}" ]; then
		say "killed after $TIMEOUT s; the end of the console:"
		tail -n 40 "$CONSOLE" >&2
		exit $STATUS_TIMEOUT
	fi
	status=$(cat "$1" 2>/dev/null || true)
	if [ -z "$status" ]; then
		say "the guest died before the script ended; the end of the console:"
		tail -n 40 "$CONSOLE" >&2
		exit $STATUS_BROKEN
	fi
	if [ "$status" != 0 ]; then
		say "the script's exit status is $status; the console since it began:"
		sed '1,/ as init process/d' "$CONSOLE" | tail -n 40 >&2
	fi
	exit "$status"
}
