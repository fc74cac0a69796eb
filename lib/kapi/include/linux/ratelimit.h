/* SPDX-License-Identifier: GPL-2.0 */
/* Rate limits. */
#ifndef KAPI_LINUX_RATELIMIT_H
#define KAPI_LINUX_RATELIMIT_H

#include <linux/ratelimit_types.h>

void ratelimit_state_init(struct ratelimit_state *rs, int interval, int burst);

static inline void ratelimit_default_init(struct ratelimit_state *rs)
{
	ratelimit_state_init(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
}

static inline void ratelimit_state_exit(struct ratelimit_state *rs)
{
	(void)rs;
}

static inline void ratelimit_set_flags(struct ratelimit_state *rs, unsigned long flags)
{
	rs->flags = flags;
}

#define WARN_ON_RATELIMIT(c, state)	WARN_ON((c) && __ratelimit(state))

#endif
