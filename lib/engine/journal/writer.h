/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_WRITER_H
#define ENGINE_JOURNAL_WRITER_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "engine/format/ids.h"
#include "engine/journal/journal.h"
#include "engine/journal/journal_internal.h"
#include "engine/sb/bdev_write.h"
#include "engine/sb/entry.h"

/* What the files of the writing half share. */

/*
 * ---- the packed state: what a reservation changes at once ----
 *
 *   bits 0..21   words reserved in the open entry; all ones: no entry is open
 *   bits 22..23  its buffer
 *   bits 24..63  for each buffer 10 bits: reservations held in it; an open entry holds one itself
 */
#define JOURNAL_BUFS		4
#define STATE_OFFSET_BITS	22
#define STATE_OFFSET_CLOSED	((1U << STATE_OFFSET_BITS) - 1)
#define STATE_COUNT_MAX		((1U << 10) - 1)

static inline u32 state_offset(u64 s)
{
	return s & STATE_OFFSET_CLOSED;
}

static inline unsigned int state_buf(u64 s)
{
	return s >> STATE_OFFSET_BITS & 3;
}

static inline u64 state_one(unsigned int buf)
{
	return 1ULL << (24 + 10 * buf);
}

static inline u32 state_count(u64 s, unsigned int buf)
{
	return s >> (24 + 10 * buf) & STATE_COUNT_MAX;
}

/* ---- buffers: entry number S is in buffer S mod 4 ---- */

enum buf_state {
	BUF_FREE,
	BUF_OPEN,		/* takes reservations */
	BUF_CLOSED,		/* ready to be written once nobody holds a reservation in it */
	BUF_WRITING,		/* flush or not has been decided */
	BUF_WRITTEN,		/* waits for earlier ones */
};

/* one member's copy of an entry, while it is written */
struct journal_copy_write {
	struct bdev_write	w;
	struct journal_buf	*buf;
	struct member_dev	*m;	/* I/O reference held */
	u64			started_ns;
	int			error;
};

struct journal_buf {
	struct journal		*j;
	struct jset		*jset;		/* changed only while free */
	u32			bytes;		/* of it; only grows */
	u32			limit;		/* words for reservations; at most what @bytes holds */
	/* under j->lock */
	u8			state;
	bool			want_flush;
	bool			flush;
	u64			seq;
	u64			last_seq;	/* computed when it was closed */
	u32			u64s;		/* words reserved when it was closed */
	u32			max_sectors;	/* it may still need on a ring; 0: has its place */
	/* closed, and all reservations have been put: set by the last one, with release */
	int			ready;
	/* the writer's: write_mutex until submitted, then done_mutex */
	u32			sectors;
	u64			devs;		/* copies under way */
	u64			devs_ok, devs_bad;
	bool			preflush;	/* by the write itself */
	atomic_t		pending;
	struct journal_copy_write copy[BCH_MEMBERS_MAX];
};

/* ---- members ---- */

struct journal_dev {
	/* set by open */
	bool	usable;
	u8	durability;
	u16	bucket_sectors;
	u32	nr;
	u64	*bucket;
	u32	reserve[JOURNAL_NR_WATERMARKS];	/* buckets each must leave */
	/* under j->lock */
	u64	*bucket_seq;
	u32	cur_idx;
	u32	used_sectors;		/* of bucket cur_idx */
	u32	nr_reusable;		/* buckets behind cur_idx with nothing that is needed */
	u32	nr_clean;		/* the first of them may be written to: discarded */
	bool	discard;
	bool	failed;			/* a write failed: not used any more */
	/* racy */
	u64	latency_ns;
};

/* ---- pins: one slot per entry [front, next_seq) ---- */

struct pin_slot {
	struct list_head	pins;
	u32			count;		/* pins, and 1 while reservations may be held */
	unsigned long		time;		/* jiffies */
};

struct journal_root_key {
	bool	present;
	u8	level;
	u8	u64s;
	__le64	key[BTREE_ROOT_U64S_MAX];
};

#define ROOT_ENTRY_U64S		(1 + BTREE_ROOT_U64S_MAX)
#define TAIL_FIXED_U64S		(2 + 2 + 3 + 3)	/* datetime, key version, clocks */

struct journal {
	struct journal_config	c;		/* copied; c.ring is not used after open */
	struct workqueue_struct	*wq;		/* writing; WQ_MEM_RECLAIM */
	struct workqueue_struct	*reclaim_wq;
	u32			max_bytes;	/* of an entry, on all members */
	u32			grow_bytes_max;	/* beyond it buffers grow only for one big reservation */
	u32			short_words;	/* entries are no longer, unless one reservation is */

	/* reservations */
	atomic64_t		state;
	int			open_wm;	/* lowest watermark that may use the open entry */
	struct journal_buf	buf[JOURNAL_BUFS];

	/* everything below: lock (spin), unless said */
	spinlock_t		lock;
	u64			next_seq;	/* of the entry that is opened next */
	u64			submit_seq;	/* of the entry that is written next */
	u64			written_seq;	/* entries up to it are complete */
	u64			flushed_seq;
	u64			last_seq_ondisk;	/* of the newest complete flush entry */
	bool			flushed_once;
	bool			stopping;
	bool			want_growth;
	u32			want_bytes;	/* a reservation waits for so large a buffer */
	int			error;		/* not 0: halted */
	struct journal_dev	*dev;		/* [64] */
	u64			usable;		/* devs */
	struct journal_stats	stats;

	/* roots as the entries prepared so far have them: write_mutex, loaded before the first */
	struct journal_root_key	*root;		/* [BTREE_ID_MAX] */
	__le64			*root_list;	/* scratch */
	u32			tail_u64s;	/* room every entry keeps for roots and so on */
	bool			roots_loaded;

	/* who brings entries to the members: see flush.c */
	unsigned long		kicked;		/* bit 0: something is to be done */
	unsigned long		done;		/* bit per buffer: its writes have ended */
	atomic_t		drivers;
	wait_queue_head_t	wait;		/* for durability */
	struct work_struct	drive_work;
	struct delayed_work	delay_work;
	struct mutex		write_mutex;	/* preparing and submitting, in order */
	struct mutex		done_mutex;	/* completing, in order */
	u64			quiet_mark[BCH_MEMBERS_MAX];	/* write_mutex */
	u64			unflushed;	/* members whose caches could not be flushed; write_mutex */
	u64			marked[16];	/* combinations known to be listed; lock */
	unsigned int		nr_marked;

	/* space */
	wait_queue_head_t	space_wait;
	atomic64_t		space_gen;	/* goes up when something has become free */
	atomic_t		blocked;	/* reservations that wait */
	struct work_struct	publish_work;
	struct work_struct	discard_work;

	/* pins */
	spinlock_t		pin_lock;
	struct pin_slot		*slot;
	u32			nr_slots;	/* power of two */
	u64			pin_front;	/* oldest entry that is pinned */
	u64			pin_back;	/* one behind the newest slot */
	u64			nr_pins;
	u64			nr_drops;	/* ever */
	bool			replay_pinned;
	u32			pass;		/* of reclaim */
	wait_queue_head_t	pin_wait;	/* a pin was dropped or flushed */
	struct delayed_work	reclaim_work;
};

/* the pin fifo is not shorter; tests set it to see it full */
extern unsigned int journal_pin_slots_min;

static inline struct journal_buf *buf_of(struct journal *j, u64 seq)
{
	return &j->buf[seq % JOURNAL_BUFS];
}

/* words for reservations in an entry of @bytes */
static inline u32 journal_limit(struct journal *j, u32 bytes)
{
	return (bytes - sizeof(struct jset)) / 8 - READ_ONCE(j->tail_u64s);
}

static inline bool journal_error(struct journal *j)
{
	return READ_ONCE(j->error);
}

/* ---- reserve.c; under j->lock ---- */

/* no more reservations in the open entry, if there is one */
void journal_entry_close(struct journal *j);
/* @buf has lost its last reservation; takes pin_lock */
void journal_entry_ready(struct journal *j, struct journal_buf *buf);
/*
 * Begin the next entry for @wm, with room for @min words or more. Return: 0; -EBUSY its buffer is
 * not free; -ENOSPC (ring or pins); -EIO too few members.
 */
int journal_entry_open(struct journal *j, enum journal_watermark wm, u32 min);

/* ---- write.c ---- */

int journal_write_init(struct journal *j);
/* write the next entries as far as possible. Context: may sleep; takes write_mutex */
void journal_advance(struct journal *j);
/* deal with writes that have ended. Context: may sleep; takes done_mutex */
void journal_complete(struct journal *j);
/* all roots, from the owner; under j->lock */
void journal_roots_load(struct journal *j);

/* ---- flush.c ---- */

/* something is to be advanced or completed. Context: any */
void journal_kick(struct journal *j);
/* something has become free or durable: whoever waits looks again. Context: any */
void journal_wake(struct journal *j);
/*
 * Entries up to @seq are to be flushed: say so to one that has not been written yet, a new one if
 * need be. Under j->lock. Return: 0, -EBUSY, -ENOSPC, -EIO.
 */
int journal_flush_request(struct journal *j, u64 seq);
/* the journal cannot go on. Context: may sleep */
void journal_fail(struct journal *j, int error);
/* an entry was opened: it is not to lie around */
void journal_arm_delay(struct journal *j);
void journal_flush_init(struct journal *j);

/* ---- space.c; under j->lock ---- */

int journal_devs_init(struct journal *j);
void journal_devs_exit(struct journal *j);
/*
 * The lowest watermark that may begin an entry of @sectors more; JOURNAL_NR_WATERMARKS none; -EIO
 * too few members. @all_clean: or all buckets but one are clean, whatever is pinned.
 */
int journal_space_watermark(struct journal *j, u32 sectors, bool all_clean);
/* members that an entry of @sectors goes to now, @avoid left out; durability goes to @durability */
u64 journal_space_choose(struct journal *j, u32 sectors, u64 avoid, unsigned int want,
			 unsigned int *durability);
/*
 * Its place on member @dev: the sector; U64_MAX there is none. @late: entries after it may have
 * been placed already.
 */
u64 journal_space_place(struct journal *j, unsigned int dev, u32 sectors, u64 seq, bool late);
/* last_seq_ondisk has changed */
void journal_space_update(struct journal *j);
/* would a flush entry written now free a bucket? Takes pin_lock */
bool journal_space_would_free(struct journal *j);
bool journal_space_low(struct journal *j);
/* entries up to this one should be unpinned; 0: none. @blocked: somebody waits */
u64 journal_space_target(struct journal *j, bool blocked);
/* sum of durabilities of @devs */
unsigned int journal_durability(struct journal *j, u64 devs);
/* members that may be written to, and how many copies that means */
u64 journal_devs_alive(struct journal *j);
u64 journal_free_sectors(struct journal *j);

/* ---- pins.c ---- */

int journal_pins_init(struct journal *j);
void journal_pins_exit(struct journal *j);
/* a slot for the next entry, held once. Return: false the fifo is full for @wm */
bool journal_pin_push(struct journal *j, enum journal_watermark wm);
/* the entry itself needs its slot no longer */
void journal_pin_entry_put(struct journal *j, u64 seq);
/* oldest entry that is needed: pinned, or still being filled */
u64 journal_pin_oldest(struct journal *j);
bool journal_pins_up_to(struct journal *j, u64 seq);
/* entries older than @age jiffies, or the oldest part if the fifo is filling: flush up to; 0 none */
u64 journal_pin_target(struct journal *j, unsigned long age, bool blocked);
/* call flush() of each pin up to @seq once. Return: how many; *@error the first */
unsigned int journal_pins_flush_pass(struct journal *j, u64 seq, int *error);

/* ---- reclaim.c ---- */

void journal_reclaim_init(struct journal *j);
/* space is needed now. Context: any process context */
void journal_reclaim_kick(struct journal *j);
/* and in a while */
void journal_reclaim_arm(struct journal *j);

#endif
