/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_PARSE_H
#define ENGINE_BTREE_NODE_PARSE_H

#include "engine/btree/btrees.h"
#include "engine/key/keyset.h"

/* What the pointer to a node says about it. */
struct node_expect {
	unsigned int	btree_id;
	unsigned int	level;
	struct bpos	min;			/* inclusive; unset unless @min_known */
	struct bpos	max;			/* inclusive */
	u64		seq;			/* 0: legacy pointer, any but 0 will do */
	u32		sectors_written;	/* 0: legacy pointer, scan to the end of the node */
	bool		v2;
	bool		min_known;
	bool		range_updated;		/* the pointer's range replaces the node's */
};

/**
 * bce_node_expect() - what to expect behind a pointer
 * @ptr: btree_ptr or btree_ptr_v2 key
 * The lower bound of a legacy pointer's node is left unknown.
 */
void bce_node_expect(struct node_expect *out, unsigned int btree_id, unsigned int level,
		     const struct bkey *ptr);

/**
 * struct node_image - a node as it lies on disk, and what was found in it
 * @data:     in: the node from its first byte, 8-byte aligned; decrypted and thinned out in place
 * @bytes:    in: how much of it is there
 * @runs:     in: room for bce_node_runs_max() runs; out: one per bset, keys still in @data
 * @nr_runs:  out
 * @format:   out: format of the packed keys of all runs
 * @min:      out: range of the node, the pointer's where RANGE_UPDATED
 * @max:      out
 * @nr_dropped: out: keys left out because they break a rule of keys
 * @nr_unpacked: out: keys in @runs that @format did not hold
 */
struct node_image {
	void			*data;
	size_t			bytes;
	struct keyset_input	*runs;
	unsigned int		nr_runs;
	struct key_format	format;
	struct bpos		min;
	struct bpos		max;
	u32			nr_dropped;
	u32			nr_unpacked;
};

/* bsets a node can have */
unsigned int bce_node_runs_max(const struct btrees_config *config);

/**
 * bce_node_parse() - verify a node image, decrypt it and list its keys
 * @config: geometry, cipher, rules, blacklist (@config->replay may be NULL), log (may be NULL);
 *          no devices are touched
 * @where:  device name for messages
 *
 * Every finding is logged with its error id. Keys that break a rule of keys are left out and
 * counted, anything else wrong makes the whole image unusable.
 *
 * Context: may sleep.
 * Return: 0, -EBADMSG damaged or another node, -ENOKEY encrypted and no key is known.
 * Source: docs/format/50-btree.md, 6.5.
 */
int bce_node_parse(struct node_image *image, const struct btrees_config *config,
		   const struct node_expect *expect, const char *where);

#endif
