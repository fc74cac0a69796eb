/* SPDX-License-Identifier: GPL-2.0 */
/* Completions. */
#ifndef KAPI_LINUX_COMPLETION_H
#define KAPI_LINUX_COMPLETION_H

#include <linux/wait.h>

struct completion {
	unsigned int done;
	struct wait_queue_head wait;
};
#define COMPLETION_INITIALIZER(name) \
	{ .done = 0, .wait = __WAIT_QUEUE_HEAD_INITIALIZER((name).wait) }
#define COMPLETION_INITIALIZER_ONSTACK(name)	COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION(name)		struct completion name = COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION_ONSTACK(name)	DECLARE_COMPLETION(name)

void init_completion(struct completion *c);
void reinit_completion(struct completion *c);
void complete(struct completion *c);
void complete_all(struct completion *c);
void wait_for_completion(struct completion *c);
unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout_jiffies);
bool try_wait_for_completion(struct completion *c);
bool completion_done(struct completion *c);

static inline int wait_for_completion_killable(struct completion *c)
{
	wait_for_completion(c);
	return 0;
}
#define wait_for_completion_interruptible(c)	wait_for_completion_killable(c)
#define wait_for_completion_io(c)		wait_for_completion(c)
#define wait_for_completion_io_timeout(c, t)	wait_for_completion_timeout(c, t)

#endif
