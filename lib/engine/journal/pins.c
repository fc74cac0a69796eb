// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: which entries are still needed, and by whom.
 *
 *   slot     front                                   next_seq
 *            | 3 pins | 0 | 1 pin | ... | 1 + 2 pins |            one slot for each number
 *              ^ oldest needed            ^ still being filled: holds one itself
 *
 * The slots are a ring indexed by number. An entry's slot is held by the entry until all
 * reservations in it have been put (until then pins may still come), by every pin in it, and,
 * after an unclean start, by the replay: the oldest of the old entries, until
 * bce_journal_replay_done(). Pins for old entries come from the nodes their keys were put into. The
 * numbers between the old entries and the first new one have slots nobody is in.
 *
 * The front moves when its slot becomes empty. It never moves back: a pin can be added only while
 * somebody holds that slot or an older one.
 *
 * Flushing a pin means calling its owner without locks. Meanwhile the owner may drop the pin, pin
 * anew, even wish to free it: pin->flushing says that somebody is inside, and bce_journal_pin_sync()
 * waits for his end. Each pass of reclaim tries each pin once: tried ones go to the end of their
 * slot's list, new ones come in at its head, so a pass is over where the head has been tried.
 *
 * Locks: pin_lock, a spinlock, inside j->lock.
 * Source: docs/format/30-journal.md, sections 4, 6.
 */
#include "engine/journal/journal.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "engine/journal/writer.h"

unsigned int journal_pin_slots_min = 1U << 14;

static struct pin_slot *slot_of(struct journal *j, u64 seq)
{
	return &j->slot[seq & (j->nr_slots - 1)];
}

static void slot_init(struct pin_slot *slot, u32 count)
{
	INIT_LIST_HEAD(&slot->pins);
	slot->count = count;
	slot->time = jiffies;
}

int journal_pins_init(struct journal *j)
{
	u64 old = j->c.next_seq - j->c.replay_seq, seq;

	spin_lock_init(&j->pin_lock);
	init_waitqueue_head(&j->pin_wait);
	if (old > 1U << 28)
		return -EINVAL;
	j->nr_slots = roundup_pow_of_two(max_t(u64, journal_pin_slots_min, 2 * old));
	j->slot = kvmalloc_array(j->nr_slots, sizeof(*j->slot), GFP_KERNEL);
	if (!j->slot)
		return -ENOMEM;
	for (seq = j->c.replay_seq; seq < j->c.next_seq; seq++)
		slot_init(slot_of(j, seq), seq == j->c.replay_seq);
	j->pin_front = j->c.replay_seq;
	j->pin_back = j->c.next_seq;
	j->replay_pinned = old;
	return 0;
}

void journal_pins_exit(struct journal *j)
{
	kvfree(j->slot);
}

/* ---- the fifo; all under pin_lock ---- */

/* Return: whether the front has moved */
static bool slot_put(struct journal *j, u64 seq)
{
	u64 front = j->pin_front;

	WARN_ON_ONCE(!slot_of(j, seq)->count);
	slot_of(j, seq)->count--;
	while (j->pin_front < j->pin_back && !slot_of(j, j->pin_front)->count)
		WRITE_ONCE(j->pin_front, j->pin_front + 1);
	return j->pin_front != front;
}

bool journal_pin_push(struct journal *j, enum journal_watermark wm)
{
	static const u8 keep_shift[JOURNAL_NR_WATERMARKS] = { 2, 3, 31 };
	u32 free;
	bool ok;

	spin_lock(&j->pin_lock);
	free = j->nr_slots - (j->pin_back - j->pin_front);
	ok = free > j->nr_slots >> keep_shift[wm];
	if (ok)
		slot_init(slot_of(j, j->pin_back++), 1);
	spin_unlock(&j->pin_lock);
	return ok;
}

/* Context: perhaps under j->lock */
static void front_moved(struct journal *j)
{
	journal_wake(j);
	/* what waits for space in rings needs a flush entry that says so */
	if (atomic_read(&j->blocked))
		journal_reclaim_kick(j);
}

void journal_pin_entry_put(struct journal *j, u64 seq)
{
	bool moved;

	spin_lock(&j->pin_lock);
	moved = slot_put(j, seq);
	spin_unlock(&j->pin_lock);
	if (moved)
		front_moved(j);
}

u64 journal_pin_oldest(struct journal *j)
{
	u64 seq;

	spin_lock(&j->pin_lock);
	seq = j->pin_front;
	spin_unlock(&j->pin_lock);
	return seq;
}

void bce_journal_replay_done(struct journal *j)
{
	bool moved = false;

	spin_lock(&j->pin_lock);
	if (j->replay_pinned) {
		j->replay_pinned = false;
		moved = slot_put(j, j->c.replay_seq);
	}
	spin_unlock(&j->pin_lock);
	if (moved)
		front_moved(j);
}

/* ---- pins ---- */

static void pin_take_out(struct journal *j, struct journal_pin *pin)
{
	list_del_init(&pin->list);
	WRITE_ONCE(pin->seq, 0);
	WRITE_ONCE(j->nr_pins, j->nr_pins - 1);
}

/* @pin keeps @seq, or what is older. Return: whether the front has moved */
static bool pin_set(struct journal *j, struct journal_pin *pin, u64 seq, journal_pin_flush_fn flush)
{
	u64 old = pin->seq;

	if (old && old <= seq)
		return false;
	if (WARN_ON_ONCE(seq < j->pin_front || seq >= j->pin_back))
		seq = clamp(seq, j->pin_front, j->pin_back - 1);
	slot_of(j, seq)->count++;
	if (old)
		pin_take_out(j, pin);
	list_add(&pin->list, &slot_of(j, seq)->pins);
	WRITE_ONCE(pin->seq, seq);
	pin->flush = flush;
	pin->tried = 0;
	WRITE_ONCE(j->nr_pins, j->nr_pins + 1);
	return old && slot_put(j, old);
}

void bce_journal_pin_add(struct journal *j, struct journal_pin *pin, u64 seq,
			 journal_pin_flush_fn flush)
{
	bool moved;

	spin_lock(&j->pin_lock);
	moved = pin_set(j, pin, seq, flush);
	spin_unlock(&j->pin_lock);
	if (moved)
		front_moved(j);
}

void bce_journal_pin_copy(struct journal *j, struct journal_pin *dst, const struct journal_pin *src,
			  journal_pin_flush_fn flush)
{
	bool moved = false;

	spin_lock(&j->pin_lock);
	if (src->seq)
		moved = pin_set(j, dst, src->seq, flush);
	spin_unlock(&j->pin_lock);
	if (moved)
		front_moved(j);
}

void bce_journal_pin_drop(struct journal *j, struct journal_pin *pin)
{
	bool dropped = false, moved = false;
	u64 seq;

	spin_lock(&j->pin_lock);
	seq = pin->seq;
	if (seq) {
		pin_take_out(j, pin);
		WRITE_ONCE(j->nr_drops, j->nr_drops + 1);
		moved = slot_put(j, seq);
		dropped = true;
	}
	spin_unlock(&j->pin_lock);
	if (dropped && wq_has_sleeper(&j->pin_wait))
		wake_up_all(&j->pin_wait);
	if (moved)
		front_moved(j);
}

static bool pin_is_flushing(struct journal *j, const struct journal_pin *pin)
{
	bool flushing;

	spin_lock(&j->pin_lock);
	flushing = pin->flushing;
	spin_unlock(&j->pin_lock);
	return flushing;
}

void bce_journal_pin_sync(struct journal *j, struct journal_pin *pin)
{
	wait_event(j->pin_wait, !pin_is_flushing(j, pin));
}

/* ---- flushing them ---- */

bool journal_pins_up_to(struct journal *j, u64 seq)
{
	bool found = false;
	u64 s;

	spin_lock(&j->pin_lock);
	for (s = j->pin_front; s < j->pin_back && s <= seq && !found; s++)
		found = !list_empty(&slot_of(j, s)->pins);
	spin_unlock(&j->pin_lock);
	return found;
}

/* The next pin for this pass, at *@at or behind it. */
static struct journal_pin *pick(struct journal *j, u64 *at, u64 seq, u32 pass)
{
	struct journal_pin *pin;

	for (*at = max(*at, j->pin_front); *at < j->pin_back && *at <= seq; (*at)++) {
		pin = list_first_entry_or_null(&slot_of(j, *at)->pins, struct journal_pin, list);
		if (pin && pin->tried != pass && !pin->flushing)
			return pin;
	}
	return NULL;
}

unsigned int journal_pins_flush_pass(struct journal *j, u64 seq, int *error)
{
	journal_pin_flush_fn flush;
	struct journal_pin *pin;
	unsigned int nr = 0;
	u64 at = 0, pin_seq;
	u32 pass;
	int ret;

	spin_lock(&j->pin_lock);
	pass = ++j->pass ?: ++j->pass;
	while (!j->error && (pin = pick(j, &at, seq, pass))) {
		pin->tried = pass;
		pin->flushing = true;
		flush = pin->flush;
		pin_seq = pin->seq;
		list_move_tail(&pin->list, &slot_of(j, pin_seq)->pins);
		spin_unlock(&j->pin_lock);

		ret = flush(j, pin, pin_seq);
		if (ret && !*error)
			*error = ret;
		nr++;

		spin_lock(&j->pin_lock);
		pin->flushing = false;		/* its owner may free it from now on */
		spin_unlock(&j->pin_lock);
		wake_up_all(&j->pin_wait);
		spin_lock(&j->pin_lock);
	}
	spin_unlock(&j->pin_lock);
	return nr;
}

u64 journal_pin_target(struct journal *j, unsigned long age, bool blocked)
{
	u64 target = 0, used, s;

	spin_lock(&j->pin_lock);
	used = j->pin_back - j->pin_front;
	if (used > j->nr_slots / 2)
		target = j->pin_front + used - j->nr_slots / 2;
	for (s = j->pin_front; s < j->pin_back; s++) {
		if (time_before(jiffies, slot_of(j, s)->time + age))
			break;
		target = max(target, s);
	}
	spin_unlock(&j->pin_lock);
	return target;
}
