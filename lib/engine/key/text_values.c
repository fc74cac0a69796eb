// SPDX-License-Identifier: GPL-2.0
/*
 * Values as text, one function per key type, in the forms of the reference
 * listings. Names and attribute values are printed as they are, byte by byte; a
 * listing is not necessarily valid UTF-8.
 */
#include "engine/key/text_internal.h"

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/accounting.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "kc/kc.h"

static void bytes_text(struct text_buf *out, const u8 *p, unsigned int bytes)
{
	unsigned int i;

	bce_text_printf(out, "value bytes %u: ", bytes);
	for (i = 0; i < bytes; i++)
		bce_text_printf(out, "%02x", p[i]);
}

static void unknown_text(struct text_buf *out, const struct bkey *k,
			 const struct key_rules *rules)
{
	bytes_text(out, k->v, bkey_val_bytes(k));
}

static void cookie_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	bce_text_printf(out, "%llu", bce_cookie_decode(k));
}

static void reservation_text(struct text_buf *out, const struct bkey *k,
			     const struct key_rules *rules)
{
	struct reservation_info r;

	bce_reservation_decode(k, &r);
	bce_text_printf(out, "generation %u replicas %u", r.generation, r.nr_replicas);
}

static void inode_generation_text(struct text_buf *out, const struct bkey *k,
				  const struct key_rules *rules)
{
	bce_text_printf(out, "generation: %u", bce_inode_generation_decode(k));
}

/* ---- inodes ---- */

/* the whole word: versions differ in where it lies and how long it is */
static u32 inode_flags_word(const struct bkey *k)
{
	struct bch_inode_v3 v3;
	struct bch_inode_v2 v2;
	struct bch_inode v1;

	switch (k->type) {
	case KEY_TYPE_inode:
		bce_val_copy(k, &v1, sizeof(v1));
		return le32_to_cpu(v1.bi_flags);
	case KEY_TYPE_inode_v2:
		bce_val_copy(k, &v2, sizeof(v2));
		return le64_to_cpu(v2.bi_flags);
	default:
		bce_val_copy(k, &v3, sizeof(v3));
		return le64_to_cpu(v3.bi_flags);
	}
}

static void inode_flags_text(struct text_buf *out, u32 flags)
{
	static const char *const names[] = {
#define x(name, bit)	[bit] = #name,
		INODE_FLAG_LIST(x)
#undef x
	};
	bool first = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(flags & (1U << i)))
			continue;
		bce_text_printf(out, "%s%s", first ? "" : ",", names[i]);
		first = false;
	}
}

/* times as unsigned numbers, like all fields */
static void inode_fields_text(struct text_buf *out, const struct inode_fields *f)
{
#define LINE(_name, _value)	bce_text_printf(out, "\n  " _name "=%llu", (u64)(_value))
	LINE("journal_seq", f->journal_seq);
	LINE("bi_size", f->size);
	LINE("bi_sectors", f->sectors);
	LINE("bi_version", f->version);
	LINE("bi_atime", f->atime);
	LINE("bi_ctime", f->ctime);
	LINE("bi_mtime", f->mtime);
	LINE("bi_otime", f->otime);
	LINE("bi_uid", f->uid);
	LINE("bi_gid", f->gid);
	LINE("bi_nlink", f->nlink);
	LINE("bi_generation", f->generation);
	LINE("bi_dev", f->dev);
	LINE("bi_data_checksum", f->data_checksum);
	LINE("bi_compression", f->compression);
	LINE("bi_project", f->project);
	LINE("bi_background_compression", f->background_compression);
	LINE("bi_data_replicas", f->data_replicas);
	LINE("bi_promote_target", f->promote_target);
	LINE("bi_foreground_target", f->foreground_target);
	LINE("bi_background_target", f->background_target);
	LINE("bi_erasure_code", f->erasure_code);
	LINE("bi_fields_set", f->fields_set);
	LINE("bi_dir", f->dir);
	LINE("bi_dir_offset", f->dir_offset);
	LINE("bi_subvol", f->subvol);
	LINE("bi_parent_subvol", f->parent_subvol);
	LINE("bi_nocow", f->nocow);
#undef LINE
}

static void inode_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct inode_fields f;
	const char *what = bce_inode_unpack(k, &f);

	if (what) {
		bce_text_printf(out, "(%s)", what);
		return;
	}
	bce_text_printf(out, "\n  mode=%o\n  flags=", f.mode);
	inode_flags_text(out, f.flags);
	bce_text_printf(out, "(%x)", inode_flags_word(k));
	inode_fields_text(out, &f);
}

/* ---- names ---- */

static const char *d_type_name(unsigned int d_type)
{
	static const char *const names[] = {
		[1]	= "fifo",
		[2]	= "chr",
		[4]	= "dir",
		[6]	= "blk",
		[8]	= "reg",
		[10]	= "lnk",
		[12]	= "sock",
		[BCH_DT_SUBVOL] = "subvol",
	};

	return TABLE_NAME(names, d_type);
}

static void dirent_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	bce_text_write(out, d.name, d.name_len);
	if (d.d_type == BCH_DT_SUBVOL)
		bce_text_printf(out, " -> %u -> %u", d.parent_subvol, d.child_subvol);
	else
		bce_text_printf(out, " -> %llu", d.inum);
	bce_text_printf(out, " type %s", d_type_name(d.d_type));
}

static const char *acl_tag_name(unsigned int tag)
{
	switch (tag) {
	case BCH_ACL_USER_OBJ:
		return "user_obj";
	case BCH_ACL_USER:
		return "user uid";
	case BCH_ACL_GROUP_OBJ:
		return "group_obj";
	case BCH_ACL_GROUP:
		return "group gid";
	case BCH_ACL_MASK:
		return "mask";
	case BCH_ACL_OTHER:
		return "other";
	}
	return NULL;
}

static void acl_text(struct text_buf *out, const u8 *p, unsigned int bytes)
{
	const u8 *end = p + bytes;

	if (bytes < sizeof(struct bch_acl_header))
		return;
	p += sizeof(struct bch_acl_header);
	while (end - p >= sizeof(struct bch_acl_entry_short)) {
		unsigned int tag = get_unaligned_le16(p), perm = get_unaligned_le16(p + 2);
		bool is_long = tag == BCH_ACL_USER || tag == BCH_ACL_GROUP;

		if (!acl_tag_name(tag) ||
		    (is_long && end - p < sizeof(struct bch_acl_entry)))
			return;
		bce_text_printf(out, " %s", acl_tag_name(tag));
		if (is_long)
			bce_text_printf(out, " %u", get_unaligned_le32(p + 4));
		bce_text_printf(out, " %u", perm);
		p += is_long ? sizeof(struct bch_acl_entry) : sizeof(struct bch_acl_entry_short);
	}
}

/* values end at their first zero byte, which is how ACLs come to show their version */
static void xattr_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct xattr_info x;
	const char *prefix;

	bce_xattr_decode(k, &x);
	prefix = bce_xattr_prefix(x.type);
	if (prefix)
		bce_text_printf(out, "%s", prefix);
	else
		bce_text_printf(out, "(type %u)", x.type);
	bce_text_write(out, x.name, x.name_len);
	bce_text_putc(out, ':');
	bce_text_write(out, x.val, strnlen((const char *)x.val, x.val_len));
	if (x.type == BCH_XATTR_posix_acl_access || x.type == BCH_XATTR_posix_acl_default)
		acl_text(out, x.val, x.val_len);
}

/* ---- data that is not behind pointers ---- */

static void inline_data_text(struct text_buf *out, const struct bkey *k,
			     const struct key_rules *rules)
{
	unsigned int bytes;
	const u8 *p = bce_inline_data(k, &bytes);

	if (k->type == KEY_TYPE_indirect_inline_data)
		bce_text_printf(out, "refcount %llu: ", bce_reflink_refcount(k));
	bytes_text(out, p, bytes);
}

static void reflink_p_text(struct text_buf *out, const struct bkey *k,
			   const struct key_rules *rules)
{
	struct reflink_p_info r;

	bce_reflink_p_decode(k, &r);
	bce_text_printf(out, "idx %llu front_pad %u back_pad %u", r.idx, r.front_pad, r.back_pad);
}

/* ---- subvolumes, snapshots, quotas, logged operations ---- */

static void subvolume_text(struct text_buf *out, const struct bkey *k,
			   const struct key_rules *rules)
{
	struct subvolume_info s;

	bce_subvolume_decode(k, &s);
	bce_text_printf(out, "root %llu snapshot id %u creation_parent %u fs_parent %u", s.inode,
			s.snapshot, s.creation_parent, s.fs_path_parent);
}

static void snapshot_text(struct text_buf *out, const struct bkey *k,
			  const struct key_rules *rules)
{
	struct snapshot_info s;

	bce_snapshot_decode(k, &s);
	bce_text_printf(out, "is_subvol %u deleted %u parent %10u children %10u %10u",
			s.is_subvol, s.deleted, s.parent, s.children[0], s.children[1]);
	bce_text_printf(out, " subvol %u tree %u depth %u skiplist %u %u %u", s.subvol, s.tree,
			s.depth, s.skip[0], s.skip[1], s.skip[2]);
}

static void snapshot_tree_text(struct text_buf *out, const struct bkey *k,
			       const struct key_rules *rules)
{
	struct snapshot_tree_info s;

	bce_snapshot_tree_decode(k, &s);
	bce_text_printf(out, "subvol %u root snapshot %u", s.master_subvol, s.root_snapshot);
}

static void quota_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	struct quota_limits q;

	bce_quota_decode(k, &q);
	bce_text_printf(out, "space hardlimit %llu softlimit %llu", q.space_sectors.hard,
			q.space_sectors.soft);
	bce_text_printf(out, " inodes hardlimit %llu softlimit %llu", q.inodes.hard,
			q.inodes.soft);
}

static void logged_op_truncate_text(struct text_buf *out, const struct bkey *k,
				    const struct key_rules *rules)
{
	struct logged_op_truncate_info op;

	bce_logged_op_truncate_decode(k, &op);
	bce_text_printf(out, "subvol=%u inum=%llu new_i_size=%llu", op.subvol, op.inum,
			op.new_size_bytes);
}

static void logged_op_finsert_text(struct text_buf *out, const struct bkey *k,
				   const struct key_rules *rules)
{
	struct logged_op_finsert_info op;

	bce_logged_op_finsert_decode(k, &op);
	bce_text_printf(out, "subvol=%u inum=%llu dst_offset=%llu src_offset=%llu", op.subvol,
			op.inum, op.dst_sector, op.src_sector);
}

/* ---- allocation ---- */

static void alloc_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	const struct key_rules_dev *dev = bce_text_dev(rules, k->p.inode);
	struct alloc_info a;
	const char *what = bce_alloc_decode(k, &a);

	if (what) {
		bce_text_printf(out, "(%s)", what);
		return;
	}
	bce_text_printf(out, "\n  gen %u oldest_gen %u data_type %s", a.gen, a.oldest_gen,
			bce_data_type_name(a.data_type));
#define LINE(_name, _value)	bce_text_printf(out, "\n  %-17s %llu", _name, (u64)(_value))
	LINE("journal_seq", a.journal_seq);
	LINE("need_discard", a.need_discard);
	LINE("need_inc_gen", a.need_inc_gen);
	LINE("dirty_sectors", a.dirty_sectors);
	LINE("stripe_sectors", a.stripe_sectors);
	LINE("cached_sectors", a.cached_sectors);
	LINE("stripe", a.stripe);
	LINE("stripe_redundancy", a.stripe_redundancy);
	LINE("io_time[READ]", a.io_time[0]);
	LINE("io_time[WRITE]", a.io_time[1]);
	LINE("fragmentation", dev ? bce_alloc_fragmentation_index(&a, dev->bucket_sectors) : 0);
	LINE("bp_start", a.backpointers_start);
#undef LINE
	bce_text_putc(out, '\n');
}

static void bucket_gens_text(struct text_buf *out, const struct bkey *k,
			     const struct key_rules *rules)
{
	const u8 *gens = k->v;
	unsigned int i;

	for (i = 0; i < bkey_val_bytes(k); i++)
		bce_text_printf(out, i ? " %u" : "%u", gens[i]);
}

static void backpointer_text(struct text_buf *out, const struct bkey *k,
			     const struct key_rules *rules)
{
	const struct key_rules_dev *dev = bce_text_dev(rules, k->p.inode);
	u64 sector = k->p.offset >> BACKPOINTER_OFFSET_SHIFT;
	struct backpointer_info bp;

	bce_backpointer_decode(k, &bp);
	if (dev)
		bce_text_printf(out, "bucket=%llu:%llu:0", k->p.inode,
				div64_u64(sector, dev->bucket_sectors));
	else
		bce_text_printf(out, "sector=%llu:%llu", k->p.inode, sector);
	bce_text_printf(out, " btree=%s l=%u offset=%llu:%u len=%u pos=",
			bce_btree_name(bp.btree_id), bp.level,
			bp.bucket_offset >> BACKPOINTER_OFFSET_SHIFT,
			(u32)bits_get(bp.bucket_offset, 0, BACKPOINTER_OFFSET_SHIFT),
			bp.bucket_len);
	bce_pos_text(out, bp.pos);
}

static void lru_text(struct text_buf *out, const struct bkey *k, const struct key_rules *rules)
{
	/* the same single number */
	bce_text_printf(out, "idx %llu", bce_cookie_decode(k));
}

/* ---- accounting ---- */

static void replicas_text(struct text_buf *out, const struct accounting_pos *pos)
{
	unsigned int i;

	bce_text_printf(out, "%s: %u/%u [", bce_data_type_name(pos->replicas.data_type),
			pos->replicas.nr_required, pos->replicas.nr_devs);
	for (i = 0; i < pos->replicas.nr_devs && i < ACCOUNTING_REPLICAS_DEVS_MAX; i++)
		bce_text_printf(out, i ? " %u" : "%u", pos->replicas.devs[i]);
	bce_text_putc(out, ']');
}

/* nothing for types without fields, and for inum, whose number is in the position */
static void accounting_fields_text(struct text_buf *out, const struct accounting_pos *pos)
{
	switch (pos->type) {
	case ACCOUNTING_persistent_reserved:
		bce_text_printf(out, "replicas=%u", pos->persistent_reserved.nr_replicas);
		break;
	case ACCOUNTING_replicas:
		replicas_text(out, pos);
		break;
	case ACCOUNTING_dev_data_type:
		bce_text_printf(out, "dev=%u data_type=%s", pos->dev_data_type.dev,
				bce_data_type_name(pos->dev_data_type.data_type));
		break;
	case ACCOUNTING_compression:
		bce_text_printf(out, "%s", bce_compression_type_name(pos->compression.type));
		break;
	case ACCOUNTING_snapshot:
		bce_text_printf(out, "id=%u", le32_to_cpu(pos->snapshot.id));
		break;
	case ACCOUNTING_btree:
		bce_text_printf(out, "btree=%s", bce_btree_name(le32_to_cpu(pos->btree.id)));
		break;
	}
}

static void accounting_text(struct text_buf *out, const struct bkey *k,
			    const struct key_rules *rules)
{
	struct accounting_pos pos = bce_accounting_pos_decode(k->p);
	const char *name = bce_accounting_type_name(pos.type);
	unsigned int i;

	if (name)
		bce_text_printf(out, "%s ", name);
	else
		bce_text_printf(out, "type=%u ", pos.type);
	accounting_fields_text(out, &pos);
	for (i = 0; i < bce_accounting_nr_counters(k); i++)
		bce_text_printf(out, " %lld", bce_accounting_counter(k, i));
}

/* ---- together ---- */

static const bce_val_text_fn val_texts[KEY_TYPE_NR] = {
	[KEY_TYPE_cookie]		= cookie_text,
	[KEY_TYPE_btree_ptr]		= bce_ptrs_text,
	[KEY_TYPE_extent]		= bce_ptrs_text,
	[KEY_TYPE_reservation]		= reservation_text,
	[KEY_TYPE_inode]		= inode_text,
	[KEY_TYPE_inode_generation]	= inode_generation_text,
	[KEY_TYPE_dirent]		= dirent_text,
	[KEY_TYPE_xattr]		= xattr_text,
	[KEY_TYPE_alloc]		= alloc_text,
	[KEY_TYPE_quota]		= quota_text,
	[KEY_TYPE_stripe]		= bce_stripe_text,
	[KEY_TYPE_reflink_p]		= reflink_p_text,
	[KEY_TYPE_reflink_v]		= bce_reflink_v_text,
	[KEY_TYPE_inline_data]		= inline_data_text,
	[KEY_TYPE_btree_ptr_v2]		= bce_btree_ptr_v2_text,
	[KEY_TYPE_indirect_inline_data]	= inline_data_text,
	[KEY_TYPE_alloc_v2]		= alloc_text,
	[KEY_TYPE_subvolume]		= subvolume_text,
	[KEY_TYPE_snapshot]		= snapshot_text,
	[KEY_TYPE_inode_v2]		= inode_text,
	[KEY_TYPE_alloc_v3]		= alloc_text,
	[KEY_TYPE_lru]			= lru_text,
	[KEY_TYPE_alloc_v4]		= alloc_text,
	[KEY_TYPE_backpointer]		= backpointer_text,
	[KEY_TYPE_inode_v3]		= inode_text,
	[KEY_TYPE_bucket_gens]		= bucket_gens_text,
	[KEY_TYPE_snapshot_tree]	= snapshot_tree_text,
	[KEY_TYPE_logged_op_truncate]	= logged_op_truncate_text,
	[KEY_TYPE_logged_op_finsert]	= logged_op_finsert_text,
	[KEY_TYPE_accounting]		= accounting_text,
};

bce_val_text_fn bce_val_text(unsigned int type)
{
	return type < KEY_TYPE_NR && val_texts[type] ? val_texts[type] : unknown_text;
}
