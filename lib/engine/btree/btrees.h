/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_BTREES_H
#define ENGINE_BTREE_BTREES_H

#include "engine/journal/overlay.h"
#include "engine/journal/replay.h"
#include "engine/key/validate.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

/* Roots and the node cache of one set. */
struct btrees;
struct bce_cipher;

struct btrees_config {
	u64				uuid_word;
	u16				version;
	u16				version_min;
	u32				node_sectors;
	u32				block_sectors;
	size_t				cache_bytes;	/* limit; 0: a quarter of memory */
	struct member_table		*members;
	const struct bce_cipher		*cipher;
	const struct key_rules		*rules;
	const struct journal_replay	*replay;	/* blacklist, roots; outlives us */
	const struct overlay		*overlay;	/* NULL for a clean set */
	struct bce_log			*log;
};

/**
 * bce_btrees_open() - take the roots of @config->replay
 * Roots are read at first use; bce_btrees_read_roots() reads them all at once.
 * Return: 0 or -ENOMEM.
 */
int bce_btrees_open(struct btrees **out, const struct btrees_config *config);
/* NULL is allowed. Nobody reads any more. Context: may sleep until reads ahead have ended */
void bce_btrees_close(struct btrees *b);

/* Return: 0, or the first error met; every unreadable root is logged with its btree. */
int bce_btrees_read_roots(struct btrees *b);

/*
 * Checks come by the same node many times. While this is on, a node or root that cannot be read is read and reported
 * once, and -EIO from then on. Each on needs its off. Context: any
 */
void bce_btrees_damage_once(struct btrees *b, bool on);

/* The leaf that holds @pos is read, if it is not in memory, while the caller goes on. May do nothing. Context: may sleep */
void bce_btrees_prefetch(struct btrees *b, unsigned int btree_id, struct bpos pos);
/* Reads ahead that were begun are done: devices can be taken away without a false alarm. */
void bce_btrees_wait_prefetch(struct btrees *b);

struct btrees_stats {
	u64	nodes_cached;
	u64	bytes_cached;
	u64	bytes_limit;
	u64	reads;
	u64	evictions;
	u64	read_errors;
};
/* each number by itself is right; together they may be of different moments */
void bce_btrees_stats(const struct btrees *b, struct btrees_stats *out);
/* evict what nobody holds until at most @bytes remain; returns bytes freed */
size_t bce_btrees_shrink(struct btrees *b, size_t bytes);

/*
 * For listings and checks: every node of a btree, top down, left to right. @ptr is the
 * pointer key (for the root: as in the root entry).
 */
struct btree_node_view {
	unsigned int		level;
	struct bpos		min;
	struct bpos		max;
	const struct bkey	*ptr;
	u32			nr_keys;
	u32			nr_packed;
	const struct key_format	*format;
	int			error;		/* unreadable: negative errno; the rest is unset */
};
typedef int (*btree_node_fn)(void *ctx, const struct btree_node_view *view);
/* @fn runs under read locks of the way to its node; not 0 ends the walk. Return: that; -EINVAL */
int bce_btree_for_each_node(struct btrees *b, unsigned int btree_id, btree_node_fn fn, void *ctx);

/* level of the root, or -1 when the btree has none */
int bce_btree_root_level(struct btrees *b, unsigned int btree_id);

#endif
