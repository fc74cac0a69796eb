// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on names beside a model of trees with hard links, attributes, subvolumes and
 * snapshots. The model says what each call must return; now and then the reading half must show
 * what the model holds, and the checker must be content. Most names want the same few slots of their
 * directories' hash tables.
 *
 * SEED=number gives another row of operations, ROUNDS=number more of them, EVERY=number compares
 * more or less often.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "names_rig.h"
#include "random.h"

#define MAX_INODES	80
#define MAX_ENTRIES	28
#define MAX_XATTRS	6
#define MAX_SUBVOLS	7
#define NR_FORGED	16
#define NR_NAMES	24
#define NR_XNAMES	8
#define VALUE_MAX	60

struct m_entry {
	int		name;
	u64		inum;
	u32		subvol;		/* it is that one's root */
};

struct m_xattr {
	int		name;
	u8		type;
	unsigned int	len;
	u8		value[VALUE_MAX];
};

struct m_inode {
	u64		inum;
	u64		dir;		/* of a directory: where it is */
	umode_t		mode;
	u32		names;		/* of a file */
	u32		uid;
	u64		size;
	bool		unlinked;
	int		nr_ent, nr_x;
	struct m_entry	ent[MAX_ENTRIES];
	struct m_xattr	x[MAX_XATTRS];
};

struct m_subvol {
	u32		id;		/* 0: free */
	bool		ro;
	u32		parent;		/* and where it stands in it */
	u64		dir;
	u64		root;
	int		nr;
	struct m_inode	ino[MAX_INODES];
};

struct model {
	struct names_rig	r;
	char			name[NR_NAMES][32];
	char			xname[NR_XNAMES][32];
	struct m_subvol		sub[MAX_SUBVOLS];
	unsigned int		done, refused;
};

static unsigned int below(unsigned int n)
{
	return rnd() % n;
}

/* ---- the model ---- */

static struct m_subvol *sub_find(struct model *m, u32 id)
{
	for (int i = 0; i < MAX_SUBVOLS; i++)
		if (m->sub[i].id == id)
			return &m->sub[i];
	return NULL;
}

static struct m_subvol *sub_any(struct model *m)
{
	struct m_subvol *s;

	do {
		s = &m->sub[below(MAX_SUBVOLS)];
	} while (!s->id);
	return s;
}

static struct m_inode *ino_find(struct m_subvol *s, u64 inum)
{
	for (int i = 0; i < s->nr; i++)
		if (s->ino[i].inum == inum)
			return &s->ino[i];
	return NULL;
}

static struct m_inode *ino_any(struct m_subvol *s)
{
	return &s->ino[below(s->nr)];
}

/* mostly a directory */
static struct m_inode *dir_any(struct m_subvol *s)
{
	struct m_inode *i;
	int tries = 20;

	do {
		i = ino_any(s);
	} while (!S_ISDIR(i->mode) && tries-- && below(30));
	return i;
}

static struct m_inode *ino_add(struct m_subvol *s, u64 inum, umode_t mode)
{
	struct m_inode *i = &s->ino[s->nr++];

	assert_true(s->nr <= MAX_INODES);
	*i = (struct m_inode) { .inum = inum, .mode = mode };
	return i;
}

static void ino_del(struct m_subvol *s, struct m_inode *i)
{
	*i = s->ino[--s->nr];
}

static struct m_entry *ent_find(struct m_inode *dir, int name)
{
	for (int i = 0; i < dir->nr_ent; i++)
		if (dir->ent[i].name == name)
			return &dir->ent[i];
	return NULL;
}

static void ent_put(struct m_inode *dir, int name, u64 inum, u32 subvol)
{
	struct m_entry *e = ent_find(dir, name) ?: &dir->ent[dir->nr_ent++];

	assert_true(dir->nr_ent <= MAX_ENTRIES);
	*e = (struct m_entry) { name, inum, subvol };
}

static void ent_del(struct m_inode *dir, int name)
{
	*ent_find(dir, name) = dir->ent[dir->nr_ent - 1];
	dir->nr_ent--;
}

static bool is_full(const struct m_inode *dir)
{
	return dir->nr_ent == MAX_ENTRIES;
}

static int expect_dir(const struct m_subvol *s, const struct m_inode *dir)
{
	if (s->ro)
		return -EROFS;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return dir->unlinked ? -ENOENT : 0;
}

static void lose_name(struct m_inode *i)
{
	if (S_ISDIR(i->mode) || !--i->names)
		i->unlinked = true;
}

static struct bce_file_id file_id(const struct m_subvol *s, const struct m_inode *i)
{
	return (struct bce_file_id) { s->id, i->inum };
}

static bool agree(struct model *m, const char *what, int got, int want)
{
	if (got != want) {
		fprintf(stderr, "%s: %d instead of %d (SEED=%s)\n", what, got, want,
			getenv("SEED") ?: "default");
		fail();
	}
	got ? m->refused++ : m->done++;
	return !got;
}

/* ---- operations ---- */

static void op_create(struct model *m)
{
	static const umode_t modes[] = { S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFCHR, S_IFIFO };
	struct m_subvol *s = sub_any(m);
	struct m_inode *dir = dir_any(s), *i;
	int n = below(NR_NAMES), want = expect_dir(s, dir);
	struct bce_create what = { .mode = modes[below(7)] | 0640, .uid = below(3) };
	struct bce_inode out;

	if (s->nr == MAX_INODES || is_full(dir))
		return;
	if (S_ISLNK(what.mode))
		what.symlink = below(2) ? "short" : m->name[0];
	if (!want && ent_find(dir, n))
		want = -EEXIST;
	if (!agree(m, "create", names_create(&m->r.w, file_id(s, dir), m->name[n],
					     strlen(m->name[n]), &what, &out), want))
		return;
	i = ino_add(s, out.id.inum, what.mode);
	dir = ino_find(s, dir->inum);
	i->names = 1;
	i->uid = what.uid;
	i->dir = dir->inum;
	i->size = what.symlink ? strlen(what.symlink) : 0;
	ent_put(dir, n, i->inum, 0);
}

static void op_tmpfile(struct model *m)
{
	struct m_subvol *s = sub_any(m);
	struct m_inode *dir = dir_any(s), *i;
	struct bce_create what = { .mode = S_IFREG | 0600 };
	struct bce_inode out;

	if (s->nr == MAX_INODES)
		return;
	if (!agree(m, "tmpfile", names_tmpfile(&m->r.w, file_id(s, dir), &what, &out),
		   expect_dir(s, dir)))
		return;
	i = ino_add(s, out.id.inum, what.mode);
	i->unlinked = true;
}

static void op_link(struct model *m)
{
	struct m_subvol *s = sub_any(m), *s2 = below(10) ? s : sub_any(m);
	struct m_inode *dir = dir_any(s), *i = ino_any(s2);
	int n = below(NR_NAMES), want = s == s2 ? expect_dir(s, dir) : -EXDEV;
	struct bce_inode out;

	if (is_full(dir))
		return;
	if (!want && S_ISDIR(i->mode))
		want = -EPERM;
	if (!want && ent_find(dir, n))
		want = -EEXIST;
	if (!agree(m, "link", names_link(&m->r.w, file_id(s2, i), file_id(s, dir), m->name[n],
					 strlen(m->name[n]), &out), want))
		return;
	i->unlinked = false;
	i->names++;
	ent_put(dir, n, i->inum, 0);
}

static bool has_child_subvols(struct model *m, u32 id)
{
	for (int i = 0; i < MAX_SUBVOLS; i++)
		if (m->sub[i].id && m->sub[i].parent == id)
			return true;
	return false;
}

static int expect_unlink(struct model *m, struct m_subvol *s, const struct m_entry *e, bool rmdir)
{
	struct m_subvol *child = e->subvol ? sub_find(m, e->subvol) : s;
	struct m_inode *i = ino_find(child, e->inum);

	if (e->subvol && rmdir && has_child_subvols(m, child->id))
		return -ENOTEMPTY;
	if (!S_ISDIR(i->mode))
		return rmdir ? -ENOTDIR : 0;
	if (!rmdir)
		return -EISDIR;
	/* in the first root, and in its snapshots, there is lost+found as well */
	return i->nr_ent || i->inum == 4096 ? -ENOTEMPTY : 0;
}

static void op_unlink(struct model *m)
{
	struct m_subvol *s = sub_any(m);
	struct m_inode *dir = dir_any(s);
	int n = below(NR_NAMES), want = expect_dir(s, dir);
	struct m_entry *e = ent_find(dir, n);
	bool rmdir = below(2);
	struct bce_inode out;

	if (!want)
		want = e ? expect_unlink(m, s, e, rmdir) : -ENOENT;
	if (!agree(m, "unlink", names_unlink(&m->r.w, file_id(s, dir), m->name[n],
					     strlen(m->name[n]), rmdir, &out), want))
		return;
	if (e->subvol)
		sub_find(m, e->subvol)->id = 0;
	else
		lose_name(ino_find(s, e->inum));
	ent_del(dir, n);
}

/* ---- rename ---- */

struct m_side {
	struct m_subvol	*s;
	struct m_inode	*dir;
	int		name;
	struct m_entry	*e;
	struct m_subvol	*in;		/* where the inode is */
	struct m_inode	*i;
};

static struct m_side side_any(struct model *m)
{
	struct m_side x = { .s = sub_any(m), .name = below(NR_NAMES) };

	x.dir = dir_any(x.s);
	return x;
}

static void side_find(struct model *m, struct m_side *x)
{
	x->e = ent_find(x->dir, x->name);
	if (!x->e)
		return;
	x->in = x->e->subvol ? sub_find(m, x->e->subvol) : x->s;
	x->i = ino_find(x->in, x->e->inum);
}

static bool lies_in(struct model *m, const struct m_side *x, struct m_subvol *s,
		    const struct m_inode *dir)
{
	for (;;) {
		if (s == x->in && dir == x->i)
			return true;
		if (dir->inum == s->root) {
			if (!s->parent)
				return false;
			dir = ino_find(sub_find(m, s->parent), s->dir);
			s = sub_find(m, s->parent);
		} else {
			dir = ino_find(s, dir->dir);
		}
	}
}

static int expect_move(struct model *m, const struct m_side *x, const struct m_side *to)
{
	if (!x->e->subvol && x->s != to->s)
		return -EXDEV;
	return S_ISDIR(x->i->mode) && lies_in(m, x, to->s, to->dir) ? -EINVAL : 0;
}

static int expect_rename(struct model *m, const struct m_side *a, const struct m_side *b,
			 unsigned int flags)
{
	bool exchange = flags & BCE_RENAME_EXCHANGE;
	int want;

	if (!a->e || (exchange && !b->e))
		return -ENOENT;
	if (b->e && flags & BCE_RENAME_NOREPLACE)
		return -EEXIST;
	if (b->e && !exchange && a->i != b->i) {
		if (b->e->subvol)
			return -EBUSY;
		if (!S_ISDIR(b->i->mode) && S_ISDIR(a->i->mode))
			return -ENOTDIR;
		if (S_ISDIR(b->i->mode) && !S_ISDIR(a->i->mode))
			return -EISDIR;
		if (S_ISDIR(b->i->mode) && b->i->nr_ent)
			return -ENOTEMPTY;
	}
	if (a->dir == b->dir)
		return 0;
	want = expect_move(m, a, b);
	return want || !exchange ? want : expect_move(m, b, a);
}

/* what was at @from now is at @to */
static void moved(const struct m_side *from, const struct m_side *to)
{
	if (from->in != from->s) {
		from->in->parent = to->s->id;
		from->in->dir = to->dir->inum;
	} else {
		from->i->dir = to->dir->inum;
	}
}

static void apply_whiteout(struct model *m, struct m_side *a)
{
	struct bce_file_id id;
	struct bce_inode dir;
	struct m_inode *i;
	u64 inum = a->dir->inum;

	assert_int_equal(names_inode_read(&m->r.w.src, file_id(a->s, a->dir), &dir), 0);
	assert_int_equal(names_dirent_lookup(&m->r.w.src, &dir, m->name[a->name],
					     strlen(m->name[a->name]), &id), 0);
	i = ino_add(a->s, id.inum, S_IFCHR);
	i->names = 1;
	i->uid = a->i->uid;
	ent_put(ino_find(a->s, inum), a->name, id.inum, 0);
}

static void apply_rename(struct model *m, struct m_side *a, struct m_side *b, unsigned int flags)
{
	struct m_entry ea = *a->e, eb = b->e ? *b->e : (struct m_entry) { };

	if (b->e && a->i == b->i)
		return;
	moved(a, b);
	if (b->e && flags & BCE_RENAME_EXCHANGE) {
		moved(b, a);
		ent_put(a->dir, a->name, eb.inum, eb.subvol);
		ent_put(b->dir, b->name, ea.inum, ea.subvol);
		return;
	}
	if (b->e)
		lose_name(b->i);
	ent_del(a->dir, a->name);
	ent_put(b->dir, b->name, ea.inum, ea.subvol);
	if (flags & BCE_RENAME_WHITEOUT)
		apply_whiteout(m, a);
}

static void op_rename(struct model *m)
{
	static const unsigned int all_flags[] = { 0, 0, 0, BCE_RENAME_NOREPLACE,
						  BCE_RENAME_EXCHANGE, BCE_RENAME_WHITEOUT };
	struct m_side a = side_any(m), b = side_any(m);
	unsigned int flags = all_flags[below(6)];
	struct bce_inode out;
	int want;

	if (below(4)) {
		b.s = a.s;
		b.dir = below(2) ? a.dir : dir_any(b.s);
	}
	if (is_full(b.dir) || a.s->nr == MAX_INODES)
		return;
	want = expect_dir(a.s, a.dir) ?: expect_dir(b.s, b.dir);
	side_find(m, &a);
	side_find(m, &b);
	if (!want)
		want = expect_rename(m, &a, &b, flags);
	if (agree(m, "rename", names_rename(&m->r.w, file_id(a.s, a.dir), m->name[a.name],
					    strlen(m->name[a.name]), file_id(b.s, b.dir),
					    m->name[b.name], strlen(m->name[b.name]), flags, NULL,
					    &out),
		  want))
		apply_rename(m, &a, &b, flags);
}

/* ---- attributes, release ---- */

static void op_setattr(struct model *m)
{
	struct m_subvol *s = sub_any(m);
	struct m_inode *i = ino_any(s);
	struct bce_inode attrs = { .id = file_id(s, i), .uid = below(5) }, out;

	if (agree(m, "setattr", names_setattr(&m->r.w, &attrs, BCE_ATTR_UID, &out),
		  s->ro ? -EROFS : 0))
		i->uid = attrs.uid;
}

static void op_xattr(struct model *m)
{
	struct m_subvol *s = sub_any(m);
	struct m_inode *i = ino_any(s);
	int n = below(NR_XNAMES), at, want = 0, ret;
	u8 type = below(8) ? 0 : BCE_XATTR_TRUSTED, value[VALUE_MAX];
	unsigned int len = below(VALUE_MAX), flags = below(3);
	bool remove = !below(3);

	for (at = 0; at < i->nr_x; at++)
		if (i->x[at].name == n && i->x[at].type == type)
			break;
	if (at == MAX_XATTRS)
		return;
	memset(value, rnd(), sizeof(value));
	if (s->ro)
		want = -EROFS;
	else if (at < i->nr_x && flags & BCE_XATTR_CREATE)
		want = -EEXIST;
	else if (at == i->nr_x && (remove || flags & BCE_XATTR_REPLACE))
		want = -ENODATA;
	ret = names_xattr_set(&m->r.w, file_id(s, i), type, m->xname[n], remove ? NULL : value, len,
			      flags);
	if (!agree(m, "xattr", ret, want))
		return;
	if (remove) {
		i->x[at] = i->x[--i->nr_x];
		return;
	}
	if (at == i->nr_x)
		i->nr_x++;
	i->x[at] = (struct m_xattr) { .name = n, .type = type, .len = len };
	memcpy(i->x[at].value, value, len);
}

/* nobody has it open, in whatever subvolume */
static void op_release(struct model *m)
{
	struct m_inode *i = ino_any(sub_any(m));
	u64 inum = i->inum;

	if (!i->unlinked)
		return;
	for (int n = 0; n < MAX_SUBVOLS; n++) {
		struct m_subvol *s = &m->sub[n];

		i = s->id ? ino_find(s, inum) : NULL;
		if (!i || !i->unlinked)
			continue;
		agree(m, "release", names_inode_release(&m->r.w, file_id(s, i)), 0);
		ino_del(s, i);
	}
}

/* ---- subvolumes ---- */

static void op_subvol_create(struct model *m)
{
	struct m_subvol *s = sub_any(m), *new = sub_find(m, 0), *source = NULL;
	struct m_inode *dir = dir_any(s), *root;
	int n = below(NR_NAMES), want = expect_dir(s, dir);
	struct bce_create what = { .mode = S_IFDIR | 0750, .uid = 7 };
	bool ro = !below(4);
	struct bce_inode out;

	if (!new || is_full(dir))
		return;
	if (below(3))
		source = sub_any(m);
	if (!want && ent_find(dir, n))
		want = -EEXIST;
	if (!agree(m, "subvolume", names_subvolume_create(&m->r.w, file_id(s, dir), m->name[n],
			strlen(m->name[n]), source ? source->id : 0, ro ? BCE_SUBVOL_RO : 0, &what,
			&out), want))
		return;
	if (source) {
		*new = *source;
		for (int i = 0; i < new->nr; i++)
			for (int e = 0; e < new->ino[i].nr_ent; e++)
				if (new->ino[i].ent[e].subvol)
					new->ino[i].ent[e--] =
						new->ino[i].ent[--new->ino[i].nr_ent];
	} else {
		*new = (struct m_subvol) { .root = out.id.inum };
		root = ino_add(new, out.id.inum, S_IFDIR | 0750);
		root->uid = 7;
	}
	new->id = out.id.subvol;
	new->ro = ro;
	new->parent = s->id;
	new->dir = dir->inum;
	ent_put(dir, n, out.id.inum, new->id);
}

static void op_subvol_delete(struct model *m)
{
	struct m_subvol *s = &m->sub[below(MAX_SUBVOLS)], *in;
	struct m_inode *dir;
	int want, name = -1;

	if (!s->id || !s->parent)
		return;
	in = sub_find(m, s->parent);
	dir = ino_find(in, s->dir);
	for (int e = 0; e < dir->nr_ent; e++)
		if (dir->ent[e].subvol == s->id)
			name = dir->ent[e].name;
	assert_true(name >= 0);
	want = expect_dir(in, dir) ?: has_child_subvols(m, s->id) ? -ENOTEMPTY : 0;
	if (in->ro)
		want = -EROFS;
	if (!agree(m, "delete", names_subvolume_delete(&m->r.w, file_id(in, dir), m->name[name],
						       strlen(m->name[name])), want))
		return;
	ent_del(dir, name);
	s->id = 0;
}

static void op_subvol_ro(struct model *m)
{
	struct m_subvol *s = sub_any(m);

	if (s->id != 1 && agree(m, "ro", names_subvolume_set_ro(&m->r.w, s->id, !s->ro), 0))
		s->ro = !s->ro;
}

/* the background does not get far, or catches up */
static void op_pause(struct model *m)
{
	WRITE_ONCE(m->r.w.stopping, below(2));
}

static void op_clean(struct model *m)
{
	WRITE_ONCE(m->r.w.stopping, false);
	agree(m, "clean", names_snapshots_cleaned(&m->r.w), 0);
}

static void op_restart(struct model *m)
{
	agree(m, "restart", names_rig_restart(&m->r), 0);
	for (int n = 0; n < MAX_SUBVOLS; n++)
		for (int i = 0; m->sub[n].id && i < m->sub[n].nr; i++)
			if (m->sub[n].ino[i].unlinked)
				ino_del(&m->sub[n], &m->sub[n].ino[i--]);
}

/* ---- comparison ---- */

struct seen {
	struct model	*m;
	struct m_subvol	*s;
	struct m_inode	*i;
	int		nr;
};

static bool see_entry(void *ctx, const struct bce_dirent *d)
{
	struct seen *seen = ctx;

	for (int n = 0; n < NR_NAMES; n++) {
		struct m_entry *e = ent_find(seen->i, n);

		if (!e || strlen(seen->m->name[n]) != d->len ||
		    memcmp(seen->m->name[n], d->name, d->len))
			continue;
		assert_int_equal(d->target.inum, e->inum);
		assert_int_equal(d->target.subvol, e->subvol ?: seen->s->id);
		seen->nr++;
		return true;
	}
	if (d->len == 10 && !memcmp(d->name, "lost+found", 10))
		return true;
	fail_msg("directory %llu in %u has \"%.*s\" -> %u:%llu, the model does not", seen->i->inum,
		 seen->s->id, (int)d->len, d->name, d->target.subvol, d->target.inum);
	return false;
}

static bool count_xattr(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	struct seen *seen = ctx;

	seen->nr++;
	return true;
}

static void compare_inode(struct model *m, struct m_subvol *s, struct m_inode *i)
{
	const struct names_source *src = &m->r.w.src;
	struct seen seen = { m, s, i };
	u32 nlink = i->names;
	struct bce_inode got;
	u8 value[VALUE_MAX];

	if (names_inode_read(src, file_id(s, i), &got))
		fail_msg("inode %llu of subvolume %u is gone, unlinked %u", i->inum, s->id, i->unlinked);
	assert_int_equal(got.mode, i->mode);
	assert_int_equal(got.uid, i->uid);
	assert_int_equal(got.size, i->size);
	if (S_ISDIR(i->mode)) {
		nlink = 2 + (i->inum == 4096);	/* lost+found */
		for (int e = 0; e < i->nr_ent; e++)
			nlink += !i->ent[e].subvol && S_ISDIR(ino_find(s, i->ent[e].inum)->mode);
		assert_int_equal(names_readdir(src, &got, 0, see_entry, &seen), 0);
		assert_int_equal(seen.nr, i->nr_ent);
		for (int e = 0; e < i->nr_ent; e++) {
			struct bce_file_id id;
			const char *name = m->name[i->ent[e].name];

			assert_int_equal(names_dirent_lookup(src, &got, name, strlen(name), &id), 0);
			assert_int_equal(id.inum, i->ent[e].inum);
		}
	}
	assert_int_equal(got.nlink, i->unlinked ? 0 : nlink);
	for (int x = 0; x < i->nr_x; x++) {
		assert_int_equal(names_xattr_get(src, &got, i->x[x].type, m->xname[i->x[x].name],
						 value, sizeof(value)), i->x[x].len);
		assert_memory_equal(value, i->x[x].value, i->x[x].len);
	}
	seen.nr = 0;
	assert_int_equal(names_xattr_list(src, &got, count_xattr, &seen), 0);
	assert_int_equal(seen.nr, i->nr_x);
}

static void compare(struct model *m)
{
	for (int n = 0; n < MAX_SUBVOLS; n++)
		for (int i = 0; m->sub[n].id && i < m->sub[n].nr; i++)
			compare_inode(m, &m->sub[n], &m->sub[n].ino[i]);
	if (names_rig_check(&m->r)) {
		if (getenv("VERBOSE")) {
			names_rig_dump(&m->r, BTREE_ID_inodes);
			names_rig_dump(&m->r, BTREE_ID_dirents);
			names_rig_dump(&m->r, BTREE_ID_snapshots);
		}
		fail_msg("findings above; VERBOSE=1 shows the keys");
	}
	assert_int_equal(bce_log_errors_total(m->r.m.log), 0);
}

/* ---- rounds ---- */

static const struct {
	void		(*run)(struct model *m);
	unsigned int	weight;
} operations[] = {
	{ op_create, 40 }, { op_tmpfile, 2 }, { op_link, 12 }, { op_unlink, 30 },
	{ op_rename, 45 }, { op_setattr, 6 }, { op_xattr, 25 }, { op_release, 25 },
	{ op_subvol_create, 5 }, { op_subvol_delete, 5 }, { op_subvol_ro, 3 }, { op_clean, 1 }, { op_pause, 3 },
	{ op_restart, 1 },
};

static void run_one(struct model *m)
{
	unsigned int total = 0, pick, i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		total += operations[i].weight;
	pick = below(total);
	for (i = 0; pick >= operations[i].weight; i++)
		pick -= operations[i].weight;
	operations[i].run(m);
}

static void make_names(struct model *m)
{
	for (int n = 0; n < NR_NAMES; n++) {
		char prefix[8];

		snprintf(prefix, sizeof(prefix), "n%d", n);
		if (n < NR_FORGED)
			names_rig_forge(m->name[n], prefix, -1, 0x7000 + n / 5);
		else
			strcpy(m->name[n], prefix);
	}
	for (int n = 0; n < NR_XNAMES; n++) {
		char prefix[8];

		snprintf(prefix, sizeof(prefix), "x%d", n);
		names_rig_forge(m->xname[n], prefix, 0, 0x8000 + n / 3);
	}
}

static void random_operations(void **state)
{
	unsigned int rounds = getenv("ROUNDS") ? atoi(getenv("ROUNDS")) : 3000;
	unsigned int every = getenv("EVERY") ? atoi(getenv("EVERY")) : 150;
	struct model *m = calloc(1, sizeof(*m));

	names_rig_init(&m->r, NULL);
	m->r.restart_every = 3;
	make_names(m);
	m->sub[0] = (struct m_subvol) { .id = 1, .root = 4096 };
	ino_add(&m->sub[0], 4096, S_IFDIR | 0755);
	for (unsigned int i = 0; i < rounds; i++) {
		run_one(m);
		if (i % every == every - 1)
			compare(m);
	}
	compare(m);
	WRITE_ONCE(m->r.w.stopping, false);
	assert_int_equal(names_snapshots_cleaned(&m->r.w), 0);
	compare(m);
	print_message("%u operations done, %u refused, %u keys\n", m->done, m->refused,
		      names_rig_count(&m->r, BTREE_ID_dirents, -1) +
		      names_rig_count(&m->r, BTREE_ID_inodes, -1));
	names_rig_exit(&m->r);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
