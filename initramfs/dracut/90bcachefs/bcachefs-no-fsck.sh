#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Before the root is mounted: dracut would let fsck(8) guess what to check, and that guesses ext2. A set recovers by being
# started, so there is nothing to check. dracut sources this; the functions and variables are its own.
type det_fs >/dev/null 2>&1 || . /lib/fs-lib.sh
if [ "$(det_fs "${root#block:}" "$fstype")" = bcachefs ]; then
	fastboot=yes
fi
