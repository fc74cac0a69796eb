// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of what follows from other keys (lib/engine/check/mend.c, lib/engine/set/repair.c).
 *
 * A set with files, shared extents, free, emptied and fragmented buckets is damaged on purpose: keys of
 * one btree are dropped, changed or made up, by transactions without triggers, or a root is overwritten on the
 * device. The checker must find it; the repair must leave nothing to find, in memory and on the
 * devices, and not change one byte of one file; the set must be writable again. And: a crash at any
 * moment while the repair is written leaves a set that is repaired by doing it again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/check.h>
#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/format/passes.h"
#include "engine/format/values.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "engine/sb/sb.h"
#include "engine/sb/write.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "kapi/kapi.h"
#include "record.h"
#include "require.h"
#include "set_check.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT		((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define FILES		24
#define FILE_BYTES	(96 << 10)

static const struct small_shape shape = {
	.nr = 2, .replicas = 1, .dev_bytes = 24 << 20, .bucket_bytes = 64 << 10, .node = "32k", .block = "4k",
};

/* ---- a set with something of everything ---- */

static u8 *buffer(void)
{
	static u8 *data;

	if (!data)
		data = aligned_alloc(4096, FILE_BYTES);
	return data;
}

static void fill(u8 *data, unsigned int i)
{
	u64 x = i + 1;

	for (size_t at = 0; at < FILE_BYTES; at += 8)
		*(u64 *)(data + at) = x = x * 6364136223846793005ULL + 1442695040888963407ULL;
}

static struct bce_file_id file_make(struct small_set *s, unsigned int i)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;
	char name[8];

	snprintf(name, sizeof(name), "f%u", i);
	assert_int_equal(bce_create(s->set, ROOT, name, strlen(name), &what, &inode), 0);
	return inode.id;
}

/* for what is done to names: a directory with a file and a directory in it, a file with two names, one by itself */
static void make_names(struct small_set *s)
{
	struct bce_create dir = { .mode = S_IFDIR | 0755 }, what = { .mode = S_IFREG | 0644 };
	struct bce_inode d, inode;
	u8 *data = buffer();

	assert_int_equal(bce_create(s->set, ROOT, "dir", 3, &dir, &d), 0);
	assert_int_equal(bce_create(s->set, d.id, "sub", 3, &dir, &inode), 0);
	assert_int_equal(bce_create(s->set, d.id, "in", 2, &what, &inode), 0);
	assert_int_equal(bce_link(s->set, inode.id, d.id, "twice", 5, &inode), 0);
	assert_int_equal(bce_create(s->set, ROOT, "alone", 5, &what, &inode), 0);
	fill(data, 999);
	assert_int_equal(set_write(s->set, inode.id, 0, data, FILE_BYTES, FILE_BYTES, 0), 0);
	assert_int_equal(bce_xattr_set(s->set, inode.id, BCE_XATTR_USER, "a", "b", 1, 0), 0);
}

static void make_files(struct small_set *s)
{
	u8 *data = buffer();
	u64 done;

	for (unsigned int i = 0; i < FILES; i++) {
		struct bce_file_id file = file_make(s, i);

		fill(data, i);
		assert_int_equal(set_write(s->set, file, 0, data, FILE_BYTES, FILE_BYTES, 0), 0);
		if (i % 4)
			continue;
		assert_int_equal(bce_reflink(s->set, file, 0, file_make(s, i + 100), 0, FILE_BYTES / 512,
					     FILE_BYTES, &done), 0);
	}
	make_names(s);
	/* emptied and half-empty buckets */
	for (unsigned int i = 1; i < FILES; i += 2) {
		struct bce_inode inode;
		char name[8];

		if (i % 4 != 3)
			continue;
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(bce_unlink(s->set, ROOT, name, strlen(name), false, &inode), 0);
		assert_int_equal(bce_inode_release(s->set, inode.id), 0);
	}
	assert_int_equal(bce_sync(s->set), 0);
}

static void same_file(struct small_set *s, unsigned int i, unsigned int contents)
{
	u8 *data = buffer();
	static u8 *want;
	struct bce_inode root;
	struct bce_file_id id;
	char name[8];

	if (!want)
		want = aligned_alloc(4096, FILE_BYTES);
	snprintf(name, sizeof(name), "f%u", i);
	assert_int_equal(bce_inode_read(s->set, ROOT, &root), 0);
	assert_int_equal(bce_dirent_lookup(s->set, &root, name, strlen(name), &id), 0);
	fill(want, contents);
	assert_int_equal(set_read(s->set, id, 0, data, FILE_BYTES), 0);
	assert_memory_equal(data, want, FILE_BYTES);
}

static void same_files(struct small_set *s)
{
	for (unsigned int i = 0; i < FILES; i++) {
		if (i % 4 == 3)
			continue;
		same_file(s, i, i);
		if (i % 4 == 0)
			same_file(s, i + 100, i);
	}
}

static void open_rw(struct small_set *s)
{
	char why[512];

	if (small_set_open(s, why))
		fail_msg("%s", why);
}

static u64 inum_alone, inum_dir, inum_file;

static u64 number_of(struct small_set *s, const char *name)
{
	struct bce_file_id id;
	struct bce_inode root;

	assert_int_equal(bce_inode_read(s->set, ROOT, &root), 0);
	assert_int_equal(bce_dirent_lookup(s->set, &root, name, strlen(name), &id), 0);
	return id.inum;
}

static void note_numbers(struct small_set *s)
{
	inum_alone = number_of(s, "alone");
	inum_dir = number_of(s, "dir");
	inum_file = number_of(s, "f0");
}

/* made once: each test damages a copy */
static const struct small_set *model(void)
{
	static struct small_set s;

	if (!s.shape.nr) {
		small_set_format(&s, &shape);
		open_rw(&s);
		make_files(&s);
		note_numbers(&s);
		assert_int_equal(small_set_close(&s, true), 0);
		assert_int_equal(small_set_check(&s, "model"), 0);
	}
	return &s;
}

/* ---- damage ---- */

enum how { DROP_FIRST, DROP_LAST, DROP_ALL, CHANGE, ADD };

struct damage {
	const char	*name;
	unsigned int	btree_id;
	enum how	how;
	bool		(*pick)(const struct bkey *k);	/* the one that is meant; NULL: any */
	void		(*change)(struct bkey *k, u64 *v);
};

struct damage_run {
	const struct damage	*d;
	struct bpos		from;
	unsigned int		nr;
	struct bpos		last;
	bool			last_known;
};

#define CHUNK	32

/* the next keys; drops them all, or only remembers the last */
static int damage_some(struct bce_trans *t, void *ctx)
{
	struct damage_run *r = ctx;
	const struct damage *d = r->d;
	struct bpos at = r->from;
	u64 v[BKEY_VAL_U64S_MAX];
	struct bkey k;
	int ret = 0;

	r->nr = 0;
	for (unsigned int i = 0; i < CHUNK && !ret; i++) {
		ret = bce_trans_peek(t, d->btree_id, at, SPOS_MAX, NULL, 0, &k);
		if (ret)
			break;
		at = bpos_successor(k.p);
		if (d->pick && !d->pick(&k))
			goto next;
		r->last = k.p;
		r->last_known = true;
		if (d->how == DROP_ALL || d->how == DROP_FIRST) {
			ret = bce_trans_delete(t, d->btree_id, k.p, TRANS_NO_TRIGGER);
		} else if (d->how == CHANGE || d->how == ADD) {
			if (k.val_u64s)
				memcpy(v, k.v, bkey_val_bytes(&k));
			k.v = v;
			d->change(&k, v);
			ret = bce_trans_update(t, d->btree_id, &k, TRANS_NO_TRIGGER);
			if (!ret && d->how == CHANGE && bpos_cmp(k.p, r->last))
				ret = bce_trans_delete(t, d->btree_id, r->last, TRANS_NO_TRIGGER);
		}
		if (d->how != DROP_ALL && d->how != DROP_LAST) {
			r->nr = 0;
			return ret;
		}
next:
		r->nr++;
	}
	r->from = at;
	return ret == -ENOENT ? 0 : ret;
}

static int drop_last(struct bce_trans *t, void *ctx)
{
	struct damage_run *r = ctx;

	return bce_trans_delete(t, r->d->btree_id, r->last, TRANS_NO_TRIGGER);
}

static void damage(struct small_set *s, const struct damage *d)
{
	struct damage_run r = { .d = d, .from = POS_MIN };

	do {
		assert_int_equal(bce_trans_run(s->set->btrees, damage_some, &r, TRANS_COMMIT_NO_CHECK, NULL), 0);
	} while (r.nr == CHUNK);
	assert_true(r.last_known);
	if (d->how == DROP_LAST)
		assert_int_equal(bce_trans_run(s->set->btrees, drop_last, &r, TRANS_COMMIT_NO_CHECK, NULL), 0);
}

static const struct bch_alloc_v4 *alloc_of(const struct bkey *k)
{
	return k->type == KEY_TYPE_alloc_v4 ? k->v : NULL;
}

static bool is_user(const struct bkey *k)
{
	return alloc_of(k) && alloc_of(k)->data_type == BCH_DATA_user;
}

static bool is_btree(const struct bkey *k)
{
	return alloc_of(k) && alloc_of(k)->data_type == BCH_DATA_btree;
}

static bool is_journal(const struct bkey *k)
{
	return alloc_of(k) && alloc_of(k)->data_type == BCH_DATA_journal;
}

static bool is_empty(const struct bkey *k)
{
	return alloc_of(k) && (alloc_of(k)->data_type == BCH_DATA_free ||
			       alloc_of(k)->data_type == BCH_DATA_need_discard);
}

static struct bch_alloc_v4 *alloc_in(u64 *v)
{
	return (struct bch_alloc_v4 *)v;
}

static void fewer_sectors(struct bkey *k, u64 *v)
{
	alloc_in(v)->dirty_sectors = cpu_to_le32(le32_to_cpu(alloc_in(v)->dirty_sectors) - 8);
}

static void no_sectors(struct bkey *k, u64 *v)
{
	alloc_in(v)->dirty_sectors = 0;
	alloc_in(v)->data_type = BCH_DATA_free;
	alloc_in(v)->flags = cpu_to_le32(BITS_SET(0U, ALLOC_V4_BACKPOINTERS_START, ALLOC_V4_U64S));
}

static void some_sectors(struct bkey *k, u64 *v)
{
	alloc_in(v)->dirty_sectors = cpu_to_le32(16);
	alloc_in(v)->data_type = BCH_DATA_user;
}

static void older_gen(struct bkey *k, u64 *v)
{
	alloc_in(v)->gen--;
}

static void other_bucket(struct bkey *k, u64 *v)
{
	k->p.offset += 1 << 20;
}

static void shorter(struct bkey *k, u64 *v)
{
	k->p.offset--;
	k->size--;
}

static bool is_range(const struct bkey *k)
{
	return k->size > 1;
}

static void longer_time(struct bkey *k, u64 *v)
{
	k->p.inode++;
}

static void other_gens(struct bkey *k, u64 *v)
{
	v[2] += 5;
}

static void other_key(struct bkey *k, u64 *v)
{
	struct bch_backpointer *b = (void *)v;

	b->pos.offset = cpu_to_le64(le64_to_cpu(b->pos.offset) + 1);
}

static void beside(struct bkey *k, u64 *v)
{
	struct bch_backpointer *b = (void *)v;

	k->p.offset += 8 << BACKPOINTER_OFFSET_SHIFT;
	b->bucket_offset[1] += (8 << BACKPOINTER_OFFSET_SHIFT) >> 8;
}

static void count_more(struct bkey *k, u64 *v)
{
	v[0] += 1000;
}

static void more_references(struct bkey *k, u64 *v)
{
	v[0]++;
}

/* the inode with a size of its own: of the files one, of the directories those with links */
static bool is_file(const struct bkey *k)
{
	struct inode_fields f;

	return bce_key_type_is_inode(k->type) && !bce_inode_unpack(k, &f) && S_ISREG(f.mode) && f.sectors;
}

static bool has_links(const struct bkey *k)
{
	struct inode_fields f;

	return bce_key_type_is_inode(k->type) && !bce_inode_unpack(k, &f) && S_ISREG(f.mode) && f.nlink;
}

static bool is_alone(const struct bkey *k)
{
	return k->p.offset == inum_alone;
}

static bool is_dir(const struct bkey *k)
{
	return k->p.offset == inum_dir;
}

static bool names(const struct bkey *k, const char *name)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return false;
	bce_dirent_decode(k, &d);
	return d.name_len == strlen(name) && !memcmp(d.name, name, d.name_len);
}

static bool names_alone(const struct bkey *k)
{
	return names(k, "alone");
}

static bool names_dir(const struct bkey *k)
{
	return names(k, "dir");
}

static bool names_twice(const struct bkey *k)
{
	return names(k, "twice");
}

static void repack(struct bkey *k, u64 *v, const struct inode_fields *f)
{
	static struct inode_val val;

	bce_inode_pack(f, k, &val);
	memcpy(v, k->v, bkey_val_bytes(k));
	k->v = v;
}

static void unpack(const struct bkey *k, struct inode_fields *f)
{
	assert_null(bce_inode_unpack(k, f));
	f->inum = k->p.offset;
	f->snapshot = k->p.snapshot;
}

static void wrong_sectors(struct bkey *k, u64 *v)
{
	struct inode_fields f;

	unpack(k, &f);
	f.sectors += 8;
	repack(k, v, &f);
}

static void wrong_links(struct bkey *k, u64 *v)
{
	struct inode_fields f;

	unpack(k, &f);
	f.nlink += 3;
	repack(k, v, &f);
}

static void name_elsewhere(struct bkey *k, u64 *v)
{
	struct inode_fields f;

	unpack(k, &f);
	f.dir_offset += 77;
	repack(k, v, &f);
}

static void another_type(struct bkey *k, u64 *v)
{
	((struct bch_dirent *)v)->d_type = 10;
}

static void far_behind(struct bkey *k, u64 *v)
{
	k->p.offset += 1 << 20;
}

static void before(struct bkey *k, u64 *v)
{
	k->p.offset -= 3;
}

static void next_place(struct bkey *k, u64 *v)
{
	k->p.offset++;
}

static void of_another_file(struct bkey *k, u64 *v)
{
	next_place(k, v);
	((struct bch_dirent *)v)->d_inum = cpu_to_le64(inum_file);
}

static void shorter_file(struct bkey *k, u64 *v)
{
	struct inode_fields f;

	unpack(k, &f);
	f.size = 10000;
	repack(k, v, &f);
}

static void deeper(struct bkey *k, u64 *v)
{
	((struct bch_snapshot *)v)->depth = cpu_to_le32(4);
}

static void of_nobody(struct bkey *k, u64 *v)
{
	k->p.inode += 1 << 20;
}

static const struct damage damages[] = {
	{ "an inode's sectors", BTREE_ID_inodes, CHANGE, is_file, wrong_sectors },
	{ "a file's links", BTREE_ID_inodes, CHANGE, has_links, wrong_links },
	{ "a directory's links", BTREE_ID_inodes, CHANGE, is_dir, wrong_links },
	{ "a file that does not know its name", BTREE_ID_inodes, CHANGE, is_alone, name_elsewhere },
	{ "a directory that does not know its name", BTREE_ID_inodes, CHANGE, is_dir, name_elsewhere },
	{ "a file without name", BTREE_ID_dirents, DROP_FIRST, names_alone },
	{ "a directory without name", BTREE_ID_dirents, DROP_FIRST, names_dir },
	{ "one of two names", BTREE_ID_dirents, DROP_FIRST, names_twice },
	{ "a name of another type", BTREE_ID_dirents, CHANGE, names_alone, another_type },
	{ "no file behind a name", BTREE_ID_inodes, DROP_FIRST, is_alone },
	{ "no directory", BTREE_ID_inodes, DROP_FIRST, is_dir },
	{ "a name at the wrong place", BTREE_ID_dirents, CHANGE, names_alone, far_behind },
	{ "a directory's name before its place", BTREE_ID_dirents, CHANGE, names_dir, before },
	{ "a name twice", BTREE_ID_dirents, ADD, names_alone, next_place },
	{ "a name of two files", BTREE_ID_dirents, ADD, names_alone, of_another_file },
	{ "an attribute at the wrong place", BTREE_ID_xattrs, CHANGE, NULL, far_behind },
	{ "an attribute twice", BTREE_ID_xattrs, ADD, NULL, next_place },
	{ "data behind the end", BTREE_ID_inodes, CHANGE, is_alone, shorter_file },
	{ "a snapshot deeper than it is", BTREE_ID_snapshots, CHANGE, NULL, deeper },
	{ "no snapshot", BTREE_ID_snapshots, DROP_FIRST },
	{ "no snapshot tree", BTREE_ID_snapshot_trees, DROP_FIRST },
	{ "no subvolume", BTREE_ID_subvolumes, DROP_FIRST },
	{ "an attribute of nobody", BTREE_ID_xattrs, ADD, NULL, of_nobody },
	{ "an entry of nobody's directory", BTREE_ID_dirents, ADD, names_alone, of_nobody },
	{ "alloc key of a data bucket", BTREE_ID_alloc, DROP_FIRST, is_user },
	{ "alloc key of a bucket of nodes", BTREE_ID_alloc, DROP_FIRST, is_btree },
	{ "alloc key of a journal bucket", BTREE_ID_alloc, DROP_FIRST, is_journal },
	{ "alloc keys of all data buckets", BTREE_ID_alloc, DROP_ALL, is_user },
	{ "all alloc keys", BTREE_ID_alloc, DROP_ALL },
	{ "too few sectors", BTREE_ID_alloc, CHANGE, is_user, fewer_sectors },
	{ "a bucket in use called free", BTREE_ID_alloc, CHANGE, is_user, no_sectors },
	{ "a bucket of nodes called free", BTREE_ID_alloc, CHANGE, is_btree, no_sectors },
	{ "an empty bucket with sectors", BTREE_ID_alloc, CHANGE, is_empty, some_sectors },
	{ "an older generation", BTREE_ID_alloc, CHANGE, is_user, older_gen },
	{ "alloc key of no bucket", BTREE_ID_alloc, ADD, is_user, other_bucket },
	{ "a range of free buckets", BTREE_ID_freespace, DROP_FIRST },
	{ "all free buckets", BTREE_ID_freespace, DROP_ALL },
	{ "a free bucket less", BTREE_ID_freespace, CHANGE, is_range, shorter },
	{ "free buckets of nobody", BTREE_ID_freespace, ADD, NULL, other_bucket },
	{ "no fragmented buckets", BTREE_ID_lru, DROP_ALL },
	{ "a fragmented bucket twice", BTREE_ID_lru, ADD, NULL, longer_time },
	{ "generations", BTREE_ID_bucket_gens, CHANGE, NULL, other_gens },
	{ "no generations", BTREE_ID_bucket_gens, DROP_ALL },
	{ "a backpointer", BTREE_ID_backpointers, DROP_FIRST },
	{ "the last backpointer", BTREE_ID_backpointers, DROP_LAST },
	{ "all backpointers", BTREE_ID_backpointers, DROP_ALL },
	{ "a backpointer that leads elsewhere", BTREE_ID_backpointers, CHANGE, NULL, other_key },
	{ "a backpointer too many", BTREE_ID_backpointers, ADD, NULL, beside },
	{ "a counter", BTREE_ID_accounting, CHANGE, NULL, count_more },
	{ "no counter", BTREE_ID_accounting, DROP_ALL },
	{ "references to an indirect extent", BTREE_ID_reflink, CHANGE, NULL, more_references },
};

/* ---- repair ---- */

static void count_lines(void *ctx, const char *line)
{
	++*(unsigned int *)ctx;
	if (getenv("VERBOSE"))
		fprintf(stderr, "# said: %s\n", line);
}

static long repair(struct small_set *s, unsigned int *lines)
{
	struct bce_repair_opts opts = { .said = count_lines, .said_ctx = lines };
	struct bce_check_result after;
	char why[512];
	long ret;

	*lines = 0;
	if (small_set_start(s, why))
		fail_msg("%s", why);
	ret = bce_set_repair(s->set, &opts, &after, why);
	if (ret < 0)
		fail_msg("%ld: %s", ret, why);
	assert_int_equal(after.findings, 0);
	return ret;
}

static void repair_and_write(struct small_set *s)
{
	unsigned int lines;
	char why[512];
	long changes = repair(s, &lines);

	assert_true(changes > 0);
	assert_true(lines > 0);
	if (bce_set_repair_commit(s->set, why) || bce_set_go_rw(s->set, why))
		fail_msg("%s", why);
}

static void works_again(struct small_set *s)
{
	struct bce_file_id file;
	u8 *data = buffer();

	same_files(s);
	for (unsigned int i = 50; i < 60; i++) {
		file = file_make(s, i);
		fill(data, i);
		assert_int_equal(set_write(s->set, file, 0, data, FILE_BYTES, FILE_BYTES, 0), 0);
	}
	assert_int_equal(bce_sync(s->set), 0);
	same_files(s);
}

static s64 findings(struct small_set *s)
{
	int saved = dup(2);
	s64 nr;

	/* they are what is wanted */
	if (!getenv("VERBOSE"))
		require(freopen("/dev/null", "w", stderr));
	nr = small_set_check(s, "damaged");
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	return nr;
}

/* KEEP=PREFIX: the repaired sets stay, for the in-tree driver to judge */
static void keep(struct small_set *s, const struct damage *d, bool clean)
{
	char prefix[200];

	if (!getenv("KEEP"))
		return;
	snprintf(prefix, sizeof(prefix), "%s%zu%s.", getenv("KEEP"), (size_t)(d - damages), clean ? "c" : "d");
	small_set_keep(s, prefix);
}

static void one(const struct damage *d, bool clean)
{
	struct small_set s;

	small_set_copy(&s, model());
	s.quiet = true;
	open_rw(&s);
	damage(&s, d);
	assert_int_equal(bce_sync(s.set), 0);
	/* what the shutdown meets may end it */
	small_set_close(&s, clean);
	if (findings(&s) <= 0)
		fail_msg("%s: not found", d->name);
	repair_and_write(&s);
	works_again(&s);
	assert_int_equal(small_set_close(&s, true), 0);
	if (small_set_check(&s, d->name))
		fail_msg("%s: findings left", d->name);
	keep(&s, d, clean);
	small_set_free(&s);
}

static void each_damage(void **state)
{
	const char *only = getenv("ONLY");

	for (unsigned int i = 0; i < ARRAY_SIZE(damages); i++) {
		if (only && !strstr(damages[i].name, only))
			continue;
		if (getenv("VERBOSE"))
			fprintf(stderr, "# %s\n", damages[i].name);
		/* in the journal these keys are changes, and ours look older than what is there */
		if (damages[i].btree_id != BTREE_ID_accounting)
			one(&damages[i], false);
		one(&damages[i], true);
	}
}

/* ---- the superblock asks ---- */

static void ask_for_passes(struct small_set *s)
{
	struct bch_sb_field_ext *ext;

	bce_sb_edit_begin(s->set->rw->sb);
	ext = bce_sb_ext(s->set->rw->sb);
	require(!IS_ERR(ext));
	ext->recovery_passes_required[0] = cpu_to_le64(BIT_ULL(BCH_PASS_STABLE_check_allocations));
	require(!bce_sb_error_count(s->set->rw->sb, BCE_ERR_alloc_key_data_type_wrong, 3));
	require(!bce_sb_write(s->set->rw->sb));
	bce_sb_edit_end(s->set->rw->sb);
}

static void asked_for(void **state)
{
	struct small_set s;
	unsigned int lines;
	char why[512];

	small_set_copy(&s, model());
	open_rw(&s);
	assert_false(bce_set_wants_check(s.set));
	ask_for_passes(&s);
	assert_int_equal(small_set_close(&s, true), 0);

	assert_int_equal(small_set_open(&s, why), -EROFS);
	assert_non_null(strstr(why, "recovery passes"));
	assert_int_equal(small_set_start(&s, why), 0);
	assert_true(bce_set_wants_check(s.set));
	small_set_close(&s, false);

	/* nothing is wrong: only the superblock changes */
	assert_int_equal(repair(&s, &lines), 0);
	assert_int_equal(lines, 0);
	assert_int_equal(bce_set_repair_commit(s.set, why), 0);
	assert_int_equal(bce_set_go_rw(s.set, why), 0);
	works_again(&s);
	assert_int_equal(small_set_close(&s, true), 0);
	open_rw(&s);
	assert_false(bce_set_wants_check(s.set));
	assert_int_equal(small_set_close(&s, true), 0);
	assert_int_equal(small_set_check(&s, "asked for"), 0);
	small_set_free(&s);
}

/* ---- before it is told to, it writes nothing ---- */

static void same_members(const struct small_set *a, const struct small_set *b)
{
	static u8 l[1 << 16], r[1 << 16];

	for (unsigned int i = 0; i < a->shape.nr; i++)
		for (u64 at = 0; at < a->shape.dev_bytes; at += sizeof(l)) {
			assert_int_equal(pread(a->fd[i], l, sizeof(l), at), sizeof(l));
			assert_int_equal(pread(b->fd[i], r, sizeof(r), at), sizeof(r));
			assert_memory_equal(l, r, sizeof(l));
		}
}

static const struct damage *damage_named(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(damages); i++)
		if (!strcmp(damages[i].name, name))
			return &damages[i];
	fail_msg("no damage is named %s", name);
	return NULL;
}

/* @name: one or, up to NULL, several */
static void damaged_copies(struct small_set *s, const char *const *name)
{
	small_set_copy(s, model());
	s->quiet = true;
	open_rw(s);
	for (; *name; name++)
		damage(s, damage_named(*name));
	ask_for_passes(s);
	assert_int_equal(bce_sync(s->set), 0);
	small_set_close(s, false);
}

static void damaged_copy(struct small_set *s, const char *name)
{
	damaged_copies(s, (const char *const []) { name, NULL });
}

static void nothing_before(void **state)
{
	struct small_set s, before;
	struct bce_repair_opts opts = { };
	struct bce_check_result after;
	unsigned int lines;
	char why[512];

	damaged_copy(&s, "alloc keys of all data buckets");
	small_set_copy(&before, &s);
	assert_true(repair(&s, &lines) > 0);
	/* once only, and it is read as it will be */
	assert_int_equal(bce_set_repair(s.set, &opts, &after, why), -EINVAL);
	same_files(&s);
	small_set_close(&s, false);
	same_members(&s, &before);
	small_set_free(&before);
	small_set_free(&s);
}

/* ---- what cannot be read ---- */

struct node_place {
	struct extent_ptr	ptr;
	unsigned int		level;
	bool			found;
};

static int note_place(void *ctx, const struct btree_node_view *v)
{
	struct node_place *p = ctx;
	struct extent_ptr_decoded d;
	struct extent_walk w;

	bce_extent_walk_init(&w, v->ptr, 32);
	p->found = bce_extent_next_ptr(&w, &d);
	p->ptr = d.ptr;
	/* the root, or the first node of the lowest level */
	return p->found && v->level == p->level;
}

/* false: it has none on the device */
static bool spoil_node(struct small_set *s, unsigned int btree_id, bool leaf)
{
	struct node_place p = { };
	static const u8 junk[4096] = { 0xa5 };
	char why[512];

	if (small_set_start(s, why))
		fail_msg("%s", why);
	p.level = leaf ? 0 : bce_btree_root_level(s->set->btrees, btree_id);
	bce_btree_for_each_node(s->set->btrees, btree_id, note_place, &p);
	small_set_close(s, false);
	if (!p.found)
		return false;
	assert_int_equal(pwrite(s->fd[p.ptr.dev], junk, sizeof(junk), p.ptr.sector * 512), sizeof(junk));
	return true;
}

static const unsigned int derived[] = {
	BTREE_ID_alloc, BTREE_ID_freespace, BTREE_ID_need_discard, BTREE_ID_lru, BTREE_ID_bucket_gens,
	BTREE_ID_backpointers, BTREE_ID_accounting,
};

static void repaired_from(struct small_set *s, const char *what)
{
	s->quiet = true;
	repair_and_write(s);
	works_again(s);
	assert_int_equal(small_set_close(s, true), 0);
	if (small_set_check(s, what))
		fail_msg("%s: findings left", what);
	small_set_free(s);
}

static void unreadable(void **state)
{
	unsigned int spoilt = 0;
	struct small_set s;

	for (unsigned int i = 0; i < ARRAY_SIZE(derived); i++)
		for (unsigned int leaf = 0; leaf < 2; leaf++) {
			small_set_copy(&s, model());
			if (!spoil_node(&s, derived[i], leaf)) {
				small_set_free(&s);
				continue;
			}
			repaired_from(&s, leaf ? "a leaf" : "a root");
			spoilt++;
		}
	assert_true(spoilt > 8);
	/* all of them */
	small_set_copy(&s, model());
	for (unsigned int i = 0; i < ARRAY_SIZE(derived); i++)
		spoil_node(&s, derived[i], false);
	repaired_from(&s, "all roots");
}

/* the passes come by it again and again: one damage is told once */
static void told_once(void **state)
{
	static const unsigned int btree[] = { BTREE_ID_inodes, BTREE_ID_extents, BTREE_ID_dirents };
	struct bce_check_opts opts = { };
	struct bce_check_result r;
	struct small_set s;
	char why[512];

	for (unsigned int i = 0; i < ARRAY_SIZE(btree); i++) {
		small_set_copy(&s, model());
		s.quiet = true;
		assert_true(spoil_node(&s, btree[i], true));
		assert_int_equal(small_set_start(&s, why), 0);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(bce_set_check(s.set, &opts, &r), 0);
			assert_int_equal(r.by_id[BCE_ERR_btree_node_read_error], 1);
			assert_int_equal(r.by_id[BCE_ERR_btree_node_bad_magic], 1);
		}
		small_set_close(&s, false);
		small_set_free(&s);
	}
}

/* where files are cannot be derived: nothing is done */
static void not_derived(void **state)
{
	struct bce_repair_opts opts = { };
	struct bce_check_result after;
	struct small_set s, before;
	char why[512];

	small_set_copy(&s, model());
	s.quiet = true;
	assert_true(spoil_node(&s, BTREE_ID_extents, true));
	assert_true(spoil_node(&s, BTREE_ID_alloc, false));
	small_set_copy(&before, &s);
	assert_int_equal(small_set_start(&s, why), 0);
	assert_int_equal(bce_set_repair(s.set, &opts, &after, why), -EIO);
	assert_non_null(strstr(why, "btree extents"));
	assert_int_equal(bce_set_repair_commit(s.set, why), -EINVAL);
	small_set_close(&s, false);
	same_members(&s, &before);
	small_set_free(&before);
	small_set_free(&s);
}

/* ---- crashes while it is written ---- */

static void open_recorded(struct small_set *s, struct record *r)
{
	struct bce_member_source src[SMALL_SET_DEVS];
	struct bce_open_opts opts = { };
	char why[512];

	for (unsigned int i = 0; i < s->shape.nr; i++)
		src[i] = (struct bce_member_source) { record_bdev(r, i), "member" };
	if (bce_set_open(&s->set, src, s->shape.nr, &opts, s, why) || bce_set_start(s->set))
		fail_msg("%s", why);
}

static int after_crash(void *ctx, struct crash_image *img)
{
	struct small_set s = { .shape = shape, .quiet = true };
	s64 *repaired = ctx;
	unsigned int lines;
	char why[512];
	bool wants;
	s64 found;

	for (unsigned int i = 0; i < img->nr; i++)
		s.fd[i] = img->fd[i];
	found = findings(&s);
	if (found < 0)
		fail_msg("%s: cannot be read", img->name);
	if (small_set_start(&s, why))
		fail_msg("%s: %s", img->name, why);
	wants = bce_set_wants_check(s.set);
	small_set_close(&s, false);
	if (found && !wants)
		fail_msg("%s: %lld findings, and nobody would look for them", img->name, (long long)found);
	if (!wants)
		return 0;
	++*repaired;
	repair(&s, &lines);
	if (bce_set_repair_commit(s.set, why))
		fail_msg("%s: %s", img->name, why);
	same_files(&s);
	assert_int_equal(small_set_close(&s, true), 0);
	if (small_set_check(&s, img->name))
		fail_msg("%s: findings left", img->name);
	return 0;
}

static void crash_while_repaired(const char *const *names, const struct crash_plan *plan)
{
	struct bce_repair_opts opts = { };
	struct bce_check_result after;
	s64 repaired = 0;
	struct small_set s;
	struct record *r;
	char why[512];
	size_t nr;

	damaged_copies(&s, names);
	r = record_start(s.fd, s.shape.nr, 4096);
	open_recorded(&s, r);
	assert_true(bce_set_repair(s.set, &opts, &after, why) > 0);
	assert_int_equal(bce_set_repair_commit(s.set, why), 0);
	bce_set_detach(s.set, &s);
	bce_set_put(s.set);
	s.set = NULL;
	record_stop(r);
	assert_int_equal(crash_each(r, plan, after_crash, &repaired, &nr), 0);
	assert_true(repaired > 10);
	record_free(r);
	small_set_free(&s);
}

static void crashes(void **state)
{
	static const char *const names[] = { "all alloc keys", NULL };

	crash_while_repaired(names, &(const struct crash_plan) { .seeds = 2, .max = 40 });
}

/* names move, and their inodes with them */
static void crashes_among_names(void **state)
{
	static const char *const names[] = {
		"a directory's name before its place", "a name of two files", "an attribute at the wrong place",
		"data behind the end", "a snapshot deeper than it is", "no snapshot tree", NULL,
	};

	crash_while_repaired(names, &(const struct crash_plan) { .seeds = 2, .max = 30 });
}

/* ---- something fails on the way ---- */

struct write_fault {
	struct kapi_bdev_fault	ops;
	atomic_t		left;		/* writes until one fails */
	bool			failed;
};

static blk_status_t maybe_fail(struct bio *bio, void *priv)
{
	struct write_fault *f = priv;

	if (bio_op(bio) != REQ_OP_WRITE || atomic_dec_return(&f->left))
		return BLK_STS_OK;
	f->failed = true;
	return BLK_STS_IOERR;
}

/* repair to the end, with whatever fails on the way */
static void repair_or_not(struct small_set *s)
{
	struct bce_repair_opts opts = { };
	struct bce_check_result after;
	char why[512];

	if (bce_set_repair(s->set, &opts, &after, why) >= 0)
		bce_set_repair_commit(s->set, why);
	else
		assert_true(why[0]);
}

/* and then without */
static void ends_well(struct small_set *s, const char *what, u64 nth)
{
	bool wants;
	char why[512];

	if (small_set_start(s, why))
		fail_msg("%s %llu: %s", what, (unsigned long long)nth, why);
	wants = bce_set_wants_check(s->set);
	small_set_close(s, false);
	if (wants) {
		unsigned int lines;

		repair(s, &lines);
		if (bce_set_repair_commit(s->set, why) || bce_set_go_rw(s->set, why))
			fail_msg("%s %llu: %s", what, (unsigned long long)nth, why);
	} else {
		open_rw(s);
	}
	same_files(s);
	assert_int_equal(small_set_close(s, true), 0);
	if (small_set_check(s, what))
		fail_msg("%s %llu: findings left", what, (unsigned long long)nth);
}

static void allocations_fail(void **state)
{
	struct small_set model, s;
	bool failed = true;
	char why[512];
	u64 nth;

	damaged_copy(&model, "all alloc keys");
	for (nth = 1; failed; nth += nth < 100 ? 29 : nth / 4) {
		small_set_copy(&s, &model);
		s.quiet = true;
		if (small_set_start(&s, why))
			fail_msg("%s", why);
		kapi_alloc_fail(nth, false);
		repair_or_not(&s);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		small_set_close(&s, false);
		ends_well(&s, "allocation", nth);
		small_set_free(&s);
	}
	assert_true(nth > 1000);
	small_set_free(&model);
}

static void writes_fail(void **state)
{
	struct small_set model, s;
	bool failed = true;
	char why[512];
	int nth;

	damaged_copy(&model, "all alloc keys");
	for (nth = getenv("NTH") ? atoi(getenv("NTH")) : 1; failed; nth += 3) {
		struct write_fault f = { .ops = { .before = maybe_fail, .priv = &f }, .left = ATOMIC_INIT(nth) };

		small_set_copy(&s, &model);
		s.quiet = true;
		s.fault = &f.ops;
		if (small_set_start(&s, why))
			fail_msg("%s", why);
		repair_or_not(&s);
		small_set_close(&s, false);
		failed = f.failed;
		s.fault = NULL;
		ends_well(&s, "write", nth);
		small_set_free(&s);
	}
	assert_true(nth > 10);
	small_set_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_damage),
		cmocka_unit_test(asked_for),
		cmocka_unit_test(nothing_before),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(told_once),
		cmocka_unit_test(not_derived),
		cmocka_unit_test(crashes),
		cmocka_unit_test(crashes_among_names),
		cmocka_unit_test(allocations_fail),
		cmocka_unit_test(writes_fail),
	};

	if (getenv("TEST"))
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
