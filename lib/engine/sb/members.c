// SPDX-License-Identifier: GPL-2.0
/*
 * The member table: which device stands in which slot of the set.
 *
 * Devices come and go while readers are active: a device-mapper table is
 * reloaded with another list, or wiped under a mounted file system. So every
 * I/O is bracketed by bce_member_get_io() and bce_member_put_io(), and whoever
 * empties a slot waits until the last bracket of the old occupant is closed.
 *
 *   table->slot[idx].dev ----> struct attached { member_dev; io_refs; drained }
 *   table->slot[idx].stats     stays when the device is replaced
 *
 * Lookup takes no lock: the pointer is read under RCU and a reference is taken
 * unless the count has already dropped to zero. io_refs starts at one, the
 * table's own reference. Taking a device out of its slot drops that one and
 * waits for @drained, which the last put completes. The memory is freed after
 * a grace period, since a lookup may still be looking at the dead counter.
 *
 * table->lock (a mutex) orders attach and detach against each other; it is
 * never held while waiting for I/O, so a stuck device does not keep others
 * from being attached.
 *
 * Statistics are per slot, not per device, so that a reload does not forget
 * them; another device (by uuid) in the same slot starts from zero. The latency
 * is an exponentially weighted mean, one eighth per sample: some tens of reads
 * after a device changed its speed the mean has followed. Two updates at the
 * same moment may lose one of them, which a mean can bear.
 *
 * Beside the mean there is a histogram for each kind of I/O: one atomic counter per
 * power of two of microseconds, so that one I/O touches one of them.
 */
#include "engine/sb/members.h"

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "engine/format/ids.h"

/* weight of one latency sample: 1 / 2^3 */
#define LATENCY_SHIFT	3

struct io_stats {
	atomic64_t	bucket[BCE_LATENCY_BUCKETS];
	atomic64_t	sum_ns;
	atomic64_t	sectors;	/* of reads: in slot_stats */
	u64		max_ns;		/* raised without a lock: of two at once, the smaller one may win */
};

struct slot_stats {
	struct io_stats	io[BCE_IO_NR];
	atomic64_t	reads;
	atomic64_t	read_sectors;
	atomic64_t	io_errors;
	atomic64_t	write_errors;
	atomic64_t	csum_errors;
	u64		latency_ns;	/* racy by design; READ_ONCE, WRITE_ONCE */
	u8		uuid[16];	/* whom these numbers belong to; under table->lock */
};

struct attached {
	struct member_dev	m;
	struct slot_stats	*stats;
	void			*owner;
	refcount_t		io_refs;
	atomic64_t		ios;		/* references ever taken, quiet ones left out */
	struct completion	drained;
	struct rcu_head		rcu;
};

struct member_slot {
	struct attached __rcu	*dev;	/* written under table->lock, read under RCU */
	struct slot_stats	stats;
};

struct member_table {
	struct mutex		lock;
	u64			present;	/* bit per slot with a device; written with it, for who asks at every write */
	struct member_slot	slot[BCH_MEMBERS_MAX];
};

static atomic64_t attached_ever = ATOMIC64_INIT(0);

struct member_table *bce_members_alloc(void)
{
	struct member_table *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (t)
		mutex_init(&t->lock);
	return t;
}

/* Caller holds @t->lock. */
static struct attached *slot_dev(struct member_table *t, unsigned int idx)
{
	struct member_slot *slot = &t->slot[idx];

	return rcu_dereference_protected(slot->dev, lockdep_is_held(&t->lock));
}

/* The slot no longer shows @a: wait for its I/O, then free it. May sleep. */
static void attached_retire(struct attached *a)
{
	if (!refcount_dec_and_test(&a->io_refs))
		wait_for_completion(&a->drained);
	kfree_rcu(a, rcu);
}

static void io_stats_clear(struct io_stats *io)
{
	unsigned int i;

	for (i = 0; i < BCE_LATENCY_BUCKETS; i++)
		atomic64_set(&io->bucket[i], 0);
	atomic64_set(&io->sum_ns, 0);
	atomic64_set(&io->sectors, 0);
	WRITE_ONCE(io->max_ns, 0);
}

static void slot_stats_claim(struct slot_stats *stats, const u8 uuid[16])
{
	if (!memcmp(stats->uuid, uuid, sizeof(stats->uuid)))
		return;
	for (enum bce_io io = 0; io < BCE_IO_NR; io++)
		io_stats_clear(&stats->io[io]);
	atomic64_set(&stats->reads, 0);
	atomic64_set(&stats->read_sectors, 0);
	atomic64_set(&stats->io_errors, 0);
	atomic64_set(&stats->write_errors, 0);
	atomic64_set(&stats->csum_errors, 0);
	WRITE_ONCE(stats->latency_ns, 0);
	memcpy(stats->uuid, uuid, sizeof(stats->uuid));
}

int bce_member_attach(struct member_table *t, unsigned int idx, struct block_device *bdev,
		      const struct member_info *info, const char *name, void *owner)
{
	struct attached *a, *old;

	if (idx >= BCH_MEMBERS_MAX || !info->exists)
		return -EINVAL;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;

	a->m.bdev = bdev;
	a->m.idx = idx;
	a->m.info = *info;
	strscpy(a->m.name, name, sizeof(a->m.name));
	a->stats = &t->slot[idx].stats;
	a->owner = owner;
	refcount_set(&a->io_refs, 1);
	/* marks of a device that was here before are none of this one */
	atomic64_set(&a->ios, atomic64_inc_return(&attached_ever) << 40);
	init_completion(&a->drained);

	mutex_lock(&t->lock);
	slot_stats_claim(a->stats, info->uuid);
	old = slot_dev(t, idx);
	/* publishes the whole of *a; pairs with rcu_dereference() in bce_member_get_io() */
	rcu_assign_pointer(t->slot[idx].dev, a);
	WRITE_ONCE(t->present, t->present | BIT_ULL(idx));
	mutex_unlock(&t->lock);

	if (old)
		attached_retire(old);
	return 0;
}

/* Empty the slot if it is @owner's, or whoever's when @any. */
static void slot_detach(struct member_table *t, unsigned int idx, void *owner, bool any)
{
	struct attached *a;

	mutex_lock(&t->lock);
	a = slot_dev(t, idx);
	if (a && (any || a->owner == owner)) {
		RCU_INIT_POINTER(t->slot[idx].dev, NULL);
		WRITE_ONCE(t->present, t->present & ~BIT_ULL(idx));
	} else {
		a = NULL;
	}
	mutex_unlock(&t->lock);

	if (a)
		attached_retire(a);
}

void bce_members_detach(struct member_table *t, void *owner)
{
	unsigned int idx;

	for (idx = 0; idx < BCH_MEMBERS_MAX; idx++)
		slot_detach(t, idx, owner, false);
}

void bce_members_free(struct member_table *t)
{
	unsigned int idx;

	if (!t)
		return;
	for (idx = 0; idx < BCH_MEMBERS_MAX; idx++)
		slot_detach(t, idx, NULL, true);
	mutex_destroy(&t->lock);
	kfree(t);
}

struct member_dev *bce_member_get_io_quietly(struct member_table *t, unsigned int idx)
{
	struct attached *a;

	if (idx >= BCH_MEMBERS_MAX)
		return NULL;
	rcu_read_lock();
	a = rcu_dereference(t->slot[idx].dev);
	if (a && !refcount_inc_not_zero(&a->io_refs))
		a = NULL;
	rcu_read_unlock();
	return a ? &a->m : NULL;
}

static struct attached *to_attached(struct member_dev *m)
{
	return container_of(m, struct attached, m);
}

struct member_dev *bce_member_get_io(struct member_table *t, unsigned int idx)
{
	struct member_dev *m = bce_member_get_io_quietly(t, idx);

	if (m) {
		/* who sees it counted sees the reference: bce_member_quiet_since() */
		smp_mb__after_atomic();
		atomic64_inc(&to_attached(m)->ios);
	}
	return m;
}

/*
 * A write that a flush may have missed either was counted after the mark was set, or held a
 * reference then; in that case there is no mark.
 */
bool bce_member_quiet_since(struct member_dev *m, u64 *mark)
{
	struct attached *a = to_attached(m);
	u64 ios = atomic64_read(&a->ios);

	smp_mb();		/* pairs with bce_member_get_io() */
	if (*mark && *mark == ios)
		return true;
	/* the table's reference and the caller's */
	*mark = refcount_read(&a->io_refs) <= 2 ? ios : 0;
	return false;
}

void bce_member_put_io(struct member_dev *m)
{
	struct attached *a = to_attached(m);

	/*
	 * Only one who retires the device drops the table's reference, and then it
	 * waits for us if we are last. complete() may be followed at once by the
	 * grace period that frees @a; being under RCU holds that off.
	 */
	rcu_read_lock();
	if (refcount_dec_and_test(&a->io_refs))
		complete(&a->drained);
	rcu_read_unlock();
}

void bce_member_set_failed(struct member_dev *m)
{
	WRITE_ONCE(m->failed, true);
}

bool bce_member_is_failed(const struct member_dev *m)
{
	return m->info.state == MEMBER_FAILED || READ_ONCE(m->failed);
}

u64 bce_members_failed(struct member_table *t)
{
	struct attached *a;
	unsigned int idx;
	u64 failed = 0;

	rcu_read_lock();
	for (idx = 0; idx < BCH_MEMBERS_MAX; idx++) {
		a = rcu_dereference(t->slot[idx].dev);
		if (a && bce_member_is_failed(&a->m))
			failed |= 1ULL << idx;
	}
	rcu_read_unlock();
	return failed;
}

u64 bce_members_present(struct member_table *t)
{
	return READ_ONCE(t->present);
}

static void io_stats_add(struct io_stats *io, u64 ns)
{
	unsigned int bucket = min_t(unsigned int, fls64(div_u64(ns, NSEC_PER_USEC)), BCE_LATENCY_BUCKETS - 1);

	atomic64_inc(&io->bucket[bucket]);
	atomic64_add(ns, &io->sum_ns);
	if (ns > READ_ONCE(io->max_ns))
		WRITE_ONCE(io->max_ns, ns);
}

void bce_member_io_done(struct member_dev *m, u64 ns, bool error)
{
	struct slot_stats *stats = to_attached(m)->stats;
	u64 mean;

	if (error) {
		atomic64_inc(&stats->io_errors);
		return;		/* how long a failure took says nothing about reads */
	}
	mean = READ_ONCE(stats->latency_ns);
	mean = mean ? mean - (mean >> LATENCY_SHIFT) + (ns >> LATENCY_SHIFT) : ns;
	WRITE_ONCE(stats->latency_ns, mean);
	io_stats_add(&stats->io[BCE_IO_READ], ns);
}

void bce_member_write_done(struct member_dev *m, u32 sectors, u64 ns, bool error)
{
	struct slot_stats *stats = to_attached(m)->stats;
	struct io_stats *io = &stats->io[sectors ? BCE_IO_WRITE : BCE_IO_FLUSH];

	if (error) {
		atomic64_inc(&stats->io_errors);
		atomic64_inc(&stats->write_errors);
		return;
	}
	io_stats_add(io, ns);
	atomic64_add(sectors, &io->sectors);
}

void bce_member_io_stats(struct member_table *t, unsigned int idx, enum bce_io io, struct bce_member_io *out)
{
	struct slot_stats *stats;
	unsigned int i;

	*out = (struct bce_member_io) { };
	if (idx >= BCH_MEMBERS_MAX || io >= BCE_IO_NR)
		return;
	stats = &t->slot[idx].stats;
	for (i = 0; i < BCE_LATENCY_BUCKETS; i++) {
		out->bucket[i] = atomic64_read(&stats->io[io].bucket[i]);
		out->nr += out->bucket[i];
	}
	out->sum_ns = atomic64_read(&stats->io[io].sum_ns);
	out->max_ns = READ_ONCE(stats->io[io].max_ns);
	out->bytes = atomic64_read(io == BCE_IO_READ ? &stats->read_sectors : &stats->io[io].sectors) << 9;
}

u64 bce_member_latency_ns(struct member_table *t, unsigned int idx)
{
	return idx < BCH_MEMBERS_MAX ? READ_ONCE(t->slot[idx].stats.latency_ns) : 0;
}

void bce_member_count_read(struct member_dev *m, u32 sectors)
{
	struct slot_stats *stats = to_attached(m)->stats;

	atomic64_inc(&stats->reads);
	atomic64_add(sectors, &stats->read_sectors);
}

void bce_member_count_csum_error(struct member_dev *m)
{
	atomic64_inc(&to_attached(m)->stats->csum_errors);
}

void bce_member_counters(struct member_table *t, unsigned int idx, struct member_counters *out)
{
	struct slot_stats *stats;

	memset(out, 0, sizeof(*out));
	if (idx >= BCH_MEMBERS_MAX)
		return;
	stats = &t->slot[idx].stats;
	out->reads = atomic64_read(&stats->reads);
	out->read_sectors = atomic64_read(&stats->read_sectors);
	out->io_errors = atomic64_read(&stats->io_errors);
	out->write_errors = atomic64_read(&stats->write_errors);
	out->csum_errors = atomic64_read(&stats->csum_errors);
	out->latency_ns = READ_ONCE(stats->latency_ns);
}
