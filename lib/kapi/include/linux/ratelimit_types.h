/* SPDX-License-Identifier: GPL-2.0 */
/* Rate limits. */
#ifndef KAPI_LINUX_RATELIMIT_TYPES_H
#define KAPI_LINUX_RATELIMIT_TYPES_H

#include <linux/compiler.h>
#include <linux/types.h>

#define DEFAULT_RATELIMIT_INTERVAL	(5 * 250)
#define DEFAULT_RATELIMIT_BURST		10

struct ratelimit_state {
	int interval;
	int burst;
	s64 begin;
	int printed;
	int missed;
	unsigned long flags;
};

#define RATELIMIT_STATE_INIT(name, i, b) { .interval = (i), .burst = (b) }
#define RATELIMIT_STATE_INIT_DISABLED	{ .interval = 0, .burst = 0 }
#define DEFINE_RATELIMIT_STATE(name, i, b) \
	struct ratelimit_state name = RATELIMIT_STATE_INIT(name, i, b)
#define RATELIMIT_MSG_ON_RELEASE	1

int ___ratelimit(struct ratelimit_state *rs, const char *func);
#define __ratelimit(rs)	___ratelimit(rs, __func__)

#endif
