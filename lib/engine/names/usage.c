// SPDX-License-Identifier: GPL-2.0
/*
 * How full the set is, from the accounting btree (docs/format/80-accounting.md,
 * section 6; capacity: 75-allocation.md, section 9).
 *
 * Counters of inodes lie among all others, so a scan would pass one key for
 * each file. Instead each wanted counter is looked up at its own position: those
 * of replicas by the superblock's replicas table, which must list every
 * combination that has a counter.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/accounting.h"
#include "engine/names/names.h"
#include "engine/sb/replicas.h"

/* buckets that an allocation must leave for emergencies, in nodes' worth of buckets */
#define RESERVE_NODES		28
/* reservations of data are charged with this share for metadata: x + x / 64 */
#define RESERVE_FACTOR_SHIFT	6

#define REPLICAS_MAX		4

/* one counter; 0 when the key is not there */
static int counter_read(const struct names_source *src, const struct accounting_pos *at,
			unsigned int nr, s64 *out)
{
	struct bpos pos = bce_accounting_pos_encode(at);
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	*out = 0;
	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_accounting, 0, pos, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (k && !bpos_cmp(k->p, pos) && k->type == KEY_TYPE_accounting &&
		 nr < bce_accounting_nr_counters(k))
		*out = bce_accounting_counter(k, nr);
	bce_btree_iter_exit(&iter);
	return ret;
}

/* the same added to @sum; a negative total is damage, and counts as none */
static int counter_add(const struct names_source *src, const struct accounting_pos *at,
		       u64 scale, u64 *sum)
{
	s64 value;
	int ret = counter_read(src, at, 0, &value);

	if (!ret && value > 0)
		*sum += value * scale;
	return ret;
}

static bool replicas_count_as_used(unsigned int data_type)
{
	return data_type == BCH_DATA_user || data_type == BCH_DATA_btree ||
	       data_type == BCH_DATA_parity;
}

/* data, btree and parity sectors */
static int usage_replicas(const struct names_source *src, u64 *sum)
{
	struct replicas_walk walk;
	struct replicas_entry e;
	int ret = 0;

	bce_replicas_walk_init(&walk, src->sb);
	while (!ret && bce_replicas_next(&walk, &e)) {
		struct accounting_pos at = { .type = ACCOUNTING_replicas };

		if (!replicas_count_as_used(e.data_type) || e.nr_devs > ACCOUNTING_REPLICAS_DEVS_MAX)
			continue;
		at.replicas.data_type = e.data_type;
		at.replicas.nr_devs = e.nr_devs;
		at.replicas.nr_required = e.nr_required;
		memcpy(at.replicas.devs, e.devs, e.nr_devs);
		ret = counter_add(src, &at, 1, sum);
	}
	return ret;
}

static int usage_reserved(const struct names_source *src, u64 *sum)
{
	int ret = 0;

	for (unsigned int nr = 1; nr <= REPLICAS_MAX && !ret; nr++) {
		struct accounting_pos at = {
			.type = ACCOUNTING_persistent_reserved,
			.persistent_reserved.nr_replicas = nr,
		};

		ret = counter_add(src, &at, nr, sum);
	}
	return ret;
}

/* sectors in buckets of superblocks and journal */
static int usage_hidden(const struct names_source *src, unsigned int dev, u32 bucket_sectors,
			u64 *sum)
{
	struct accounting_pos at = { .type = ACCOUNTING_dev_data_type };
	int ret;

	at.dev_data_type.dev = dev;
	at.dev_data_type.data_type = BCH_DATA_sb;
	ret = counter_add(src, &at, bucket_sectors, sum);
	at.dev_data_type.data_type = BCH_DATA_journal;
	return ret ?: counter_add(src, &at, bucket_sectors, sum);
}

struct capacity {
	u64	raw_sectors;
	u64	device_reserve_sectors;
	u64	hidden_sectors;
};

static u64 device_reserve_sectors(const struct member_info *m, u32 node_sectors)
{
	u32 nodes_per_bucket = max(m->bucket_sectors / max(node_sectors, 1U), 1U);
	u64 buckets = 2 * DIV_ROUND_UP(RESERVE_NODES, nodes_per_bucket) + m->nbuckets / 64 + 3;

	return buckets * m->bucket_sectors;
}

static int capacity_read(const struct names_source *src, struct capacity *c)
{
	struct member_info m;
	int ret = 0;

	memset(c, 0, sizeof(*c));
	for (unsigned int i = 0; i < src->info->nr_devices && !ret; i++) {
		bce_sb_member(src->sb, i, &m);
		if (!m.exists || !(src->members_present & 1ULL << i))
			continue;
		ret = usage_hidden(src, i, m.bucket_sectors, &c->hidden_sectors);
		if (m.state != MEMBER_RW)
			continue;
		c->raw_sectors += (m.nbuckets - m.first_bucket) * m.bucket_sectors;
		c->device_reserve_sectors += device_reserve_sectors(&m,
								    src->info->btree_node_sectors);
	}
	return ret;
}

/* what is held back for moving data */
static u64 capacity_reserve(const struct names_source *src, const struct capacity *c)
{
	u64 gc = names_sb_option(src, "gc_reserve_bytes") / SECTOR_BYTES ?:
		 div_u64(c->raw_sectors * names_sb_option(src, "gc_reserve_percent"), 100);

	return min(max(gc, 2 * c->device_reserve_sectors), c->raw_sectors);
}

static u64 saturating_sub(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

int names_nr_inodes(const struct names_source *src, u64 *nr)
{
	struct accounting_pos inodes = { .type = ACCOUNTING_nr_inodes };

	*nr = 0;
	return counter_add(src, &inodes, 1, nr);
}

int names_usage(const struct names_source *src, struct bce_usage *out)
{
	u64 data = 0, reserved = 0, nr_inodes = 0, usable;
	struct capacity c;
	int ret;

	ret = capacity_read(src, &c) ?:
	      usage_replicas(src, &data) ?:
	      usage_reserved(src, &reserved) ?:
	      names_nr_inodes(src, &nr_inodes);
	if (ret)
		return ret;

	usable = saturating_sub(c.raw_sectors - capacity_reserve(src, &c), c.hidden_sectors);
	reserved += DIV_ROUND_UP_ULL(reserved, 1U << RESERVE_FACTOR_SHIFT);
	out->capacity_sectors = usable;
	out->used_sectors = min(usable, data + reserved);
	out->free_sectors = usable - out->used_sectors;
	out->nr_inodes = nr_inodes;
	return 0;
}
