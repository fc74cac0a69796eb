/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_OPEN_KEYS_H
#define ENGINE_BTREE_OPEN_KEYS_H

#include <linux/gfp.h>

#include "engine/format/btree.h"
#include "engine/key/bkey.h"

/*
 * Keys of a node that came after its sorted set was made: sorted, changeable, at most one at a
 * position. What stands here counts more than what the set has at the same position; type
 * deleted says that nothing is there. How they are kept is told in open_keys.c.
 *
 * Every change of a key gives it a new number, higher than all before. Keys with numbers up to
 * @written_id are on disk (or nobody needs to write them, OPEN_NEVER_WRITTEN); the others must
 * be written and stay here until then. All deletions that stand here with a higher number must be
 * written too: those of keys that the disk never had are not kept.
 *
 * Everything here is protected by the lock of the node, like its set.
 */
struct open_entry {
	u64	inode;
	u64	offset;
	u32	snapshot;
	u32	at;		/* of the key in @words: an unpacked disk key with its value */
	u64	id;		/* number << 1 | the disk may have an older version */
};

struct open_keys {
	struct open_entry	*entry;		/* [max], kvmalloc'ed; sorted by position */
	u32			nr;
	u32			max;
	u64			*words;		/* [max_words], kvmalloc'ed */
	u32			nr_words;
	u32			max_words;
	u32			dead_words;	/* of keys that are no more */
	u32			nr_unwritten;
	u32			unwritten_words; /* an upper bound of a bset with all of them */
	u64			last_id;	/* of the youngest key */
	u64			taken_id;	/* keys up to it are on their way to disk */
	u64			written_id;
};

/* @written_id of a node that has no place on disk, or none that is ever written */
#define OPEN_NEVER_WRITTEN	(U64_MAX >> 1)

enum open_put_flags {
	/* a deletion is kept whatever the node knows of the position: the disk may have it */
	OPEN_DISK_HAS	= 1 << 0,
	/* deletions: the node's set has a key there */
	OPEN_SET_HAS	= 1 << 1,
};

/* empty; @written_id 0 for a node as read from disk, else OPEN_NEVER_WRITTEN */
void bce_open_init(struct open_keys *o, u64 written_id);
void bce_open_exit(struct open_keys *o);
/* bytes of memory held */
size_t bce_open_bytes(const struct open_keys *o);

/* index of the first key whose position is >= @p; @o->nr if none */
u32 bce_open_lower_bound(const struct open_keys *o, struct bpos p);

static inline struct bpos open_pos(const struct open_keys *o, u32 i)
{
	const struct open_entry *e = &o->entry[i];

	return SPOS(e->inode, e->offset, e->snapshot);
}

static inline u64 open_id(const struct open_keys *o, u32 i)
{
	return o->entry[i].id >> 1;
}

static inline bool open_disk_has(const struct open_keys *o, u32 i)
{
	return o->entry[i].id & 1;
}

static inline bool open_unwritten(const struct open_keys *o, u32 i)
{
	return open_id(o, i) > o->written_id;
}

static inline const struct disk_key *open_disk_key(const struct open_keys *o, u32 i)
{
	return (const struct disk_key *)(o->words + o->entry[i].at);
}

/* out->v points into @o. Deleted keys too */
void bce_open_key(const struct open_keys *o, u32 i, struct bkey *out);

/**
 * bce_open_reserve() - room for @nr more keys of @words u64s together (headers of 5 included)
 * After it bce_open_put() cannot fail for so many. Return: 0 or -ENOMEM.
 */
int bce_open_reserve(struct open_keys *o, u32 nr, u32 words, gfp_t gfp);
/**
 * bce_open_take_room() - the same without an allocation
 * @spare: empty, with room that was reserved before; it gets what @o had, to be given back by bce_open_exit()
 * Return: whether there is room now; what was enough of @spare has been taken even if not.
 */
bool bce_open_take_room(struct open_keys *o, u32 nr, u32 words, struct open_keys *spare);
/* put @k at its position; there is room */
void bce_open_put(struct open_keys *o, const struct bkey *k, unsigned int flags);

/* ---- writing ---- */

/*
 * Begin a write, or a replacement, of all that is there now. Whoever changes a key from now on
 * knows that the disk may have it. In a node without a place on disk, what comes later counts as
 * unwritten and stays here, for the nodes that replace it. Return: @last_id, for
 * bce_open_written().
 */
u64 bce_open_take(struct open_keys *o);
/* the same node, that has no place on disk, is not replaced after all */
void bce_open_untake(struct open_keys *o);
/* keys with numbers up to @id are on disk now */
void bce_open_written(struct open_keys *o, u64 id);
/* forget keys with numbers up to min(@id, written_id): they are in the set now */
void bce_open_drop(struct open_keys *o, u64 id);

#endif
