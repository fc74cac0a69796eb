// SPDX-License-Identifier: GPL-2.0
/*
 * Keys as JSON. One function per kind of value; the table at the end says which
 * type uses which. Sizes keep the units of the format (sectors), so that names
 * and numbers are those of docs/format.
 */
#include "key_json.h"

#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/key/accounting.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/key/inode.h"
#include "engine/key/text.h"
#include "engine/key/validate.h"
#include "engine/key/values.h"
#include "json_out.h"

typedef void (*value_fn)(json_object *o, const struct bkey *k, const struct key_rules *rules);

json_object *pos_to_json(struct bpos p)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "inode", p.inode);
	json_add_uint(o, "offset", p.offset);
	json_add_uint(o, "snapshot", p.snapshot);
	return o;
}

static void add_pos(json_object *o, const char *name, struct bpos p)
{
	json_object_object_add(o, name, pos_to_json(p));
}

static void add_bytes(json_object *o, const char *name, const void *p, unsigned int len)
{
	json_object_object_add(o, name, json_object_new_string_len(p, len));
}

/* ---- pointers ---- */

static json_object *ptr_json(const struct extent_ptr *p)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "kind", "ptr");
	json_add_uint(o, "dev", p->dev);
	json_add_uint(o, "sector", p->sector);
	json_add_uint(o, "gen", p->gen);
	json_add_bool(o, "cached", p->cached);
	json_add_bool(o, "unwritten", p->unwritten);
	return o;
}

static json_object *crc_json(const struct extent_crc *crc)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "kind", "crc");
	json_add_uint(o, "compressed_size", crc->compressed_size);
	json_add_uint(o, "uncompressed_size", crc->uncompressed_size);
	json_add_uint(o, "offset", crc->offset);
	json_add_uint(o, "nonce", crc->nonce);
	json_add_string(o, "csum_type", bce_csum_type_name(crc->csum_type));
	json_add_uint(o, "csum_lo", crc->csum.lo);
	json_add_uint(o, "csum_hi", crc->csum.hi);
	json_add_string(o, "compression_type", bce_compression_type_name(crc->compression_type));
	return o;
}

static json_object *stripe_ref_json(const struct extent_stripe_ref *s)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "kind", "stripe_ptr");
	json_add_uint(o, "idx", s->idx);
	json_add_uint(o, "block", s->block);
	json_add_uint(o, "redundancy", s->redundancy);
	return o;
}

static json_object *rebalance_json(const struct extent_rebalance *r)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "kind", "rebalance");
	json_add_uint(o, "target", r->target);
	json_add_uint(o, "compression", r->compression);
	return o;
}

static json_object *entry_json(const struct extent_entry *e)
{
	switch (e->kind) {
	case EXTENT_ENTRY_PTR:
		return ptr_json(&e->ptr);
	case EXTENT_ENTRY_STRIPE:
		return stripe_ref_json(&e->stripe);
	case EXTENT_ENTRY_REBALANCE:
		return rebalance_json(&e->rebalance);
	default:
		return crc_json(&e->crc);
	}
}

static void value_entries(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	json_object *list = json_object_new_array();
	struct extent_walk w;
	struct extent_entry e;

	bce_extent_walk_init(&w, k, rules->btree_node_sectors);
	while (bce_extent_next_entry(&w, &e))
		json_object_array_add(list, entry_json(&e));
	json_object_object_add(o, "entries", list);
	if (w.bad)
		json_add_bool(o, "invalid_entry", true);
}

static void value_btree_ptr_v2(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct btree_ptr_info info;

	bce_btree_ptr_decode(k, &info);
	json_add_uint(o, "seq", info.seq);
	json_add_uint(o, "sectors_written", info.sectors_written);
	json_add_bool(o, "range_updated", info.range_updated);
	add_pos(o, "min_key", info.min_key);
	value_entries(o, k, rules);
}

static void value_reflink_v(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	json_add_uint(o, "refcount", bce_reflink_refcount(k));
	value_entries(o, k, rules);
}

/* ---- file contents without pointers ---- */

static void value_inline(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	unsigned int bytes;
	const void *data = bce_inline_data(k, &bytes);

	if (k->type == KEY_TYPE_indirect_inline_data)
		json_add_uint(o, "refcount", bce_reflink_refcount(k));
	json_add_hex(o, "data", data, bytes);
}

static void value_reservation(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct reservation_info r;

	bce_reservation_decode(k, &r);
	json_add_uint(o, "generation", r.generation);
	json_add_uint(o, "nr_replicas", r.nr_replicas);
}

static void value_reflink_p(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct reflink_p_info p;

	bce_reflink_p_decode(k, &p);
	json_add_uint(o, "idx", p.idx);
	json_add_uint(o, "front_pad", p.front_pad);
	json_add_uint(o, "back_pad", p.back_pad);
}

/* ---- names ---- */

static void value_inode(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct inode_fields f;
	const char *bad = bce_inode_unpack(k, &f);

	if (bad) {
		json_add_string(o, "error", bad);
		json_add_hex(o, "hex", k->v, bkey_val_bytes(k));
		return;
	}
	json_add_uint(o, "mode", f.mode);
	json_add_uint(o, "flags", f.flags);
	json_add_uint(o, "str_hash", f.str_hash);
	json_add_uint(o, "hash_seed", f.hash_seed);
	json_add_uint(o, "journal_seq", f.journal_seq);
	json_add_uint(o, "bi_size", f.size);
	json_add_uint(o, "bi_sectors", f.sectors);
	json_add_uint(o, "bi_version", f.version);
	json_add_int(o, "bi_atime", f.atime);
	json_add_int(o, "bi_ctime", f.ctime);
	json_add_int(o, "bi_mtime", f.mtime);
	json_add_int(o, "bi_otime", f.otime);
	json_add_uint(o, "bi_uid", f.uid);
	json_add_uint(o, "bi_gid", f.gid);
	json_add_uint(o, "bi_nlink", f.nlink);
	json_add_uint(o, "bi_generation", f.generation);
	json_add_uint(o, "bi_dev", f.dev);
	json_add_uint(o, "bi_data_checksum", f.data_checksum);
	json_add_uint(o, "bi_compression", f.compression);
	json_add_uint(o, "bi_project", f.project);
	json_add_uint(o, "bi_background_compression", f.background_compression);
	json_add_uint(o, "bi_data_replicas", f.data_replicas);
	json_add_uint(o, "bi_promote_target", f.promote_target);
	json_add_uint(o, "bi_foreground_target", f.foreground_target);
	json_add_uint(o, "bi_background_target", f.background_target);
	json_add_uint(o, "bi_erasure_code", f.erasure_code);
	json_add_uint(o, "bi_fields_set", f.fields_set);
	json_add_uint(o, "bi_dir", f.dir);
	json_add_uint(o, "bi_dir_offset", f.dir_offset);
	json_add_uint(o, "bi_subvol", f.subvol);
	json_add_uint(o, "bi_parent_subvol", f.parent_subvol);
	json_add_uint(o, "bi_nocow", f.nocow);
}

static void value_inode_generation(json_object *o, const struct bkey *k,
				   const struct key_rules *rules)
{
	json_add_uint(o, "generation", bce_inode_generation_decode(k));
}

static void value_dirent(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	/* names are bytes: the text form is for people, the hex form is exact */
	add_bytes(o, "name", d.name, d.name_len);
	json_add_hex(o, "name_hex", d.name, d.name_len);
	json_add_uint(o, "d_type", d.d_type);
	if (d.child_subvol) {
		json_add_uint(o, "child_subvol", d.child_subvol);
		json_add_uint(o, "parent_subvol", d.parent_subvol);
	} else {
		json_add_uint(o, "inum", d.inum);
	}
}

static void value_xattr(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct xattr_info x;

	bce_xattr_decode(k, &x);
	json_add_uint(o, "x_type", x.type);
	add_bytes(o, "name", x.name, x.name_len);
	json_add_hex(o, "name_hex", x.name, x.name_len);
	json_add_hex(o, "val", x.val, x.val_len);
}

static void value_quota(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct quota_limits q;

	bce_quota_decode(k, &q);
	json_add_uint(o, "space_hard", q.space_sectors.hard);
	json_add_uint(o, "space_soft", q.space_sectors.soft);
	json_add_uint(o, "inodes_hard", q.inodes.hard);
	json_add_uint(o, "inodes_soft", q.inodes.soft);
}

/* ---- subvolumes and snapshots ---- */

static void value_subvolume(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct subvolume_info s;

	bce_subvolume_decode(k, &s);
	json_add_bool(o, "ro", s.ro);
	json_add_bool(o, "snap", s.snap);
	json_add_bool(o, "unlinked", s.unlinked);
	json_add_uint(o, "snapshot", s.snapshot);
	json_add_uint(o, "inode", s.inode);
	json_add_uint(o, "creation_parent", s.creation_parent);
	json_add_uint(o, "fs_path_parent", s.fs_path_parent);
	json_add_int(o, "otime", s.otime);
}

static json_object *u32_array(const u32 *v, unsigned int nr)
{
	json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < nr; i++)
		json_object_array_add(list, json_object_new_int64(v[i]));
	return list;
}

static void value_snapshot(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct snapshot_info s;

	bce_snapshot_decode(k, &s);
	json_add_bool(o, "deleted", s.deleted);
	json_add_bool(o, "is_subvol", s.is_subvol);
	json_add_uint(o, "parent", s.parent);
	json_object_object_add(o, "children", u32_array(s.children, 2));
	json_add_uint(o, "subvol", s.subvol);
	json_add_uint(o, "tree", s.tree);
	json_add_uint(o, "depth", s.depth);
	json_object_object_add(o, "skip", u32_array(s.skip, 3));
	json_add_int(o, "btime", s.btime);
}

static void value_snapshot_tree(json_object *o, const struct bkey *k,
				const struct key_rules *rules)
{
	struct snapshot_tree_info t;

	bce_snapshot_tree_decode(k, &t);
	json_add_uint(o, "master_subvol", t.master_subvol);
	json_add_uint(o, "root_snapshot", t.root_snapshot);
}

/* ---- space ---- */

static void value_alloc(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct alloc_info a;

	bce_alloc_decode(k, &a);
	json_add_uint(o, "gen", a.gen);
	json_add_uint(o, "oldest_gen", a.oldest_gen);
	json_add_string(o, "data_type", bce_data_type_name(a.data_type));
	json_add_uint(o, "journal_seq", a.journal_seq);
	json_add_bool(o, "need_discard", a.need_discard);
	json_add_bool(o, "need_inc_gen", a.need_inc_gen);
	json_add_uint(o, "dirty_sectors", a.dirty_sectors);
	json_add_uint(o, "stripe_sectors", a.stripe_sectors);
	json_add_uint(o, "cached_sectors", a.cached_sectors);
	json_add_uint(o, "stripe", a.stripe);
	json_add_uint(o, "stripe_redundancy", a.stripe_redundancy);
	json_add_uint(o, "io_time_read", a.io_time[0]);
	json_add_uint(o, "io_time_write", a.io_time[1]);
	json_add_uint(o, "backpointers_start", a.backpointers_start);
}

static void value_backpointer(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct backpointer_info b;

	bce_backpointer_decode(k, &b);
	json_add_string(o, "btree", bce_btree_name(b.btree_id));
	json_add_uint(o, "level", b.level);
	json_add_string(o, "data_type", bce_data_type_name(b.data_type));
	json_add_uint(o, "bucket_offset", b.bucket_offset);
	json_add_uint(o, "bucket_len", b.bucket_len);
	add_pos(o, "pos", b.pos);
}

static void value_bucket_gens(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	json_add_hex(o, "gens", k->v, bkey_val_bytes(k));
}

static void value_stripe(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	json_object *blocks = json_object_new_array();
	struct stripe_info s;
	unsigned int i;

	bce_stripe_decode(k, &s);
	json_add_uint(o, "sectors", s.sectors);
	json_add_uint(o, "algorithm", s.algorithm);
	json_add_uint(o, "nr_blocks", s.nr_blocks);
	json_add_uint(o, "nr_redundant", s.nr_redundant);
	json_add_string(o, "csum_type", bce_csum_type_name(s.csum_type));
	json_add_uint(o, "csum_granularity_bits", s.csum_granularity_bits);
	json_add_uint(o, "disk_label", s.disk_label);
	for (i = 0; i < s.nr_blocks; i++) {
		struct extent_ptr ptr;

		if (!bce_stripe_ptr(k, i, &ptr))
			break;
		json_object_array_add(blocks, ptr_json(&ptr));
	}
	json_object_object_add(o, "blocks", blocks);
}

static void accounting_replicas(json_object *o, const struct accounting_pos *p)
{
	json_object *devs = json_object_new_array();
	unsigned int i;

	for (i = 0; i < p->replicas.nr_devs && i < ACCOUNTING_REPLICAS_DEVS_MAX; i++)
		json_object_array_add(devs, json_object_new_int(p->replicas.devs[i]));
	json_add_string(o, "data_type", bce_data_type_name(p->replicas.data_type));
	json_add_uint(o, "nr_required", p->replicas.nr_required);
	json_object_object_add(o, "devs", devs);
}

static void accounting_fields(json_object *o, const struct accounting_pos *p)
{
	switch (p->type) {
	case ACCOUNTING_persistent_reserved:
		json_add_uint(o, "nr_replicas", p->persistent_reserved.nr_replicas);
		break;
	case ACCOUNTING_replicas:
		accounting_replicas(o, p);
		break;
	case ACCOUNTING_dev_data_type:
		json_add_uint(o, "dev", p->dev_data_type.dev);
		json_add_string(o, "data_type", bce_data_type_name(p->dev_data_type.data_type));
		break;
	case ACCOUNTING_compression:
		json_add_string(o, "compression_type",
				bce_compression_type_name(p->compression.type));
		break;
	case ACCOUNTING_snapshot:
		json_add_uint(o, "id", le32_to_cpu(p->snapshot.id));
		break;
	case ACCOUNTING_btree:
		json_add_uint(o, "id", le32_to_cpu(p->btree.id));
		break;
	case ACCOUNTING_inum:
		json_add_uint(o, "inum", le64_to_cpu(p->inum.inum));
		break;
	}
}

static void value_accounting(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	struct accounting_pos p = bce_accounting_pos_decode(k->p);
	json_object *counters = json_object_new_array();
	unsigned int i;

	json_add_string(o, "kind", bce_accounting_type_name(p.type) ?: "unknown");
	accounting_fields(o, &p);
	for (i = 0; i < bce_accounting_nr_counters(k); i++)
		json_object_array_add(counters, json_object_new_int64(bce_accounting_counter(k, i)));
	json_object_object_add(o, "counters", counters);
}

/* ---- the rest ---- */

static void value_cookie(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	json_add_uint(o, "cookie", bce_cookie_decode(k));
}

static void value_logged_truncate(json_object *o, const struct bkey *k,
				  const struct key_rules *rules)
{
	struct logged_op_truncate_info t;

	bce_logged_op_truncate_decode(k, &t);
	json_add_uint(o, "subvol", t.subvol);
	json_add_uint(o, "inum", t.inum);
	json_add_uint(o, "new_i_size", t.new_size_bytes);
}

static void value_logged_finsert(json_object *o, const struct bkey *k,
				 const struct key_rules *rules)
{
	struct logged_op_finsert_info f;

	bce_logged_op_finsert_decode(k, &f);
	json_add_uint(o, "state", f.state);
	json_add_uint(o, "subvol", f.subvol);
	json_add_uint(o, "inum", f.inum);
	json_add_uint(o, "dst_offset", f.dst_sector);
	json_add_uint(o, "src_offset", f.src_sector);
	json_add_uint(o, "pos", f.pos_sector);
}

static void value_hex(json_object *o, const struct bkey *k, const struct key_rules *rules)
{
	if (k->val_u64s)
		json_add_hex(o, "hex", k->v, bkey_val_bytes(k));
}

static const value_fn value_fns[] = {
	[KEY_TYPE_cookie]		= value_cookie,
	[KEY_TYPE_btree_ptr]		= value_entries,
	[KEY_TYPE_extent]		= value_entries,
	[KEY_TYPE_reservation]		= value_reservation,
	[KEY_TYPE_inode]		= value_inode,
	[KEY_TYPE_inode_generation]	= value_inode_generation,
	[KEY_TYPE_dirent]		= value_dirent,
	[KEY_TYPE_xattr]		= value_xattr,
	[KEY_TYPE_alloc]		= value_alloc,
	[KEY_TYPE_quota]		= value_quota,
	[KEY_TYPE_stripe]		= value_stripe,
	[KEY_TYPE_reflink_p]		= value_reflink_p,
	[KEY_TYPE_reflink_v]		= value_reflink_v,
	[KEY_TYPE_inline_data]		= value_inline,
	[KEY_TYPE_btree_ptr_v2]		= value_btree_ptr_v2,
	[KEY_TYPE_indirect_inline_data]	= value_inline,
	[KEY_TYPE_alloc_v2]		= value_alloc,
	[KEY_TYPE_subvolume]		= value_subvolume,
	[KEY_TYPE_snapshot]		= value_snapshot,
	[KEY_TYPE_inode_v2]		= value_inode,
	[KEY_TYPE_alloc_v3]		= value_alloc,
	[KEY_TYPE_alloc_v4]		= value_alloc,
	[KEY_TYPE_backpointer]		= value_backpointer,
	[KEY_TYPE_inode_v3]		= value_inode,
	[KEY_TYPE_bucket_gens]		= value_bucket_gens,
	[KEY_TYPE_snapshot_tree]	= value_snapshot_tree,
	[KEY_TYPE_logged_op_truncate]	= value_logged_truncate,
	[KEY_TYPE_logged_op_finsert]	= value_logged_finsert,
	[KEY_TYPE_accounting]		= value_accounting,
};

static json_object *version_json(struct bversion v)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "hi", v.hi);
	json_add_uint(o, "lo", v.lo);
	return o;
}

json_object *key_to_json(const struct bkey *k, const struct key_rules *rules)
{
	json_object *o = json_object_new_object(), *value = json_object_new_object();
	value_fn fn = k->type < ARRAY_SIZE(value_fns) ? value_fns[k->type] : NULL;

	json_add_uint(o, "u64s", BKEY_U64S + k->val_u64s);
	json_add_string(o, "type", bce_key_type_name(k->type));
	if (k->type >= KEY_TYPE_NR)
		json_add_uint(o, "type_number", k->type);
	add_pos(o, "pos", k->p);
	json_add_uint(o, "size", k->size);
	json_object_object_add(o, "version", version_json(k->version));
	(fn ?: value_hex)(value, k, rules);
	json_object_object_add(o, "value", value);
	return o;
}
