#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Writing, ours beside the in-tree driver, ext4, xfs and btrfs: the same kernel (User-Mode Linux at native speed), the same
# empty disk, turn by turn. Prints the median of each and ours as a ratio to the others; ratios are what counts.
#
# The disk is a file whose blocks are all there beforehand, in memory where there is room: otherwise who writes to new
# places (ours, in-tree, btrfs) is charged for the host's finding pages, and who writes over the old ones is not.
#
#   ROUNDS=n (3)   FILES=n (10000)   SYSTEMS="ours in-tree ext4 xfs btrfs"   SECONDS_EACH=n (3)
#   TREE=dir       a source tree to be copied in as a tar file (default: headers of Debian's 6.12 kernel where the vehicles have
#                  them, else this one's)
set -euo pipefail
TOP=${TOP:-$(realpath "$(dirname "$0")/../..")}
O=${O:-$TOP/build}
export TOP O
ROUNDS=${ROUNDS:-3}
SYSTEMS=${SYSTEMS:-ours in-tree ext4 xfs btrfs}
WORK=$O/bench
mkdir -p "$WORK"
IMAGE=$WORK/write.img
if [ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -1)" -gt 3000 ]; then
	IMAGE=$(mktemp /dev/shm/write-uml.XXXXXX)
fi
trap 'rm -f "$IMAGE"' EXIT

"$TOP/tests/vm/prepare" uml
TREE=${TREE:-$("$TOP/tests/vm/make-debian" --kernel 6.12 2>/dev/null)/package/usr/src} || true
[ -d "$TREE" ] || TREE=$TOP/lib
tar -C "$TREE" -cf "$WORK/tree.tar" .
: >"$WORK/write.results"
for round in $(seq "$ROUNDS"); do
	for system in $SYSTEMS; do
		rm -f "$IMAGE"
		truncate -s 2G "$IMAGE"
		[ "$system" != ours ] || "$O/bcachectl" format -q "$IMAGE"
		option=
		if [ "$system" = in-tree ]; then
			option=--judge
			"$O/bcachectl" format -q "$IMAGE"
		fi
		fallocate -l 2G "$IMAGE"
		"$TOP/tests/vm/run-uml" $option --mem 1024 --env "SYSTEM=$system" --env "FILES=${FILES:-10000}" \
			--env "SECONDS_EACH=${SECONDS_EACH:-3}" --env "TAR=$WORK/tree.tar" --env "ONLY=${ONLY:-}" \
			"$TOP/tests/bench/in-guest-write" "$IMAGE" | sed "s/^/$system /" | tee -a "$WORK/write.results" >&2
	done
done

python3 - "$WORK/write.results" $SYSTEMS <<'PYTHON'
import statistics
import sys
systems = sys.argv[2:]
values = {}
for line in open(sys.argv[1]):
    system, name, value = line.split()
    values.setdefault(name, {}).setdefault(system, []).append(float(value))
print('%-28s' % '' + ''.join('%12s' % s for s in systems) + ''.join('%9s' % s for s in systems[1:]))
for name, by in values.items():
    medians = [statistics.median(by[s]) if s in by else float('nan') for s in systems]
    print('%-28s' % name + ''.join('%12.1f' % m for m in medians) +
          ''.join('%8.2fx' % (medians[0] / m) for m in medians[1:]))
PYTHON
