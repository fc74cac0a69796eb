# SPDX-License-Identifier: GPL-2.0
#
# For scripts in a guest: PostgreSQL as a user nobody, with its data in /mnt/pg.

PG=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)	# empty: it is not installed

pg() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups env PATH="$PG:$PATH" PGHOST=/mnt/pg PGDATA=/mnt/pg/data LC_ALL=C "$@"
}

pg_start() {
	pg pg_ctl start -w -s -l /mnt/pg/log -o "-c listen_addresses= -c unix_socket_directories=/mnt/pg" || { tail -5 /mnt/pg/log | sed 's/^/# /'; return 1; }
}

# pg_made OPTION...: a new cluster
pg_made() {
	mkdir /mnt/pg && chown nobody:nogroup /mnt/pg && pg initdb -A trust "$@" >/run/initdb 2>&1 ||
		{ tail -n 3 /run/initdb | sed 's/^/# /'; return 1; }
}
