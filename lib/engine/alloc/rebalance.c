// SPDX-License-Identifier: GPL-2.0
/*
 * How much of a key waits to be moved or recompressed, by what its own rebalance entry asks for.
 *
 * Source: docs/format/80-accounting.md, 3.3.
 */
#include "engine/alloc/alloc_internal.h"

#include "engine/key/extent_edit.h"

static bool rebalance_entry(const struct bkey *k, struct extent_rebalance *r)
{
	struct extent_entry e;
	struct extent_walk w;
	bool found = false;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_entry(&w, &e))
		if (e.kind == EXTENT_ENTRY_REBALANCE) {
			*r = e.rebalance;
			found = true;
		}
	return found;
}

static bool compression_hopeless(const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		if (p.ptr.unwritten || p.crc.compression_type == BCH_COMPRESSION_TYPE_incompressible)
			return true;
	return false;
}

u64 alloc_rebalance_sectors(struct allocator *a, const struct bkey *k)
{
	unsigned int compression;
	struct extent_rebalance r;
	struct extent_ptr_decoded p;
	u64 target, sectors = 0;
	struct extent_walk w;
	bool recompress;

	if ((k->type != KEY_TYPE_extent && k->type != KEY_TYPE_reflink_v) ||
	    !rebalance_entry(k, &r))
		return 0;

	compression = bce_compression_type_of_option(r.compression);
	recompress = r.compression && !compression_hopeless(k);
	target = r.target ? alloc_target_devs(a, r.target) : 0;
	if (!(target & alloc_writable_devs(a, BCH_DATA_user)))
		target = 0;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p)) {
		if (p.ptr.cached)
			continue;
		if (recompress && p.crc.compression_type != compression)
			sectors += p.crc.compressed_size;
		if (target && (p.ptr.dev >= BCH_MEMBERS_MAX || !(target >> p.ptr.dev & 1)))
			sectors += p.crc.compressed_size;
	}
	return sectors;
}
