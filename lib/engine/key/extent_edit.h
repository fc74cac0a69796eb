/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_EXTENT_EDIT_H
#define ENGINE_KEY_EXTENT_EDIT_H

#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/key/validate.h"

/*
 * Making and changing pointer lists of file data: extent and reflink_v. A value is taken apart into
 * pointers, each with the checksum entry it is under, changed, and put together again.
 */
struct extent_ptrs {
	unsigned int			nr;
	struct extent_ptr_decoded	p[EXTENT_PTRS_MAX];
	bool				has_rebalance;
	struct extent_rebalance		rebalance;
	u64				refcount;	/* reflink_v */
};

/* longest value: a refcount, pointers each with a 3-word checksum and a stripe, and rebalance */
#define EXTENT_VALUE_U64S_MAX	(1 + EXTENT_PTRS_MAX * 5 + 1)
struct extent_value {
	__le64	v[EXTENT_VALUE_U64S_MAX];
};

/* Return: 0; -EINVAL the list holds something that is no entry, or more than 16 pointers */
int bce_extent_ptrs_decode(const struct bkey *k, struct extent_ptrs *out);
/**
 * bce_extent_ptrs_encode() - the value of @k anew
 * Type, size and position are @k's. Pointers to plain data come first; pointers under equal checksum
 * entries share one, of the smallest kind that holds it; the rebalance entry is last.
 * @buf: becomes the value
 */
void bce_extent_ptrs_encode(const struct extent_ptrs *ptrs, struct bkey *k,
			    struct extent_value *buf);

/* plain data of the key's size: no checksum entry is needed */
bool bce_extent_crc_is_implicit(const struct extent_crc *crc, u32 key_size);
bool bce_extent_crc_equal(const struct extent_crc *a, const struct extent_crc *b);

/* append; -ENOSPC the list is full */
int bce_extent_ptrs_add(struct extent_ptrs *ptrs, const struct extent_ptr_decoded *p);
void bce_extent_ptrs_drop(struct extent_ptrs *ptrs, unsigned int idx);

/**
 * bce_extent_merge() - one key out of two neighbours
 * @l, @r: keys; @r begins where @l ends, in one snapshot
 * @rules: bucket sizes, limit of encoded extents
 * @out:   the merged key, at @r's position; value in @buf
 * Return: false if they do not merge. Source: docs/format/70-extents.md, 5.4.
 */
bool bce_extent_merge(const struct bkey *l, const struct bkey *r, const struct key_rules *rules,
		      struct bkey *out, struct extent_value *buf);

/* what placement and compression in the background want of a key: 70-extents.md, section 9 */
struct extent_wanted {
	u16	target;			/* 0: none */
	u64	target_devs;		/* of the target, those that accept user data; 0: none */
	u8	compression;		/* option byte; 0: none */
};
/* does any pointer need work? */
bool bce_extent_needs_work(const struct extent_ptrs *ptrs, const struct extent_wanted *want);
/* the entry made, changed or removed; @keep: reflink_v keeps it */
void bce_extent_set_rebalance(struct extent_ptrs *ptrs, const struct extent_wanted *want,
			      bool keep);
/* compression type (of data) that an option byte asks for */
u8 bce_compression_type_of_option(u8 option);

#endif
