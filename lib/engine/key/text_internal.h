/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_TEXT_INTERNAL_H
#define ENGINE_KEY_TEXT_INTERNAL_H

#include "engine/key/text.h"

/* the member a pointer or backpointer names, if its geometry is known */
const struct key_rules_dev *bce_text_dev(const struct key_rules *rules, u64 dev);

/* text of one value, without what precedes it */
typedef void (*bce_val_text_fn)(struct text_buf *out, const struct bkey *k,
				const struct key_rules *rules);

/* never NULL: bytes where nothing better is known */
bce_val_text_fn bce_val_text(unsigned int type);

/* pointer lists: text_ptrs.c */
void bce_ptrs_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules);
void bce_btree_ptr_v2_text(struct text_buf *out, const struct bkey *k,
			   const struct key_rules *rules);
void bce_reflink_v_text(struct text_buf *out, const struct bkey *k,
			const struct key_rules *rules);
void bce_stripe_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules);

/* a table of names that may have holes, with its own length */
#define TABLE_NAME(table, i)							\
	((i) < ARRAY_SIZE(table) && (table)[i] ? (table)[i] : "unknown")

#endif
