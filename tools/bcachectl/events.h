/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_EVENTS_H
#define BCACHECTL_EVENTS_H

/* What can happen to sets and members. docs/boot.md and bcachectl-daemon(8) list them. */
enum event_kind {
	EVENT_SET_ASSEMBLED,
	EVENT_SET_STOPPED,
	EVENT_SET_FAILED,		/* could not be started, cannot be written, or lost its last member */
	EVENT_SET_DEGRADED,
	EVENT_SET_COMPLETE,		/* was degraded, is not any more */
	EVENT_MEMBER_LOST,
	EVENT_MEMBER_JOINED,
	EVENT_MEMBER_LATE,		/* is there again, and cannot be taken into the running set */
	EVENT_MEMBER_ERRORS,		/* I/O or checksum errors became more */
	EVENT_SET_FINDINGS,		/* violations of the format's rules became more */
	EVENT_TIER_FULL,		/* a group of members has hardly any room left */
	EVENT_NR,
};

struct event {
	enum event_kind	kind;
	const char	*uuid;		/* of the set */
	const char	*name;		/* of its device */
	int		index;		/* member, or -1 */
	const char	*device;	/* the member's, or "" */
	const char	*text;		/* what happened, for people */
};

/* who is told */
typedef void (*event_fn)(const struct event *e, void *ctx);

/* "member-lost" */
const char *event_name(enum event_kind kind);

/* to the journal with its fields, or to standard error where there is none */
void event_log(const struct event *e);
/* start the hook script, if there is one, and do not wait. The caller reaps children */
void event_run_hook(const struct event *e, const char *hook);

#endif
