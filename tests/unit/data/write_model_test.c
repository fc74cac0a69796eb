// SPDX-License-Identifier: GPL-2.0
/*
 * Writes, truncation, holes, reservations, inserted and collapsed ranges, sharing, snapshots, and
 * extents that move, at random, against the plain contents of files: an array of bytes for each file of each subvolume. After
 * each few operations all files are read back, and the rules that extents must keep are checked
 * (tests/lib/data_rig.c). With every kind of checksum and compression, encrypted or not, one replica or
 * two, data inside of keys, and space that comes in small pieces.
 *
 * Short by default; STEPS= makes it longer, SEED= gives another row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kernel.h>

#include "data_rig.h"
#include "engine/data/move.h"
#include "engine/data/write.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "random.h"
#include "require.h"

#define FILES		2
#define FILE_BLOCKS	48
#define FILE_BYTES	(FILE_BLOCKS * RIG_BLOCK_BYTES)
#define FIRST_INUM	4100
#define SUBVOLS_MAX	7

struct file {
	u64	size;
	u8	data[FILE_BYTES];
};

struct model {
	struct data_rig	r;
	struct alloc_rig alloc;
	struct file	*file[SUBVOLS_MAX + 1][FILES];	/* by subvolume; NULL: not there */
	unsigned int	nr_subvols;
	bool		verbose;
};

static struct bce_file_id id_of(unsigned int subvol, unsigned int n)
{
	return (struct bce_file_id) { .subvol = subvol, .inum = FIRST_INUM + n };
}

static void say(struct model *m, const char *what, unsigned int subvol, unsigned int n, u64 a, u64 b,
		u64 c)
{
	if (m->verbose)
		fprintf(stderr, "%s subvol %u file %u: %llu %llu %llu\n", what, subvol, n, a, b, c);
}

/* mostly compressible, sometimes not at all */
static void make_data(u8 *p, size_t n)
{
	u64 seed = rnd();
	bool noise = seed % 4 == 0;

	for (size_t i = 0; i < n; i++)
		p[i] = noise || i % 64 < 8 ? rnd() : "abcdefgh"[(i + seed) % 8];
}

/* ---- operations, on both sides ---- */

static void pick_range(u64 *start, u64 *blocks)
{
	*start = rnd() % FILE_BLOCKS;
	*blocks = 1 + rnd() % min(FILE_BLOCKS - *start, rnd() % 3 ? 6ULL : 40ULL);
}

static void do_write(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	u64 start, blocks, new_size;
	u8 *data;

	pick_range(&start, &blocks);
	data = calloc(blocks, RIG_BLOCK_BYTES);
	make_data(data, blocks * RIG_BLOCK_BYTES);
	/* the file ends in the last block that is written, or behind it */
	new_size = (start + blocks) * RIG_BLOCK_BYTES;
	if (f->size < new_size && rnd() % 2)
		new_size -= rnd() % (rnd() % 2 ? RIG_BLOCK_BYTES : 4000) / 2 * 2;
	new_size = max(new_size, (start + blocks - 1) * RIG_BLOCK_BYTES + 1);
	if (rnd() % 4 == 0 && f->size < start * RIG_BLOCK_BYTES + 600) {
		blocks = 1;	/* small enough for the key itself */
		new_size = start * RIG_BLOCK_BYTES + 1 + rnd() % 600;
	}
	if (max(new_size, f->size) < (start + blocks) * RIG_BLOCK_BYTES)
		memset(data + (max(new_size, f->size) - start * RIG_BLOCK_BYTES), 0,
		       (start + blocks) * RIG_BLOCK_BYTES - max(new_size, f->size));
	say(m, "write", subvol, n, start * 8, blocks * 8, new_size);
	assert_int_equal(rig_write(&m->r, id_of(subvol, n), start * RIG_BLOCK_SECTORS, data,
				   blocks * RIG_BLOCK_BYTES, new_size,
				   rnd() % 4 ? 0 : BCE_WRITE_FUA), 0);
	memcpy(f->data + start * RIG_BLOCK_BYTES, data, blocks * RIG_BLOCK_BYTES);
	f->size = max(f->size, new_size);
	free(data);
}

static void do_truncate(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	u64 size = rnd() % (FILE_BYTES + 1);

	if (rnd() % 3 == 0)
		size = round_down(size, RIG_BLOCK_BYTES);
	if (rnd() % 10 == 0)
		size = f->size;
	say(m, "truncate", subvol, n, size, 0, 0);
	assert_int_equal(bce_data_truncate(m->r.writer, id_of(subvol, n), size, NULL), 0);
	if (size < f->size)
		memset(f->data + size, 0, FILE_BYTES - size);
	f->size = size;
}

static void do_punch(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	u64 start, blocks;

	pick_range(&start, &blocks);
	say(m, "punch", subvol, n, start * 8, blocks * 8, 0);
	assert_int_equal(bce_data_punch(m->r.writer, id_of(subvol, n), start * 8,
					(start + blocks) * 8, NULL), 0);
	memset(f->data + start * RIG_BLOCK_BYTES, 0, blocks * RIG_BLOCK_BYTES);
}

static void do_fallocate(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	bool zero = rnd() % 2;
	u64 start, blocks, new_size;

	pick_range(&start, &blocks);
	new_size = rnd() % 2 ? (start + blocks) * RIG_BLOCK_BYTES : 0;
	say(m, zero ? "zero" : "reserve", subvol, n, start * 8, blocks * 8, new_size);
	assert_int_equal(bce_data_fallocate(m->r.writer, id_of(subvol, n), start * 8,
					    (start + blocks) * 8, zero, new_size, NULL), 0);
	if (zero)
		memset(f->data + start * RIG_BLOCK_BYTES, 0, blocks * RIG_BLOCK_BYTES);
	f->size = max(f->size, new_size);
}

static void do_insert(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	u64 blocks = f->size / RIG_BLOCK_BYTES, at, by;

	if (!blocks || f->size > FILE_BYTES - RIG_BLOCK_BYTES)
		return;
	at = rnd() % blocks;
	by = 1 + rnd() % ((FILE_BYTES - f->size) / RIG_BLOCK_BYTES);
	/* reservations may lie behind the end: nothing may be shifted out of the model */
	assert_int_equal(bce_data_truncate(m->r.writer, id_of(subvol, n), f->size, NULL), 0);
	say(m, "insert", subvol, n, at * 8, by * 8, 0);
	assert_int_equal(bce_data_insert_range(m->r.writer, id_of(subvol, n), at * 8, by * 8, NULL), 0);
	memmove(f->data + (at + by) * RIG_BLOCK_BYTES, f->data + at * RIG_BLOCK_BYTES,
		FILE_BYTES - (at + by) * RIG_BLOCK_BYTES);
	memset(f->data + at * RIG_BLOCK_BYTES, 0, by * RIG_BLOCK_BYTES);
	f->size += by * RIG_BLOCK_BYTES;
}

static void do_collapse(struct model *m, unsigned int subvol, unsigned int n)
{
	struct file *f = m->file[subvol][n];
	u64 blocks = f->size / RIG_BLOCK_BYTES, at, by;

	if (blocks < 2)
		return;
	at = rnd() % (blocks - 1);
	by = 1 + rnd() % (blocks - 1 - at);
	say(m, "collapse", subvol, n, at * 8, by * 8, 0);
	assert_int_equal(bce_data_collapse_range(m->r.writer, id_of(subvol, n), at * 8, by * 8, NULL),
			 0);
	memmove(f->data + at * RIG_BLOCK_BYTES, f->data + (at + by) * RIG_BLOCK_BYTES,
		FILE_BYTES - (at + by) * RIG_BLOCK_BYTES);
	memset(f->data + FILE_BYTES - by * RIG_BLOCK_BYTES, 0, by * RIG_BLOCK_BYTES);
	f->size -= by * RIG_BLOCK_BYTES;
}

static void do_reflink(struct model *m, unsigned int subvol, unsigned int n)
{
	unsigned int from_subvol = 1 + rnd() % m->nr_subvols, from = rnd() % FILES;
	struct file *src = m->file[from_subvol][from], *dst = m->file[subvol][n];
	u64 start, blocks, to, new_size, done;

	pick_range(&start, &blocks);
	to = rnd() % (FILE_BLOCKS - blocks + 1);
	if (src == dst && to < start + blocks && start < to + blocks)
		return;
	/* as the VFS does it: nothing behind the end of the source */
	if ((start + blocks) * RIG_BLOCK_BYTES > src->size)
		return;
	new_size = (to + blocks) * RIG_BLOCK_BYTES;
	say(m, "reflink", subvol, n, start * 8, blocks * 8, to * 8);
	say(m, "   from", from_subvol, from, 0, 0, 0);
	assert_int_equal(bce_data_reflink(m->r.writer, id_of(from_subvol, from), start * 8,
					  id_of(subvol, n), to * 8, blocks * 8, new_size, &done, NULL),
			 0);
	assert_int_equal(done, blocks * 8);
	memmove(dst->data + to * RIG_BLOCK_BYTES, src->data + start * RIG_BLOCK_BYTES,
		blocks * RIG_BLOCK_BYTES);
	/* holes at the end do not make the file longer */
	if (dst->size < new_size) {
		assert_int_equal(bce_data_truncate(m->r.writer, id_of(subvol, n), new_size, NULL), 0);
		dst->size = new_size;
	}
}

static void do_snapshot(struct model *m, unsigned int subvol)
{
	unsigned int id = m->nr_subvols + 1;

	if (m->nr_subvols == SUBVOLS_MAX)
		return;
	say(m, "snapshot", subvol, 0, id, 0, 0);
	rig_snapshot(&m->r, subvol, id);
	m->nr_subvols = id;
	for (unsigned int n = 0; n < FILES; n++) {
		m->file[id][n] = malloc(sizeof(struct file));
		memcpy(m->file[id][n], m->file[subvol][n], sizeof(struct file));
	}
}

/* ---- moving: no file changes by it ---- */

/* one of the keys with pointers, by chance. False: there is none */
static bool pick_extent(struct model *m, struct data_move *mv, u64 *devs, u64 *start)
{
	unsigned int seen = 0;

	for (int i = 0; i < 2; i++) {
		unsigned int id = i ? BTREE_ID_reflink : BTREE_ID_extents;
		struct btree_iter iter;
		const struct bkey *k;

		bce_btree_iter_init(&iter, m->r.mem.b, id, 0, POS_MIN, 0, NULL);
		for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
			struct extent_ptr_decoded p;
			struct extent_walk w;

			if (!bce_key_has_ptrs(k->type) || rnd() % ++seen)
				continue;
			mv->btree_id = id;
			mv->pos = k->p;
			*start = bkey_start_offset(k);
			*devs = 0;
			bce_extent_walk_init(&w, k, 0);
			while (bce_extent_next_ptr(&w, &p))
				*devs |= 1ULL << p.ptr.dev;
		}
		bce_btree_iter_exit(&iter);
	}
	return seen;
}

/* members that hold anything of [start, pos.offset) in the snapshot of @pos */
static u64 devs_of_range(struct model *m, unsigned int btree_id, u64 start, struct bpos pos)
{
	struct btree_iter iter;
	const struct bkey *k;
	u64 devs = 0;

	bce_btree_iter_init(&iter, m->r.mem.b, btree_id, 0, POS(pos.inode, start), 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && bpos_cmp(k->p, pos) <= 0;
	     k = bce_btree_iter_next(&iter)) {
		struct extent_ptr_decoded p;
		struct extent_walk w;

		bce_extent_walk_init(&w, k, 0);
		while (k->p.snapshot == pos.snapshot && bce_extent_next_ptr(&w, &p))
			devs |= 1ULL << p.ptr.dev;
	}
	bce_btree_iter_exit(&iter);
	return devs;
}

static void do_move(struct model *m)
{
	struct data_move mv = { .watermark = rnd() % 2 ? ALLOC_COPYGC : ALLOC_NORMAL };
	u64 devs, start;
	int ret;

	if (!pick_extent(m, &mv, &devs, &start))
		return;
	mv.drop_devs = devs & (rnd() % 2 ? ~0ULL : rnd());
	mv.stream = rnd();
	mv.extra = rnd() % 4 == 0;
	m->r.no_devs = mv.drop_devs;
	say(m, mv.btree_id == BTREE_ID_extents ? "move" : "move shared", mv.pos.snapshot,
	    mv.pos.inode - FIRST_INUM, mv.pos.offset, mv.drop_devs, 0);
	ret = bce_data_move(m->r.writer, &mv);
	m->r.no_devs = 0;
	/* a compressed extent needs space in one piece, and there may not be members enough */
	if (ret && ret != -ENOSPC && ret != -EROFS)
		fail_msg("move: %d", ret);
	if (!ret && devs_of_range(m, mv.btree_id, start, mv.pos) & mv.drop_devs)
		fail_msg("still on a member that was to be left");
}

/* ---- comparing ---- */

static void compare(struct model *m, unsigned int subvol, unsigned int n)
{
	static u8 buf[FILE_BYTES];
	struct file *f = m->file[subvol][n];
	struct inode_fields inode;

	assert_int_equal(rig_inode_read(&m->r, subvol, FIRST_INUM + n, &inode), 0);
	assert_int_equal(inode.size, f->size);
	assert_int_equal(rig_read(&m->r, id_of(subvol, n), 0, buf, FILE_BYTES), 0);
	for (size_t i = 0; i < f->size; i++)
		if (buf[i] != f->data[i]) {
			rig_dump(&m->r);
			fail_msg("subvolume %u file %u differs at byte %zu (sector %zu)", subvol, n,
				 i, i / 512);
		}
}

static void compare_all(struct model *m)
{
	for (unsigned int s = 1; s <= m->nr_subvols; s++)
		for (unsigned int n = 0; n < FILES; n++)
			compare(m, s, n);
	rig_check(&m->r);
}

static void model_init(struct model *m, bool encrypted, bool allocator)
{
	memset(m, 0, sizeof(*m));
	m->verbose = getenv("VERBOSE");
	if (allocator) {
		alloc_rig_open(&m->alloc, RIG_DEVS, NULL);
		rig_init_alloc(&m->r, &m->alloc, encrypted);
	} else {
		rig_init(&m->r, encrypted);
	}
	m->nr_subvols = 1;
	for (unsigned int n = 0; n < FILES; n++) {
		m->file[1][n] = calloc(1, sizeof(struct file));
		rig_inode(&m->r, 1, FIRST_INUM + n, NULL);
	}
}

static void model_exit(struct model *m)
{
	for (unsigned int s = 1; s <= m->nr_subvols; s++)
		for (unsigned int n = 0; n < FILES; n++)
			free(m->file[s][n]);
	rig_exit(&m->r);
	if (m->alloc.a)
		alloc_rig_close(&m->alloc);
}

static void random_options(struct model *m)
{
	static const u8 compressions[] = { 0, 0, 1, 5 << 4 | 1, 2, 9 << 4 | 2, 3, 15 << 4 | 3 };

	m->r.opts = (struct data_options) {
		.data_checksum = rnd() % 4,
		.compression = compressions[rnd() % ARRAY_SIZE(compressions)],
		.data_replicas = 1 + rnd() % 2,
		.data_replicas_required = 1,
		.inline_data = rnd() % 2,
		.wide_macs = rnd() % 2,
		.nocow = rnd() % 8 == 0,
		.background_target = rnd() % 4 == 0 ? 5 : 0,
	};
	m->r.background_devs = rnd() % 16;
	m->r.short_space = rnd() % 4 == 0;
	m->r.writer->keys_per_step = rnd() % 2 ? 64 : 1 + rnd() % 12;
}

static void step(struct model *m)
{
	unsigned int subvol = 1 + rnd() % m->nr_subvols, n = rnd() % FILES;

	switch (rnd() % 28) {
	case 0: case 1: case 2:
		return do_truncate(m, subvol, n);
	case 3: case 4:
		return do_punch(m, subvol, n);
	case 5: case 6:
		return do_fallocate(m, subvol, n);
	case 7: case 8:
		return do_insert(m, subvol, n);
	case 9: case 10:
		return do_collapse(m, subvol, n);
	case 11: case 12: case 13:
		return do_reflink(m, subvol, n);
	case 14: case 15: case 16:
		return do_move(m);
	case 17:
		if (rnd() % 4 == 0)
			return do_snapshot(m, subvol);
		return random_options(m);
	default:
		return do_write(m, subvol, n);
	}
}

static void run(bool encrypted, bool allocator, unsigned int rows, unsigned int steps)
{
	const char *more = getenv("STEPS");

	steps = more ? strtoul(more, NULL, 0) : steps;
	for (unsigned int row = 0; row < rows; row++) {
		struct model m;

		model_init(&m, encrypted, allocator);
		random_options(&m);
		for (unsigned int i = 0; i < steps; i++) {
			step(&m);
			if (i % 8 == 7 || m.verbose)
				compare_all(&m);
		}
		compare_all(&m);
		model_exit(&m);
	}
}

static void plain(void **state)
{
	run(false, false, 4, 120);
}

/* with the real allocator, and the checker's word for all that follows from extents */
static void allocated(void **state)
{
	run(false, true, 2, 60);
}

static void encrypted(void **state)
{
	run(true, false, 2, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(allocated),
		cmocka_unit_test(encrypted),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
