// SPDX-License-Identifier: GPL-2.0
/*
 * See file_model.h.
 *
 * Trees hang together by subvolumes: a directory entry may lead to the root of another one. A snapshot
 * is a deep copy of a tree in which entries to other subvolumes are left out, as they are in a set.
 * A file with several names is one node with several entries pointing to it.
 *
 * What an operation may work on is found by listing everything first, which is slow and simple.
 *
 * Each operation has a number, and its own row of random numbers that follows from seed and number. So
 * one that is left out changes the others as little as can be, which is what shrinking a case needs.
 */
#include "file_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/stat.h>

#include "require.h"
#include "set_io.h"

#define ROOT_INUM	4096
#define PAGE		4096
#define SECTOR		512

struct attr {
	enum bce_xattr_type	type;
	char			*name;
	u8			*value;
	size_t			bytes;
};

struct entry {
	char		*name;
	struct node	*node;
	bool		subvol;		/* leads to the root of another subvolume */
};

struct node {
	struct bce_file_id	id;
	umode_t			mode;
	u32			uid, gid, links, rdev_major, rdev_minor;
	u64			size;
	u8			*data;		/* @room bytes, zero behind @size */
	u64			room;
	char			*target;
	struct attr		*attr;
	unsigned int		nr_attrs;
	struct entry		*entry;
	unsigned int		nr_entries;
	bool			read_only;	/* of its subvolume */
	struct node		*twin;		/* while a tree is copied */
	unsigned int		seen;		/* entries met while comparing */
};

struct file_model {
	struct model_opts	opts;
	u64			random;
	struct node		*root;
	unsigned int		serial;		/* for names */
	u64			operations;
	u8			*buffer;	/* SET_IO_BYTES, page-aligned */
};

/* one place: an entry in a directory */
struct place {
	struct node	*dir;
	unsigned int	i;
	unsigned int	depth;
};

struct places {
	struct place	*place;
	unsigned int	nr, room;
};

static u64 rnd64(struct file_model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random * 0x2545f4914f6cdd1dULL;
}

static u64 below(struct file_model *m, u64 n)
{
	return (rnd64(m) >> 16) % n;
}

static int bad(struct file_model *m, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "# model, seed %llu, operation %llu: ",
		(unsigned long long)m->opts.seed, (unsigned long long)m->operations);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

static void tell(struct file_model *m, const char *fmt, ...)
{
	va_list args;

	if (!m->opts.verbose)
		return;
	fprintf(stderr, "# %llu: ", (unsigned long long)m->operations);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void *grow(void *p, size_t bytes)
{
	p = realloc(p, bytes);
	require(p);
	return p;
}

/* ---- nodes ---- */

static struct node *node_new(struct bce_file_id id, umode_t mode)
{
	struct node *n = calloc(1, sizeof(*n));

	require(n);
	n->id = id;
	n->mode = mode;
	return n;
}

static void node_put(struct node *n);

static void entry_remove(struct node *dir, unsigned int i)
{
	free(dir->entry[i].name);
	memmove(&dir->entry[i], &dir->entry[i + 1],
		(dir->nr_entries - i - 1) * sizeof(*dir->entry));
	dir->nr_entries--;
}

static void node_free(struct node *n)
{
	while (n->nr_entries) {
		node_put(n->entry[0].node);
		entry_remove(n, 0);
	}
	while (n->nr_attrs--) {
		free(n->attr[n->nr_attrs].name);
		free(n->attr[n->nr_attrs].value);
	}
	free(n->attr);
	free(n->entry);
	free(n->data);
	free(n->target);
	free(n);
}

/* one entry less points to it */
static void node_put(struct node *n)
{
	if (!--n->links)
		node_free(n);
}

static void entry_add(struct node *dir, const char *name, struct node *n, bool subvol)
{
	dir->entry = grow(dir->entry, (dir->nr_entries + 1) * sizeof(*dir->entry));
	dir->entry[dir->nr_entries++] = (struct entry) { strdup(name), n, subvol };
	n->links++;
}

static int entry_find(const struct node *dir, const char *name)
{
	unsigned int i;

	for (i = 0; i < dir->nr_entries; i++)
		if (!strcmp(dir->entry[i].name, name))
			return i;
	return -1;
}

static void data_room(struct node *n, u64 bytes)
{
	if (bytes <= n->room)
		return;
	bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	n->data = grow(n->data, bytes);
	memset(n->data + n->room, 0, bytes - n->room);
	n->room = bytes;
}

static struct node *node_copy(struct node *n, u32 subvol, bool whole);

static void node_copy_entries(struct node *to, struct node *from, u32 subvol, bool whole)
{
	unsigned int i;

	for (i = 0; i < from->nr_entries; i++) {
		struct entry *e = &from->entry[i];

		if (!e->subvol)
			entry_add(to, e->name, node_copy(e->node, subvol, whole), false);
		else if (whole)
			entry_add(to, e->name, node_copy(e->node, e->node->id.subvol, whole), true);
	}
}

/* @whole: subvolumes below too, and everything keeps its id */
static struct node *node_copy(struct node *n, u32 subvol, bool whole)
{
	struct node *c = n->twin;
	unsigned int i;

	if (c)
		return c;
	c = node_new((struct bce_file_id) { subvol, n->id.inum }, n->mode);
	n->twin = c;
	c->uid = n->uid;
	c->gid = n->gid;
	c->rdev_major = n->rdev_major;
	c->rdev_minor = n->rdev_minor;
	c->size = n->size;
	c->read_only = whole && n->read_only;
	c->target = n->target ? strdup(n->target) : NULL;
	if (n->room) {
		data_room(c, n->room);
		memcpy(c->data, n->data, n->room);
	}
	for (i = 0; i < n->nr_attrs; i++) {
		struct attr *a = &n->attr[i];

		c->attr = grow(c->attr, (c->nr_attrs + 1) * sizeof(*c->attr));
		c->attr[c->nr_attrs++] = (struct attr) {
			a->type, strdup(a->name), grow(NULL, a->bytes + 1), a->bytes };
		memcpy(c->attr[i].value, a->value, a->bytes);
	}
	node_copy_entries(c, n, subvol, whole);
	return c;
}

static void twins_forget(struct node *n)
{
	unsigned int i;

	if (!n->twin)
		return;
	n->twin = NULL;
	for (i = 0; i < n->nr_entries; i++)
		twins_forget(n->entry[i].node);
}

static struct node *tree_copy(struct node *root, u32 subvol, bool whole)
{
	struct node *copy = node_copy(root, subvol, whole);

	twins_forget(root);
	return copy;
}

/* ---- the model ---- */

struct file_model *model_new(const struct model_opts *opts)
{
	struct file_model *m = calloc(1, sizeof(*m));

	require(m);
	m->opts = *opts;
	m->random = opts->seed * 0x9e3779b97f4a7c15ULL + 1;
	m->buffer = aligned_alloc(PAGE, SET_IO_BYTES);
	require(m->buffer);
	return m;
}

void model_free(struct file_model *m)
{
	if (!m)
		return;
	if (m->root)
		node_free(m->root);
	free(m->buffer);
	free(m);
}

struct file_model *model_copy(struct file_model *m)
{
	struct file_model *copy = model_new(&m->opts);

	copy->random = m->random;
	copy->serial = m->serial;
	copy->operations = m->operations;
	copy->root = tree_copy(m->root, m->root->id.subvol, true);
	return copy;
}

static void places_collect(struct places *p, struct node *dir, unsigned int depth)
{
	unsigned int i;

	for (i = 0; i < dir->nr_entries; i++) {
		if (p->nr == p->room) {
			p->room = p->room * 2 + 64;
			p->place = grow(p->place, p->room * sizeof(*p->place));
		}
		p->place[p->nr++] = (struct place) { dir, i, depth };
		if (S_ISDIR(dir->entry[i].node->mode))
			places_collect(p, dir->entry[i].node, depth + 1);
	}
}

static void sum_up(const struct node *dir, u64 *bytes, unsigned int *files)
{
	unsigned int i;

	for (i = 0; i < dir->nr_entries; i++) {
		*bytes += dir->entry[i].node->room;
		++*files;
		if (S_ISDIR(dir->entry[i].node->mode))
			sum_up(dir->entry[i].node, bytes, files);
	}
}

u64 model_total_bytes(const struct file_model *m)
{
	unsigned int files = 0;
	u64 bytes = 0;

	sum_up(m->root, &bytes, &files);
	return bytes;
}

unsigned int model_nr_files(const struct file_model *m)
{
	unsigned int files = 0;
	u64 bytes = 0;

	sum_up(m->root, &bytes, &files);
	return files;
}

/* ---- reading the set ---- */

static int read_all(struct file_model *m, struct bce_set *set, struct bce_file_id id, u64 size,
		    u8 *out)
{
	u64 at;
	int ret = 0;

	for (at = 0; !ret && at < size; at += SET_IO_BYTES) {
		u64 bytes = size - at < SET_IO_BYTES ? size - at : SET_IO_BYTES;
		u64 whole = (bytes + m->opts.block_bytes - 1) / m->opts.block_bytes *
			m->opts.block_bytes;

		ret = set_read(set, id, at / SECTOR, m->buffer, whole);
		memcpy(out + at, m->buffer, bytes);
	}
	return ret;
}

struct listing {
	struct entry_seen { char *name; struct bce_file_id id; } *e;
	unsigned int nr;
};

static bool list_one(void *ctx, const struct bce_dirent *d)
{
	struct listing *l = ctx;

	l->e = grow(l->e, (l->nr + 1) * sizeof(*l->e));
	l->e[l->nr].name = strndup(d->name, d->len);
	l->e[l->nr++].id = d->target;
	return true;
}

static void listing_free(struct listing *l)
{
	while (l->nr)
		free(l->e[--l->nr].name);
	free(l->e);
}

/* ---- taking over what a set holds ---- */

struct load_attr {
	struct bce_set		*set;
	const struct bce_inode	*inode;
	struct node		*n;
	int			error;
};

static void attr_put(struct node *n, enum bce_xattr_type type, const char *name, const u8 *value,
		     size_t bytes)
{
	unsigned int i;

	for (i = 0; i < n->nr_attrs; i++)
		if (n->attr[i].type == type && !strcmp(n->attr[i].name, name))
			break;
	if (i == n->nr_attrs) {
		n->attr = grow(n->attr, (n->nr_attrs + 1) * sizeof(*n->attr));
		n->attr[n->nr_attrs++] = (struct attr) { type, strdup(name) };
	}
	n->attr[i].value = grow(n->attr[i].value, bytes + 1);
	n->attr[i].bytes = bytes;
	memcpy(n->attr[i].value, value, bytes);
}

static bool load_attr(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	struct load_attr *l = ctx;
	u8 value[4096];
	int bytes = bce_xattr_get(l->set, l->inode, type, name, value, sizeof(value));

	if (bytes < 0)
		l->error = bytes;
	else
		attr_put(l->n, type, name, value, bytes);
	return !l->error;
}

/* files that have several names are found again by number */
struct load_map {
	struct node	**node;
	unsigned int	nr;
};

static struct node *load_node(struct file_model *m, struct bce_set *set, struct bce_file_id id,
			      struct load_map *map, int *error);

/* names made later have higher numbers than those that are there: make_name() */
static void number_after(struct file_model *m, const char *name)
{
	unsigned long number = strtoul(name + 1, NULL, 10);

	if (number >= m->serial && number < 1UL << 30)
		m->serial = number + 1;
}

static void load_dir(struct file_model *m, struct bce_set *set, const struct bce_inode *inode,
		     struct node *n, struct load_map *map, int *error)
{
	struct listing l = { };
	unsigned int i;

	*error = bce_readdir(set, inode, 0, list_one, &l);
	for (i = 0; !*error && i < l.nr; i++) {
		struct node *child = load_node(m, set, l.e[i].id, map, error);

		if (child)
			entry_add(n, l.e[i].name, child, l.e[i].id.subvol != inode->id.subvol);
		number_after(m, l.e[i].name);
	}
	listing_free(&l);
}

static struct node *load_node(struct file_model *m, struct bce_set *set, struct bce_file_id id,
			      struct load_map *map, int *error)
{
	struct bce_subvolume subvol;
	struct bce_inode inode;
	struct load_attr attrs;
	struct node *n;
	unsigned int i;

	for (i = 0; i < map->nr; i++)
		if (map->node[i]->id.subvol == id.subvol && map->node[i]->id.inum == id.inum)
			return map->node[i];
	*error = bce_inode_read(set, id, &inode);
	if (!*error)
		*error = bce_subvolume_read(set, id.subvol, &subvol);
	if (*error)
		return NULL;
	n = node_new(id, inode.mode);
	n->uid = inode.uid;
	n->gid = inode.gid;
	n->rdev_major = inode.rdev_major;
	n->rdev_minor = inode.rdev_minor;
	n->size = inode.size;
	n->read_only = subvol.read_only;
	map->node = grow(map->node, (map->nr + 1) * sizeof(*map->node));
	map->node[map->nr++] = n;

	attrs = (struct load_attr) { set, &inode, n };
	*error = bce_xattr_list(set, &inode, load_attr, &attrs);
	*error = *error ? *error : attrs.error;
	if (!*error && S_ISDIR(inode.mode))
		load_dir(m, set, &inode, n, map, error);
	else if (!*error && inode.size) {
		data_room(n, inode.size);
		*error = read_all(m, set, id, inode.size, n->data);
		if (S_ISLNK(inode.mode))
			n->target = strndup((char *)n->data, inode.size);
	}
	return n;
}

int model_load(struct file_model *m, struct bce_set *set)
{
	struct bce_file_id root = { BCE_ROOT_SUBVOL, ROOT_INUM };
	struct load_map map = { };
	int error = 0;

	if (m->root)
		node_free(m->root);
	m->root = load_node(m, set, root, &map, &error);
	free(map.node);
	if (m->root)
		m->root->links = 1;
	return error ? bad(m, "taking over the set: error %d", error) : 0;
}

/* ---- comparing ---- */

static int compare_attrs(struct file_model *m, struct bce_set *set, const struct bce_inode *inode,
			 const struct node *n, const char *path)
{
	struct node got = { };
	struct load_attr l = { set, inode, &got };
	int ret = bce_xattr_list(set, inode, load_attr, &l);
	unsigned int i, j;

	if (ret || l.error)
		return bad(m, "%s: attributes: error %d", path, ret ? ret : l.error);
	if (got.nr_attrs != n->nr_attrs)
		ret = bad(m, "%s: %u attributes, expected %u", path, got.nr_attrs, n->nr_attrs);
	for (i = 0; !ret && i < n->nr_attrs; i++) {
		for (j = 0; j < got.nr_attrs; j++)
			if (got.attr[j].type == n->attr[i].type &&
			    !strcmp(got.attr[j].name, n->attr[i].name))
				break;
		if (j == got.nr_attrs || got.attr[j].bytes != n->attr[i].bytes ||
		    memcmp(got.attr[j].value, n->attr[i].value, n->attr[i].bytes))
			ret = bad(m, "%s: attribute %s is %s", path, n->attr[i].name,
				  j == got.nr_attrs ? "missing" : "different");
	}
	for (j = 0; j < got.nr_attrs; j++) {
		free(got.attr[j].name);
		free(got.attr[j].value);
	}
	free(got.attr);
	return ret;
}

static int compare_data(struct file_model *m, struct bce_set *set, struct node *n,
			const char *path)
{
	u8 *got = grow(NULL, n->size + 1);
	u64 i;
	int ret = read_all(m, set, n->id, n->size, got);

	if (ret)
		ret = bad(m, "%s: reading: error %d", path, ret);
	for (i = 0; !ret && i < n->size; i++)
		if (got[i] != n->data[i])
			ret = bad(m, "%s (subvolume %u, inode %llu), size %llu: byte %llu is %02x, expected %02x",
				  path, n->id.subvol, (unsigned long long)n->id.inum,
				  (unsigned long long)n->size, (unsigned long long)i, got[i],
				  n->data[i]);
	free(got);
	return ret;
}

static int compare_node(struct file_model *m, struct bce_set *set, struct node *n,
			const char *path);

static int compare_dir(struct file_model *m, struct bce_set *set, const struct bce_inode *inode,
		       struct node *n, const char *path)
{
	struct listing l = { };
	char child[4096];
	unsigned int i;
	int ret = bce_readdir(set, inode, 0, list_one, &l), at;

	if (ret)
		ret = bad(m, "%s: listing: error %d", path, ret);
	if (!ret && l.nr != n->nr_entries)
		ret = bad(m, "%s: %u names, expected %u", path, l.nr, n->nr_entries);
	for (i = 0; i < l.nr; i++)
		if (entry_find(n, l.e[i].name) < 0)
			ret = bad(m, "%s: unexpected name %s", path, l.e[i].name);
	for (i = 0; !ret && i < n->nr_entries; i++) {
		struct bce_file_id id;

		snprintf(child, sizeof(child), "%s/%s", path, n->entry[i].name);
		ret = bce_dirent_lookup(set, inode, n->entry[i].name, strlen(n->entry[i].name), &id);
		if (ret)
			ret = bad(m, "%s: lookup: error %d", child, ret);
		else if (id.subvol != n->entry[i].node->id.subvol ||
			 id.inum != n->entry[i].node->id.inum)
			ret = bad(m, "%s: is %u:%llu, expected %u:%llu", child, id.subvol,
				  (unsigned long long)id.inum, n->entry[i].node->id.subvol,
				  (unsigned long long)n->entry[i].node->id.inum);
	}
	listing_free(&l);
	for (at = 0; !ret && at < (int)n->nr_entries; at++) {
		snprintf(child, sizeof(child), "%s/%s", path, n->entry[at].name);
		ret = compare_node(m, set, n->entry[at].node, child);
	}
	return ret;
}

static u32 links_expected(const struct node *n)
{
	u32 links = 2;
	unsigned int i;

	if (!S_ISDIR(n->mode))
		return n->links;
	for (i = 0; i < n->nr_entries; i++)
		links += S_ISDIR(n->entry[i].node->mode) && !n->entry[i].subvol;
	return links;
}

static int compare_node(struct file_model *m, struct bce_set *set, struct node *n,
			const char *path)
{
	struct bce_inode i;
	int ret = bce_inode_read(set, n->id, &i);

	if (ret)
		return bad(m, "%s: inode %u:%llu: error %d", path, n->id.subvol,
			   (unsigned long long)n->id.inum, ret);
	if (i.mode != n->mode || i.uid != n->uid || i.gid != n->gid)
		return bad(m, "%s: mode %o owner %u:%u, expected %o %u:%u", path, i.mode, i.uid,
			   i.gid, n->mode, n->uid, n->gid);
	if (i.nlink != links_expected(n))
		return bad(m, "%s: %u links, expected %u", path, i.nlink, links_expected(n));
	if (i.size != n->size)
		return bad(m, "%s: size %llu, expected %llu", path, (unsigned long long)i.size,
			   (unsigned long long)n->size);
	if (i.rdev_major != n->rdev_major || i.rdev_minor != n->rdev_minor)
		return bad(m, "%s: device number %u:%u", path, i.rdev_major, i.rdev_minor);
	ret = compare_attrs(m, set, &i, n, path);
	if (ret)
		return ret;
	return S_ISDIR(n->mode) ? compare_dir(m, set, &i, n, path) :
		compare_data(m, set, n, path);
}

int model_compare(struct file_model *m, struct bce_set *set)
{
	return compare_node(m, set, m->root, "");
}

/* ---- choosing ---- */

typedef bool (*place_fn)(const struct place *p);

static struct node *at(const struct place *p)
{
	return p->dir->entry[p->i].node;
}

static bool is_writable_file(const struct place *p)
{
	return S_ISREG(at(p)->mode) && !at(p)->read_only;
}

static bool is_file(const struct place *p)
{
	return S_ISREG(at(p)->mode);
}

static bool is_writable_dir(const struct place *p)
{
	return S_ISDIR(at(p)->mode) && !at(p)->read_only && p->depth < 12;
}

static bool is_removable(const struct place *p)
{
	return !p->dir->read_only && !p->dir->entry[p->i].subvol &&
		(!S_ISDIR(at(p)->mode) || !at(p)->nr_entries);
}

static bool is_movable(const struct place *p)
{
	return !p->dir->read_only && !at(p)->read_only;
}

static bool is_linkable(const struct place *p)
{
	return !S_ISDIR(at(p)->mode) && !p->dir->read_only;
}

static bool is_writable(const struct place *p)
{
	return !at(p)->read_only;
}

static bool is_subvol(const struct place *p)
{
	return p->dir->entry[p->i].subvol;
}

/* false: there is none */
static bool choose(struct file_model *m, place_fn fits, struct place *out)
{
	struct places all = { };
	unsigned int i, nr = 0;

	places_collect(&all, m->root, 0);
	for (i = 0; i < all.nr; i++)
		if (fits(&all.place[i]) && !below(m, ++nr))
			*out = all.place[i];
	free(all.place);
	return nr;
}

static struct node *choose_dir(struct file_model *m)
{
	struct place p;

	if (!below(m, 3) || !choose(m, is_writable_dir, &p))
		return m->root;
	return at(&p);
}

/* @dir is @n or below it */
static bool is_below(const struct node *n, const struct node *dir)
{
	unsigned int i;

	if (n == dir)
		return true;
	for (i = 0; i < n->nr_entries; i++)
		if (S_ISDIR(n->entry[i].node->mode) && is_below(n->entry[i].node, dir))
			return true;
	return false;
}

static void make_name(struct file_model *m, char name[256])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	unsigned int len = below(m, 12) ? 0 : below(m, 200), i;
	int n = snprintf(name, 32, "%c%u", (int)('a' + below(m, 26)), m->serial++);

	for (i = 0; i < len; i++)
		name[n++] = letters[below(m, sizeof(letters) - 1)];
	name[n] = '\0';
}

/* ---- operations: 0 done, -1 the set is wrong ---- */

/* what an operation may come to: done (0), no space (1: nothing happened), or wrong (-1) */
static int outcome(struct file_model *m, int ret, const char *what, const struct node *n)
{
	if (!ret)
		return 0;
	if (ret == -ENOSPC)
		return 1;
	return bad(m, "%s of %u:%llu: error %d", what, n->id.subvol,
		   (unsigned long long)n->id.inum, ret);
}

static int op_create(struct file_model *m, struct bce_set *set)
{
	static const umode_t kinds[] = {
		S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR,
	};
	struct node *dir = choose_dir(m), *n;
	umode_t kind = kinds[below(m, ARRAY_SIZE(kinds))];
	struct bce_create what = {
		.mode = kind | (kind == S_IFLNK ? 0777 : below(m, 0777)),
		.uid = below(m, 3), .gid = below(m, 70000),
	};
	struct bce_inode out;
	char name[256], target[1500];
	int ret;

	if (model_nr_files(m) >= m->opts.nr_files_max)
		return 0;
	make_name(m, name);
	if (kind == S_IFLNK) {
		u64 len = 1 + below(m, below(m, 4) ? 60 : 1400);

		memset(target, 'a' + below(m, 26), len);
		target[len] = '\0';
		what.symlink = target;
	}
	if (kind == S_IFCHR) {
		what.rdev_major = below(m, 4096);
		what.rdev_minor = below(m, 1 << 20);
	}
	tell(m, "create %s in %u:%llu", name, dir->id.subvol, (unsigned long long)dir->id.inum);
	ret = outcome(m, bce_create(set, dir->id, name, strlen(name), &what, &out), "create", dir);
	if (ret)
		return ret > 0 ? 0 : ret;
	n = node_new(out.id, what.mode);
	n->uid = what.uid;
	n->gid = what.gid;
	n->rdev_major = what.rdev_major;
	n->rdev_minor = what.rdev_minor;
	if (kind == S_IFLNK) {
		n->target = strdup(target);
		n->size = strlen(target);
		data_room(n, n->size);
		memcpy(n->data, target, n->size);
	}
	entry_add(dir, name, n, false);
	return 0;
}

static int op_link(struct file_model *m, struct bce_set *set)
{
	struct node *dir = choose_dir(m);
	struct bce_inode out;
	char name[256];
	struct place p;
	int ret;

	if (!choose(m, is_linkable, &p) || at(&p)->id.subvol != dir->id.subvol)
		return 0;
	make_name(m, name);
	tell(m, "link %u:%llu as %s", at(&p)->id.subvol, (unsigned long long)at(&p)->id.inum, name);
	ret = bce_link(set, at(&p)->id, dir->id, name, strlen(name), &out);
	if (ret == -EXDEV)
		return 0;	/* options that it would inherit */
	ret = outcome(m, ret, "link", at(&p));
	if (!ret)
		entry_add(dir, name, at(&p), false);
	return ret > 0 ? 0 : ret;
}

static int release(struct file_model *m, struct bce_set *set, const struct bce_inode *inode,
		   const struct node *n)
{
	if (!(inode->flags & BCE_INODE_UNLINKED))
		return 0;
	return outcome(m, bce_inode_release(set, inode->id), "release", n);
}

static int op_unlink(struct file_model *m, struct bce_set *set)
{
	struct bce_inode out;
	struct place p;
	int ret;

	if (!choose(m, is_removable, &p) || !strcmp(p.dir->entry[p.i].name, "lost+found"))
		return 0;
	tell(m, "unlink %s, %u:%llu", p.dir->entry[p.i].name, at(&p)->id.subvol,
	     (unsigned long long)at(&p)->id.inum);
	ret = outcome(m, bce_unlink(set, p.dir->id, p.dir->entry[p.i].name,
				    strlen(p.dir->entry[p.i].name), S_ISDIR(at(&p)->mode), &out),
		      "unlink", at(&p));
	if (ret)
		return ret > 0 ? 0 : ret;
	ret = release(m, set, &out, at(&p));
	node_put(at(&p));
	entry_remove(p.dir, p.i);
	return ret > 0 ? 0 : ret;
}

static int op_rename(struct file_model *m, struct bce_set *set)
{
	struct node *dir = choose_dir(m), *n;
	struct bce_inode replaced = { };
	struct entry moved;
	struct place p, over;
	char name[256], from[256];
	bool replace = !below(m, 3) && choose(m, is_removable, &over);
	int ret, i;

	if (!choose(m, is_movable, &p) || !strcmp(p.dir->entry[p.i].name, "lost+found"))
		return 0;
	n = at(&p);
	snprintf(from, sizeof(from), "%s", p.dir->entry[p.i].name);
	make_name(m, name);
	if (replace) {
		dir = over.dir;
		snprintf(name, sizeof(name), "%s", dir->entry[over.i].name);
		if (at(&over) == n || S_ISDIR(at(&over)->mode) != S_ISDIR(n->mode) ||
		    !strcmp(name, "lost+found"))
			return 0;
	}
	if (is_below(n, dir) || (!p.dir->entry[p.i].subvol && dir->id.subvol != n->id.subvol))
		return 0;
	/* a subvolume's root moves within the subvolume that shows it, here */
	if (p.dir->entry[p.i].subvol && dir->id.subvol != p.dir->id.subvol)
		return 0;
	tell(m, "rename %s to %s in %u:%llu", from, name, dir->id.subvol,
	     (unsigned long long)dir->id.inum);
	ret = bce_rename(set, p.dir->id, from, strlen(from), dir->id, name, strlen(name), 0,
			 NULL, &replaced);
	if (ret == -EXDEV)
		return 0;
	ret = outcome(m, ret, "rename", n);
	if (ret)
		return ret > 0 ? 0 : ret;
	if (replace) {
		if (replaced.id.inum)
			ret = release(m, set, &replaced, n);
		i = entry_find(dir, name);
		node_put(dir->entry[i].node);
		entry_remove(dir, i);
	}
	i = entry_find(p.dir, from);
	require(i >= 0);
	moved = p.dir->entry[i];
	entry_add(dir, name, n, moved.subvol);
	entry_remove(p.dir, i);
	n->links--;
	return ret > 0 ? 0 : ret;
}

static int op_exchange(struct file_model *m, struct bce_set *set)
{
	struct bce_inode replaced = { };
	struct place a, b;
	struct node *n;
	int ret;

	if (!choose(m, is_movable, &a) || !choose(m, is_movable, &b) || at(&a) == at(&b) ||
	    a.dir->entry[a.i].subvol || b.dir->entry[b.i].subvol ||
	    at(&a)->id.subvol != at(&b)->id.subvol ||
	    is_below(at(&a), b.dir) || is_below(at(&b), a.dir) ||
	    !strcmp(a.dir->entry[a.i].name, "lost+found") ||
	    !strcmp(b.dir->entry[b.i].name, "lost+found"))
		return 0;
	tell(m, "exchange %s and %s", a.dir->entry[a.i].name, b.dir->entry[b.i].name);
	ret = bce_rename(set, a.dir->id, a.dir->entry[a.i].name, strlen(a.dir->entry[a.i].name),
			 b.dir->id, b.dir->entry[b.i].name, strlen(b.dir->entry[b.i].name),
			 BCE_RENAME_EXCHANGE, NULL, &replaced);
	if (ret == -EXDEV)
		return 0;
	ret = outcome(m, ret, "exchange", at(&a));
	if (ret)
		return ret > 0 ? 0 : ret;
	n = a.dir->entry[a.i].node;
	a.dir->entry[a.i].node = b.dir->entry[b.i].node;
	b.dir->entry[b.i].node = n;
	return 0;
}

/* a range of whole blocks within what a file may have */
static void choose_range(struct file_model *m, u64 limit, u64 *start, u64 *bytes)
{
	u64 block = m->opts.block_bytes, blocks = limit / block, most;

	*start = below(m, blocks) * block;
	most = blocks - *start / block;
	if (most > SET_IO_BYTES / block)
		most = SET_IO_BYTES / block;
	*bytes = (1 + below(m, below(m, 3) ? (most < 12 ? most : 12) : most)) * block;
}

static void fill(struct file_model *m, u8 *p, u64 bytes)
{
	u64 i, kind = below(m, 4), word = rnd64(m);

	for (i = 0; i < bytes; i++)
		p[i] = kind == 0 ? word : kind == 1 ? (u8)(i / 64 + word) :
			kind == 2 ? "bcachefs "[i % 9] : (u8)(rnd64(m) >> 24);
}

static int op_write(struct file_model *m, struct bce_set *set)
{
	u64 start, bytes, end, size;
	struct place p;
	struct node *n;
	int ret;

	if (!choose(m, is_writable_file, &p))
		return 0;
	n = at(&p);
	choose_range(m, m->opts.file_bytes_max, &start, &bytes);
	if (start + bytes > n->room && model_total_bytes(m) + bytes > m->opts.total_bytes_max)
		return 0;
	fill(m, m->buffer, bytes);
	end = start + bytes;
	/* a last block that is not full ends in zeros */
	if (end > n->size && !below(m, 3)) {
		end -= below(m, m->opts.block_bytes);
		memset(m->buffer + (end - start), 0, bytes - (end - start));
	}
	size = end > n->size ? end : n->size;
	if (end < start + bytes && n->size > end)
		return 0;
	/* the block that holds the end keeps zeros behind it */
	if (start + bytes > size)
		memset(m->buffer + (size - start), 0, start + bytes - size);
	tell(m, "write %u:%llu [%llu, %llu)", n->id.subvol, (unsigned long long)n->id.inum,
	     (unsigned long long)start, (unsigned long long)end);
	ret = outcome(m, set_write(set, n->id, start / SECTOR, m->buffer, bytes, size,
				   below(m, 20) ? 0 : BCE_WRITE_FUA), "write", n);
	if (ret < 0)
		return ret;
	if (ret) {
		/* some of it may be there */
		struct bce_inode i;

		if (bce_inode_read(set, n->id, &i))
			return bad(m, "inode gone after -ENOSPC");
		n->size = i.size;
		data_room(n, n->size);
		memset(n->data, 0, n->room);
		return read_all(m, set, n->id, n->size, n->data) ?
			bad(m, "unreadable after -ENOSPC") : 0;
	}
	data_room(n, start + bytes);
	memcpy(n->data + start, m->buffer, bytes);
	n->size = size;
	return 0;
}

static int op_truncate(struct file_model *m, struct bce_set *set)
{
	struct bce_inode out;
	struct place p;
	struct node *n;
	u64 size;
	int ret;

	if (!choose(m, is_writable_file, &p))
		return 0;
	n = at(&p);
	size = below(m, m->opts.file_bytes_max);
	if (!below(m, 4))
		size = size / m->opts.block_bytes * m->opts.block_bytes;
	tell(m, "truncate %u:%llu to %llu", n->id.subvol, (unsigned long long)n->id.inum,
	     (unsigned long long)size);
	ret = outcome(m, bce_truncate(set, n->id, size, &out), "truncate", n);
	if (ret)
		return ret > 0 ? 0 : ret;
	if (size < n->size)
		memset(n->data + size, 0, n->room - size);
	data_room(n, size);
	n->size = size;
	return 0;
}

static int op_punch(struct file_model *m, struct bce_set *set)
{
	u64 start, bytes;
	struct place p;
	struct node *n;
	int ret;

	if (!choose(m, is_writable_file, &p))
		return 0;
	n = at(&p);
	choose_range(m, m->opts.file_bytes_max, &start, &bytes);
	tell(m, "punch %u:%llu [%llu, %llu)", n->id.subvol, (unsigned long long)n->id.inum,
	     (unsigned long long)start, (unsigned long long)(start + bytes));
	ret = outcome(m, bce_punch(set, n->id, start / SECTOR, (start + bytes) / SECTOR), "punch",
		      n);
	if (ret)
		return ret > 0 ? 0 : ret;
	if (start < n->room)
		memset(n->data + start, 0, (bytes < n->room - start ? bytes : n->room - start));
	return 0;
}

static int op_fallocate(struct file_model *m, struct bce_set *set)
{
	bool zero = below(m, 2), keep = below(m, 2);
	u64 start, bytes, size;
	struct place p;
	struct node *n;
	int ret;

	if (!choose(m, is_writable_file, &p))
		return 0;
	n = at(&p);
	choose_range(m, m->opts.file_bytes_max, &start, &bytes);
	size = keep || start + bytes < n->size ? n->size : start + bytes;
	tell(m, "fallocate %u:%llu [%llu, %llu) zero %d size %llu", n->id.subvol,
	     (unsigned long long)n->id.inum, (unsigned long long)start,
	     (unsigned long long)(start + bytes), zero, (unsigned long long)size);
	ret = outcome(m, bce_fallocate(set, n->id, start / SECTOR, (start + bytes) / SECTOR, zero,
				       size), "fallocate", n);
	if (ret)
		return ret > 0 ? 0 : ret;
	data_room(n, size);
	if (zero && start < n->room)
		memset(n->data + start, 0, (bytes < n->room - start ? bytes : n->room - start));
	n->size = size;
	return 0;
}

static int op_shift(struct file_model *m, struct bce_set *set)
{
	bool insert = below(m, 2);
	u64 block = m->opts.block_bytes, start, bytes;
	struct place p;
	struct node *n;
	int ret;

	if (!choose(m, is_writable_file, &p) || at(&p)->size < 3 * block)
		return 0;
	n = at(&p);
	start = below(m, n->size / block - 1) * block;
	bytes = (1 + below(m, 8)) * block;
	if (insert ? n->size + bytes > m->opts.file_bytes_max : start + bytes >= n->size)
		return 0;
	tell(m, "%s %u:%llu at %llu, %llu", insert ? "insert" : "collapse", n->id.subvol,
	     (unsigned long long)n->id.inum, (unsigned long long)start, (unsigned long long)bytes);
	ret = insert ? bce_insert_range(set, n->id, start / SECTOR, bytes / SECTOR) :
		bce_collapse_range(set, n->id, start / SECTOR, bytes / SECTOR);
	ret = outcome(m, ret, "shift", n);
	if (ret)
		return ret > 0 ? bad(m, "no space in the middle of a shift") : ret;
	if (insert) {
		data_room(n, n->size + bytes);
		memmove(n->data + start + bytes, n->data + start, n->size - start);
		memset(n->data + start, 0, bytes);
		n->size += bytes;
	} else {
		memmove(n->data + start, n->data + start + bytes, n->size - start - bytes);
		n->size -= bytes;
		memset(n->data + n->size, 0, n->room - n->size);
	}
	return 0;
}

static int op_reflink(struct file_model *m, struct bce_set *set)
{
	u64 src, dst, bytes, size, done = 0, block = m->opts.block_bytes;
	struct node *from, *to;
	struct place p, q;
	int ret;

	if (!choose(m, is_file, &p) || !choose(m, is_writable_file, &q) || at(&p)->size < block ||
	    at(&p)->read_only)
		return 0;
	from = at(&p);
	to = at(&q);
	choose_range(m, from->size / block * block, &src, &bytes);
	choose_range(m, m->opts.file_bytes_max, &dst, &size);
	if (dst + bytes > m->opts.file_bytes_max ||
	    (from == to && src < dst + bytes && dst < src + bytes))
		return 0;
	size = dst + bytes > to->size ? dst + bytes : to->size;
	tell(m, "reflink %u:%llu %llu to %u:%llu %llu, %llu", from->id.subvol,
	     (unsigned long long)from->id.inum, (unsigned long long)src, to->id.subvol,
	     (unsigned long long)to->id.inum, (unsigned long long)dst, (unsigned long long)bytes);
	ret = outcome(m, bce_reflink(set, from->id, src / SECTOR, to->id, dst / SECTOR,
				     bytes / SECTOR, size, &done), "reflink", to);
	if (ret < 0)
		return ret;
	if (!ret && done != bytes / SECTOR)
		return bad(m, "reflink did %llu of %llu sectors", (unsigned long long)done,
			   (unsigned long long)(bytes / SECTOR));
	bytes = done * SECTOR;
	if (bytes && dst + bytes > to->size)
		to->size = ret ? dst + bytes : size;
	data_room(to, dst + bytes > to->size ? dst + bytes : to->size);
	memcpy(to->data + dst, from->data + src, bytes);
	return 0;
}

static int op_setattr(struct file_model *m, struct bce_set *set)
{
	struct bce_inode a = { }, out;
	struct place p;
	int ret;

	if (!choose(m, is_writable, &p))
		return 0;
	a.id = at(&p)->id;
	a.mode = (at(&p)->mode & S_IFMT) | below(m, 07777);
	a.uid = below(m, 100000);
	a.gid = below(m, 4);
	ret = outcome(m, bce_setattr(set, &a, BCE_ATTR_MODE | BCE_ATTR_UID | BCE_ATTR_GID, &out),
		      "setattr", at(&p));
	if (ret)
		return ret > 0 ? 0 : ret;
	at(&p)->mode = a.mode;
	at(&p)->uid = a.uid;
	at(&p)->gid = a.gid;
	return 0;
}

static int op_xattr(struct file_model *m, struct bce_set *set)
{
	static const enum bce_xattr_type types[] = {
		BCE_XATTR_USER, BCE_XATTR_TRUSTED, BCE_XATTR_SECURITY,
	};
	enum bce_xattr_type type = types[below(m, ARRAY_SIZE(types))];
	u8 value[1500];
	char name[64];
	struct place p;
	struct node *n;
	u64 bytes = below(m, below(m, 3) ? 40 : sizeof(value));
	int ret;

	if (!choose(m, is_writable, &p))
		return 0;
	n = at(&p);
	/* what the kernel's VFS would not let through */
	if (type == BCE_XATTR_USER && !S_ISREG(n->mode) && !S_ISDIR(n->mode))
		type = BCE_XATTR_TRUSTED;
	if (n->nr_attrs && !below(m, 3)) {
		unsigned int i = below(m, n->nr_attrs);

		ret = outcome(m, bce_xattr_set(set, n->id, n->attr[i].type, n->attr[i].name, NULL, 0,
					       0), "remove attribute", n);
		if (ret)
			return ret > 0 ? 0 : ret;
		free(n->attr[i].name);
		free(n->attr[i].value);
		n->attr[i] = n->attr[--n->nr_attrs];
		return 0;
	}
	snprintf(name, sizeof(name), "name%u%s", (unsigned int)below(m, 20),
		 below(m, 3) ? "" : ".and.something.longer");
	fill(m, value, bytes);
	ret = outcome(m, bce_xattr_set(set, n->id, type, name, value, bytes, 0), "set attribute", n);
	if (ret)
		return ret > 0 ? 0 : ret;
	attr_put(n, type, name, value, bytes);
	return 0;
}

static int op_option(struct file_model *m, struct bce_set *set)
{
	static const char *const values[][2] = {
		{ "data_checksum", "none" }, { "data_checksum", "crc32c" },
		{ "data_checksum", "crc64" }, { "data_checksum", "xxhash" },
		{ "compression", "lz4" }, { "compression", "zstd:3" }, { "compression", "gzip" },
		{ "compression", "none" }, { "compression", NULL }, { "data_checksum", NULL },
		{ "nocow", "1" }, { "nocow", "1" }, { "nocow", NULL },
	};
	unsigned int which = below(m, ARRAY_SIZE(values)), opt;
	struct place p;
	int ret;

	if (!choose(m, is_writable, &p) ||
	    !(S_ISDIR(at(&p)->mode) || S_ISREG(at(&p)->mode)))
		return 0;
	for (opt = 0; opt < 10 && strcmp(bce_inode_opt_names[opt], values[which][0]); opt++)
		;
	require(opt < 10);
	ret = outcome(m, bce_inode_opt_set(set, at(&p)->id, opt, values[which][1]), "set option",
		      at(&p));
	return ret > 0 ? 0 : ret;
}

static void set_read_only(struct node *n)
{
	unsigned int i;

	n->read_only = true;
	for (i = 0; i < n->nr_entries; i++)
		if (!n->entry[i].subvol)
			set_read_only(n->entry[i].node);
}

static int op_subvolume(struct file_model *m, struct bce_set *set)
{
	struct node *dir = choose_dir(m), *source = NULL, *n;
	unsigned int flags = below(m, 4) ? 0 : BCE_SUBVOL_RO;
	struct bce_inode out;
	char name[256];
	struct place p;
	struct bce_create what = { .mode = S_IFDIR | 0755, .uid = 1, .gid = 2 };
	int ret;

	if (below(m, 3))
		source = choose(m, is_subvol, &p) && below(m, 2) ? at(&p) : m->root;
	if (source && (model_total_bytes(m) * 2 > m->opts.total_bytes_max ||
		       model_nr_files(m) * 2 > m->opts.nr_files_max))
		return 0;
	make_name(m, name);
	tell(m, "subvolume %s of %u in %u:%llu flags %u", name, source ? source->id.subvol : 0,
	     dir->id.subvol, (unsigned long long)dir->id.inum, flags);
	ret = outcome(m, bce_subvolume_create(set, dir->id, name, strlen(name),
					      source ? source->id.subvol : 0, flags, &what,
					      &out), "subvolume", dir);
	if (ret)
		return ret > 0 ? 0 : ret;
	if (source) {
		n = tree_copy(source, out.id.subvol, false);
	} else {
		n = node_new(out.id, S_IFDIR | 0755);
		n->uid = 1;
		n->gid = 2;
	}
	if (flags)
		set_read_only(n);
	entry_add(dir, name, n, true);
	return 0;
}

static bool has_subvol(const struct node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_entries; i++)
		if (n->entry[i].subvol ||
		    (S_ISDIR(n->entry[i].node->mode) && has_subvol(n->entry[i].node)))
			return true;
	return false;
}

static int op_subvolume_delete(struct file_model *m, struct bce_set *set)
{
	struct place p;
	int ret;

	if (!choose(m, is_subvol, &p) || p.dir->read_only || has_subvol(at(&p)))
		return 0;
	tell(m, "delete subvolume %s, %u", p.dir->entry[p.i].name, at(&p)->id.subvol);
	ret = outcome(m, bce_subvolume_delete(set, p.dir->id, p.dir->entry[p.i].name,
					      strlen(p.dir->entry[p.i].name)), "delete subvolume",
		      at(&p));
	if (ret)
		return ret > 0 ? 0 : ret;
	node_put(at(&p));
	entry_remove(p.dir, p.i);
	return 0;
}

static int op_sync(struct file_model *m, struct bce_set *set)
{
	tell(m, "sync");
	return outcome(m, bce_sync(set), "sync", m->root);
}

static const struct op {
	int		(*fn)(struct file_model *m, struct bce_set *set);
	unsigned int	weight;
	bool		subvolumes;
} ops[] = {
	{ op_create, 24 }, { op_write, 40 }, { op_unlink, 10 }, { op_rename, 10 }, { op_link, 5 },
	{ op_exchange, 3 }, { op_truncate, 8 }, { op_punch, 6 }, { op_fallocate, 6 },
	{ op_shift, 5 }, { op_reflink, 8 }, { op_setattr, 5 }, { op_xattr, 10 }, { op_option, 3 },
	{ op_sync, 2 }, { op_subvolume, 3, true }, { op_subvolume_delete, 2, true },
};

static const struct op *choose_op(struct file_model *m)
{
	unsigned int total = 0, i;
	u64 n;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	for (;;) {
		n = below(m, total);
		for (i = 0; n >= ops[i].weight; i++)
			n -= ops[i].weight;
		if (!ops[i].subvolumes || m->opts.subvolumes)
			return &ops[i];
	}
}

static int run_one(struct file_model *m, struct bce_set *set, u64 number)
{
	m->operations = number;
	m->random = (m->opts.seed + 1) * 0x9e3779b97f4a7c15ULL ^ (number + 1) * 0xd1b54a32d192ed03ULL;
	m->random ^= m->random >> 31;
	m->random += !m->random;
	rnd64(m);
	return choose_op(m)->fn(m, set);
}

int model_run(struct file_model *m, struct bce_set *set, unsigned int nr)
{
	int ret = 0;

	while (!ret && nr--)
		ret = run_one(m, set, m->operations + 1);
	return ret;
}

int model_run_these(struct file_model *m, struct bce_set *set, const u32 *number, unsigned int nr)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = run_one(m, set, number[i]);
	return ret;
}
