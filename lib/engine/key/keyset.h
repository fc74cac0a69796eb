/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_KEYSET_H
#define ENGINE_KEY_KEYSET_H

#include "engine/key/pack.h"

/*
 * A sorted, immutable set of disk keys with an index for searching: what a
 * clean btree node is in memory. Keys lie back to back; the index (see
 * keyset.c) keeps a lookup from touching one cache line per step of a plain
 * binary search.
 *
 * Position of a key in the set: its offset in u64s from the first key;
 * @nr_u64s is one past the end.
 */
struct keyset_index;

struct keyset {
	struct keyset_index	*index;
	struct disk_key		*keys;		/* kvmalloc'ed, nr_u64s * 8 bytes */
	u32			nr_u64s;
	u32			nr_keys;
	struct key_format	format;
};

/**
 * struct keyset_input - one run of keys to be merged
 * Keys of one run are strictly increasing in position. Of equal positions in
 * several runs the one of the LATER run wins; a winner of type deleted leaves
 * nothing.
 */
struct keyset_input {
	const struct key_format	*format;
	const struct disk_key	*start;
	const struct disk_key	*end;
};

/**
 * bce_keyset_merge() - build a set out of runs
 *
 * Keys of runs whose format equals @format are copied as they are; others are re-packed.
 * Context: may sleep (allocates).
 * Return: 0 or -ENOMEM. Free with bce_keyset_exit().
 */
int bce_keyset_merge(struct keyset *out, const struct key_format *format,
		     const struct keyset_input *runs, unsigned int nr_runs);

/**
 * bce_keyset_best_format() - the format that packs all keys of all runs
 *
 * A set merged with it holds no unpacked key: it is searched fastest, and smallest
 * unless a few keys need much more room than the others. It costs a pass over the
 * keys and re-packing of each. No deleted key is looked at.
 * Return: the format; key_format_position_only when there is no key.
 */
struct key_format bce_keyset_best_format(const struct keyset_input *runs, unsigned int nr_runs);

void bce_keyset_exit(struct keyset *set);

/* bytes of memory the set holds, index included; 0 when it is empty */
size_t bce_keyset_bytes(const struct keyset *set);

/* offset of the first key whose position is >= @p; nr_u64s if none */
u32 bce_keyset_lower_bound(const struct keyset *set, struct bpos p);

static inline const struct disk_key *keyset_at(const struct keyset *set, u32 pos)
{
	return (const struct disk_key *)((const u64 *)set->keys + pos);
}

static inline u32 keyset_next(const struct keyset *set, u32 pos)
{
	return pos + keyset_at(set, pos)->u64s;
}

/* offset of the key before @pos, by index and short scan; @pos must not be 0 */
u32 bce_keyset_prev(const struct keyset *set, u32 pos);

#endif
