#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Without systemd: a set that is complete but locked is asked for on the console. (With systemd a unit does that.)
# dracut sources this.
if [ ! -d /run/systemd/system ]; then
	bcachectl status --export 2>/dev/null | while read -r uuid state; do
		[ "$state" = locked ] || continue
		bcachectl unlock "$uuid" </dev/console 2>/dev/console &&
			bcachectl assemble --recorded --no-wait "$uuid" >/dev/null
	done
fi
