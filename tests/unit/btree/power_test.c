// SPDX-License-Identifier: GPL-2.0
/*
 * Power cuts while btrees are written: one thread changes keys one after the other, and now and then
 * asks for durability. At any moment the power may go: what was not flushed is there or not, in
 * parts, in any order. What is found then must be the state after some change, not before the last
 * one that was promised; all nodes must be readable, and counted.
 *
 * SEED= gives other rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "random.h"
#include "record.h"
#include "write_rig.h"

#define KEYS		500
#define CHANGES		2500
#define CRASHES		40
#define BTREE		BTREE_ID_xattrs

/* change @n sets or deletes one key */
static unsigned int key_of(u32 seed, unsigned int n)
{
	u64 x = (u64)(n + seed) * 0x9e3779b97f4a7c15ULL;

	return (x >> 33) % KEYS;
}

static bool deletes(unsigned int n)
{
	return n % 5 == 3;
}

static struct bpos place(unsigned int key)
{
	return SPOS(1, 16 + key * 3, 100);
}

struct job {
	u32		seed;
	unsigned int	n;
};

static int change(struct bce_trans *t, void *ctx)
{
	const struct job *job = ctx;
	u64 v[5] = { job->n, ~0ULL };
	struct bkey k = {
		.p = place(key_of(job->seed, job->n)), .type = KEY_TYPE_cookie,
		.val_u64s = 2 + job->n % 4, .v = v,
	};

	if (deletes(job->n))
		return bce_trans_delete(t, BTREE, k.p, 0);
	return bce_trans_update(t, BTREE, &k, 0);
}

static void work(struct write_rig *rig, u32 seed)
{
	struct job job = { .seed = seed };
	u64 seq;

	for (job.n = 1; job.n <= CHANGES; job.n++) {
		assert_int_equal(bce_trans_run(rig->btrees, change, &job, 0, &seq), 0);
		if (rnd() % 40 == 0) {
			assert_int_equal(bce_journal_flush_seq(rig->j, seq), 0);
			record_ack(rig->record, job.n);
		}
		if (rnd() % 800 == 0)
			assert_int_equal(bce_btrees_flush(rig->btrees), 0);
	}
}

/* value of each key: the number of the change that made it; 0: none */
static unsigned int read_keys(struct write_rig *rig, unsigned int *found)
{
	unsigned int i, last = 0;
	struct bkey_buf buf;
	struct bkey k;
	int ret;

	for (i = 0; i < KEYS; i++) {
		ret = bce_btree_lookup(rig->btrees, BTREE, place(i), NULL, &k, &buf);
		assert_true(!ret || ret == -ENOENT);
		found[i] = ret ? 0 : *(const u64 *)k.v;
		last = found[i] > last ? found[i] : last;
	}
	return last;
}

/* the state after change @n? */
static bool is_state(u32 seed, unsigned int n, const unsigned int *found)
{
	unsigned int want[KEYS] = { 0 }, i;

	for (i = 1; i <= n; i++)
		want[key_of(seed, i)] = deletes(i) ? 0 : i;
	for (i = 0; i < KEYS; i++)
		if (want[i] != found[i])
			return false;
	return true;
}

static void check(struct write_rig *rig, u32 seed, u64 acked)
{
	unsigned int found[KEYS], n = read_keys(rig, found), to;

	/* deletions behind the last key that was set leave no number */
	for (to = n + 2; n < acked || n < to; n++)
		if (is_state(seed, n, found))
			break;
	assert_true(is_state(seed, n, found));
	if (n < acked)
		assert_true(is_state(seed, acked, found));
	assert_int_equal(wr_accounted_nodes(rig, BTREE), wr_count_nodes(rig, BTREE));
	assert_int_equal(bce_log_errors_total(rig->log), 0);
}

static void crash_once(const struct write_rig *made, const struct wr_options *o, u32 seed)
{
	size_t mark = rnd() % record_nr_marks(made->record);
	struct write_rig *rig = calloc(1, sizeof(*rig));
	int fds[RECORD_DEVS_MAX];
	struct record_crash crash;

	record_crash(made->record, mark, rnd() % 4 ? rnd() : 0, fds, &crash);
	if (crash.acked) {
		wr_init(rig, o);
		wr_take_images(rig, fds, made->next_node);
		assert_int_equal(wr_open(rig), 0);
		check(rig, seed, crash.acked);
		/* and nothing of it depends on the journal only */
		wr_stop(rig);
		assert_int_equal(wr_open(rig), 0);
		check(rig, seed, crash.acked);
		wr_exit(rig);
	}
	record_close_images(made->record, fds);
	free(rig);
}

static void power(const struct wr_options *o)
{
	struct write_rig *rig = calloc(1, sizeof(*rig));
	u32 seed = rnd();
	unsigned int i;

	wr_init(rig, o);
	wr_record(rig);
	assert_int_equal(wr_open(rig), 0);
	work(rig, seed);
	wr_exit(rig);
	record_stop(rig->record);
	for (i = 0; i < CRASHES; i++)
		crash_once(rig, o, seed);
	record_free(rig->record);
	free(rig);
}

static void one_member(void **state)
{
	power(&(struct wr_options) { .nr = 1, .csum_type = BCH_CSUM_crc32c_nonzero });
}

static void two_members(void **state)
{
	power(&(struct wr_options) {
		.nr = 2, .replicas = 2, .csum_type = BCH_CSUM_xxhash, .ring_nr = 16,
		.bucket_sectors = 64,
	});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_member),
		cmocka_unit_test(two_members),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
