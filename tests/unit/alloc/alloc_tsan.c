// SPDX-License-Identifier: GPL-2.0
/*
 * Files written and deleted by several threads while the allocator's own work runs, on members
 * that are nearly full: every thread is always in need of what another has just given up. In the
 * end everything is recomputed and compared.
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/string.h>

#include "alloc_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/format/ids.h"
#include "require.h"
#include "sb_builder.h"
#include "test_keys.h"

#include <pthread.h>

#define NR_THREADS	4
#define NR_ROUNDS	250
#define NR_SLOTS	24

static struct alloc_rig r;

static u64 next(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void write_slot(u64 inum, u64 slot, bool cached, u64 *rnd)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = 1 + next(rnd) % 2, .replicas_required = 1,
		.watermark = ALLOC_NORMAL, .stream = inum, .cached = cached,
	};
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(r.a, &req, SBB_BUCKET_SECTORS / 2, &s);

	if (ret == -ENOSPC || (!ret && !s.nr))
		return;
	require(!ret);
	if (s.sectors == SBB_BUCKET_SECTORS / 2) {
		key_init(&key, KEY_TYPE_extent, SPOS(inum, (slot + 1) * 1024, U32_MAX), s.sectors);
		key_add_space(&key, &s);
		require(!alloc_rig_put(&r, BTREE_ID_extents, &key.k));
	}
	bce_alloc_space_put(r.a, &s);
}

static void remove_slot(u64 inum, u64 slot)
{
	struct bkey gone = { .type = KEY_TYPE_deleted, .p = SPOS(inum, (slot + 1) * 1024, U32_MAX) };

	require(!alloc_rig_put(&r, BTREE_ID_extents, &gone));
}

static void *writer(void *arg)
{
	u64 inum = 4096 + (uintptr_t)arg, rnd = inum * 0x9e3779b97f4a7c15ULL;
	struct space_reservation res;
	struct alloc_usage usage;

	for (unsigned int i = 0; i < NR_ROUNDS; i++) {
		u64 slot = next(&rnd) % NR_SLOTS;

		switch (next(&rnd) % 8) {
		case 0 ... 3:
			write_slot(inum, slot, false, &rnd);
			break;
		case 4:
			write_slot(inum, slot, true, &rnd);
			break;
		case 5:
			if (!bce_space_reserve(r.a, &res, 64, 1))
				bce_space_unreserve(r.a, &res);
			bce_alloc_usage(r.a, &usage);
			break;
		default:
			remove_slot(inum, slot);
			bce_allocator_flushed(r.a, 0);
		}
		bce_bucket_gen(r.a, 0, next(&rnd) % SBB_NBUCKETS);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[NR_THREADS];

	alloc_rig_open(&r, 2, NULL);
	require(!bce_allocator_start(r.a));
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		require(!pthread_create(&thread[i], NULL, writer, (void *)i));
	for (unsigned int i = 0; i < NR_THREADS; i++)
		require(!pthread_join(thread[i], NULL));
	bce_allocator_stop(r.a);
	require(!bce_log_errors_total(r.mem.log));	/* nor was anything seen half-way */
	alloc_rig_check(&r);
	alloc_rig_close(&r);
	return 0;
}
