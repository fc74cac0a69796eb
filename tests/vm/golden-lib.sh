# SPDX-License-Identifier: GPL-2.0
#
# Shared by the tests over golden sets: how to assemble the one under test, and what must hold of it.

PASSPHRASE='correct horse'

# assemble_golden [OPTION...]: prints the device; the options that the set needs are added.
assemble_golden() {
	case $GOLDEN in
	encrypted) echo "$PASSPHRASE" | bcachectl unlock "${DISK[0]}" || return ;;
	degraded) set -- "$@" --degraded ;;
	fresh-uninit) set -- "$@" --read-only ;;
	esac
	bcachectl assemble "$@" "${DISK[0]}"
}

contents_reference() {
	local file=$TOP/tests/golden/$GOLDEN/contents.txt
	[ -e "$file" ] && echo "$file" || echo "$file.zst"
}

# contents_right [OPTION...]: all of /mnt is as the in-tree driver showed it. A set that was never started gets its first
# names as it is looked at, each time anew.
contents_right() {
	[ "$GOLDEN" != fresh-uninit ] || set -- "$@" --no-mtime
	"$TOP/tests/vm/manifest.py" "$@" /mnt "$(contents_reference)"
}

# The devices' bytes are those that the in-tree driver left: nothing was written.
bytes_unchanged() {
	local i sum
	for i in "${!DISK[@]}"; do
		sum=$(sha256sum "${DISK[i]}" | cut -d' ' -f1)
		same "$sum  disk$i.img" "$(grep "  disk$i.img\$" "$TOP/tests/golden/$GOLDEN/MANIFEST.txt")" || return
	done
}

load_modules() {
	modprobe dm-bcache && modprobe bcachefs
}
