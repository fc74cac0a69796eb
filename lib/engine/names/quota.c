// SPDX-License-Identifier: GPL-2.0
/*
 * Usage and limits of users, groups and projects (docs/format/60-filesystem-keys.md, part VI).
 *
 * Only limits are stored. Usage is counted at start, in one pass over all inodes, and kept in memory
 * from then on: whoever changes something charges the difference before he commits. What is above a
 * soft limit may stay there for the type's grace time, kept in memory as well.
 *
 * Entries live in a hash table until the set is closed; one mutex guards all of it. Who lists them asks for one
 * after the other: the order is kept sorted from the first such question until there is a new
 * entry. Nothing of this exists when no type is enabled.
 */
#include "engine/names/quota.h"

#include <linux/errno.h>
#include <linux/hashtable.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/timekeeping.h>

#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

#define HASH_BITS_NR	10
#define GRACE_DEFAULT	604800	/* seconds */

static_assert(QUOTA_TYPES == BCH_QUOTA_NR);

struct quota_counter {
	s64	used;
	s64	deadline;	/* seconds; 0: below the soft limit */
};

struct quota_entry {
	struct hlist_node	link;
	u32			id;
	u8			type;
	struct quota_limits	limits;
	struct quota_counter	c[BCH_QUOTA_COUNTER_NR];
};

struct quota_table {
	struct mutex		lock;		/* all below, but for the two that never change */
	bool			enabled[QUOTA_TYPES];
	u32			grace[QUOTA_TYPES][BCH_QUOTA_COUNTER_NR];
	DECLARE_HASHTABLE(entries, HASH_BITS_NR);
	u32			nr[QUOTA_TYPES];		/* entries, which only ever come */
	struct quota_entry	**sorted[QUOTA_TYPES];		/* by id; NULL: not asked for yet */
	u32			nr_sorted[QUOTA_TYPES];		/* as many as nr: it is right */
};

struct quota_owner bce_quota_owner(const struct inode_fields *f)
{
	return (struct quota_owner) {
		.id = {
			[BCH_QUOTA_user] = f->uid,
			[BCH_QUOTA_group] = f->gid,
			[BCH_QUOTA_project] = f->project ? f->project - 1 : 0,
		},
	};
}

/* ---- the table ---- */

static u64 entry_key(unsigned int type, u32 id)
{
	return (u64)type << 32 | id;
}

static struct quota_entry *entry_find(struct quota_table *q, unsigned int type, u32 id)
{
	struct quota_entry *e;

	hash_for_each_possible(q->entries, e, link, entry_key(type, id))
		if (e->id == id && e->type == type)
			return e;
	return NULL;
}

static struct quota_entry *entry_get(struct quota_table *q, unsigned int type, u32 id)
{
	struct quota_entry *e = entry_find(q, type, id);

	if (e)
		return e;
	e = kzalloc(sizeof(*e), GFP_NOFS);
	if (!e)
		return NULL;
	e->id = id;
	e->type = type;
	hash_add(q->entries, &e->link, entry_key(type, id));
	q->nr[type]++;
	return e;
}

void bce_quota_grace_read(struct quota_table *q, const struct bch_sb *sb)
{
	size_t bytes;
	const struct bch_sb_field_quota *f = (const void *)bce_sb_field(sb, BCH_SB_FIELD_quota,
									&bytes);
	unsigned int type, c;

	for (type = 0; type < QUOTA_TYPES; type++)
		for (c = 0; c < BCH_QUOTA_COUNTER_NR; c++) {
			q->grace[type][c] = GRACE_DEFAULT;
			if (f && bytes >= sizeof(*f) && f->q[type].c[c].timelimit)
				q->grace[type][c] = le32_to_cpu(f->q[type].c[c].timelimit);
		}
}

unsigned int bce_quota_types_of(const struct bch_sb *sb)
{
	static const char *const options[QUOTA_TYPES] = { "usrquota", "grpquota", "prjquota" };
	unsigned int type, types = 0;

	for (type = 0; type < QUOTA_TYPES; type++)
		if (bce_sb_option_named(sb, options[type]))
			types |= 1U << type;
	return types;
}

int bce_quota_open(struct quota_table **out, const struct bch_sb *sb, unsigned int types)
{
	struct quota_table *q;
	unsigned int type;

	*out = NULL;
	if (!types)
		return 0;
	q = kvzalloc(sizeof(*q), GFP_KERNEL);
	if (!q)
		return -ENOMEM;
	for (type = 0; type < QUOTA_TYPES; type++)
		q->enabled[type] = types >> type & 1;
	mutex_init(&q->lock);
	hash_init(q->entries);
	bce_quota_grace_read(q, sb);
	*out = q;
	return 0;
}

void bce_quota_close(struct quota_table *q)
{
	struct hlist_node *next;
	struct quota_entry *e;
	unsigned int i;

	if (!q)
		return;
	for (i = 0; i < HASH_SIZE(q->entries); i++)
		hlist_for_each_entry_safe(e, next, &q->entries[i], link)
			kfree(e);
	for (i = 0; i < QUOTA_TYPES; i++)
		kvfree(q->sorted[i]);
	mutex_destroy(&q->lock);
	kvfree(q);
}

/* ---- charging ---- */

static int counter_check(const struct quota_counter *c, const struct quota_limit *limit, s64 more)
{
	s64 after = c->used + more;

	if (more <= 0)
		return 0;
	if (limit->hard && after > 0 && (u64)after > limit->hard)
		return -EDQUOT;
	if (limit->soft && after > 0 && (u64)after > limit->soft && c->deadline &&
	    ktime_get_seconds() > c->deadline)
		return -EDQUOT;
	return 0;
}

static void counter_add(struct quota_counter *c, const struct quota_limit *limit, s64 more,
			u32 grace)
{
	c->used = max_t(s64, c->used + more, 0);
	if (!limit->soft || (u64)c->used <= limit->soft)
		c->deadline = 0;
	else if (!c->deadline)
		c->deadline = ktime_get_seconds() + grace;
}

static int entry_check(const struct quota_entry *e, s64 sectors, s64 inodes)
{
	return counter_check(&e->c[BCH_QUOTA_space], &e->limits.space_sectors, sectors) ?:
	       counter_check(&e->c[BCH_QUOTA_inodes], &e->limits.inodes, inodes);
}

static void entry_add(struct quota_table *q, struct quota_entry *e, s64 sectors, s64 inodes)
{
	counter_add(&e->c[BCH_QUOTA_space], &e->limits.space_sectors, sectors,
		    q->grace[e->type][BCH_QUOTA_space]);
	counter_add(&e->c[BCH_QUOTA_inodes], &e->limits.inodes, inodes,
		    q->grace[e->type][BCH_QUOTA_inodes]);
}

/* @types: bit per type */
static int charge_locked(struct quota_table *q, const struct quota_owner *owner,
			 unsigned int types, s64 sectors, s64 inodes, unsigned int flags)
{
	bool less = sectors <= 0 && inodes <= 0;
	struct quota_entry *e[QUOTA_TYPES];
	unsigned int type;
	int ret;

	for (type = 0; type < QUOTA_TYPES; type++) {
		e[type] = NULL;
		if (!q->enabled[type] || !(types & 1U << type))
			continue;
		e[type] = less ? entry_find(q, type, owner->id[type]) :
				 entry_get(q, type, owner->id[type]);
		if (!e[type] && !less)
			return -ENOMEM;
		ret = e[type] && !(flags & QUOTA_NO_LIMIT) ?
			entry_check(e[type], sectors, inodes) : 0;
		if (ret)
			return ret;
	}
	for (type = 0; type < QUOTA_TYPES && !(flags & QUOTA_ASK); type++)
		if (e[type])
			entry_add(q, e[type], sectors, inodes);
	return 0;
}

#define ALL_TYPES	((1U << QUOTA_TYPES) - 1)

int bce_quota_charge(struct quota_table *q, const struct quota_owner *owner, s64 sectors,
		     s64 inodes, unsigned int flags)
{
	int ret;

	if (!q)
		return 0;
	mutex_lock(&q->lock);
	ret = charge_locked(q, owner, ALL_TYPES, sectors, inodes, flags);
	mutex_unlock(&q->lock);
	return ret;
}

int bce_quota_move(struct quota_table *q, const struct quota_owner *from,
		   const struct quota_owner *to, s64 sectors, s64 inodes, unsigned int flags)
{
	unsigned int type, types = 0;
	int ret;

	if (!q)
		return 0;
	for (type = 0; type < QUOTA_TYPES; type++)
		if (from->id[type] != to->id[type])
			types |= 1U << type;
	mutex_lock(&q->lock);
	ret = charge_locked(q, to, types, sectors, inodes, flags);
	if (!ret)
		charge_locked(q, from, types, -sectors, -inodes, QUOTA_NO_LIMIT);
	mutex_unlock(&q->lock);
	return ret;
}

/* ---- questions, limits ---- */

static bool is_enabled(const struct quota_table *q, unsigned int type)
{
	return q && type < QUOTA_TYPES && q->enabled[type];
}

static struct quota_usage entry_usage(const struct quota_entry *e)
{
	return (struct quota_usage) {
		.limits = e->limits,
		.space_sectors = e->c[BCH_QUOTA_space].used,
		.inodes = e->c[BCH_QUOTA_inodes].used,
		.space_deadline = e->c[BCH_QUOTA_space].deadline,
		.inodes_deadline = e->c[BCH_QUOTA_inodes].deadline,
	};
}

int bce_quota_usage(struct quota_table *q, unsigned int type, u32 id, struct quota_usage *out)
{
	struct quota_entry *e;

	*out = (struct quota_usage) { };
	if (!is_enabled(q, type))
		return -ESRCH;
	mutex_lock(&q->lock);
	e = entry_find(q, type, id);
	if (e)
		*out = entry_usage(e);
	mutex_unlock(&q->lock);
	return 0;
}

static bool entry_is_empty(const struct quota_entry *e)
{
	const struct quota_limits none = { };

	return !e->c[BCH_QUOTA_space].used && !e->c[BCH_QUOTA_inodes].used &&
	       !memcmp(&e->limits, &none, sizeof(none));
}

static int cmp_ids(const void *a, const void *b)
{
	const struct quota_entry *const *l = a, *const *r = b;

	return (*l)->id < (*r)->id ? -1 : (*l)->id > (*r)->id;
}

/* under the lock. 0, -ENOMEM */
static int entries_sort(struct quota_table *q, unsigned int type)
{
	struct quota_entry **list, *e;
	unsigned int bucket, nr = 0;

	if (q->nr_sorted[type] == q->nr[type])
		return 0;
	list = kvmalloc_array(q->nr[type], sizeof(*list), GFP_NOFS);
	if (!list)
		return -ENOMEM;
	hash_for_each(q->entries, bucket, e, link)
		if (e->type == type)
			list[nr++] = e;
	sort(list, nr, sizeof(*list), cmp_ids, NULL);
	kvfree(q->sorted[type]);
	q->sorted[type] = list;
	q->nr_sorted[type] = nr;
	return 0;
}

/* the first with that id or a higher one: index in q->sorted[type] */
static u32 entries_from(const struct quota_table *q, unsigned int type, u32 id)
{
	u32 lo = 0, hi = q->nr_sorted[type];

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (q->sorted[type][mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* under the lock */
static int usage_next(struct quota_table *q, unsigned int type, u32 *id, struct quota_usage *out)
{
	const struct quota_entry *e;
	int ret = entries_sort(q, type);
	u32 i;

	for (i = entries_from(q, type, *id); !ret && i < q->nr_sorted[type]; i++) {
		e = q->sorted[type][i];
		if (entry_is_empty(e))
			continue;
		*id = e->id;
		*out = entry_usage(e);
		return 0;
	}
	return ret ?: -ENOENT;
}

int bce_quota_usage_next(struct quota_table *q, unsigned int type, u32 *id, struct quota_usage *out)
{
	int ret;

	if (!is_enabled(q, type))
		return -ESRCH;
	mutex_lock(&q->lock);
	ret = usage_next(q, type, id, out);
	mutex_unlock(&q->lock);
	return ret;
}

int bce_quota_grace(struct quota_table *q, unsigned int type, u32 grace[BCH_QUOTA_COUNTER_NR])
{
	if (!is_enabled(q, type))
		return -ESRCH;
	mutex_lock(&q->lock);
	memcpy(grace, q->grace[type], sizeof(q->grace[type]));
	mutex_unlock(&q->lock);
	return 0;
}

int bce_quota_grace_change(struct quota_table *q, unsigned int type,
			   const u32 grace[BCH_QUOTA_COUNTER_NR])
{
	if (!is_enabled(q, type))
		return -ESRCH;
	mutex_lock(&q->lock);
	memcpy(q->grace[type], grace, sizeof(q->grace[type]));
	mutex_unlock(&q->lock);
	return 0;
}

int bce_quota_limits_set(struct quota_table *q, unsigned int type, u32 id,
			 const struct quota_limits *limits)
{
	struct quota_entry *e;

	if (!is_enabled(q, type))
		return -ESRCH;
	mutex_lock(&q->lock);
	e = entry_get(q, type, id);
	if (e) {
		e->limits = *limits;
		/* grace begins, or ends, with the new limits */
		entry_add(q, e, 0, 0);
	}
	mutex_unlock(&q->lock);
	return e ? 0 : -ENOMEM;
}

/* ---- counting ---- */

static int count_inode(struct quota_table *q, const struct inode_fields *f, int sign)
{
	struct quota_owner owner = bce_quota_owner(f);

	return bce_quota_charge(q, &owner, sign * (s64)f->sectors, sign, QUOTA_NO_LIMIT);
}

struct count {
	struct quota_table		*q;
	const struct snapshot_table	*snapshots;
	int				sign;
	/* whose masters were looked for last */
	u32				tree, master;
	/* the inode whose visible version has been found */
	u64				done;
};

/* the snapshot of a tree's subvolume that is no snapshot; 0: there is none */
static u32 tree_master(struct count *c, u32 tree)
{
	struct subvolume_info s = { };

	if (c->tree == tree)
		return c->master;
	c->tree = tree;
	c->master = 0;
	while (bce_subvolume_next(c->snapshots, s.id, &s))
		if (!s.snap && bce_snapshot_tree(c->snapshots, s.snapshot) == tree)
			c->master = s.snapshot;
	return c->master;
}

/* versions come youngest first: the first that the master sees is it, whatever it is */
static int count_version(void *ctx, const struct bkey *k)
{
	struct count *c = ctx;
	struct inode_fields f;
	u32 master;

	if (c->done == k->p.offset)
		return 0;
	master = tree_master(c, bce_snapshot_tree(c->snapshots, k->p.snapshot));
	if (!master || !bce_snapshot_is_ancestor(c->snapshots, master, k->p.snapshot))
		return 0;
	c->done = k->p.offset;
	if (!bce_key_type_is_inode(k->type) || bce_inode_unpack(k, &f))
		return 0;
	return count_inode(c->q, &f, 1);
}

static int read_limit(void *ctx, const struct bkey *k)
{
	struct quota_limits limits;
	int ret;

	if (k->type != KEY_TYPE_quota || k->p.inode >= QUOTA_TYPES || k->p.offset > U32_MAX)
		return 0;
	bce_quota_decode(k, &limits);
	ret = bce_quota_limits_set(ctx, k->p.inode, k->p.offset, &limits);
	return ret == -ESRCH ? 0 : ret;
}

int bce_quota_read(struct quota_table *q, struct btrees *b, const struct snapshot_table *snapshots,
		   struct bce_log *log)
{
	struct count c = { .q = q, .snapshots = snapshots };
	int ret = bce_btree_for_each_key(b, BTREE_ID_quotas, NULL, read_limit, q) ?:
		  bce_btree_for_each_key(b, BTREE_ID_inodes, NULL, count_version, &c);

	if (ret)
		bce_log_line(log, BCE_LOG_ERR, "quotas cannot be counted: error %d", ret);
	return ret;
}

static int count_seen(void *ctx, const struct bkey *k)
{
	struct count *c = ctx;
	struct inode_fields f;

	if (!bce_key_type_is_inode(k->type) || bce_inode_unpack(k, &f))
		return 0;
	return count_inode(c->q, &f, c->sign);
}

int bce_quota_count_snapshot(struct quota_table *q, struct btrees *b,
			     const struct snapshot_table *snapshots, u32 snapshot, int sign)
{
	struct count c = { .q = q, .sign = sign };
	struct snapshot_view view = bce_snapshot_view(snapshots, snapshot);

	return bce_btree_for_each_key(b, BTREE_ID_inodes, &view, count_seen, &c);
}
