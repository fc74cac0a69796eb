// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads have things marked in the superblock while a member goes and comes: what a call
 * said is there can be read from the member that never went.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/atomic.h>

#include "engine/format/ids.h"
#include "engine/sb/replicas.h"
#include "kapi/kapi.h"
#include "require.h"
#include "sb_builder.h"
#include "sb_rig.h"

#define THREADS	4
#define ROUNDS	40

static struct sb_rig rig;
static atomic_t running;

static void check_marked(unsigned int type, u64 devs, u64 sector)
{
	struct member_info m;
	struct sb_image img;

	sb_rig_read(&rig, 0, 0, &img);
	require(bce_replicas_listed(img.sb, type, devs, false));
	bce_sb_member(img.sb, 0, &m);
	require(m.btree_bitmap >> (sector >> m.btree_bitmap_shift) & 1);
	bce_sb_image_exit(&img);
}

static void *marker(void *arg)
{
	unsigned long id = (unsigned long)arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		u64 devs = 1 + (i + id) % 7, sector = (id * ROUNDS + i) * 512;
		unsigned int type = BCH_DATA_journal + (i + id) % 3;

		require(!bce_sb_mark_replicas(rig.w, type, 1, devs));
		require(!bce_sb_mark_btree(rig.w, 0, sector, 512));
		check_marked(type, devs, sector);
		require(!bce_sb_set_features(rig.w, 1ULL << (i % 9)));
	}
	atomic_dec(&running);
	return NULL;
}

/* the third member has no data of its own: without it the others are enough */
static void come_and_go(void)
{
	while (atomic_read(&running)) {
		bce_members_detach(rig.members, &rig.bdev[2]);
		sb_rig_attach_as(&rig, 2, &rig.bdev[2]);
	}
}

int main(void)
{
	pthread_t thread[THREADS];
	unsigned long i;

	sb_rig_open(&rig, 3, NULL);
	atomic_set(&running, THREADS);
	for (i = 0; i < THREADS; i++)
		require(!pthread_create(&thread[i], NULL, marker, (void *)i));
	come_and_go();
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	sb_rig_close(&rig);
	return 0;
}
