/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_UNIT_ALLOC_TEST_KEYS_H
#define TESTS_UNIT_ALLOC_TEST_KEYS_H

/* Keys with pointers, put together word by word: docs/format/70-extents.md, section 2. */

#include "engine/alloc/alloc.h"
#include "engine/format/ids.h"
#include "require.h"

struct test_key {
	struct bkey	k;
	u64		v[EXTENT_VAL_U64S_MAX];
};

static inline u64 ptr_word(const struct extent_ptr *p)
{
	u64 w = 1;

	w = BITS_SET(w, EXTENT_PTR_CACHED, p->cached);
	w = BITS_SET(w, EXTENT_PTR_UNWRITTEN, p->unwritten);
	w = BITS_SET(w, EXTENT_PTR_OFFSET, p->sector);
	w = BITS_SET(w, EXTENT_PTR_DEV, p->dev);
	return BITS_SET(w, EXTENT_PTR_GEN, p->gen);
}

static inline u64 crc32_word(u32 stored, u32 size, unsigned int compression)
{
	u64 w = 2;

	w = BITS_SET(w, EXTENT_CRC32_COMPRESSED_SIZE, stored - 1);
	w = BITS_SET(w, EXTENT_CRC32_UNCOMPRESSED_SIZE, size - 1);
	w = BITS_SET(w, EXTENT_CRC32_CSUM_TYPE, BCH_CSUM_crc32c);
	return BITS_SET(w, EXTENT_CRC32_COMPRESSION_TYPE, compression);
}

static inline void key_add(struct test_key *key, u64 word)
{
	require(key->k.val_u64s < EXTENT_VAL_U64S_MAX);
	key->v[key->k.val_u64s++] = word;
	key->k.v = key->v;
}

static inline void key_init(struct test_key *key, unsigned int type, struct bpos end, u32 size)
{
	*key = (struct test_key) { .k = { .type = type, .p = end, .size = size } };
	key->k.v = key->v;
	if (type == KEY_TYPE_reflink_v)
		key_add(key, 0);	/* nobody refers to it */
}

static inline void key_add_space(struct test_key *key, const struct alloc_space *space)
{
	for (unsigned int i = 0; i < space->nr; i++)
		key_add(key, ptr_word(&space->ptr[i]));
}

#endif
