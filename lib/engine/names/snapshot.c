// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots and subvolumes in memory (docs/format/60-filesystem-keys.md, part IV).
 *
 * Both btrees are read when a set starts, into two sorted arrays:
 *
 *   node[]    by snapshot id, ascending   { id, parent, tree, up[3] }
 *   subvol[]  by subvolume id, ascending  { the key's fields }
 *
 * A read in snapshot S asks for each key that it meets whether the key's
 * snapshot is S or above S. Parents have higher ids than their children, so
 * the way from S up is a walk through ascending ids; up[] are indexes into
 * node[] of the parent and of further ancestors (the skip entries), lowest
 * first, and each step takes the farthest that does not pass the target.
 *
 * Disk data is not believed: an entry counts only if its id is higher than the
 * node's own, so a walk ends after at most nr steps whatever stands on disk;
 * a skip entry counts only if it really is an ancestor of the parent, which
 * is known when nodes are linked from the highest id down. A parent that is not
 * there makes the node a root: it then sees only its own keys.
 *
 * The arrays are immutable. A change of snapshots or subvolumes makes new ones beforehand, so that
 * memory cannot be wanting once it is committed, and puts them in the place of the old ones, which
 * live on until no reader looks at them (RCU). Changes are serialised by the table's mutex; between a
 * commit and its publication the btrees are ahead of the table, and a transaction that notices begins
 * anew (subvolume_trans.c).
 */
#include "engine/names/snapshot.h"

#include <linux/bsearch.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"

#define NR_UP		4	/* parent and three skip entries */
#define NO_NODE		U32_MAX

struct snapshot_node {
	u32	id;
	u32	parent;
	u32	tree;
	u32	skip[3];		/* as on disk; used while linking */
	u32	up[NR_UP];		/* indexes, ascending; NO_NODE beyond the last */
	bool	has_children;
};

/* immutable once published */
struct snapshot_data {
	struct snapshot_node	*node;
	u32			nr_nodes;
	u32			nodes_room;
	struct subvolume_info	*subvol;
	u32			nr_subvols;
	u32			subvols_room;
};

struct snapshot_table {
	struct snapshot_data __rcu	*data;
	struct mutex			change_lock;	/* publishing; held from before the commit */
	struct bce_log			*log;
};

/* array with room for one more, doubling; @array is replaced */
static int make_room(void **array, u32 nr, u32 *room, size_t each)
{
	u32 want = max(16U, *room * 2);
	void *bigger;

	if (nr < *room)
		return 0;
	if (want <= *room)
		return -ENOMEM;
	bigger = kvmalloc_array(want, each, GFP_KERNEL);
	if (!bigger)
		return -ENOMEM;
	if (nr)
		memcpy(bigger, *array, nr * each);
	kvfree(*array);
	*array = bigger;
	*room = want;
	return 0;
}

/* index of the first node whose id is not lower */
static u32 node_lower_bound(const struct snapshot_data *t, u32 id)
{
	u32 lo = 0, hi = t->nr_nodes;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (t->node[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static u32 node_find(const struct snapshot_data *t, u32 id)
{
	u32 at = node_lower_bound(t, id);

	return at < t->nr_nodes && t->node[at].id == id ? at : NO_NODE;
}

/* Is the node at @ancestor_idx above the one at @idx, or the same? */
static bool node_reaches(const struct snapshot_data *t, u32 idx, u32 ancestor_idx)
{
	while (idx < ancestor_idx) {
		const struct snapshot_node *n = &t->node[idx];
		u32 next = NO_NODE;

		for (unsigned int i = 0; i < NR_UP && n->up[i] <= ancestor_idx; i++)
			next = n->up[i];
		if (next == NO_NODE)
			return false;
		idx = next;
	}
	return idx == ancestor_idx;
}

static int node_add(struct snapshot_data *t, const struct bkey *k)
{
	struct bch_snapshot disk;
	struct snapshot_node *n;
	int ret = make_room((void **)&t->node, t->nr_nodes, &t->nodes_room, sizeof(*n));

	if (ret)
		return ret;
	bce_val_copy(k, &disk, sizeof(disk));
	n = &t->node[t->nr_nodes++];
	n->id = k->p.offset;
	n->parent = le32_to_cpu(disk.parent);
	n->tree = le32_to_cpu(disk.tree);
	for (unsigned int i = 0; i < ARRAY_SIZE(n->skip); i++)
		n->skip[i] = le32_to_cpu(disk.skip[i]);
	return 0;
}

static int read_nodes(struct snapshot_data *t, struct btrees *b)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, b, BTREE_ID_snapshots, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !ret; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR(k)) {
			ret = PTR_ERR(k);
			break;
		}
		if (k->type == KEY_TYPE_snapshot && !k->p.inode && k->p.offset <= U32_MAX)
			ret = node_add(t, k);
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

static int subvol_add(struct snapshot_data *t, const struct bkey *k)
{
	int ret = make_room((void **)&t->subvol, t->nr_subvols, &t->subvols_room,
			    sizeof(*t->subvol));

	if (!ret)
		bce_subvolume_decode(k, &t->subvol[t->nr_subvols++]);
	return ret;
}

static int read_subvols(struct snapshot_data *t, struct btrees *b)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, b, BTREE_ID_subvolumes, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !ret; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR(k)) {
			ret = PTR_ERR(k);
			break;
		}
		if (k->type == KEY_TYPE_subvolume && !k->p.inode && k->p.offset <= U32_MAX)
			ret = subvol_add(t, k);
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/* @idx's ways up in ascending order; those above it are linked already */
static void node_link(struct snapshot_data *t, u32 idx, struct bce_log *log)
{
	struct snapshot_node *n = &t->node[idx];
	u32 parent_idx, nr = 0;

	for (unsigned int i = 0; i < NR_UP; i++)
		n->up[i] = NO_NODE;
	if (!n->parent)
		return;
	parent_idx = n->parent > n->id ? node_find(t, n->parent) : NO_NODE;
	if (parent_idx == NO_NODE) {
		bce_log_error(log, n->parent > n->id ? BCE_ERR_snapshot_node_missing :
						       BCE_ERR_snapshot_parent_bad,
			      "snapshot %u: parent %u is not usable, taken as a root", n->id,
			      n->parent);
		n->parent = 0;
		return;
	}

	n->up[nr++] = parent_idx;
	for (unsigned int i = 0; i < ARRAY_SIZE(n->skip); i++) {
		u32 skip_idx = n->skip[i] > n->parent ? node_find(t, n->skip[i]) : NO_NODE;

		if (n->skip[i] == n->parent)
			continue;
		if (skip_idx == NO_NODE || !node_reaches(t, parent_idx, skip_idx))
			bce_log_error(log, BCE_ERR_snapshot_bad_skiplist,
				      "snapshot %u: skip entry %u is not an ancestor, ignored",
				      n->id, n->skip[i]);
		else if (skip_idx > n->up[nr - 1])	/* ascending, no doubles */
			n->up[nr++] = skip_idx;
	}
}

static void data_free(struct snapshot_data *t)
{
	if (!t)
		return;
	kvfree(t->subvol);
	kvfree(t->node);
	kfree(t);
}

static void data_link(struct snapshot_data *t, struct bce_log *log)
{
	for (u32 i = 0; i < t->nr_nodes; i++)
		t->node[i].has_children = false;
	for (u32 i = t->nr_nodes; i--; ) {
		node_link(t, i, log);
		if (t->node[i].up[0] != NO_NODE)
			t->node[t->node[i].up[0]].has_children = true;
	}
}

static int data_read(struct snapshot_data **out, struct btrees *b, struct bce_log *log)
{
	struct snapshot_data *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	ret = read_nodes(t, b);
	if (!ret)
		ret = read_subvols(t, b);
	if (ret) {
		bce_log_line(log, BCE_LOG_ERR, "snapshots or subvolumes are not readable: error %d",
			     ret);
		data_free(t);
		return ret;
	}
	data_link(t, log);
	*out = t;
	return 0;
}

int bce_snapshot_table_read(struct snapshot_table **out, struct btrees *b, struct bce_log *log)
{
	struct snapshot_table *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct snapshot_data *data;
	int ret;

	if (!t)
		return -ENOMEM;
	ret = data_read(&data, b, log);
	if (ret) {
		kfree(t);
		return ret;
	}
	mutex_init(&t->change_lock);
	t->log = log;
	RCU_INIT_POINTER(t->data, data);
	*out = t;
	return 0;
}

void bce_snapshot_table_free(struct snapshot_table *t)
{
	if (!t)
		return;
	data_free(rcu_dereference_protected(t->data, true));
	mutex_destroy(&t->change_lock);
	kfree(t);
}

/* ---- questions ---- */

bool bce_snapshot_is_ancestor(const struct snapshot_table *t, u32 id, u32 ancestor)
{
	const struct snapshot_data *d;
	u32 idx, ancestor_idx;
	bool ret;

	if (id >= ancestor)
		return id == ancestor;
	rcu_read_lock();
	d = rcu_dereference(t->data);
	idx = node_find(d, id);
	ancestor_idx = node_find(d, ancestor);
	ret = idx != NO_NODE && ancestor_idx != NO_NODE && node_reaches(d, idx, ancestor_idx);
	rcu_read_unlock();
	return ret;
}

/* false: there is no such node */
static bool node_copy(const struct snapshot_table *t, u32 id, struct snapshot_node *out)
{
	const struct snapshot_data *d;
	u32 idx;

	rcu_read_lock();
	d = rcu_dereference(t->data);
	idx = node_find(d, id);
	if (idx != NO_NODE)
		*out = d->node[idx];
	rcu_read_unlock();
	return idx != NO_NODE;
}

bool bce_snapshot_exists(const struct snapshot_table *t, u32 id)
{
	struct snapshot_node n;

	return node_copy(t, id, &n);
}

u32 bce_snapshot_parent(const struct snapshot_table *t, u32 id)
{
	struct snapshot_node n;

	return node_copy(t, id, &n) ? n.parent : 0;
}

u32 bce_snapshot_tree(const struct snapshot_table *t, u32 id)
{
	struct snapshot_node n;

	return node_copy(t, id, &n) ? n.tree : 0;
}

bool bce_snapshot_has_children(const struct snapshot_table *t, u32 id)
{
	struct snapshot_node n;

	return node_copy(t, id, &n) && n.has_children;
}

u32 bce_snapshot_next_descendant(const struct snapshot_table *t, u32 id, u32 prev)
{
	const struct snapshot_data *d;
	u32 idx, at, found = 0;

	rcu_read_lock();
	d = rcu_dereference(t->data);
	idx = node_find(d, id);
	at = node_lower_bound(d, prev);
	while (idx != NO_NODE && at-- && !found)
		if (node_reaches(d, at, idx))
			found = d->node[at].id;
	rcu_read_unlock();
	return found;
}

static bool view_is_ancestor(const void *ctx, u32 id, u32 ancestor)
{
	return bce_snapshot_is_ancestor(ctx, id, ancestor);
}

struct snapshot_view bce_snapshot_view(const struct snapshot_table *t, u32 id)
{
	return (struct snapshot_view) {
		.id = id,
		.is_ancestor = view_is_ancestor,
		.ctx = t,
	};
}

static int subvol_cmp(const void *key, const void *elt)
{
	u32 id = *(const u32 *)key;
	const struct subvolume_info *s = elt;

	return id < s->id ? -1 : id > s->id;
}

static struct subvolume_info *subvol_find(const struct snapshot_data *d, u32 id)
{
	if (!d->nr_subvols)
		return NULL;
	return bsearch(&id, d->subvol, d->nr_subvols, sizeof(*d->subvol), subvol_cmp);
}

bool bce_subvolume_find(const struct snapshot_table *t, u32 id, struct subvolume_info *out)
{
	const struct subvolume_info *s;

	rcu_read_lock();
	s = subvol_find(rcu_dereference(t->data), id);
	if (s)
		*out = *s;
	rcu_read_unlock();
	return s;
}

bool bce_subvolume_next(const struct snapshot_table *t, u32 id, struct subvolume_info *out)
{
	const struct snapshot_data *d;
	bool found = false;

	rcu_read_lock();
	d = rcu_dereference(t->data);
	for (u32 i = 0; i < d->nr_subvols && !found; i++)
		if (d->subvol[i].id > id) {
			*out = d->subvol[i];
			found = true;
		}
	rcu_read_unlock();
	return found;
}

/* ---- changes ---- */

void bce_snapshot_table_lock(struct snapshot_table *t)
{
	mutex_lock(&t->change_lock);
}

void bce_snapshot_table_unlock(struct snapshot_table *t)
{
	mutex_unlock(&t->change_lock);
}

struct snapshot_data *bce_snapshot_edit(struct snapshot_table *t)
{
	const struct snapshot_data *old = rcu_dereference_protected(t->data,
						lockdep_is_held(&t->change_lock));
	struct snapshot_data *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->nodes_room = old->nr_nodes + 4;
	d->subvols_room = old->nr_subvols + 4;
	d->node = kvmalloc_array(d->nodes_room, sizeof(*d->node), GFP_KERNEL);
	d->subvol = kvmalloc_array(d->subvols_room, sizeof(*d->subvol), GFP_KERNEL);
	if (!d->node || !d->subvol) {
		data_free(d);
		return NULL;
	}
	d->nr_nodes = old->nr_nodes;
	d->nr_subvols = old->nr_subvols;
	if (old->nr_nodes)
		memcpy(d->node, old->node, old->nr_nodes * sizeof(*d->node));
	if (old->nr_subvols)
		memcpy(d->subvol, old->subvol, old->nr_subvols * sizeof(*d->subvol));
	return d;
}

int bce_snapshot_edit_node(struct snapshot_data *d, u32 id, const struct snapshot_info *s)
{
	u32 at = node_lower_bound(d, id);
	struct snapshot_node *n;
	int ret;

	if (at == d->nr_nodes || d->node[at].id != id) {
		ret = make_room((void **)&d->node, d->nr_nodes, &d->nodes_room, sizeof(*n));
		if (ret)
			return ret;
		memmove(&d->node[at + 1], &d->node[at],
			(d->nr_nodes++ - at) * sizeof(*d->node));
	}
	n = &d->node[at];
	*n = (struct snapshot_node) { .id = id, .parent = s->parent, .tree = s->tree };
	memcpy(n->skip, s->skip, sizeof(n->skip));
	return 0;
}

void bce_snapshot_edit_node_remove(struct snapshot_data *d, u32 id)
{
	u32 at = node_find(d, id);

	if (at != NO_NODE)
		memmove(&d->node[at], &d->node[at + 1], (--d->nr_nodes - at) * sizeof(*d->node));
}

int bce_snapshot_edit_subvol(struct snapshot_data *d, const struct subvolume_info *s)
{
	struct subvolume_info *old = subvol_find(d, s->id);
	u32 at = 0;
	int ret;

	if (old) {
		*old = *s;
		return 0;
	}
	ret = make_room((void **)&d->subvol, d->nr_subvols, &d->subvols_room, sizeof(*d->subvol));
	if (ret)
		return ret;
	while (at < d->nr_subvols && d->subvol[at].id < s->id)
		at++;
	memmove(&d->subvol[at + 1], &d->subvol[at], (d->nr_subvols++ - at) * sizeof(*d->subvol));
	d->subvol[at] = *s;
	return 0;
}

void bce_snapshot_edit_subvol_remove(struct snapshot_data *d, u32 id)
{
	struct subvolume_info *s = subvol_find(d, id);

	if (s)
		memmove(s, s + 1, (d->subvol + --d->nr_subvols - s) * sizeof(*s));
}

void bce_snapshot_edit_publish(struct snapshot_table *t, struct snapshot_data *d)
{
	struct snapshot_data *old = rcu_dereference_protected(t->data,
						lockdep_is_held(&t->change_lock));

	data_link(d, t->log);
	rcu_assign_pointer(t->data, d);
	synchronize_rcu();
	data_free(old);
}

void bce_snapshot_edit_drop(struct snapshot_data *d)
{
	data_free(d);
}
