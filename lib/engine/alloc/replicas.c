// SPDX-License-Identifier: GPL-2.0
/*
 * Combinations of members that the superblock lists.
 *
 * A counter for a new combination may only be committed when the superblock on all members has
 * it. Nearly always it has: so those that are known to be there are kept in a hash table, which is
 * read without a lock and only ever grows. Combinations with members that are gone for good
 * (index 255) cannot come up anew and are not looked at.
 *
 * Locks: replicas_lock > superblock mutex, with I/O to write it.
 *
 * Source: docs/format/80-accounting.md, section 4.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/jhash.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/replicas.h"

struct replicas_known {
	struct hlist_node	node;
	u64			devs;
	u8			data_type;
	u8			nr_required;
};

static u32 replicas_hash(unsigned int data_type, unsigned int nr_required, u64 devs)
{
	return jhash_3words(devs, devs >> 32, data_type << 8 | nr_required, 0);
}

static struct replicas_known *replicas_find(struct allocator *a, unsigned int data_type,
					    unsigned int nr_required, u64 devs)
{
	struct replicas_known *r;

	hash_for_each_possible_rcu(a->replicas, r, node,
				   replicas_hash(data_type, nr_required, devs))
		if (r->data_type == data_type && r->nr_required == nr_required && r->devs == devs)
			return r;
	return NULL;
}

static bool replicas_known(struct allocator *a, unsigned int data_type, unsigned int nr_required,
			   u64 devs)
{
	bool known;

	rcu_read_lock();
	known = replicas_find(a, data_type, nr_required, devs) != NULL;
	rcu_read_unlock();
	return known;
}

/* Caller holds @a->replicas_lock, or is alone. */
static int replicas_add(struct allocator *a, unsigned int data_type, unsigned int nr_required,
			u64 devs)
{
	struct replicas_known *r;

	if (replicas_known(a, data_type, nr_required, devs))
		return 0;
	r = kzalloc(sizeof(*r), GFP_NOFS);
	if (!r)
		return -ENOMEM;
	r->devs = devs;
	r->data_type = data_type;
	r->nr_required = nr_required;
	hash_add_rcu(a->replicas, &r->node, replicas_hash(data_type, nr_required, devs));
	return 0;
}

int alloc_replicas_read(struct allocator *a)
{
	struct bch_sb *sb = bce_sb_edit_begin(a->config.sb);
	struct replicas_entry e;
	struct replicas_walk w;
	int ret = 0;

	bce_replicas_walk_init(&w, sb);
	while (!ret && bce_replicas_next(&w, &e))
		ret = replicas_add(a, e.data_type, e.nr_required, bce_replicas_devs_mask(&e));
	bce_sb_edit_end(a->config.sb);
	return ret;
}

void alloc_replicas_exit(struct allocator *a)
{
	struct replicas_known *r;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(a->replicas, bucket, next, r, node) {
		hash_del(&r->node);
		kfree(r);
	}
}

int alloc_replicas_ensure(struct allocator *a, unsigned int data_type, unsigned int nr_required,
			  const u8 *devs, unsigned int nr_devs)
{
	u64 mask = 0;
	int ret;

	for (unsigned int i = 0; i < nr_devs; i++) {
		if (devs[i] >= BCH_MEMBERS_MAX)
			return 0;
		mask |= 1ULL << devs[i];
	}
	if (replicas_known(a, data_type, nr_required, mask))
		return 0;

	mutex_lock(&a->replicas_lock);
	ret = bce_sb_mark_replicas(a->config.sb, data_type, nr_required, mask) ?:
	      replicas_add(a, data_type, nr_required, mask);
	mutex_unlock(&a->replicas_lock);
	return ret;
}

/* positions of the combinations of a type: walked without holding anything while btrees are read */
static int replicas_collect(struct allocator *a, unsigned int data_type,
			    struct accounting_pos **out, unsigned int *nr)
{
	struct replicas_known *r;
	unsigned int max = 0;
	int bucket, ret = 0;

	*nr = 0;
	mutex_lock(&a->replicas_lock);
	hash_for_each(a->replicas, bucket, r, node)
		max += r->data_type == data_type;
	*out = kvcalloc(max ?: 1, sizeof(**out), GFP_NOFS);
	if (!*out)
		ret = -ENOMEM;
	else hash_for_each(a->replicas, bucket, r, node) {
		struct accounting_pos *pos = &(*out)[*nr];
		u64 devs = r->devs;

		if (r->data_type != data_type || hweight64(devs) > ACCOUNTING_REPLICAS_DEVS_MAX)
			continue;
		pos->type = ACCOUNTING_replicas;
		pos->replicas.data_type = data_type;
		pos->replicas.nr_required = r->nr_required;
		for (; devs; devs &= devs - 1)
			pos->replicas.devs[pos->replicas.nr_devs++] = __ffs64(devs);
		(*nr)++;
	}
	mutex_unlock(&a->replicas_lock);
	return ret;
}

int alloc_replicas_sum(struct allocator *a, unsigned int data_type, u64 *sectors)
{
	struct accounting_pos *pos;
	unsigned int nr;
	int ret = replicas_collect(a, data_type, &pos, &nr);
	s64 value;

	for (unsigned int i = 0; i < nr && !ret; i++) {
		ret = alloc_counter(a, &pos[i], 1, &value);
		if (!ret && value > 0)
			*sectors += value;
	}
	kvfree(pos);
	return ret;
}
