/* SPDX-License-Identifier: GPL-2.0 */
/* Sequence counters. Data read inside must be read with READ_ONCE() to be clean under TSan. */
#ifndef KAPI_LINUX_SEQLOCK_H
#define KAPI_LINUX_SEQLOCK_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/types.h>

typedef struct seqcount {
	unsigned int sequence;
} seqcount_t;
#define SEQCNT_ZERO(name)	{ 0 }

static inline void seqcount_init(seqcount_t *s)
{
	s->sequence = 0;
}

static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;

	while ((seq = smp_load_acquire(&s->sequence)) & 1)
		cpu_relax();
	return seq;
}

static inline unsigned int raw_read_seqcount(const seqcount_t *s)
{
	return smp_load_acquire(&s->sequence);
}

static inline int read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return READ_ONCE(s->sequence) != start;
}

static inline void write_seqcount_begin(seqcount_t *s)
{
	WRITE_ONCE(s->sequence, s->sequence + 1);
	smp_wmb();
}

static inline void write_seqcount_end(seqcount_t *s)
{
	smp_store_release(&s->sequence, s->sequence + 1);
}
#define raw_write_seqcount_begin(s)	write_seqcount_begin(s)
#define raw_write_seqcount_end(s)	write_seqcount_end(s)

typedef struct {
	seqcount_t seqcount;
	spinlock_t lock;
} seqlock_t;
#define DEFINE_SEQLOCK(name)	seqlock_t name = { .lock = __SPIN_LOCK_UNLOCKED(name.lock) }

static inline void seqlock_init(seqlock_t *s)
{
	seqcount_init(&s->seqcount);
	spin_lock_init(&s->lock);
}

static inline unsigned int read_seqbegin(const seqlock_t *s)
{
	return read_seqcount_begin(&s->seqcount);
}

static inline unsigned int read_seqretry(const seqlock_t *s, unsigned int start)
{
	return read_seqcount_retry(&s->seqcount, start);
}

static inline void write_seqlock(seqlock_t *s)
{
	spin_lock(&s->lock);
	write_seqcount_begin(&s->seqcount);
}

static inline void write_sequnlock(seqlock_t *s)
{
	write_seqcount_end(&s->seqcount);
	spin_unlock(&s->lock);
}

#endif
