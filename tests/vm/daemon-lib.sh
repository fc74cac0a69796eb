# SPDX-License-Identifier: GPL-2.0
#
# A daemon with a hook that writes its events down. Sourced after udev-lib.sh.
SOCKET=/run/bcachectl.socket
HOOK=/run/hook
EVENTS=/run/events	# EVENT UUID NAME MEMBER MESSAGE, one line each; ": >$EVENTS" forgets them

cat >$HOOK <<'END'
#!/bin/sh
echo "$1 $2 $BCACHE_SET_NAME ${BCACHE_MEMBER_INDEX:--} $BCACHE_MESSAGE" >>/run/events
END
chmod +x $HOOK
: >$EVENTS

start_daemon() {
	bcachectl daemon --hook $HOOK --group daemon 2>>/run/daemon.log &
	DAEMON=$!
	wait_for 5 test -S $SOCKET
}

# event PATTERN [SECONDS]: waits for one; shows those that came instead
event() {
	wait_for "${2:-12}" grep -qE "$1" $EVENTS || { sed 's/^/# /' $EVENTS; return 1; }
}

# events PATTERN: prints how many came
events() {
	grep -cE "$1" $EVENTS
}
