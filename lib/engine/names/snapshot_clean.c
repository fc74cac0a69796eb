// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot nodes that nobody uses any more go, and their keys
 * (docs/format/60-filesystem-keys.md, section 18, "Delete").
 *
 *   dead      no subvolume (or one flagged as unlinked), and nothing alive below: its keys are removed
 *   merged    no subvolume, and exactly one live node below: the two say the same. Of the keys
 *             of such a chain at one position the youngest is kept, and moved to the chain's lowest node
 *
 * Keys first, one transaction each, in passes over the four btrees with snapshots until a pass finds
 * nothing: a writer below a merged node may have cut an extent there and put a piece where the
 * pass had been already. Once there is nothing left none can come, because new keys in interior nodes
 * come from old ones only. Then the nodes are taken out of the tree, one at a time, under the
 * table's lock, each with all that follows for the nodes below it; one that holds the last subvolume
 * of its tree after the others, with subvolume and tree.
 *
 * Whiteouts in the extents btree go after all extents: a writer below a merged node may cut an extent there where,
 * further down, a whiteout lies already, which would hide the piece from him.
 *
 * After a crash everything is found again from the nodes, so nothing is recorded. Nodes that contradict what they name are left
 * alone, with their keys.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define NO_NODE		U32_MAX
/* plans that may be overtaken by deletions, one after the other */
#define PLANS_MAX	100

struct clean_node {
	u32		id;
	bool		dead;
	u32		heir;		/* id of the chain's lowest node; its own: alone */
	u32		below;		/* index of the next node of the chain; NO_NODE */
	u32		nr_live;	/* children */
	bool		used;		/* by a subvolume that is not unlinked */
	struct snapshot_info s;
};

/* all nodes, by id ascending: children come before their parents */
struct plan {
	struct clean_node	*node;
	u32			nr, room;
	bool			any;		/* something is to be done */
};

static struct clean_node *plan_find(const struct plan *p, u32 id)
{
	u32 lo = 0, hi = p->nr;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (p->node[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->nr && p->node[lo].id == id ? &p->node[lo] : NULL;
}

static int plan_add(struct plan *p, const struct bkey *k)
{
	struct clean_node *bigger;
	u32 room = p->room ? 2 * p->room : 16;

	if (p->nr == p->room) {
		bigger = kvmalloc_array(room, sizeof(*bigger), GFP_KERNEL);
		if (!bigger)
			return -ENOMEM;
		if (p->nr)
			memcpy(bigger, p->node, p->nr * sizeof(*bigger));
		kvfree(p->node);
		p->node = bigger;
		p->room = room;
	}
	p->node[p->nr] = (struct clean_node) { .id = k->p.offset };
	bce_snapshot_decode(k, &p->node[p->nr++].s);
	return 0;
}

static int plan_read(struct plan *p, struct btrees *b)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, b, BTREE_ID_snapshots, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && !ret;
	     k = bce_btree_iter_next(&iter))
		if (k->type == KEY_TYPE_snapshot)
			ret = plan_add(p, k);
	bce_btree_iter_exit(&iter);
	return ret ?: IS_ERR(k) ? PTR_ERR(k) : 0;
}

static void plan_judge_node(struct plan *p, u32 i)
{
	struct clean_node *n = &p->node[i], *parent;

	n->dead = !n->used && !n->nr_live;
	n->heir = n->id;
	if (!n->used && n->nr_live == 1 && n->below != NO_NODE)
		n->heir = p->node[n->below].heir;
	p->any |= n->dead || n->heir != n->id;

	parent = n->dead || !n->s.parent ? NULL : plan_find(p, n->s.parent);
	if (parent) {
		parent->nr_live++;
		parent->below = i;
	}
}

/*
 * Who deletes a subvolume takes it out of its node with it, and a child out of its parent. So a node that names what is not
 * there is damaged, not deleted, and stays with its keys: fsck may find what it belongs to.
 */
static bool is_damaged(const struct plan *p, const struct clean_node *n, bool no_subvol)
{
	return no_subvol || (n->s.children[0] && !plan_find(p, n->s.children[0])) ||
	       (n->s.children[1] && !plan_find(p, n->s.children[1]));
}

static int node_find_user(const struct plan *p, struct clean_node *n, struct btrees *b, struct bce_log *log)
{
	struct subvolume_info s = { };
	int ret = 0;

	if (n->s.is_subvol && !n->s.deleted) {
		ret = bce_subvolume_lookup(b, n->s.subvol, &s);
		n->used |= !ret && !s.unlinked;
	}
	if (ret && ret != -ENOENT)
		return ret;
	if (!is_damaged(p, n, ret == -ENOENT))
		return 0;
	n->used = true;
	bce_log_line(log, BCE_LOG_ERR, "btree snapshots 0:%u: names a subvolume or a child that does not exist: its keys stay; run fsck",
		     n->id);
	return 0;
}

/* a node that does not know of the subvolume that stands in it is damaged, too */
static int plan_find_users(struct plan *p, struct btrees *b)
{
	struct subvolume_info s;
	struct clean_node *n;
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_init(&iter, b, BTREE_ID_subvolumes, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		if (k->type != KEY_TYPE_subvolume)
			continue;
		bce_subvolume_decode(k, &s);
		n = plan_find(p, s.snapshot);
		if (n && !s.unlinked)
			n->used = true;
	}
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : 0;
}

static int plan_make(struct plan *p, struct btrees *b, struct bce_log *log)
{
	int ret = plan_read(p, b) ?: plan_find_users(p, b);
	u32 i;

	for (i = 0; i < p->nr && !ret; i++) {
		p->node[i].below = NO_NODE;
		ret = node_find_user(p, &p->node[i], b, log);
	}
	for (i = 0; i < p->nr && !ret; i++)
		plan_judge_node(p, i);
	return ret;
}

static void plan_free(struct plan *p)
{
	kvfree(p->node);
}

/* ---- keys ---- */

struct clean_key {
	unsigned int		btree_id;
	struct bpos		pos;
	bool			whiteouts;	/* these, too */
	const struct plan	*plan;
	const struct clean_node	*node;		/* of pos.snapshot */
};

/* a younger key of the same chain at the position? 1, 0, negative errno */
static int is_hidden(struct names_tx *tx, const struct clean_key *c)
{
	const struct clean_node *n = c->node;
	struct bpos pos = c->pos;
	struct bkey k;
	int ret;

	do {
		n = &c->plan->node[n->below];
		pos.snapshot = n->id;
		ret = bce_trans_lookup(tx->t, c->btree_id, pos, NULL, 0, &k);
		if (ret != -ENOENT)
			return ret ?: 1;
	} while (n->id != c->node->heir);
	return 0;
}

/* the flag as it is right for the lower place */
static int move_inode(struct names_tx *tx, const struct bkey *k, u32 heir)
{
	u32 flag = BIT(INODE_FLAG_has_child_snapshot);
	struct inode_fields f;
	int below;

	if (bce_inode_unpack(k, &f))
		return -EIO;
	below = bce_inode_trans_is_below(tx->t, tx->w->snapshots, f.inum, heir);
	if (below < 0)
		return below;
	f.snapshot = heir;
	f.flags = below ? f.flags | flag : f.flags & ~flag;
	return bce_inode_trans_put(tx->t, &f);
}

static int move_key(struct names_tx *tx, const struct clean_key *c, const struct bkey *k)
{
	struct bkey moved = *k;

	if (c->btree_id == BTREE_ID_inodes && bce_key_type_is_inode(k->type))
		return move_inode(tx, k, c->node->heir);
	/* a whiteout at the top of the tree hides nothing */
	if (k->type == KEY_TYPE_whiteout && !c->node->s.parent)
		return 0;
	moved.p.snapshot = c->node->heir;
	return bce_trans_update(tx->t, c->btree_id, &moved, 0);
}

static int clean_key_fn(struct names_tx *tx, void *ctx)
{
	const struct clean_key *c = ctx;
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, c->btree_id, c->pos, NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!c->node->dead) {
		ret = is_hidden(tx, c);
		if (!ret)
			ret = move_key(tx, c, &k);
		if (ret < 0)
			return ret;
	}
	return bce_trans_delete(tx->t, c->btree_id, c->pos, 0);
}

/* the next key that must go from where it is, at or after c->pos. 0, -ENOENT, -EIO */
static int next_key(struct names_writer *w, struct clean_key *c)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = -ENOENT;

	bce_btree_iter_init(&iter, w->src.btrees, c->btree_id, 0, c->pos, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		/* of an extent btree come also keys that end after the position */
		if (bpos_cmp(k->p, c->pos) < 0 || (k->type == KEY_TYPE_whiteout && !c->whiteouts))
			continue;
		c->node = plan_find(c->plan, k->p.snapshot);
		if (c->node && (c->node->dead || c->node->heir != c->node->id)) {
			c->pos = k->p;
			ret = 0;
			break;
		}
	}
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	bce_btree_iter_exit(&iter);
	return ret;
}

/* @changed: set if there was anything */
static int clean_btree(struct names_writer *w, const struct plan *p, unsigned int btree_id,
		       bool whiteouts, bool *changed)
{
	struct clean_key c = {
		.btree_id = btree_id, .pos = POS_MIN, .whiteouts = whiteouts, .plan = p,
	};
	int ret;

	while (!(ret = next_key(w, &c))) {
		if (READ_ONCE(w->stopping))
			return -EINTR;
		*changed = true;
		ret = names_run(w, clean_key_fn, &c);
		if (ret)
			return ret;
		c.pos = bpos_successor(c.pos);
		cond_resched();
	}
	return ret == -ENOENT ? 0 : ret;
}

static int clean_keys(struct names_writer *w, const struct plan *p)
{
	static const unsigned int btrees[] = {
		BTREE_ID_extents, BTREE_ID_dirents, BTREE_ID_xattrs, BTREE_ID_inodes,
	};
	bool changed;
	unsigned int i;
	int ret = 0;

	do {
		changed = false;
		ret = clean_btree(w, p, BTREE_ID_extents, false, &changed);
	} while (!ret && changed);
	do {
		changed = false;
		for (i = 0; i < ARRAY_SIZE(btrees) && !ret; i++)
			ret = clean_btree(w, p, btrees[i], true, &changed);
	} while (!ret && changed);
	return ret;
}

/* ---- nodes ---- */

struct unlink_node {
	u32			id;
	u32			parent, child;	/* what remains on both sides; 0 */
	struct snapshot_info	s;
	struct snapshot_data	*edit;
};

static int node_get(struct names_tx *tx, u32 id, struct snapshot_info *out)
{
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_snapshots, POS(0, id), NULL, 0, &k);

	if (!ret)
		bce_snapshot_decode(&k, out);
	return ret;
}

static int node_put(struct names_tx *tx, struct unlink_node *u, u32 id,
		    const struct snapshot_info *s)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = POS(0, id) };

	if (!val)
		return -ENOMEM;
	bce_snapshot_encode(&k, val, s);
	return bce_snapshot_edit_node(u->edit, id, s) ?:
	       bce_trans_update(tx->t, BTREE_ID_snapshots, &k, 0);
}

static int unlink_parent(struct names_tx *tx, struct unlink_node *u)
{
	struct snapshot_info p;
	unsigned int i;
	int ret = node_get(tx, u->parent, &p);

	if (ret)
		return ret;
	for (i = 0; i < 2; i++)
		if (p.children[i] == u->id)
			p.children[i] = u->child;
	if (p.children[0] < p.children[1])
		swap(p.children[0], p.children[1]);
	return node_put(tx, u, u->parent, &p);
}

static int cmp_u32(const void *a, const void *b)
{
	u32 l = *(const u32 *)a, r = *(const u32 *)b;

	return l < r ? -1 : l > r;
}

/* a node below the one that goes */
static int unlink_descendant(struct names_tx *tx, struct unlink_node *u, u32 id)
{
	struct snapshot_info s;
	unsigned int i;
	int ret = node_get(tx, id, &s);

	if (ret)
		return ret;
	if (s.depth)
		s.depth--;
	if (s.parent == u->id)
		s.parent = u->parent;
	for (i = 0; i < 3; i++)
		if (!s.parent)
			s.skip[i] = 0;
		else if (s.skip[i] == u->id)
			s.skip[i] = u->parent ?: u->child;
	sort(s.skip, 3, sizeof(s.skip[0]), cmp_u32, NULL);
	return node_put(tx, u, id, &s);
}

static int unlink_root(struct names_tx *tx, struct unlink_node *u)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct snapshot_tree_info t;
	struct bkey k, new = { .p = POS(0, u->s.tree) };
	int ret;

	if (!val)
		return -ENOMEM;
	if (!u->child)
		return bce_trans_delete(tx->t, BTREE_ID_snapshot_trees, new.p, 0);
	ret = bce_trans_lookup(tx->t, BTREE_ID_snapshot_trees, new.p, NULL, 0, &k);
	if (ret)
		return ret;
	bce_snapshot_tree_decode(&k, &t);
	t.root_snapshot = u->child;
	bce_snapshot_tree_encode(&new, val, &t);
	return bce_trans_update(tx->t, BTREE_ID_snapshot_trees, &new, 0);
}

static int unlink_node_fn(struct names_tx *tx, void *ctx)
{
	struct unlink_node *u = ctx;
	u32 id;
	int ret = node_get(tx, u->id, &u->s);

	if (ret)
		return ret;
	if (u->s.children[0] && u->s.children[1])
		return -EBUSY;
	u->child = u->s.children[0] ?: u->s.children[1];
	u->parent = u->s.parent;
	bce_snapshot_edit_drop(u->edit);
	u->edit = bce_snapshot_edit(tx->w->snapshots);
	if (!u->edit)
		return -ENOMEM;
	ret = u->parent ? unlink_parent(tx, u) : unlink_root(tx, u);
	for (id = u->id; !ret && (id = bce_snapshot_next_descendant(tx->w->snapshots, u->id, id)); )
		ret = unlink_descendant(tx, u, id);
	bce_snapshot_edit_node_remove(u->edit, u->id);
	if (!ret && u->s.is_subvol)
		ret = bce_trans_delete(tx->t, BTREE_ID_subvolumes, POS(0, u->s.subvol), 0);
	return ret ?: bce_trans_delete(tx->t, BTREE_ID_snapshots, POS(0, u->id), 0);
}

static int unlink_node(struct names_writer *w, u32 id)
{
	struct unlink_node u = { .id = id };
	int ret;

	bce_snapshot_table_lock(w->snapshots);
	ret = names_run(w, unlink_node_fn, &u);
	if (ret)
		bce_snapshot_edit_drop(u.edit);
	else
		bce_snapshot_edit_publish(w->snapshots, u.edit);
	bce_snapshot_table_unlock(w->snapshots);
	return ret;
}

static int unlink_nodes(struct names_writer *w, const struct plan *p)
{
	int ret = 0;
	bool holders;
	u32 i;

	for (holders = false; ; holders = true) {
		for (i = 0; i < p->nr && !ret; i++)
			if ((p->node[i].dead || p->node[i].heir != p->node[i].id) &&
			    p->node[i].s.is_subvol == holders)
				ret = unlink_node(w, p->node[i].id);
		if (holders)
			return ret;
	}
}

/* ---- all of it ---- */

/* subvolumes whose deletion was interrupted */
static int finish_subvols(struct names_writer *w)
{
	struct subvolume_info s = { }, now;
	int ret = 0;

	while (!ret && bce_subvolume_next(w->snapshots, s.id, &s)) {
		ret = bce_subvolume_lookup(w->src.btrees, s.id, &now);
		if (!ret && now.unlinked)
			ret = names_subvol_finish_delete(w, s.id);
		if (ret == -ENOENT)
			ret = 0;
	}
	return ret;
}

/*
 * What the plan takes for deleted must not come back: keys that move down become their file's own, and its data may
 * then be written over in place (data/nocow.c).
 */
static int flush(struct names_writer *w)
{
	return w->ops->flush ? w->ops->flush(w->ctx) : 0;
}

static int clean_once(struct names_writer *w, bool *more)
{
	struct plan p = { };
	int ret = finish_subvols(w);

	if (!ret)
		ret = plan_make(&p, w->src.btrees, w->src.log);
	*more = !ret && p.any;
	if (*more)
		ret = flush(w) ?: clean_keys(w, &p) ?: unlink_nodes(w, &p);
	plan_free(&p);
	return ret;
}

int names_clean_all(struct names_writer *w)
{
	unsigned int outdated = 0;
	bool more;
	int ret;

	lockdep_assert_held(&w->clean_lock);
	do {
		ret = clean_once(w, &more);
		/* a subvolume was deleted while that was planned: its node goes before the one above */
		if (ret == -EBUSY && ++outdated < PLANS_MAX)
			ret = 0;
	} while (!ret && more && !READ_ONCE(w->stopping));
	return ret ?: more ? -EINTR : 0;
}

void names_clean_work(struct work_struct *work)
{
	struct names_writer *w = container_of(work, struct names_writer, clean_work);
	int ret;

	mutex_lock(&w->clean_lock);
	ret = names_clean_all(w);
	mutex_unlock(&w->clean_lock);
	WRITE_ONCE(w->clean_error, ret);
	if (ret && ret != -EINTR)
		bce_log_line(w->src.log, BCE_LOG_ERR,
			     "deleted snapshots are not cleaned up, next try at the next deletion or start: error %d",
			     ret);
}

int names_snapshots_cleaned(struct names_writer *w)
{
	queue_work(w->clean_wq, &w->clean_work);
	flush_work(&w->clean_work);
	return READ_ONCE(w->clean_error);
}
