/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_ALLOC_H
#define ENGINE_KEY_ALLOC_H

#include "engine/format/values.h"
#include "engine/key/bkey.h"

/*
 * The state of a bucket, from an alloc key of any version:
 * docs/format/75-allocation.md, sections 2, 3, 5.
 */
struct alloc_info {
	u64	journal_seq;
	bool	need_discard;
	bool	need_inc_gen;
	u8	backpointers_start;	/* u64s, as stored; 8 for older versions */
	u8	nr_backpointers;	/* obsolete inline ones */
	u8	gen;
	u8	oldest_gen;
	u8	data_type;		/* enum bch_data_type */
	u8	stripe_redundancy;
	u32	dirty_sectors;
	u32	cached_sectors;
	u32	stripe_sectors;
	u32	stripe;
	u64	io_time[2];		/* read, write */
};

bool bce_key_type_is_alloc(unsigned int type);
/* NULL, or what is wrong with the value: alloc_v1_val_size_bad, alloc_v2_unpack_error */
const char *bce_alloc_decode(const struct bkey *k, struct alloc_info *out);

/* type that follows from the counters; @implied: by the last change, or the present one */
enum bch_data_type bce_alloc_data_type(const struct alloc_info *a, unsigned int implied);
bool bce_data_type_is_empty(unsigned int type);
u64 bce_alloc_sectors(const struct alloc_info *a);
u64 bce_alloc_fragmented_sectors(const struct alloc_info *a, u32 bucket_sectors);
/* time part of the fragmentation LRU position; 0: none */
u64 bce_alloc_fragmentation_index(const struct alloc_info *a, u32 bucket_sectors);

#endif
