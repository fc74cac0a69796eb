// SPDX-License-Identifier: GPL-2.0
/*
 * Extent reads over hand-made btrees and devices in memory (docs/format/70-extents.md): every kind
 * of key and of stored extent, alone and in a row, wholly and in parts, with segments of odd sizes;
 * replicas that fail, lie, are stale or absent; sizes that are impossible; pages that change while
 * they are checked; allocation that fails.
 *
 * One file is laid out with a model beside it: the bytes it must have. Reads are compared to that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lz4.h>
#include <zstd.h>

#include <linux/bio.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "../../lib/mini_set.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "kapi/kapi.h"

#define INUM		4100
#define SNAP		U32_MAX
#define FILE_SECTORS	4096
#define VERSION_LO	77

struct fixture {
	struct mini_set		m;
	struct bce_cipher	*cipher;
	u8			*model;			/* FILE_SECTORS */
	u64			next_sector[MINI_DEVS];	/* where the next data goes */
};

static u32 random_state = 1;

static u32 rnd(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void make_data(u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i % 96 < 64 ? "the quick brown fox"[(i + *p) % 19] : rnd();
}

static void fixture_begin(struct fixture *f)
{
	static const u8 key[32] = "an example key of 32 bytes, fine";

	memset(f, 0, sizeof(*f));
	mini_init(&f->m);
	mini_snapshot(&f->m, SNAP, 0, NULL);
	f->model = calloc(FILE_SECTORS, 512);
	f->cipher = bce_cipher_alloc(key);
	for (int i = 0; i < MINI_DEVS; i++)
		f->next_sector[i] = MINI_BUCKET_SECTORS;
}

static void fixture_start(struct fixture *f)
{
	assert_int_equal(mini_start(&f->m, f->cipher), 0);
}

static void fixture_end(struct fixture *f)
{
	mini_exit(&f->m);
	bce_cipher_free(f->cipher);
	free(f->model);
}

/* ---- values ---- */

struct value {
	u64		w[64];
	unsigned int	nr;
};

static void value_crc(struct value *v, const struct extent_crc *c)
{
	u64 w = 8;	/* crc128 */

	w = BITS_SET(w, EXTENT_CRC128_COMPRESSED_SIZE, c->compressed_size - 1);
	w = BITS_SET(w, EXTENT_CRC128_UNCOMPRESSED_SIZE, c->uncompressed_size - 1);
	w = BITS_SET(w, EXTENT_CRC128_OFFSET, c->offset);
	w = BITS_SET(w, EXTENT_CRC128_NONCE, c->nonce);
	w = BITS_SET(w, EXTENT_CRC128_CSUM_TYPE, c->csum_type);
	w = BITS_SET(w, EXTENT_CRC128_COMPRESSION_TYPE, c->compression_type);
	v->w[v->nr++] = w;
	v->w[v->nr++] = c->csum.lo;
	v->w[v->nr++] = c->csum.hi;
}

static void value_ptr(struct value *v, const struct extent_ptr *p)
{
	u64 w = 1;

	w = BITS_SET(w, EXTENT_PTR_CACHED, p->cached);
	w = BITS_SET(w, EXTENT_PTR_UNWRITTEN, p->unwritten);
	w = BITS_SET(w, EXTENT_PTR_OFFSET, p->sector);
	w = BITS_SET(w, EXTENT_PTR_DEV, p->dev);
	w = BITS_SET(w, EXTENT_PTR_GEN, p->gen);
	v->w[v->nr++] = w;
}

static const struct bversion version = { .lo = VERSION_LO };

static void add_key(struct fixture *f, unsigned int type, u64 start, u32 sectors,
		    const struct value *v)
{
	mini_key(&f->m, BTREE_ID_extents, type, SPOS(INUM, start + sectors, SNAP), sectors, version,
		 v->w, v->nr * 8);
}

/* a stored extent as it lies on disk */
struct stored {
	struct extent_crc	crc;
	u8			bytes[MINI_ENCODED_MAX * 512];
};

static void compress_into(struct stored *s, const u8 *src, size_t n)
{
	size_t got = 0;

	memset(s->bytes, 0, sizeof(s->bytes));
	if (s->crc.compression_type == BCH_COMPRESSION_TYPE_lz4) {
		got = LZ4_compress_default((const char *)src, (char *)s->bytes, n,
					   sizeof(s->bytes));
	} else {
		got = ZSTD_compress(s->bytes + 4, sizeof(s->bytes) - 4, src, n, 1);
		assert_false(ZSTD_isError(got));
		memcpy(s->bytes, &(__le32) { cpu_to_le32(got) }, 4);
		got += 4;
	}
	assert_true(got > 0);
	s->crc.compressed_size = roundup(DIV_ROUND_UP(got, 512), MINI_BLOCK_SECTORS);
}

/* encode @sectors of @src: compress, encrypt, checksum */
static void encode(struct fixture *f, struct stored *s, const u8 *src, u32 sectors,
		   unsigned int csum_type, unsigned int compression)
{
	struct bce_nonce nonce;

	s->crc = (struct extent_crc) {
		.compressed_size = sectors,
		.uncompressed_size = sectors,
		.csum_type = csum_type,
		.compression_type = compression,
	};
	if (bce_compression_type_is_compressed(compression))
		compress_into(s, src, sectors * 512);
	else
		memcpy(s->bytes, src, sectors * 512);
	nonce = bce_extent_nonce(version, &s->crc);
	if (bce_csum_type_is_mac(csum_type))
		bce_cipher_crypt(f->cipher, nonce, s->bytes, s->crc.compressed_size * 512);
	assert_int_equal(bce_csum(csum_type, f->cipher, nonce, s->bytes, s->crc.compressed_size * 512,
				  &s->crc.csum), 0);
}

/* room on @dev that does not cross a bucket */
static u64 place(struct fixture *f, unsigned int dev, u32 sectors)
{
	u64 at = f->next_sector[dev];

	if (at / MINI_BUCKET_SECTORS != (at + sectors - 1) / MINI_BUCKET_SECTORS)
		at = roundup(at, MINI_BUCKET_SECTORS);
	f->next_sector[dev] = at + sectors;
	return at;
}

/*
 * An extent of new data at @start, stored @head sectors earlier and @tail sectors longer than it
 * is live, on member 1. Data is written to the device when the set runs.
 */
struct layout {
	struct stored	s;
	u64		sector;
	unsigned int	dev;
};

static struct layout *layouts[512];
static unsigned int nr_layouts;

static void add_extent(struct fixture *f, u64 start, u32 sectors, u32 head, u32 tail,
		       unsigned int csum_type, unsigned int compression)
{
	u32 total = head + sectors + tail;
	struct layout *l = calloc(1, sizeof(*l));
	struct extent_ptr ptr = { .dev = 1 };
	u8 *src = malloc(total * 512);
	struct value v = { };

	make_data(src, total * 512);
	memcpy(f->model + start * 512, src + head * 512, sectors * 512);
	encode(f, &l->s, src, total, csum_type, compression);
	free(src);
	l->dev = 1;
	l->sector = place(f, 1, l->s.crc.compressed_size);
	layouts[nr_layouts++] = l;

	ptr.sector = l->sector;
	l->s.crc.offset = head;
	if (csum_type || compression || head)
		value_crc(&v, &l->s.crc);
	value_ptr(&v, &ptr);
	add_key(f, KEY_TYPE_extent, start, sectors, &v);
}

static void write_layouts(struct fixture *f)
{
	for (unsigned int i = 0; i < nr_layouts; i++) {
		mini_write(&f->m, layouts[i]->dev, layouts[i]->sector, layouts[i]->s.bytes,
			   layouts[i]->s.crc.compressed_size * 512);
		free(layouts[i]);
	}
	nr_layouts = 0;
}

/* ---- reading ---- */

#define SEGMENTS_MAX	1024

/* a bio over @buf in segments of @segment bytes (a multiple of 4) */
static void bio_over(struct bio *bio, struct bio_vec *vecs, u8 *buf, size_t bytes, size_t segment)
{
	bio_init(bio, NULL, vecs, SEGMENTS_MAX, REQ_OP_READ);
	for (size_t at = 0; at < bytes; at += segment) {
		struct bio_vec *bv = &vecs[bio->bi_vcnt++];

		assert_true(bio->bi_vcnt <= SEGMENTS_MAX);
		*bv = (struct bio_vec) {
			.bv_page = virt_to_page(buf + at),
			.bv_offset = offset_in_page(buf + at),
			.bv_len = min(segment, bytes - at),
		};
		bio->bi_iter.bi_size += bv->bv_len;
	}
}

static int read_into(struct fixture *f, u64 sector, u32 sectors, u8 *buf, size_t segment)
{
	static struct bio_vec vecs[SEGMENTS_MAX];
	struct mini_read r;
	struct bio bio;
	int ret;

	memset(buf, 0x5a, sectors * 512);
	bio_over(&bio, vecs, buf, sectors * 512, segment);
	bio.bi_iter.bi_sector = sector;
	mini_read_start(&f->m, &r, INUM, SNAP, &bio);
	ret = mini_read_wait(&r);
	bio_uninit(&bio);
	return ret;
}

static u8 *page_buffer(u32 sectors)
{
	void *p;

	assert_int_equal(posix_memalign(&p, PAGE_SIZE, sectors * 512), 0);
	return p;
}

static void expect(struct fixture *f, u64 sector, u32 sectors, size_t segment)
{
	u8 *buf = page_buffer(sectors);

	assert_int_equal(read_into(f, sector, sectors, buf, segment), 0);
	for (u32 i = 0; i < sectors; i++)
		if (memcmp(buf + i * 512, f->model + (sector + i) * 512, 512))
			fail_msg("sector %llu of a read of %u at %llu differs",
				 (unsigned long long)sector + i, sectors,
				 (unsigned long long)sector);
	free(buf);
}

static int read_error(struct fixture *f, u64 sector, u32 sectors)
{
	u8 *buf = page_buffer(sectors);
	int ret = read_into(f, sector, sectors, buf, PAGE_SIZE);

	free(buf);
	return ret;
}

static void expect_everywhere(struct fixture *f, u32 sectors)
{
	static const size_t segments[] = { 4096, 65536, 512, 1536 };

	for (int s = 0; s < 4; s++)
		for (u32 at = 0; at < sectors; at += 512)
			expect(f, at, min(sectors - at, 512U), segments[s]);
	for (int i = 0; i < 300; i++) {
		u64 at = rnd() % (sectors - 1);
		u32 n = 1 + rnd() % min_t(u32, sectors - at, i % 4 ? 24 : 400);

		expect(f, at, n, segments[i % 4]);
	}
}

/* ---- tests ---- */

static void stored_forms(void **state)
{
	static const unsigned int csums[] = { 0, 5, 6, 7, 3, 4, 1, 2 };
	static const unsigned int compressions[] = {
		BCH_COMPRESSION_TYPE_none, BCH_COMPRESSION_TYPE_lz4, BCH_COMPRESSION_TYPE_zstd,
		BCH_COMPRESSION_TYPE_incompressible,
	};
	struct member_counters counters;
	struct fixture f;
	u64 at = 8;	/* begins with a hole */

	fixture_begin(&f);
	for (int c = 0; c < 8; c++)
		for (int t = 0; t < 4; t++)
			for (int part = 0; part < 3; part++) {
				u32 head = part ? 16 : 0, tail = part == 2 ? 8 : 0;

				add_extent(&f, at, 24, head, tail, csums[c], compressions[t]);
				at += part == 1 ? 32 : 24;	/* holes between */
			}
	fixture_start(&f);
	write_layouts(&f);
	expect_everywhere(&f, roundup(at + 64, 8));
	bce_member_counters(f.m.members, 1, &counters);
	assert_int_equal(counters.csum_errors, 0);
	assert_int_equal(counters.io_errors, 0);
	fixture_end(&f);
}

static void other_keys(void **state)
{
	struct extent_ptr unwritten = { .dev = 1, .sector = 512, .unwritten = true };
	struct value v = { }, none = { };
	struct fixture f;
	u8 text[104];

	fixture_begin(&f);
	/* inline data: shorter than the range, the rest is zeros */
	make_data(text, sizeof(text));
	memcpy(f.model, text, sizeof(text));
	mini_key(&f.m, BTREE_ID_extents, KEY_TYPE_inline_data, SPOS(INUM, 8, SNAP), 8, version, text,
		 sizeof(text));
	add_key(&f, KEY_TYPE_reservation, 8, 8, &(struct value) { .w = { 1ULL << 32 }, .nr = 1 });
	value_ptr(&v, &unwritten);
	add_key(&f, KEY_TYPE_extent, 16, 16, &v);
	add_extent(&f, 32, 16, 0, 0, 5, 0);
	add_key(&f, KEY_TYPE_error, 64, 8, &none);
	/* of another snapshot: not seen */
	mini_key(&f.m, BTREE_ID_extents, KEY_TYPE_error, SPOS(INUM, 104, 55), 8, version, NULL, 0);
	fixture_start(&f);
	write_layouts(&f);

	expect_everywhere(&f, 64);
	expect(&f, 72, 64, PAGE_SIZE);
	expect(&f, 1 << 11, 64, PAGE_SIZE);
	assert_int_equal(read_error(&f, 64, 8), -EIO);
	assert_int_equal(read_error(&f, 48, 32), -EIO);
	assert_int_equal(read_error(&f, 71, 1), -EIO);
	fixture_end(&f);
}

static void add_reflink_p(struct fixture *f, u64 start, u32 sectors, u64 idx)
{
	struct bch_reflink_p p = { .idx = cpu_to_le64(idx) };

	mini_key(&f->m, BTREE_ID_extents, KEY_TYPE_reflink_p, SPOS(INUM, start + sectors, SNAP),
		 sectors, version, &p, sizeof(p));
}

/* shared extents of 24 sectors from address 1000 on, in the model's sectors from 0 on */
static void shared_data(void **state)
{
	struct fixture f;
	u8 text[16] = "shared, inline";

	fixture_begin(&f);
	for (int i = 0; i < 6; i++) {
		struct layout *l = calloc(1, sizeof(*l));
		struct extent_ptr ptr = { .dev = 1 };
		struct value v = { .nr = 1, .w = { 1 } };
		u8 *src = f.model + i * 24 * 512;

		make_data(src, 24 * 512);
		encode(&f, &l->s, src, 24, i % 2 ? 5 : 0, i % 3 == 2 ? 3 : 0);
		l->dev = 1;
		l->sector = ptr.sector = place(&f, 1, l->s.crc.compressed_size);
		if (l->s.crc.csum_type || l->s.crc.compression_type)
			value_crc(&v, &l->s.crc);
		value_ptr(&v, &ptr);
		mini_key(&f.m, BTREE_ID_reflink, KEY_TYPE_reflink_v,
			 SPOS(0, 1000 + (i + 1) * 24, 0), 24, version, v.w, v.nr * 8);
		layouts[nr_layouts++] = l;
	}
	mini_key(&f.m, BTREE_ID_reflink, KEY_TYPE_indirect_inline_data, SPOS(0, 1152, 0), 8, version,
		 (u64[3]) { 1, *(u64 *)text, *(u64 *)(text + 8) }, 24);

	add_reflink_p(&f, 0, 100, 1000);	/* over five keys, the last in part */
	add_reflink_p(&f, 100, 44, 1100);
	add_reflink_p(&f, 144, 8, 1144);	/* inline */
	memcpy(f.model + 144 * 512, text, 16);
	add_reflink_p(&f, 160, 30, 1007);	/* begins inside */
	memcpy(f.model + 160 * 512, f.model + 7 * 512, 30 * 512);
	add_reflink_p(&f, 192, 8, 5000);	/* leads nowhere */
	add_reflink_p(&f, 200, 16, 1148);	/* runs past the end */
	fixture_start(&f);
	write_layouts(&f);

	expect_everywhere(&f, 192);
	assert_int_equal(read_error(&f, 192, 8), -EIO);
	assert_int_equal(read_error(&f, 200, 16), -EIO);
	memset(f.model + 200 * 512, 0, 4 * 512);
	expect(&f, 200, 4, PAGE_SIZE);
	assert_true(bce_log_error_count(f.m.log, BCE_ERR_reflink_p_to_missing_reflink_v) > 0);
	fixture_end(&f);
}

/* a row of stored extents that lie one behind the other is one I/O */
static void runs_merge(void **state)
{
	struct member_counters before, after;
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 8; i++)
		add_extent(&f, i * 32, 32, 0, 0, 5, 0);
	fixture_start(&f);
	write_layouts(&f);

	bce_member_counters(f.m.members, 1, &before);
	expect(&f, 0, 256, 65536);
	bce_member_counters(f.m.members, 1, &after);
	assert_int_equal(after.reads - before.reads, 1);
	assert_int_equal(after.read_sectors - before.read_sectors, 256);

	/* a part of the first, wholes between, a part of the last: still one */
	expect(&f, 8, 240, 4096);
	bce_member_counters(f.m.members, 1, &before);
	assert_int_equal(before.reads - after.reads, 1);
	assert_int_equal(before.read_sectors - after.read_sectors, 256);
	fixture_end(&f);
}

/* ---- replicas ---- */

/* the extent at @start on members 1 and 2, same data; or one of them cached with @gen */
static void add_replicated(struct fixture *f, u64 start, u32 sectors, unsigned int csum_type,
			   bool second_cached, u8 gen)
{
	struct layout *l = calloc(1, sizeof(*l)), *copy = malloc(sizeof(*copy));
	struct value v = { };

	make_data(f->model + start * 512, sectors * 512);
	encode(f, &l->s, f->model + start * 512, sectors, csum_type, 0);
	l->dev = 1;
	l->sector = place(f, 1, sectors);
	*copy = *l;
	copy->dev = 2;
	copy->sector = place(f, 2, sectors);
	layouts[nr_layouts++] = l;
	layouts[nr_layouts++] = copy;
	if (csum_type)
		value_crc(&v, &l->s.crc);
	value_ptr(&v, &(struct extent_ptr) { .dev = 1, .sector = l->sector });
	value_ptr(&v, &(struct extent_ptr) { .dev = 2, .sector = copy->sector,
					     .cached = second_cached, .gen = gen });
	add_key(f, KEY_TYPE_extent, start, sectors, &v);
}

struct faulty {
	u64	from, to;	/* sectors */
	bool	lie;		/* flip a bit instead of failing */
	int	times;		/* then healthy; -1: for ever */
};

static bool faulty_hits(struct faulty *x, struct bio *bio)
{
	u64 start = bio->bi_iter.bi_sector;

	if (start >= x->to || start + bio_sectors(bio) <= x->from || !x->times)
		return false;
	if (x->times > 0)
		x->times--;
	return true;
}

static blk_status_t faulty_before(struct bio *bio, void *priv)
{
	struct faulty *x = priv;

	return !x->lie && faulty_hits(x, bio) ? BLK_STS_IOERR : BLK_STS_OK;
}

static blk_status_t faulty_after(struct bio *bio, void *priv)
{
	struct faulty *x = priv;
	u64 at = bio->bi_iter.bi_sector;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (!x->lie || !faulty_hits(x, bio))
		return BLK_STS_OK;
	bio_for_each_segment(bv, bio, iter) {
		u8 *p = (u8 *)page_address(bv.bv_page) + bv.bv_offset;

		for (unsigned int i = 0; i < bv.bv_len; i += 512, at++)
			if (at >= x->from && at < x->to)
				p[i + 3] ^= 0x10;
	}
	return BLK_STS_OK;
}

static void make_faulty(struct fixture *f, unsigned int dev, struct kapi_bdev_fault *fault,
			struct faulty *x)
{
	*fault = (struct kapi_bdev_fault) {
		.before = faulty_before,
		.after = faulty_after,
		.priv = x,
	};
	kapi_bdev_set_fault(f->m.bdev[dev], fault);
}

static void member_fails(void **state)
{
	struct faulty all = { .to = U64_MAX, .times = -1 }, both = all;
	struct kapi_bdev_fault fault[2];
	struct member_counters c;
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 8; i++)
		add_replicated(&f, i * 16, 16, i % 2 ? 5 : 0, false, 0);
	fixture_start(&f);
	write_layouts(&f);

	make_faulty(&f, 1, &fault[0], &all);
	for (int i = 0; i < 20; i++)
		expect(&f, rnd() % 100, 1 + rnd() % 28, 4096);
	bce_member_counters(f.m.members, 1, &c);
	assert_true(c.io_errors > 0);
	make_faulty(&f, 2, &fault[1], &both);
	assert_int_equal(read_error(&f, 0, 64), -EIO);
	fixture_end(&f);
}

static void member_lies(void **state)
{
	struct faulty one = { .to = U64_MAX, .lie = true, .times = -1 }, other = one;
	struct kapi_bdev_fault fault[2];
	struct member_counters c;
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 8; i++)
		add_replicated(&f, i * 16, 16, 5 + i % 3, false, 0);
	fixture_start(&f);
	write_layouts(&f);

	make_faulty(&f, 2, &fault[0], &one);
	for (int i = 0; i < 40; i++)
		expect(&f, rnd() % 100, 1 + rnd() % 28, 4096);
	bce_member_counters(f.m.members, 2, &c);
	assert_true(c.csum_errors > 0);
	bce_member_counters(f.m.members, 1, &c);
	assert_int_equal(c.csum_errors, 0);
	make_faulty(&f, 1, &fault[1], &other);
	assert_int_equal(read_error(&f, 0, 64), -EILSEQ);
	assert_int_equal(read_error(&f, 3, 2), -EILSEQ);
	fixture_end(&f);
}

/* pages changed once while being checked: no member is blamed, and the data is right */
static void pages_change(void **state)
{
	struct faulty once = { .to = U64_MAX, .lie = true, .times = 1 };
	struct kapi_bdev_fault fault;
	struct member_counters c;
	struct fixture f;

	fixture_begin(&f);
	add_extent(&f, 0, 64, 0, 0, 5, 0);
	fixture_start(&f);
	write_layouts(&f);
	make_faulty(&f, 1, &fault, &once);
	expect(&f, 0, 64, 4096);
	assert_int_equal(once.times, 0);
	bce_member_counters(f.m.members, 1, &c);
	assert_int_equal(c.csum_errors, 0);
	fixture_end(&f);
}

/* one bad sector in a shared I/O takes only its own extent along */
static void bad_sector(void **state)
{
	struct faulty bad = { .from = MINI_BUCKET_SECTORS + 70, .to = MINI_BUCKET_SECTORS + 71,
			      .times = -1 };
	struct kapi_bdev_fault fault;
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 4; i++)
		add_extent(&f, i * 32, 32, 0, 0, 5, 0);
	fixture_start(&f);
	write_layouts(&f);
	make_faulty(&f, 1, &fault, &bad);
	assert_int_equal(read_error(&f, 0, 128), -EIO);
	expect(&f, 0, 64, 4096);
	expect(&f, 96, 32, 4096);
	bad.times = 1;		/* the shared I/O fails, then all is well */
	expect(&f, 0, 128, 4096);
	fixture_end(&f);
}

static void absent_members(void **state)
{
	struct fixture f;

	fixture_begin(&f);
	add_replicated(&f, 0, 32, 5, false, 0);
	add_extent(&f, 32, 32, 0, 0, 5, 0);
	fixture_start(&f);
	write_layouts(&f);
	mini_detach(&f.m, 1);
	expect(&f, 0, 32, 4096);
	assert_int_equal(read_error(&f, 32, 8), -EIO);
	mini_attach(&f.m, 1);
	expect(&f, 0, 64, 4096);
	mini_detach(&f.m, 1);
	mini_detach(&f.m, 2);
	assert_int_equal(read_error(&f, 0, 8), -EIO);
	fixture_end(&f);
}

static void set_bucket_gen(struct fixture *f, unsigned int dev, u64 bucket, u8 gen)
{
	struct bch_alloc_v4 v = {
		.flags = cpu_to_le32(ALLOC_V4_U64S << ALLOC_V4_BACKPOINTERS_START_LO),
		.gen = gen,
		.oldest_gen = gen,
		.data_type = BCH_DATA_user,
		.dirty_sectors = cpu_to_le32(8),
	};

	mini_key(&f->m, BTREE_ID_alloc, KEY_TYPE_alloc_v4, SPOS(dev, bucket, 0), 0,
		 (struct bversion) { }, &v, sizeof(v));
}

/* an extent with nothing but a cached pointer to member 3 */
static void add_cached_only(struct fixture *f, u64 start, u64 sector, u8 gen)
{
	struct value v = { };

	value_ptr(&v, &(struct extent_ptr) { .dev = 3, .sector = sector, .cached = true,
					     .gen = gen });
	add_key(f, KEY_TYPE_extent, start, 8, &v);
}

static void cached_pointers(void **state)
{
	struct member_counters c;
	struct fixture f;
	u8 data[8 * 512];

	fixture_begin(&f);
	set_bucket_gen(&f, 3, 4, 7);
	make_data(data, sizeof(data));
	add_cached_only(&f, 0, 4 * MINI_BUCKET_SECTORS, 7);	/* fresh */
	memcpy(f.model, data, sizeof(data));
	add_cached_only(&f, 8, 4 * MINI_BUCKET_SECTORS, 6);	/* stale: zeros */
	add_cached_only(&f, 16, 4 * MINI_BUCKET_SECTORS, 8);	/* newer than its bucket: zeros */
	add_cached_only(&f, 24, 5 * MINI_BUCKET_SECTORS, 0);	/* bucket without a key */
	memcpy(f.model + 24 * 512, data, sizeof(data));
	/* the dirty copy is asked when the cached one is stale; wrong data lies there */
	set_bucket_gen(&f, 2, 1, 1);
	add_replicated(&f, 32, 8, 0, true, 0);
	fixture_start(&f);
	write_layouts(&f);
	mini_write(&f.m, 3, 4 * MINI_BUCKET_SECTORS, data, sizeof(data));
	mini_write(&f.m, 3, 5 * MINI_BUCKET_SECTORS, data, sizeof(data));
	mini_write(&f.m, 2, MINI_BUCKET_SECTORS, data, sizeof(data));

	for (int i = 0; i < 10; i++)
		expect(&f, 0, 40, 4096);
	bce_member_counters(f.m.members, 2, &c);
	assert_int_equal(c.reads, 0);

	/* a member with nothing but cached copies may be missing */
	mini_detach(&f.m, 3);
	memset(f.model, 0, 32 * 512);
	expect(&f, 0, 40, 4096);
	fixture_end(&f);
}

/*
 * The in-tree driver writes over blocks of nocow files in place and leaves a cached copy of them as it was, of the right generation.
 * Without a checksum nothing tells: so it is not asked as long as there is another.
 */
static void cached_without_checksum(void **state)
{
	struct member_counters c;
	struct fixture f;
	u8 old[16 * 512];

	fixture_begin(&f);
	set_bucket_gen(&f, 2, 1, 3);
	add_replicated(&f, 0, 8, 0, true, 3);
	add_replicated(&f, 8, 8, 5, true, 3);
	fixture_start(&f);
	write_layouts(&f);
	make_data(old, sizeof(old));
	mini_write(&f.m, 2, MINI_BUCKET_SECTORS, old, 8 * 512);
	for (int i = 0; i < 30; i++)
		expect(&f, 0, 8, 4096);
	bce_member_counters(f.m.members, 2, &c);
	assert_int_equal(c.reads, 0);
	/* with one it is as good as any */
	for (int i = 0; i < 30; i++)
		expect(&f, 8, 8, 4096);
	bce_member_counters(f.m.members, 2, &c);
	assert_true(c.reads > 0);
	/* and better than none */
	mini_detach(&f.m, 1);
	memcpy(f.model, old, 8 * 512);
	expect(&f, 0, 8, 4096);
	fixture_end(&f);
}

static int any_gen(void *ctx, unsigned int dev, u64 sector)
{
	return -1;
}

static void note_cached_read(void *ctx, unsigned int dev, u64 sector)
{
	atomic_t *nr = ctx;

	assert_int_equal(dev, 3);
	assert_in_range(sector, 4 * MINI_BUCKET_SECTORS, 4 * MINI_BUCKET_SECTORS + 7);
	atomic_inc(nr);
}

/* who keeps buckets in the order of their last use is told of reads by cached pointers, no others */
static void cached_reads_are_told(void **state)
{
	atomic_t nr = ATOMIC_INIT(0);
	const struct data_read_live live = {
		.bucket_gen = any_gen, .cached_read = note_cached_read, .ctx = &nr,
	};
	struct fixture f;

	fixture_begin(&f);
	add_cached_only(&f, 0, 4 * MINI_BUCKET_SECTORS, 0);
	add_extent(&f, 8, 32, 0, 0, 5, 0);
	fixture_start(&f);
	write_layouts(&f);
	mini_write(&f.m, 3, 4 * MINI_BUCKET_SECTORS, f.model, 8 * 512);
	expect(&f, 0, 40, 4096);
	assert_int_equal(atomic_read(&nr), 0);	/* of a set that is only read nobody asks */
	bce_data_reader_set_live(f.m.reader, &live);
	expect(&f, 8, 32, 4096);
	assert_int_equal(atomic_read(&nr), 0);
	expect(&f, 0, 40, 4096);
	assert_int_equal(atomic_read(&nr), 1);
	bce_data_reader_set_live(f.m.reader, NULL);
	fixture_end(&f);
}

/* ---- damage ---- */

static void add_raw(struct fixture *f, u64 start, u32 sectors, struct extent_crc crc, u64 sector,
		    u8 dev)
{
	struct value v = { };

	value_crc(&v, &crc);
	value_ptr(&v, &(struct extent_ptr) { .dev = dev, .sector = sector });
	add_key(f, KEY_TYPE_extent, start, sectors, &v);
}

/* what validation lets through or not: never more than an error */
static void impossible_extents(void **state)
{
	struct extent_crc whole = { .compressed_size = 8, .uncompressed_size = 8, .csum_type = 5 };
	struct extent_crc c;
	struct fixture f;
	int ret;

	fixture_begin(&f);
	add_raw(&f, 0, 8, whole, MINI_DEV_SECTORS - 4, 1);	/* past the device's end */
	add_raw(&f, 8, 8, whole, (1ULL << 44) - 8, 1);
	add_raw(&f, 16, 8, whole, 512, 63);			/* no such member */
	c = whole;
	c.compressed_size = 4;					/* smaller, but not compressed */
	add_raw(&f, 24, 8, c, 512, 1);
	c = whole;
	c.uncompressed_size = c.compressed_size = 8192;		/* larger than any */
	add_raw(&f, 32, 8, c, 512, 1);
	c = whole;
	c.compression_type = BCH_COMPRESSION_TYPE_lz4;
	c.compressed_size = 16;					/* compressed to more */
	add_raw(&f, 40, 8, c, 512, 1);
	fixture_start(&f);
	for (int i = 0; i < 6; i++) {
		ret = read_error(&f, i * 8, 8);
		assert_true(ret == -EIO || ret == -EILSEQ);
	}
	fixture_end(&f);
}

/* compressed data that does not decode, without a checksum that would tell */
static void garbage(void **state)
{
	struct extent_crc c = { .compressed_size = 8, .uncompressed_size = 64 };
	u8 junk[8 * 512];
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 4; i++) {
		c.compression_type = 1 + i;
		add_raw(&f, i * 64, 64, c, MINI_BUCKET_SECTORS + i * 8, 1);
	}
	fixture_start(&f);
	for (int i = 0; i < 4; i++) {
		for (int b = 0; b < sizeof(junk); b++)
			junk[b] = rnd();
		mini_write(&f.m, 1, MINI_BUCKET_SECTORS + i * 8, junk, sizeof(junk));
		assert_int_equal(read_error(&f, i * 64, 64), -EILSEQ);
	}
	fixture_end(&f);
}

/* every allocation of every read fails, one after the other, then all of them */
static void memory_is_short(void **state)
{
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 12; i++)
		add_extent(&f, i * 24, 24, i % 2 ? 8 : 0, 0, 5, i % 3 ? 0 : 4);
	fixture_start(&f);
	write_layouts(&f);
	expect(&f, 0, 288, 4096);	/* btree nodes are in memory now */
	for (int n = 1; n < 60; n++) {
		kapi_alloc_fail(n, false);
		expect(&f, 0, 288, 4096);
		kapi_alloc_fail(n, true);
		expect(&f, 0, 288, 4096);
		kapi_alloc_fail(0, false);
	}
	fixture_end(&f);
}

/* many at once, from many buffers */
static void in_parallel(void **state)
{
	enum { NR = 64, SECTORS = 48 };
	static struct bio_vec vecs[NR][SEGMENTS_MAX / 8];
	struct mini_read r[NR];
	struct bio bio[NR];
	u8 *buf[NR];
	struct fixture f;

	fixture_begin(&f);
	for (int i = 0; i < 40; i++)
		add_replicated(&f, i * 32, 32, i % 2 ? 5 : 7, false, 0);
	fixture_start(&f);
	write_layouts(&f);
	for (int i = 0; i < NR; i++) {
		buf[i] = page_buffer(SECTORS);
		bio_over(&bio[i], vecs[i], buf[i], SECTORS * 512, 4096);
		bio[i].bi_iter.bi_sector = rnd() % 1200;
		mini_read_start(&f.m, &r[i], INUM, SNAP, &bio[i]);
	}
	for (int i = 0; i < NR; i++) {
		assert_int_equal(mini_read_wait(&r[i]), 0);
		assert_memory_equal(buf[i], f.model + bio[i].bi_iter.bi_sector * 512,
				    SECTORS * 512);
		bio_uninit(&bio[i]);
		free(buf[i]);
	}
	fixture_end(&f);
}

struct policy_seen {
	unsigned int	avoided;
	unsigned int	asked[MINI_DEVS];
};

static int seen_weight(void *ctx, unsigned int dev)
{
	struct policy_seen *seen = ctx;

	return dev == seen->avoided ? -1 : 0;
}

static void seen_done(void *ctx, u64 inum, u64 sector, u32 sectors, unsigned int dev, bool cached)
{
	struct policy_seen *seen = ctx;

	assert_int_equal(inum, INUM);
	seen->asked[dev]++;
}

static void policy_decides(void **state)
{
	struct policy_seen seen = { .avoided = 1 };
	const struct data_read_policy policy = {
		.weight = seen_weight, .read_done = seen_done, .ctx = &seen,
	};
	struct fixture f;

	fixture_begin(&f);
	add_replicated(&f, 0, 32, 5, false, 0);
	fixture_start(&f);
	write_layouts(&f);
	bce_data_reader_set_policy(f.m.reader, &policy);
	for (int i = 0; i < 20; i++)
		expect(&f, 0, 32, 4096);
	assert_int_equal(seen.asked[1], 0);
	assert_int_equal(seen.asked[2], 20);
	mini_detach(&f.m, 2);		/* avoided is better than nothing */
	expect(&f, 0, 32, 4096);
	assert_int_equal(seen.asked[1], 1);
	bce_data_reader_set_policy(f.m.reader, NULL);
	expect(&f, 0, 32, 4096);
	assert_int_equal(seen.asked[1], 1);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_forms),
		cmocka_unit_test(other_keys),
		cmocka_unit_test(shared_data),
		cmocka_unit_test(runs_merge),
		cmocka_unit_test(member_fails),
		cmocka_unit_test(member_lies),
		cmocka_unit_test(pages_change),
		cmocka_unit_test(bad_sector),
		cmocka_unit_test(absent_members),
		cmocka_unit_test(cached_pointers),
		cmocka_unit_test(cached_without_checksum),
		cmocka_unit_test(cached_reads_are_told),
		cmocka_unit_test(impossible_extents),
		cmocka_unit_test(garbage),
		cmocka_unit_test(memory_is_short),
		cmocka_unit_test(in_parallel),
		cmocka_unit_test(policy_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
