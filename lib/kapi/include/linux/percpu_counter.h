/* SPDX-License-Identifier: GPL-2.0 */
/* Approximate counters, exact here. */
#ifndef KAPI_LINUX_PERCPU_COUNTER_H
#define KAPI_LINUX_PERCPU_COUNTER_H

#include <linux/atomic.h>
#include <linux/gfp_types.h>
#include <linux/types.h>

struct percpu_counter {
	atomic64_t count;
};

static inline int percpu_counter_init(struct percpu_counter *c, s64 n, gfp_t gfp)
{
	(void)gfp;
	atomic64_set(&c->count, n);
	return 0;
}

static inline void percpu_counter_destroy(struct percpu_counter *c)
{
	(void)c;
}

static inline void percpu_counter_set(struct percpu_counter *c, s64 n)
{
	atomic64_set(&c->count, n);
}

static inline void percpu_counter_add(struct percpu_counter *c, s64 n)
{
	atomic64_add(n, &c->count);
}

static inline s64 percpu_counter_read(struct percpu_counter *c)
{
	return atomic64_read(&c->count);
}

static inline s64 percpu_counter_read_positive(struct percpu_counter *c)
{
	s64 n = atomic64_read(&c->count);

	return n < 0 ? 0 : n;
}
#define percpu_counter_sub(c, n)	percpu_counter_add(c, -(n))
#define percpu_counter_inc(c)		percpu_counter_add(c, 1)
#define percpu_counter_dec(c)		percpu_counter_add(c, -1)
#define percpu_counter_add_batch(c, n, b) percpu_counter_add(c, n)
#define percpu_counter_sum(c)		percpu_counter_read(c)
#define percpu_counter_sum_positive(c)	percpu_counter_read_positive(c)

#endif
