// SPDX-License-Identifier: GPL-2.0
/*
 * What goes wrong while data is written: members that fail, space and memory that cannot be had, at every
 * point of an operation. Afterwards a file has its old or its new contents (or, for a write, blocks of
 * either), nothing is lost of space or buffers, and operations that were interrupted are finished from their
 * records. Bad copies that a reader finds are rewritten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "data_rig.h"
#include "engine/data/move.h"
#include "engine/data/write.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "random.h"
#include "require.h"

#define INUM		4100
#define BLOCKS		32
#define BYTES		(BLOCKS * RIG_BLOCK_BYTES)

static const struct bce_file_id file = { .subvol = 1, .inum = INUM };

static void make_data(u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i % 64 < 8 ? rnd() : "abcdefgh"[i % 8];
}

static u8 *old_data, *new_data, *got;

static void begin(struct data_rig *r, bool encrypted)
{
	rig_init(r, encrypted);
	rig_inode(r, 1, INUM, NULL);
}

static int write_all(struct data_rig *r, const u8 *data)
{
	return rig_write(r, file, 0, data, BYTES, BYTES, 0);
}

static void expect(struct data_rig *r, const u8 *data, size_t bytes)
{
	assert_int_equal(rig_read(r, file, 0, got, BYTES), 0);
	assert_memory_equal(got, data, bytes);
}

/* ---- members that fail ---- */

struct failing {
	struct kapi_bdev_fault	fault;
	bool			on;
	unsigned int		writes;
};

static blk_status_t fail_writes(struct bio *bio, void *priv)
{
	struct failing *f = priv;

	if (!f->on || bio_op(bio) != REQ_OP_WRITE)
		return BLK_STS_OK;
	__atomic_fetch_add(&f->writes, 1, __ATOMIC_RELAXED);
	return BLK_STS_IOERR;
}

static void fail_member(struct data_rig *r, unsigned int dev, struct failing *f)
{
	*f = (struct failing) { .fault = { .before = fail_writes }, .on = true };
	f->fault.priv = f;
	kapi_bdev_set_fault(r->bdev[dev], &f->fault);
}

static void heal_member(struct data_rig *r, unsigned int dev)
{
	kapi_bdev_set_fault(r->bdev[dev], NULL);
}

/* members that hold any extent, and the fewest pointers of a key */
static u64 devs_in_use(struct data_rig *r, unsigned int *fewest)
{
	struct btree_iter iter;
	const struct bkey *k;
	u64 devs = 0;

	*fewest = 99;
	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_extents, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
		struct extent_ptr_decoded p;
		struct extent_walk w;
		unsigned int nr = 0;

		bce_extent_walk_init(&w, k, 0);
		while (bce_extent_next_ptr(&w, &p)) {
			devs |= 1ULL << p.ptr.dev;
			nr++;
		}
		*fewest = min(*fewest, nr);
	}
	bce_btree_iter_exit(&iter);
	return devs;
}

/* the writer's stream is the inode number: the first member is INUM % RIG_DEVS */
#define FIRST_DEV	(INUM % RIG_DEVS)

static void one_member_fails(void **state)
{
	for (int csum = 0; csum < 4; csum++) {
		struct failing f;
		struct data_rig r;
		unsigned int fewest;

		begin(&r, csum == 3);
		r.opts.data_checksum = csum;
		r.opts.compression = csum == 2 ? BCH_COMPRESSION_OPT_lz4 : 0;
		r.opts.data_replicas = 1 + csum % 2;
		fail_member(&r, FIRST_DEV, &f);
		assert_int_equal(write_all(&r, old_data), 0);
		assert_true(f.writes > 0);
		assert_int_equal(r.failed_devs, 1 << FIRST_DEV);
		/* on other members, as often as wanted */
		assert_false(devs_in_use(&r, &fewest) & 1 << FIRST_DEV);
		assert_int_equal(fewest, r.opts.data_replicas);
		expect(&r, old_data, BYTES);
		rig_check(&r);
		heal_member(&r, FIRST_DEV);
		rig_exit(&r);
	}
}

static unsigned int nr_keys(struct data_rig *r)
{
	struct btree_iter iter;
	unsigned int nr = 0;

	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_extents, 0, POS_MIN, 0, NULL);
	for (const struct bkey *k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter))
		nr++;
	bce_btree_iter_exit(&iter);
	return nr;
}

static blk_status_t count_writes(struct bio *bio, void *priv)
{
	struct failing *f = priv;

	if (bio_op(bio) == REQ_OP_WRITE)
		__atomic_fetch_add(&f->writes, 1, __ATOMIC_RELAXED);
	return BLK_STS_OK;
}

/* extents that follow one another on a member go there together, if nothing has to be done to the data */
static void one_bio_for_many(void **state)
{
	for (int compressed = 0; compressed < 2; compressed++) {
		struct failing f = { .fault = { .before = count_writes } };
		struct data_rig r;

		begin(&r, false);
		r.opts.data_checksum = BCH_CSUM_OPT_crc32c;
		r.opts.compression = compressed ? BCH_COMPRESSION_OPT_lz4 : 0;
		r.opts.data_replicas = 1;
		f.fault.priv = &f;
		for (unsigned int dev = 0; dev < RIG_DEVS; dev++)
			kapi_bdev_set_fault(r.bdev[dev], &f.fault);
		assert_int_equal(write_all(&r, old_data), 0);
		assert_true(nr_keys(&r) > 1);
		if (compressed)
			assert_int_equal(f.writes, nr_keys(&r));
		else
			assert_true(f.writes < nr_keys(&r));
		expect(&r, old_data, BYTES);
		rig_check(&r);
		for (unsigned int dev = 0; dev < RIG_DEVS; dev++)
			heal_member(&r, dev);
		rig_exit(&r);
	}
}

/* only two members are left for three copies: two will do, if one is required; three will not */
static void fewer_replicas(void **state)
{
	struct failing f;
	struct data_rig r;
	unsigned int fewest;

	begin(&r, false);
	r.no_devs = 1ULL << (FIRST_DEV + 3) % RIG_DEVS;
	r.opts.data_replicas = 3;
	fail_member(&r, FIRST_DEV, &f);
	assert_int_equal(write_all(&r, old_data), 0);
	devs_in_use(&r, &fewest);
	assert_int_equal(fewest, 2);
	expect(&r, old_data, BYTES);

	r.opts.data_replicas_required = 3;
	assert_int_equal(write_all(&r, new_data), -EIO);
	expect(&r, old_data, BYTES);
	rig_check(&r);
	heal_member(&r, FIRST_DEV);
	rig_exit(&r);
}

static void all_members_fail(void **state)
{
	struct failing f[RIG_DEVS];
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_all(&r, old_data), 0);
	for (int i = 0; i < RIG_DEVS; i++)
		fail_member(&r, i, &f[i]);
	r.opts.data_replicas = 2;
	assert_int_equal(write_all(&r, new_data), -EIO);
	assert_int_equal(bce_data_truncate(r.writer, file, 5000, NULL), -EIO);
	expect(&r, old_data, BYTES);
	rig_check(&r);
	for (int i = 0; i < RIG_DEVS; i++)
		heal_member(&r, i);
	rig_exit(&r);
}

/* ---- pages that change while they are written ---- */

static blk_status_t scribble(struct bio *bio, void *priv)
{
	struct data_rig *r = priv;

	if (bio_op(bio) == REQ_OP_WRITE && !__atomic_exchange_n(&r->scribbled, true, __ATOMIC_RELAXED))
		/* of the first extent: the others may not have been looked at yet */
		for (size_t i = 0; i < RIG_ENCODED_MAX * 512; i += 512)
			r->pages[i] ^= 0xff;
	return BLK_STS_OK;
}

/* what was there when the checksum was made is what is written, and read */
static void unstable_pages(void **state)
{
	for (int csum = 1; csum < 5; csum++) {
		struct kapi_bdev_fault fault = { .before = scribble };
		struct data_rig r;

		begin(&r, csum == 4);
		fault.priv = &r;
		r.opts.data_checksum = min(csum, 3);
		for (int i = 0; i < RIG_DEVS; i++)
			kapi_bdev_set_fault(r.bdev[i], &fault);
		assert_int_equal(rig_write(&r, file, 0, new_data, BYTES, BYTES, BCE_WRITE_UNSTABLE), 0);
		assert_true(r.scribbled);
		assert_int_equal(r.inode_sectors, BYTES / 512);
		for (int i = 0; i < RIG_DEVS; i++)
			kapi_bdev_set_fault(r.bdev[i], NULL);
		expect(&r, new_data, BYTES);
		rig_check(&r);
		rig_exit(&r);
	}
}

/* ---- bad copies ---- */

static void bad_copy(void *ctx, u64 inum, u32 snapshot, u64 sector, u64 devs)
{
	bce_data_heal(((struct data_rig *)ctx)->writer, inum, snapshot, sector, devs);
}

static int no_gen(void *ctx, unsigned int dev, u64 sector)
{
	return -1;
}

static void wreck_member(struct data_rig *r, unsigned int dev)
{
	static u8 junk[1 << 16];
	off_t start = RIG_BUCKET_SECTORS * 512, end = (off_t)r->next_sector[dev] * 512;

	memset(junk, 0xa5, sizeof(junk));
	for (; start < end; start += sizeof(junk))
		require(pwrite(r->fd[dev], junk, min_t(size_t, end - start, sizeof(junk)), start) > 0);
}

/* one copy of everything is garbage; after it has been read, the other one may be garbage, too */
static void bad_copies_are_rewritten(void **state)
{
	struct data_read_live live = { .bucket_gen = no_gen, .bad_copy = bad_copy };

	for (int n = 0; n < 4; n++) {
		unsigned int fewest, tries = 0;
		struct data_rig r;
		u64 devs;

		begin(&r, n == 1);
		live.ctx = &r;
		bce_data_reader_set_live(r.reader, &live);
		r.opts.data_replicas = 2;
		r.opts.compression = n == 2 ? BCH_COMPRESSION_OPT_zstd : 0;
		assert_int_equal(write_all(&r, old_data), 0);
		if (n == 3) {	/* shared data, too */
			u64 done;

			assert_int_equal(bce_data_reflink(r.writer, file, 0, file, BLOCKS * 8,
							  BLOCKS * 8, 2 * BYTES, &done, NULL), 0);
		}
		wreck_member(&r, FIRST_DEV);
		r.no_devs = 1 << FIRST_DEV;
		do {
			expect(&r, old_data, BYTES);
			usleep(1000);
			devs = devs_in_use(&r, &fewest);
			if (n == 3)
				devs = tries < 100 ? 1 << FIRST_DEV : 0;
		} while (devs & 1 << FIRST_DEV && ++tries < 2000);
		assert_false(devs & 1 << FIRST_DEV);
		bce_data_reader_set_live(r.reader, NULL);
		wreck_member(&r, (FIRST_DEV + 1) % RIG_DEVS);
		expect(&r, old_data, BYTES);
		rig_check(&r);
		rig_exit(&r);
	}
}

/* ---- no space ---- */

/* when the set is full, a file can still be written where it has reserved space */
static void reserved_space_is_kept(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(bce_data_fallocate(r.writer, file, 0, BYTES / 512, false, BYTES, NULL), 0);
	r.no_reserve = true;
	assert_int_equal(write_all(&r, old_data), 0);
	expect(&r, old_data, BYTES);
	/* once used, the reservation is no more */
	assert_int_equal(write_all(&r, new_data), -ENOSPC);
	rig_check(&r);
	rig_exit(&r);
}

static void space_runs_out(void **state)
{
	bool failed = true;

	for (unsigned int n = 1; failed; n++) {
		struct data_rig r;
		int ret;

		begin(&r, n % 2);
		assert_int_equal(write_all(&r, old_data), 0);
		r.fail_space = n;
		ret = write_all(&r, new_data);
		failed = !r.fail_space;
		assert_int_equal(ret, failed ? -ENOSPC : 0);
		assert_int_equal(rig_read(&r, file, 0, got, BYTES), 0);
		for (int i = 0; i < BLOCKS; i++)
			assert_true(!memcmp(got + i * 4096, old_data + i * 4096, 4096) ||
				    !memcmp(got + i * 4096, new_data + i * 4096, 4096));
		rig_check(&r);
		rig_exit(&r);
	}
}

static void quota_runs_out(void **state)
{
	struct data_rig r;

	begin(&r, false);
	r.quota = BYTES / 512 - 8;
	assert_int_equal(write_all(&r, old_data), -EDQUOT);
	rig_check(&r);
	assert_int_equal(rig_write(&r, file, 0, old_data, BYTES / 2, BYTES / 2, 0), 0);
	assert_int_equal(bce_data_fallocate(r.writer, file, 0, BLOCKS * 8, false, BYTES, NULL),
			 -EDQUOT);
	/* less is always allowed, and so is what replaces something */
	r.quota = 8;
	assert_int_equal(rig_write(&r, file, 0, new_data, BYTES / 2, BYTES / 2, 0), 0);
	assert_int_equal(bce_data_truncate(r.writer, file, 0, NULL), 0);
	assert_int_equal(r.charged, 0);
	rig_check(&r);
	rig_exit(&r);
}

/* ---- no memory ---- */

enum op { OP_WRITE, OP_TRUNCATE, OP_PUNCH, OP_RESERVE, OP_INSERT, OP_COLLAPSE, OP_REFLINK, OP_NR };

#define AT	7	/* blocks */
#define BY	9

static int do_op(struct data_rig *r, enum op op)
{
	u64 done;

	switch (op) {
	case OP_WRITE:
		return write_all(r, new_data);
	case OP_TRUNCATE:
		return bce_data_truncate(r->writer, file, 5 * 4096 + 100, NULL);
	case OP_PUNCH:
		return bce_data_punch(r->writer, file, AT * 8, (AT + BY) * 8, NULL);
	case OP_RESERVE:
		return bce_data_fallocate(r->writer, file, AT * 8, (AT + BY) * 8, true, 0, NULL);
	case OP_INSERT:
		return bce_data_insert_range(r->writer, file, AT * 8, BY * 8, NULL);
	case OP_COLLAPSE:
		return bce_data_collapse_range(r->writer, file, AT * 8, BY * 8, NULL);
	default:
		return bce_data_reflink(r->writer, file, 0, file, BLOCKS / 2 * 8, BLOCKS / 2 * 8, BYTES,
					&done, NULL);
	}
}

/* what the file holds afterwards; its size */
static size_t after_op(enum op op, u8 *data)
{
	memcpy(data, op == OP_WRITE ? new_data : old_data, BYTES);
	memset(data + BYTES, 0, BY * 4096);
	switch (op) {
	case OP_TRUNCATE:
		memset(data + 5 * 4096 + 100, 0, BYTES - 5 * 4096 - 100);
		return 5 * 4096 + 100;
	case OP_PUNCH:
	case OP_RESERVE:
		memset(data + AT * 4096, 0, BY * 4096);
		return BYTES;
	case OP_INSERT:
		memmove(data + (AT + BY) * 4096, data + AT * 4096, BYTES - AT * 4096);
		memset(data + AT * 4096, 0, BY * 4096);
		return BYTES + BY * 4096;
	case OP_COLLAPSE:
		memmove(data + AT * 4096, data + (AT + BY) * 4096, BYTES - (AT + BY) * 4096);
		return BYTES - BY * 4096;
	case OP_REFLINK:
		memcpy(data + BYTES / 2, data, BYTES / 2);
		return BYTES;
	default:
		return BYTES;
	}
}

/* the file shows @want, or something between that and what was there before, where that may be */
static void check_after(struct data_rig *r, enum op op, int ret, const u8 *want, size_t size)
{
	struct inode_fields inode;
	bool all;

	assert_int_equal(rig_inode_read(r, 1, INUM, &inode), 0);
	assert_int_equal(rig_read(r, file, 0, got, BYTES + BY * 4096), 0);
	all = inode.size == size && !memcmp(got, want, size);
	if (!ret && !all)
		fail_msg("operation %d: not done, but no error", op);
	if (ret && !all && op == OP_TRUNCATE) {
		/* taken back: of what was to go a part may be gone */
		assert_int_equal(inode.size, BYTES);
		assert_memory_equal(got, old_data, size);
		for (size_t i = size; i < BYTES; i++)
			assert_true(!got[i] || got[i] == old_data[i]);
	}
	if (ret && !all && (op == OP_INSERT || op == OP_COLLAPSE)) {
		/* not begun; of a collapsed range a part may be gone */
		assert_int_equal(inode.size, BYTES);
		assert_memory_equal(got, old_data, AT * 4096);
		assert_memory_equal(got + (AT + BY) * 4096, old_data + (AT + BY) * 4096,
				    BYTES - (AT + BY) * 4096);
	}
	rig_check(r);
}

static void memory_runs_out(enum op op, bool snapshot)
{
	u8 *want = calloc(1, BYTES + BY * 4096);
	size_t size = after_op(op, want);
	u64 last = 0;
	bool failed = true;

	for (u64 n = 1; failed; n += n < 40 ? 1 : 7) {
		struct data_rig r;
		int ret;

		begin(&r, false);
		if (op == OP_WRITE)
			r.opts.compression = BCH_COMPRESSION_OPT_lz4;
		assert_int_equal(write_all(&r, old_data), 0);
		if (snapshot)
			rig_snapshot(&r, 1, 2);
		kapi_alloc_fail(n, false);
		ret = do_op(&r, op);
		failed = kapi_alloc_failed();
		last = n;
		kapi_alloc_fail(0, false);
		if (ret && ret != -ENOMEM)
			fail_msg("operation %d, allocation %llu: error %d", op, n, ret);
		assert_int_equal(bce_data_resume_logged_ops(r.writer), 0);
		check_after(&r, op, ret, want, size);
		rig_exit(&r);
	}
	if (getenv("VERBOSE"))
		fprintf(stderr, "operation %d: up to allocation %llu\n", op, last);
	free(want);
}

static void no_memory(void **state)
{
	for (enum op op = 0; op < OP_NR; op++)
		memory_runs_out(op, false);
}

static void no_memory_in_snapshots(void **state)
{
	for (enum op op = 0; op < OP_NR; op++)
		memory_runs_out(op, true);
}

/* ---- records left by others ---- */

struct record {
	u8	type;
	u64	v[5];
};

static int put_record(struct bce_trans *t, void *ctx)
{
	struct record *rec = ctx;
	struct bkey k = {
		.p = POS(0, 7), .type = rec->type, .v = rec->v,
		.val_u64s = rec->type == KEY_TYPE_logged_op_truncate ? 3 : 5,
	};

	return bce_trans_update(t, BTREE_ID_logged_ops, &k, 0);
}

static void resume(struct data_rig *r, struct record *rec)
{
	struct bkey_buf buf;
	struct bkey k;

	assert_int_equal(bce_trans_run(r->mem.b, put_record, rec, 0, NULL), 0);
	assert_int_equal(bce_data_resume_logged_ops(r->writer), 0);
	assert_int_equal(bce_btree_lookup(r->mem.b, BTREE_ID_logged_ops, POS(0, 7), NULL, &k, &buf),
			 -ENOENT);
	rig_check(r);
}

#define IN_SUBVOL_1	(1ULL << 32)

/* 60, part VII: from each state; of a file that is gone */
static void records_are_resumed(void **state)
{
	struct record truncate = { KEY_TYPE_logged_op_truncate, { 1, INUM, 3 * 4096 + 5 } };
	struct record gone = { KEY_TYPE_logged_op_truncate, { 1, INUM + 9, 0 } };
	struct record insert = { KEY_TYPE_logged_op_finsert,
				 { IN_SUBVOL_1, INUM, (AT + BY) * 8, AT * 8, 0 } };
	struct record collapse = { KEY_TYPE_logged_op_finsert,
				   { IN_SUBVOL_1, INUM, (AT - BY) * 8, AT * 8, 0 } };
	u8 *want = calloc(1, BYTES + BY * 4096);
	struct inode_fields inode;
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_all(&r, old_data), 0);
	resume(&r, &insert);
	assert_int_equal(rig_read(&r, file, 0, got, BYTES + BY * 4096), 0);
	assert_memory_equal(got, want, after_op(OP_INSERT, want));
	rig_exit(&r);

	begin(&r, false);
	assert_int_equal(write_all(&r, old_data), 0);
	resume(&r, &collapse);
	expect(&r, want, after_op(OP_COLLAPSE, want));
	resume(&r, &gone);
	resume(&r, &truncate);
	assert_int_equal(rig_inode_read(&r, 1, INUM, &inode), 0);
	assert_int_equal(inode.size, 3 * 4096 + 5);
	assert_int_equal(inode.sectors, 4 * 8);
	rig_exit(&r);
	free(want);
}

/* ---- other things said ---- */

static void flush_if_asked(void **state)
{
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(rig_write(&r, file, 0, old_data, BYTES, BYTES, 0), 0);
	assert_int_equal(r.flushed, 0);
	assert_int_equal(rig_write(&r, file, 0, old_data, BYTES, BYTES, BCE_WRITE_FUA), 0);
	r.subvol[1].ro = true;
	assert_int_equal(rig_write(&r, file, 0, old_data, BYTES, BYTES, 0), -EROFS);
	assert_int_equal(bce_data_truncate(r.writer, file, 0, NULL), -EROFS);
	r.subvol[1].ro = false;
	assert_int_equal(rig_write(&r, (struct bce_file_id) { 1, INUM + 1 }, 0, old_data, BYTES, BYTES,
				   0), -ENOENT);
	assert_int_equal(rig_write(&r, (struct bce_file_id) { 9, INUM }, 0, old_data, BYTES, BYTES, 0),
			 -ENOENT);
	expect(&r, old_data, BYTES);
	rig_exit(&r);
}

static int setup(void **state)
{
	rnd_setup(state);
	old_data = malloc(BYTES);
	new_data = malloc(BYTES);
	got = malloc(BYTES + BY * 4096);
	make_data(old_data, BYTES);
	make_data(new_data, BYTES);
	return 0;
}

static int teardown(void **state)
{
	free(old_data);
	free(new_data);
	free(got);
	return 0;
}

/* ---- two at once ---- */

static void write_behind(struct data_rig *r)
{
	assert_int_equal(rig_write(r, file, 16 * RIG_BLOCK_SECTORS, new_data, 8 * RIG_BLOCK_BYTES,
				   24 * RIG_BLOCK_BYTES, 0), 0);
}

/*
 * Somebody writes behind the new end before the truncation is committed, where nothing was when it began. It
 * begins anew, and must see that: in the file, and in the snapshot that is taken then.
 */
static void truncate_meets_write(void **state)
{
	struct inode_fields f;
	struct data_rig r;

	for (int shorter = 0; shorter < 2; shorter++) {
		begin(&r, false);
		assert_int_equal(rig_write(&r, file, 0, old_data, 4 * RIG_BLOCK_BYTES,
					   (4 + shorter) * RIG_BLOCK_BYTES, 0), 0);
		r.on_now = write_behind;
		assert_int_equal(bce_data_truncate(r.writer, file, (shorter ? 4 : 8) * RIG_BLOCK_BYTES,
						   NULL), 0);
		assert_null(r.on_now);
		assert_int_equal(rig_inode_read(&r, 1, INUM, &f), 0);
		assert_int_equal(f.size, (shorter ? 4 : 8) * RIG_BLOCK_BYTES);
		rig_check(&r);
		rig_snapshot(&r, 1, 2);
		rig_check(&r);
		expect(&r, old_data, 4 * RIG_BLOCK_BYTES);
		rig_exit(&r);
	}
}

static void fail_next(struct data_rig *r)
{
	r->fail_change = 1;
}

/*
 * The size has been changed, and what is behind it cannot be deleted. The set goes on, and what is written there then is
 * not cut off by the next start.
 */
static void truncate_is_taken_back(void **state)
{
	struct inode_fields f;
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(write_all(&r, old_data), 0);
	r.on_now = fail_next;
	assert_int_equal(bce_data_truncate(r.writer, file, 2 * RIG_BLOCK_BYTES, NULL), -EIO);
	assert_int_equal(r.fail_change, 0);
	assert_int_equal(rig_inode_read(&r, 1, INUM, &f), 0);
	assert_int_equal(f.size, BYTES);
	rig_check(&r);
	assert_int_equal(write_all(&r, new_data), 0);
	assert_int_equal(bce_data_resume_logged_ops(r.writer), 0);
	assert_int_equal(rig_inode_read(&r, 1, INUM, &f), 0);
	assert_int_equal(f.size, BYTES);
	expect(&r, new_data, BYTES);
	rig_check(&r);
	rig_exit(&r);
}

/* the same for extents that were to move: the next start does not move what has been written since */
static void shift_is_given_up(void **state)
{
	struct data_rig r;

	for (int collapse = 0; collapse < 2; collapse++) {
		begin(&r, false);
		assert_int_equal(write_all(&r, old_data), 0);
		r.fail_change = 2;
		assert_int_equal(do_op(&r, collapse ? OP_COLLAPSE : OP_INSERT), -EIO);
		assert_int_equal(r.fail_change, 0);
		rig_check(&r);
		assert_int_equal(write_all(&r, new_data), 0);
		assert_int_equal(bce_data_resume_logged_ops(r.writer), 0);
		expect(&r, new_data, BYTES);
		rig_check(&r);
		rig_exit(&r);
	}
}

static int put_whiteout(struct bce_trans *t, void *ctx)
{
	struct bkey k = { .p = *(struct bpos *)ctx, .type = KEY_TYPE_whiteout };

	return bce_trans_update(t, BTREE_ID_extents, &k, 0);
}

/*
 * A snapshot above is being merged away: a whiteout has been moved down from it, an extent around that place not yet.
 * The extent is cut there: the piece is still to be seen.
 */
static void cut_meets_whiteout(void **state)
{
	struct bpos pos = { .inode = INUM, .offset = 4 * RIG_BLOCK_SECTORS };
	struct data_rig r;

	begin(&r, false);
	assert_int_equal(rig_write(&r, file, 0, old_data, 8 * RIG_BLOCK_BYTES, 8 * RIG_BLOCK_BYTES, 0), 0);
	rig_snapshot(&r, 1, 2);
	pos.snapshot = r.subvol[1].snapshot;
	assert_int_equal(bce_trans_run(r.mem.b, put_whiteout, &pos, 0, NULL), 0);
	expect(&r, old_data, 8 * RIG_BLOCK_BYTES);
	assert_int_equal(rig_write(&r, file, 4 * RIG_BLOCK_SECTORS, new_data, 4 * RIG_BLOCK_BYTES,
				   8 * RIG_BLOCK_BYTES, 0), 0);
	rig_check(&r);
	expect(&r, old_data, 4 * RIG_BLOCK_BYTES);
	assert_memory_equal(got + 4 * RIG_BLOCK_BYTES, new_data, 4 * RIG_BLOCK_BYTES);
	rig_exit(&r);
}

/* extents behind a range that comes or goes move together: as many as a transaction takes well */
static void many_move_at_once(void **state)
{
	enum { KEYS = 48 };
	struct data_rig r;

	for (int collapse = 0; collapse < 2; collapse++) {
		begin(&r, false);
		for (int i = 0; i < KEYS; i++)
			assert_int_equal(rig_write(&r, file, 2 * i * RIG_BLOCK_SECTORS, old_data,
						   RIG_BLOCK_BYTES, 2 * KEYS * RIG_BLOCK_BYTES, 0), 0);
		r.changes = 0;
		if (collapse)
			assert_int_equal(bce_data_collapse_range(r.writer, file, 0, RIG_BLOCK_SECTORS, NULL), 0);
		else
			assert_int_equal(bce_data_insert_range(r.writer, file, 0, RIG_BLOCK_SECTORS, NULL), 0);
		assert_in_range(r.changes, 1, KEYS / 4);
		rig_check(&r);
		for (int i = 1; i < KEYS; i++) {
			u64 block = 2 * i + (collapse ? -1 : 1);

			assert_int_equal(rig_read(&r, file, block * RIG_BLOCK_SECTORS, got, RIG_BLOCK_BYTES), 0);
			assert_memory_equal(got, old_data, RIG_BLOCK_BYTES);
		}
		rig_exit(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_member_fails),
		cmocka_unit_test(one_bio_for_many),
		cmocka_unit_test(fewer_replicas),
		cmocka_unit_test(all_members_fail),
		cmocka_unit_test(unstable_pages),
		cmocka_unit_test(bad_copies_are_rewritten),
		cmocka_unit_test(reserved_space_is_kept),
		cmocka_unit_test(space_runs_out),
		cmocka_unit_test(quota_runs_out),
		cmocka_unit_test(records_are_resumed),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(no_memory_in_snapshots),
		cmocka_unit_test(flush_if_asked),
		cmocka_unit_test(truncate_meets_write),
		cmocka_unit_test(truncate_is_taken_back),
		cmocka_unit_test(shift_is_given_up),
		cmocka_unit_test(cut_meets_whiteout),
		cmocka_unit_test(many_move_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
