// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that write and delete on a set that is nearly full all the time, over nodes, journal and
 * allocator as they are: those who wait for space, for the journal and for maintenance must not wait
 * for each other.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "nodes_rig.h"
#include "require.h"
#include "test_keys.h"

#include <pthread.h>

#define NR_THREADS	4
#define NR_CHANGES	2000
#define NR_SLOTS	1000

static struct world *w;

static u64 next(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int put_key(struct bce_trans *t, void *ctx)
{
	return bce_trans_update(t, BTREE_ID_extents, ctx, 0);
}

static void put(struct bkey *k)
{
	require(!bce_trans_run(w->b, put_key, k, 0, NULL));
}

static void write_slot(u64 inum, u64 slot)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = 1, .replicas_required = 1,
		.watermark = ALLOC_NORMAL, .stream = inum,
	};
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(w->a, &req, 32, &s);

	if (ret == -ENOSPC)
		return;
	require(!ret);
	if (s.sectors == 32) {
		key_init(&key, KEY_TYPE_extent, SPOS(inum, (slot + 1) * 32, U32_MAX), 32);
		key_add_space(&key, &s);
		put(&key.k);
	}
	bce_alloc_space_put(w->a, &s);
}

static void *writer(void *arg)
{
	u64 inum = 4096 + (uintptr_t)arg, rnd = inum * 0x9e3779b97f4a7c15ULL;

	for (unsigned int i = 0; i < NR_CHANGES; i++) {
		u64 slot = next(&rnd) % NR_SLOTS;
		struct bkey gone = { .type = KEY_TYPE_deleted,
				     .p = SPOS(inum, (slot + 1) * 32, U32_MAX) };

		if (next(&rnd) % 4)
			write_slot(inum, slot);
		else
			put(&gone);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[NR_THREADS];

	w = world_open(1, 1);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		require(!pthread_create(&thread[i], NULL, writer, (void *)i));
	for (unsigned int i = 0; i < NR_THREADS; i++)
		require(!pthread_join(thread[i], NULL));
	world_close(w);
	return 0;
}
