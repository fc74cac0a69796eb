#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "bcachectl list" on every golden set: its text equals the reference listing byte by byte, its JSON key by key; fsck -n
# finds nothing; the images stay as they were.
. "$TOP/tests/vm/lib.sh"
GOLDEN_DIR=$TOP/tests/golden
WORK=$(mktemp -d "${TMPDIR:-/tmp}/listings.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export PATH=$O:$PATH

# reference SET KIND: a reference listing, "stale" marks left out where only a replayed journal could tell
reference() {
	zstd -dcq "$GOLDEN_DIR/$1/btree-$2.txt.zst"
}

options_of() {
	case $1 in
	degraded) echo --degraded ;;
	esac
}

# list SET OPTION...
list() {
	local set=$1
	shift
	echo 'correct horse' | bcachectl list $(options_of "$set") "$@" "$O/golden/$set"/disk[0-9].img 2>"$WORK/messages"
}

text_equal() {
	list "$1" >"$WORK/text" && reference "$1" "$2" | cmp - "$WORK/text"
}

nodes_alone_equal() {
	list "$1" --no-journal >"$WORK/text" && cmp <(reference "$1" keys | sed 's/ stale$//') "$WORK/text"
}

json_equal() {
	bcachectl show-super --json "$O/golden/$1/disk0.img" >"$WORK/super.json" &&
		list "$1" --json >"$WORK/json" &&
		"$GOLDEN_DIR/json_text.py" "$WORK/super.json" <"$WORK/json" >"$WORK/json.text" &&
		reference "$1" "$2" | "$GOLDEN_DIR/json_text.py" --plain >"$WORK/reference" &&
		diff "$WORK/reference" "$WORK/json.text" | head -n 20 >"$WORK/diff" && [ ! -s "$WORK/diff" ] || { cat "$WORK/diff"; false; }
}

no_findings() {
	echo 'correct horse' | bcachectl fsck -n $(options_of "$1") "$O/golden/$1"/disk[0-9].img
}

unchanged() {
	(cd "$O/golden/$1" && grep -E '^[0-9a-f]{64}  disk[0-9].img$' "$GOLDEN_DIR/$1/MANIFEST.txt" | sha256sum --quiet -c)
}

for dir in "$GOLDEN_DIR"/*/; do
	set=$(basename "$dir")
	[ -e "$dir/btree-keys.txt.zst" ] || continue
	kind=keys
	if [ -e "$dir/btree-keys-replayed.txt.zst" ]; then
		kind=keys-replayed
		try "$set: the nodes alone, as text" nodes_alone_equal "$set"
	fi
	try "$set: keys as text" text_equal "$set" $kind
	try "$set: keys as JSON" json_equal "$set" $kind
	try "$set: fsck -n" no_findings "$set"
	try "$set: nothing was written" unchanged "$set"
done
finish
