/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_JSET_BUILDER_H
#define TESTS_LIB_JSET_BUILDER_H

#include "engine/format/journal.h"
#include "engine/key/bkey.h"
#include "sb_builder.h"

struct bce_cipher;

/* Journal entries made by hand. */

#define JB_BYTES_MAX	(1 << 19)

struct jset_builder {
	struct jset	*j;		/* JB_BYTES_MAX long */
};

/* an entry without sub-entries; @last_seq 0: noflush; @uuid_word of the superblock */
void jb_init(struct jset_builder *b, u64 uuid_word, u64 seq, u64 last_seq);
void jb_exit(struct jset_builder *b);

/* a sub-entry with this payload, padded to 8 bytes */
struct jset_entry *jb_entry(struct jset_builder *b, unsigned int type, unsigned int btree_id,
			    unsigned int level, const void *payload, size_t bytes);
/* a btree_keys entry with one key */
void jb_key(struct jset_builder *b, unsigned int btree_id, unsigned int level,
	    const struct bkey *k);
/* a cookie at @p in btree @btree_id: the simplest key with a value */
void jb_cookie(struct jset_builder *b, unsigned int btree_id, struct bpos p, u64 cookie);
void jb_deleted(struct jset_builder *b, unsigned int btree_id, struct bpos p);
void jb_delta(struct jset_builder *b, struct bpos p, struct bversion version, s64 delta);
/* a btree_ptr_v2 to @sector of member 0; for roots and interior keys. Returns its bytes. */
size_t jb_btree_ptr(u64 buf[14], struct bpos p, u64 mem_ptr, u64 sector);
void jb_root(struct jset_builder *b, unsigned int btree_id, unsigned int level, u64 sector);
void jb_key_version(struct jset_builder *b, u64 v);
void jb_clock(struct jset_builder *b, unsigned int rw, u64 time);

size_t jb_bytes(const struct jset_builder *b);
size_t jb_block_bytes(const struct jset_builder *b);	/* rounded up to blocks */
/* @type a checksum type; types 3 and 4 encrypt with @cipher */
void jb_seal(struct jset_builder *b, unsigned int type, const struct bce_cipher *cipher);
/* into bucket @bucket of the file, @offset bytes from its start; returns the offset behind it */
size_t jb_write(const struct jset_builder *b, int fd, u64 bucket, size_t offset);

#endif
