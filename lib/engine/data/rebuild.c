// SPDX-License-Identifier: GPL-2.0
/*
 * Data of a stripe's block that cannot be read, made from the stripe's other blocks
 * (docs/format/75-allocation.md, section 8).
 *
 *               unit 0          unit 1          unit 2
 *   block 0   |...............|...............|.....|
 *   block 1   |........[======|====]..........|.....|   <- wanted, a part of it
 *   block 2   |...............|...............|.....|
 *   parity    |...............|...............|.....|
 *
 * A block's checksums are over units. So each unit that the wanted part touches is made as a
 * whole: read from all blocks it follows from, chunk by chunk, the product of each with its
 * constant (parity.c) added up. Then every block's checksum is compared, that of the made one, too: blocks of a
 * stripe never change, so what their checksums say is as good as it was. A block that cannot be read
 * or is wrong is left out from then on, and the unit is tried again with what remains.
 *
 * The extent's own checksum is looked at afterwards, like that of data that was read.
 *
 * Runs in rebuild_wq, holds no lock. Chunks are got for each time; where memory is short they are smaller.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/data/parity.h"
#include "engine/data/read_internal.h"
#include "engine/format/ids.h"
#include "engine/key/values.h"
#include "engine/sb/bdev_read.h"

#define CHUNK_SECTORS	128

struct rebuild_block {
	struct extent_ptr	ptr;
	struct member_dev	*member;	/* while it is read */
	u64			start_ns;
	struct bdev_read	read;
	struct bce_csum_state	csum;
};

struct rebuild {
	struct data_reader	*r;
	struct bkey		k;		/* the stripe's ... */
	struct bkey_buf		v;		/* ... and its value */
	struct stripe_info	s;
	unsigned int		nr_data;
	unsigned int		wanted;
	u32			usable;		/* bit per block */
	u8			coef[PARITY_BLOCKS_MAX];
	struct rebuild_block	block[PARITY_BLOCKS_MAX];
	u32			chunk_sectors;
	u8			*chunks;	/* of each block; that of the wanted one is made */
	const char		*why;		/* it did not work */
};

/* a stretch of sectors, counted from the start of every block */
struct stretch {
	u32	start, end;
};

static u8 *chunk_of(const struct rebuild *b, unsigned int i)
{
	return b->chunks + i * ((size_t)b->chunk_sectors << SECTOR_SHIFT);
}

static int rebuild_error(struct rebuild *b, int error, const char *why)
{
	b->why = why;
	return error;
}

/* ---- the stripe ---- */

static int stripe_find(struct rebuild *b, u64 idx)
{
	int ret = bce_btree_lookup(b->r->c.btrees, BTREE_ID_stripes, POS(0, idx), NULL, &b->k,
				   &b->v);

	if (ret == -ENOENT || (!ret && b->k.type != KEY_TYPE_stripe))
		return rebuild_error(b, -EIO, "there is no such stripe");
	return ret ? rebuild_error(b, ret, "the stripe's key cannot be read") : 0;
}

static bool block_is_on_member(const struct rebuild *b, const struct extent_ptr *ptr)
{
	struct member_dev *m = bce_member_get_io(b->r->c.members, ptr->dev);
	bool on;

	if (!m)
		return false;
	on = ptr->sector + b->s.sectors <= m->info.nbuckets * m->info.bucket_sectors;
	bce_member_put_io(m);
	return on;
}

static int stripe_judge(struct rebuild *b, const struct extent_ptr_decoded *p)
{
	bce_stripe_decode(&b->k, &b->s);
	b->nr_data = bce_stripe_data_blocks(&b->s);
	b->wanted = p->stripe.block;
	if (!b->nr_data || b->s.algorithm || !b->s.nr_redundant || b->s.nr_redundant > 2)
		return rebuild_error(b, -EIO, "the stripe is of an unknown kind");
	if (!bce_csum_type_known(b->s.csum_type) ||
	    bce_stripe_unit_sectors(&b->s) % b->r->c.block_sectors)
		return rebuild_error(b, -EIO, "the stripe's checksums are of an unknown kind");
	if (!bce_stripe_holds(&b->k, p))
		return rebuild_error(b, -EIO, "the stripe's block is elsewhere");
	for (unsigned int i = 0; i < b->s.nr_blocks; i++) {
		if (!bce_stripe_ptr(&b->k, i, &b->block[i].ptr))
			return rebuild_error(b, -EIO, "the stripe's list of blocks is damaged");
		if (i != b->wanted && block_is_on_member(b, &b->block[i].ptr))
			b->usable |= BIT(i);
	}
	return 0;
}

static int chunks_alloc(struct rebuild *b)
{
	u32 sectors = max_t(u32, CHUNK_SECTORS, b->r->c.block_sectors);

	for (; sectors >= b->r->c.block_sectors; sectors /= 4) {
		b->chunk_sectors = roundup(sectors, b->r->c.block_sectors);
		b->chunks = kvmalloc(b->s.nr_blocks * ((size_t)b->chunk_sectors << SECTOR_SHIFT),
				     GFP_KERNEL | __GFP_NOWARN);
		if (b->chunks)
			return 0;
	}
	return rebuild_error(b, -ENOMEM, "no memory");
}

/* ---- reading ---- */

static void block_read_start(struct rebuild *b, unsigned int i, u32 at, u32 sectors)
{
	struct rebuild_block *block = &b->block[i];

	block->member = bce_member_get_io(b->r->c.members, block->ptr.dev);
	if (!block->member)
		return;
	block->start_ns = ktime_get_ns();
	bce_member_count_read(block->member, sectors);
	bce_bdev_read_start(&block->read, block->member->bdev, block->ptr.sector + at,
			    chunk_of(b, i), (size_t)sectors << SECTOR_SHIFT);
}

/* has its bucket been given to somebody else meanwhile? */
static bool block_is_stale(const struct rebuild *b, const struct extent_ptr *ptr)
{
	int gen = bce_live_bucket_gen(b->r, ptr->dev, ptr->sector);

	return gen >= 0 && gen != ptr->gen;
}

static bool block_read_wait(struct rebuild *b, unsigned int i)
{
	struct rebuild_block *block = &b->block[i];
	int ret;

	if (!block->member)
		return false;
	ret = bce_bdev_read_wait(&block->read);
	bce_member_io_done(block->member, ktime_get_ns() - block->start_ns, ret != 0);
	bce_member_put_io(block->member);
	return !ret && !block_is_stale(b, &block->ptr);
}

/* 0, or -EAGAIN: with fewer blocks */
static int chunk_read(struct rebuild *b, u32 at, u32 sectors)
{
	u32 before = b->usable;

	for (unsigned int i = 0; i < b->s.nr_blocks; i++)
		if (b->coef[i])
			block_read_start(b, i, at, sectors);
	for (unsigned int i = 0; i < b->s.nr_blocks; i++)
		if (b->coef[i] && !block_read_wait(b, i))
			b->usable &= ~BIT(i);
	return b->usable == before ? 0 : -EAGAIN;
}

/* ---- units ---- */

static bool takes_part(const struct rebuild *b, unsigned int i)
{
	return b->coef[i] || i == b->wanted;
}

static int csums_begin(struct rebuild *b)
{
	static const struct bce_nonce null_nonce;
	int ret = 0;

	for (unsigned int i = 0; i < b->s.nr_blocks && !ret; i++)
		if (takes_part(b, i))
			ret = bce_csum_begin(&b->block[i].csum, b->s.csum_type, b->r->c.cipher,
					     null_nonce);
	return ret ? rebuild_error(b, ret, "its checksums need a key") : 0;
}

static void chunk_solve(struct rebuild *b, size_t bytes)
{
	u8 *made = chunk_of(b, b->wanted);

	memset(made, 0, bytes);
	for (unsigned int i = 0; i < b->s.nr_blocks; i++)
		if (b->coef[i])
			bce_parity_add(made, chunk_of(b, i), b->coef[i], bytes);
	for (unsigned int i = 0; i < b->s.nr_blocks; i++)
		if (takes_part(b, i))
			bce_csum_update(&b->block[i].csum, chunk_of(b, i), bytes);
}

static void chunk_copy_out(const struct rebuild *b, u32 at, u32 sectors,
			   const struct stretch *want, u8 *out)
{
	u32 start = max(at, want->start), end = min(at + sectors, want->end);

	if (start < end)
		memcpy(out + ((size_t)(start - want->start) << SECTOR_SHIFT),
		       chunk_of(b, b->wanted) + ((size_t)(start - at) << SECTOR_SHIFT),
		       (size_t)(end - start) << SECTOR_SHIFT);
}

static void count_bad_block(struct rebuild *b, unsigned int i)
{
	struct member_dev *m = bce_member_get_io(b->r->c.members, b->block[i].ptr.dev);

	b->usable &= ~BIT(i);
	if (!m)
		return;
	bce_member_count_csum_error(m);
	bce_member_put_io(m);
}

static bool csum_is_right(struct rebuild *b, unsigned int i, unsigned int unit)
{
	struct bce_csum want, got = bce_csum_end(&b->block[i].csum);

	return !b->s.csum_type ||
	       (bce_stripe_csum(&b->k, i, unit, &want) && bce_csum_equal(want, got));
}

/* 0, -EAGAIN: with fewer blocks, -EILSEQ */
static int csums_check(struct rebuild *b, unsigned int unit)
{
	u32 before = b->usable;

	for (unsigned int i = 0; i < b->s.nr_blocks; i++)
		if (b->coef[i] && !csum_is_right(b, i, unit))
			count_bad_block(b, i);
	if (b->usable != before)
		return -EAGAIN;
	return csum_is_right(b, b->wanted, unit) ? 0 :
		rebuild_error(b, -EILSEQ, "what the other blocks give has another checksum");
}

static int unit_try(struct rebuild *b, const struct stretch *unit, const struct stretch *want,
		    u8 *out)
{
	int ret = csums_begin(b);
	u32 at, sectors;

	for (at = unit->start; at < unit->end && !ret; at += sectors) {
		sectors = min(b->chunk_sectors, unit->end - at);
		ret = chunk_read(b, at, sectors);
		if (ret)
			break;
		chunk_solve(b, (size_t)sectors << SECTOR_SHIFT);
		chunk_copy_out(b, at, sectors, want, out);
	}
	return ret ?: csums_check(b, unit->start / bce_stripe_unit_sectors(&b->s));
}

static int unit_rebuild(struct rebuild *b, const struct stretch *unit, const struct stretch *want,
			u8 *out)
{
	int ret;

	do {
		if (bce_parity_solve(b->nr_data, b->s.nr_redundant, b->usable, b->wanted, b->coef))
			return rebuild_error(b, -EIO, "too many of the stripe's blocks are not readable");
		ret = unit_try(b, unit, want, out);
	} while (ret == -EAGAIN);	/* each time with fewer blocks */
	return ret;
}

static int units_rebuild(struct rebuild *b, const struct stretch *want, u8 *out)
{
	u32 unit_sectors = bce_stripe_unit_sectors(&b->s);
	struct stretch unit = { .start = rounddown(want->start, unit_sectors) };
	int ret = 0;

	for (; unit.start < want->end && !ret; unit.start = unit.end) {
		unit.end = min_t(u32, unit.start + unit_sectors, b->s.sectors);
		ret = unit_rebuild(b, &unit, want, out);
	}
	return ret;
}

static void rebuild_complain(const struct rebuild *b, const struct read_piece *piece)
{
	if (__ratelimit(&b->r->complaints))
		bce_log_line(b->r->c.log, BCE_LOG_ERR,
			     "inode %llu offset %llu: block %u of stripe %llu is not readable and cannot be made from the others: %s",
			     piece->read->inum, piece->file_sector << SECTOR_SHIFT,
			     piece->stripe.block, piece->stripe.idx, b->why);
}

static int rebuild_run(struct rebuild *b, const struct read_piece *piece)
{
	const struct extent_ptr_decoded p = {
		.ptr = { .dev = piece->dev, .gen = piece->gen, .sector = piece->dev_sector },
		.has_stripe = true,
		.stripe = piece->stripe,
	};
	struct stretch want;
	int ret = stripe_find(b, piece->stripe.idx) ?: stripe_judge(b, &p);

	if (ret)
		return ret;
	want.start = piece->dev_sector - b->block[b->wanted].ptr.sector;
	want.end = want.start + piece->dev_sectors;
	if (want.end > b->s.sectors)
		return rebuild_error(b, -EIO, "the data runs past the end of the stripe's block");
	return chunks_alloc(b) ?: units_rebuild(b, &want, piece->buffer);
}

/* Context: process, may sleep; holds no btree locks */
int bce_piece_rebuild(struct data_reader *r, struct read_piece *piece)
{
	struct rebuild *b = kvzalloc(sizeof(*b), GFP_KERNEL);
	int ret;

	if (!b)
		return -ENOMEM;
	b->r = r;
	ret = rebuild_run(b, piece);
	if (ret)
		rebuild_complain(b, piece);
	kvfree(b->chunks);
	kvfree(b);
	return ret;
}
