// SPDX-License-Identifier: GPL-2.0
/*
 * Values that carry pointers to data or nodes.
 *
 * Such a value is a stream of entries of one to three words. The lowest set bit of
 * an entry's first word tells its kind, and the kind its length:
 *
 *	crc64 (2 words) | ptr | ptr | crc32 (1) | stripe | ptr | rebalance
 *	   applies to ----^-----^        applies to ---------^
 *
 * A checksum entry applies to all pointers up to the next one; pointers in front of
 * the first are plain, unchecksummed data of the key's own size, which is spelt as
 * an implicit entry here so that readers see no difference. A stripe entry applies
 * to the next pointer only.
 *
 * Nothing here trusts the value: a walk ends at the first word that cannot be an
 * entry and says so, and never leaves the value. Arithmetic on sizes is bounded by
 * the width of the fields.
 *
 * Source: docs/format/70-extents.md.
 */
#include "engine/key/extent.h"

#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/values.h"

#define NONCE_EXTENT			(1U << 28)
#define NONCE_COMPRESSION_SHIFT		24
#define NONCE_SIZE_SHIFT		22

bool bce_key_has_ptrs(unsigned int type)
{
	return type == KEY_TYPE_extent || type == KEY_TYPE_reflink_v ||
		bce_key_is_btree_ptr(type);
}

bool bce_key_is_btree_ptr(unsigned int type)
{
	return type == KEY_TYPE_btree_ptr || type == KEY_TYPE_btree_ptr_v2;
}

bool bce_extent_is_unwritten(const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;

	if (k->type != KEY_TYPE_extent)
		return false;
	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		if (p.ptr.unwritten)
			return true;
	return false;
}

bool bce_compression_type_is_compressed(unsigned int type)
{
	return type != BCH_COMPRESSION_TYPE_none && type != BCH_COMPRESSION_TYPE_incompressible;
}

bool bce_extent_is_encoded(const struct extent_crc *crc)
{
	return crc->csum_type || bce_compression_type_is_compressed(crc->compression_type);
}

/* words in front of the entry stream */
static unsigned int stream_start_u64s(unsigned int type)
{
	switch (type) {
	case KEY_TYPE_btree_ptr_v2:
		return sizeof(struct bch_btree_ptr_v2) / sizeof(u64);
	case KEY_TYPE_reflink_v:
		return sizeof(struct bch_reflink_v) / sizeof(u64);
	}
	return 0;
}

/* a crc entry that is not there: plain data of that many sectors */
static struct extent_crc implicit_crc(u32 sectors)
{
	return (struct extent_crc) {
		.compressed_size	= sectors,
		.uncompressed_size	= sectors,
	};
}

void bce_extent_walk_init(struct extent_walk *w, const struct bkey *k, u32 btree_node_sectors)
{
	const __le64 *v = k->v;
	unsigned int start = stream_start_u64s(k->type);
	bool has_stream = bce_key_has_ptrs(k->type) && start < k->val_u64s;

	memset(w, 0, sizeof(*w));
	w->next = has_stream ? v + start : v;
	w->end = has_stream ? v + k->val_u64s : v;
	w->crc = implicit_crc(bce_key_is_btree_ptr(k->type) ? btree_node_sectors : k->size);
	w->crc_implicit = true;
}

static struct extent_ptr ptr_decode(u64 word)
{
	return (struct extent_ptr) {
		.sector		= BITS_GET(word, EXTENT_PTR_OFFSET),
		.dev		= BITS_GET(word, EXTENT_PTR_DEV),
		.gen		= BITS_GET(word, EXTENT_PTR_GEN),
		.cached		= BITS_GET(word, EXTENT_PTR_CACHED),
		.unwritten	= BITS_GET(word, EXTENT_PTR_UNWRITTEN),
	};
}

static struct extent_crc crc32_decode(const __le64 *p)
{
	u64 word = le64_to_cpu(p[0]);

	return (struct extent_crc) {
		.compressed_size	= BITS_GET(word, EXTENT_CRC32_COMPRESSED_SIZE) + 1,
		.uncompressed_size	= BITS_GET(word, EXTENT_CRC32_UNCOMPRESSED_SIZE) + 1,
		.offset			= BITS_GET(word, EXTENT_CRC32_OFFSET),
		.csum_type		= BITS_GET(word, EXTENT_CRC32_CSUM_TYPE),
		.compression_type	= BITS_GET(word, EXTENT_CRC32_COMPRESSION_TYPE),
		.csum.lo		= BITS_GET(word, EXTENT_CRC32_CSUM),
	};
}

static struct extent_crc crc64_decode(const __le64 *p)
{
	u64 word = le64_to_cpu(p[0]);

	return (struct extent_crc) {
		.compressed_size	= BITS_GET(word, EXTENT_CRC64_COMPRESSED_SIZE) + 1,
		.uncompressed_size	= BITS_GET(word, EXTENT_CRC64_UNCOMPRESSED_SIZE) + 1,
		.offset			= BITS_GET(word, EXTENT_CRC64_OFFSET),
		.nonce			= BITS_GET(word, EXTENT_CRC64_NONCE),
		.csum_type		= BITS_GET(word, EXTENT_CRC64_CSUM_TYPE),
		.compression_type	= BITS_GET(word, EXTENT_CRC64_COMPRESSION_TYPE),
		.csum.hi		= BITS_GET(word, EXTENT_CRC64_CSUM_HIGH),
		.csum.lo		= le64_to_cpu(p[1]),
	};
}

static struct extent_crc crc128_decode(const __le64 *p)
{
	u64 word = le64_to_cpu(p[0]);

	return (struct extent_crc) {
		.compressed_size	= BITS_GET(word, EXTENT_CRC128_COMPRESSED_SIZE) + 1,
		.uncompressed_size	= BITS_GET(word, EXTENT_CRC128_UNCOMPRESSED_SIZE) + 1,
		.offset			= BITS_GET(word, EXTENT_CRC128_OFFSET),
		.nonce			= BITS_GET(word, EXTENT_CRC128_NONCE),
		.csum_type		= BITS_GET(word, EXTENT_CRC128_CSUM_TYPE),
		.compression_type	= BITS_GET(word, EXTENT_CRC128_COMPRESSION_TYPE),
		.csum.lo		= le64_to_cpu(p[1]),
		.csum.hi		= le64_to_cpu(p[2]),
	};
}

static struct extent_stripe_ref stripe_ref_decode(u64 word)
{
	return (struct extent_stripe_ref) {
		.idx		= BITS_GET(word, EXTENT_STRIPE_PTR_IDX),
		.block		= BITS_GET(word, EXTENT_STRIPE_PTR_BLOCK),
		.redundancy	= BITS_GET(word, EXTENT_STRIPE_PTR_REDUNDANCY),
	};
}

static struct extent_rebalance rebalance_decode(u64 word)
{
	return (struct extent_rebalance) {
		.target		= BITS_GET(word, EXTENT_REBALANCE_TARGET),
		.compression	= BITS_GET(word, EXTENT_REBALANCE_COMPRESSION),
	};
}

/* kind of the entry that begins with @word; EXTENT_ENTRY_NR if none does */
static enum extent_entry_kind entry_kind(u64 word)
{
	if (!(word & ((1U << EXTENT_ENTRY_NR) - 1)))
		return EXTENT_ENTRY_NR;
	return __ffs(word);
}

static unsigned int entry_u64s(enum extent_entry_kind kind)
{
	switch (kind) {
	case EXTENT_ENTRY_CRC64:
		return EXTENT_ENTRY_U64S_crc64;
	case EXTENT_ENTRY_CRC128:
		return EXTENT_ENTRY_U64S_crc128;
	default:
		return 1;
	}
}

bool bce_extent_entry_decode(const __le64 *p, unsigned int room_u64s, struct extent_entry *e)
{
	u64 word;

	if (!room_u64s)
		return false;
	word = le64_to_cpu(p[0]);
	e->kind = entry_kind(word);
	e->u64s = entry_u64s(e->kind);
	if (e->kind == EXTENT_ENTRY_NR || e->u64s > room_u64s)
		return false;

	switch (e->kind) {
	case EXTENT_ENTRY_PTR:
		e->ptr = ptr_decode(word);
		break;
	case EXTENT_ENTRY_CRC32:
		e->crc = crc32_decode(p);
		break;
	case EXTENT_ENTRY_CRC64:
		e->crc = crc64_decode(p);
		break;
	case EXTENT_ENTRY_CRC128:
		e->crc = crc128_decode(p);
		break;
	case EXTENT_ENTRY_STRIPE:
		e->stripe = stripe_ref_decode(word);
		break;
	case EXTENT_ENTRY_REBALANCE:
		e->rebalance = rebalance_decode(word);
		break;
	case EXTENT_ENTRY_NR:
		return false;
	}
	return true;
}

bool bce_extent_next_entry(struct extent_walk *w, struct extent_entry *e)
{
	if (w->next == w->end)
		return false;
	if (!bce_extent_entry_decode(w->next, w->end - w->next, e)) {
		w->bad = true;
		w->next = w->end;
		return false;
	}
	w->next += e->u64s;
	return true;
}

/* hand out @ptr with what stands before it; a stripe entry is thereby used up */
static void emit_ptr(struct extent_walk *w, const struct extent_ptr *ptr,
		     struct extent_ptr_decoded *p)
{
	*p = (struct extent_ptr_decoded) {
		.ptr		= *ptr,
		.crc		= w->crc,
		.has_stripe	= w->has_stripe,
	};
	if (w->has_stripe)
		p->stripe = w->stripe;
	w->has_stripe = false;
}

bool bce_extent_next_ptr(struct extent_walk *w, struct extent_ptr_decoded *p)
{
	struct extent_entry e;

	while (bce_extent_next_entry(w, &e)) {
		switch (e.kind) {
		case EXTENT_ENTRY_PTR:
			emit_ptr(w, &e.ptr, p);
			return true;
		case EXTENT_ENTRY_CRC32:
		case EXTENT_ENTRY_CRC64:
		case EXTENT_ENTRY_CRC128:
			w->crc = e.crc;
			w->crc_implicit = false;
			break;
		case EXTENT_ENTRY_STRIPE:
			w->stripe = e.stripe;
			w->has_stripe = true;
			break;
		default:
			break;
		}
	}
	return false;
}

u64 bce_extent_charged_sectors(const struct bkey *k, const struct extent_crc *crc,
			       u32 btree_node_sectors)
{
	if (bce_key_is_btree_ptr(k->type))
		return btree_node_sectors;
	if (!bce_compression_type_is_compressed(crc->compression_type) || !crc->uncompressed_size)
		return k->size;
	return DIV64_U64_ROUND_UP((u64)k->size * crc->compressed_size, crc->uncompressed_size);
}

/* sizes and type enter only for compressed data, so cutting plain data keeps its nonce */
struct bce_nonce bce_extent_nonce(struct bversion version, const struct extent_crc *crc)
{
	bool compressed = bce_compression_type_is_compressed(crc->compression_type);
	u32 size = compressed ? crc->uncompressed_size : 0;
	u32 type = compressed ? crc->compression_type : 0;
	struct bce_nonce nonce = { {
		size << NONCE_SIZE_SHIFT,
		(u32)version.lo,
		version.lo >> 32,
		(version.hi | type << NONCE_COMPRESSION_SHIFT) ^ NONCE_EXTENT,
	} };

	return bce_nonce_add(nonce, crc->nonce * SECTOR_BYTES);
}

void bce_btree_ptr_decode(const struct bkey *k, struct btree_ptr_info *out)
{
	struct bch_btree_ptr_v2 v;

	memset(out, 0, sizeof(*out));
	if (k->type != KEY_TYPE_btree_ptr_v2)
		return;
	bce_val_copy(k, &v, sizeof(v));
	*out = (struct btree_ptr_info) {
		.v2			= true,
		.seq			= le64_to_cpu(v.seq),
		.sectors_written	= le16_to_cpu(v.sectors_written),
		.range_updated		= BITS_GET(le16_to_cpu(v.flags), BTREE_PTR_RANGE_UPDATED),
		.min_key		= bpos_from_le(v.min_key),
	};
}

void bce_reflink_p_decode(const struct bkey *k, struct reflink_p_info *out)
{
	struct bch_reflink_p v;

	bce_val_copy(k, &v, sizeof(v));
	out->idx = le64_to_cpu(v.idx);
	out->front_pad = le32_to_cpu(v.front_pad);
	out->back_pad = le32_to_cpu(v.back_pad);
}

u64 bce_reflink_refcount(const struct bkey *k)
{
	__le64 refcount;

	if (k->type != KEY_TYPE_reflink_v && k->type != KEY_TYPE_indirect_inline_data)
		return 0;
	bce_val_copy(k, &refcount, sizeof(refcount));
	return le64_to_cpu(refcount);
}

static unsigned int inline_header_bytes(const struct bkey *k)
{
	return k->type == KEY_TYPE_indirect_inline_data ?
		sizeof(struct bch_indirect_inline_data) : 0;
}

static bool is_inline_data(const struct bkey *k)
{
	return k->type == KEY_TYPE_inline_data || k->type == KEY_TYPE_indirect_inline_data;
}

const void *bce_inline_data(const struct bkey *k, unsigned int *bytes)
{
	unsigned int header = inline_header_bytes(k);

	*bytes = 0;
	if (!is_inline_data(k) || bkey_val_bytes(k) <= header)
		return NULL;
	*bytes = bkey_val_bytes(k) - header;
	return (const u8 *)k->v + header;
}

/* nothing is left of it */
static void key_cut_away(struct bkey *k)
{
	k->size = 0;
	k->type = KEY_TYPE_deleted;
	k->val_u64s = 0;
}

/* the value of a key with private memory */
static void *private_val(struct bkey *k)
{
	return (void *)k->v;
}

/* add to a bit field of a word in place */
#define WORD_ADD(p, name, n)								\
	(*(p) = cpu_to_le64(BITS_SET(le64_to_cpu(*(p)), name,				\
				     BITS_GET(le64_to_cpu(*(p)), name) + (n))))

static void stream_cut_front(struct bkey *k, u64 sectors)
{
	__le64 *p = (__le64 *)private_val(k) + stream_start_u64s(k->type);
	__le64 *end = (__le64 *)private_val(k) + k->val_u64s;
	struct extent_entry e;
	bool seen_crc = false;

	for (; p < end && bce_extent_entry_decode(p, end - p, &e); p += e.u64s) {
		switch (e.kind) {
		case EXTENT_ENTRY_PTR:
			if (!seen_crc)
				WORD_ADD(p, EXTENT_PTR_OFFSET, sectors);
			break;
		case EXTENT_ENTRY_CRC32:
			WORD_ADD(p, EXTENT_CRC32_OFFSET, sectors);
			seen_crc = true;
			break;
		case EXTENT_ENTRY_CRC64:
			WORD_ADD(p, EXTENT_CRC64_OFFSET, sectors);
			seen_crc = true;
			break;
		case EXTENT_ENTRY_CRC128:
			WORD_ADD(p, EXTENT_CRC128_OFFSET, sectors);
			seen_crc = true;
			break;
		default:
			break;
		}
	}
}

static void inline_cut_front(struct bkey *k, u64 sectors)
{
	unsigned int header = inline_header_bytes(k);
	unsigned int bytes, removed;
	u8 *data;

	if (!bce_inline_data(k, &bytes))
		return;
	data = (u8 *)private_val(k) + header;
	removed = min_t(u64, sectors * SECTOR_BYTES, bytes);
	memmove(data, data + removed, bytes - removed);
	k->val_u64s = (header + bytes - removed) / sizeof(u64);
}

static void reflink_p_cut_front(struct bkey *k, u64 sectors)
{
	struct bch_reflink_p *v = private_val(k);

	if (bkey_val_bytes(k) >= sizeof(*v))
		v->idx = cpu_to_le64(le64_to_cpu(v->idx) + sectors);
}

/**
 * bce_key_cut_front() - move an extent's start forward, in place
 * @k:     the key; @k->v points to a private copy of the value
 * @start: new first sector; before the present one: nothing happens; at or
 *         behind the end: the key becomes deleted
 *
 * Source: docs/format/70-extents.md, 5.1.
 */
void bce_key_cut_front(struct bkey *k, u64 start)
{
	u64 sectors;

	if (start <= bkey_start_offset(k))
		return;
	if (start >= k->p.offset) {
		key_cut_away(k);
		return;
	}

	sectors = start - bkey_start_offset(k);
	k->size -= sectors;
	switch (k->type) {
	case KEY_TYPE_extent:
	case KEY_TYPE_reflink_v:
		stream_cut_front(k, sectors);
		break;
	case KEY_TYPE_reflink_p:
		reflink_p_cut_front(k, sectors);
		break;
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
		inline_cut_front(k, sectors);
		break;
	}
}

/**
 * bce_key_cut_back() - move an extent's end, and with it its position, backward
 * @k:   the key; only the header and the value's length change
 * @end: new end sector; at or behind the present one: nothing happens; at or
 *       before the start: the key becomes deleted, at its start
 *
 * Source: docs/format/70-extents.md, 5.2.
 */
void bce_key_cut_back(struct bkey *k, u64 end)
{
	u64 start = bkey_start_offset(k);
	unsigned int bytes;

	if (end >= k->p.offset)
		return;
	k->p.offset = max(end, start);
	k->size = k->p.offset - start;
	if (!k->size) {
		key_cut_away(k);
		return;
	}

	if (bce_inline_data(k, &bytes)) {
		bytes = min_t(u64, bytes, (u64)k->size * SECTOR_BYTES);
		k->val_u64s = (inline_header_bytes(k) + bytes) / sizeof(u64);
	}
}
