// SPDX-License-Identifier: GPL-2.0
/*
 * A promise of space is kept: many writes are under way at once, each with a promise of its own, on a set
 * that gets full. The promise may be refused, a write that has one may not.
 *
 *   fill      pieces behind each other and at random, until there are no promises any more
 *   rewrite   blocks of what is there, each promised before: what they replace comes free
 *   empty     half of the files go, then the same once more
 *
 * What was written last is what is read, and the checker's recount agrees.
 *
 * PROMISE_DEPTH= writes under way (64), PROMISE_SHAPES=024 some shapes, PROMISE_ROUNDS= (1), SEED=.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/usage.h>
#include <bcachefs/write.h>

#include "random.h"
#include "require.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT		((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define KIB		1024U
#define MIB		(1024U * KIB)
#define FILES		24
#define FILE_BYTES	(8 * MIB)
#define PIECE_BYTES	(256 * KIB)
#define BLOCK		4096U
#define FILE_BLOCKS	(FILE_BYTES / BLOCK)
#define PATIENCE_S	120

struct file {
	struct bce_inode	inode;
	bool			there;
	u32			end;			/* blocks */
	u16			seed[FILE_BLOCKS];	/* of what was written last; 0: hole */
	bool			busy[FILE_BLOCKS];
};

struct writing {
	struct bce_write	write;
	struct bce_space	space;
	struct bio		bio;
	struct bio_vec		vec[PIECE_BYTES / PAGE_SIZE];
	struct file		*file;
	u32			first, nr;		/* blocks */
	bool			in_use;
	u8			*buffer;
};

struct rig {
	struct small_set	s;
	const char		*name;
	struct file		file[FILES];
	struct writing		*writing;
	unsigned int		depth, under_way, nr_done;
	pthread_mutex_t		lock;
	pthread_cond_t		ended;
	unsigned int		serial;
	unsigned int		bad;
};

static struct rig r;
static const char *doing = "";

static void hangs(int sig)
{
	fprintf(stderr, "# %s: it hangs: %s, %u writes under way\n", r.name, doing, r.under_way);
	abort();
}

static void begin(const char *what)
{
	doing = what;
	alarm(PATIENCE_S);
}

static void block_contents(u8 *p, u16 seed)
{
	u64 x = seed * 0x9e3779b97f4a7c15ULL + 1;

	for (u32 i = 0; i < BLOCK; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, i & 64 ? "bcachefs" : (char *)&x, 8);
	}
}

/* ---- writes under way ---- */

static void write_done(struct bce_write *write, int error)
{
	struct writing *w = container_of(write, struct writing, write);

	bio_uninit(&w->bio);
	pthread_mutex_lock(&r.lock);
	if (error) {
		if (r.bad++ < 5)
			fprintf(stderr, "# %s: %s: %u promised blocks: error %d (write %u)\n", r.name, doing, w->nr,
				error, r.nr_done);
	}
	memset(w->file->busy + w->first, 0, w->nr);
	w->in_use = false;
	r.under_way--;
	r.nr_done++;
	pthread_cond_broadcast(&r.ended);
	pthread_mutex_unlock(&r.lock);
}

/* under the lock */
static void wait_until_under_way(unsigned int most)
{
	while (r.under_way > most)
		pthread_cond_wait(&r.ended, &r.lock);
}

static struct writing *idle_writing(void)
{
	struct writing *w = r.writing;

	pthread_mutex_lock(&r.lock);
	wait_until_under_way(r.depth - 1);
	while (w->in_use)
		w++;
	w->in_use = true;
	r.under_way++;
	pthread_mutex_unlock(&r.lock);
	return w;
}

static void give_back(struct writing *w)
{
	pthread_mutex_lock(&r.lock);
	w->in_use = false;
	r.under_way--;
	pthread_mutex_unlock(&r.lock);
}

static void wait_for_all(void)
{
	pthread_mutex_lock(&r.lock);
	wait_until_under_way(0);
	pthread_mutex_unlock(&r.lock);
}

/* two writes of one block at once would leave open which is the last */
static bool take_blocks(struct file *f, u32 first, u32 nr)
{
	bool free = true;

	pthread_mutex_lock(&r.lock);
	for (u32 i = first; i < first + nr; i++)
		free &= !f->busy[i];
	if (free)
		memset(f->busy + first, 1, nr);
	pthread_mutex_unlock(&r.lock);
	return free;
}

/* Return: 0 under way, -ENOSPC no promise, -EBUSY somebody writes there */
static int write_start(struct file *f, u32 first, u32 nr)
{
	struct writing *w = idle_writing();
	int ret = take_blocks(f, first, nr) ? 0 : -EBUSY;

	w->space = (struct bce_space) { };
	w->file = f;
	w->first = first;
	w->nr = nr;
	if (!ret)
		ret = bce_space_get(r.s.set, &f->inode, (u64)nr * BLOCK / 512, &w->space);
	if (ret) {
		if (ret != -EBUSY)
			memset(f->busy + first, 0, nr);
		if (ret != -EBUSY && ret != -ENOSPC) {
			fprintf(stderr, "# %s: promise: error %d\n", r.name, ret);
			r.bad++;
		}
		give_back(w);
		return ret;
	}
	bio_init(&w->bio, NULL, w->vec, ARRAY_SIZE(w->vec), REQ_OP_WRITE);
	for (u32 i = 0; i < nr; i++) {
		f->seed[first + i] = 1 + r.serial++ % 65535;
		block_contents(w->buffer + i * BLOCK, f->seed[first + i]);
		bio_add_page(&w->bio, virt_to_page(w->buffer + i * BLOCK), BLOCK, 0);
	}
	w->bio.bi_iter.bi_sector = (u64)first * (BLOCK / 512);
	f->end = max(f->end, first + nr);
	w->write = (struct bce_write) {
		.file = f->inode.id, .bio = &w->bio, .new_size = (u64)(first + nr) * BLOCK,
		.space = &w->space, .mtime = true, .done = write_done,
	};
	bce_write_submit(r.s.set, &w->write);
	return 0;
}

/* ---- phases ---- */

static void make_files(void)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	char name[8];

	for (unsigned int i = 0; i < FILES; i++) {
		if (r.file[i].there)
			continue;
		r.file[i] = (struct file) { };
		snprintf(name, sizeof(name), "f%u", i);
		if (!bce_create(r.s.set, ROOT, name, strlen(name), &what, &r.file[i].inode))
			r.file[i].there = true;
	}
}

static struct file *any_file(void)
{
	struct file *f;

	do {
		f = &r.file[rnd() % FILES];
	} while (!f->there);
	return f;
}

/* until a block finds no room with nothing under way, some times over */
static void fill(void)
{
	unsigned int refused = 0;

	begin("filling");
	while (refused < 8 && !r.bad) {
		struct file *f = any_file();
		u32 nr = 1 + rnd() % (refused ? 1 : rnd() % 4 ? PIECE_BYTES / BLOCK : 2);
		u32 first = rnd() % 3 && f->end + nr <= FILE_BLOCKS ? f->end : rnd() % (FILE_BLOCKS - nr);

		if (write_start(f, first, nr) != -ENOSPC)
			continue;
		wait_for_all();
		refused++;
	}
	wait_for_all();
}

static void rewrite(unsigned int times)
{
	unsigned int refused = 0;

	begin("rewriting");
	while (times && refused < 1000 && !r.bad) {
		struct file *f = any_file();
		u32 nr = 1 + rnd() % (rnd() % 4 ? 1 : 16);

		if (f->end < nr)
			continue;
		if (write_start(f, rnd() % (f->end - nr + 1), nr) == -ENOSPC) {
			wait_for_all();
			refused++;
		} else {
			times--;
		}
	}
	wait_for_all();
}

static void verify(void)
{
	static u8 got[PIECE_BYTES] __attribute__((aligned(4096))), want[BLOCK];

	begin("reading");
	for (unsigned int i = 0; i < FILES && !r.bad; i++) {
		struct file *f = &r.file[i];

		for (u32 at = 0; f->there && at < f->end && !r.bad; at += PIECE_BYTES / BLOCK) {
			u32 nr = min_t(u32, PIECE_BYTES / BLOCK, f->end - at);
			int ret = set_read(r.s.set, f->inode.id, (u64)at * (BLOCK / 512), got, nr * BLOCK);

			for (u32 j = 0; j < nr && !r.bad; j++) {
				memset(want, 0, BLOCK);
				if (f->seed[at + j])
					block_contents(want, f->seed[at + j]);
				if (ret || memcmp(want, got + j * BLOCK, BLOCK)) {
					fprintf(stderr, "# %s: file %u block %u is not what was written last (error %d)\n",
						r.name, i, at + j, ret);
					r.bad++;
				}
			}
		}
	}
}

static void remove_half(void)
{
	begin("removing");
	for (unsigned int i = rnd() % 2; i < FILES; i += 2) {
		struct bce_inode out;
		char name[8];
		int ret;

		snprintf(name, sizeof(name), "f%u", i);
		ret = bce_unlink(r.s.set, ROOT, name, strlen(name), false, &out);
		ret = ret ?: bce_inode_release(r.s.set, out.id);
		if (ret) {
			fprintf(stderr, "# %s: removing: error %d\n", r.name, ret);
			r.bad++;
		}
		r.file[i].there = false;
	}
	make_files();
}

static void snapshot(bool wanted)
{
	struct bce_inode out;
	int ret;

	if (!wanted)
		return;
	begin("snapshot");
	ret = bce_subvolume_create(r.s.set, ROOT, "snap", 4, BCE_ROOT_SUBVOL, 0, NULL, &out);
	if (ret && ret != -ENOSPC && ret != -EEXIST) {
		fprintf(stderr, "# %s: snapshot: error %d\n", r.name, ret);
		r.bad++;
	}
}

static void writings_make(unsigned int depth)
{
	r.depth = depth;
	r.writing = calloc(depth, sizeof(*r.writing));
	require(r.writing != NULL);
	for (unsigned int i = 0; i < depth; i++) {
		r.writing[i].buffer = aligned_alloc(BLOCK, PIECE_BYTES);
		require(r.writing[i].buffer != NULL);
	}
}

static void writings_free(void)
{
	for (unsigned int i = 0; i < r.depth; i++)
		free(r.writing[i].buffer);
	free(r.writing);
}

static unsigned int run(const char *name, const struct small_shape *shape, bool snapshots, unsigned int rounds,
			unsigned int depth)
{
	struct bce_usage full;
	char why[512];
	int ret;

	r = (struct rig) {
		.name = name, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER,
	};
	writings_make(depth);
	small_set_format(&r.s, shape);
	begin("first start");
	ret = small_set_open(&r.s, why);
	if (ret) {
		fprintf(stderr, "# %s\n", why);
		exit(1);
	}
	make_files();
	for (unsigned int i = 0; i < rounds && !r.bad; i++) {
		fill();
		require(!bce_set_usage(r.s.set, &full));
		rewrite(300);
		snapshot(snapshots);
		rewrite(300);
		verify();
		remove_half();
		fill();
		rewrite(300);
		verify();
		remove_half();
	}
	begin("shutdown");
	ret = small_set_close(&r.s, true);
	if (ret) {
		fprintf(stderr, "# %s: shutdown: error %d\n", name, ret);
		r.bad++;
	}
	begin("checker");
	r.bad += small_set_check(&r.s, name) != 0;
	if (r.bad && getenv("PROMISE_KEEP"))
		small_set_keep(&r.s, getenv("PROMISE_KEEP"));
	small_set_free(&r.s);
	writings_free();
	alarm(0);
	printf("%sok - %s: %u writes, %llu of %llu KiB free when full\n", r.bad ? "not " : "", name, r.nr_done,
	       (unsigned long long)full.free_sectors / 2, (unsigned long long)full.capacity_sectors / 2);
	fflush(stdout);
	return r.bad;
}

static const struct {
	const char		*name;
	struct small_shape	shape;
	bool			snapshots, is_long;
} shapes[] = {
	{ "one member", { 1, 1, 64 * MIB, 128 * KIB, "32k", "4k" } },
	{ "two copies on two members", { 2, 2, 64 * MIB, 256 * KIB, "64k", "4k" } },
	{ "lz4", { 1, 1, 48 * MIB, 128 * KIB, "16k", "2k", "lz4" } },
	{ "snapshots", { 1, 1, 64 * MIB, 128 * KIB, "16k", "2k" }, .snapshots = true, .is_long = true },
	{ "zstd, two copies on three members", { 3, 2, 48 * MIB, 64 * KIB, "32k", "4k", "zstd" }, .is_long = true },
	{ "snapshots, lz4, two copies on three members", { 3, 2, 48 * MIB, 128 * KIB, "16k", "512", "lz4" },
	  .snapshots = true, .is_long = true },
	{ "large buckets", { 2, 1, 96 * MIB, 1 * MIB, "64k", "4k" }, .is_long = true },
};

int main(void)
{
	const char *rounds = getenv("PROMISE_ROUNDS"), *which = getenv("PROMISE_SHAPES"), *depth = getenv("PROMISE_DEPTH");
	unsigned int bad_shapes = 0;

	signal(SIGALRM, hangs);
	rnd_setup(NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (which ? !strchr(which, '0' + i) : !rounds && shapes[i].is_long)
			continue;
		bad_shapes += !!run(shapes[i].name, &shapes[i].shape, shapes[i].snapshots, rounds ? atoi(rounds) : 1,
				    depth ? atoi(depth) : 64);
	}
	return bad_shapes ? 1 : 0;
}
