// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads over one whole set: names and data in directories of their own and in one they share,
 * the same names and the same file by all, snapshots, syncs, and copygc behind them, for the set is small.
 * Nothing may be reported, what a thread alone has written is what it reads, and the checker finds nothing.
 *
 * ROUNDS= of each thread (150), THREADS= (4), SEED=. KEEP=PREFIX keeps the members of a set that failed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "random.h"
#include "require.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT		((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define THREADS_MAX	8
#define OWN_FILES	12
#define FILE_BYTES	(128 << 10)

struct file {
	struct bce_file_id	id;
	u32			bytes;		/* 0: it is not there */
	u8			seed;
};

struct worker {
	pthread_t		thread;
	struct bce_set		*set;
	unsigned int		nr, rounds;
	struct bce_file_id	dir, shared_dir, shared_file;
	struct file		file[OWN_FILES];
	u64			random;
	u8			*buffer;
	unsigned int		bad, done;
};

static u64 below(struct worker *w, u64 n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random * 0x2545f4914f6cdd1dULL >> 16) % n;
}

static void expect(struct worker *w, int ret, int also1, int also2, const char *what)
{
	w->done++;
	if (!ret || ret == -ENOSPC || ret == also1 || ret == also2)
		return;
	fprintf(stderr, "# thread %u: %s: error %d\n", w->nr, what, ret);
	w->bad++;
}

static struct bce_file_id make(struct bce_set *set, struct bce_file_id dir, const char *name,
			       umode_t mode, int *ret)
{
	struct bce_create what = { .mode = mode };
	struct bce_inode out = { };

	*ret = bce_create(set, dir, name, strlen(name), &what, &out);
	return out.id;
}

static int remove_name(struct bce_set *set, struct bce_file_id dir, const char *name)
{
	struct bce_inode out;
	int ret = bce_unlink(set, dir, name, strlen(name), false, &out);

	return ret || !(out.flags & BCE_INODE_UNLINKED) ? ret : bce_inode_release(set, out.id);
}

/* ---- a thread's own files ---- */

static void own_name(char name[16], unsigned int i)
{
	snprintf(name, 16, "own%u", i);
}

static void own_write(struct worker *w, unsigned int i)
{
	struct file *f = &w->file[i];
	char name[16];
	int ret = 0;

	own_name(name, i);
	if (!f->bytes)
		f->id = make(w->set, w->dir, name, S_IFREG | 0644, &ret);
	expect(w, ret, 0, 0, "create");
	if (ret)
		return;
	f->bytes = (1 + below(w, FILE_BYTES / 4096)) * 4096;
	f->seed = below(w, 256);
	for (u32 at = 0; at < f->bytes; at++)
		w->buffer[at] = f->seed + at / 512 * 3 + (at & 7);
	ret = set_write(w->set, f->id, 0, w->buffer, f->bytes, f->bytes,
			below(w, 8) ? 0 : BCE_WRITE_FUA);
	expect(w, ret, 0, 0, "write");
	if (ret) {
		expect(w, remove_name(w->set, w->dir, name), 0, 0, "remove");
		f->bytes = 0;
	}
}

static void own_check(struct worker *w, unsigned int i)
{
	const struct file *f = &w->file[i];

	if (!f->bytes)
		return;
	expect(w, set_read(w->set, f->id, 0, w->buffer, f->bytes), 0, 0, "read");
	for (u32 at = 0; at < f->bytes; at++)
		if (w->buffer[at] != (u8)(f->seed + at / 512 * 3 + (at & 7))) {
			fprintf(stderr, "# thread %u: file %u differs at %u\n", w->nr, i, at);
			w->bad++;
			return;
		}
}

static void own_remove(struct worker *w, unsigned int i)
{
	char name[16];

	own_name(name, i);
	if (w->file[i].bytes)
		expect(w, remove_name(w->set, w->dir, name), 0, 0, "remove");
	w->file[i].bytes = 0;
}

/* ---- what all of them work on ---- */

static bool count_name(void *ctx, const struct bce_dirent *d)
{
	++*(unsigned int *)ctx;
	return true;
}

static void shared_names(struct worker *w)
{
	char name[16], to[16];
	struct bce_inode out;
	unsigned int nr = 0;
	int ret;

	snprintf(name, sizeof(name), "n%u", (unsigned int)below(w, 10));
	snprintf(to, sizeof(to), "n%u", (unsigned int)below(w, 10));
	switch (below(w, 5)) {
	case 0:
		make(w->set, w->shared_dir, name, S_IFREG | 0600, &ret);
		expect(w, ret, -EEXIST, 0, "create a shared name");
		break;
	case 1:
		ret = remove_name(w->set, w->shared_dir, name);
		expect(w, ret, -ENOENT, 0, "remove a shared name");
		break;
	case 2:
		ret = bce_rename(w->set, w->shared_dir, name, strlen(name), w->shared_dir, to,
				 strlen(to), BCE_RENAME_NOREPLACE, NULL, &out);
		expect(w, ret, -ENOENT, -EEXIST, "rename a shared name");
		break;
	case 3:
		ret = bce_link(w->set, w->shared_file, w->shared_dir, to, strlen(to), &out);
		expect(w, ret, -EEXIST, 0, "link");
		break;
	default:
		expect(w, bce_inode_read(w->set, w->shared_dir, &out), 0, 0, "read the shared directory's inode");
		expect(w, bce_readdir(w->set, &out, 0, count_name, &nr), 0, 0, "list");
	}
}

/* nobody knows what is in it, but each block has been written by somebody as a whole */
static void shared_data(struct worker *w)
{
	u64 at = below(w, 16) * 4096, bytes = (1 + below(w, 8)) * 4096;
	struct bce_inode out;
	u64 done;
	int ret;

	switch (below(w, 6)) {
	case 0:
	case 1:
		memset(w->buffer, 1 + w->nr, bytes);
		expect(w, set_write(w->set, w->shared_file, at / 512, w->buffer, bytes, at + bytes, 0),
		       0, 0, "write the shared file");
		break;
	case 2:
		expect(w, set_read(w->set, w->shared_file, at / 512, w->buffer, bytes), 0, 0,
		       "read the shared file");
		for (u64 i = 0; i < bytes; i += 4096)
			for (u64 k = 1; k < 4096; k++)
				if (w->buffer[i + k] != w->buffer[i]) {
					fprintf(stderr, "# thread %u: a torn block\n", w->nr);
					w->bad++;
					return;
				}
		break;
	case 3:
		ret = bce_truncate(w->set, w->shared_file, at, &out);
		expect(w, ret, 0, 0, "truncate the shared file");
		break;
	case 4:
		expect(w, bce_punch(w->set, w->shared_file, at / 512, (at + bytes) / 512), 0, 0, "punch");
		break;
	default:
		expect(w, bce_reflink(w->set, w->shared_file, at / 512, w->shared_file,
				      (at + (1 << 20)) / 512, 8, at + (1 << 20) + 4096,
				      &done), 0, 0, "reflink");
	}
}

static void snapshot(struct worker *w)
{
	struct bce_inode out;
	char name[16];

	snprintf(name, sizeof(name), "snap%u", w->nr);
	expect(w, bce_subvolume_create(w->set, ROOT, name, strlen(name), BCE_ROOT_SUBVOL, 0, NULL,
				       &out), -EEXIST, 0, "snapshot");
	if (below(w, 2))
		expect(w, bce_subvolume_delete(w->set, ROOT, name, strlen(name)), -ENOENT, -EBUSY,
		       "delete a snapshot");
}

static void one_operation(struct worker *w)
{
	unsigned int i = below(w, OWN_FILES);

	switch (below(w, 16)) {
	case 0 ... 4:
		own_write(w, i);
		break;
	case 5 ... 6:
		own_check(w, i);
		break;
	case 7 ... 8:
		own_remove(w, i);
		break;
	case 9 ... 11:
		shared_names(w);
		break;
	case 12 ... 13:
		shared_data(w);
		break;
	case 14:
		expect(w, bce_sync(w->set), 0, 0, "sync");
		break;
	default:
		if (w->nr < 2)
			snapshot(w);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < w->rounds && !w->bad; i++)
		one_operation(w);
	for (unsigned int i = 0; i < OWN_FILES && !w->bad; i++)
		own_check(w, i);
	return NULL;
}

static void worker_start(struct worker *w, struct bce_set *set, struct bce_file_id dir,
			 struct bce_file_id file)
{
	const char *rounds = getenv("ROUNDS");
	char name[16];
	int ret;

	w->set = set;
	w->rounds = rounds ? atoi(rounds) : 150;
	w->shared_dir = dir;
	w->shared_file = file;
	w->random = rnd() | 1;
	w->buffer = aligned_alloc(4096, FILE_BYTES);
	require(w->buffer);
	snprintf(name, sizeof(name), "dir%u", w->nr);
	w->dir = make(set, ROOT, name, S_IFDIR | 0755, &ret);
	require(!ret);
	require(!pthread_create(&w->thread, NULL, work, w));
}

static unsigned int run_threads(struct bce_set *set, unsigned int nr)
{
	static struct worker w[THREADS_MAX];
	struct bce_file_id dir, file;
	unsigned int bad = 0, done = 0, i;
	int ret;

	memset(w, 0, sizeof(w));
	dir = make(set, ROOT, "shared", S_IFDIR | 0755, &ret);
	require(!ret);
	file = make(set, dir, "file", S_IFREG | 0644, &ret);
	require(!ret);
	for (i = 0; i < nr; i++) {
		w[i].nr = i;
		worker_start(&w[i], set, dir, file);
	}
	for (i = 0; i < nr; i++) {
		pthread_join(w[i].thread, NULL);
		free(w[i].buffer);
		bad += w[i].bad;
		done += w[i].done;
	}
	printf("# %u operations\n", done);
	return bad;
}

static unsigned int run(const struct small_shape *shape, const char *name)
{
	unsigned int nr = getenv("THREADS") ? atoi(getenv("THREADS")) : 4, bad;
	struct small_set s;
	char why[512];

	small_set_format(&s, shape);
	if (small_set_open(&s, why)) {
		fprintf(stderr, "# %s\n", why);
		exit(1);
	}
	bad = run_threads(s.set, min_t(unsigned int, nr, THREADS_MAX));
	bad += !!small_set_close(&s, true);
	bad += !!small_set_check(&s, name);
	if (bad && getenv("KEEP"))
		small_set_keep(&s, getenv("KEEP"));
	small_set_free(&s);
	printf("%sok - %s\n", bad ? "not " : "", name);
	return bad;
}

int main(void)
{
	static const struct small_shape one = { 1, 1, 24 << 20, 64 << 10, "4k", "512" };
	static const struct small_shape over = { 1, 1, 24 << 20, 64 << 10, "4k", "512", NULL, true };
	static const struct small_shape two = { 2, 2, 32 << 20, 128 << 10, "8k", "512", "lz4" };

	rnd_setup(NULL);
	return run(&one, "one member") + run(&over, "one member, written in place") +
	       run(&two, "two members, two copies, lz4") ? 1 : 0;
}
