/* SPDX-License-Identifier: GPL-2.0 */
/* Reader-biased semaphores, here without the bias. */
#ifndef KAPI_LINUX_PERCPU_RWSEM_H
#define KAPI_LINUX_PERCPU_RWSEM_H

#include <linux/rwsem.h>

struct percpu_rw_semaphore {
	struct rw_semaphore rw;
};
#define DEFINE_STATIC_PERCPU_RWSEM(name) \
	static struct percpu_rw_semaphore name = { .rw = __RWSEM_INITIALIZER(name.rw) }

static inline int percpu_init_rwsem(struct percpu_rw_semaphore *s)
{
	init_rwsem(&s->rw);
	return 0;
}

static inline void percpu_free_rwsem(struct percpu_rw_semaphore *s)
{
	(void)s;
}
#define percpu_down_read(s)		down_read(&(s)->rw)
#define percpu_down_read_trylock(s)	down_read_trylock(&(s)->rw)
#define percpu_up_read(s)		up_read(&(s)->rw)
#define percpu_down_write(s)		down_write(&(s)->rw)
#define percpu_up_write(s)		up_write(&(s)->rw)

#endif
