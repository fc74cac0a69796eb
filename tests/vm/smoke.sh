#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The vehicle itself: images are the bytes they should be, writes stick, modules load and unload, results get out.
# vehicle: uml
# images: golden/fresh-1dev new:64M
. "$TOP/tests/vm/lib.sh"

sha256_of() {
	sha256sum "$1" | cut -d' ' -f1
}

wanted=$(awk '$2 == "disk0.img" { print $1 }' "$TOP/tests/golden/fresh-1dev/MANIFEST.txt")
try "the first disk holds the golden image" same "$(sha256_of "${DISK[0]}")" "$wanted"

write_and_read() {
	echo "written in $VEHICLE" | dd of="$1" bs=4096 conv=sync,fsync status=none
	drop_caches
	same "$(dd if="$1" bs=4096 count=1 status=none | tr -d '\0' | head -n 1)" "written in $VEHICLE"
}
try "the second disk keeps what is written" write_and_read "${DISK[1]}"

try "the kernel's own modules load" modprobe ext4
use_ext4() {
	mkfs.ext4 -q "${DISK[1]}" && mount "${DISK[1]}" /mnt && echo x >/mnt/x && umount /mnt
}
try "a file system can be made and mounted" use_ext4
try "device-mapper works" dmsetup create smoke-zero --table "0 8 zero"
try "its device can be read" same "$(head -c 4096 /dev/mapper/smoke-zero | tr -d '\0' | wc -c)" 0
try "and removed" dmsetup remove smoke-zero

modules=$(find "$O/modules/$(uname -r)" -name '*.ko' -printf '%f\n' | sed 's/\.ko$//' | sort)
[ -n "$modules" ] || skip "our modules load" "none are built for $(uname -r)"
for module in $modules; do
	try "module $module loads" modprobe "$module"
	try "module $module is ours" test -e "/sys/module/${module//-/_}"
done
# The engine goes last: the others rest on it.
modprobe -r $(grep -vx bcachefs_engine <<<"$modules") $(grep -x bcachefs_engine <<<"$modules")
for module in $modules; do
	try "module $module is gone" test ! -e "/sys/module/${module//-/_}"
done

uname -r >/results/release
try "results can be written" test -s /results/release
finish
