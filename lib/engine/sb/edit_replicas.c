// SPDX-License-Identifier: GPL-2.0
/*
 * Adding to the replicas table.
 *
 * The table has two forms, and which one is written follows from its content: v0 as long as one
 * copy is enough for every entry, else v1 for all. So an addition makes the table anew: the old
 * entries and the new one as a string of bytes, which replaces the section of its form; then the
 * section of the other form goes.
 *
 * Source: docs/format/10-superblock.md, 6.3, 6.7.
 */
#include "engine/sb/replicas.h"

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/math.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"

/* the table in the making */
struct table {
	u8	*bytes;
	size_t	len;
	bool	v1;
};

static void table_add(struct table *t, const struct replicas_entry *e)
{
	u8 *p = t->bytes + t->len;

	*p++ = e->data_type;
	*p++ = e->nr_devs;
	if (t->v1)
		*p++ = e->nr_required;
	memcpy(p, e->devs, e->nr_devs);
	t->len = p + e->nr_devs - t->bytes;
}

static bool same_entry(const struct replicas_entry *a, const struct replicas_entry *b)
{
	return a->data_type == b->data_type && a->nr_required == b->nr_required &&
	       a->nr_devs == b->nr_devs && !memcmp(a->devs, b->devs, a->nr_devs);
}

/* what there will be without @without: how much it is, and whether v0 will do */
static void table_measure(struct table *t, const struct bch_sb *sb,
			  const struct replicas_entry *without)
{
	struct replicas_entry e;
	struct replicas_walk w;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e)) {
		if (without && same_entry(&e, without))
			continue;
		t->len += 3 + e.nr_devs;
		t->v1 |= e.nr_required != 1;
	}
}

static bool listed(const struct bch_sb *sb, const struct replicas_entry *entry)
{
	struct replicas_entry e;
	struct replicas_walk w;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e))
		if (same_entry(&e, entry))
			return true;
	return false;
}

/* all entries but @without, and @with at the end; either may be NULL */
static int table_make(struct table *t, const struct bch_sb *sb,
		      const struct replicas_entry *without, const struct replicas_entry *with)
{
	struct replicas_entry e;
	struct replicas_walk w;

	*t = (struct table) { .v1 = with && with->nr_required != 1 };
	table_measure(t, sb, without);
	t->bytes = kvzalloc(t->len + 3 + BCH_MEMBERS_MAX, GFP_KERNEL);
	if (!t->bytes)
		return -ENOMEM;
	t->len = 0;
	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e))
		if (!without || !same_entry(&e, without))
			table_add(t, &e);
	if (with)
		table_add(t, with);
	return 0;
}

/* the sections become what @t says */
static int table_store(struct sb_writer *w, const struct table *t)
{
	unsigned int type = t->v1 ? BCH_SB_FIELD_replicas : BCH_SB_FIELD_replicas_v0;
	unsigned int other = t->v1 ? BCH_SB_FIELD_replicas_v0 : BCH_SB_FIELD_replicas;
	unsigned int u64s = t->len ? DIV_ROUND_UP(sizeof(struct bch_sb_field) + t->len, 8) : 0;
	struct bch_sb_field *f = bce_sb_field_resize(w, type, u64s);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (f) {
		memset(f + 1, 0, 8 * (size_t)u64s - sizeof(*f));
		memcpy(f + 1, t->bytes, t->len);
	}
	bce_sb_field_resize(w, other, 0);
	w->unwritten = true;
	return 1;
}

/* devices of a mask, ascending; as many as there are bits */
static unsigned int mask_devs(u64 mask, u8 devs[BCH_MEMBERS_MAX])
{
	unsigned int nr = 0;

	for (; mask; mask &= mask - 1)
		devs[nr++] = __ffs64(mask);
	return nr;
}

static int entry_make(struct replicas_entry *e, u8 devs[BCH_MEMBERS_MAX], unsigned int data_type,
		      unsigned int nr_required, u64 mask)
{
	*e = (struct replicas_entry) {
		.data_type = data_type, .nr_required = nr_required, .devs = devs,
	};
	e->nr_devs = mask_devs(mask, devs);
	if (!data_type || data_type >= BCH_DATA_NR || !e->nr_devs || nr_required > U8_MAX ||
	    (nr_required > 1 && nr_required >= e->nr_devs))
		return -EINVAL;
	return 0;
}

int bce_sb_replicas_add(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			u64 devs)
{
	u8 list[BCH_MEMBERS_MAX];
	struct replicas_entry e;
	struct table t;
	int ret = entry_make(&e, list, data_type, nr_required, devs);

	if (ret || listed(w->sb, &e))
		return ret;
	ret = table_make(&t, w->sb, NULL, &e);
	if (!ret)
		ret = table_store(w, &t);
	kvfree(t.bytes);
	return ret;
}

int bce_sb_replicas_remove(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			   u64 devs)
{
	u8 list[BCH_MEMBERS_MAX];
	struct replicas_entry e;
	struct table t;
	int ret = entry_make(&e, list, data_type, nr_required, devs);

	if (ret || !listed(w->sb, &e))
		return ret;
	ret = table_make(&t, w->sb, &e, NULL);
	if (!ret)
		ret = table_store(w, &t);
	kvfree(t.bytes);
	return ret;
}
