/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_TEXT_H
#define ENGINE_KEY_TEXT_H

#include "engine/key/bkey.h"
#include "engine/key/validate.h"
#include "engine/util/text.h"

/* "4098:16:U32_MAX", "POS_MIN", "SPOS_MAX" */
void bce_pos_text(struct text_buf *out, struct bpos p);

/*
 * One key as the reference listings of tests/golden have it:
 * "u64s 7 type extent 4098:16:U32_MAX len 16 ver 0: durability: 1 crc: ..."
 * Values of several lines (inode, alloc) go on with "\n  field=...".
 * @rules: geometry for bucket:offset of pointers; NULL prints sectors.
 */
void bce_key_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules);

const char *bce_key_type_name(unsigned int type);	/* "unknown" beyond the known */
const char *bce_btree_name(unsigned int btree_id);
const char *bce_data_type_name(unsigned int type);
const char *bce_csum_type_name(unsigned int type);	/* of the type numbering, 0..7 */
const char *bce_compression_type_name(unsigned int type);
int bce_btree_id_by_name(const char *name);		/* -EINVAL */

#endif
