// SPDX-License-Identifier: GPL-2.0
/*
 * What makes a key legal.
 *
 * Three layers: the header and the size of the value (all types), the btree the key
 * lies in, and the rules of its type, one function per type in a table. Nothing
 * here reads another key; relations between keys are the checker's business.
 *
 * A reader is more lenient than a writer: types newer than ours are kept unread,
 * unknown btrees are not judged, and rules that only say what may be made today
 * hold for KEY_TO_WRITE alone. A key that fails is treated as not there.
 *
 * Source: docs/format/55-key-types.md, sections 3, 4; 50-btree.md, section 2;
 * 75-allocation.md, 2.1; 80-accounting.md, section 1.
 */
#include "engine/key/validate_internal.h"

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/accounting.h"
#include "engine/key/alloc.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"

#define BACKPOINTER_LEVEL_MAX	4
#define LRU_TIME_BITS		48
#define INODE_CHECKSUM_OPT_MAX	4	/* biased by one, as inodes store it */

int bce_key_bad(const struct key_check *c, enum bce_error id, const char *fmt, ...)
{
	va_list args;

	if (c->err) {
		va_start(args, fmt);
		bce_text_vprintf(c->err, fmt, args);
		va_end(args);
	}
	return id + 1;
}

/* ---- btrees ---- */

#define T(type)		BIT_ULL(KEY_TYPE_##type)

enum { EXTENTS = 1, SNAPSHOTS = 2, SNAPSHOT_FIELD = 4 };

static const struct {
	u8	flags;
	u64	types;		/* allowed in leaves, besides deleted */
} btree_rules[BTREE_ID_NR] = {
	[BTREE_ID_extents] = { EXTENTS | SNAPSHOTS,
		T(whiteout) | T(error) | T(cookie) | T(extent) | T(reservation) |
		T(reflink_p) | T(inline_data) },
	[BTREE_ID_inodes] = { SNAPSHOTS,
		T(whiteout) | T(inode) | T(inode_v2) | T(inode_v3) | T(inode_generation) },
	[BTREE_ID_dirents] = { SNAPSHOTS,
		T(whiteout) | T(hash_whiteout) | T(dirent) },
	[BTREE_ID_xattrs] = { SNAPSHOTS,
		T(whiteout) | T(cookie) | T(hash_whiteout) | T(xattr) },
	[BTREE_ID_alloc] = { 0, T(alloc) | T(alloc_v2) | T(alloc_v3) | T(alloc_v4) },
	[BTREE_ID_quotas] = { 0, T(quota) },
	[BTREE_ID_stripes] = { 0, T(stripe) },
	[BTREE_ID_reflink] = { EXTENTS, T(reflink_v) | T(indirect_inline_data) | T(error) },
	[BTREE_ID_subvolumes] = { 0, T(subvolume) },
	[BTREE_ID_snapshots] = { 0, T(snapshot) },
	[BTREE_ID_lru] = { 0, T(set) },
	[BTREE_ID_freespace] = { EXTENTS, T(set) },
	[BTREE_ID_need_discard] = { 0, T(set) },
	[BTREE_ID_backpointers] = { 0, T(backpointer) },
	[BTREE_ID_bucket_gens] = { 0, T(bucket_gens) },
	[BTREE_ID_snapshot_trees] = { 0, T(snapshot_tree) },
	[BTREE_ID_deleted_inodes] = { SNAPSHOT_FIELD, T(set) },
	[BTREE_ID_logged_ops] = { 0, T(logged_op_truncate) | T(logged_op_finsert) },
	[BTREE_ID_rebalance_work] = { SNAPSHOT_FIELD, T(set) | T(cookie) },
	[BTREE_ID_subvolume_children] = { 0, T(set) },
	[BTREE_ID_accounting] = { SNAPSHOT_FIELD, T(accounting) },
};

#define INTERIOR_TYPES	(T(deleted) | T(btree_ptr) | T(btree_ptr_v2))

static bool btree_is(unsigned int btree_id, unsigned int flag)
{
	return btree_id < BTREE_ID_NR && (btree_rules[btree_id].flags & flag);
}

bool bce_btree_has_extents(unsigned int btree_id)
{
	return btree_is(btree_id, EXTENTS);
}

bool bce_btree_has_snapshots(unsigned int btree_id)
{
	return btree_is(btree_id, SNAPSHOTS);
}

bool bce_btree_has_snapshot_field(unsigned int btree_id)
{
	return btree_is(btree_id, SNAPSHOTS | SNAPSHOT_FIELD);
}

static bool type_in(u64 types, unsigned int type)
{
	return type < KEY_TYPE_NR && (types & BIT_ULL(type));
}

bool bce_btree_allows_key_type(unsigned int btree_id, unsigned int type)
{
	return btree_id >= BTREE_ID_NR ||
		type_in(btree_rules[btree_id].types | T(deleted), type);
}

/* ---- rules of all keys ---- */

static int check_type_allowed(const struct key_check *c)
{
	bool allowed;

	if (c->level)
		allowed = type_in(INTERIOR_TYPES, c->k->type);
	else
		allowed = c->context != KEY_TO_WRITE ||
			bce_btree_allows_key_type(c->btree_id, c->k->type);
	if (!allowed)
		return bce_key_bad(c, BCE_ERR_bkey_invalid_type_for_btree,
				   "key type %u in btree %u level %u", c->k->type, c->btree_id,
				   c->level);
	return 0;
}

static int check_size(const struct key_check *c)
{
	const struct bkey *k = c->k;

	if (!c->level && bce_btree_has_extents(c->btree_id) &&
	    k->type != KEY_TYPE_deleted && k->type != KEY_TYPE_whiteout) {
		if (!k->size)
			return bce_key_bad(c, BCE_ERR_bkey_extent_size_zero, "size 0");
		if (k->size > k->p.offset)
			return bce_key_bad(c, BCE_ERR_bkey_extent_size_greater_than_offset,
					   "size %u exceeds the end %llu", k->size, k->p.offset);
	} else if (k->size) {
		return bce_key_bad(c, BCE_ERR_bkey_size_nonzero, "size %u", k->size);
	}
	return 0;
}

static int check_leaf_pos(const struct key_check *c)
{
	struct bpos p = c->k->p;

	if (bce_btree_has_snapshots(c->btree_id)) {
		if (!p.snapshot)
			return bce_key_bad(c, BCE_ERR_bkey_snapshot_zero, "snapshot 0");
	} else if (!bce_btree_has_snapshot_field(c->btree_id) && p.snapshot) {
		return bce_key_bad(c, BCE_ERR_bkey_snapshot_nonzero, "snapshot %u", p.snapshot);
	}
	if (p.inode == U64_MAX && p.offset == U64_MAX)
		return bce_key_bad(c, BCE_ERR_bkey_at_pos_max, "last position");
	return 0;
}

/* rules that depend on what the btree is; of an unknown one nothing is known */
static int check_in_btree(const struct key_check *c)
{
	int ret = check_type_allowed(c);

	if (ret || c->btree_id >= BTREE_ID_NR)
		return ret;
	ret = check_size(c);
	if (!ret && !c->level)
		ret = check_leaf_pos(c);
	return ret;
}

static int check_val_size(const struct key_check *c)
{
	static const u16 min_bytes[KEY_TYPE_NR] = {
#define x(name, nr, min_bytes)	[nr] = min_bytes,
		BKEY_TYPE_LIST(x)
#undef x
	};
	const u64 empty_types = T(error) | T(hash_whiteout) | T(set);
	unsigned int bytes = bkey_val_bytes(c->k);

	if (bytes < min_bytes[c->k->type])
		return bce_key_bad(c, BCE_ERR_bkey_val_size_too_small,
				   "value of %u bytes, at least %u expected", bytes,
				   min_bytes[c->k->type]);
	if (bytes && type_in(empty_types, c->k->type))
		return bce_key_bad(c, BCE_ERR_bkey_val_size_nonzero,
				   "value of %u bytes, none expected", bytes);
	return 0;
}

/* ---- pointers ---- */

static int check_btree_ptr(const struct key_check *c)
{
	if (c->k->val_u64s > BTREE_PTRS_MAX)
		return bce_key_bad(c, BCE_ERR_btree_ptr_val_too_big, "value of %u words",
				   c->k->val_u64s);
	return bce_key_check_ptrs(c);
}

static int check_btree_ptr_v2(const struct key_check *c)
{
	const unsigned int max_u64s = sizeof(struct bch_btree_ptr_v2) / sizeof(u64) +
		BTREE_PTRS_MAX;
	struct btree_ptr_info info;

	if (c->k->val_u64s > max_u64s)
		return bce_key_bad(c, BCE_ERR_btree_ptr_v2_val_too_big, "value of %u words",
				   c->k->val_u64s);
	bce_btree_ptr_decode(c->k, &info);
	if (bpos_cmp(info.min_key, c->k->p) >= 0)
		return bce_key_bad(c, BCE_ERR_btree_ptr_v2_min_key_bad,
				   "min_key %llu:%llu:%u is not before the key", info.min_key.inode,
				   info.min_key.offset, info.min_key.snapshot);
	if (c->context == KEY_TO_WRITE && !info.sectors_written)
		return bce_key_bad(c, BCE_ERR_btree_ptr_v2_written_0, "no sectors written");
	return bce_key_check_ptrs(c);
}

static int check_reflink_v(const struct key_check *c)
{
	if (c->k->p.inode)
		return bce_key_bad(c, BCE_ERR_reflink_v_pos_bad, "inode %llu", c->k->p.inode);
	return bce_key_check_ptrs(c);
}

static int check_stripe(const struct key_check *c)
{
	struct stripe_info s;

	if (c->k->p.inode || !c->k->p.offset || c->k->p.offset > U32_MAX)
		return bce_key_bad(c, BCE_ERR_stripe_pos_bad, "position %llu:%llu", c->k->p.inode,
				   c->k->p.offset);
	bce_stripe_decode(c->k, &s);
	if (s.csum_granularity_bits >= 64)
		return bce_key_bad(c, BCE_ERR_stripe_csum_granularity_bad,
				   "checksum granularity of %u bits", s.csum_granularity_bits);
	if (bkey_val_bytes(c->k) < bce_stripe_val_bytes(&s))
		return bce_key_bad(c, BCE_ERR_stripe_val_size_bad,
				   "value of %u bytes, %u needed", bkey_val_bytes(c->k),
				   bce_stripe_val_bytes(&s));
	return bce_key_check_stripe_ptrs(c);
}

/* ---- small values ---- */

static int check_reservation(const struct key_check *c)
{
	struct reservation_info r;

	bce_reservation_decode(c->k, &r);
	if (!r.nr_replicas || r.nr_replicas > BTREE_PTRS_MAX)
		return bce_key_bad(c, BCE_ERR_reservation_key_nr_replicas_invalid, "%u replicas",
				   r.nr_replicas);
	return 0;
}

static int check_reflink_p(const struct key_check *c)
{
	struct reflink_p_info r;

	bce_reflink_p_decode(c->k, &r);
	if (r.idx < r.front_pad)
		return bce_key_bad(c, BCE_ERR_reflink_p_front_pad_bad,
				   "front_pad %u exceeds the address %llu", r.front_pad, r.idx);
	return 0;
}

static int check_quota(const struct key_check *c)
{
	if (c->k->p.inode >= 3)
		return bce_key_bad(c, BCE_ERR_quota_type_invalid, "quota type %llu",
				   c->k->p.inode);
	return 0;
}

/* lru: the time is in the low bits of the inode field */
static int check_set(const struct key_check *c)
{
	if (c->btree_id == BTREE_ID_lru && !bits_get(c->k->p.inode, 0, LRU_TIME_BITS))
		return bce_key_bad(c, BCE_ERR_lru_entry_at_time_0, "lru entry at time 0");
	return 0;
}

/* ---- inodes ---- */

static bool compression_opt_valid(u8 opt)
{
	unsigned int type = opt & 15, level = opt >> 4;

	return type < BCH_COMPRESSION_OPT_NR && (type != BCH_COMPRESSION_OPT_none || !level);
}

static int check_inode_fields(const struct key_check *c, const struct inode_fields *f)
{
	if (f->str_hash >= BCH_STR_HASH_NR)
		return bce_key_bad(c, BCE_ERR_inode_str_hash_invalid, "str_hash type %u",
				   f->str_hash);
	if (f->data_checksum > INODE_CHECKSUM_OPT_MAX)
		return bce_key_bad(c, BCE_ERR_inode_checksum_type_invalid, "bi_data_checksum %u",
				   f->data_checksum);
	if (f->compression && !compression_opt_valid(f->compression - 1))
		return bce_key_bad(c, BCE_ERR_inode_compression_type_invalid, "bi_compression %u",
				   f->compression);
	if (f->flags & BIT(INODE_FLAG_unlinked) && f->nlink)
		return bce_key_bad(c, BCE_ERR_inode_unlinked_but_nlink_nonzero,
				   "unlinked, but bi_nlink %u", f->nlink);
	if (f->subvol && !S_ISDIR(f->mode))
		return bce_key_bad(c, BCE_ERR_inode_subvol_root_but_not_dir,
				   "root of subvolume %u, but mode %o", f->subvol, f->mode);
	return 0;
}

static int check_pos_inode_zero(const struct key_check *c)
{
	if (c->k->p.inode)
		return bce_key_bad(c, BCE_ERR_inode_pos_inode_nonzero,
				   "position's inode field %llu", c->k->p.inode);
	return 0;
}

static int check_inode_pos(const struct key_check *c)
{
	int ret = check_pos_inode_zero(c);

	if (ret)
		return ret;
	if (c->k->p.offset < BLOCKDEV_INODE_MAX)
		return bce_key_bad(c, BCE_ERR_inode_pos_blockdev_range, "inode number %llu",
				   c->k->p.offset);
	return 0;
}

static int check_inode(const struct key_check *c)
{
	struct inode_fields f;
	const char *what;
	int ret;

	ret = check_inode_pos(c);
	if (ret)
		return ret;
	what = bce_inode_unpack(c->k, &f);
	if (what)
		return bce_key_bad(c, BCE_ERR_inode_unpack_error, "%s", what);
	return check_inode_fields(c, &f);
}

static int check_inode_v3(const struct key_check *c)
{
	const struct bch_inode_v3 *v = c->k->v;
	unsigned int start = BITS_GET(le64_to_cpu(v->bi_flags), INODE_V3_FIELDS_START);

	if (start < INODE_V3_FIELDS_START_U64S || start > c->k->val_u64s)
		return bce_key_bad(c, BCE_ERR_inode_v3_fields_start_bad,
				   "fields start at word %u of %u", start, c->k->val_u64s);
	return check_inode(c);
}

/* ---- names ---- */

static bool is_dot_or_dotdot(const struct dirent_info *d)
{
	return (d->name_len == 1 && !memcmp(d->name, ".", 1)) ||
		(d->name_len == 2 && !memcmp(d->name, "..", 2));
}

static int check_dirent_name(const struct key_check *c, const struct dirent_info *d)
{
	if (!d->name_len)
		return bce_key_bad(c, BCE_ERR_dirent_empty_name, "no name");
	if (c->k->val_u64s > DIV_ROUND_UP(offsetof(struct bch_dirent, d_name) + d->name_len, 8))
		return bce_key_bad(c, BCE_ERR_dirent_val_too_big,
				   "value of %u words for a name of %u bytes", c->k->val_u64s,
				   d->name_len);
	if (c->context == KEY_TO_WRITE && d->name_len > BCH_DIRENT_NAME_MAX)
		return bce_key_bad(c, BCE_ERR_dirent_name_too_long, "name of %u bytes",
				   d->name_len);
	if (memchr(d->name, 0, d->name_len))
		return bce_key_bad(c, BCE_ERR_dirent_name_embedded_nul, "zero byte in the name");
	if (is_dot_or_dotdot(d))
		return bce_key_bad(c, BCE_ERR_dirent_name_dot_or_dotdot, "name is %.*s",
				   (int)d->name_len, d->name);
	if (memchr(d->name, '/', d->name_len))
		return bce_key_bad(c, BCE_ERR_dirent_name_has_slash, "slash in the name");
	return 0;
}

static int check_dirent(const struct key_check *c)
{
	struct dirent_info d;
	int ret;

	bce_dirent_decode(c->k, &d);
	ret = check_dirent_name(c, &d);
	if (ret)
		return ret;
	if (d.d_type != BCH_DT_SUBVOL && d.inum == c->k->p.inode)
		return bce_key_bad(c, BCE_ERR_dirent_to_itself, "names its own directory %llu",
				   d.inum);
	return 0;
}

static int check_xattr(const struct key_check *c)
{
	const struct bch_xattr *v = c->k->v;
	unsigned int bytes = sizeof(*v) + v->x_name_len + le16_to_cpu(v->x_val_len);

	if (c->k->val_u64s < DIV_ROUND_UP(bytes, 8))
		return bce_key_bad(c, BCE_ERR_xattr_val_size_too_small,
				   "value of %u words for %u bytes", c->k->val_u64s, bytes);
	/* four bytes of slack are historical */
	if (c->k->val_u64s > DIV_ROUND_UP(bytes + 4, 8))
		return bce_key_bad(c, BCE_ERR_xattr_val_size_too_big,
				   "value of %u words for %u bytes", c->k->val_u64s, bytes);
	if (v->x_type >= BCH_XATTR_NR)
		return bce_key_bad(c, BCE_ERR_xattr_invalid_type, "type %u", v->x_type);
	if (memchr(v->x_name, 0, v->x_name_len))
		return bce_key_bad(c, BCE_ERR_xattr_name_invalid_chars, "zero byte in the name");
	return 0;
}

/* ---- subvolumes and snapshots ---- */

static int check_subvolume(const struct key_check *c)
{
	struct subvolume_info s;

	if (c->k->p.inode || !c->k->p.offset || c->k->p.offset > S32_MAX)
		return bce_key_bad(c, BCE_ERR_subvol_pos_bad, "position %llu:%llu", c->k->p.inode,
				   c->k->p.offset);
	bce_subvolume_decode(c->k, &s);
	if (!s.snapshot)
		return bce_key_bad(c, BCE_ERR_subvol_snapshot_bad, "no snapshot id");
	if (!s.inode)
		return bce_key_bad(c, BCE_ERR_subvol_inode_bad, "no root inode");
	return 0;
}

static int check_snapshot_children(const struct key_check *c, const struct snapshot_info *s)
{
	unsigned int i;

	if (s->children[0] < s->children[1])
		return bce_key_bad(c, BCE_ERR_snapshot_children_not_normalized,
				   "children %u, %u not in order", s->children[0], s->children[1]);
	if (s->children[0] && s->children[0] == s->children[1])
		return bce_key_bad(c, BCE_ERR_snapshot_child_duplicate, "child %u twice",
				   s->children[0]);
	for (i = 0; i < 2; i++)
		if (s->children[i] && s->children[i] >= c->k->p.offset)
			return bce_key_bad(c, BCE_ERR_snapshot_child_bad,
					   "child %u is not below %llu", s->children[i],
					   c->k->p.offset);
	return 0;
}

static int check_snapshot_skip(const struct key_check *c, const struct snapshot_info *s)
{
	unsigned int i;

	if (s->skip[0] > s->skip[1] || s->skip[1] > s->skip[2])
		return bce_key_bad(c, BCE_ERR_snapshot_skiplist_not_normalized,
				   "skip list %u, %u, %u not in order", s->skip[0], s->skip[1],
				   s->skip[2]);
	for (i = 0; i < 3; i++)
		if (s->skip[i] && s->skip[i] < s->parent)
			return bce_key_bad(c, BCE_ERR_snapshot_skiplist_bad,
					   "skip list entry %u below the parent %u", s->skip[i],
					   s->parent);
	return 0;
}

static int check_snapshot(const struct key_check *c)
{
	u64 id = c->k->p.offset;
	struct snapshot_info s;
	int ret;

	if (c->k->p.inode || !id || id > U32_MAX)
		return bce_key_bad(c, BCE_ERR_snapshot_pos_bad, "position %llu:%llu",
				   c->k->p.inode, id);
	bce_snapshot_decode(c->k, &s);
	if (s.parent && s.parent <= id)
		return bce_key_bad(c, BCE_ERR_snapshot_parent_bad, "parent %u is not above %llu",
				   s.parent, id);
	ret = check_snapshot_children(c, &s);
	if (!ret)
		ret = check_snapshot_skip(c, &s);
	return ret;
}

static int check_snapshot_tree(const struct key_check *c)
{
	if (c->k->p.inode || !c->k->p.offset || c->k->p.offset > U32_MAX)
		return bce_key_bad(c, BCE_ERR_snapshot_tree_pos_bad, "position %llu:%llu",
				   c->k->p.inode, c->k->p.offset);
	return 0;
}

/* ---- allocation ---- */

static int check_alloc_packed(const struct key_check *c)
{
	struct alloc_info a;
	const char *what = bce_alloc_decode(c->k, &a);

	if (!what)
		return 0;
	return bce_key_bad(c, c->k->type == KEY_TYPE_alloc ? BCE_ERR_alloc_v1_val_size_bad :
			   BCE_ERR_alloc_v2_unpack_error, "%s", what);
}

static int bad_counters(const struct key_check *c, enum bce_error id, const struct alloc_info *a)
{
	return bce_key_bad(c, id, "data type %u, %u dirty, %u cached, %u striped, stripe %u",
			   a->data_type, a->dirty_sectors, a->cached_sectors, a->stripe_sectors,
			   a->stripe);
}

static int check_alloc_counters(const struct key_check *c, const struct alloc_info *a)
{
	switch (a->data_type) {
	case BCH_DATA_free:
	case BCH_DATA_need_gc_gens:
	case BCH_DATA_need_discard:
		if (a->dirty_sectors || a->cached_sectors || a->stripe_sectors || a->stripe)
			return bad_counters(c, BCE_ERR_alloc_key_empty_but_have_data, a);
		break;
	case BCH_DATA_sb:
	case BCH_DATA_journal:
	case BCH_DATA_btree:
	case BCH_DATA_user:
	case BCH_DATA_parity:
		if (!a->dirty_sectors && !a->stripe_sectors)
			return bad_counters(c, BCE_ERR_alloc_key_dirty_sectors_0, a);
		break;
	case BCH_DATA_cached:
		if (!a->cached_sectors || a->dirty_sectors || a->stripe_sectors || a->stripe)
			return bad_counters(c, BCE_ERR_alloc_key_cached_inconsistency, a);
		/* set by a later step of recovery */
		if (c->context == KEY_TO_WRITE && !a->io_time[0])
			return bce_key_bad(c, BCE_ERR_alloc_key_cached_but_read_time_zero,
					   "cached, but never read");
		break;
	}
	return 0;
}

static int check_alloc_v4(const struct key_check *c)
{
	struct alloc_info a;
	unsigned int u64s;

	bce_alloc_decode(c->k, &a);
	u64s = (a.backpointers_start ?: ALLOC_V4_U64S_V0) + 4 * a.nr_backpointers;
	if (u64s > c->k->val_u64s)
		return bce_key_bad(c, BCE_ERR_alloc_v4_val_size_bad, "value of %u words, %u needed",
				   c->k->val_u64s, u64s);
	if (!a.backpointers_start && a.nr_backpointers)
		return bce_key_bad(c, BCE_ERR_alloc_v4_backpointers_start_bad,
				   "%u backpointers that start nowhere", a.nr_backpointers);
	if (bce_alloc_data_type(&a, a.data_type) != a.data_type)
		return bce_key_bad(c, BCE_ERR_alloc_key_data_type_bad,
				   "data type %u, by its counters %u", a.data_type,
				   bce_alloc_data_type(&a, a.data_type));
	if (a.io_time[0] > ALLOC_IO_TIME_MAX || a.io_time[1] > ALLOC_IO_TIME_MAX)
		return bce_key_bad(c, BCE_ERR_alloc_key_io_time_bad, "io_time %llu, %llu",
				   a.io_time[0], a.io_time[1]);
	return check_alloc_counters(c, &a);
}

static int check_bucket_gens(const struct key_check *c)
{
	if (bkey_val_bytes(c->k) != sizeof(struct bch_bucket_gens))
		return bce_key_bad(c, BCE_ERR_bucket_gens_val_size_bad, "value of %u bytes",
				   bkey_val_bytes(c->k));
	return 0;
}

/* the position is the pointer's, finely grained: it must say the same as the value */
static int check_backpointer_pos(const struct key_check *c, const struct backpointer_info *bp)
{
	const struct key_rules *rules = c->rules;
	u64 bucket_span, in_bucket;

	if (!rules || !rules->dev || c->k->p.inode >= BCH_MEMBERS_MAX ||
	    !rules->dev[c->k->p.inode].exists || !rules->dev[c->k->p.inode].bucket_sectors)
		return 0;
	bucket_span = (u64)rules->dev[c->k->p.inode].bucket_sectors << BACKPOINTER_OFFSET_SHIFT;
	div64_u64_rem(c->k->p.offset, bucket_span, &in_bucket);
	if (bp->bucket_offset >= bucket_span || in_bucket != bp->bucket_offset)
		return bce_key_bad(c, BCE_ERR_backpointer_bucket_offset_wrong,
				   "bucket_offset %llu, by its position %llu", bp->bucket_offset,
				   in_bucket);
	return 0;
}

static int check_backpointer(const struct key_check *c)
{
	struct backpointer_info bp;

	bce_backpointer_decode(c->k, &bp);
	if (bp.level > BACKPOINTER_LEVEL_MAX)
		return bce_key_bad(c, BCE_ERR_backpointer_level_bad, "level %u", bp.level);
	return check_backpointer_pos(c, &bp);
}

/* ---- accounting ---- */

static int check_accounting_replicas(const struct key_check *c, const struct accounting_pos *pos)
{
	unsigned int nr = pos->replicas.nr_devs, required = pos->replicas.nr_required;
	unsigned int i;

	if (!nr)
		return bce_key_bad(c, BCE_ERR_accounting_key_replicas_nr_devs_0, "no devices");
	if (required > nr || (required > 1 && required == nr))
		return bce_key_bad(c, BCE_ERR_accounting_key_replicas_nr_required_bad,
				   "%u of %u devices required", required, nr);
	if (nr > ACCOUNTING_REPLICAS_DEVS_MAX)
		return bce_key_bad(c, BCE_ERR_accounting_key_junk_at_end,
				   "%u devices exceed the key", nr);
	for (i = 1; i < nr; i++)
		if (pos->replicas.devs[i - 1] >= pos->replicas.devs[i])
			return bce_key_bad(c, BCE_ERR_accounting_key_replicas_devs_unsorted,
					   "device %u behind device %u", pos->replicas.devs[i],
					   pos->replicas.devs[i - 1]);
	return 0;
}

static int check_accounting(const struct key_check *c)
{
	struct accounting_pos pos = bce_accounting_pos_decode(c->k->p);
	unsigned int used = bce_accounting_pos_bytes(&pos);
	int ret;

	if (!c->k->version.lo && !c->k->version.hi)
		return bce_key_bad(c, BCE_ERR_accounting_key_version_0, "version 0");
	if (pos.type == ACCOUNTING_replicas) {
		ret = check_accounting_replicas(c, &pos);
		if (ret)
			return ret;
	}
	if (pos.type < ACCOUNTING_NR && pos.type != ACCOUNTING_inum &&
	    memchr_inv((u8 *)&pos + used, 0, sizeof(pos) - used))
		return bce_key_bad(c, BCE_ERR_accounting_key_junk_at_end,
				   "position has more than the type's %u bytes", used);
	return 0;
}

/* ---- together ---- */

static int (*const type_checks[KEY_TYPE_NR])(const struct key_check *c) = {
	[KEY_TYPE_btree_ptr]		= check_btree_ptr,
	[KEY_TYPE_extent]		= bce_key_check_ptrs,
	[KEY_TYPE_reservation]		= check_reservation,
	[KEY_TYPE_inode]		= check_inode,
	[KEY_TYPE_inode_generation]	= check_pos_inode_zero,
	[KEY_TYPE_dirent]		= check_dirent,
	[KEY_TYPE_xattr]		= check_xattr,
	[KEY_TYPE_alloc]		= check_alloc_packed,
	[KEY_TYPE_quota]		= check_quota,
	[KEY_TYPE_stripe]		= check_stripe,
	[KEY_TYPE_reflink_p]		= check_reflink_p,
	[KEY_TYPE_reflink_v]		= check_reflink_v,
	[KEY_TYPE_btree_ptr_v2]		= check_btree_ptr_v2,
	[KEY_TYPE_alloc_v2]		= check_alloc_packed,
	[KEY_TYPE_subvolume]		= check_subvolume,
	[KEY_TYPE_snapshot]		= check_snapshot,
	[KEY_TYPE_inode_v2]		= check_inode,
	[KEY_TYPE_alloc_v3]		= check_alloc_packed,
	[KEY_TYPE_set]			= check_set,
	[KEY_TYPE_lru]			= check_set,
	[KEY_TYPE_alloc_v4]		= check_alloc_v4,
	[KEY_TYPE_backpointer]		= check_backpointer,
	[KEY_TYPE_inode_v3]		= check_inode_v3,
	[KEY_TYPE_bucket_gens]		= check_bucket_gens,
	[KEY_TYPE_snapshot_tree]	= check_snapshot_tree,
	[KEY_TYPE_accounting]		= check_accounting,
};

int bce_key_validate(const struct bkey *k, unsigned int btree_id, unsigned int level,
		     const struct key_rules *rules, enum key_rules_context context,
		     struct text_buf *err)
{
	const struct key_check c = {
		.k		= k,
		.btree_id	= btree_id,
		.level		= level,
		.rules		= rules,
		.context	= context,
		.err		= err,
	};
	int ret = check_in_btree(&c);

	if (ret || k->type >= KEY_TYPE_NR)
		return ret;
	ret = check_val_size(&c);
	if (!ret && type_checks[k->type])
		ret = type_checks[k->type](&c);
	return ret;
}
