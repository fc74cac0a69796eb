#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dracut has waited long enough (rd.timeout): without systemd, sets short of members start without them if they can.
# dracut sources this.
if [ ! -d /run/systemd/system ]; then
	bcachectl status --export 2>/dev/null | while read -r uuid state; do
		case $(sed -n 's/.*\bbcachefs\.degraded=\([^ ]*\).*/\1/p' /proc/cmdline) in
		no | 0) degraded= ;;
		very) degraded=--very-degraded ;;
		*) degraded=--degraded ;;
		esac
		bcachectl assemble --recorded $degraded "$uuid" >/dev/null
	done
fi
