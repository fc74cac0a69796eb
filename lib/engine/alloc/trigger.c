// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a key with pointers, a reservation or an inode.
 *
 * For each key that goes and each that comes: counters of the accounting btree and, for each
 * pointer that is not cached, a backpointer. What it means for buckets and stripes is only noted
 * here (touched.c) and worked off when all keys of the round have been seen (bucket.c).
 *
 *	key --+-- pointer, plain ---- bucket: dirty      backpointer    replicas, together
 *	      +-- pointer, cached --- bucket: cached                    replicas, by itself
 *	      +-- pointer, striped -- bucket: striped    backpointer    replicas of the whole stripe
 *
 * A cached pointer of an older generation than its bucket's is stale: nothing follows from it. The
 * generation is that of the alloc key as the transaction sees it, so that what is added for
 * a pointer is also what is taken away with it.
 *
 * A key that takes the place of one with the same pointers changes nothing.
 *
 * Source: docs/format/75-allocation.md, sections 3, 5.6; 80-accounting.md, section 3.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"

/* where a key lies, and whether it comes (+1) or goes (-1) */
struct key_event {
	struct allocator	*a;
	struct bce_trans	*t;
	unsigned int		btree_id;
	unsigned int		level;
	const struct bkey	*k;
	s64			sign;
};

/* over a key's pointers */
struct key_sums {
	u64	plain_sectors;		/* neither cached nor striped */
	u8	devs[EXTENT_PTRS_MAX];	/* of those */
	unsigned int nr_devs;
	bool	striped;
	u8	compression;		/* of the run of pointers that is being added up */
	u64	uncompressed, compressed;
};

static u64 key_entries_bytes(const struct bkey *k, const void **stream)
{
	unsigned int head = 0;

	if (k->type == KEY_TYPE_btree_ptr_v2)
		head = sizeof(struct bch_btree_ptr_v2);
	else if (k->type == KEY_TYPE_reflink_v)
		head = sizeof(struct bch_reflink_v);
	*stream = (const u8 *)k->v + head;
	return bkey_val_bytes(k) > head ? bkey_val_bytes(k) - head : 0;
}

static bool same_pointers(const struct bkey *old, const struct bkey *new)
{
	const void *l, *r;
	u64 bytes;

	if (old->type != new->type || old->size != new->size || bpos_cmp(old->p, new->p))
		return false;
	bytes = key_entries_bytes(old, &l);
	return bytes == key_entries_bytes(new, &r) && !memcmp(l, r, bytes);
}

/* Return: negative errno; a pointer that comes must be right, one that goes is merely told */
static int bad_pointer(const struct key_event *e, const struct extent_ptr *ptr,
		       enum bce_error id, const char *what)
{
	int ret = bce_trans_check_reads(e->t);

	if (ret)
		return ret;
	bce_log_error(e->a->config.log, id,
		      "btree %u level %u %llu:%llu:%u: pointer to device %u sector %llu gen %u %s%s",
		      e->btree_id, e->level, e->k->p.inode, e->k->p.offset, e->k->p.snapshot,
		      ptr->dev, ptr->sector, ptr->gen, what,
		      e->sign > 0 ? "; transaction refused" : ", removed");
	return e->sign > 0 ? -EIO : 0;
}

static int compression_emit(const struct key_event *e, const struct key_sums *s)
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_compression,
		.compression.type = s->compression,
	};

	return alloc_account(e->t, &pos, e->sign, e->sign * s->uncompressed,
			     e->sign * s->compressed, 3);
}

/* 80-accounting.md, 3.2 */
static int compression_add(const struct key_event *e, struct key_sums *s,
			   const struct extent_crc *crc)
{
	int ret = 0;

	if (s->compression && s->compression != crc->compression_type) {
		ret = compression_emit(e, s);
		s->uncompressed = s->compressed = 0;
	}
	s->compression = crc->compression_type;
	if (s->compression) {
		s->uncompressed += crc->uncompressed_size;
		s->compressed += crc->compressed_size;
	}
	return ret;
}

static unsigned int ptr_data_type(const struct key_event *e, const struct extent_ptr_decoded *p)
{
	if (bce_key_is_btree_ptr(e->k->type))
		return BCH_DATA_btree;
	return p->has_stripe ? BCH_DATA_stripe : BCH_DATA_user;
}

static int backpointer_update(const struct key_event *e, const struct extent_ptr_decoded *p,
			      u32 offset_in_bucket, u64 sectors)
{
	struct backpointer_info info = {
		.btree_id	= e->btree_id,
		.level		= e->level,
		.data_type	= ptr_data_type(e, p),
		.bucket_offset	= ((u64)offset_in_bucket << BACKPOINTER_OFFSET_SHIFT) + p->crc.offset,
		.bucket_len	= sectors,
		.pos		= e->k->p,
	};
	struct bpos pos = bce_backpointer_pos(&p->ptr, &p->crc);
	struct bch_backpointer v;
	struct bkey k = {
		.p		= pos,
		.type		= KEY_TYPE_backpointer,
		.val_u64s	= sizeof(v) / sizeof(u64),
		.v		= &v,
	};

	if (e->sign < 0)
		return bce_trans_delete(e->t, BTREE_ID_backpointers, pos, TRANS_NO_TRIGGER);
	bce_backpointer_encode(&info, &v);
	return bce_trans_update(e->t, BTREE_ID_backpointers, &k, TRANS_NO_TRIGGER);
}

/* no pointer is older than its bucket's oldest_gen, not even one that an old key brings along */
static int stale_ptr_comes(const struct key_event *e, const struct extent_ptr *ptr, u64 bucket,
			   const struct alloc_info *info)
{
	struct alloc_info new = *info;

	alloc_gens_note(e->a, ptr->dev, bucket, ptr->gen);
	if (gen_lag(info->oldest_gen, ptr->gen) <= 0)
		return 0;
	new.oldest_gen = ptr->gen;
	return alloc_bucket_change(e->a, e->t, ptr->dev, bucket, info, &new);
}

/* Return: 1 stale, 0 not, negative errno */
static int cached_ptr_stale(const struct key_event *e, const struct extent_ptr *ptr, u64 bucket)
{
	struct alloc_info info;
	int ret = alloc_bucket_lookup(e->a, e->t, ptr->dev, bucket, &info);
	int lag;

	if (ret)
		return ret;
	lag = gen_lag(info.gen, ptr->gen);
	if (lag < 0) {
		ret = bad_pointer(e, ptr, BCE_ERR_ptr_gen_newer_than_bucket_gen,
				  "is newer than its bucket");
		return ret ?: 1;
	}
	if (lag && e->sign > 0)
		ret = stale_ptr_comes(e, ptr, bucket, &info);
	return ret ?: lag > 0;
}

/* the bucket's part of a pointer that counts */
static int ptr_touch(const struct key_event *e, const struct extent_ptr_decoded *p, u64 bucket,
		     s64 sectors)
{
	struct bucket_touch *b = alloc_touch_bucket(e->t, p->ptr.dev, bucket, p->ptr.gen);

	if (!b)
		return -ENOMEM;
	if (p->has_stripe)
		b->striped += sectors;
	else if (p->ptr.cached)
		b->cached += sectors;
	else
		b->dirty += sectors;
	b->type = ptr_data_type(e, p);
	if (sectors > 0)
		b->inserts = true;
	return 0;
}

static int ptr_account(const struct key_event *e, const struct extent_ptr_decoded *p,
		       struct key_sums *s, u64 sectors)
{
	if (p->ptr.cached)
		return alloc_account_replicas(e->a, e->t, BCH_DATA_cached, 1, &p->ptr.dev, 1,
					      e->sign * sectors);
	if (p->has_stripe) {
		s->striped = true;
		return alloc_stripe_ptr(e->a, e->t, p, e->sign * sectors);
	}
	s->plain_sectors += sectors;
	if (s->nr_devs < EXTENT_PTRS_MAX)
		s->devs[s->nr_devs++] = p->ptr.dev;
	return 0;
}

static int ptr_event(const struct key_event *e, const struct extent_ptr_decoded *p,
		     struct key_sums *s)
{
	u64 sectors = bce_extent_charged_sectors(e->k, &p->crc, e->a->config.node_sectors);
	bool gone = p->ptr.dev == BCH_DEV_INVALID;
	u32 offset = 0;
	u64 bucket = 0;
	int ret = 0;

	/* a place-holder of a member that was removed: only counted */
	if (!gone && !bce_bucket_of(e->a, p->ptr.dev, p->ptr.sector, &bucket, &offset))
		return bad_pointer(e, &p->ptr, BCE_ERR_ptr_to_invalid_device, "leads nowhere");
	if (!gone && p->ptr.cached)
		ret = cached_ptr_stale(e, &p->ptr, bucket);
	if (ret)
		return ret < 0 ? ret : 0;

	ret = ptr_account(e, p, s, sectors) ?:
	      compression_add(e, s, &p->crc);
	if (!ret && !gone)
		ret = ptr_touch(e, p, bucket, e->sign * sectors);
	if (!ret && !gone && !p->ptr.cached)
		ret = backpointer_update(e, p, offset, sectors);
	return ret;
}

static int dev_cmp(const void *l, const void *r)
{
	return *(const u8 *)l - *(const u8 *)r;
}

static int plain_replicas(const struct key_event *e, struct key_sums *s)
{
	bool btree = bce_key_is_btree_ptr(e->k->type);

	if (!s->nr_devs)
		return 0;
	sort(s->devs, s->nr_devs, 1, dev_cmp, NULL);
	return alloc_account_replicas(e->a, e->t, btree ? BCH_DATA_btree : BCH_DATA_user,
				      s->striped ? 0 : 1, s->devs, s->nr_devs,
				      e->sign * s->plain_sectors);
}

static int leaf_counters(const struct key_event *e, const struct key_sums *s)
{
	struct accounting_pos snapshot = {
		.type = ACCOUNTING_snapshot,
		.snapshot.id = cpu_to_le32(e->k->p.snapshot),
	};
	struct accounting_pos inum = {
		.type = ACCOUNTING_inum,
		.inum.inum = cpu_to_le64(e->k->p.inode),
	};
	int ret = 0;

	if (s->nr_devs && e->k->p.snapshot)
		ret = alloc_account(e->t, &snapshot, e->sign * s->plain_sectors, 0, 0, 1);
	return ret ?: alloc_account(e->t, &inum, e->sign, e->sign * e->k->size,
				    e->sign * s->plain_sectors, 3);
}

static int node_counter(const struct key_event *e, const struct key_sums *s)
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_btree,
		.btree.id = cpu_to_le32(e->btree_id),
	};

	return alloc_account(e->t, &pos, e->sign * s->plain_sectors, 0, 0, 1);
}

static int pointers_event(const struct key_event *e)
{
	struct key_sums s = { };
	struct extent_ptr_decoded p;
	struct extent_walk w;
	int ret = 0;

	bce_extent_walk_init(&w, e->k, e->a->config.node_sectors);
	while (!ret && bce_extent_next_ptr(&w, &p))
		ret = ptr_event(e, &p, &s);
	if (!ret && s.compression)
		ret = compression_emit(e, &s);
	if (!ret)
		ret = plain_replicas(e, &s);
	if (ret)
		return ret;
	return e->level ? node_counter(e, &s) : leaf_counters(e, &s);
}

static int reservation_event(const struct key_event *e)
{
	struct reservation_info r;
	struct accounting_pos pos = { .type = ACCOUNTING_persistent_reserved };

	bce_reservation_decode(e->k, &r);
	pos.persistent_reserved.nr_replicas = r.nr_replicas;
	return alloc_account(e->t, &pos, e->sign * e->k->size, 0, 0, 1);
}

static int inode_event(const struct key_event *e)
{
	struct accounting_pos pos = { .type = ACCOUNTING_nr_inodes };

	return alloc_account(e->t, &pos, e->sign, 0, 0, 1);
}

static int key_event(const struct key_event *e)
{
	if (bce_key_has_ptrs(e->k->type))
		return pointers_event(e);
	switch (e->k->type) {
	case KEY_TYPE_reservation:
		return reservation_event(e);
	case KEY_TYPE_inode:
	case KEY_TYPE_inode_v2:
	case KEY_TYPE_inode_v3:
		return e->btree_id == BTREE_ID_inodes ? inode_event(e) : 0;
	}
	return 0;
}

/* the counter of work, and the key that says where it is: 80-accounting.md, 3.3 */
static int rebalance_event(struct allocator *a, struct bce_trans *t, const struct bkey *old,
			   const struct bkey *new)
{
	struct accounting_pos pos = { .type = ACCOUNTING_rebalance_work };
	u64 had = alloc_rebalance_sectors(a, old);
	u64 has = alloc_rebalance_sectors(a, new);
	int ret = alloc_account(t, &pos, has - had, 0, 0, 1);

	if (!ret && !had != !has)
		ret = alloc_set_key(t, BTREE_ID_rebalance_work, new->p, has);
	return ret;
}

int bce_alloc_trigger(struct allocator *a, struct bce_trans *t, enum btree_trigger_phase phase,
		      unsigned int btree_id, unsigned int level, const struct bkey *old,
		      const struct bkey *new)
{
	struct key_event e = {
		.a = a, .t = t, .btree_id = btree_id, .level = level,
		.k = phase == TRIGGER_OVERWRITE ? old : new,
		.sign = phase == TRIGGER_OVERWRITE ? -1 : 1,
	};
	int ret;

	if (!level && btree_id == BTREE_ID_stripes)
		return alloc_stripe_trigger(a, t, phase, old, new);
	if (bce_key_has_ptrs(old->type) && same_pointers(old, new))
		return 0;
	ret = key_event(&e);
	if (!ret && phase == TRIGGER_INSERT && !level &&
	    (btree_id == BTREE_ID_extents || btree_id == BTREE_ID_reflink))
		ret = rebalance_event(a, t, old, new);
	return ret;
}
