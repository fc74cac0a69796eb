#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Reading, ours beside the in-tree driver: the same image, the same kernel (User-Mode Linux at native speed), cold cache,
# turn by turn. Prints the median of each and the ratio; ratios are what counts.
set -euo pipefail
TOP=${TOP:-$(realpath "$(dirname "$0")/../..")}
O=${O:-$TOP/build}
export TOP O
ROUNDS=${ROUNDS:-3}
WORK=$O/bench
mkdir -p "$WORK"

"$TOP/tests/vm/prepare" uml
image=$WORK/read.img
if [ ! -e "$image" ]; then
	"$TOP/tests/golden/unpack" fresh-uninit
	"$TOP/tests/vm/blank_set.py" --size 2048 --bucket 512 --node 256 "$O/golden/fresh-uninit/disk0.img" "$image.part"
	"$TOP/tests/vm/run-uml" --judge --mem 1024 --timeout 900 "$TOP/tests/bench/in-guest-fill" "$image.part"
	mv "$image.part" "$image"
fi

: >"$WORK/read.results"
for round in $(seq "$ROUNDS"); do
	for driver in ours in-tree; do
		option=
		[ $driver = ours ] || option=--judge
		"$TOP/tests/vm/run-uml" $option --mem 1024 --ro-images --env DRIVER=$driver \
			"$TOP/tests/bench/in-guest-measure" "$image" | sed "s/^/$driver /" | tee -a "$WORK/read.results" >&2
	done
done

python3 - "$WORK/read.results" <<'PYTHON'
import statistics
import sys
values = {}
for line in open(sys.argv[1]):
    driver, name, value = line.split()
    values.setdefault(name, {}).setdefault(driver, []).append(float(value))
print('%-36s %12s %12s %7s' % ('', 'ours', 'in-tree', 'ratio'))
for name, by in values.items():
    ours, theirs = (statistics.median(by[d]) for d in ('ours', 'in-tree'))
    print('%-36s %12.1f %12.1f %6.2fx' % (name, ours, theirs, ours / theirs))
PYTHON
