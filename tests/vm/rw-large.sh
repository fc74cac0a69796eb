#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Members of the sizes that people have (the images are sparse): rings, buckets and btrees of the allocator are as long and large
# there as small members never have them. Many files and some data at once, as fast as it goes; after a power failure all that
# was synced is there, and both checkers find nothing wrong.
# vehicle: uml
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/sets-lib.sh"

new_set desk @64G
new_set rack --replicas=2 --label=ssd @100G --label=hdd @500G --label=hdd @500G

for step in write look; do
	ours "$TOP/tests/vm/in-guest-large" "STEP=$step"
	judged
done
finish
