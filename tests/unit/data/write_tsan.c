// SPDX-License-Identifier: GPL-2.0
/*
 * Files written by a thread each, all in one set, while extents are moved under them: every thread
 * finds in its file what it has put there, and at the end all rules of extents hold. Some of the files
 * share data, so that one reference count is changed by many.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "data_rig.h"
#include "engine/data/move.h"
#include "engine/format/ids.h"
#include "require.h"

#define WRITERS		3
#define ROUNDS		60
#define BLOCKS		16
#define FIRST_INUM	4100
#define SHARED_INUM	4200

static struct data_rig rig;
static int stop;

struct writer {
	pthread_t	thread;
	u64		inum;
	u32		random;
	u8		data[BLOCKS * RIG_BLOCK_BYTES];
	u8		got[BLOCKS * RIG_BLOCK_BYTES];
};

static u8 shared[BLOCKS * RIG_BLOCK_BYTES];

static u32 next(u32 *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void fill(u8 *p, size_t n, u32 *random)
{
	u32 word = next(random);

	for (size_t i = 0; i < n; i++)
		p[i] = i % 32 < 4 ? next(random) : word >> i % 3 * 8;
}

static void step(struct writer *w)
{
	struct bce_file_id file = { .subvol = 1, .inum = w->inum };
	u32 at = next(&w->random) % BLOCKS, blocks = 1 + next(&w->random) % (BLOCKS - at);
	u64 done;

	switch (next(&w->random) % 5) {
	case 0:
		require(!bce_data_punch(rig.writer, file, at * 8, (at + blocks) * 8, NULL));
		memset(w->data + at * 4096, 0, blocks * 4096);
		return;
	case 1:
		require(!bce_data_reflink(rig.writer,
					  (struct bce_file_id) { .subvol = 1, .inum = SHARED_INUM },
					  at * 8, file, at * 8, blocks * 8, sizeof(w->data), &done,
					  NULL));
		memcpy(w->data + at * 4096, shared + at * 4096, blocks * 4096);
		return;
	default:
		fill(w->data + at * 4096, blocks * 4096, &w->random);
		require(!rig_write(&rig, file, at * 8, w->data + at * 4096, blocks * 4096,
				   sizeof(w->data), 0));
	}
}

static void *write_file(void *arg)
{
	struct writer *w = arg;
	struct bce_file_id file = { .subvol = 1, .inum = w->inum };

	for (unsigned int i = 0; i < ROUNDS; i++) {
		step(w);
		require(!rig_read(&rig, file, 0, w->got, sizeof(w->got)));
		require(!memcmp(w->got, w->data, sizeof(w->data)));
	}
	return NULL;
}

/* the first extent at or behind a position; false: none */
static bool find_extent(unsigned int btree_id, struct bpos from, struct data_move *m)
{
	struct btree_iter iter;
	const struct bkey *k;
	bool found = false;

	bce_btree_iter_init(&iter, rig.mem.b, btree_id, 0, from, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !found; k = bce_btree_iter_next(&iter)) {
		found = bce_key_has_ptrs(k->type);
		m->btree_id = btree_id;
		m->pos = k->p;
	}
	bce_btree_iter_exit(&iter);
	return found;
}

static void *move_extents(void *arg)
{
	u32 random = 77;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct data_move m = { .drop_devs = ~0ULL, .stream = next(&random) };
		unsigned int id = next(&random) % 4 ? BTREE_ID_extents : BTREE_ID_reflink;
		u64 inum = id == BTREE_ID_extents ? FIRST_INUM + next(&random) % WRITERS : 0;
		int ret;

		if (!find_extent(id, POS(inum, next(&random) % (BLOCKS * 8)), &m))
			continue;
		ret = bce_data_move(rig.writer, &m);
		require(!ret || ret == -ENOENT);
	}
	return NULL;
}

int main(void)
{
	static struct writer writer[WRITERS];
	pthread_t mover;
	u32 random = 5;

	rig_init(&rig, true);
	rig.opts.compression = BCH_COMPRESSION_OPT_lz4;
	rig_inode(&rig, 1, SHARED_INUM, NULL);
	fill(shared, sizeof(shared), &random);
	require(!rig_write(&rig, (struct bce_file_id) { .subvol = 1, .inum = SHARED_INUM }, 0, shared,
			   sizeof(shared), sizeof(shared), 0));
	for (int i = 0; i < WRITERS; i++) {
		writer[i].inum = FIRST_INUM + i;
		writer[i].random = i + 1;
		rig_inode(&rig, 1, writer[i].inum, NULL);
	}
	for (int i = 0; i < WRITERS; i++)
		require(!pthread_create(&writer[i].thread, NULL, write_file, &writer[i]));
	require(!pthread_create(&mover, NULL, move_extents, NULL));
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writer[i].thread, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(mover, NULL);
	rig_check(&rig);
	rig_exit(&rig);
	return 0;
}
