// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations: room in the entry that is open.
 *
 * Entry S lives in buffer S mod 4. One is open at a time; up to three before it are being
 * completed by those who still hold reservations, or written.
 *
 *   buffer   FREE -> OPEN ------------> CLOSED ------------> WRITING -> WRITTEN -> FREE
 *                     |  full, flush,    |  last holder          |         in order of numbers
 *                     |  or delay over   |  has put: ready       done
 *                     takes reservations
 *
 * The fast path. j->state packs into 64 bits: words reserved so far, which buffer, and for each
 * buffer how many reservations are held in it. Taking one is one compare-and-swap, which fails if
 * anything has changed; so a reservation never lands in an entry that was closed meanwhile. An
 * open entry holds one count itself; closing gives that back together with setting the words to
 * "closed", so that exactly one call sees the count of a closed buffer become 0: he makes the
 * entry ready and kicks the writer.
 *
 * What is left to be read beside the state is the entry's limit: what its buffer holds, or less
 * when space is short, but so much that the ring has a place for it (space.c). Should the limit that
 * was read belong to an older entry of the same buffer, at the same state, that is found out
 * afterwards, when the count holds the entry still: the words beyond the limit are given up. The
 * buffer's memory has room for them, since it never gets smaller.
 *
 * The slow path has j->lock. It closes a full entry, opens the next one, or waits: for a buffer
 * (the members are slower than we are), or for space in rings or among the pins, which reclaim
 * makes. Who may open an entry depends on the watermark (space.c). An entry that was opened when
 * space was short is not for lower ones either: open_wm.
 *
 * Order: words are filled in, pins added, then put. last_seq of an entry is computed at close,
 * under j->lock, before another can be opened.
 *
 * Source: docs/format/30-journal.md, sections 2, 4, 6.
 */
#include "engine/journal/journal.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/journal/writer.h"
#include "engine/key/pack.h"

/* words: smaller entries are not worth their roots, unless reclaim needs one */
#define LIMIT_MIN	256U

/* ---- opening and closing ---- */

void journal_entry_ready(struct journal *j, struct journal_buf *buf)
{
	journal_pin_entry_put(j, buf->seq);
	/* pairs with journal_advance(): what was put into the entry is seen by its writer */
	smp_store_release(&buf->ready, 1);
}

static u32 words_to_sectors(struct journal *j, u32 u64s)
{
	u32 sectors = DIV_ROUND_UP(sizeof(struct jset) + u64s * 8UL, SECTOR_BYTES);

	return round_up(sectors, j->c.block_sectors);
}

void journal_entry_close(struct journal *j)
{
	u64 old = atomic64_read(&j->state), new;
	struct journal_buf *buf;

	do {
		if (state_offset(old) == STATE_OFFSET_CLOSED)
			return;
		new = (old | STATE_OFFSET_CLOSED) - state_one(state_buf(old));
	} while (!atomic64_try_cmpxchg(&j->state, (s64 *)&old, new));

	buf = &j->buf[state_buf(old)];
	buf->u64s = min(state_offset(old), buf->limit);	/* beyond: see try_reserve() */
	buf->last_seq = min(journal_pin_oldest(j), buf->seq);
	buf->max_sectors = words_to_sectors(j, buf->u64s + j->tail_u64s);
	buf->state = BUF_CLOSED;
	if (!state_count(new, state_buf(old)))
		journal_entry_ready(j, buf);
}

static void state_open(struct journal *j, unsigned int buf)
{
	u64 old = atomic64_read(&j->state), new;

	do {
		new = old & ~((1ULL << (STATE_OFFSET_BITS + 2)) - 1);
		new |= (u64)buf << STATE_OFFSET_BITS;
		new += state_one(buf);
	} while (!atomic64_try_cmpxchg(&j->state, (s64 *)&old, new));
}

/*
 * How many words the entry about to be opened may take, for @wm to be allowed to: all that the
 * buffer holds, or less when that would begin a bucket too many, but @min. An entry as short as can be
 * may also begin when all of the ring is clean, whatever is pinned. *@lowest: watermark that may use
 * so much. Return: 0, -ENOSPC, -EIO.
 */
static int choose_limit(struct journal *j, enum journal_watermark wm, u32 min, u32 *limit,
			int *lowest)
{
	u32 most = journal_limit(j, buf_of(j, j->next_seq)->bytes);
	bool all_clean = false;

	*limit = min(most, max(min, j->short_words));
	for (;;) {
		*lowest = journal_space_watermark(j, words_to_sectors(j, *limit + j->tail_u64s),
						  all_clean);
		if (*lowest < 0)
			return *lowest;
		if (wm >= *lowest)
			return 0;
		if (all_clean)
			return -ENOSPC;
		if (!*limit || *limit / 2 < min)
			all_clean = true;
		else
			*limit /= 2;
	}
}

int journal_entry_open(struct journal *j, enum journal_watermark wm, u32 min)
{
	struct journal_buf *buf = buf_of(j, j->next_seq);
	int lowest, ret;
	u32 limit;

	if (buf->state != BUF_FREE)
		return -EBUSY;
	if (!j->roots_loaded)
		journal_roots_load(j);
	ret = choose_limit(j, wm, min, &limit, &lowest);
	if (ret)
		return ret;
	if (!journal_pin_push(j, wm))
		return -ENOSPC;

	memset(buf->jset, 0, sizeof(*buf->jset));
	buf->seq = j->next_seq++;
	buf->state = BUF_OPEN;
	buf->want_flush = buf->flush = false;
	buf->ready = 0;
	buf->max_sectors = words_to_sectors(j, limit + j->tail_u64s);
	buf->devs = buf->devs_ok = buf->devs_bad = 0;
	WRITE_ONCE(buf->limit, limit);
	WRITE_ONCE(j->open_wm, lowest);
	/* a full barrier: publishes seq and limit to the fast path */
	state_open(j, buf - j->buf);
	journal_arm_delay(j);
	journal_reclaim_arm(j);
	return 0;
}

/* ---- buffers ---- */

/* how large the next buffer should be; 0: as it is */
static u32 growth_wanted(struct journal *j, const struct journal_buf *buf)
{
	u32 want = j->want_bytes;

	if (j->want_growth)
		want = max(want, min(2 * buf->bytes, j->grow_bytes_max));
	return want > buf->bytes ? want : 0;
}

/*
 * A larger buffer for the next entry. Takes and leaves j->lock held, dropping it in between.
 * Return: false if there is no memory for it.
 */
static bool buf_grow(struct journal *j, u32 bytes)
{
	unsigned int nofs;
	struct journal_buf *buf;
	void *p;

	spin_unlock(&j->lock);
	nofs = memalloc_nofs_save();
	p = kvmalloc(roundup_pow_of_two(bytes), GFP_KERNEL);
	memalloc_nofs_restore(nofs);
	spin_lock(&j->lock);
	if (!p)
		return false;
	buf = buf_of(j, j->next_seq);
	if (buf->state == BUF_FREE && buf->bytes < bytes) {
		swap(buf->jset, *(struct jset **)&p);
		buf->bytes = bytes;
		j->want_growth = false;
	}
	spin_unlock(&j->lock);
	kvfree(p);
	spin_lock(&j->lock);
	return true;
}

/* ---- the fast path ---- */

static void count_put(struct journal *j, unsigned int buf)
{
	u64 state = atomic64_sub_return(state_one(buf), &j->state);

	if (state_count(state, buf))
		return;
	/* an open entry holds a count itself, so this one is closed, and ours alone */
	journal_entry_ready(j, &j->buf[buf]);
	journal_kick(j);
}

enum try { TRY_OK, TRY_CLOSED, TRY_FULL };

static enum try try_reserve(struct journal *j, struct journal_res *res, unsigned int u64s)
{
	u64 old = atomic64_read(&j->state), new;
	unsigned int buf;
	u32 offset;

	do {
		offset = state_offset(old);
		buf = state_buf(old);
		if (offset == STATE_OFFSET_CLOSED)
			return TRY_CLOSED;
		if (offset + u64s > READ_ONCE(j->buf[buf].limit) ||
		    state_count(old, buf) == STATE_COUNT_MAX)
			return TRY_FULL;
		new = old + u64s + state_one(buf);
		/* a full barrier; pairs with state_open() */
	} while (!atomic64_try_cmpxchg(&j->state, (s64 *)&old, new));

	/* the limit that was looked at may have been an older entry's; ours is firm now */
	if (unlikely(offset + u64s > READ_ONCE(j->buf[buf].limit))) {
		count_put(j, buf);
		return TRY_FULL;
	}
	res->seq = j->buf[buf].seq;
	res->offset = offset;
	res->end = offset + u64s;
	res->buf = buf;
	memset(j->buf[buf].jset->entries + offset, 0, u64s * 8UL);
	return TRY_OK;
}

/* ---- the slow path ---- */

/* Open an entry that @u64s words fit into. j->lock is held, and dropped where memory is got. */
static int open_for(struct journal *j, unsigned int u64s, enum journal_watermark wm, bool may_sleep)
{
	struct journal_buf *buf = buf_of(j, j->next_seq);
	u32 needed, bytes;

	if (!j->roots_loaded)
		journal_roots_load(j);
	needed = round_up(sizeof(struct jset) + (u64s + j->tail_u64s) * 8UL, SECTOR_BYTES);
	if (needed > j->max_bytes)
		return -E2BIG;
	if (buf->state != BUF_FREE)
		return -EBUSY;
	if (u64s > journal_limit(j, buf->bytes))
		j->want_bytes = max(j->want_bytes, needed);
	bytes = growth_wanted(j, buf);
	if (bytes && may_sleep) {
		if (buf_grow(j, bytes))
			return -EAGAIN;		/* all may be different now */
		j->want_growth = false;
		if (u64s > journal_limit(j, buf->bytes))
			return -ENOMEM;
	}
	if (u64s > journal_limit(j, buf->bytes))
		return -EBUSY;
	j->want_bytes = 0;
	return journal_entry_open(j, wm, max(u64s, LIMIT_MIN));
}

/*
 * One turn of the slow path, j->lock held. Return: 0 reserved; -EAGAIN once more; -EBUSY, -ENOSPC
 * wait; anything else is final.
 */
static int reserve_turn(struct journal *j, struct journal_res *res, unsigned int u64s,
			enum journal_watermark wm, bool may_sleep, bool *kick)
{
	struct journal_buf *buf;
	int lowest;

	if (j->error || j->stopping)
		return -EROFS;
	if (state_offset(atomic64_read(&j->state)) != STATE_OFFSET_CLOSED && wm < j->open_wm) {
		/* what is open is for others; has space been made since? */
		lowest = journal_space_watermark(j, 0, true);
		if (lowest < 0)
			return lowest;
		WRITE_ONCE(j->open_wm, lowest);
		if (wm < lowest)
			return -ENOSPC;
	}
	switch (try_reserve(j, res, u64s)) {
	case TRY_OK:
		return 0;
	case TRY_FULL:
		buf = &j->buf[state_buf(atomic64_read(&j->state))];
		/* full while others are on their way: larger ones would do better */
		if (j->written_seq + 1 < buf->seq)
			j->want_growth = true;
		journal_entry_close(j);
		*kick = true;
		return -EAGAIN;
	case TRY_CLOSED:
		break;
	}
	return open_for(j, u64s, wm, may_sleep) ?: -EAGAIN;
}

/* Wait until something has become free since @gen. */
static void wait_for_space(struct journal *j, u64 gen, int why)
{
	atomic_inc(&j->blocked);
	smp_mb__after_atomic();		/* front_moved() sees us, or we see what it saw */
	if (why == -ENOSPC)
		journal_reclaim_kick(j);
	wait_event(j->space_wait, atomic64_read(&j->space_gen) != gen || journal_error(j) ||
		   READ_ONCE(j->stopping));
	atomic_dec(&j->blocked);
}

static int reserve_slowly(struct journal *j, struct journal_res *res, unsigned int u64s,
			  enum journal_watermark wm, unsigned int flags)
{
	bool may_sleep = !(flags & JOURNAL_RES_NONBLOCK), kick, counted = false;
	u64 gen;
	int ret;

	do {
		kick = false;
		spin_lock(&j->lock);
		gen = atomic64_read(&j->space_gen);
		ret = reserve_turn(j, res, u64s, wm, may_sleep, &kick);
		j->stats.slow_reservations += !ret;
		if ((ret == -EBUSY || ret == -ENOSPC) && may_sleep && !counted) {
			j->stats.blocked++;
			counted = true;
		}
		spin_unlock(&j->lock);
		if (kick)
			journal_kick(j);
		if (ret != -EBUSY && ret != -ENOSPC)
			continue;
		if (may_sleep) {
			wait_for_space(j, gen, ret);
			ret = -EAGAIN;
			continue;
		}
		if (ret == -ENOSPC)
			journal_reclaim_kick(j);
		ret = -EWOULDBLOCK;
		break;
	} while (ret == -EAGAIN);
	return ret;
}

int bce_journal_res_get(struct journal *j, struct journal_res *res, unsigned int u64s,
			enum journal_watermark wm, unsigned int flags)
{
	int ret;

	memset(res, 0, sizeof(*res));
	if (!u64s || u64s > journal_limit(j, j->max_bytes))
		return u64s ? -E2BIG : -EINVAL;
	if (wm >= READ_ONCE(j->open_wm) && try_reserve(j, res, u64s) == TRY_OK)
		return 0;
	ret = reserve_slowly(j, res, u64s, wm, flags);
	if (ret == -EIO) {
		journal_fail(j, ret);
		ret = -EROFS;
	}
	return ret;
}

int bce_journal_space_wait(struct journal *j, unsigned int u64s, enum journal_watermark wm)
{
	int lowest;
	u64 gen;

	for (;;) {
		spin_lock(&j->lock);
		gen = atomic64_read(&j->space_gen);
		lowest = j->error || j->stopping ? -EROFS :
			journal_space_watermark(j, words_to_sectors(j, u64s + j->tail_u64s), true);
		spin_unlock(&j->lock);
		if (lowest < 0)
			return -EROFS;
		if (wm >= lowest)
			return 0;
		wait_for_space(j, gen, -ENOSPC);
	}
}

/* ---- what goes into one ---- */

struct jset_entry *bce_journal_add(struct journal *j, struct journal_res *res, unsigned int type,
				   unsigned int btree_id, unsigned int level,
				   unsigned int payload_u64s)
{
	struct jset_entry *e = (void *)(j->buf[res->buf].jset->entries + res->offset);

	/* the caller's arithmetic is wrong, and he is about to write over others' words */
	BUG_ON(res->offset + 1 + payload_u64s > res->end);
	*e = (struct jset_entry) {
		.u64s		= cpu_to_le16(payload_u64s),
		.btree_id	= btree_id,
		.level		= level,
		.type		= type,
	};
	res->offset += 1 + payload_u64s;
	return e;
}

struct disk_bkey *bce_journal_add_key(struct journal *j, struct journal_res *res,
				      unsigned int btree_id, unsigned int level,
				      const struct bkey *k)
{
	struct jset_entry *e = bce_journal_add(j, res, JSET_ENTRY_btree_keys, btree_id, level,
					       BKEY_U64S + k->val_u64s);

	bce_key_write_unpacked(k, (void *)e->payload);
	return (void *)e->payload;
}

void bce_journal_res_put(struct journal *j, struct journal_res *res)
{
	if (!res->seq)
		return;
	/* words that were not used are zero: each is an empty entry */
	res->seq = 0;
	count_put(j, res->buf);
}
