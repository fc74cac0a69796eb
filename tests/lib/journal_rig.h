/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_JOURNAL_RIG_H
#define TESTS_LIB_JOURNAL_RIG_H

#include "engine/journal/journal.h"
#include "engine/journal/replay.h"
#include "sb_builder.h"

/*
 * A journal over a few members held in memory, and a model of what it was given. It may be
 * closed at any point, as in a crash, and is then read back and compared.
 */

#define JR_DEVS		3
#define JR_RING_FIRST	4		/* first bucket of each ring */
#define JR_RING_MAX	128
#define JR_BTREE	BTREE_ID_rebalance_work
#define JR_ROOTS	3		/* btrees 0.. have roots that change */

struct jr_options {
	unsigned int	nr;		/* members */
	unsigned int	ring_nr;
	unsigned int	bucket_sectors;
	unsigned int	block_sectors;
	unsigned int	csum_type;
	bool		encrypted;
	unsigned int	replicas;
	unsigned int	durability[JR_DEVS];	/* 0: 1 */
	bool		discard;
	bool		on_disk;	/* files in TMPDIR instead of memory */
};

/* what entry number @seq was given */
struct jr_entry {
	u64	sum;			/* of all keys */
	u32	keys;
	u8	root[JR_ROOTS];		/* changed to; 0: not */
};

struct jr_pin {
	struct journal_pin	pin;
	struct jr_rig		*rig;
	int			state;	/* 0 free, 1 being set, 2 held */
};

#define JR_PINS		64
#define JR_BLACKLIST	64	/* ranges */
#define JR_SEQS		(1U << 17)

struct jr_rig {
	struct jr_options	o;
	struct sb_builder	b[JR_DEVS];
	int			fd[JR_DEVS];
	struct block_device	*bdev[JR_DEVS];
	struct member_table	*members;
	struct bce_cipher	*cipher;
	struct bce_log		*log;
	char			said[8192];
	const struct bch_sb	*dev_sb[64];
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	struct journal_replay	r;
	struct journal		*j;
	struct journal_config	config;		/* changes before jr_open() count */
	u64			ring_bucket[JR_DEVS][JR_RING_MAX];
	u64			ring_seq[JR_DEVS][JR_RING_MAX];
	struct journal_ring	ring[64];

	/* model */
	struct jr_entry		*entry;		/* [JR_SEQS] */
	u8			root[JR_ROOTS];	/* now */
	u64			acked;
	u64			marked[64];
	unsigned int		nr_marked;
	unsigned int		nr_blacklisted;
	struct jr_pin		pin[JR_PINS];
	struct journal_pin	replayed[3];
	int			failed;
	u64			flushed;	/* ops->flushed() said */
	u64			clock;
	bool			keep_pins;	/* reclaim cannot unpin */
	void			(*unpinning)(struct jr_rig *rig, u64 seq);	/* may be NULL */
	void			*ctx;		/* the test's */
};

void jr_init(struct jr_rig *rig, const struct jr_options *o);
void jr_exit(struct jr_rig *rig);

/* begin: on empty rings, or where jr_read() or jr_stop() left off */
int jr_open(struct jr_rig *rig);
/* without a word to anybody */
void jr_crash(struct jr_rig *rig);
/* read back what is there; compares everything with the model. Leaves positions for jr_open() */
void jr_read(struct jr_rig *rig);
/* the same without consequences: everything up to @acked must be there */
void jr_check(struct jr_rig *rig, u64 acked);
/* clean end, and what was left behind is looked at */
void jr_stop(struct jr_rig *rig);

/* @nr random keys in one entry. Return: its number, 0: error, in @*error */
u64 jr_put_keys(struct jr_rig *rig, unsigned int nr, enum journal_watermark wm, u64 random,
		int *error);
/* the same, pinned by @pin */
u64 jr_put_pinned(struct jr_rig *rig, unsigned int nr, struct jr_pin *pin, u64 random, int *error);
u64 jr_put_root(struct jr_rig *rig, unsigned int btree, u8 value, int *error);
int jr_flush(struct jr_rig *rig, u64 seq);
void jr_unpin(struct jr_rig *rig, struct jr_pin *pin);
/* oldest number that is pinned by us; U64_MAX none */
u64 jr_oldest_pin(struct jr_rig *rig);

/* the devices, opened anew: whatever images are in the files */
void jr_members_open(struct jr_rig *rig);
void jr_members_close(struct jr_rig *rig);

#endif
