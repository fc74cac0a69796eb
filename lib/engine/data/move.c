// SPDX-License-Identifier: GPL-2.0
/*
 * Moving extents: out of a bucket (copygc), off a member, away from a bad copy.
 *
 *	look     the key, its options; which pointers go, how many copies are to be made
 *	hold     its buckets against writes in place, which change data and leave the key (nocow.c)
 *	read     the stored data from any replica; checksum verified
 *	write    the same bytes to new places
 *	commit   in every key that still refers to that data: new pointers in, old ones out
 *
 * Stored bytes are moved as they are: compressed data is not unpacked, encrypted data not decrypted, and
 * both keep their checksum. Of data that is not compressed only the live part is moved, under a
 * checksum of its own. Its nonce is that of the place it has in what was encrypted under the key's
 * version (docs/format/70-extents.md, 6.1), so the ciphertext stays right, and all encrypted
 * entries of a key agree in offset + nonce.
 *
 * An extent that is too long for the buffer or for the rest of a bucket is moved in pieces. A
 * compressed one cannot be cut: it is tried again with the next bucket.
 *
 * Between look and commit anybody may have overwritten, cut, merged or moved the key. Commit goes
 * through what now lies in the piece's range, in the key's snapshot, and changes only what still is
 * the data that was read: same version, and a pointer to the same place. The rest is skipped; its
 * new copy is simply not referred to.
 *
 * Copygc has to work when memory and space are short: there is one buffer, and one move at a time.
 *
 * Source: docs/format/85-policies.md, 5.3; 70-extents.md, 5, 6.1.
 */
#include "engine/data/move.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/key/values.h"

/* buckets tried for a compressed extent, which cannot be cut */
#define SPACE_TRIES	4

struct move {
	struct data_writer	*w;
	const struct data_move	*m;
	struct bkey		k;		/* as it was found */
	struct extent_value	v;
	struct extent_ptrs	ptrs;
	struct data_options	opts;
	u64			drop;		/* bit per index of @ptrs */
	unsigned int		nr_new;		/* copies to make */
	u64			keep_devs;
	/* the piece at hand: [at, at + e.sectors) of the key */
	u64			at;
	struct write_extent	e;
	struct nocow_held	held;		/* while its data is read and written, nobody writes to it in place */
	struct extent_ptrs	now;		/* of a key that is looked at; too large for a stack */
};

static u8 durability_of(const struct move *mv, const struct extent_ptr *p)
{
	const struct key_rules *rules = mv->w->c.rules;

	if (p->cached)
		return 0;
	return rules && rules->dev && p->dev < 64 ? rules->dev[p->dev].durability : 1;
}

/* ---- look ---- */

static void read_options(struct bce_trans *t, struct move *mv)
{
	struct data_inode inode;
	bool found = mv->m->btree_id == BTREE_ID_extents &&
		     !bce_data_inode_get_at(t, &mv->w->env, mv->k.p.inode, mv->k.p.snapshot, &inode);

	bce_data_options_of(mv->w, found ? &inode.f : NULL, &mv->opts);
}

static int look_at_key(struct bce_trans *t, void *ctx)
{
	struct move *mv = ctx;
	int ret = bce_trans_lookup(t, mv->m->btree_id, mv->m->pos, NULL, 0, &mv->k);

	if (ret)
		return ret;
	if (mv->k.type != KEY_TYPE_extent && mv->k.type != KEY_TYPE_reflink_v)
		return -ENOENT;
	if (bkey_val_bytes(&mv->k) > sizeof(mv->v))
		return -EINVAL;
	memcpy(mv->v.v, mv->k.v, bkey_val_bytes(&mv->k));
	mv->k.v = mv->v.v;
	read_options(t, mv);
	return bce_extent_ptrs_decode(&mv->k, &mv->ptrs);
}

/* which pointers go, and how many come. False: nothing to do */
static bool plan(struct move *mv)
{
	unsigned int have = 0, removing = 0;

	for (unsigned int i = 0; i < mv->ptrs.nr; i++) {
		const struct extent_ptr *p = &mv->ptrs.p[i].ptr;

		if (mv->m->drop_devs & 1ULL << p->dev && !p->cached) {
			mv->drop |= 1ULL << i;
			removing += durability_of(mv, p);
		} else {
			have += durability_of(mv, p);
			mv->keep_devs |= 1ULL << p->dev;
		}
	}
	mv->nr_new = min_t(unsigned int, removing,
			   max_t(int, 0, (int)mv->opts.data_replicas - (int)have)) + mv->m->extra;
	if (!have && !mv->nr_new)
		mv->nr_new = 1;
	return mv->drop || mv->m->extra;
}

/* ---- read ---- */

static u64 at_in_key(const struct move *mv)
{
	return mv->at - bkey_start_offset(&mv->k);
}

static int read_sectors(struct move *mv, const struct extent_ptr *p, u64 sector, u32 sectors)
{
	struct member_dev *m = bce_member_get_io(mv->w->c.members, p->dev);
	int ret;

	if (!m)
		return -EIO;
	ret = bce_member_read_sync(m, sector, mv->w->move_buffer, (size_t)sectors << SECTOR_SHIFT);
	if (ret)
		bce_member_io_done(m, 0, true);
	bce_member_put_io(m);
	return ret;
}

static int verify(struct move *mv, const struct extent_ptr_decoded *p)
{
	struct bce_csum got;
	struct member_dev *m;
	int ret = bce_csum(p->crc.csum_type, mv->w->c.cipher, bce_extent_nonce(mv->k.version, &p->crc),
			   mv->w->move_buffer, (size_t)p->crc.compressed_size << SECTOR_SHIFT, &got);

	if (ret || bce_csum_equal(got, p->crc.csum))
		return ret;
	m = bce_member_get_io(mv->w->c.members, p->ptr.dev);
	if (m) {
		bce_member_count_csum_error(m);
		bce_member_put_io(m);
	}
	return -EILSEQ;
}

/* data without a checksum: as much of the live part as the buffer takes */
static int read_plain(struct move *mv, const struct extent_ptr_decoded *p, u32 max_sectors)
{
	u64 skip = at_in_key(mv);

	mv->e.sectors = min_t(u64, mv->k.size - skip, max_sectors);
	mv->e.crc = (struct extent_crc) {
		.compressed_size	= mv->e.sectors,
		.uncompressed_size	= mv->e.sectors,
		.compression_type	= p->crc.compression_type,	/* none, incompressible */
	};
	mv->e.buffer = mv->w->move_buffer;
	return read_sectors(mv, &p->ptr, p->ptr.sector + p->crc.offset + skip, mv->e.sectors);
}

static int rechecksum(struct move *mv)
{
	struct write_extent *e = &mv->e;

	return bce_csum(e->crc.csum_type, mv->w->c.cipher, bce_extent_nonce(mv->k.version, &e->crc),
			e->buffer, (size_t)e->crc.compressed_size << SECTOR_SHIFT, &e->crc.csum);
}

/* of checksummed data that lies in the buffer: the live part from mv->at on, as its own extent */
static int narrow(struct move *mv, const struct extent_crc *crc, u32 sectors)
{
	u32 skip = crc->offset + at_in_key(mv);
	bool mac = bce_csum_type_is_mac(crc->csum_type);

	mv->e.sectors = sectors;
	mv->e.buffer = mv->w->move_buffer + ((size_t)skip << SECTOR_SHIFT);
	mv->e.crc = *crc;
	if (!skip && sectors == crc->uncompressed_size)
		return 0;
	mv->e.crc.compressed_size = mv->e.crc.uncompressed_size = sectors;
	mv->e.crc.offset = 0;
	mv->e.crc.nonce = mac ? crc->nonce + skip : 0;
	return rechecksum(mv);
}

static int read_encoded(struct move *mv, const struct extent_ptr_decoded *p, u32 max_sectors)
{
	const struct extent_crc *crc = &p->crc;
	int ret;

	if (crc->compressed_size > max_sectors || crc->offset + mv->k.size > crc->uncompressed_size)
		return -EIO;
	ret = read_sectors(mv, &p->ptr, p->ptr.sector, crc->compressed_size);
	if (!ret)
		ret = verify(mv, p);
	if (ret)
		return ret;
	if (!bce_compression_type_is_compressed(crc->compression_type))
		return narrow(mv, crc, mv->k.size - at_in_key(mv));
	mv->e.sectors = mv->k.size;
	mv->e.buffer = mv->w->move_buffer;
	mv->e.crc = *crc;
	return 0;
}

static int read_from(struct move *mv, unsigned int i)
{
	const struct extent_ptr_decoded *p = &mv->ptrs.p[i];
	u32 max_sectors = mv->w->stored.bytes >> SECTOR_SHIFT;

	return bce_extent_is_encoded(&p->crc) ? read_encoded(mv, p, max_sectors) :
				     read_plain(mv, p, max_sectors);
}

/* kept pointers first: those that go may be bad. 0, or the last error */
static int read_any(struct move *mv, unsigned int *source)
{
	int ret = -EIO;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned int i = 0; i < mv->ptrs.nr; i++) {
			bool dropped = mv->drop & 1ULL << i;

			if (mv->ptrs.p[i].ptr.cached || dropped != pass)
				continue;
			ret = read_from(mv, i);
			*source = i;
			if (!ret)
				return 0;
		}
	return ret;
}

/* ---- write ---- */

/*
 * Copygc makes space, and must not find the lock held by somebody who waits for it: others take what
 * there is.
 */
static struct write_how move_how(const struct move *mv)
{
	return (struct write_how) {
		.opts		= &mv->opts,
		.watermark	= mv->m->watermark,
		.stream		= mv->m->stream,
		.nonblock	= mv->m->watermark != ALLOC_COPYGC,
	};
}

static int get_space(struct move *mv, u32 sectors)
{
	struct write_how how = move_how(mv);

	return bce_write_get_space(mv->w, &how, mv->nr_new, mv->keep_devs, sectors, &mv->e.space);
}

static bool is_compressed(const struct move *mv)
{
	return bce_compression_type_is_compressed(mv->e.crc.compression_type);
}

/* less space than data: a shorter piece, or another bucket */
static int get_fitting_space(struct move *mv, unsigned int source)
{
	u32 sectors = mv->e.crc.compressed_size;
	int ret;

	for (unsigned int i = 0; i < SPACE_TRIES; i++) {
		ret = get_space(mv, sectors);
		if (ret || mv->e.space.sectors >= sectors)
			return ret;
		if (!is_compressed(mv))
			break;
		mv->w->c.ops->space_put(mv->w->c.ctx, &mv->e.space);
		mv->e.space.nr = 0;
	}
	if (is_compressed(mv))
		return -ENOSPC;
	if (mv->e.crc.csum_type)
		return narrow(mv, &mv->ptrs.p[source].crc, mv->e.space.sectors);
	mv->e.sectors = mv->e.space.sectors;
	mv->e.crc.compressed_size = mv->e.crc.uncompressed_size = mv->e.sectors;
	return 0;
}

static int write_piece(struct move *mv)
{
	struct write_how how = move_how(mv);
	unsigned int source;
	int ret = read_any(mv, &source);

	if (!ret)
		ret = get_fitting_space(mv, source);
	return ret ?: bce_write_extent_sync(&mv->e, &how, 1);
}

/* space that was never written gets a new place, without any I/O */
static int place_unwritten(struct move *mv)
{
	int ret = get_space(mv, mv->k.size - at_in_key(mv));

	if (ret)
		return ret;
	mv->e.sectors = min_t(u64, mv->e.space.sectors, mv->k.size - at_in_key(mv));
	mv->e.crc = (struct extent_crc) {
		.compressed_size = mv->e.sectors, .uncompressed_size = mv->e.sectors,
	};
	for (unsigned int i = 0; i < mv->e.space.nr; i++)
		mv->e.space.ptr[i].unwritten = true;
	return 0;
}

/* ---- commit ---- */

/* does @p of @k lead to the data that pointer @q of the key that was read led to? */
static bool same_data(const struct bkey *k, const struct extent_ptr_decoded *p,
		      const struct bkey *was, const struct extent_ptr_decoded *q)
{
	if (p->ptr.dev != q->ptr.dev || p->ptr.gen != q->ptr.gen ||
	    p->crc.compression_type != q->crc.compression_type)
		return false;
	if (bce_compression_type_is_compressed(p->crc.compression_type) &&
	    p->ptr.sector != q->ptr.sector)
		return false;
	return p->ptr.sector + p->crc.offset - bkey_start_offset(k) ==
	       q->ptr.sector + q->crc.offset - bkey_start_offset(was);
}

/* has it one of the pointers that were to be dropped, or any if none was? */
static bool still_ours(const struct move *mv, const struct bkey *k, const struct extent_ptrs *now)
{
	if (k->type != mv->k.type || k->version.lo != mv->k.version.lo ||
	    k->version.hi != mv->k.version.hi)
		return false;
	for (unsigned int i = 0; i < mv->ptrs.nr; i++) {
		if (mv->drop && !(mv->drop & 1ULL << i))
			continue;
		for (unsigned int j = 0; j < now->nr; j++)
			if (same_data(k, &now->p[j], &mv->k, &mv->ptrs.p[i]))
				return true;
	}
	return false;
}

static bool is_dropped(const struct move *mv, const struct bkey *k,
		       const struct extent_ptr_decoded *p)
{
	for (unsigned int i = 0; i < mv->ptrs.nr; i++)
		if (mv->drop & 1ULL << i && same_data(k, p, &mv->k, &mv->ptrs.p[i]))
			return true;
	for (unsigned int i = 0; i < mv->e.space.nr; i++)
		if (mv->e.space.ptr[i].dev == p->ptr.dev)
			return true;
	return false;
}

/* the new pointers, as they apply from @start on */
static int add_new(const struct move *mv, struct extent_ptrs *ptrs, u64 start, u32 size)
{
	u32 skip = start - mv->at;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < mv->e.space.nr; i++) {
		struct extent_ptr_decoded p = { .ptr = mv->e.space.ptr[i], .crc = mv->e.crc };

		if (bce_extent_is_encoded(&p.crc) || p.crc.compression_type) {
			p.crc.offset += skip;
		} else {
			p.ptr.sector += skip;
			p.crc.compressed_size = p.crc.uncompressed_size = size;
		}
		ret = bce_extent_ptrs_add(ptrs, &p);
	}
	return ret;
}

/* @piece: a part of a current key; its value becomes the new one */
static int edit_piece(struct move *mv, struct bkey *piece, struct extent_value *v)
{
	struct extent_ptrs *ptrs = &mv->now;
	struct extent_wanted want;
	int ret = bce_extent_ptrs_decode(piece, ptrs);

	if (ret)
		return ret;
	for (unsigned int i = ptrs->nr; i--; )
		if (is_dropped(mv, piece, &ptrs->p[i]))
			bce_extent_ptrs_drop(ptrs, i);
	ret = add_new(mv, ptrs, bkey_start_offset(piece), piece->size);
	if (ret || !ptrs->nr)
		return ret ?: -EIO;
	bce_data_wanted(mv->w, &mv->opts, &want);
	bce_extent_set_rebalance(ptrs, &want, piece->type == KEY_TYPE_reflink_v);
	bce_extent_ptrs_encode(ptrs, piece, v);
	return 0;
}

/* [start, end) of @k, value in the transaction's memory */
static int cut_piece(struct bce_trans *t, const struct bkey *k, u64 start, u64 end, struct bkey *out)
{
	void *v = bce_trans_alloc(t, sizeof(struct extent_value));

	if (!v)
		return -ENOMEM;
	*out = *k;
	memcpy(v, k->v, bkey_val_bytes(k));
	out->v = v;
	bce_key_cut_front(out, start);
	bce_key_cut_back(out, end);
	return 0;
}

/* shared extents have no snapshots: the rest keeps its count of references */
static int put_shared_piece(struct bce_trans *t, const struct bkey *k, const struct bkey *piece)
{
	struct bkey rest;
	int ret = 0;

	if (bkey_start_offset(k) < bkey_start_offset(piece)) {
		ret = cut_piece(t, k, 0, bkey_start_offset(piece), &rest);
		ret = ret ?: bce_trans_update(t, BTREE_ID_reflink, &rest, 0);
	}
	if (!ret && piece->p.offset < k->p.offset) {
		ret = cut_piece(t, k, piece->p.offset, k->p.offset, &rest);
		ret = ret ?: bce_trans_update(t, BTREE_ID_reflink, &rest, 0);
	}
	return ret ?: bce_trans_update(t, BTREE_ID_reflink, piece, 0);
}

static int change_key(struct bce_trans *t, struct move *mv, const struct bkey *k)
{
	u64 start = max(bkey_start_offset(k), mv->at);
	u64 end = min(k->p.offset, mv->at + mv->e.sectors);
	struct extent_change change = { };
	struct bkey piece;
	int ret = cut_piece(t, k, start, end, &piece);

	if (!ret)
		ret = edit_piece(mv, &piece, (struct extent_value *)piece.v);
	if (ret)
		return ret;
	if (mv->m->btree_id == BTREE_ID_reflink)
		return put_shared_piece(t, k, &piece);
	if (piece.size == k->size)
		return bce_trans_update(t, BTREE_ID_extents, &piece, 0);
	return bce_extent_update(t, &mv->w->env, &piece, &change);
}

/*
 * Keys of other snapshots, and whiteouts, lie between ours; one of ours may have grown by merging, but
 * not beyond a bucket.
 */
static int commit_piece(struct bce_trans *t, void *ctx)
{
	struct move *mv = ctx;
	struct bpos pos = SPOS(mv->k.p.inode, mv->at, 0);
	struct bkey k;
	int ret;

	for (;;) {
		ret = bce_trans_peek(t, mv->m->btree_id, pos, SPOS_MAX, NULL, 0, &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (k.p.inode != mv->k.p.inode || k.p.offset > mv->k.p.offset + U16_MAX)
			return 0;
		pos = bce_trans_after(mv->m->btree_id, &k, NULL);
		if (k.p.snapshot != mv->k.p.snapshot || k.type != mv->k.type)
			continue;
		if (bkey_start_offset(&k) >= mv->at + mv->e.sectors)
			return 0;
		if (bce_extent_ptrs_decode(&k, &mv->now) || !still_ours(mv, &k, &mv->now))
			continue;
		ret = change_key(t, mv, &k);
		if (ret)
			return ret;
	}
}

/* ---- a whole key ---- */

static bool is_unwritten(const struct move *mv)
{
	return mv->ptrs.nr && mv->ptrs.p[0].ptr.unwritten;
}

static int commit(struct move *mv)
{
	bool reclaiming = mv->m->watermark == ALLOC_COPYGC;

	return bce_trans_run(mv->w->c.btrees, commit_piece, mv,
			     reclaiming ? TRANS_COMMIT_ALLOC : 0, NULL);
}

static int move_piece(struct move *mv)
{
	int ret = 0;

	mv->e = (struct write_extent) {
		.w = mv->w, .start = mv->at, .type = KEY_TYPE_extent, .sectors = mv->k.size,
	};
	if (mv->nr_new)
		ret = is_unwritten(mv) ? place_unwritten(mv) : write_piece(mv);
	if (!ret)
		ret = commit(mv);
	mv->e.buffer = NULL;		/* the writer's, not from a pool */
	bce_write_extent_release(&mv->e);
	return ret;
}

static int move_key(struct move *mv)
{
	int ret = bce_data_look(mv->w, look_at_key, mv);

	if (ret || !plan(mv))
		return ret;
	ret = bce_nocow_exclude(mv->w, &mv->ptrs, &mv->held);
	for (mv->at = bkey_start_offset(&mv->k); !ret && mv->at < mv->k.p.offset;
	     mv->at += mv->e.sectors)
		ret = move_piece(mv);
	bce_nocow_admit(mv->w, &mv->held);
	return ret;
}

int bce_data_move(struct data_writer *w, const struct data_move *m)
{
	unsigned int nofs = memalloc_nofs_save();
	struct move *mv;
	int ret;

	mutex_lock(&w->move_lock);
	mv = w->move;
	memset(mv, 0, sizeof(*mv));
	mv->w = w;
	mv->m = m;
	ret = move_key(mv);
	mutex_unlock(&w->move_lock);
	memalloc_nofs_restore(nofs);
	return ret;
}

int bce_move_init(struct data_writer *w)
{
	w->move = kzalloc(sizeof(*w->move), GFP_KERNEL);
	w->move_buffer = kvmalloc(w->stored.bytes, GFP_KERNEL);
	return w->move && w->move_buffer ? 0 : -ENOMEM;
}

void bce_move_exit(struct data_writer *w)
{
	kfree(w->move);
	kvfree(w->move_buffer);
}
