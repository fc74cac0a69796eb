// SPDX-License-Identifier: GPL-2.0
/*
 * Keys as text: the header, positions, and the names of numbers.
 *
 * The forms are those of the reference listings in tests/golden, so a listing of
 * ours can be compared with one of those line by line:
 *
 *	u64s 7 type extent 4098:16:U32_MAX len 16 ver 0: durability: 1 crc: ...
 *
 * Values are in text_values.c, pointer lists in text_ptrs.c. Keys need not be
 * valid: a text is wanted most of those that are not.
 */
#include "engine/key/text.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/key/text_internal.h"

static const char *const key_type_names[] = {
#define x(name, nr, min_bytes)	[nr] = #name,
	BKEY_TYPE_LIST(x)
#undef x
};

static const char *const btree_names[] = {
#define x(name, nr)		[nr] = #name,
	BTREE_ID_LIST(x)
#undef x
};

static const char *const data_type_names[] = {
#define x(name, nr)		[nr] = #name,
	BCH_DATA_TYPE_LIST(x)
#undef x
};

static const char *const csum_type_names[] = {
#define x(name, nr, bytes)	[nr] = #name,
	BCH_CSUM_TYPE_LIST(x)
#undef x
};

static const char *const compression_type_names[] = {
#define x(name, nr)		[nr] = #name,
	BCH_COMPRESSION_TYPE_LIST(x)
#undef x
};

const char *bce_key_type_name(unsigned int type)
{
	return TABLE_NAME(key_type_names, type);
}

const char *bce_btree_name(unsigned int btree_id)
{
	return TABLE_NAME(btree_names, btree_id);
}

const char *bce_data_type_name(unsigned int type)
{
	return TABLE_NAME(data_type_names, type);
}

const char *bce_csum_type_name(unsigned int type)
{
	return TABLE_NAME(csum_type_names, type);
}

const char *bce_compression_type_name(unsigned int type)
{
	return TABLE_NAME(compression_type_names, type);
}

int bce_btree_id_by_name(const char *name)
{
	unsigned int id;

	for (id = 0; id < ARRAY_SIZE(btree_names); id++)
		if (!strcmp(btree_names[id], name))
			return id;
	return -EINVAL;
}

static void u64_text(struct text_buf *out, u64 v)
{
	if (v == U64_MAX)
		bce_text_printf(out, "U64_MAX");
	else
		bce_text_printf(out, "%llu", v);
}

void bce_pos_text(struct text_buf *out, struct bpos p)
{
	if (!bpos_cmp(p, POS_MIN)) {
		bce_text_printf(out, "POS_MIN");
		return;
	}
	if (!bpos_cmp(p, POS_MAX)) {
		bce_text_printf(out, "POS_MAX");
		return;
	}
	if (!bpos_cmp(p, SPOS_MAX)) {
		bce_text_printf(out, "SPOS_MAX");
		return;
	}

	u64_text(out, p.inode);
	bce_text_putc(out, ':');
	u64_text(out, p.offset);
	if (p.snapshot == U32_MAX)
		bce_text_printf(out, ":U32_MAX");
	else
		bce_text_printf(out, ":%u", p.snapshot);
}

const struct key_rules_dev *bce_text_dev(const struct key_rules *rules, u64 dev)
{
	if (!rules || !rules->dev || dev >= BCH_MEMBERS_MAX)
		return NULL;
	if (!rules->dev[dev].exists || !rules->dev[dev].bucket_sectors)
		return NULL;
	return &rules->dev[dev];
}

static void version_text(struct text_buf *out, struct bversion version)
{
	if (version.hi)
		bce_text_printf(out, "%u:", version.hi);
	bce_text_printf(out, "%llu", version.lo);
}

static void header_text(struct text_buf *out, const struct bkey *k)
{
	bce_text_printf(out, "u64s %u type ", BKEY_U64S + k->val_u64s);
	if (k->type < KEY_TYPE_NR)
		bce_text_printf(out, "%s ", bce_key_type_name(k->type));
	else
		bce_text_printf(out, "%u ", k->type);
	bce_pos_text(out, k->p);
	bce_text_printf(out, " len %u ver ", k->size);
	version_text(out, k->version);
}

/**
 * bce_key_text() - a key as one entry of a listing
 * @out:   appended to
 * @k:     any key whose value lies where its header says; it need not be valid
 * @rules: geometry and names; or NULL: pointers are given in sectors
 *
 * A key without value has no text beyond its header.
 */
void bce_key_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	header_text(out, k);
	if (!k->val_u64s)
		return;
	bce_text_printf(out, ": ");
	bce_val_text(k->type)(out, k, rules);
}
