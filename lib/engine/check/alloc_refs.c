// SPDX-License-Identifier: GPL-2.0
/*
 * What a key refers to: buckets, backpointers, counters.
 *
 * A key's pointers are decoded once; then each part takes what it counts from them. A cached pointer
 * whose bucket has moved on to another generation counts for nothing anywhere.
 *
 * Source: docs/format/80-accounting.md, section 3; 75-allocation.md, sections 3, 5.6, 5.7, 7.
 */
#include "engine/check/alloc_internal.h"

#include <linux/bits.h>
#include <linux/string.h>

#include "engine/key/inode.h"
#include "engine/key/text.h"
#include "engine/key/validate.h"
#include "engine/key/values.h"

#define GENS_BEHIND_MAX		96	/* a pointer may lag this far */

static bool is_btree_node(const struct key_ptrs *ps)
{
	return bce_key_is_btree_ptr(ps->k->type);
}

static void decode(struct alloc_check *a, struct key_ptrs *ps)
{
	u32 node_sectors = a->c->node_sectors;
	struct extent_entry e;
	struct extent_walk w;

	ps->nr = 0;
	ps->has_rebalance = false;
	bce_extent_walk_init(&w, ps->k, node_sectors);
	while (ps->nr < EXTENT_PTRS_MAX && bce_extent_next_ptr(&w, &ps->ptr[ps->nr].p)) {
		struct key_ptr *ptr = &ps->ptr[ps->nr++];

		ptr->sectors = bce_extent_charged_sectors(ps->k, &ptr->p.crc, node_sectors);
		ptr->stale = false;
	}
	bce_extent_walk_init(&w, ps->k, node_sectors);
	while (bce_extent_next_entry(&w, &e))
		if (e.kind == EXTENT_ENTRY_REBALANCE) {
			ps->rebalance = e.rebalance;
			ps->has_rebalance = true;
		}
}

/* ---- one pointer ---- */

static void ptr_error(struct alloc_check *a, const struct key_ptrs *ps, enum bce_error id,
		      const struct extent_ptr *ptr, const char *what)
{
	bce_log_error(a->c->log, id,
		      "btree %s %llu:%llu:%u level %u: pointer to %u:%llu gen %u: %s",
		      bce_btree_name(ps->btree_id), ps->k->p.inode, ps->k->p.offset,
		      ps->k->p.snapshot, ps->level, ptr->dev, ptr->sector, ptr->gen, what);
}

static int check_gen(struct alloc_check *a, const struct key_ptrs *ps, struct key_ptr *ptr,
		     u64 bucket, const struct check_bucket *b)
{
	int lag = gen_lag(b->gen, ptr->p.ptr.gen);
	unsigned int kind = ptr->p.ptr.cached ? GEN_OF_CACHED : GEN_OF_DATA;

	if (!(b->flags & BUCKET_HAS_KEY))
		return mend_gen(a, ptr->p.ptr.dev, bucket, ptr->p.ptr.gen, kind);
	if (lag < 0)
		ptr_error(a, ps, BCE_ERR_ptr_gen_newer_than_bucket_gen, &ptr->p.ptr,
			  "newer than its bucket");
	else if (lag > GENS_BEHIND_MAX)
		ptr_error(a, ps, BCE_ERR_ptr_too_stale, &ptr->p.ptr,
			  "too many generations behind its bucket");
	else if (lag && !ptr->p.ptr.cached)
		ptr_error(a, ps, BCE_ERR_stale_dirty_ptr, &ptr->p.ptr,
			  "its bucket has been reused");
	ptr->stale = ptr->p.ptr.cached && lag;
	return lag < 0 && kind == GEN_OF_DATA ?
		mend_gen(a, ptr->p.ptr.dev, bucket, ptr->p.ptr.gen, kind) : 0;
}

static void mark_bucket(struct alloc_check *a, const struct key_ptrs *ps,
			const struct key_ptr *ptr, u64 bucket, struct check_bucket *b)
{
	unsigned int type = is_btree_node(ps) ? BCH_DATA_btree :
		ptr->p.has_stripe ? BCH_DATA_stripe : BCH_DATA_user;
	u32 *counter = ptr->p.has_stripe ? &b->w_striped :
		ptr->p.ptr.cached ? &b->w_cached : &b->w_dirty;

	if (!ptr->stale)
		check_bucket_mark(a, ptr->p.ptr.dev, bucket, type, counter, ptr->sectors,
				  "pointer");
}

static int check_bitmap(struct alloc_check *a, const struct key_ptrs *ps,
			 const struct extent_ptr *ptr)
{
	const struct member_info *m = a->dev[ptr->dev].info;
	unsigned int shift = m->btree_bitmap_shift;
	u64 first = ptr->sector >> shift;
	u64 last = (ptr->sector + a->c->node_sectors - 1) >> shift;

	for (u64 i = first; i <= last; i++)
		if (i >= 64 || !(m->btree_bitmap & BIT_ULL(i))) {
			ptr_error(a, ps, BCE_ERR_btree_bitmap_not_marked, ptr,
				  "outside of the member's bitmap of btree nodes");
			return mend_bitmap(a, ptr->dev, ptr->sector);
		}
	return 0;
}

static void check_stripe_ref(struct alloc_check *a, const struct key_ptrs *ps,
			     const struct key_ptr *ptr)
{
	const struct extent_stripe_ref *ref = &ptr->p.stripe;
	struct check_stripe *s = check_stripe_find(a, ref->idx);
	const struct extent_ptr *block;

	if (!s) {
		ptr_error(a, ps, BCE_ERR_ptr_to_missing_stripe, &ptr->p.ptr,
			  "its stripe does not exist");
		return;
	}
	block = ref->block < s->nr_blocks - s->nr_redundant ? &s->ptr[ref->block] : NULL;
	if (!block || !bce_stripe_block_holds(block, s->sectors, &ptr->p.ptr))
		ptr_error(a, ps, BCE_ERR_ptr_to_incorrect_stripe, &ptr->p.ptr,
			  "not in the block of the stripe it names");
	if (block)
		s->w_count[ref->block] += ptr->sectors;
}

static int expect_backpointer(struct alloc_check *a, const struct key_ptrs *ps,
			      const struct key_ptr *ptr)
{
	const struct bkey *k = ps->k;
	struct check_backpointer e = {
		.offset		= (ptr->p.ptr.sector << BACKPOINTER_OFFSET_SHIFT) +
				  ptr->p.crc.offset,
		.len		= ptr->sectors,
		.dev		= ptr->p.ptr.dev,
		.btree_id	= ps->btree_id,
		.level		= ps->level,
		.data_type	= is_btree_node(ps) ? BCH_DATA_btree :
				  ptr->p.has_stripe ? BCH_DATA_stripe : BCH_DATA_user,
		.pos_snapshot	= k->p.snapshot,
		.pos_offset	= k->p.offset,
		.pos_inode	= k->p.inode,
	};

	return check_backpointer_expect(a, &e);
}

static int check_ptr(struct alloc_check *a, const struct key_ptrs *ps, struct key_ptr *ptr)
{
	const struct extent_ptr *p = &ptr->p.ptr;
	struct check_bucket *b;
	u64 bucket;
	u32 offset;
	int ret;

	if (ptr->p.has_stripe)
		check_stripe_ref(a, ps, ptr);
	if (p->dev == BCH_DEV_INVALID)
		return 0;
	if (p->dev >= BCH_MEMBERS_MAX || !a->dev[p->dev].info) {
		ptr_error(a, ps, BCE_ERR_ptr_to_invalid_device, p, "no such member");
		return 0;
	}
	bucket = check_bucket_of_sector(&a->dev[p->dev], p->sector, &offset);
	b = check_bucket_at(a, p->dev, bucket);
	if (!b) {
		ptr_error(a, ps, BCE_ERR_ptr_to_invalid_device, p, "no such bucket");
		return 0;
	}
	ret = check_gen(a, ps, ptr, bucket, b);
	mark_bucket(a, ps, ptr, bucket, b);
	if (!ret && is_btree_node(ps))
		ret = check_bitmap(a, ps, p);
	return ret || p->cached ? ret : expect_backpointer(a, ps, ptr);
}

/* ---- replicas, sums by snapshot, btree, inode ---- */

static int account_cached(struct alloc_check *a, const struct key_ptrs *ps)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < ps->nr; i++) {
		const struct key_ptr *ptr = &ps->ptr[i];
		u8 dev = ptr->p.ptr.dev;

		if (ptr->p.ptr.cached && !ptr->stale)
			ret = check_account_replicas(a, BCH_DATA_cached, 1, &dev, 1, ptr->sectors);
	}
	return ret;
}

static int account_striped(struct alloc_check *a, const struct key_ptr *ptr)
{
	const struct check_stripe *s = check_stripe_find(a, ptr->p.stripe.idx);
	u8 devs[EXTENT_PTRS_MAX];

	if (!s)
		return 0;
	for (unsigned int i = 0; i < s->nr_blocks; i++)
		devs[i] = s->ptr[i].dev;
	return check_account_replicas(a, BCH_DATA_user, s->nr_blocks - s->nr_redundant, devs,
				      s->nr_blocks, ptr->sectors);
}

/* sectors of the pointers that are neither cached nor striped: @sum */
static int account_replicas(struct alloc_check *a, const struct key_ptrs *ps, unsigned int *nr,
			    u64 *sum)
{
	unsigned int required = 1;
	u8 devs[EXTENT_PTRS_MAX];
	int ret = account_cached(a, ps);

	*nr = 0;
	*sum = 0;
	for (unsigned int i = 0; !ret && i < ps->nr; i++) {
		const struct key_ptr *ptr = &ps->ptr[i];

		if (ptr->p.ptr.cached)
			continue;
		if (ptr->p.has_stripe) {
			required = 0;
			ret = account_striped(a, ptr);
			continue;
		}
		devs[(*nr)++] = ptr->p.ptr.dev;
		*sum += ptr->sectors;
	}
	if (!ret && *nr)
		ret = check_account_replicas(a, is_btree_node(ps) ? BCH_DATA_btree : BCH_DATA_user,
					     required, devs, *nr, *sum);
	return ret;
}

static int account_sums(struct alloc_check *a, const struct key_ptrs *ps)
{
	struct accounting_pos pos = { };
	unsigned int nr;
	u64 sum;
	int ret = account_replicas(a, ps, &nr, &sum);

	if (ret)
		return ret;
	if (ps->level) {
		pos.type = ACCOUNTING_btree;
		pos.btree.id = cpu_to_le32(ps->btree_id);
		return check_account(a, &pos, sum, 0, 0);
	}
	if (nr && ps->k->p.snapshot) {
		pos.type = ACCOUNTING_snapshot;
		pos.snapshot.id = cpu_to_le32(ps->k->p.snapshot);
		ret = check_account(a, &pos, sum, 0, 0);
	}
	return ret ?: check_account_inum(a, ps->k->p.inode, 1, ps->k->size, sum);
}

/* ---- compression, rebalance ---- */

static int account_compression(struct alloc_check *a, const struct key_ptrs *ps)
{
	struct accounting_pos pos = { .type = ACCOUNTING_compression };
	u64 uncompressed = 0, compressed = 0;
	unsigned int type = 0;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < ps->nr; i++) {
		const struct extent_crc *crc = &ps->ptr[i].p.crc;

		if (ps->ptr[i].stale)
			continue;
		if (type && type != crc->compression_type) {
			pos.compression.type = type;
			ret = check_account(a, &pos, 1, uncompressed, compressed);
			uncompressed = compressed = 0;
		}
		type = crc->compression_type;
		if (type) {
			uncompressed += crc->uncompressed_size;
			compressed += crc->compressed_size;
		}
	}
	if (!ret && type) {
		pos.compression.type = type;
		ret = check_account(a, &pos, 1, uncompressed, compressed);
	}
	return ret;
}

/* option numbering to type numbering: docs/format/70-extents.md, section 7 */
static unsigned int compression_type_of_option(u8 option)
{
	static const u8 type[] = {
		[BCH_COMPRESSION_OPT_none]	= BCH_COMPRESSION_TYPE_none,
		[BCH_COMPRESSION_OPT_lz4]	= BCH_COMPRESSION_TYPE_lz4,
		[BCH_COMPRESSION_OPT_gzip]	= BCH_COMPRESSION_TYPE_gzip,
		[BCH_COMPRESSION_OPT_zstd]	= BCH_COMPRESSION_TYPE_zstd,
	};
	unsigned int opt = option & 15;

	return opt < BCH_COMPRESSION_OPT_NR ? type[opt] : BCH_COMPRESSION_TYPE_none;
}

static u64 compression_work(const struct key_ptrs *ps, unsigned int want)
{
	u64 sectors = 0;

	for (unsigned int i = 0; i < ps->nr; i++) {
		const struct extent_ptr_decoded *p = &ps->ptr[i].p;

		if (p->crc.compression_type == BCH_COMPRESSION_TYPE_incompressible ||
		    p->ptr.unwritten)
			return 0;
		if (!p->ptr.cached && p->crc.compression_type != want)
			sectors += p->crc.compressed_size;
	}
	return sectors;
}

/* has a target a member that is here, read-write, and takes user data? */
static bool target_takes_data(const struct alloc_check *a, u16 target)
{
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++) {
		const struct member_info *m = a->dev[i].info;

		if (m && m->state == MEMBER_RW && (!a->c->dev_sb || a->c->dev_sb[i]) &&
		    (m->data_allowed & BIT(BCH_DATA_user)) &&
		    bce_sb_target_has_dev(a->c->sb, target, i))
			return true;
	}
	return false;
}

static u64 move_work(const struct alloc_check *a, const struct key_ptrs *ps, u16 target)
{
	u64 sectors = 0;

	if (!a->c->sb || !target_takes_data(a, target))
		return 0;
	for (unsigned int i = 0; i < ps->nr; i++) {
		const struct extent_ptr_decoded *p = &ps->ptr[i].p;

		if (!p->ptr.cached && !bce_sb_target_has_dev(a->c->sb, target, p->ptr.dev))
			sectors += p->crc.compressed_size;
	}
	return sectors;
}

static int account_rebalance(struct alloc_check *a, const struct key_ptrs *ps)
{
	struct accounting_pos pos = { .type = ACCOUNTING_rebalance_work };
	u64 sectors = 0;

	if (!ps->has_rebalance)
		return 0;
	if (ps->rebalance.compression)
		sectors += compression_work(ps,
				compression_type_of_option(ps->rebalance.compression));
	if (ps->rebalance.target)
		sectors += move_work(a, ps, ps->rebalance.target);
	return sectors ? check_account(a, &pos, sectors, 0, 0) : 0;
}

/* ---- a key ---- */

static int check_ptrs(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		      const struct bkey *k)
{
	struct key_ptrs *ps = &a->ptrs;
	int ret = 0;

	ps->k = k;
	ps->btree_id = btree_id;
	ps->level = level;
	decode(a, ps);
	for (unsigned int i = 0; !ret && i < ps->nr; i++)
		ret = check_ptr(a, ps, &ps->ptr[i]);
	if (!ret)
		ret = account_sums(a, ps);
	if (!ret)
		ret = account_compression(a, ps);
	return ret ?: account_rebalance(a, ps);
}

static int account_reservation(struct alloc_check *a, const struct bkey *k)
{
	struct accounting_pos pos = { .type = ACCOUNTING_persistent_reserved };
	struct reservation_info r;

	bce_reservation_decode(k, &r);
	pos.persistent_reserved.nr_replicas = r.nr_replicas;
	return check_account(a, &pos, k->size, 0, 0);
}

int check_key_refs(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		   const struct bkey *k)
{
	struct accounting_pos nr_inodes = { .type = ACCOUNTING_nr_inodes };

	if (bce_key_has_ptrs(k->type))
		return check_ptrs(a, btree_id, level, k);
	if (level)
		return 0;
	if (k->type == KEY_TYPE_reservation)
		return account_reservation(a, k);
	if (k->type == KEY_TYPE_reflink_p)
		check_shared_ref(a, k);
	else if (bce_key_type_is_inode(k->type))
		return check_account(a, &nr_inodes, 1, 0, 0);
	return 0;
}
