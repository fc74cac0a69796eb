// SPDX-License-Identifier: GPL-2.0
/*
 * Pointer lists, taken apart and put together.
 *
 * An entry stream says things in an order that matters: a checksum entry covers the pointers up to the
 * next one, plain pointers can only stand before the first. Changing a stream in place means keeping
 * all that in mind at every step. Here it is decoded into an array of pointers that each carry their
 * own checksum entry,
 *
 *	stream   ptr A | crc X | ptr B | ptr C | crc Y | ptr D | rebalance
 *	array    A(plain)  B(X)  C(X)  D(Y)      + rebalance
 *
 * changed there, and written out again in the one order that is always legal: plain pointers, then each
 * checksum entry with its pointers, then the rebalance entry. Entries without a pointer, or two equal
 * ones, cannot come about that way.
 *
 * "Plain" is a matter of the key's size: an entry that says no more than that the data is as long as
 * the key is left away. A plain pointer whose key is cut moves with the cut (5.1), so its entry stays
 * unsaid; a key must therefore be decoded and encoded with its size unchanged in between, or its size
 * and the plain pointers' entries be changed together, as merging does.
 *
 * Source: docs/format/70-extents.md, sections 2, 3, 5, 9.
 */
#include "engine/key/extent_edit.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "engine/format/ids.h"

/* ---- taking apart ---- */

/* the rebalance entry, wherever it stands */
static bool find_rebalance(const struct bkey *k, struct extent_rebalance *out)
{
	struct extent_walk w;
	struct extent_entry e;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_entry(&w, &e)) {
		if (e.kind != EXTENT_ENTRY_REBALANCE)
			continue;
		*out = e.rebalance;
		return true;
	}
	return false;
}

int bce_extent_ptrs_decode(const struct bkey *k, struct extent_ptrs *out)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;

	memset(out, 0, sizeof(*out));
	out->refcount = bce_reflink_refcount(k);
	out->has_rebalance = find_rebalance(k, &out->rebalance);
	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p)) {
		int ret = bce_extent_ptrs_add(out, &p);

		if (ret)
			return -EINVAL;
	}
	return w.bad ? -EINVAL : 0;
}

int bce_extent_ptrs_add(struct extent_ptrs *ptrs, const struct extent_ptr_decoded *p)
{
	if (ptrs->nr == EXTENT_PTRS_MAX)
		return -ENOSPC;
	ptrs->p[ptrs->nr++] = *p;
	return 0;
}

void bce_extent_ptrs_drop(struct extent_ptrs *ptrs, unsigned int idx)
{
	ptrs->nr--;
	memmove(&ptrs->p[idx], &ptrs->p[idx + 1], (ptrs->nr - idx) * sizeof(ptrs->p[0]));
}

/* ---- entries ---- */

bool bce_extent_crc_is_implicit(const struct extent_crc *crc, u32 key_size)
{
	return !crc->csum_type && !crc->compression_type && !crc->offset && !crc->nonce &&
	       crc->compressed_size == key_size && crc->uncompressed_size == key_size;
}

bool bce_extent_crc_equal(const struct extent_crc *a, const struct extent_crc *b)
{
	return a->csum_type == b->csum_type && a->compression_type == b->compression_type &&
	       a->compressed_size == b->compressed_size &&
	       a->uncompressed_size == b->uncompressed_size && a->offset == b->offset &&
	       a->nonce == b->nonce && bce_csum_equal(a->csum, b->csum);
}

#define CRC_WORD(kind, crc, w)									\
	(w = BITS_SET(w, EXTENT_##kind##_COMPRESSED_SIZE, (crc)->compressed_size - 1),		\
	 w = BITS_SET(w, EXTENT_##kind##_UNCOMPRESSED_SIZE, (crc)->uncompressed_size - 1),	\
	 w = BITS_SET(w, EXTENT_##kind##_OFFSET, (crc)->offset),				\
	 w = BITS_SET(w, EXTENT_##kind##_CSUM_TYPE, (crc)->csum_type),				\
	 w = BITS_SET(w, EXTENT_##kind##_COMPRESSION_TYPE, (crc)->compression_type))

static __le64 *put_crc32(__le64 *p, const struct extent_crc *crc)
{
	u64 w = 1 << EXTENT_ENTRY_TYPE_crc32;

	CRC_WORD(CRC32, crc, w);
	w = BITS_SET(w, EXTENT_CRC32_CSUM, (u32)crc->csum.lo);
	*p++ = cpu_to_le64(w);
	return p;
}

static __le64 *put_crc64(__le64 *p, const struct extent_crc *crc)
{
	u64 w = 1 << EXTENT_ENTRY_TYPE_crc64;

	CRC_WORD(CRC64, crc, w);
	w = BITS_SET(w, EXTENT_CRC64_NONCE, crc->nonce);
	w = BITS_SET(w, EXTENT_CRC64_CSUM_HIGH, (u16)crc->csum.hi);
	*p++ = cpu_to_le64(w);
	*p++ = cpu_to_le64(crc->csum.lo);
	return p;
}

static __le64 *put_crc128(__le64 *p, const struct extent_crc *crc)
{
	u64 w = 1 << EXTENT_ENTRY_TYPE_crc128;

	CRC_WORD(CRC128, crc, w);
	w = BITS_SET(w, EXTENT_CRC128_NONCE, crc->nonce);
	*p++ = cpu_to_le64(w);
	*p++ = cpu_to_le64(crc->csum.lo);
	*p++ = cpu_to_le64(crc->csum.hi);
	return p;
}

/* a field that holds sizes up to 2^bits sectors, minus one stored */
static bool crc_fits(const struct extent_crc *crc, u32 max_size, u32 max_nonce,
		     unsigned int max_bytes)
{
	return bce_csum_bytes(crc->csum_type) <= max_bytes && crc->uncompressed_size <= max_size &&
	       crc->nonce <= max_nonce;
}

static __le64 *put_crc(__le64 *p, const struct extent_crc *crc)
{
	if (crc_fits(crc, 128, 0, 4))
		return put_crc32(p, crc);
	if (crc_fits(crc, 512, 1023, 10))
		return put_crc64(p, crc);
	return put_crc128(p, crc);
}

static __le64 *put_ptr(__le64 *p, const struct extent_ptr_decoded *d)
{
	u64 w = 1 << EXTENT_ENTRY_TYPE_ptr;

	if (d->has_stripe) {
		u64 s = 1 << EXTENT_ENTRY_TYPE_stripe_ptr;

		s = BITS_SET(s, EXTENT_STRIPE_PTR_BLOCK, d->stripe.block);
		s = BITS_SET(s, EXTENT_STRIPE_PTR_REDUNDANCY, d->stripe.redundancy);
		s = BITS_SET(s, EXTENT_STRIPE_PTR_IDX, d->stripe.idx);
		*p++ = cpu_to_le64(s);
	}
	w = BITS_SET(w, EXTENT_PTR_CACHED, d->ptr.cached);
	w = BITS_SET(w, EXTENT_PTR_UNWRITTEN, d->ptr.unwritten);
	w = BITS_SET(w, EXTENT_PTR_OFFSET, d->ptr.sector);
	w = BITS_SET(w, EXTENT_PTR_DEV, d->ptr.dev);
	w = BITS_SET(w, EXTENT_PTR_GEN, d->ptr.gen);
	*p++ = cpu_to_le64(w);
	return p;
}

static __le64 *put_rebalance(__le64 *p, const struct extent_rebalance *r)
{
	u64 w = 1 << EXTENT_ENTRY_TYPE_rebalance;

	w = BITS_SET(w, EXTENT_REBALANCE_COMPRESSION, r->compression);
	w = BITS_SET(w, EXTENT_REBALANCE_TARGET, r->target);
	*p++ = cpu_to_le64(w);
	return p;
}

/* ---- putting together ---- */

static __le64 *put_plain(__le64 *p, const struct extent_ptrs *ptrs, u32 key_size, u32 *done)
{
	for (unsigned int i = 0; i < ptrs->nr; i++) {
		if (!bce_extent_crc_is_implicit(&ptrs->p[i].crc, key_size))
			continue;
		p = put_ptr(p, &ptrs->p[i]);
		*done |= 1U << i;
	}
	return p;
}

/* the checksum entry of pointer @first, and all pointers under it */
static __le64 *put_group(__le64 *p, const struct extent_ptrs *ptrs, unsigned int first, u32 *done)
{
	p = put_crc(p, &ptrs->p[first].crc);
	for (unsigned int i = first; i < ptrs->nr; i++) {
		if (*done & 1U << i || !bce_extent_crc_equal(&ptrs->p[i].crc, &ptrs->p[first].crc))
			continue;
		p = put_ptr(p, &ptrs->p[i]);
		*done |= 1U << i;
	}
	return p;
}

void bce_extent_ptrs_encode(const struct extent_ptrs *ptrs, struct bkey *k,
			    struct extent_value *buf)
{
	__le64 *p = buf->v;
	u32 done = 0;

	if (k->type == KEY_TYPE_reflink_v)
		*p++ = cpu_to_le64(ptrs->refcount);
	p = put_plain(p, ptrs, k->size, &done);
	for (unsigned int i = 0; i < ptrs->nr; i++)
		if (!(done & 1U << i))
			p = put_group(p, ptrs, i, &done);
	if (ptrs->has_rebalance)
		p = put_rebalance(p, &ptrs->rebalance);
	k->v = buf->v;
	k->val_u64s = p - buf->v;
}

/* ---- merging ---- */

static bool same_bucket(const struct key_rules *rules, unsigned int dev, u64 a, u64 b)
{
	u32 sectors = rules && rules->dev && dev < 64 ? rules->dev[dev].bucket_sectors : 0;

	return sectors && a / sectors == b / sectors;
}

static bool ptrs_adjoin(const struct extent_ptr_decoded *l, const struct extent_ptr_decoded *r,
			u32 l_size)
{
	if (l->ptr.dev != r->ptr.dev || l->ptr.gen != r->ptr.gen ||
	    l->ptr.unwritten != r->ptr.unwritten || l->ptr.cached != r->ptr.cached)
		return false;
	if (l->has_stripe != r->has_stripe)
		return false;
	if (l->has_stripe && (l->stripe.idx != r->stripe.idx || l->stripe.block != r->stripe.block ||
			      l->stripe.redundancy != r->stripe.redundancy))
		return false;
	return l->ptr.sector + l->crc.offset + l_size == r->ptr.sector + r->crc.offset &&
	       l->crc.compression_type == r->crc.compression_type && l->crc.nonce == r->crc.nonce;
}

/*
 * Both are of one stored extent. Offsets into what is compressed are no distances on the device, so
 * that places adjoin says nothing there.
 */
static bool same_stored(const struct extent_ptr_decoded *l, const struct extent_ptr_decoded *r)
{
	struct extent_crc cr = r->crc;

	if (!bce_compression_type_is_compressed(l->crc.compression_type))
		return true;
	cr.offset = l->crc.offset;
	return l->ptr.sector == r->ptr.sector && bce_extent_crc_equal(&l->crc, &cr);
}

static bool csum_merges(unsigned int type)
{
	return type == BCH_CSUM_none || type == BCH_CSUM_crc32c || type == BCH_CSUM_crc64;
}

/* both stored ranges, one after the other, under one checksum */
static bool crcs_concat(const struct extent_ptr_decoded *l, const struct extent_ptr_decoded *r,
			u32 l_size, const struct key_rules *rules, struct extent_ptr_decoded *out)
{
	const struct extent_crc *cl = &l->crc, *cr = &r->crc;
	u64 sectors = (u64)cl->uncompressed_size + cr->uncompressed_size;
	bool plain = !cl->csum_type && !cl->compression_type;

	if (cl->csum_type != cr->csum_type || !csum_merges(cl->csum_type) ||
	    bce_compression_type_is_compressed(cl->compression_type))
		return false;
	if (cl->offset + l_size != cl->compressed_size || cr->offset)
		return false;
	if (cl->csum_type && sectors > rules->encoded_extent_max_sectors)
		return false;
	if (sectors > (plain && !cl->offset ? U32_MAX : 8192))
		return false;
	if (!same_bucket(rules, l->ptr.dev, l->ptr.sector,
			 r->ptr.sector + cr->compressed_size - 1))
		return false;
	*out = *l;
	if (cl->csum_type)
		out->crc.csum = bce_csum_concat(cl->csum_type, cl->csum, cr->csum,
						(u64)cr->uncompressed_size * SECTOR_BYTES);
	out->crc.uncompressed_size = sectors;
	out->crc.compressed_size = sectors;
	return true;
}

static bool ptr_merge(const struct extent_ptr_decoded *l, const struct extent_ptr_decoded *r,
		      u32 l_size, u32 r_size, const struct key_rules *rules,
		      struct extent_ptr_decoded *out)
{
	if (!ptrs_adjoin(l, r, l_size) || !same_stored(l, r))
		return false;
	if ((u64)l->crc.offset + l_size + r_size <= l->crc.uncompressed_size) {
		*out = *l;
		return true;
	}
	if (l_size <= r->crc.offset) {
		*out = *r;
		out->crc.offset -= l_size;
		return true;
	}
	return crcs_concat(l, r, l_size, rules, out);
}

static bool same_rebalance(const struct extent_ptrs *l, const struct bkey *r)
{
	struct extent_rebalance other;

	if (find_rebalance(r, &other) != l->has_rebalance)
		return false;
	return !l->has_rebalance || (l->rebalance.target == other.target &&
				     l->rebalance.compression == other.compression);
}

/* pointer by pointer: all of them merge, or the keys do not */
static bool extents_merge(const struct bkey *l, const struct bkey *r, const struct key_rules *rules,
			  struct bkey *out, struct extent_value *buf)
{
	struct extent_ptr_decoded pr;
	struct extent_ptrs pl;
	struct extent_walk w;
	unsigned int nr = 0;

	if (bce_extent_ptrs_decode(l, &pl) || !pl.nr || !same_rebalance(&pl, r))
		return false;
	bce_extent_walk_init(&w, r, 0);
	while (bce_extent_next_ptr(&w, &pr)) {
		if (nr == pl.nr ||
		    !ptr_merge(&pl.p[nr], &pr, l->size, r->size, rules, &pl.p[nr]))
			return false;
		nr++;
	}
	if (w.bad || nr != pl.nr)
		return false;
	bce_extent_ptrs_encode(&pl, out, buf);
	return true;
}

static bool reservations_merge(const struct bkey *l, const struct bkey *r, struct bkey *out,
			       struct extent_value *buf)
{
	if (l->val_u64s != r->val_u64s || bkey_val_bytes(l) > sizeof(buf->v) ||
	    memcmp(l->v, r->v, bkey_val_bytes(l)))
		return false;
	memcpy(buf->v, l->v, bkey_val_bytes(l));
	out->v = buf->v;
	out->val_u64s = l->val_u64s;
	return true;
}

bool bce_extent_merge(const struct bkey *l, const struct bkey *r, const struct key_rules *rules,
		      struct bkey *out, struct extent_value *buf)
{
	if (l->type != r->type || l->version.lo != r->version.lo ||
	    l->version.hi != r->version.hi || l->p.inode != r->p.inode ||
	    l->p.snapshot != r->p.snapshot || l->p.offset != bkey_start_offset(r) ||
	    (u64)l->size + r->size > U32_MAX)
		return false;
	*out = *r;
	out->size = l->size + r->size;
	switch (l->type) {
	case KEY_TYPE_reservation:
		return reservations_merge(l, r, out, buf);
	case KEY_TYPE_extent:
		return extents_merge(l, r, rules, out, buf);
	default:
		return false;
	}
}

/* ---- rebalance ---- */

u8 bce_compression_type_of_option(u8 option)
{
	switch (option & 0xf) {
	case BCH_COMPRESSION_OPT_lz4:
		return BCH_COMPRESSION_TYPE_lz4;
	case BCH_COMPRESSION_OPT_gzip:
		return BCH_COMPRESSION_TYPE_gzip;
	case BCH_COMPRESSION_OPT_zstd:
		return BCH_COMPRESSION_TYPE_zstd;
	default:
		return BCH_COMPRESSION_TYPE_none;
	}
}

static bool needs_compression(const struct extent_ptrs *ptrs, u8 option)
{
	bool needs = false;

	if (!option)
		return false;
	for (unsigned int i = 0; i < ptrs->nr; i++) {
		const struct extent_ptr_decoded *p = &ptrs->p[i];

		if (p->crc.compression_type == BCH_COMPRESSION_TYPE_incompressible ||
		    p->ptr.unwritten)
			return false;
		needs |= !p->ptr.cached &&
			 p->crc.compression_type != bce_compression_type_of_option(option);
	}
	return needs;
}

static bool needs_target(const struct extent_ptrs *ptrs, u64 target_devs)
{
	if (!target_devs)
		return false;
	for (unsigned int i = 0; i < ptrs->nr; i++)
		if (!ptrs->p[i].ptr.cached && ptrs->p[i].ptr.dev < 64 &&
		    !(target_devs & 1ULL << ptrs->p[i].ptr.dev))
			return true;
	return false;
}

bool bce_extent_needs_work(const struct extent_ptrs *ptrs, const struct extent_wanted *want)
{
	return needs_compression(ptrs, want->compression) ||
	       (want->target && needs_target(ptrs, want->target_devs));
}

void bce_extent_set_rebalance(struct extent_ptrs *ptrs, const struct extent_wanted *want,
			      bool keep)
{
	bool work = bce_extent_needs_work(ptrs, want);

	if (!work && !(keep && ptrs->has_rebalance)) {
		ptrs->has_rebalance = false;
		return;
	}
	ptrs->has_rebalance = true;
	ptrs->rebalance = (struct extent_rebalance) {
		.target		= want->target,
		.compression	= want->compression,
	};
}
