// SPDX-License-Identifier: GPL-2.0
/*
 * Events are told three times: to the journal as an entry with fields, so that a program need not
 * read sentences; to the administrator's hook script; and to those who watch (cmd_daemon.c).
 *
 * The journal's own protocol: a datagram of lines NAME=VALUE. No value of ours has a newline in it.
 */
#include "events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "engine/util/text.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"

static const struct {
	const char	*name;
	const char	*message_id;
	bool		warning;
} kinds[EVENT_NR] = {
	[EVENT_SET_ASSEMBLED]	= { "set-assembled",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e11" },
	[EVENT_SET_STOPPED]	= { "set-stopped",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e12" },
	[EVENT_SET_FAILED]	= { "set-failed",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e13", true },
	[EVENT_SET_DEGRADED]	= { "set-degraded",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e14", true },
	[EVENT_SET_COMPLETE]	= { "set-complete",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e15" },
	[EVENT_MEMBER_LOST]	= { "member-lost",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e16", true },
	[EVENT_MEMBER_JOINED]	= { "member-joined",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e17" },
	[EVENT_MEMBER_LATE]	= { "member-late",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e18", true },
	[EVENT_MEMBER_ERRORS]	= { "member-errors",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e19", true },
	[EVENT_SET_FINDINGS]	= { "set-findings",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e1a", true },
	[EVENT_TIER_FULL]	= { "tier-full",	"4b1f6d0c8f5e4f0b9a3d2e71c05a6e1b", true },
};

const char *event_name(enum event_kind kind)
{
	return kinds[kind].name;
}

static void fields(const struct event *e, struct text_buf *out)
{
	bce_text_printf(out, "BCACHE_EVENT=%s\nBCACHE_SET_UUID=%s\nBCACHE_SET_NAME=%s\n",
			event_name(e->kind), e->uuid, e->name);
	if (e->index >= 0)
		bce_text_printf(out, "BCACHE_MEMBER_INDEX=%d\nBCACHE_MEMBER_DEVICE=%s\n", e->index,
				e->device);
}

static bool send_to_journal(const struct text_buf *entry)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool sent;

	if (fd < 0)
		return false;
	sent = sendto(fd, bce_text_str(entry), entry->len, MSG_NOSIGNAL, (void *)&to,
		      sizeof(to)) >= 0;
	close(fd);
	return sent;
}

void event_log(const struct event *e)
{
	struct text_buf entry = TEXT_BUF_INIT;

	bce_text_printf(&entry, "MESSAGE=set \"%s\": %s\nPRIORITY=%d\nMESSAGE_ID=%s\n"
			"SYSLOG_IDENTIFIER=bcachectl\n", e->name, e->text,
			kinds[e->kind].warning ? LOG_WARNING : LOG_INFO, kinds[e->kind].message_id);
	fields(e, &entry);
	if (!send_to_journal(&entry))
		fprintf(stderr, "bcachectl: set \"%s\": %s\n", e->name, e->text);
	bce_text_exit(&entry);
}

void event_run_hook(const struct event *e, const char *hook)
{
	struct text_buf env = TEXT_BUF_INIT;
	char *rest, *line;

	if (access(hook, X_OK) || fork())
		return;
	fields(e, &env);
	rest = env.buf;
	while ((line = strsep(&rest, "\n")) && *line)
		putenv(line);
	setenv("BCACHE_MESSAGE", e->text, 1);
	execl(hook, hook, event_name(e->kind), e->uuid, NULL);
	_exit(127);
}
