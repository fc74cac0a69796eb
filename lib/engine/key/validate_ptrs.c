// SPDX-License-Identifier: GPL-2.0
/*
 * Rules of pointer lists, for all keys that carry pointers.
 *
 * The list is read once, left to right, with the state that the rules need: the
 * checksum entry in force, whether it and the last stripe entry have had their
 * pointer yet, and the devices seen. Rules about a pointer's bucket are applied
 * only where the member is known; a pointer to a missing one is for the checker.
 *
 * Source: docs/format/55-key-types.md, 4.1; docs/format/70-extents.md, section 4.
 */
#include "engine/key/validate_internal.h"

#include <linux/bitmap.h>
#include <linux/math64.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"

#define DEVS_MAX	256		/* as many as a pointer can name */

struct list_check {
	const struct key_check	*c;
	u64			stored_sectors;	/* of the next pointer */
	unsigned int		nr_ptrs;
	unsigned int		nr_unwritten;
	bool			crc_pending;	/* no pointer since the last crc entry */
	bool			stripe_pending;
	bool			nonce_known;
	u32			nonce;		/* offset + nonce of encrypted entries */
	DECLARE_BITMAP(devs, DEVS_MAX);
};

static const struct key_rules_dev *known_dev(const struct key_check *c, unsigned int dev)
{
	if (!c->rules || !c->rules->dev || dev >= BCH_MEMBERS_MAX)
		return NULL;
	if (!c->rules->dev[dev].exists || !c->rules->dev[dev].bucket_sectors)
		return NULL;
	return &c->rules->dev[dev];
}

static int check_bucket(struct list_check *l, const struct extent_ptr *ptr,
			const struct key_rules_dev *dev)
{
	u32 in_bucket;
	u64 bucket = div_u64_rem(ptr->sector, dev->bucket_sectors, &in_bucket);

	if (bucket >= dev->nbuckets)
		return bce_key_bad(l->c, BCE_ERR_ptr_after_last_bucket,
				   "pointer to device %u sector %llu: bucket %llu of %llu",
				   ptr->dev, ptr->sector, bucket, dev->nbuckets);
	if (bucket < dev->first_bucket)
		return bce_key_bad(l->c, BCE_ERR_ptr_before_first_bucket,
				   "pointer to device %u sector %llu: bucket %llu, the first is %u",
				   ptr->dev, ptr->sector, bucket, dev->first_bucket);
	if (in_bucket + l->stored_sectors > dev->bucket_sectors)
		return bce_key_bad(l->c, BCE_ERR_ptr_spans_multiple_buckets,
				   "pointer to device %u sector %llu: %llu from %u, bucket of %u",
				   ptr->dev, ptr->sector, l->stored_sectors, in_bucket,
				   dev->bucket_sectors);
	return 0;
}

static int check_ptr(struct list_check *l, const struct extent_ptr *ptr)
{
	const struct key_rules_dev *dev = known_dev(l->c, ptr->dev);

	if (ptr->cached && bce_key_is_btree_ptr(l->c->k->type))
		return bce_key_bad(l->c, BCE_ERR_btree_ptr_has_non_ptr, "cached pointer to a node");
	if (ptr->cached && l->stripe_pending)
		return bce_key_bad(l->c, BCE_ERR_ptr_cached_and_erasure_coded,
				   "cached pointer to device %u in a stripe", ptr->dev);

	l->nr_ptrs++;
	l->nr_unwritten += ptr->unwritten;
	l->crc_pending = false;
	l->stripe_pending = false;
	if (!dev)
		return 0;
	if (__test_and_set_bit(ptr->dev, l->devs))
		return bce_key_bad(l->c, BCE_ERR_ptr_to_duplicate_device,
				   "two pointers to device %u", ptr->dev);
	return check_bucket(l, ptr, dev);
}

/* all encrypted entries of a key describe the same original data, so this sum is one */
static int check_nonce(struct list_check *l, const struct extent_crc *crc)
{
	u32 nonce = crc->offset + crc->nonce;

	if (!bce_csum_type_is_mac(crc->csum_type))
		return 0;
	if (l->nonce_known && l->nonce != nonce)
		return bce_key_bad(l->c, BCE_ERR_ptr_crc_nonce_mismatch,
				   "offset + nonce %u of an encrypted entry, %u of another",
				   nonce, l->nonce);
	l->nonce = nonce;
	l->nonce_known = true;
	return 0;
}

static int check_crc(struct list_check *l, const struct extent_crc *crc)
{
	const struct key_check *c = l->c;

	if ((u64)crc->offset + c->k->size > crc->uncompressed_size)
		return bce_key_bad(c, BCE_ERR_ptr_crc_uncompressed_size_too_small,
				   "offset %u, size %u: beyond the uncompressed size %u",
				   crc->offset, c->k->size, crc->uncompressed_size);
	if (!bce_csum_type_known(crc->csum_type) ||
	    (bce_csum_type_is_mac(crc->csum_type) && c->rules && !c->rules->encrypted))
		return bce_key_bad(c, BCE_ERR_ptr_crc_csum_type_unknown,
				   "checksum type %u%s", crc->csum_type,
				   bce_csum_type_known(crc->csum_type) ?
				   " without encryption key" : "");
	if (crc->compression_type >= BCH_COMPRESSION_TYPE_NR)
		return bce_key_bad(c, BCE_ERR_ptr_crc_compression_type_unknown,
				   "compression type %u", crc->compression_type);
	if (l->crc_pending)
		return bce_key_bad(c, BCE_ERR_ptr_crc_redundant,
				   "two checksum entries without a pointer between");
	if (c->context == KEY_TO_WRITE && c->rules && bce_extent_is_encoded(crc) &&
	    crc->uncompressed_size > c->rules->encoded_extent_max_sectors)
		return bce_key_bad(c, BCE_ERR_ptr_crc_uncompressed_size_too_big,
				   "uncompressed size %u, limit %u", crc->uncompressed_size,
				   c->rules->encoded_extent_max_sectors);

	l->crc_pending = true;
	l->stored_sectors = crc->compressed_size;
	return check_nonce(l, crc);
}

static int check_entry(struct list_check *l, const struct extent_entry *e)
{
	if (bce_key_is_btree_ptr(l->c->k->type) && e->kind != EXTENT_ENTRY_PTR)
		return bce_key_bad(l->c, BCE_ERR_btree_ptr_has_non_ptr,
				   "entry of kind %u in a pointer to a node", e->kind);
	switch (e->kind) {
	case EXTENT_ENTRY_PTR:
		return check_ptr(l, &e->ptr);
	case EXTENT_ENTRY_CRC32:
	case EXTENT_ENTRY_CRC64:
	case EXTENT_ENTRY_CRC128:
		return check_crc(l, &e->crc);
	case EXTENT_ENTRY_STRIPE:
		if (l->stripe_pending)
			return bce_key_bad(l->c, BCE_ERR_ptr_stripe_redundant,
					   "two stripe entries without a pointer between");
		l->stripe_pending = true;
		return 0;
	default:
		return 0;
	}
}

static int check_list_end(const struct list_check *l)
{
	const struct key_check *c = l->c;

	if (!l->nr_ptrs)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_no_ptrs, "no pointers");
	if (l->nr_ptrs > EXTENT_PTRS_MAX)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_too_many_ptrs, "%u pointers", l->nr_ptrs);
	if (l->nr_unwritten && l->nr_unwritten != l->nr_ptrs)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_written_and_unwritten,
				   "%u of %u pointers unwritten", l->nr_unwritten, l->nr_ptrs);
	if (l->nr_unwritten && c->k->type != KEY_TYPE_extent)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_unwritten,
				   "unwritten pointer outside of an extent");
	if (l->crc_pending)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_redundant_crc,
				   "checksum entry without pointer");
	if (l->stripe_pending)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_redundant_stripe,
				   "stripe entry without pointer");
	return 0;
}

int bce_key_check_ptrs(const struct key_check *c)
{
	u32 node_sectors = c->rules ? c->rules->btree_node_sectors : 0;
	struct list_check l = { .c = c };
	struct extent_walk w;
	struct extent_entry e;
	int ret;

	bce_extent_walk_init(&w, c->k, node_sectors);
	l.stored_sectors = w.crc.compressed_size;
	while (bce_extent_next_entry(&w, &e)) {
		ret = check_entry(&l, &e);
		if (ret)
			return ret;
	}
	if (w.bad && bce_key_is_btree_ptr(c->k->type))
		return bce_key_bad(c, BCE_ERR_btree_ptr_has_non_ptr, "invalid entry");
	if (w.bad)
		return bce_key_bad(c, BCE_ERR_extent_ptrs_invalid_entry, "invalid entry");
	return check_list_end(&l);
}

/* the value is known to hold nr_blocks words */
int bce_key_check_stripe_ptrs(const struct key_check *c)
{
	struct list_check l = { .c = c };
	struct stripe_info s;
	struct extent_ptr ptr;
	unsigned int i;
	int ret;

	bce_stripe_decode(c->k, &s);
	l.stored_sectors = s.sectors;
	for (i = 0; i < s.nr_blocks; i++) {
		if (!bce_stripe_ptr(c->k, i, &ptr))
			return bce_key_bad(c, BCE_ERR_extent_ptrs_invalid_entry,
					   "block %u has no pointer", i);
		ret = check_ptr(&l, &ptr);
		if (ret)
			return ret;
	}
	return check_list_end(&l);
}
