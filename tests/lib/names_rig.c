// SPDX-License-Identifier: GPL-2.0
/* Names on btrees in memory: names_rig.h. */
#include "names_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/btree/iter.h"
#include "engine/btree/trans_internal.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/text.h"
#include "engine/key/values.h"
#include "engine/names/inode_trans.h"
#include "engine/names/quota.h"
#include "engine/sb/write.h"
#include "require.h"

static int trigger_key(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		       unsigned int btree_id, unsigned int level, const struct bkey *old,
		       const struct bkey *new)
{
	return bce_names_trigger(ctx, t, phase, btree_id, level, old, new);
}

static int trigger_finish(void *ctx, struct bce_trans *t)
{
	struct names_rig *r = container_of((struct names_trigger *)ctx, struct names_rig, trigger);

	if (!r->restart_every || t->restarts || __atomic_add_fetch(&r->commits, 1, __ATOMIC_RELAXED) % r->restart_every)
		return 0;
	return bce_trans_restart(t);
}

static const struct btree_trigger_ops triggers = { trigger_key, trigger_finish };

static u64 op_now(void *ctx)
{
	struct names_rig *r = ctx;

	if (r->on_now)
		r->on_now(r);
	return __atomic_add_fetch(&r->now_ns, 1000, __ATOMIC_RELAXED);
}

static u64 op_random(void *ctx)
{
	struct names_rig *r = ctx;

	return r->random ? r->random++ : RIG_SEED;
}

static int op_features(void *ctx, u64 features)
{
	struct names_rig *r = ctx;

	r->features_set |= features;
	return 0;
}

static bool op_in_use(void *ctx, u64 inum)
{
	struct names_rig *r = ctx;

	return r->in_use == inum;
}

/* ordinary data: one inline key will do, as there is no data path here */
struct rig_data {
	struct names_rig	*r;
	u64			inum;
	u32			subvol, snapshot;
	const void		*data;
	size_t			bytes;
};

static int data_write_fn(struct bce_trans *t, void *ctx)
{
	struct rig_data *d = ctx;
	struct names_writer *w = &d->r->w;
	struct subvolume_info s;
	struct snapshot_view view;
	struct inode_fields f;
	u64 v[250] = { };
	struct bkey k = { .size = 8, .type = KEY_TYPE_inline_data, .v = v };
	int ret = bce_subvolume_trans_write_view(t, w->snapshots, d->subvol, &s, &view) ?:
		  bce_inode_trans_read(t, d->inum, &view, w->src.log, &f);

	if (ret)
		return ret;
	k.p = SPOS(d->inum, 8, s.snapshot);
	k.val_u64s = DIV_ROUND_UP(d->bytes, 8);
	memcpy(v, d->data, d->bytes);
	f.size = d->bytes;
	f.sectors = 8;
	return bce_trans_update(t, BTREE_ID_extents, &k, 0) ?:
	       bce_inode_trans_write(t, s.snapshot, &f);
}

static int op_data_write(void *ctx, struct bce_file_id file, const void *data, size_t bytes)
{
	struct rig_data d = { ctx, file.inum, file.subvol, 0, data, bytes };

	if (bytes > 1900)
		return -ENOSPC;
	return bce_trans_run(d.r->m.b, data_write_fn, &d, 0, NULL);
}

/* the keys of this rig end at sector 8 */
static int data_delete(struct bce_trans *t, struct rig_data *d)
{
	struct snapshot_view view = bce_snapshot_view(d->r->w.snapshots, d->snapshot);
	struct bpos pos = SPOS(d->inum, 8, d->snapshot);
	struct bkey k;
	bool whiteout;
	int ret = bce_trans_lookup(t, BTREE_ID_extents, pos, &view, 0, &k);

	if (ret)
		return ret;
	whiteout = k.p.snapshot != d->snapshot;
	k = (struct bkey) { .p = pos, .type = whiteout ? KEY_TYPE_whiteout : KEY_TYPE_deleted };
	return bce_trans_update(t, BTREE_ID_extents, &k, 0);
}

static int data_remove_fn(struct bce_trans *t, void *ctx)
{
	struct rig_data *d = ctx;
	struct snapshot_view view = bce_snapshot_view(d->r->w.snapshots, d->snapshot);
	struct inode_fields f;
	int ret = data_delete(t, d) ?: bce_inode_trans_read(t, d->inum, &view, d->r->w.src.log, &f);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	f.sectors = 0;
	return bce_inode_trans_put(t, &f);
}

static int op_data_remove(void *ctx, u64 inum, u32 snapshot)
{
	struct rig_data d = { ctx, inum, 0, snapshot };

	return bce_trans_run(d.r->m.b, data_remove_fn, &d, 0, NULL);
}

/* some files are said to be larger than one transaction takes */
static int op_data_remove_in(void *ctx, struct bce_trans *t, u64 inum, u32 snapshot)
{
	struct rig_data d = { ctx, inum, 0, snapshot };
	int ret = data_delete(t, &d);

	if (ret && ret != -ENOENT)
		return ret;
	return inum % 4 == 1 ? -E2BIG : 0;
}

static const struct names_write_ops ops = {
	.now_ns = op_now,
	.random = op_random,
	.data_remove = op_data_remove,
	.data_remove_in = op_data_remove_in,
	.data_write = op_data_write,
	.set_features = op_features,
	.inode_in_use = op_in_use,
};

static void option(struct sb_builder *b, const char *name, u64 value)
{
	const struct sb_option_desc *desc = bce_sb_option_by_name(name);

	require(desc);
	bce_sb_option_set(b->sb, desc, value);
}

static int rig_start(struct names_rig *r)
{
	int ret = bce_snapshot_table_read(&r->w.snapshots, r->m.b, r->m.log);

	if (ret)
		return ret;
	r->trigger.snapshots = r->w.snapshots;
	r->w.src = (struct names_source) {
		.btrees = r->m.b,
		.snapshots = r->w.snapshots,
		.info = &r->info,
		.sb = r->sb.sb,
		.log = r->m.log,
	};
	r->w.ops = &ops;
	r->w.ctx = r;
	r->w.quota_types = bce_quota_types_of(r->sb.sb);
	ret = bce_names_writer_init(&r->w);
	return ret ?: bce_names_writer_start(&r->w);
}

void names_rig_init(struct names_rig *r, void (*prepare)(struct sb_builder *b))
{
	*r = (struct names_rig) { .now_ns = 1700000000ULL * 1000000000 };
	sbb_init(&r->sb, 1, 0);
	option(&r->sb, "str_hash", BCH_STR_HASH_OPT_crc32c);
	option(&r->sb, "inodes_32bit", 1);
	if (prepare)
		prepare(&r->sb);
	sbb_seal(&r->sb);
	bce_sb_info(r->sb.sb, &r->info);
	r->info.time_precision = 1;
	r->info.time_base_ns = r->now_ns - 12345;
	mem_btrees_init(&r->m);
	r->trigger.log = r->m.log;
	mem_btrees_open(&r->m, &triggers, &r->trigger);
	require(!bce_names_make_root(r->m.b, &r->info, r->sb.sb, r->now_ns, 0, 0));
	require(!rig_start(r));
}

static void rig_stop(struct names_rig *r)
{
	bce_names_writer_exit(&r->w);
	bce_snapshot_table_free(r->w.snapshots);
	r->w.snapshots = NULL;
	r->trigger.snapshots = NULL;
}

int names_rig_restart(struct names_rig *r)
{
	rig_stop(r);
	return rig_start(r);
}

void names_rig_exit(struct names_rig *r)
{
	rig_stop(r);
	mem_btrees_exit(&r->m);
	sbb_exit(&r->sb);
}

/* ---- all keys of a btree, copied ---- */

struct keys {
	struct bkey	*k;
	size_t		nr, room;
};

static void keys_read(struct names_rig *r, unsigned int btree_id, struct keys *out)
{
	struct btree_iter iter;
	const struct bkey *k;

	*out = (struct keys) { };
	bce_btree_iter_init(&iter, r->m.b, btree_id, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		void *v = malloc(bkey_val_bytes(k) + 1);

		if (out->nr == out->room) {
			out->room = out->room ? 2 * out->room : 64;
			out->k = realloc(out->k, out->room * sizeof(*out->k));
		}
		require(v && out->k);
		if (k->val_u64s)
			memcpy(v, k->v, bkey_val_bytes(k));
		out->k[out->nr] = *k;
		out->k[out->nr++].v = v;
	}
	require(!IS_ERR(k));
	bce_btree_iter_exit(&iter);
}

static void keys_free(struct keys *keys)
{
	for (size_t i = 0; i < keys->nr; i++)
		free((void *)keys->k[i].v);
	free(keys->k);
}

unsigned int names_rig_count(struct names_rig *r, unsigned int btree_id, int type)
{
	unsigned int nr = 0;
	struct keys keys;

	keys_read(r, btree_id, &keys);
	for (size_t i = 0; i < keys.nr; i++)
		nr += type < 0 || keys.k[i].type == type;
	keys_free(&keys);
	return nr;
}

void names_rig_dump(struct names_rig *r, unsigned int btree_id)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct keys keys;

	keys_read(r, btree_id, &keys);
	for (size_t i = 0; i < keys.nr; i++) {
		bce_text_reset(&text);
		bce_key_text(&text, &keys.k[i], NULL);
		fprintf(stderr, "%s: %s\n", bce_btree_name(btree_id), bce_text_str(&text));
	}
	bce_text_exit(&text);
	keys_free(&keys);
}

/* ---- the checker ---- */

struct checker {
	struct names_rig	*r;
	struct keys		inodes, dirents, xattrs, extents, deleted, snapshots, subvols, children,
				trees;
	unsigned int		findings;
};

#define finding(c, ...) ({							\
	(c)->findings++;							\
	fprintf(stderr, "finding: " __VA_ARGS__);				\
	fputc('\n', stderr);							\
})

/* the key at a logical position as snapshot @s sees it; NULL */
static const struct bkey *seen(struct checker *c, const struct keys *keys, u64 inode, u64 offset,
			       u32 s)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (keys->k[i].p.inode == inode && keys->k[i].p.offset == offset &&
		    bce_snapshot_is_ancestor(c->r->w.snapshots, s, keys->k[i].p.snapshot))
			return keys->k[i].type == KEY_TYPE_whiteout ? NULL : &keys->k[i];
	return NULL;
}

static bool inode_seen(struct checker *c, u64 inum, u32 s, struct inode_fields *f)
{
	const struct bkey *k = seen(c, &c->inodes, 0, inum, s);

	return k && bce_key_type_is_inode(k->type) && !bce_inode_unpack(k, f);
}

static bool has(const struct keys *keys, struct bpos p)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (!bpos_cmp(keys->k[i].p, p))
			return true;
	return false;
}

static const struct bkey *find(const struct keys *keys, u64 offset)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (keys->k[i].p.offset == offset)
			return &keys->k[i];
	return NULL;
}

static bool is_live(struct checker *c, u32 id);

static unsigned int live_children(struct checker *c, const struct snapshot_info *s)
{
	return (s->children[0] && is_live(c, s->children[0])) +
	       (s->children[1] && is_live(c, s->children[1]));
}

static bool is_used(struct checker *c, const struct snapshot_info *s)
{
	const struct bkey *k = s->is_subvol ? find(&c->subvols, s->subvol) : NULL;
	struct subvolume_info sub;

	if (!k)
		return false;
	bce_subvolume_decode(k, &sub);
	return !sub.unlinked;
}

static bool is_live(struct checker *c, u32 id)
{
	const struct bkey *k = find(&c->snapshots, id);
	struct snapshot_info s;

	if (!k)
		return false;
	bce_snapshot_decode(k, &s);
	return is_used(c, &s) || live_children(c, &s);
}

/* neither going away nor being merged, where keys of a file may be in two places for a while */
static bool is_settled(struct checker *c, u32 id)
{
	struct snapshot_info s;

	bce_snapshot_decode(find(&c->snapshots, id), &s);
	return is_used(c, &s) || live_children(c, &s) == 2;
}

static u64 key_hash(const struct bkey *k, const struct inode_fields *f)
{
	struct dirent_info d;
	struct xattr_info x;
	u8 typed[256];

	if (k->type == KEY_TYPE_dirent) {
		bce_dirent_decode(k, &d);
		return bce_name_hash(f->str_hash, f->hash_seed, d.name, d.name_len, true);
	}
	bce_xattr_decode(k, &x);
	typed[0] = x.type;
	memcpy(typed + 1, x.name, x.name_len);
	return bce_name_hash(f->str_hash, f->hash_seed, typed, 1 + x.name_len, false);
}

static bool same_name(const struct bkey *a, const struct bkey *b)
{
	struct dirent_info d, e;
	struct xattr_info x, y;

	if (a->type != b->type)
		return false;
	if (a->type == KEY_TYPE_dirent) {
		bce_dirent_decode(a, &d);
		bce_dirent_decode(b, &e);
		return d.name_len == e.name_len && !memcmp(d.name, e.name, d.name_len);
	}
	bce_xattr_decode(a, &x);
	bce_xattr_decode(b, &y);
	return x.type == y.type && x.name_len == y.name_len && !memcmp(x.name, y.name, x.name_len);
}

/* can what lies at @k be found from its hash, as @s sees it? */
static void check_chain(struct checker *c, const struct keys *keys, const struct bkey *k, u32 s)
{
	struct inode_fields f;
	u64 hash, slot;

	if (!inode_seen(c, k->p.inode, s, &f)) {
		finding(c, "key %llu:%llu:%u seen in %u has no inode", k->p.inode, k->p.offset,
			k->p.snapshot, s);
		return;
	}
	hash = key_hash(k, &f);
	if (hash > k->p.offset)
		finding(c, "key %llu:%llx:%u lies before its hash %llx", k->p.inode, k->p.offset,
			k->p.snapshot, hash);
	for (slot = hash; slot < k->p.offset; slot++) {
		const struct bkey *between = seen(c, keys, k->p.inode, slot, s);

		if (!between || (between->type != k->type &&
				 between->type != KEY_TYPE_hash_whiteout))
			finding(c, "key %llu:%llx:%u, hash %llx, cannot be found in %u: hole at %llx",
				k->p.inode, k->p.offset, k->p.snapshot, hash, s, slot);
		else if (same_name(between, k))
			finding(c, "key %llu:%llx:%u has a double at %llx in %u", k->p.inode,
				k->p.offset, k->p.snapshot, slot, s);
	}
}

static bool is_foreign(struct checker *c, const struct bkey *k, u32 s)
{
	struct subvolume_info parent;
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return false;
	bce_dirent_decode(k, &d);
	if (d.d_type != BCH_DT_SUBVOL)
		return false;
	return bce_subvolume_find(c->r->w.snapshots, d.parent_subvol, &parent) &&
	       parent.snapshot != s;
}

static void check_chains(struct checker *c, const struct keys *keys, unsigned int type)
{
	for (size_t i = 0; i < keys->nr; i++) {
		const struct bkey *k = &keys->k[i];

		if (k->type != type)
			continue;
		if (is_settled(c, k->p.snapshot))
			check_chain(c, keys, k, k->p.snapshot);
		for (size_t n = 0; n < c->snapshots.nr; n++) {
			u32 s = c->snapshots.k[n].p.offset;

			if (s != k->p.snapshot && is_settled(c, s) && seen(c, keys, k->p.inode, k->p.offset, s) == k &&
			    !is_foreign(c, k, s))
				check_chain(c, keys, k, s);
		}
	}
}

static u32 links(struct checker *c, const struct inode_fields *f)
{
	struct dirent_info d;
	u32 nr = 0;

	for (size_t i = 0; i < c->dirents.nr; i++) {
		const struct bkey *k = &c->dirents.k[i];

		if (k->type != KEY_TYPE_dirent ||
		    seen(c, &c->dirents, k->p.inode, k->p.offset, f->snapshot) != k)
			continue;
		bce_dirent_decode(k, &d);
		nr += d.d_type != BCH_DT_SUBVOL && d.inum == f->inum;
	}
	return nr;
}

static void check_version(struct checker *c, const struct bkey *k)
{
	struct inode_fields f, other;
	bool child = false, unlinked, to_delete;

	require(!bce_inode_unpack(k, &f));
	for (size_t i = 0; i < c->inodes.nr; i++) {
		const struct bkey *o = &c->inodes.k[i];

		if (o->p.offset != k->p.offset || o == k || !bce_key_type_is_inode(o->type))
			continue;
		child |= bce_snapshot_is_ancestor(c->r->w.snapshots, o->p.snapshot, k->p.snapshot);
		require(!bce_inode_unpack(o, &other));
		if (other.hash_seed != f.hash_seed || other.str_hash != f.str_hash)
			finding(c, "inode %llu: seeds differ", f.inum);
	}
	unlinked = f.flags & BIT(INODE_FLAG_unlinked);
	if (child != !!(f.flags & BIT(INODE_FLAG_has_child_snapshot)))
		finding(c, "inode %llu:%u: has_child_snapshot is %u", f.inum, f.snapshot, !child);
	to_delete = unlinked && !child;
	if (to_delete != has(&c->deleted, k->p))
		finding(c, "inode %llu:%u: deleted_inodes is wrong", f.inum, f.snapshot);
	if (f.parent_subvol && (!f.subvol || f.subvol == 1))
		finding(c, "inode %llu:%u: parent subvolume", f.inum, f.snapshot);
	if (!is_settled(c, f.snapshot))
		return;
	if (!unlinked && !S_ISDIR(f.mode) && links(c, &f) != f.nlink + 1)
		finding(c, "inode %llu:%u: %u links, nlink %u", f.inum, f.snapshot, links(c, &f),
			f.nlink);
	if (unlinked && links(c, &f))
		finding(c, "inode %llu:%u: unlinked, has names", f.inum, f.snapshot);
}

static void check_inodes(struct checker *c)
{
	struct inode_fields f;

	for (size_t i = 0; i < c->inodes.nr; i++)
		if (bce_key_type_is_inode(c->inodes.k[i].type))
			check_version(c, &c->inodes.k[i]);
	for (size_t i = 0; i < c->deleted.nr; i++) {
		struct bpos p = c->deleted.k[i].p;

		if (!has(&c->inodes, p) || !inode_seen(c, p.offset, p.snapshot, &f))
			finding(c, "deleted_inodes %llu:%u without inode", p.offset, p.snapshot);
	}
	for (size_t i = 0; i < c->snapshots.nr; i++)
		for (size_t j = 0; j < c->xattrs.nr; j++) {
			const struct bkey *k = &c->xattrs.k[j];
			u32 s = k->p.snapshot;

			if (k->type == KEY_TYPE_xattr && is_settled(c, s) && !inode_seen(c, k->p.inode, s, &f))
				finding(c, "xattr %llu:%llu:%u without inode", k->p.inode,
					k->p.offset, s);
		}
}

static void check_snapshot(struct checker *c, u32 id, const struct snapshot_info *s)
{
	const struct bkey *k = s->parent ? find(&c->snapshots, s->parent) : NULL;
	struct snapshot_info p;
	struct subvolume_info sub;
	struct snapshot_tree_info tree;

	if (s->parent && !k) {
		finding(c, "snapshot %u: no parent", id);
		return;
	}
	if (k) {
		bce_snapshot_decode(k, &p);
		if (p.children[0] != id && p.children[1] != id)
			finding(c, "snapshot %u: not its parent's child", id);
		if (s->depth != p.depth + 1 || s->tree != p.tree)
			finding(c, "snapshot %u: depth or tree", id);
	} else if (s->depth) {
		finding(c, "snapshot %u: depth of a root", id);
	}
	for (int i = 0; i < 3; i++) {
		if (!s->parent ? s->skip[i] : !bce_snapshot_is_ancestor(c->r->w.snapshots, s->parent,
									s->skip[i]))
			finding(c, "snapshot %u: skip %u", id, s->skip[i]);
		if (i < 2 && s->children[i]) {
			k = find(&c->snapshots, s->children[i]);
			if (!k) {
				finding(c, "snapshot %u: child missing", id);
				continue;
			}
			bce_snapshot_decode(k, &p);
			if (p.parent != id)
				finding(c, "snapshot %u: child %u", id, s->children[i]);
		}
	}
	k = s->subvol ? find(&c->subvols, s->subvol) : NULL;
	if (k)
		bce_subvolume_decode(k, &sub);
	if (s->is_subvol != !!k || (k && sub.snapshot != id))
		finding(c, "snapshot %u: subvolume", id);
	k = find(&c->trees, s->tree);
	if (k)
		bce_snapshot_tree_decode(k, &tree);
	if (!k || !bce_snapshot_is_ancestor(c->r->w.snapshots, id, tree.root_snapshot))
		finding(c, "snapshot %u: tree", id);
}

static void check_tree(struct checker *c, const struct bkey *k)
{
	const struct bkey *root, *master;
	struct snapshot_tree_info t;
	struct subvolume_info s;
	struct snapshot_info n;

	bce_snapshot_tree_decode(k, &t);
	root = find(&c->snapshots, t.root_snapshot);
	master = find(&c->subvols, t.master_subvol);
	if (!root || !master) {
		finding(c, "snapshot tree %llu: root or master", k->p.offset);
		return;
	}
	bce_snapshot_decode(root, &n);
	bce_subvolume_decode(master, &s);
	if (n.parent || n.tree != k->p.offset || s.snap ||
	    !bce_snapshot_is_ancestor(c->r->w.snapshots, s.snapshot, t.root_snapshot))
		finding(c, "snapshot tree %llu", k->p.offset);
}

static void check_subvol(struct checker *c, const struct bkey *k)
{
	const struct bkey *node;
	struct snapshot_tree_info t;
	struct subvolume_info s, mem;
	struct snapshot_info n;
	struct inode_fields f;

	bce_subvolume_decode(k, &s);
	node = find(&c->snapshots, s.snapshot);
	if (!node) {
		finding(c, "subvolume %u: no snapshot", s.id);
		return;
	}
	bce_snapshot_decode(node, &n);
	if (n.children[0] || n.subvol != s.id)
		finding(c, "subvolume %u: its snapshot", s.id);
	if (s.fs_path_parent && !has(&c->children, POS(s.fs_path_parent, s.id)))
		finding(c, "subvolume %u: not among its parent's children", s.id);
	bce_snapshot_tree_decode(find(&c->trees, n.tree), &t);
	if (!s.snap && t.master_subvol != s.id)
		finding(c, "subvolume %u: neither snapshot nor master", s.id);
	/* its root may be gone already */
	if (s.unlinked)
		return;
	if (!bce_subvolume_find(c->r->w.snapshots, s.id, &mem) || mem.snapshot != s.snapshot ||
	    mem.ro != s.ro || mem.snap != s.snap || mem.fs_path_parent != s.fs_path_parent ||
	    mem.creation_parent != s.creation_parent)
		finding(c, "subvolume %u: not as in memory", s.id);
	if (!inode_seen(c, s.inode, s.snapshot, &f))
		finding(c, "subvolume %u: no root", s.id);
	else if (f.subvol != s.id || (s.id != 1 && f.parent_subvol != s.fs_path_parent))
		finding(c, "subvolume %u: its root", s.id);
}

static void check_subvol_dirent(struct checker *c, const struct bkey *k)
{
	const struct bkey *child, *parent;
	struct subvolume_info s, p;
	struct inode_fields f;
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	if (d.d_type != BCH_DT_SUBVOL)
		return;
	child = find(&c->subvols, d.child_subvol);
	parent = find(&c->subvols, d.parent_subvol);
	if (!child || !parent) {
		finding(c, "dirent of subvolume %u in %u", d.child_subvol, d.parent_subvol);
		return;
	}
	bce_subvolume_decode(child, &s);
	bce_subvolume_decode(parent, &p);
	if (s.fs_path_parent != p.id ||
	    !bce_snapshot_is_ancestor(c->r->w.snapshots, p.snapshot, k->p.snapshot) ||
	    seen(c, &c->dirents, k->p.inode, k->p.offset, p.snapshot) != k)
		finding(c, "dirent of subvolume %u is not seen by %u", s.id, p.id);
	if (!inode_seen(c, s.inode, s.snapshot, &f) || f.dir != k->p.inode ||
	    f.dir_offset != k->p.offset)
		finding(c, "root of subvolume %u points elsewhere", s.id);
}

static void check_tables(struct checker *c)
{
	struct snapshot_info s;

	for (size_t i = 0; i < c->snapshots.nr; i++) {
		bce_snapshot_decode(&c->snapshots.k[i], &s);
		check_snapshot(c, c->snapshots.k[i].p.offset, &s);
		if (!bce_snapshot_exists(c->r->w.snapshots, c->snapshots.k[i].p.offset))
			finding(c, "snapshot %llu: not in memory", c->snapshots.k[i].p.offset);
	}
	for (size_t i = 0; i < c->trees.nr; i++)
		check_tree(c, &c->trees.k[i]);
	for (size_t i = 0; i < c->subvols.nr; i++)
		check_subvol(c, &c->subvols.k[i]);
	for (size_t i = 0; i < c->children.nr; i++) {
		struct subvolume_info sub;
		const struct bkey *k = find(&c->subvols, c->children.k[i].p.offset);

		if (k)
			bce_subvolume_decode(k, &sub);
		if (!k || sub.fs_path_parent != c->children.k[i].p.inode)
			finding(c, "subvolume_children %llu:%llu", c->children.k[i].p.inode,
				c->children.k[i].p.offset);
	}
	for (size_t i = 0; i < c->dirents.nr; i++)
		if (c->dirents.k[i].type == KEY_TYPE_dirent)
			check_subvol_dirent(c, &c->dirents.k[i]);
}

static void print_finding(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	struct checker *c = ctx;

	/* somebody may still have it open */
	if (error_id >= 0 && !strstr(line, "directory, unlinked, and still there"))
		finding(c, "%s", line);
}

unsigned int names_rig_check(struct names_rig *r)
{
	struct checker c = { .r = r };
	struct check check = {
		.btrees = r->m.b,
		.snapshots = r->w.snapshots,
		.log = bce_log_alloc("check"),
		.block_sectors = r->info.block_sectors,
	};

	flush_work(&r->w.clean_work);
	bce_log_set_print(check.log, print_finding, &c);
	require(!bce_check_names(&check));
	bce_log_free(check.log);

	keys_read(r, BTREE_ID_inodes, &c.inodes);
	keys_read(r, BTREE_ID_dirents, &c.dirents);
	keys_read(r, BTREE_ID_xattrs, &c.xattrs);
	keys_read(r, BTREE_ID_deleted_inodes, &c.deleted);
	keys_read(r, BTREE_ID_snapshots, &c.snapshots);
	keys_read(r, BTREE_ID_subvolumes, &c.subvols);
	keys_read(r, BTREE_ID_subvolume_children, &c.children);
	keys_read(r, BTREE_ID_snapshot_trees, &c.trees);
	check_chains(&c, &c.dirents, KEY_TYPE_dirent);
	check_chains(&c, &c.xattrs, KEY_TYPE_xattr);
	check_inodes(&c);
	check_tables(&c);
	keys_free(&c.inodes);
	keys_free(&c.dirents);
	keys_free(&c.xattrs);
	keys_free(&c.deleted);
	keys_free(&c.snapshots);
	keys_free(&c.subvols);
	keys_free(&c.children);
	keys_free(&c.trees);
	return c.findings;
}

/* ---- names with a chosen hash ---- */

static u32 crc_hash(int type, const void *name, unsigned int len)
{
	u8 typed[64];
	unsigned int nr = 0;

	if (type >= 0)
		typed[nr++] = type;
	memcpy(typed + nr, name, len);
	return bce_name_hash(BCH_STR_HASH_crc32c, RIG_SEED, typed, nr + len, false);
}

/*
 * The four last bytes act on the CRC linearly: bit i of them changes it by effect[i]. Solve for
 * the bits that give the wanted change.
 */
static u32 solve(const u32 effect[32], u32 want)
{
	u32 value[32], bits[32], out = 0;
	unsigned int i, j, bit;

	for (i = 0; i < 32; i++) {
		value[i] = effect[i];
		bits[i] = 1U << i;
	}
	for (bit = 0; bit < 32; bit++) {
		for (i = bit; i < 32 && !(value[i] >> bit & 1); i++)
			;
		require(i < 32);
		for (j = 0; j < 32; j++)
			if (j != i && value[j] >> bit & 1) {
				value[j] ^= value[i];
				bits[j] ^= bits[i];
			}
		swap(value[i], value[bit]);
		swap(bits[i], bits[bit]);
	}
	for (bit = 0; bit < 32; bit++)
		if (want >> bit & 1)
			out ^= bits[bit];
	return out;
}

unsigned int names_rig_forge(char *name, const char *prefix, int type, u32 hash)
{
	unsigned int len = strlen(prefix), salt, i;
	u32 effect[32], base, tail;

	for (salt = 0; ; salt++) {
		memcpy(name, prefix, len);
		name[len] = 'a' + salt % 26;
		name[len + 1] = 'a' + salt / 26 % 26;
		memset(name + len + 2, 0, 4);
		base = crc_hash(type, name, len + 6);
		for (i = 0; i < 32; i++) {
			tail = 1U << i;
			memcpy(name + len + 2, &tail, 4);
			effect[i] = crc_hash(type, name, len + 6) ^ base;
		}
		tail = solve(effect, base ^ hash);
		memcpy(name + len + 2, &tail, 4);
		require(crc_hash(type, name, len + 6) == hash);
		if (!memchr(name, '\0', len + 6) && !memchr(name, '/', len + 6))
			break;
	}
	name[len + 6] = '\0';
	return len + 6;
}
