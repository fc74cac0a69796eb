// SPDX-License-Identifier: GPL-2.0
/*
 * One thing fails, at every point: the n-th allocation, read, write or flush of a short script over a
 * whole set, from its start (the first one, or the recovery after a crash) to its shutdown.
 *
 *   fresh set, or one that was crashed half-way
 *        |  n-th ... fails
 *   start, steps of the script                every state after a step is known from a run without faults
 *        |  a step fails: it was done, or nothing of it was
 *        |  what comes after it works; or the set is read-only, and still readable
 *   shutdown
 *        |
 *   start, without faults                     clean shutdown: exactly what was told
 *        |                                    else: all up to the last sync, and then a part of the steps
 *   shutdown, checker                         no finding, nothing leaked
 *
 * With two members and two copies of everything the script must not notice one failed read, write or flush.
 *
 * FAULT_STRIDE=n tries every n-th point (1: all of them); the default is a sample. FAULT_ONLY=n tries one. SEED=
 * moves the sample.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "engine/format/sb.h"
#include "engine/sb/sb.h"
#include "random.h"
#include "require.h"
#include "set_io.h"
#include "small_set.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define leaked()	__lsan_do_recoverable_leak_check()
#else
#define leaked()	0
#endif

#define ROOT		((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define KIB		1024ULL
#define FILE_MAX	(256 * KIB)

/* ---- the script ---- */

enum what {
	DO_MKDIR, DO_MKFILE, DO_SYMLINK, DO_WRITE, DO_TRUNCATE, DO_REFLINK, DO_FALLOCATE, DO_PUNCH, DO_INSERT, DO_COLLAPSE, DO_XATTR,
	DO_RENAME, DO_EXCHANGE, DO_LINK, DO_UNLINK, DO_SNAPSHOT, DO_UNSNAPSHOT, DO_CLEANED, DO_SYNC,
};

struct step {
	enum what	what;
	const char	*path, *other;
	u64		at, bytes, size;
	bool		in_pieces;	/* several transactions: blocks of a file may be old or new */
	bool		resumed;	/* if it fails half-way, the next start ends it */
};

static const struct step steps[] = {
	{ DO_MKDIR, "d" },
	{ DO_MKFILE, "d/a" },
	{ DO_WRITE, "d/a", .bytes = 24 * KIB, .size = 24 * KIB },
	{ DO_MKFILE, "b" },
	{ DO_WRITE, "b", .bytes = 4 * KIB, .size = 300 },
	{ DO_XATTR, "b" },
	{ DO_SYNC },
	{ DO_WRITE, "d/a", .at = 4 * KIB, .bytes = 8 * KIB },
	{ DO_MKFILE, "big" },
	{ DO_WRITE, "big", .bytes = 200 * KIB, .size = 200 * KIB, .in_pieces = true },
	{ DO_SYMLINK, "l" },
	{ DO_TRUNCATE, "d/a", .size = 21 * KIB + 7 },
	{ DO_MKFILE, "c" },
	{ DO_REFLINK, "d/a", "c", .bytes = 16 * KIB, .size = 16 * KIB, .in_pieces = true },
	{ DO_WRITE, "c", .at = 4 * KIB, .bytes = 4 * KIB },
	{ DO_SYNC },
	{ DO_MKFILE, "e" },
	{ DO_FALLOCATE, "e", .bytes = 64 * KIB, .size = 64 * KIB, .in_pieces = true },
	{ DO_WRITE, "e", .at = 16 * KIB, .bytes = 8 * KIB },
	{ DO_INSERT, "e", .at = 4 * KIB, .bytes = 8 * KIB, .resumed = true },
	{ DO_COLLAPSE, "e", .at = 0, .bytes = 4 * KIB, .resumed = true },
	{ DO_PUNCH, "e", .at = 20 * KIB, .bytes = 4 * KIB, .in_pieces = true },
	{ DO_RENAME, "b", "d/b" },
	{ DO_LINK, "d/b", "hard" },
	{ DO_EXCHANGE, "c", "e" },
	{ DO_SNAPSHOT, "s" },
	{ DO_WRITE, "d/a", .at = 0, .bytes = 8 * KIB },
	{ DO_WRITE, "s/d/a", .at = 8 * KIB, .bytes = 4 * KIB },
	{ DO_UNLINK, "c" },
	{ DO_RENAME, "s/e", "s/c" },
	{ DO_TRUNCATE, "big", .size = 0 },
	{ DO_SYNC },
	{ DO_UNSNAPSHOT, "s" },
	{ DO_CLEANED },
	{ DO_UNLINK, "hard" },
	{ DO_SYNC },
};
#define STEPS		((int)ARRAY_SIZE(steps))
/* where the crashed set was crashed: behind the second sync */
#define CRASHED_AT	16

static const char *const paths[] = {
	"d", "d/a", "b", "big", "l", "c", "e", "d/b", "hard", "s", "s/d/a", "s/big", "s/c", "s/e",
};
#define PATHS		((int)ARRAY_SIZE(paths))

static u8 buffer[FILE_MAX] __attribute__((aligned(4096)));

/* what a write puts where: by step */
static u8 *contents(const struct step *s)
{
	u64 i;

	memset(buffer, 0, s->bytes);
	for (i = 0; i < s->bytes && (!s->size || s->at + i < s->size); i++)
		buffer[i] = (s - steps) * 37 + i / 512 * 5 + (i & 7);
	return buffer;
}

/* ---- paths ---- */

/* @last: out, where its last part begins. Return: the directory, or where @path leads without @last */
static int resolve(struct bce_set *set, const char *path, const char **last, struct bce_file_id *id)
{
	struct bce_inode dir;
	const char *slash;
	int ret;

	for (*id = ROOT; ; path = slash + 1) {
		slash = strchrnul(path, '/');
		if (last && !*slash) {
			*last = path;
			return 0;
		}
		ret = bce_inode_read(set, *id, &dir) ?:
		      bce_dirent_lookup(set, &dir, path, slash - path, id);
		if (ret || !*slash)
			return ret;
	}
}

static int make(struct bce_set *set, const struct step *s)
{
	struct bce_create what = {
		.mode = s->what == DO_MKDIR ? S_IFDIR | 0755 : s->what == DO_SYMLINK ? S_IFLNK | 0777 :
			S_IFREG | 0640,
		.symlink = s->what == DO_SYMLINK ? "where/it/points" : NULL,
	};
	struct bce_inode out;
	struct bce_file_id dir;
	const char *name;

	return resolve(set, s->path, &name, &dir) ?:
	       bce_create(set, dir, name, strlen(name), &what, &out);
}

static int change(struct bce_set *set, const struct step *s)
{
	u64 at = s->at / 512, sectors = s->bytes / 512;
	struct bce_file_id id, other;
	struct bce_inode out;
	u64 done;
	int ret = resolve(set, s->path, NULL, &id);

	if (ret)
		return ret;
	switch (s->what) {
	case DO_WRITE:
		return set_write(set, id, at, contents(s), s->bytes, s->size, 0);
	case DO_TRUNCATE:
		return bce_truncate(set, id, s->size, &out);
	case DO_FALLOCATE:
		return bce_fallocate(set, id, at, at + sectors, false, s->size);
	case DO_PUNCH:
		return bce_punch(set, id, at, at + sectors);
	case DO_INSERT:
		return bce_insert_range(set, id, at, sectors);
	case DO_COLLAPSE:
		return bce_collapse_range(set, id, at, sectors);
	case DO_XATTR:
		return bce_xattr_set(set, id, BCE_XATTR_USER, "colour", "green", 5, 0);
	default:
		return resolve(set, s->other, NULL, &other) ?:
		       bce_reflink(set, id, at, other, at, sectors, s->size, &done);
	}
}

static int unlink_step(struct bce_set *set, struct bce_file_id dir, const char *name)
{
	struct bce_inode out;
	int ret = bce_unlink(set, dir, name, strlen(name), false, &out);

	return ret || !(out.flags & BCE_INODE_UNLINKED) ? ret : bce_inode_release(set, out.id);
}

static int change_name(struct bce_set *set, const struct step *s)
{
	struct bce_file_id dir, to, id;
	const char *name, *name_to;
	struct bce_inode out;
	int ret = resolve(set, s->path, &name, &dir);

	if (!ret && s->other)
		ret = resolve(set, s->other, &name_to, &to);
	if (ret)
		return ret;
	switch (s->what) {
	case DO_RENAME:
	case DO_EXCHANGE:
		return bce_rename(set, dir, name, strlen(name), to, name_to, strlen(name_to),
				  s->what == DO_EXCHANGE ? BCE_RENAME_EXCHANGE : 0, NULL, &out);
	case DO_LINK:
		return resolve(set, s->path, NULL, &id) ?:
		       bce_link(set, id, to, name_to, strlen(name_to), &out);
	case DO_UNLINK:
		return unlink_step(set, dir, name);
	case DO_SNAPSHOT:
		return bce_subvolume_create(set, dir, name, strlen(name), BCE_ROOT_SUBVOL, 0, NULL, &out);
	default:
		return bce_subvolume_delete(set, dir, name, strlen(name));
	}
}

static int step_do(struct bce_set *set, const struct step *s)
{
	switch (s->what) {
	case DO_MKDIR: case DO_MKFILE: case DO_SYMLINK:
		return make(set, s);
	case DO_WRITE: case DO_TRUNCATE: case DO_REFLINK: case DO_FALLOCATE: case DO_PUNCH: case DO_INSERT: case DO_COLLAPSE:
	case DO_XATTR:
		return change(set, s);
	case DO_CLEANED:
		return bce_snapshots_cleaned(set);
	case DO_SYNC:
		return bce_sync(set);
	default:
		return change_name(set, s);
	}
}

/* ---- states ---- */

struct file_state {
	bool	exists;
	umode_t	mode;
	u32	nlink;
	u64	size;
	int	attr_bytes;
	u8	attr[16];
	u8	*data;		/* of files and links: whole blocks */
};

struct tree_state {
	struct file_state f[PATHS];
};

static void state_free(struct tree_state *t)
{
	for (int i = 0; i < PATHS; i++)
		free(t->f[i].data);
	*t = (struct tree_state) { };
}

static int file_read(struct bce_set *set, const char *path, struct file_state *f)
{
	struct bce_file_id id;
	struct bce_inode i;
	int ret = resolve(set, path, NULL, &id) ?: bce_inode_read(set, id, &i);

	*f = (struct file_state) { };
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	*f = (struct file_state) {
		.exists = true, .mode = i.mode, .nlink = i.nlink, .size = S_ISDIR(i.mode) ? 0 : i.size,
	};
	f->attr_bytes = bce_xattr_get(set, &i, BCE_XATTR_USER, "colour", f->attr, sizeof(f->attr));
	if (f->attr_bytes < 0 && f->attr_bytes != -ENODATA)
		return f->attr_bytes;
	if (!f->size)
		return 0;
	require(f->size <= FILE_MAX);
	f->data = malloc(round_up(f->size, 4096));
	ret = set_read(set, id, 0, buffer, round_up(f->size, 4096));
	memcpy(f->data, buffer, round_up(f->size, 4096));
	return ret;
}

static int state_read(struct bce_set *set, struct tree_state *t)
{
	int ret = 0;

	for (int i = 0; i < PATHS && !ret; i++)
		ret = file_read(set, paths[i], &t->f[i]);
	return ret;
}

static bool file_same(const struct file_state *a, const struct file_state *b)
{
	if (a->exists != b->exists)
		return false;
	return !a->exists ||
	       (a->mode == b->mode && a->nlink == b->nlink && a->size == b->size &&
		a->attr_bytes == b->attr_bytes &&
		(a->attr_bytes < 0 || !memcmp(a->attr, b->attr, a->attr_bytes)) &&
		(!a->size || !memcmp(a->data, b->data, a->size)));
}

static bool state_same(const struct tree_state *a, const struct tree_state *b)
{
	for (int i = 0; i < PATHS; i++)
		if (!file_same(&a->f[i], &b->f[i]))
			return false;
	return true;
}

/* @block of @f, zeros behind the end */
static const u8 *block_of(const struct file_state *f, u64 at)
{
	static const u8 zeros[4096];

	return at < f->size ? f->data + at : zeros;
}

/* each block is that of @a or of @b */
static bool file_between(const struct file_state *f, const struct file_state *a,
			 const struct file_state *b)
{
	if (file_same(f, a) || file_same(f, b))
		return true;
	if (!f->exists || !a->exists || !b->exists || f->size > max(a->size, b->size))
		return false;
	for (u64 at = 0; at < f->size; at += 4096)
		if (memcmp(block_of(f, at), block_of(a, at), 4096) &&
		    memcmp(block_of(f, at), block_of(b, at), 4096))
			return false;
	return true;
}

static bool state_between(const struct tree_state *t, const struct tree_state *a,
			  const struct tree_state *b)
{
	for (int i = 0; i < PATHS; i++)
		if (!file_between(&t->f[i], &a->f[i], &b->f[i]))
			return false;
	return true;
}

/* for people */
static void state_tell(const struct tree_state *t, const struct tree_state *expected)
{
	for (int i = 0; i < PATHS; i++) {
		const struct file_state *f = &t->f[i], *e = &expected->f[i];
		u64 at;

		if (file_same(f, e))
			continue;
		fprintf(stderr, "#   %s: exists %d links %u size %llu attr %d; expected %d %u %llu %d",
			paths[i], f->exists, f->nlink, (unsigned long long)f->size, f->attr_bytes,
			e->exists, e->nlink, (unsigned long long)e->size, e->attr_bytes);
		for (at = 0; f->data && e->data && at < min(f->size, e->size); at++)
			if (f->data[at] != e->data[at])
				break;
		fprintf(stderr, "; same up to %llu\n", (unsigned long long)at);
	}
}

/* ---- faults ---- */

enum kind { FAIL_ALLOCATION, FAIL_READ, FAIL_WRITE_LOST, FAIL_WRITE_DONE, FAIL_FLUSH, KINDS };
static const char *const kind_name[] = {
	"allocation", "read", "write", "write that was done", "flush",
};

static struct {
	struct kapi_bdev_fault	bdev;
	enum kind		kind;
	u64			nth, seen;
} fault;

static bool counts(const struct bio *bio)
{
	switch (fault.kind) {
	case FAIL_READ:
		return bio_op(bio) == REQ_OP_READ;
	case FAIL_WRITE_LOST:
	case FAIL_WRITE_DONE:
		return bio_op(bio) == REQ_OP_WRITE && bio->bi_iter.bi_size;
	case FAIL_FLUSH:
		return bio_op(bio) == REQ_OP_FLUSH || bio->bi_opf & REQ_PREFLUSH;
	default:
		return false;
	}
}

static blk_status_t io_fault(struct bio *bio)
{
	if (!counts(bio) || __atomic_add_fetch(&fault.seen, 1, __ATOMIC_RELAXED) != fault.nth)
		return BLK_STS_OK;
	if (getenv("VERBOSE"))
		fprintf(stderr, "# fault: op %u sector %llu bytes %u\n", bio->bi_opf,
			(unsigned long long)bio->bi_iter.bi_sector, bio->bi_iter.bi_size);
	return BLK_STS_IOERR;
}

static blk_status_t before_io(struct bio *bio, void *priv)
{
	return fault.kind == FAIL_WRITE_DONE ? BLK_STS_OK : io_fault(bio);
}

static blk_status_t after_io(struct bio *bio, void *priv)
{
	return fault.kind == FAIL_WRITE_DONE ? io_fault(bio) : BLK_STS_OK;
}

static void fault_arm(struct small_set *s, enum kind kind, u64 nth)
{
	fault.kind = kind;
	fault.nth = nth;
	fault.seen = 0;
	fault.bdev = (struct kapi_bdev_fault) { .before = before_io, .after = after_io };
	s->fault = &fault.bdev;
	if (kind == FAIL_ALLOCATION)
		kapi_alloc_fail(nth, false);
}

static bool fault_hit(void)
{
	return fault.kind == FAIL_ALLOCATION ? kapi_alloc_failed() :
		__atomic_load_n(&fault.seen, __ATOMIC_RELAXED) >= fault.nth;
}

static void fault_disarm(struct small_set *s)
{
	fault.nth = 0;
	s->fault = NULL;
	kapi_alloc_fail(0, false);
}

/* ---- one run ---- */

struct plan {
	const char		*name;
	struct small_shape	shape;
	struct small_set	base;
	int			first;		/* step at which it begins */
	bool			two_copies;	/* one failed read, write or flush goes unnoticed */
	struct tree_state	after[STEPS + 1];	/* [i]: steps before i are done */
};

struct run {
	const struct plan	*p;
	struct small_set	s;
	u64			nth;
	int			acked;		/* steps before it are durable */
	int			failed;		/* the step that failed, or STEPS */
	int			error;
	bool			opened;
	bool			hit, hit_running;	/* the fault; before the shutdown */
	unsigned int		bad;
};

static void bad(struct run *r, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "# %s, %s %llu: ", r->p->name, kind_name[fault.kind], (unsigned long long)r->nth);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	r->bad++;
}

static void script(struct run *r)
{
	for (int i = r->p->first; i < STEPS; i++) {
		r->error = step_do(r->s.set, &steps[i]);
		if (r->error) {
			r->failed = i;
			return;
		}
		if (steps[i].what == DO_SYNC)
			r->acked = i + 1;
	}
	r->failed = STEPS;
}

static bool old_or_new(const struct run *r, const struct tree_state *t, int step)
{
	const struct tree_state *old = &r->p->after[step];

	if (state_same(t, old) || step == STEPS)
		return step < STEPS || state_same(t, old);
	return state_same(t, &r->p->after[step + 1]) ||
	       (steps[step].in_pieces && state_between(t, old, &r->p->after[step + 1]));
}

/* as it is right after a step has failed */
static void check_running(struct run *r)
{
	struct tree_state t = { };
	int ret = state_read(r->s.set, &t);

	if (ret)
		bad(r, "step %d failed with %d, then reading with %d", r->failed, r->error, ret);
	else if (!old_or_new(r, &t, r->failed) && !steps[r->failed].resumed) {
		bad(r, "step %d failed with %d and is half done", r->failed, r->error);
		state_tell(&t, &r->p->after[r->failed]);
	}
	state_free(&t);
}

static int work_on(struct bce_set *set)
{
	static u8 buf[4096] __attribute__((aligned(4096)));
	struct bce_create what = { .mode = S_IFREG | 0600 };
	struct bce_inode out;

	return bce_create(set, ROOT, "after", 5, &what, &out) ?:
	       set_write(set, out.id, 0, buf, sizeof(buf), 4096, 0) ?:
	       bce_sync(set) ?: bce_truncate(set, out.id, 5, &out) ?: unlink_step(set, ROOT, "after");
}

/* the journal says no a moment before the set is told */
static bool becomes_read_only(struct bce_set *set)
{
	for (int i = 0; i < 500 && bce_set_is_rw(set); i++)
		usleep(10000);
	return !bce_set_is_rw(set);
}

static void after_failure(struct run *r)
{
	int ret;

	if (!fault_hit())
		bad(r, "step %d failed with %d, without reason", r->failed, r->error);
	if (r->p->two_copies && fault.kind != FAIL_ALLOCATION)
		bad(r, "step %d failed with %d, though there is another copy", r->failed, r->error);
	check_running(r);
	if (!bce_set_is_rw(r->s.set))
		return;
	ret = work_on(r->s.set);
	if (ret && !becomes_read_only(r->s.set))
		bad(r, "step %d failed with %d, and nothing works any more: %d", r->failed, r->error, ret);
}

static void check_after(struct run *r, const struct tree_state *t, bool clean)
{
	int i = clean ? r->failed : r->acked;

	for (; i <= r->failed; i++)
		if (old_or_new(r, t, i))
			return;
	bad(r, "after %s, acked %d, step %d (error %d): not what was told",
	    clean ? "a clean shutdown" : "no clean shutdown", r->acked, r->failed, r->error);
	state_tell(t, &r->p->after[r->failed]);
}

static void reopen(struct run *r, bool clean)
{
	struct tree_state t = { };
	char why[512];
	int ret = small_set_open(&r->s, why);

	if (ret) {
		bad(r, "cannot be opened afterwards: %d, %s", ret, why);
		return;
	}
	ret = state_read(r->s.set, &t);
	if (ret)
		bad(r, "cannot be read afterwards: %d", ret);
	else
		check_after(r, &t, clean);
	state_free(&t);
	ret = small_set_close(&r->s, true);
	if (ret)
		bad(r, "second shutdown: %d", ret);
}

static u64 write_errors(struct small_set *s)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < s->shape.nr; i++) {
		struct block_device *bdev = kapi_bdev_from_fd(dup(s->fd[i]), "member", O_RDONLY);
		struct text_buf why = TEXT_BUF_INIT;
		struct member_info m;
		struct sb_image img;

		require(!IS_ERR(bdev) && !bce_sb_read(&img, bdev, 0, &why));
		for (unsigned int j = 0; !i && j < s->shape.nr; j++) {
			bce_sb_member(img.sb, j, &m);
			sum += m.errors[1];
		}
		bce_sb_image_exit(&img);
		bce_text_exit(&why);
		kapi_bdev_close(bdev);
	}
	return sum;
}

static void one_run(struct run *r)
{
	bool clean = false, rw = false;
	char why[512];
	int ret;

	small_set_copy(&r->s, &r->p->base);
	r->s.quiet = true;
	r->acked = r->failed = r->p->first;
	kapi_warn_reset();
	alarm(120);
	fault_arm(&r->s, fault.kind, r->nth);
	ret = small_set_open(&r->s, why);
	if (!ret) {
		script(r);
		if (r->failed < STEPS)
			after_failure(r);
		rw = bce_set_is_rw(r->s.set);
		r->hit_running = fault_hit();
		ret = small_set_close(&r->s, true);
		clean = !ret;
	}
	r->hit = fault_hit();
	if (ret && !r->hit)
		bad(r, "start or shutdown: %d, without reason", ret);
	if (r->p->two_copies && fault.kind >= FAIL_READ && !rw)
		bad(r, "not read-write, though there is another copy: %s", why);
	fault_disarm(&r->s);
	if (r->hit_running && clean && r->p->two_copies &&
	    (fault.kind == FAIL_WRITE_LOST || fault.kind == FAIL_WRITE_DONE) && !write_errors(&r->s))
		bad(r, "the member's write error is not noted");
	r->s.quiet = false;
	reopen(r, clean);
	alarm(0);
	if (small_set_check(&r->s, "checker"))
		bad(r, "the checker found something");
	if (kapi_warn_count())
		bad(r, "%u warnings", kapi_warn_count());
	small_set_free(&r->s);
	if (leaked())
		bad(r, "memory leaked");
}

/* ---- plans ---- */

/* what each step comes to, without faults; the crashed set on the way */
static void plan_prepare(struct plan *p, const struct small_shape *shape, bool crashed)
{
	struct small_set s;
	char why[512];
	int ret;

	p->shape = *shape;
	p->first = crashed ? CRASHED_AT : 0;
	p->two_copies = shape->replicas > 1;
	small_set_format(&p->base, shape);
	small_set_copy(&s, &p->base);
	require(!small_set_open(&s, why));
	for (int i = 0; i < STEPS; i++) {
		require(!state_read(s.set, &p->after[i]));
		if (crashed && i == CRASHED_AT) {
			small_set_free(&p->base);
			small_set_copy(&p->base, &s);
		}
		ret = step_do(s.set, &steps[i]);
		if (ret)
			fprintf(stderr, "# step %d: error %d\n", i, ret);
		require(!ret);
	}
	require(!state_read(s.set, &p->after[STEPS]));
	require(!small_set_close(&s, true));
	small_set_free(&s);
}

static void plan_free(struct plan *p)
{
	for (int i = 0; i <= STEPS; i++)
		state_free(&p->after[i]);
	small_set_free(&p->base);
}

static unsigned int try_kind(const struct plan *p, enum kind kind, u64 stride)
{
	const char *only = getenv("FAULT_ONLY");
	u64 nth = only ? strtoull(only, NULL, 0) : 1 + rnd() % stride;
	unsigned int bad_runs = 0, runs = 0;
	struct run r;

	fault.kind = kind;
	do {
		r = (struct run) { .p = p, .nth = nth };
		one_run(&r);
		bad_runs += !!r.bad;
		runs++;
		nth += stride;
	} while (r.hit && !only);
	printf("%sok - %s: %u runs, the last one with %s %llu\n", bad_runs ? "not " : "", p->name, runs,
	       kind_name[kind], (unsigned long long)r.nth);
	fflush(stdout);
	return bad_runs;
}

static void hangs(int sig)
{
	static const char text[] = "# it hangs\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(3);
	abort();
}

static const struct {
	const char	*name;
	unsigned int	nr, replicas;
	bool		crashed, nocow;
} plans[] = {
	{ "one member, first start", 1, 1, false },
	{ "one member, after a crash", 1, 1, true },
	{ "two members with two copies, first start", 2, 2, false },
	{ "two members with two copies, after a crash", 2, 2, true },
	{ "one member, written in place", 1, 1, true, true },
};

int main(void)
{
	/* points of each kind there are about: 1500, 10, 50 to 100, as many, 20 */
	static const u64 sample[KINDS] = { 997, 13, 61, 61, 13 };
	const char *stride = getenv("FAULT_STRIDE"), *kinds = getenv("FAULT_KINDS"),
		*which = getenv("FAULT_PLANS");
	static struct plan p;
	unsigned int bad_runs = 0;

	signal(SIGALRM, hangs);
	rnd_setup(NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		struct small_shape shape = {
			.nr = plans[i].nr, .replicas = plans[i].replicas, .dev_bytes = 32 << 20,
			.bucket_bytes = 64 << 10, .node = "4k", .block = "512",
			.nocow = plans[i].nocow,
		};

		if (which && !strchr(which, '0' + i))
			continue;
		p = (struct plan) { .name = plans[i].name };
		plan_prepare(&p, &shape, plans[i].crashed);
		for (enum kind k = 0; k < KINDS; k++)
			if (!kinds || strchr(kinds, '0' + k))
				bad_runs += try_kind(&p, k, stride ? strtoull(stride, NULL, 0) :
						     sample[k]);
		plan_free(&p);
	}
	return bad_runs ? 1 : 0;
}
