// SPDX-License-Identifier: GPL-2.0
/*
 * Sets that are filled until nothing goes in any more, emptied, and filled again.
 *
 *   start --> fill --> every kind of operation on the full set --> every other file goes
 *     ^                                                                  |
 *     |                                                                  v
 *     +-- all goes, snapshots too <-- fill again: what was given back must hold new files (copygc)
 *
 * On a full set an operation is done or answers -ENOSPC; it neither hangs nor fails otherwise. Removing files
 * and snapshots always works. After each round all space but one per cent is there again, the same amount goes
 * in as the first time, and the checker finds that counters are what a recount gives.
 *
 * The short form does one round on a few shapes. SPACE_ROUNDS=n does n on all of them, SPACE_SHAPES=024 some;
 * SPACE_KEEP=prefix keeps the members of what failed. SEED=.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "random.h"
#include "require.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT		((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define KIB		1024U
#define MIB		(1024U * KIB)
#define FILES_MAX	20000
#define PATIENCE_S	60

struct file {
	struct bce_file_id	id;
	u32			bytes;
	u32			seed;
	char			name[12];
};

struct filler {
	struct small_set	s;
	const char		*name;
	bool			snapshots;
	struct bce_file_id	dir;
	struct file		file[FILES_MAX];
	unsigned int		nr;
	unsigned int		serial;
	u64			start_free, first_fill;	/* sectors; bytes */
	unsigned int		bad;
};

static u8 buffer[SET_IO_BYTES] __attribute__((aligned(4096)));
static u8 wanted[SET_IO_BYTES] __attribute__((aligned(4096)));
static const char *doing = "";

static void bad(struct filler *f, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "# %s: ", f->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	f->bad++;
}

/* for the clock that ends a hang */
static void begin(const char *what)
{
	doing = what;
	alarm(PATIENCE_S);
}

static void hangs(int sig)
{
	fprintf(stderr, "# it hangs: %s\n", doing);
	abort();
}

/* half of it can be compressed */
static void contents(u8 *p, u32 bytes, u32 seed)
{
	u64 x = seed * 0x9e3779b97f4a7c15ULL + 1;

	for (u32 i = 0; i < bytes; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, i & 32 ? "bcachefs" : (char *)&x, 8);
	}
}

static u32 block_bytes(const struct filler *f)
{
	return strcmp(f->s.shape.block, "512") ? 4096 : 512;
}

/* done or no space; anything else is wrong. Return: done? */
static bool allowed(struct filler *f, int ret, const char *what)
{
	if (ret && ret != -ENOSPC)
		bad(f, "%s: error %d", what, ret);
	return !ret;
}

static int remove_name(struct bce_set *set, struct bce_file_id dir, const char *name, bool rmdir)
{
	struct bce_inode out;
	int ret = bce_unlink(set, dir, name, strlen(name), rmdir, &out);

	return ret || !(out.flags & BCE_INODE_UNLINKED) ? ret : bce_inode_release(set, out.id);
}

/* ---- filling ---- */

static u32 choose_bytes(struct filler *f)
{
	static const u32 most[] = { 4 * KIB, 16 * KIB, 128 * KIB, MIB, MIB, MIB };

	return round_up(1 + rnd() % most[rnd() % ARRAY_SIZE(most)], block_bytes(f));
}

/* a file as long as @bytes, or none. Return: 0 or -ENOSPC */
static int add_file(struct filler *f, u32 bytes)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct file *file = &f->file[f->nr];
	struct bce_inode out;
	int ret;

	snprintf(file->name, sizeof(file->name), "f%u", f->serial++);
	ret = bce_create(f->s.set, f->dir, file->name, strlen(file->name), &what, &out);
	if (!allowed(f, ret, "create"))
		return -ENOSPC;
	*file = (struct file) { out.id, bytes, f->serial };
	snprintf(file->name, sizeof(file->name), "f%u", f->serial - 1);
	contents(buffer, bytes, file->seed);
	ret = set_write(f->s.set, file->id, 0, buffer, bytes, bytes, 0);
	if (allowed(f, ret, "write")) {
		f->nr++;
		return 0;
	}
	ret = remove_name(f->s.set, f->dir, file->name, false);
	if (ret)
		bad(f, "removing a file that did not fit: error %d", ret);
	return -ENOSPC;
}

/* until the smallest file does not fit, some times over. Return: bytes that went in */
static u64 fill(struct filler *f)
{
	u32 limit = MIB;
	u64 sum = 0;

	begin("filling");
	while (limit >= block_bytes(f) && f->nr < FILES_MAX && !f->bad) {
		u32 bytes = round_up(min(choose_bytes(f), limit), block_bytes(f));

		if (!add_file(f, bytes))
			sum += bytes;
		else
			limit = bytes / 2;
	}
	return sum;
}

static void verify_some(struct filler *f)
{
	begin("reading");
	for (unsigned int i = rnd() % 8; i < f->nr; i += 8) {
		const struct file *file = &f->file[i];
		int ret = !file->bytes ? 0 : set_read(f->s.set, file->id, 0, buffer, file->bytes);

		contents(wanted, file->bytes, file->seed);
		if (ret || memcmp(buffer, wanted, file->bytes))
			bad(f, "%s of %u bytes is not what was written (error %d)", file->name,
			    file->bytes, ret);
	}
}

/* ---- on a full set ---- */

static void overwrite(struct filler *f, struct file *file)
{
	u32 seed = file->seed + 0x10000;
	int ret;

	contents(buffer, file->bytes, seed);
	ret = set_write(f->s.set, file->id, 0, buffer, file->bytes, 0, 0);
	if (allowed(f, ret, "overwrite"))
		file->seed = seed;
	else			/* some of it may be new */
		file->bytes = 0;
}

static void any_operation(struct filler *f)
{
	struct file *file = &f->file[rnd() % f->nr], *other = &f->file[rnd() % f->nr];
	struct bce_create dir = { .mode = S_IFDIR | 0755 };
	struct bce_set *set = f->s.set;
	struct bce_inode out;
	u64 done;

	if (!file->bytes)
		return;
	switch (rnd() % 8) {
	case 0:
		overwrite(f, file);
		break;
	case 1:
		allowed(f, bce_truncate(set, file->id, file->bytes / 2, &out), "truncate");
		file->bytes = 0;
		break;
	case 2:
		allowed(f, bce_xattr_set(set, file->id, BCE_XATTR_USER, "x", buffer, 900, 0), "xattr");
		break;
	case 3:
		allowed(f, bce_fallocate(set, file->id, 64, 128, false, file->bytes), "fallocate");
		break;
	case 4:
		allowed(f, bce_punch(set, file->id, 0, 8), "punch");
		file->bytes = 0;
		break;
	case 5:
		if (file != other && other->bytes >= 4096)
			allowed(f, bce_reflink(set, other->id, 0, file->id, 8, 8,
					       max(file->bytes, 8192U), &done), "reflink");
		file->bytes = 0;	/* not what it was */
		break;
	case 6:
		if (!bce_create(set, f->dir, "sub", 3, &dir, &out) &&
		    remove_name(set, f->dir, "sub", true))
			bad(f, "a new directory cannot be removed");
		break;
	default:
		allowed(f, bce_sync(set), "sync");
	}
}

static void operate(struct filler *f, unsigned int times)
{
	begin("operations on a full set");
	while (f->nr && times-- && !f->bad)
		any_operation(f);
}

/* ---- emptying ---- */

/* always possible. Return: bytes */
static u64 remove_files(struct filler *f, unsigned int one_of)
{
	unsigned int kept = 0, first = rnd() % one_of;
	u64 sum = 0;

	begin("removing");
	for (unsigned int i = 0; i < f->nr; i++) {
		int ret;

		if (i % one_of != first) {
			f->file[kept++] = f->file[i];
			continue;
		}
		ret = remove_name(f->s.set, f->dir, f->file[i].name, false);
		if (ret)
			bad(f, "removing %s from a full set: error %d", f->file[i].name, ret);
		sum += f->file[i].bytes;
	}
	f->nr = kept;
	return sum;
}

static void take_snapshot(struct filler *f)
{
	struct bce_inode out;

	if (f->snapshots)
		allowed(f, bce_subvolume_create(f->s.set, ROOT, "snap", 4, BCE_ROOT_SUBVOL, 0, NULL,
						&out), "snapshot");
}

static void drop_snapshot(struct filler *f)
{
	int ret;

	if (!f->snapshots)
		return;
	begin("deleting a snapshot");
	ret = bce_subvolume_delete(f->s.set, ROOT, "snap", 4);
	if (ret == -ENOENT)
		return;			/* there was no space for it */
	ret = ret ?: bce_snapshots_cleaned(f->s.set);
	if (ret)
		bad(f, "deleting a snapshot from a full set: error %d", ret);
}

static u64 free_sectors(struct filler *f)
{
	struct bce_usage u;

	require(!bce_set_usage(f->s.set, &u));
	return u.free_sectors;
}

/*
 * One per cent, and what the format keeps of each file that ever was, in nodes a quarter full: a key inode_generation
 * and a counter (docs/format/60-filesystem-keys.md, 80-accounting.md).
 */
static u64 may_be_missing(const struct filler *f)
{
	return f->start_free / 100 + (u64)f->serial * f->s.shape.replicas * 400 / 512;
}

/* discards and the journal take their time */
static void expect_space_back(struct filler *f)
{
	u64 now = 0;

	begin("waiting for space");
	for (unsigned int i = 0; i < 200; i++) {
		now = free_sectors(f);
		if (now + may_be_missing(f) >= f->start_free)
			return;
		bce_sync(f->s.set);
		usleep(50000);
	}
	bad(f, "%llu of %llu free sectors came back", (unsigned long long)now,
	    (unsigned long long)f->start_free);
}

/* ---- rounds ---- */

static void reopen(struct filler *f)
{
	char why[512];
	int ret;

	begin("shutdown");
	ret = small_set_close(&f->s, true);
	if (ret)
		bad(f, "shutdown: error %d", ret);
	begin("checker");
	if (small_set_check(&f->s, f->name))
		bad(f, "the checker found something");
	begin("start");
	ret = small_set_open(&f->s, why);
	if (ret) {
		fprintf(stderr, "# %s: opening: %s\n", f->name, why);
		exit(1);
	}
}

/* of what came free half and more must be there for others: what lies between is moved */
static void refill(struct filler *f)
{
	u64 freed = remove_files(f, 2), again;

	again = fill(f);
	if (!f->snapshots && again < freed * 9 / 10)
		bad(f, "%llu bytes removed, but only %llu fit in again", (unsigned long long)freed,
		    (unsigned long long)again);
}

static void one_round(struct filler *f, unsigned int round)
{
	u64 sum;

	take_snapshot(f);
	sum = fill(f);
	if (!f->first_fill)
		f->first_fill = sum;
	else if (sum < f->first_fill * 95 / 100)
		bad(f, "round %u: %llu bytes fit in, at first it was %llu", round,
		    (unsigned long long)sum, (unsigned long long)f->first_fill);
	operate(f, 60);
	verify_some(f);
	if (round & 1)
		reopen(f);		/* full as it is */
	refill(f);
	operate(f, 60);
	verify_some(f);
	if (round & 1)
		drop_snapshot(f);
	remove_files(f, 1);
	if (!(round & 1))
		drop_snapshot(f);
	expect_space_back(f);
}

static void make_dir(struct filler *f)
{
	struct bce_create what = { .mode = S_IFDIR | 0755 };
	struct bce_inode out;

	require(!bce_create(f->s.set, ROOT, "files", 5, &what, &out));
	f->dir = out.id;
}

/* a btree that was never used has no node: each gets its first one */
static void warm_up(struct filler *f)
{
	struct bce_inode out;
	u64 done;

	begin("warming up");
	require(!add_file(f, 64 * KIB) && !add_file(f, 64 * KIB));
	require(!bce_reflink(f->s.set, f->file[0].id, 0, f->file[1].id, 0, 64, 0, &done));
	require(!bce_xattr_set(f->s.set, f->file[0].id, BCE_XATTR_USER, "x", buffer, 9, 0));
	require(!bce_subvolume_create(f->s.set, ROOT, "snap", 4, BCE_ROOT_SUBVOL, 0, NULL, &out));
	require(!bce_subvolume_delete(f->s.set, ROOT, "snap", 4));
	require(!bce_snapshots_cleaned(f->s.set));
	remove_files(f, 1);
	reopen(f);
}

static unsigned int run(const char *name, const struct small_shape *shape, bool snapshots,
			unsigned int rounds)
{
	static struct filler f;
	char why[512];
	unsigned int i;

	f = (struct filler) { .name = name, .snapshots = snapshots };
	small_set_format(&f.s, shape);
	begin("first start");
	if (small_set_open(&f.s, why)) {
		fprintf(stderr, "# %s\n", why);
		exit(1);
	}
	make_dir(&f);
	warm_up(&f);
	f.start_free = free_sectors(&f);
	for (i = 0; i < rounds && !f.bad; i++)
		one_round(&f, i);
	reopen(&f);
	small_set_close(&f.s, true);
	if (f.bad && getenv("SPACE_KEEP"))
		small_set_keep(&f.s, getenv("SPACE_KEEP"));
	small_set_free(&f.s);
	alarm(0);
	printf("%sok - %s: %u rounds, %llu MiB went in at first, %llu MiB free\n",
	       f.bad ? "not " : "", name, i, (unsigned long long)f.first_fill >> 20,
	       (unsigned long long)f.start_free >> 11);
	fflush(stdout);
	return f.bad;
}

static const struct {
	const char		*name;
	struct small_shape	shape;
	bool			snapshots, is_long;
} shapes[] = {
	{ "one member", { 1, 1, 64 * MIB, 128 * KIB, "32k", "4k" } },
	{ "two copies on three members", { 3, 2, 32 * MIB, 128 * KIB, "4k", "512" } },
	{ "snapshots", { 1, 1, 32 * MIB, 64 * KIB, "4k", "512" }, .snapshots = true },
	{ "three members", { 3, 1, 32 * MIB, 256 * KIB, "64k", "4k" }, .is_long = true },
	{ "lz4", { 1, 1, 48 * MIB, 128 * KIB, "4k", "512", "lz4" }, .is_long = true },
	{ "zstd, two copies on three members", { 3, 2, 32 * MIB, 64 * KIB, "4k", "512", "zstd" },
	  .is_long = true },
	{ "snapshots, two copies on three members, lz4", { 3, 2, 32 * MIB, 64 * KIB, "4k", "512", "lz4" },
	  .snapshots = true, .is_long = true },
	{ "two members, two copies", { 2, 2, 64 * MIB, 256 * KIB, "32k", "4k" }, .is_long = true },
};

int main(void)
{
	const char *rounds = getenv("SPACE_ROUNDS"), *which = getenv("SPACE_SHAPES");
	unsigned int bad_shapes = 0;

	signal(SIGALRM, hangs);
	rnd_setup(NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (which ? !strchr(which, '0' + i) : !rounds && shapes[i].is_long)
			continue;
		bad_shapes += !!run(shapes[i].name, &shapes[i].shape, shapes[i].snapshots,
				    rounds ? atoi(rounds) : 1);
	}
	return bad_shapes ? 1 : 0;
}
