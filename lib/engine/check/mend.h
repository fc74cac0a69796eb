/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_MEND_H
#define ENGINE_CHECK_MEND_H

#include "engine/btree/iter.h"
#include "engine/check/alloc_internal.h"
#include "engine/key/accounting.h"

/* What repair has noted to do: mend.c. */

#define MEND_KEYS_MAX	4096	/* noted at a time, where nothing is being walked */

/* what is to be at a position */
struct mend_key {
	struct bkey	k;		/* value: ours */
	u8		btree_id;
	bool		quiet;		/* said with others together */
};

/* a word about a bucket's generation */
struct mend_gen {
	u64	bucket;
	u8	dev, gen, kind;
};

struct mend_counter {
	struct accounting_pos	pos;
	s64			was[ACCOUNTING_COUNTERS_MAX];
	s64			delta[ACCOUNTING_COUNTERS_MAX];
};

/* a btree node that the member's bitmap lacks */
struct mend_place {
	u64	sector;
	u8	dev;
};

struct mend {
	struct check_repair	*r;
	struct mend_key		*key;
	size_t			nr_keys, keys_room;
	struct mend_gen		*gen;
	size_t			nr_gens, gens_room;
	struct mend_counter	*counter;
	size_t			nr_counters, counters_room;
	struct accounting_pos	*replicas;
	size_t			nr_replicas, replicas_room;
	struct mend_place	*place;
	size_t			nr_places, places_room;
	u64			version;	/* latest of any key */
	bool			changed;	/* keys, since the walk began */
	u64			bad_freespace;	/* mend_index.c: bit per member */
	struct bkey_buf		buf;
};

/* as mend_put(), not said */
int mend_put_quiet(struct alloc_check *a, unsigned int btree_id, const struct bkey *k);

#endif
