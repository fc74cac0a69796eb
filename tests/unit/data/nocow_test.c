// SPDX-License-Identifier: GPL-2.0
/*
 * Files with option nocow: what is written over in place, what is not, and who waits for whom meanwhile
 * (docs/format/85-policies.md, section 7; lib/engine/data/nocow.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "data_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/data/move.h"
#include "engine/data/write.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "require.h"

#define INUM		4100
#define BLOCKS		16
#define BYTES		(BLOCKS * RIG_BLOCK_BYTES)
#define DEV		(INUM % RIG_DEVS)	/* the rig's first choice for this file */

static const struct bce_file_id file = { .subvol = 1, .inum = INUM };
static u8 data[3][BYTES], got[BYTES];

static void begin(struct data_rig *r, bool encrypted)
{
	rig_init(r, encrypted);
	r->opts.nocow = true;
	r->opts.data_checksum = BCH_CSUM_OPT_crc32c;
	r->opts.compression = BCH_COMPRESSION_OPT_lz4;
	rig_inode(r, 1, INUM, NULL);
	for (int i = 0; i < 3; i++)
		memset(data[i], 'a' + i, BYTES);
}

static int write_blocks(struct data_rig *r, const u8 *from, unsigned int block, unsigned int nr)
{
	return rig_write(r, file, block * RIG_BLOCK_SECTORS, from + block * RIG_BLOCK_BYTES,
			 nr * RIG_BLOCK_BYTES, BYTES, 0);
}

static void expect(struct data_rig *r, u32 subvol, unsigned int block, unsigned int nr, int c)
{
	struct bce_file_id id = { .subvol = subvol, .inum = INUM };

	assert_int_equal(rig_read(r, id, 0, got, BYTES), 0);
	for (unsigned int i = block * RIG_BLOCK_BYTES; i < (block + nr) * RIG_BLOCK_BYTES; i++)
		assert_int_equal(got[i], c);
}

/* all keys of extents, to see whether any has changed */
struct keys {
	unsigned int	nr;
	struct bkey	k[64];
	__le64		v[64][8];
};

static void keys_read(struct data_rig *r, struct keys *out)
{
	struct btree_iter iter;
	const struct bkey *k;

	memset(out, 0, sizeof(*out));
	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_extents, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
		require(out->nr < 64 && bkey_val_bytes(k) <= sizeof(out->v[0]));
		memcpy(out->v[out->nr], k->v, bkey_val_bytes(k));
		out->k[out->nr] = *k;
		out->k[out->nr++].v = NULL;
	}
	bce_btree_iter_exit(&iter);
}

static bool keys_same(const struct keys *a, const struct keys *b)
{
	for (unsigned int i = 0; i < a->nr && i < b->nr; i++)
		if (bpos_cmp(a->k[i].p, b->k[i].p) || a->k[i].size != b->k[i].size ||
		    a->k[i].type != b->k[i].type || memcmp(a->v[i], b->v[i], sizeof(a->v[i])))
			return false;
	return a->nr == b->nr;
}

/* is @nr blocks from @block on with data[@n] written without any change of a key? */
static bool goes_in_place(struct data_rig *r, unsigned int n, unsigned int block, unsigned int nr)
{
	static struct keys before, after;

	keys_read(r, &before);
	assert_int_equal(write_blocks(r, data[n], block, nr), 0);
	keys_read(r, &after);
	expect(r, 1, block, nr, 'a' + n);
	rig_check(r);
	return keys_same(&before, &after);
}

/* ---- what is, and what is not ---- */

static void own_plain_extents_are(void **state)
{
	struct inode_fields f, f2;
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	assert_true(goes_in_place(&r, 1, 0, BLOCKS));
	assert_true(goes_in_place(&r, 2, 3, 2));
	expect(&r, 1, 0, 3, 'b');
	expect(&r, 1, 5, BLOCKS - 5, 'b');
	/* the inode tells of it: its journal entry is what a sync waits for */
	assert_int_equal(rig_inode_read(&r, 1, INUM, &f), 0);
	assert_true(goes_in_place(&r, 0, 3, 2));
	assert_int_equal(rig_inode_read(&r, 1, INUM, &f2), 0);
	assert_true(f2.journal_seq > f.journal_seq || r.mem.b);
	rig_exit(&r);
}

static void holes_between_are_filled(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, 4), 0);
	assert_int_equal(write_blocks(&r, data[0], 8, 4), 0);
	assert_false(goes_in_place(&r, 1, 0, BLOCKS));
	assert_true(goes_in_place(&r, 2, 0, BLOCKS));
	rig_exit(&r);
}

static void other_files_are_not(void **state)
{
	struct data_rig r;

	begin(&r, false);
	r.opts.compression = 0;
	r.opts.data_checksum = BCH_CSUM_OPT_none;
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	r.opts.nocow = false;
	assert_false(goes_in_place(&r, 1, 0, BLOCKS));
	r.opts.nocow = true;
	assert_true(goes_in_place(&r, 2, 0, BLOCKS));
	rig_exit(&r);
}

static void encoded_extents_are_not(void **state)
{
	for (int how = 0; how < 2; how++) {
		struct data_rig r;

		begin(&r, false);
		r.opts.nocow = false;
		if (how)
			r.opts.compression = 0;
		else
			r.opts.data_checksum = BCH_CSUM_OPT_none;
		assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
		r.opts.nocow = true;
		assert_false(goes_in_place(&r, 1, 4, 2));
		expect(&r, 1, 0, 4, 'a');
		/* what that has made is plain */
		assert_true(goes_in_place(&r, 2, 4, 2));
		rig_exit(&r);
	}
}

static void snapshots_keep_what_they_show(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	rig_snapshot(&r, 1, 2);
	assert_false(goes_in_place(&r, 1, 2, 4));
	expect(&r, 2, 0, BLOCKS, 'a');
	assert_true(goes_in_place(&r, 2, 2, 4));
	expect(&r, 2, 0, BLOCKS, 'a');
	expect(&r, 1, 0, 2, 'a');
	rig_exit(&r);
}

static void shared_extents_are_not(void **state)
{
	struct bce_file_id other = { .subvol = 1, .inum = INUM + 4 };
	struct data_rig r;
	u64 done;

	begin(&r, false);
	rig_inode(&r, 1, other.inum, NULL);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	assert_int_equal(bce_data_reflink(r.writer, file, 0, other, 0, 8 * RIG_BLOCK_SECTORS, 8 * RIG_BLOCK_BYTES,
					  &done, NULL), 0);
	assert_false(goes_in_place(&r, 1, 2, 4));
	assert_int_equal(rig_read(&r, other, 0, got, 8 * RIG_BLOCK_BYTES), 0);
	for (int i = 0; i < 8 * RIG_BLOCK_BYTES; i++)
		assert_int_equal(got[i], 'a');
	/* the whole extent has become shared */
	assert_false(goes_in_place(&r, 2, 8, 8));
	assert_true(goes_in_place(&r, 1, 8, 8));
	rig_exit(&r);
}

/* after a crash they would differ, and nobody could tell */
static void several_copies_are_not(void **state)
{
	struct data_rig r;

	begin(&r, false);
	r.opts.data_replicas = 2;
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	assert_false(goes_in_place(&r, 1, 2, 4));
	/* nor one where there are to be two */
	r.opts.data_replicas = 1;
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	r.opts.data_replicas = 2;
	assert_false(goes_in_place(&r, 1, 2, 4));
	/* but one on a member that counts as two */
	r.rule_dev[DEV].durability = 2;
	r.opts.data_replicas = 1;
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	r.opts.data_replicas = 2;
	assert_true(goes_in_place(&r, 1, 2, 4));
	rig_exit(&r);
}

static void nothing_of_an_encrypted_set_is(void **state)
{
	static struct keys keys;
	struct data_rig r;

	begin(&r, true);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	assert_false(goes_in_place(&r, 1, 0, BLOCKS));
	keys_read(&r, &keys);
	for (unsigned int i = 0; i < keys.nr; i++) {
		struct extent_ptr_decoded p;
		struct extent_walk w;

		keys.k[i].v = keys.v[i];
		bce_extent_walk_init(&w, &keys.k[i], 0);
		while (bce_extent_next_ptr(&w, &p))
			assert_true(bce_csum_type_is_mac(p.crc.csum_type));
	}
	rig_exit(&r);
}

static void members_that_take_no_data_are_not(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	r.no_devs = 1 << DEV;
	assert_false(goes_in_place(&r, 1, 0, BLOCKS));
	r.no_devs = 0;
	assert_true(goes_in_place(&r, 2, 0, BLOCKS));
	rig_exit(&r);
}

static void full_sets_are_no_hindrance(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	r.no_reserve = true;
	assert_true(goes_in_place(&r, 1, 0, BLOCKS));
	assert_true(bce_data_holds_space(r.writer, file, 0, BLOCKS * RIG_BLOCK_SECTORS));
	assert_false(bce_data_holds_space(r.writer, file, 0, (BLOCKS + 1) * RIG_BLOCK_SECTORS));
	rig_snapshot(&r, 1, 2);
	assert_false(bce_data_holds_space(r.writer, file, 0, RIG_BLOCK_SECTORS));
	assert_int_equal(write_blocks(&r, data[2], 0, BLOCKS), -ENOSPC);
	expect(&r, 1, 0, BLOCKS, 'b');
	r.no_reserve = false;
	rig_exit(&r);
}

/* the end of a file that grows within its last block */
static void the_file_grows_in_its_last_block(void **state)
{
	struct inode_fields f;
	struct data_rig r;

	begin(&r, false);
	r.opts.inline_data = true;
	assert_int_equal(rig_write(&r, file, 0, data[0], 2 * RIG_BLOCK_BYTES, 2 * RIG_BLOCK_BYTES - 90, 0), 0);
	assert_int_equal(rig_write(&r, file, RIG_BLOCK_SECTORS, data[1], RIG_BLOCK_BYTES,
				   2 * RIG_BLOCK_BYTES - 10, 0), 0);
	assert_int_equal(rig_inode_read(&r, 1, INUM, &f), 0);
	assert_int_equal(f.size, 2 * RIG_BLOCK_BYTES - 10);
	rig_check(&r);
	rig_exit(&r);
}

/* ---- who waits for whom ---- */

/* writes to a member are stopped on their way */
struct gate {
	struct kapi_bdev_fault	fault;
	pthread_mutex_t		lock;
	pthread_cond_t		cond;
	enum req_op		op;
	bool			closed, fail;
	unsigned int		waiting;
};

static blk_status_t at_gate(struct bio *bio, void *priv)
{
	struct gate *g = priv;
	blk_status_t status = BLK_STS_OK;

	pthread_mutex_lock(&g->lock);
	if (bio_op(bio) == g->op && g->closed) {
		g->waiting++;
		pthread_cond_broadcast(&g->cond);
		while (g->closed)
			pthread_cond_wait(&g->cond, &g->lock);
		g->waiting--;
	}
	if (bio_op(bio) == g->op && g->fail)
		status = BLK_STS_IOERR;
	pthread_mutex_unlock(&g->lock);
	return status;
}

static void gate_close(struct data_rig *r, struct gate *g, enum req_op op)
{
	*g = (struct gate) { .fault = { .before = at_gate }, .op = op, .closed = true };
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, NULL);
	g->fault.priv = g;
	kapi_bdev_set_fault(r->bdev[DEV], &g->fault);
}

static void gate_await(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	while (!g->waiting)
		pthread_cond_wait(&g->cond, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->closed = false;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

struct task {
	pthread_t	thread;
	struct data_rig	*r;
	void		(*fn)(struct task *t);
	int		ret;
	bool		done;
};

static void *task_run(void *arg)
{
	struct task *t = arg;

	t->fn(t);
	__atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void task_start(struct task *t, struct data_rig *r, void (*fn)(struct task *t))
{
	*t = (struct task) { .r = r, .fn = fn };
	require(!pthread_create(&t->thread, NULL, task_run, t));
}

static bool task_waits(struct task *t)
{
	usleep(30000);
	return !__atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

static int task_end(struct task *t)
{
	pthread_join(t->thread, NULL);
	return t->ret;
}

static void write_b(struct task *t)
{
	t->ret = write_blocks(t->r, data[1], 2, 4);
}

static int move_first(struct data_rig *r)
{
	static struct keys keys;
	struct data_move m = { .btree_id = BTREE_ID_extents, .watermark = ALLOC_COPYGC, .drop_devs = 1 << DEV };

	keys_read(r, &keys);
	m.pos = keys.k[0].p;
	return bce_data_move(r->writer, &m);
}

static void move_it(struct task *t)
{
	t->ret = move_first(t->r);
}

static void movers_leave_alone_what_is_written(void **state)
{
	struct task writer;
	struct data_rig r;
	struct gate g;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	gate_close(&r, &g, REQ_OP_WRITE);
	task_start(&writer, &r, write_b);
	gate_await(&g);
	/* it does not wait for ever: the writer may need what the mover is to bring */
	assert_int_equal(move_first(&r), -EAGAIN);
	gate_open(&g);
	assert_int_equal(task_end(&writer), 0);
	expect(&r, 1, 2, 4, 'b');
	assert_int_equal(move_first(&r), 0);
	expect(&r, 1, 2, 4, 'b');
	expect(&r, 1, 6, BLOCKS - 6, 'a');
	rig_check(&r);
	rig_exit(&r);
}

static void a_mover_waits_for_a_short_write(void **state)
{
	struct task writer, mover;
	struct data_rig r;
	struct gate g;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	gate_close(&r, &g, REQ_OP_WRITE);
	task_start(&writer, &r, write_b);
	gate_await(&g);
	task_start(&mover, &r, move_it);
	assert_true(task_waits(&mover));
	gate_open(&g);
	assert_int_equal(task_end(&writer), 0);
	assert_int_equal(task_end(&mover), 0);
	expect(&r, 1, 2, 4, 'b');
	rig_check(&r);
	rig_exit(&r);
}

static void writers_wait_for_a_mover(void **state)
{
	static struct keys keys;
	struct task writer, mover;
	struct data_rig r;
	struct gate g;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	gate_close(&r, &g, REQ_OP_READ);
	task_start(&mover, &r, move_it);
	gate_await(&g);
	task_start(&writer, &r, write_b);
	assert_true(task_waits(&writer));
	gate_open(&g);
	assert_int_equal(task_end(&mover), 0);
	assert_int_equal(task_end(&writer), 0);
	/* in place, at the new one: no piece more than moving makes */
	keys_read(&r, &keys);
	assert_int_equal(keys.nr, BLOCKS * RIG_BLOCK_SECTORS / RIG_ENCODED_MAX);
	expect(&r, 1, 2, 4, 'b');
	expect(&r, 1, 6, BLOCKS - 6, 'a');
	rig_check(&r);
	rig_exit(&r);
}

static void share_it(struct task *t)
{
	struct bce_file_id other = { .subvol = 1, .inum = INUM + 4 };
	u64 done;

	t->ret = bce_data_reflink(t->r->writer, file, 0, other, 0, BYTES / 512, BYTES, &done, NULL);
}

static void snapshot_it(struct task *t)
{
	bce_data_shared(t->r->writer);
}

/* whoever has made it shared may rely on it from then on */
static void sharing_ends_when_writes_have(void **state)
{
	for (int how = 0; how < 2; how++) {
		struct task writer, sharer;
		struct data_rig r;
		struct gate g;

		begin(&r, false);
		rig_inode(&r, 1, INUM + 4, NULL);
		assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
		gate_close(&r, &g, REQ_OP_WRITE);
		task_start(&writer, &r, write_b);
		gate_await(&g);
		if (how)
			rig_snapshot(&r, 1, 2);
		task_start(&sharer, &r, how ? snapshot_it : share_it);
		assert_true(task_waits(&sharer));
		gate_open(&g);
		assert_int_equal(task_end(&writer), 0);
		assert_int_equal(task_end(&sharer), 0);
		expect(&r, 1, 2, 4, 'b');
		expect(&r, how ? 2 : 1, 2, 4, 'b');
		rig_check(&r);
		rig_exit(&r);
	}
}

static bool is_given_out(struct data_rig *r, unsigned int dev, u64 bucket)
{
	bool full;
	struct open_bucket *ob = alloc_open_get(r->alloc->a, dev, bucket, BCH_DATA_user, ALLOC_RECLAIM, &full);

	if (ob)
		alloc_open_put(r->alloc->a, ob);
	return ob;
}

/* a bucket that its file has left while it was written to is nobody else's before that has ended */
static void buckets_are_held(void **state)
{
	static struct keys keys;
	struct extent_ptr_decoded p;
	struct extent_walk w;
	struct alloc_rig a;
	struct task writer;
	struct data_rig r;
	struct gate g;
	u64 bucket;
	u32 offset;

	alloc_rig_open(&a, RIG_DEVS, NULL);
	rig_init_alloc(&r, &a, false);
	bce_allocator_set_mover(a.a, &bce_data_mover_ops, r.writer);
	r.opts.nocow = true;
	rig_inode(&r, 1, INUM, NULL);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	keys_read(&r, &keys);
	keys.k[0].v = keys.v[0];
	bce_extent_walk_init(&w, &keys.k[0], 0);
	assert_true(bce_extent_next_ptr(&w, &p));
	assert_true(bce_bucket_of(a.a, p.ptr.dev, p.ptr.sector, &bucket, &offset));
	/* another one, which nobody has open, as a bucket is when its keys have gone */
	assert_true(is_given_out(&r, p.ptr.dev, bucket + 1));

	r.bdev[DEV] = a.sb.bdev[p.ptr.dev];
	gate_close(&r, &g, REQ_OP_WRITE);
	task_start(&writer, &r, write_b);
	gate_await(&g);
	assert_true(bce_nocow_held(r.writer, p.ptr.dev, bucket));
	assert_int_equal(bce_data_punch(r.writer, file, 0, BYTES / 512, NULL), 0);
	assert_false(is_given_out(&r, p.ptr.dev, bucket));
	gate_open(&g);
	assert_int_equal(task_end(&writer), 0);
	assert_false(bce_nocow_held(r.writer, p.ptr.dev, bucket));
	rig_check(&r);
	kapi_bdev_set_fault(r.bdev[DEV], NULL);
	bce_allocator_set_mover(a.a, NULL, NULL);
	rig_exit(&r);
	alloc_rig_close(&a);
}

/* ---- failures ---- */

static void a_failed_write_goes_elsewhere(void **state)
{
	static struct keys before, after;
	struct data_rig r;
	struct gate g;

	begin(&r, false);
	assert_int_equal(write_blocks(&r, data[0], 0, BLOCKS), 0);
	keys_read(&r, &before);
	gate_close(&r, &g, REQ_OP_WRITE);
	g.closed = false;
	g.fail = true;
	assert_int_equal(write_blocks(&r, data[1], 2, 4), 0);
	assert_int_equal(r.failed_devs, 1 << DEV);
	keys_read(&r, &after);
	assert_false(keys_same(&before, &after));
	expect(&r, 1, 0, 2, 'a');
	expect(&r, 1, 2, 4, 'b');
	expect(&r, 1, 6, BLOCKS - 6, 'a');
	rig_check(&r);
	g.fail = false;
	/* nothing is held any more */
	assert_int_equal(move_first(&r), 0);
	rig_check(&r);
	rig_exit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_plain_extents_are),
		cmocka_unit_test(holes_between_are_filled),
		cmocka_unit_test(other_files_are_not),
		cmocka_unit_test(encoded_extents_are_not),
		cmocka_unit_test(snapshots_keep_what_they_show),
		cmocka_unit_test(shared_extents_are_not),
		cmocka_unit_test(several_copies_are_not),
		cmocka_unit_test(nothing_of_an_encrypted_set_is),
		cmocka_unit_test(members_that_take_no_data_are_not),
		cmocka_unit_test(full_sets_are_no_hindrance),
		cmocka_unit_test(the_file_grows_in_its_last_block),
		cmocka_unit_test(movers_leave_alone_what_is_written),
		cmocka_unit_test(a_mover_waits_for_a_short_write),
		cmocka_unit_test(writers_wait_for_a_mover),
		cmocka_unit_test(sharing_ends_when_writes_have),
		cmocka_unit_test(buckets_are_held),
		cmocka_unit_test(a_failed_write_goes_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
