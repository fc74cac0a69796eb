// SPDX-License-Identifier: GPL-2.0
/*
 * Pointer lists as text: the entries in their order, after the durability that the
 * pointers add up to.
 */
#include "engine/key/text_internal.h"

#include <linux/kernel.h>
#include <linux/math64.h>

#include "engine/format/ids.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"

/* docs/format/70-extents.md, section 8; an unknown device counts as an ordinary one */
static unsigned int ptr_durability(const struct extent_ptr_decoded *p,
				   const struct key_rules *rules)
{
	const struct key_rules_dev *dev = bce_text_dev(rules, p->ptr.dev);

	if (p->ptr.cached)
		return 0;
	if (p->has_stripe)
		return p->stripe.redundancy + 1;
	if (rules && rules->dev)
		return dev ? dev->durability : 0;
	return 1;
}

static unsigned int key_durability(const struct bkey *k, const struct key_rules *rules)
{
	unsigned int durability = 0;
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		durability += ptr_durability(&p, rules);
	return durability;
}

static void ptr_text(struct text_buf *out, const struct extent_ptr *ptr,
		     const struct key_rules *rules)
{
	const struct key_rules_dev *dev = bce_text_dev(rules, ptr->dev);
	u64 bucket = 0;
	u32 offset;
	int gen = -1;

	if (dev) {
		bucket = div_u64_rem(ptr->sector, dev->bucket_sectors, &offset);
		bce_text_printf(out, "ptr: %u:%llu:%u gen %u", ptr->dev, bucket, offset, ptr->gen);
		if (rules->bucket_gen)
			gen = rules->bucket_gen(rules->text_ctx, ptr->dev, bucket);
	} else {
		/* without a set the listings have plain sectors; with one, this stands out */
		bce_text_printf(out, "ptr: %u:%s%llu gen %u", ptr->dev, rules ? "sector " : "",
				ptr->sector, ptr->gen);
	}
	if (ptr->cached)
		bce_text_printf(out, " cached");
	if (ptr->unwritten)
		bce_text_printf(out, " unwritten");
	if (gen >= 0 && gen_lag(gen, ptr->gen) > 0)
		bce_text_printf(out, " stale");
}

static void crc_text(struct text_buf *out, const struct extent_crc *crc)
{
	bce_text_printf(out, "crc: c_size %u size %u offset %u nonce %u", crc->compressed_size,
			crc->uncompressed_size, crc->offset, crc->nonce);
	bce_text_printf(out, " csum %s %llx:%llx  compress %s",
			bce_csum_type_name(crc->csum_type), crc->csum.hi, crc->csum.lo,
			bce_compression_type_name(crc->compression_type));
}

static void compression_opt_text(struct text_buf *out, u8 opt)
{
	static const char *const names[] = {
#define x(name, nr)	[nr] = #name,
		BCH_COMPRESSION_OPT_LIST(x)
#undef x
	};

	bce_text_printf(out, "%s", TABLE_NAME(names, opt & 15U));
	if (opt >> 4)
		bce_text_printf(out, ":%u", opt >> 4);
}

static void rebalance_text(struct text_buf *out, const struct extent_rebalance *r,
			   const struct key_rules *rules)
{
	bce_text_printf(out, "rebalance: target ");
	if (!r->target)
		bce_text_printf(out, "none");
	else if (rules && rules->target_text)
		rules->target_text(rules->text_ctx, out, r->target);
	else
		bce_text_printf(out, "%u", r->target);
	bce_text_printf(out, " compression ");
	compression_opt_text(out, r->compression);
}

static void entry_text(struct text_buf *out, const struct extent_entry *e,
		       const struct key_rules *rules)
{
	switch (e->kind) {
	case EXTENT_ENTRY_PTR:
		ptr_text(out, &e->ptr, rules);
		break;
	case EXTENT_ENTRY_CRC32:
	case EXTENT_ENTRY_CRC64:
	case EXTENT_ENTRY_CRC128:
		crc_text(out, &e->crc);
		break;
	case EXTENT_ENTRY_STRIPE:
		bce_text_printf(out, "ec: idx %llu block %u redundancy %u", e->stripe.idx,
				e->stripe.block, e->stripe.redundancy);
		break;
	case EXTENT_ENTRY_REBALANCE:
		rebalance_text(out, &e->rebalance, rules);
		break;
	case EXTENT_ENTRY_NR:
		break;
	}
}

void bce_ptrs_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct extent_entry e;
	struct extent_walk w;
	bool space = rules;

	if (rules)	/* how durable a member is, only its set knows */
		bce_text_printf(out, "durability: %u", key_durability(k, rules));
	bce_extent_walk_init(&w, k, 0);
	for (; bce_extent_next_entry(&w, &e); space = true) {
		if (space)
			bce_text_putc(out, ' ');
		entry_text(out, &e, rules);
	}
	if (w.bad)
		bce_text_printf(out, " (invalid entry)");
}

void bce_btree_ptr_v2_text(struct text_buf *out, const struct bkey *k,
			   const struct key_rules *rules)
{
	struct btree_ptr_info info;

	bce_btree_ptr_decode(k, &info);
	bce_text_printf(out, "seq %llx written %u %smin_key ", info.seq, info.sectors_written,
			info.range_updated ? "range_updated " : "");
	bce_pos_text(out, info.min_key);
	bce_text_putc(out, ' ');
	bce_ptrs_text(out, k, rules);
}

void bce_reflink_v_text(struct text_buf *out, const struct bkey *k,
			const struct key_rules *rules)
{
	bce_text_printf(out, "refcount: %llu ", bce_reflink_refcount(k));
	bce_ptrs_text(out, k, rules);
}

void bce_stripe_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct stripe_info s;
	struct extent_ptr ptr;
	unsigned int i;

	bce_stripe_decode(k, &s);
	bce_text_printf(out, "algo %u sectors %u blocks %u:%d csum %s gran %u label %u",
			s.algorithm, s.sectors, s.nr_blocks - s.nr_redundant, s.nr_redundant,
			bce_csum_type_name(s.csum_type), s.csum_granularity_bits, s.disk_label);
	for (i = 0; i < s.nr_blocks && bce_stripe_ptr(k, i, &ptr); i++) {
		bce_text_putc(out, ' ');
		ptr_text(out, &ptr, rules);
		bce_text_printf(out, "#%u", bce_stripe_block_sectors(k, i));
	}
}
