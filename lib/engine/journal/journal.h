/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_JOURNAL_H
#define ENGINE_JOURNAL_JOURNAL_H

#include <linux/list.h>
#include <linux/types.h>

#include "engine/format/journal.h"
#include "engine/key/bkey.h"
#include "engine/key/validate.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

/*
 * The journal, writing half: reservations, entries on their way to the members, durability,
 * pins, space. How it works is told in reserve.c, write.c and reclaim.c, and on
 * docs/arch/journal.md. Format: docs/format/30-journal.md.
 */
struct journal;
struct bce_cipher;

/* who may take the last of the journal's space; a higher one always gets further */
enum journal_watermark {
	JOURNAL_NORMAL,		/* users' transactions */
	JOURNAL_ALLOC,		/* copygc, discards, invalidation */
	JOURNAL_RECLAIM,	/* whatever lets journal entries go: pointers to written nodes, splits */
	JOURNAL_NR_WATERMARKS,
};

/* one member's ring, and where its last writer stood */
struct journal_ring {
	bool	usable;			/* rw, durability not 0, data_allowed has journal */
	u32	nr;
	u64	*bucket;		/* [nr] bucket number by ring index; copied at open */
	u64	*bucket_seq;		/* [nr] highest seq in each, 0 unknown or none; NULL: all 0 */
	u32	cur_idx;		/* bucket that was written last */
	u32	cur_used_sectors;	/* in it; the next entry goes behind */
};

struct journal_replay;
/*
 * Where the rings of a journal stand that was read because its set was not shut down cleanly: behind
 * the newest entry of each, whatever became of it (dropped, torn); each bucket holds entries up to the
 * highest number seen in it. Entries below the replay set were not kept: their buckets are free.
 * @ring: [@nr] by member index; those with buckets have @bucket_seq, zeroed
 */
void bce_journal_rings_stand(const struct journal_replay *r, struct journal_ring *ring,
			     unsigned int nr);

struct journal_ops {
	/*
	 * Root entries of all btrees that have a root, as they are now. Asked before the first
	 * reservation is given and by bce_journal_stop(); in between the journal carries the roots
	 * on from entry to entry, so whoever changes a root adds its btree_root entry under the
	 * reservation of the transaction that changes it. (Asking at the time of writing would put
	 * a root into an entry older than the transaction that made it.) Writes at most
	 * @room_u64s words to @out (each a whole jset_entry). Context: under spinlocks of the
	 * journal; must not sleep. Return: words written.
	 */
	unsigned int (*roots)(void *ctx, void *out, unsigned int room_u64s);
	/* for the usage and clock sub-entries; must not sleep */
	u64 (*key_version)(void *ctx);
	u64 (*io_clock)(void *ctx, unsigned int rw);
	/*
	 * Members @devs are about to hold a journal entry together: the superblock must list them.
	 * Context: may sleep, writes superblocks. Return: 0 or negative errno.
	 */
	int (*mark_replicas)(void *ctx, u64 devs);
	/*
	 * Members @devs could not flush their caches: what they were given may be lost. Asked for at
	 * every flush entry from then on, with all of them, as more may have been given to them meanwhile. May be NULL: fatal.
	 * Context: may sleep, writes superblocks. Return: 0 redundancy makes up for it; negative errno: stop.
	 */
	int (*flush_failed)(void *ctx, u64 devs);
	/* entries up to @seq are on stable storage now. Context: process; must not wait for us */
	void (*flushed)(void *ctx, u64 seq);
	/* cannot go on: the set has to stop writing. Context: process */
	void (*failed)(void *ctx, int error);
};

struct journal_config {
	u64				uuid_word;
	u16				version;	/* of the superblock */
	u32				block_sectors;
	u8				csum_type;	/* metadata checksum, 20-checksums-encryption.md */
	u8				replicas;	/* wanted: sum of durabilities */
	u8				replicas_required;
	u32				flush_delay_ms;	/* an entry with work is written after this time */
	const struct bce_cipher		*cipher;	/* NULL: not encrypted */
	const struct key_rules		*rules;		/* entries are checked before they are written */
	struct member_table		*members;
	struct bce_log			*log;
	const struct journal_ring	*ring;		/* [64], by member index */
	u64				prefer_devs;	/* metadata target; 0: any */
	u64				next_seq;	/* number of the first entry to be written */
	/*
	 * Oldest entry whose keys are not in the btrees yet. After an unclean shutdown: last_seq of
	 * the newest flush entry, even if nothing was in it. After a clean one: next_seq.
	 */
	u64				replay_seq;
	const struct journal_ops	*ops;
	void				*ctx;
};

/**
 * bce_journal_open() - ready for reservations
 * Nothing is written before the first reservation. The first entry written is a flush entry.
 * Return: 0, -ENOMEM, -EROFS no usable ring, or fewer than @replicas_required asks for.
 */
int bce_journal_open(struct journal **out, const struct journal_config *config);
/* no reservation is held and nothing is on its way any more. NULL is allowed */
void bce_journal_close(struct journal *j);

/* of entries that are closed, and delays that begin, from now on. Context: any */
void bce_journal_tune(struct journal *j, u8 csum_type, u8 replicas, u32 flush_delay_ms, u64 prefer_devs);

/* ---- reservations ---- */

struct journal_res {
	u64	seq;		/* of the entry it is in; 0: none held */
	u32	offset;		/* next free u64, in the entry's list */
	u32	end;		/* one behind the last u64 that is reserved */
	u8	buf;
};

enum journal_res_flags {
	JOURNAL_RES_NONBLOCK	= 1 << 0,	/* -EAGAIN instead of waiting for space */
};

/**
 * bce_journal_res_get() - room for @u64s words (jset_entry headers included) in one entry
 *
 * Everything added under one reservation becomes durable together. The fast path is one
 * compare-and-swap on a packed state. Waiting means waiting for journal space: the caller
 * holds no node locks.
 *
 * Context: may sleep unless NONBLOCK.
 * Return: 0; -EAGAIN; -EROFS the journal has failed or is stopping; -E2BIG.
 */
int bce_journal_res_get(struct journal *j, struct journal_res *res, unsigned int u64s,
			enum journal_watermark wm, unsigned int flags);
/**
 * bce_journal_space_wait() - wait until @wm may begin an entry of @u64s words; nothing is kept
 *
 * For work that takes what is reserved for reclaim, in the end, but which nobody waits for: so it begins
 * only when others could too.
 *
 * Context: may sleep, with no locks that reclaim needs. Return: 0, -EROFS.
 */
int bce_journal_space_wait(struct journal *j, unsigned int u64s, enum journal_watermark wm);
/* header filled in; @payload_u64s words behind it are the caller's to fill. Never fails */
struct jset_entry *bce_journal_add(struct journal *j, struct journal_res *res, unsigned int type,
				   unsigned int btree_id, unsigned int level,
				   unsigned int payload_u64s);
/* one key as a btree_keys entry. Return: where it lies, for version and seq to be patched in */
struct disk_bkey *bce_journal_add_key(struct journal *j, struct journal_res *res,
				      unsigned int btree_id, unsigned int level,
				      const struct bkey *k);
/* words that were not used become empty entries; the last one out of a closed entry writes it */
void bce_journal_res_put(struct journal *j, struct journal_res *res);

/* ---- pins: an entry stays in the ring while what it says is only in memory ---- */

struct journal_pin;
/* make the pin go away (write the node); may sleep. Called by reclaim, without locks of ours */
typedef int (*journal_pin_flush_fn)(struct journal *j, struct journal_pin *pin, u64 seq);

/* all zero: not pinned */
struct journal_pin {
	struct list_head	list;
	journal_pin_flush_fn	flush;
	u64			seq;		/* 0: not pinned */
	u32			tried;		/* reclaim's */
	bool			flushing;
};
/*
 * Keep entry @seq and later ones. A pin that is held already stays at the older number.
 * Context: any process context, spinlocks only. The entry is still open (a reservation in it is
 * held), or pinned by somebody else meanwhile.
 */
void bce_journal_pin_add(struct journal *j, struct journal_pin *pin, u64 seq,
			 journal_pin_flush_fn flush);
/* @dst keeps what @src keeps, if that is older than what it keeps itself */
void bce_journal_pin_copy(struct journal *j, struct journal_pin *dst, const struct journal_pin *src,
			  journal_pin_flush_fn flush);
void bce_journal_pin_drop(struct journal *j, struct journal_pin *pin);
/*
 * Before the memory of a dropped pin is given back: nobody is, or will be, inside its flush().
 * Context: may sleep; not from flush() itself.
 */
void bce_journal_pin_sync(struct journal *j, struct journal_pin *pin);
/* the keys of the entries before next_seq are in the btrees or pinned by their nodes */
void bce_journal_replay_done(struct journal *j);

/* ---- durability ---- */

/* number of the entry that is open now */
u64 bce_journal_cur_seq(struct journal *j);
/* everything up to it is on stable storage */
u64 bce_journal_flushed_seq(struct journal *j);
/* everything up to it has been written (perhaps not flushed) */
u64 bce_journal_written_seq(struct journal *j);
/**
 * bce_journal_flush_seq() - make everything up to @seq durable
 * Those who wait at the same time share one flush. Context: may sleep, no node locks.
 * Return: 0, -EROFS, -EIO.
 */
int bce_journal_flush_seq(struct journal *j, u64 seq);
/* everything so far */
int bce_journal_flush(struct journal *j);

/* ---- reclaim and stopping ---- */

/* write what pins entries up to @seq; returns when it is unpinned or cannot be. 0 or -errno */
int bce_journal_flush_pins(struct journal *j, u64 seq);

/* where each member's ring stands: for the member records at a clean shutdown */
struct journal_ring_end {
	u32	last_bucket;		/* ring index */
	u32	last_offset_sectors;
};
/**
 * bce_journal_stop() - the last entry: empty, flushed, all roots in it
 * All pins are gone. No reservation can be had afterwards.
 * @seq:  number of the last entry
 * @ends: [64]
 * Return: 0 or negative errno. Source: docs/format/30-journal.md, section 10.
 */
int bce_journal_stop(struct journal *j, u64 *seq, struct journal_ring_end *ends);
/* emergency: nothing is written any more, everybody gets -EROFS */
void bce_journal_halt(struct journal *j);
/* the same, and the journal's owner is told by failed() */
void bce_journal_abort(struct journal *j, int error);
bool bce_journal_failed(struct journal *j);

struct journal_stats {
	u64	entries, flush_entries, sectors_written;	/* one copy counted */
	u64	reservations, slow_reservations, blocked;
	u64	nr_pins;
	u64	free_sectors;
};
void bce_journal_stats(struct journal *j, struct journal_stats *out);

#endif
