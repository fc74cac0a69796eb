// SPDX-License-Identifier: GPL-2.0
/*
 * Commits of many threads into a real journal: what its entries say, one after the other, must come to
 * what is in memory. Threads put values at the same few places without having read them, so the
 * order is made by commit alone; and they count, where every key of the journal must have
 * a later version than the one before.
 *
 * Nodes are never written here: the ring has room for everything, and reclaim is told so.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/err.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/trans.h"
#include "engine/btree/writer.h"
#include "engine/format/ids.h"
#include "engine/key/pack.h"
#include "journal_rig.h"
#include "mem_btrees.h"
#include "random.h"
#include "require.h"

#define NR_PLACES	6
#define NR_THREADS	4
#define COMMITS		1000

struct writer {
	struct btrees	*b;
	pthread_t	thread;
	u64		number;
	u64		random;
};

static struct bpos place(unsigned int i)
{
	return SPOS(1, 16 + i, 100);
}

static int do_write(struct bce_trans *t, void *ctx)
{
	static const struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	struct writer *w = ctx;
	__le64 value = cpu_to_le64(w->number);
	struct bkey k = { .type = KEY_TYPE_cookie, .val_u64s = 1, .v = &value };
	unsigned int i = w->random % NR_PLACES;
	int ret;

	k.p = place(i);
	ret = bce_trans_update(t, BTREE_ID_xattrs, &k, 0);
	k.p = place((i + 1 + w->random / NR_PLACES % (NR_PLACES - 1)) % NR_PLACES);
	if (!ret && w->random >> 32 & 1)
		k.type = KEY_TYPE_deleted;
	if (k.type == KEY_TYPE_deleted)
		k.val_u64s = 0;
	ret = ret ?: bce_trans_update(t, BTREE_ID_xattrs, &k, 0);
	return ret ?: bce_trans_account(t, &count, &(s64) { 1 }, 1);
}

static void *write_keys(void *arg)
{
	struct writer *w = arg;
	unsigned int i;

	for (i = 0; i < COMMITS; i++) {
		w->number += NR_THREADS;
		w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
		require(!bce_trans_run(w->b, do_write, w, 0, NULL));
	}
	return NULL;
}

/* ---- what the journal comes to ---- */

struct outcome {
	u64		value[NR_PLACES];	/* 0: nothing */
	u64		count;
	struct bversion	version;
};

static void play_key(struct outcome *o, unsigned int btree_id, const struct bkey *k)
{
	if (btree_id == BTREE_ID_xattrs) {
		o->value[k->p.offset - 16] = k->val_u64s ? le64_to_cpu(*(const __le64 *)k->v) : 0;
	} else {
		require(btree_id == BTREE_ID_accounting);
		require(k->version.hi > o->version.hi || k->version.lo > o->version.lo);
		o->version = k->version;
		o->count += bce_accounting_counter(k, 0);
	}
}

static void play(struct jr_rig *rig, struct outcome *o)
{
	struct journal_read_context ctx = {
		.sb = rig->b[0].sb, .dev_sb = rig->dev_sb, .members = rig->members,
		.cipher = rig->cipher, .rules = &rig->rules, .log = rig->log,
	};
	struct journal_replay r = { };
	const struct jset_entry *e;
	struct bkey k;
	size_t i;

	jr_members_close(rig);
	jr_members_open(rig);
	require(!bce_journal_read(&r, &ctx));
	for (i = 0; i < r.nr_entries; i++)
		for (e = bce_jset_first(r.entry[i]->jset); e;
		     e = bce_jset_next(r.entry[i]->jset, e)) {
			if (e->type != JSET_ENTRY_btree_keys || !e->u64s)
				continue;
			require(!bce_key_read_unpacked(e->payload, le16_to_cpu(e->u64s), &k));
			play_key(o, e->btree_id, &k);
		}
	bce_journal_replay_exit(&r);
}

static void compare(struct btrees *b, const struct outcome *o)
{
	struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	struct bkey_buf buf;
	struct bkey k;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_PLACES; i++) {
		ret = bce_btree_lookup(b, BTREE_ID_xattrs, place(i), NULL, &k, &buf);
		require(ret == (o->value[i] ? 0 : -ENOENT));
		require(ret || le64_to_cpu(*(const __le64 *)k.v) == o->value[i]);
	}
	require(!bce_btree_lookup(b, BTREE_ID_accounting, bce_accounting_pos_encode(&count), NULL,
				  &k, &buf));
	require(bce_accounting_counter(&k, 0) == NR_THREADS * COMMITS);
	require(o->count == NR_THREADS * COMMITS);
	require(k.version.hi == o->version.hi && k.version.lo == o->version.lo);
}

/* nothing leaves memory here but by the journal, whose ring has room for all of it */
static int no_space(void *ctx, struct btree_space *out, bool reserve)
{
	return -ENOSPC;
}

static void nothing_to_put(void *ctx, struct btree_space *space)
{
}

static const struct btree_space_ops space_ops = { .get = no_space, .put = nothing_to_put };

int main(void)
{
	/* small entries: they are full, and all on their way, again and again */
	const struct jr_options options = {
		.nr = 1, .ring_nr = JR_RING_MAX, .bucket_sectors = 256, .block_sectors = 1,
		.csum_type = BCH_CSUM_xxhash,
	};
	struct btrees_write_config writing = { };
	struct writer w[NR_THREADS];
	struct outcome outcome = { };
	struct journal_stats stats;
	struct mem_btrees m;
	struct jr_rig rig;
	u64 i;

	rnd_setup(NULL);
	jr_init(&rig, &options);
	require(!jr_open(&rig));
	bce_journal_replay_done(rig.j);
	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	writing.journal = rig.j;
	writing.space = &space_ops;
	require(!bce_btrees_start_writing(m.b, &writing, 0));

	for (i = 0; i < NR_THREADS; i++) {
		w[i] = (struct writer) { .b = m.b, .number = i + 1, .random = rnd() };
		require(!pthread_create(&w[i].thread, NULL, write_keys, &w[i]));
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(w[i].thread, NULL);
	require(!bce_journal_flush(rig.j));
	bce_journal_stats(rig.j, &stats);
	if (getenv("VERBOSE"))
		fprintf(stderr, "%llu entries, %llu reservations, %llu slow, %llu blocked, restarts %lld\n",
			(unsigned long long)stats.entries, (unsigned long long)stats.reservations,
			(unsigned long long)stats.slow_reservations,
			(unsigned long long)stats.blocked,
			(long long)atomic64_read(&m.b->restarts));

	jr_crash(&rig);
	play(&rig, &outcome);
	compare(m.b, &outcome);
	require(!*rig.said);
	mem_btrees_exit(&m);
	jr_exit(&rig);
	return 0;
}
