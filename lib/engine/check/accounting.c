// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: from the keys, against those of the accounting btree; and the replicas table.
 *
 * Counters from the keys are in an open hash table by position. Those of single inodes are apart, in an
 * array: there are as many as inodes, and extents come in the order of inodes, so it is sorted by
 * itself. When the btree is walked each key is looked up there; what is left with numbers in it is
 * missing in the btree.
 *
 * Source: docs/format/80-accounting.md, sections 1, 3, 4, 5; 10-superblock.md, 6.3 and 6.7.
 */
#include "engine/check/alloc_internal.h"

#include <linux/jhash.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/key/accounting.h"
#include "engine/key/text.h"
#include "engine/key/values.h"
#include "engine/sb/replicas.h"
#include "engine/util/text.h"

#define COUNTER_BITS_MIN	8

/* ---- the table ---- */

static struct check_counter *slot_of(struct check_counter *table, unsigned int bits,
				     struct bpos pos)
{
	struct bpos_le le = bpos_to_le(pos);
	size_t mask = (1UL << bits) - 1;
	size_t i = jhash(&le, sizeof(le), 0) & mask;

	while (table[i].used && bpos_cmp(table[i].pos, pos))
		i = (i + 1) & mask;
	return &table[i];
}

static int table_grow(struct alloc_check *a)
{
	unsigned int bits = a->counter ? a->counter_bits + 1 : COUNTER_BITS_MIN;
	struct check_counter *bigger;

	if (a->counter && a->nr_counters * 2 < 1UL << a->counter_bits)
		return 0;
	bigger = kvcalloc(1UL << bits, sizeof(*bigger), GFP_KERNEL);
	if (!bigger)
		return -ENOMEM;
	for (size_t i = 0; a->counter && i < 1UL << a->counter_bits; i++)
		if (a->counter[i].used)
			*slot_of(bigger, bits, a->counter[i].pos) = a->counter[i];
	kvfree(a->counter);
	a->counter = bigger;
	a->counter_bits = bits;
	return 0;
}

int check_account(struct alloc_check *a, const struct accounting_pos *pos, s64 d0, s64 d1, s64 d2)
{
	struct check_counter *slot;
	int ret = table_grow(a);

	if (ret)
		return ret;
	slot = slot_of(a->counter, a->counter_bits, bce_accounting_pos_encode(pos));
	if (!slot->used) {
		slot->used = true;
		slot->pos = bce_accounting_pos_encode(pos);
		a->nr_counters++;
	}
	slot->d[0] += d0;
	slot->d[1] += d1;
	slot->d[2] += d2;
	return 0;
}

static void sort_devs(u8 *devs, unsigned int nr)
{
	for (unsigned int i = 1; i < nr; i++)
		for (unsigned int j = i; j && devs[j - 1] > devs[j]; j--)
			swap(devs[j - 1], devs[j]);
}

int check_account_replicas(struct alloc_check *a, unsigned int data_type, unsigned int required,
			   u8 *devs, unsigned int nr, s64 sectors)
{
	struct accounting_pos pos = { .type = ACCOUNTING_replicas };

	nr = min_t(unsigned int, nr, ACCOUNTING_REPLICAS_DEVS_MAX);
	sort_devs(devs, nr);
	pos.replicas.data_type = data_type;
	pos.replicas.nr_devs = nr;
	pos.replicas.nr_required = required;
	memcpy(pos.replicas.devs, devs, nr);
	return check_account(a, &pos, sectors, 0, 0);
}

int check_account_inum(struct alloc_check *a, u64 inum, s64 extents, s64 size, s64 sectors)
{
	struct check_inum *last = inum ? NULL : &a->inum0;
	int ret;

	if (inum && a->nr_inums && a->inum[a->nr_inums - 1].inum == inum)
		last = &a->inum[a->nr_inums - 1];
	if (!last) {
		ret = check_array_room((void **)&a->inum, a->nr_inums, &a->inums_room,
				       sizeof(*a->inum));
		if (ret)
			return ret;
		last = &a->inum[a->nr_inums++];
		*last = (struct check_inum) { .inum = inum };
	}
	last->d[0] += extents;
	last->d[1] += size;
	last->d[2] += sectors;
	return 0;
}

static struct check_inum *inum_find(struct alloc_check *a, u64 inum)
{
	size_t lo = 0, hi = a->nr_inums;

	if (!inum)
		return &a->inum0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->inum[mid].inum < inum)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < a->nr_inums && a->inum[lo].inum == inum ? &a->inum[lo] : NULL;
}

/* ---- buckets by type ---- */

static int account_bucket(struct alloc_check *a, unsigned int dev, const struct check_bucket *b)
{
	struct accounting_pos pos = { .type = ACCOUNTING_dev_data_type };
	struct alloc_info w;
	int ret;

	check_bucket_walked(b, &w);
	pos.dev_data_type.dev = dev;
	pos.dev_data_type.data_type = w.data_type;
	ret = check_account(a, &pos, 1, bce_alloc_sectors(&w),
			    bce_alloc_fragmented_sectors(&w, a->dev[dev].info->bucket_sectors));
	if (ret || w.data_type != BCH_DATA_stripe || !w.dirty_sectors)
		return ret;
	pos.dev_data_type.data_type = BCH_DATA_unstriped;
	return check_account(a, &pos, 1, w.dirty_sectors, 0);
}

int check_account_buckets(struct alloc_check *a)
{
	int ret = 0;

	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++) {
		const struct check_dev *d = &a->dev[dev];

		for (u64 i = d->info ? d->info->first_bucket : 0;
		     !ret && d->info && i < d->info->nbuckets; i++)
			ret = account_bucket(a, dev, &d->bucket[i]);
	}
	return ret;
}

/* ---- the replicas table ---- */

static bool replicas_listed(const struct bch_sb *sb, unsigned int data_type, unsigned int required,
			    const u8 *devs, unsigned int nr)
{
	struct replicas_entry e;
	struct replicas_walk w;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e))
		if (e.data_type == data_type && e.nr_required == required && e.nr_devs == nr &&
		    !memcmp(e.devs, devs, nr))
			return true;
	return false;
}

static void replicas_text(struct text_buf *out, const struct accounting_pos *pos)
{
	bce_text_printf(out, "%s %u/%u [", bce_data_type_name(pos->replicas.data_type),
			pos->replicas.nr_required, pos->replicas.nr_devs);
	for (unsigned int i = 0; i < min_t(unsigned int, pos->replicas.nr_devs,
					   ACCOUNTING_REPLICAS_DEVS_MAX); i++)
		bce_text_printf(out, "%s%u", i ? " " : "", pos->replicas.devs[i]);
	bce_text_putc(out, ']');
}

static void pos_text(struct text_buf *out, const struct accounting_pos *pos)
{
	const char *name = bce_accounting_type_name(pos->type);
	struct bpos p = bce_accounting_pos_encode(pos);

	bce_text_printf(out, "%s", name ?: "unknown");
	switch (pos->type) {
	case ACCOUNTING_persistent_reserved:
		bce_text_printf(out, " replicas=%u", pos->persistent_reserved.nr_replicas);
		break;
	case ACCOUNTING_replicas:
		bce_text_putc(out, ' ');
		replicas_text(out, pos);
		break;
	case ACCOUNTING_dev_data_type:
		bce_text_printf(out, " dev=%u data_type=%s", pos->dev_data_type.dev,
				bce_data_type_name(pos->dev_data_type.data_type));
		break;
	case ACCOUNTING_compression:
		bce_text_printf(out, " %s", bce_compression_type_name(pos->compression.type));
		break;
	case ACCOUNTING_snapshot:
		bce_text_printf(out, " id=%u", le32_to_cpu(pos->snapshot.id));
		break;
	case ACCOUNTING_btree:
		bce_text_printf(out, " %s", bce_btree_name(le32_to_cpu(pos->btree.id)));
		break;
	}
	bce_text_printf(out, " at %llu:%llu:%u", p.inode, p.offset, p.snapshot);
}

static int check_listed(struct alloc_check *a, enum bce_error id,
			 const struct accounting_pos *pos)
{
	struct text_buf text = TEXT_BUF_INIT;

	if (!a->c->sb || replicas_listed(a->c->sb, pos->replicas.data_type,
					 pos->replicas.nr_required, pos->replicas.devs,
					 min_t(unsigned int, pos->replicas.nr_devs,
					       ACCOUNTING_REPLICAS_DEVS_MAX)))
		return 0;
	replicas_text(&text, pos);
	bce_log_error(a->c->log, id, "superblock: replicas entry %s is missing",
		      bce_text_str(&text));
	bce_text_exit(&text);
	return mend_replicas(a, pos);
}

/* ---- stored against recomputed ---- */

static int mismatch(struct alloc_check *a, const struct accounting_pos *pos, const s64 *stored,
		     const s64 *want)
{
	struct text_buf text = TEXT_BUF_INIT;

	pos_text(&text, pos);
	bce_log_error(a->c->log, BCE_ERR_accounting_mismatch,
		      "btree accounting %s: %lld %lld %lld, should be %lld %lld %lld",
		      bce_text_str(&text), stored[0], stored[1], stored[2], want[0], want[1],
		      want[2]);
	bce_text_exit(&text);
	return mend_account(a, pos, stored, want);
}

static bool all_zero(const s64 *d)
{
	return !d[0] && !d[1] && !d[2];
}

static bool dev_known(const struct alloc_check *a, u8 dev)
{
	return dev == BCH_DEV_INVALID || (dev < BCH_MEMBERS_MAX && a->dev[dev].info);
}

static void check_devs(struct alloc_check *a, const struct accounting_pos *pos)
{
	struct text_buf text = TEXT_BUF_INIT;
	bool known = true;

	if (pos->type == ACCOUNTING_dev_data_type)
		known = dev_known(a, pos->dev_data_type.dev);
	for (unsigned int i = 0; pos->type == ACCOUNTING_replicas &&
	     i < min_t(unsigned int, pos->replicas.nr_devs, ACCOUNTING_REPLICAS_DEVS_MAX); i++)
		known &= dev_known(a, pos->replicas.devs[i]);
	if (known)
		return;
	pos_text(&text, pos);
	bce_log_error(a->c->log, BCE_ERR_accounting_to_invalid_device,
		      "btree accounting %s: no such member", bce_text_str(&text));
	bce_text_exit(&text);
}

static int compare_inum(struct alloc_check *a, const struct accounting_pos *pos, const s64 *stored)
{
	static const s64 none[ACCOUNTING_COUNTERS_MAX];
	struct check_inum *want = inum_find(a, le64_to_cpu(pos->inum.inum));
	int ret = 0;

	if (memcmp(stored, want ? want->d : none, sizeof(none))) {
		a->c->inum_mismatches++;
		ret = mend_account(a, pos, stored, want ? want->d : none);
	}
	if (want)
		memset(want->d, 0, sizeof(want->d));	/* settled */
	return ret;
}

static int compare_key(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		       const struct bkey *k)
{
	static const s64 none[ACCOUNTING_COUNTERS_MAX];
	struct accounting_pos pos = bce_accounting_pos_decode(k->p);
	struct check_counter *want = NULL;
	s64 stored[ACCOUNTING_COUNTERS_MAX];

	if (k->type != KEY_TYPE_accounting || pos.type >= ACCOUNTING_NR)
		return 0;
	for (unsigned int i = 0; i < ACCOUNTING_COUNTERS_MAX; i++)
		stored[i] = bce_accounting_counter(k, i);
	if (!all_zero(stored)) {
		check_devs(a, &pos);
		/* what is mended is listed when it is known what counts */
		if (pos.type == ACCOUNTING_replicas && !a->mend)
			check_listed(a, BCE_ERR_accounting_replicas_not_marked, &pos);
	}
	if (a->incomplete)
		return 0;
	if (pos.type == ACCOUNTING_inum)
		return compare_inum(a, &pos, stored);
	if (a->counter)
		want = slot_of(a->counter, a->counter_bits, k->p);
	if (want && want->used)
		want->seen = true;
	else
		want = NULL;
	return memcmp(stored, want ? want->d : none, sizeof(none)) ?
		mismatch(a, &pos, stored, want ? want->d : none) : 0;
}

static int compare_missing(struct alloc_check *a)
{
	static const s64 none[ACCOUNTING_COUNTERS_MAX];
	int ret = 0;

	for (size_t i = 0; !ret && a->counter && i < 1UL << a->counter_bits; i++) {
		const struct check_counter *slot = &a->counter[i];
		struct accounting_pos pos = bce_accounting_pos_decode(slot->pos);

		if (!slot->used || all_zero(slot->d))
			continue;
		if (pos.type == ACCOUNTING_replicas)
			ret = check_listed(a, BCE_ERR_ptr_to_missing_replicas_entry, &pos);
		if (!ret && !a->incomplete && !slot->seen)
			ret = mismatch(a, &pos, none, slot->d);
	}
	return ret;
}

/* counters of an inode that the btree does not have */
static int missing_inum(struct alloc_check *a, const struct check_inum *inum)
{
	static const s64 none[ACCOUNTING_COUNTERS_MAX];
	struct accounting_pos pos = { .type = ACCOUNTING_inum };

	if (all_zero(inum->d))
		return 0;
	a->c->inum_mismatches++;
	pos.inum.inum = cpu_to_le64(inum->inum);
	return mend_account(a, &pos, none, inum->d);
}

static int count_inums(struct alloc_check *a)
{
	u64 *nr = &a->c->inum_mismatches;
	int ret = 0;

	if (a->incomplete)
		return 0;
	for (size_t i = 0; !ret && i < a->nr_inums; i++)
		ret = missing_inum(a, &a->inum[i]);
	if (!ret)
		ret = missing_inum(a, &a->inum0);
	if (*nr)
		bce_log_line(a->c->log, BCE_LOG_WARN,
			     "btree accounting: counters of %llu inodes differ from their extents",
			     *nr);
	return ret;
}

int check_accounting_compare(struct alloc_check *a)
{
	int ret = check_walk(a, BTREE_ID_accounting, 0, "accounting", compare_key);

	if (!ret)
		ret = compare_missing(a);
	return ret ?: count_inums(a);
}
