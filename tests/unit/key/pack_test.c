// SPDX-License-Identifier: GPL-2.0
/*
 * Packed keys (docs/format/50-btree.md, sections 3, 4): the worked examples, rules of
 * formats and keys, and random formats and keys against their unpacked selves.
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/key/pack.h"
#include "random.h"

#define MAX_U64S	(BKEY_U64S + BKEY_VAL_U64S_MAX)

static u64 rnd_bits(unsigned int bits)
{
	return bits ? rnd() >> (64 - bits) : 0;
}

static struct bkey_format_le format_le(u8 key_u64s, const u8 bits[6], const u64 offset[6])
{
	struct bkey_format_le f = { .key_u64s = key_u64s, .nr_fields = 6 };
	int i;

	for (i = 0; i < 6; i++) {
		f.bits_per_field[i] = bits[i];
		f.field_offset[i] = cpu_to_le64(offset[i]);
	}
	return f;
}

static struct key_format format_of(u8 key_u64s, const u8 bits[6], const u64 offset[6])
{
	struct bkey_format_le le = format_le(key_u64s, bits, offset), back;
	struct key_format f;

	assert_null(bce_key_format_decode(&f, &le));
	bce_key_format_encode(&back, &f);
	assert_memory_equal(&le, &back, sizeof(le));
	return f;
}

static void assert_same_key(const struct bkey *l, const struct bkey *r)
{
	assert_int_equal(bpos_cmp(l->p, r->p), 0);
	assert_int_equal(l->size, r->size);
	assert_int_equal(l->version.lo, r->version.lo);
	assert_int_equal(l->version.hi, r->version.hi);
	assert_int_equal(l->type, r->type);
	assert_int_equal(l->val_u64s, r->val_u64s);
	if (l->val_u64s)
		assert_memory_equal(l->v, r->v, bkey_val_bytes(l));
}

/* pack to these bytes, and from them back to the same key */
static void assert_packs_to(const struct key_format *f, const struct bkey *k, const u8 *bytes,
			    unsigned int nr)
{
	u64 buf[MAX_U64S];
	struct bkey back;
	int id;

	assert_int_equal(bce_key_pack(f, k, (void *)buf), nr / 8 + k->val_u64s);
	assert_memory_equal(buf, bytes, nr);
	assert_null(bce_disk_key_check(f, (void *)buf, nr / 8 + k->val_u64s, &id));
	bce_key_unpack(f, (void *)buf, &back);
	assert_same_key(k, &back);
	assert_int_equal(bpos_cmp(bce_key_unpack_pos(f, (void *)buf), k->p), 0);
}

static const u64 val2[2] = { 0x1122334455667788ULL, 0x99aabbccddeeff00ULL };

static void example_a(void **state)
{
	struct key_format f = format_of(2, (u8[6]) { 8, 16, 32, 16 }, (u64[6]) { 4096 });
	struct bkey k = {
		.p = SPOS(4099, 128, U32_MAX), .size = 8, .type = KEY_TYPE_extent,
		.val_u64s = 2, .v = val2,
	};

	assert_packs_to(&f, &k, (u8[]) { 4, 0, 6, 0, 0, 0, 0, 8, 0, 255, 255, 255, 255, 0x80,
					 0, 3 }, 16);
}

static void example_b(void **state)
{
	struct key_format f = format_of(2, (u8[6]) { 16, 8, 32, 8 }, (u64[6]) { });
	struct bkey k = {
		.p = SPOS(0x1005, 8, U32_MAX), .size = 8, .type = KEY_TYPE_extent,
		.val_u64s = 2, .v = val2,
	};

	assert_packs_to(&f, &k, (u8[]) { 4, 0, 6, 0, 0, 0, 0, 0, 8, 255, 255, 255, 255, 8, 5,
					 0x10 }, 16);
}

static void example_c(void **state)
{
	struct key_format f = format_of(1, (u8[6]) { 0, 24, 8 }, (u64[6]) { 0, 17334272 });
	struct bkey k = { .p = SPOS(0, 20840448, 0), .type = KEY_TYPE_deleted };

	assert_packs_to(&f, &k, (u8[]) { 1, 0, 0, 0, 0, 0, 0x80, 0x35 }, 8);
}

/* section 3's example of an unpacked key */
static void example_unpacked(void **state)
{
	static const u8 want[40] = {
		7, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 255, 255, 255, 255,
		0x80, 0, 0, 0, 0, 0, 0, 0, 3, 0x10, 0, 0, 0, 0, 0, 0,
	};
	struct bkey back, k = {
		.p = SPOS(0x1003, 128, U32_MAX), .size = 8, .type = KEY_TYPE_extent,
		.val_u64s = 2, .v = val2,
	};
	u64 buf[7];

	assert_int_equal(bce_key_write_unpacked(&k, (void *)buf), 7);
	assert_memory_equal(buf, want, sizeof(want));
	assert_null(bce_key_read_unpacked(buf, 7, &back));
	assert_same_key(&k, &back);
	assert_int_equal(bkey_start_offset(&back), 120);

	assert_non_null(bce_key_read_unpacked(buf, 6, &back));
	assert_non_null(bce_key_read_unpacked(buf, 0, &back));
	((u8 *)buf)[1] = 0x80 | KEY_FORMAT_UNPACKED;	/* an in-memory bit: ignored */
	assert_null(bce_key_read_unpacked(buf, 7, &back));
	((u8 *)buf)[1] = KEY_FORMAT_PACKED;
	assert_non_null(bce_key_read_unpacked(buf, 7, &back));
	((u8 *)buf)[1] = KEY_FORMAT_UNPACKED;
	((u8 *)buf)[0] = 4;
	assert_non_null(bce_key_read_unpacked(buf, 7, &back));
}

/* from the node header of section 6.1: a btree pointer in a new root's format */
static void example_root_key(void **state)
{
	static const u8 header[24] = {
		9, 0, 18, 0, 255, 255, 255, 255, 8, 0, 0, 0, 0, 0, 0, 0, 0x16, 0x12, 0, 0, 0, 0, 0, 0,
	};
	u64 val[6] = { 1, 2, 3, 4, 5, 6 };
	struct bkey k = {
		.p = SPOS(4630, 8, U32_MAX), .type = KEY_TYPE_btree_ptr_v2, .val_u64s = 6, .v = val,
	};
	struct key_format f = format_of(3, (u8[6]) { 64, 64, 32 }, (u64[6]) { });

	assert_packs_to(&f, &k, header, 24);
	assert_packs_to(&key_format_position_only, &k, header, 24);
}

static void assert_bad_format(u8 key_u64s, const u8 bits[6], const u64 offset[6])
{
	struct bkey_format_le le = format_le(key_u64s, bits, offset);
	struct key_format f;

	assert_non_null(bce_key_format_decode(&f, &le));
}

static void bad_formats(void **state)
{
	struct bkey_format_le le = format_le(3, (u8[6]) { 64, 64, 32 }, (u64[6]) { });
	struct key_format f;

	le.nr_fields = 5;
	assert_non_null(bce_key_format_decode(&f, &le));

	assert_bad_format(3, (u8[6]) { 65, 64, 32 }, (u64[6]) { });
	assert_bad_format(3, (u8[6]) { 64, 64, 33 }, (u64[6]) { });
	assert_bad_format(3, (u8[6]) { 64, 64, 0, 33 }, (u64[6]) { });
	assert_bad_format(4, (u8[6]) { 64, 64, 32 }, (u64[6]) { });		/* length */
	assert_bad_format(2, (u8[6]) { 64, 64, 32 }, (u64[6]) { });
	assert_bad_format(0, (u8[6]) { }, (u64[6]) { });
	assert_bad_format(255, (u8[6]) { 255, 255, 255, 255, 255, 255 }, (u64[6]) { });
	assert_bad_format(3, (u8[6]) { 64, 64, 32 }, (u64[6]) { 1 });		/* full and offset */
	assert_bad_format(3, (u8[6]) { 64, 64, 32 }, (u64[6]) { 0, 0, 1 });
	assert_bad_format(1, (u8[6]) { 8 }, (u64[6]) { U64_MAX - 254 });	/* wraps by one */
	assert_bad_format(1, (u8[6]) { 0, 0, 8 }, (u64[6]) { 0, 0, U32_MAX - 254 });
	assert_bad_format(1, (u8[6]) { }, (u64[6]) { 0, 0, 1ULL << 32 });
	format_of(1, (u8[6]) { 8 }, (u64[6]) { U64_MAX - 255 });		/* up to the top */
	format_of(1, (u8[6]) { 0, 0, 8 }, (u64[6]) { 0, 0, U32_MAX - 255 });
	format_of(1, (u8[6]) { }, (u64[6]) { U64_MAX, U64_MAX, U32_MAX, U32_MAX, U32_MAX, U64_MAX });
	format_of(5, (u8[6]) { 64, 64, 32, 32, 32, 64 }, (u64[6]) { });
}

static void assert_key_error(const struct key_format *f, u8 u64s, u8 format, unsigned int room,
			     int want)
{
	u64 buf = 0;
	struct disk_key *k = (void *)&buf;
	const char *text;
	int id = -1;

	k->u64s = u64s;
	k->format = format;
	text = bce_disk_key_check(f, k, room, &id);
	if (want < 0) {
		assert_null(text);
	} else {
		assert_non_null(text);
		assert_int_equal(id, want);
	}
}

static void key_structure(void **state)
{
	const struct key_format *f = &key_format_position_only;

	assert_key_error(f, 3, 0, 3, -1);
	assert_key_error(f, 3, 0x80, 3, -1);
	assert_key_error(f, 253, 0, 253, -1);
	assert_key_error(f, 5, 1, 5, -1);
	assert_key_error(f, 255, 1, 1000, -1);
	assert_key_error(f, 3, 0, 0, BCE_ERR_btree_node_bkey_past_bset_end);
	assert_key_error(f, 4, 0, 3, BCE_ERR_btree_node_bkey_past_bset_end);
	assert_key_error(f, 5, 2, 5, BCE_ERR_btree_node_bkey_bad_format);
	assert_key_error(f, 5, 0x7f, 5, BCE_ERR_btree_node_bkey_bad_format);
	assert_key_error(f, 0, 0, 3, BCE_ERR_btree_node_bkey_bad_u64s);
	assert_key_error(f, 2, 0, 3, BCE_ERR_btree_node_bkey_bad_u64s);
	assert_key_error(f, 254, 0, 255, BCE_ERR_btree_node_bkey_bad_u64s);
	assert_key_error(f, 4, 1, 255, BCE_ERR_btree_node_bkey_bad_u64s);
}

/* ---- random formats ---- */

static const u8 width[6] = { 64, 64, 32, 32, 32, 64 };

static u64 top(unsigned int bits)
{
	return bits ? U64_MAX >> (64 - bits) : 0;
}

static struct key_format random_format(void)
{
	unsigned int i, sum = 24;
	u64 offset[6];
	u8 bits[6];

	for (i = 0; i < 6; i++) {
		bits[i] = rnd() % 4 ? rnd() % (width[i] + 1) : (rnd() & 1) * width[i];
		offset[i] = rnd_bits(rnd() % (width[i] + 1));
		if (offset[i] > top(width[i]) - top(bits[i]))
			offset[i] = top(width[i]) - top(bits[i]);
		sum += bits[i];
	}
	return format_of((sum + 63) / 64, bits, offset);
}

static void set_field(struct bkey *k, unsigned int i, u64 v)
{
	switch (i) {
	case BKEY_FIELD_INODE:		k->p.inode = v; break;
	case BKEY_FIELD_OFFSET:		k->p.offset = v; break;
	case BKEY_FIELD_SNAPSHOT:	k->p.snapshot = v; break;
	case BKEY_FIELD_SIZE:		k->size = v; break;
	case BKEY_FIELD_VERSION_HI:	k->version.hi = v; break;
	case BKEY_FIELD_VERSION_LO:	k->version.lo = v; break;
	}
}

/* a key inside the format's ranges */
static struct bkey random_key(const struct key_format *f, const u64 *val)
{
	struct bkey k = { .type = rnd(), .val_u64s = rnd() % 251, .v = val };
	unsigned int i;

	for (i = 0; i < 6; i++)
		set_field(&k, i, f->offset[i] + rnd_bits(f->bits[i]));
	return k;
}

/* put one field out of its range, if the range leaves any room; false if not */
static bool spoil(struct bkey *k, const struct key_format *f, unsigned int i)
{
	if (f->offset[i] && (rnd() & 1)) {
		set_field(k, i, f->offset[i] - 1 - rnd() % f->offset[i]);
		return true;
	}
	if (f->offset[i] + top(f->bits[i]) == top(width[i]))
		return false;
	set_field(k, i, f->offset[i] + top(f->bits[i]) + 1);
	return true;
}

static int packed_words_cmp(const struct key_format *f, const u64 *l, const u64 *r)
{
	unsigned int bits = f->bits[0] + f->bits[1] + f->bits[2], w = f->key_u64s;

	for (; bits; bits -= bits < 64 ? bits : 64) {
		unsigned int below = bits < 64 ? 64 - bits : 0;

		w--;
		if (l[w] >> below != r[w] >> below)
			return l[w] >> below < r[w] >> below ? -1 : 1;
	}
	return 0;
}

static void random_keys(void **state)
{
	u64 val[250], a[MAX_U64S], b[MAX_U64S];
	unsigned int i, j;

	for (i = 0; i < 250; i++)
		val[i] = rnd();
	for (i = 0; i < 20000; i++) {
		struct key_format f = random_format();
		struct bkey k = random_key(&f, val), other = random_key(&f, val), back;
		int id;

		memset(a, 0xff, sizeof(a));
		assert_int_equal(bce_key_pack(&f, &k, (void *)a), f.key_u64s + k.val_u64s);
		assert_int_equal(((u8 *)a)[1], KEY_FORMAT_PACKED);
		assert_null(bce_disk_key_check(&f, (void *)a, f.key_u64s + k.val_u64s, &id));
		bce_key_unpack(&f, (void *)a, &back);
		assert_same_key(&k, &back);
		assert_int_equal(bpos_cmp(bce_key_unpack_pos(&f, (void *)a), k.p), 0);
		/* no stray bit between the fields and the three bytes */
		for (j = 24; j < f.shift[BKEY_FIELD_VERSION_LO]; j++)
			assert_false(a[j / 64] >> j % 64 & 1);

		/* numbers compare like positions */
		bce_key_pack(&f, &other, (void *)b);
		assert_int_equal(packed_words_cmp(&f, a, b), bpos_cmp(k.p, other.p));

		/* what does not fit is stored unpacked */
		if (spoil(&k, &f, rnd() % 6)) {
			assert_int_equal(bce_key_pack(&f, &k, (void *)a), BKEY_U64S + k.val_u64s);
			assert_int_equal(((u8 *)a)[1], KEY_FORMAT_UNPACKED);
			bce_key_unpack(&f, (void *)a, &back);
			assert_same_key(&k, &back);
			assert_int_equal(bpos_cmp(bce_key_unpack_pos(&f, (void *)a), k.p), 0);
		}
	}
}

/* a chosen format is legal, holds what it was chosen for, and deletions too */
static void chosen_formats(void **state)
{
	u64 val[250] = { }, buf[MAX_U64S];
	unsigned int i, j, nr;

	for (i = 0; i < 20000; i++) {
		struct key_format from = random_format(), f;
		struct key_format_stats stats;
		struct bkey_format_le le;
		struct bkey k[8];

		bce_key_format_stats_init(&stats);
		nr = 1 + rnd() % 8;
		for (j = 0; j < nr; j++) {
			k[j] = random_key(&from, val);
			bce_key_format_stats_add(&stats, &k[j]);
		}
		f = bce_key_format_choose(&stats);
		bce_key_format_encode(&le, &f);
		assert_null(bce_key_format_decode(&f, &le));
		assert_int_equal(f.offset[BKEY_FIELD_SIZE], 0);
		for (j = 0; j < nr; j++) {
			bce_key_pack(&f, &k[j], (void *)buf);
			assert_int_equal(((u8 *)buf)[1], KEY_FORMAT_PACKED);
			k[j].size = 0;
			bce_key_pack(&f, &k[j], (void *)buf);
			assert_int_equal(((u8 *)buf)[1], KEY_FORMAT_PACKED);
		}
	}
}

static void chosen_format_by_hand(void **state)
{
	struct key_format_stats stats;
	struct key_format f;

	/* nothing added: one word, all zero */
	bce_key_format_stats_init(&stats);
	f = bce_key_format_choose(&stats);
	assert_int_equal(f.key_u64s, 1);

	/* inode 3 bits, offset 8, size 4 + 4: 19 + 24 = 43 bits, 21 spare: inode to 8 */
	bce_key_format_stats_add_pos(&stats, SPOS(4096, 8, U32_MAX));
	bce_key_format_stats_add_pos(&stats, SPOS(4101, 200, U32_MAX));
	bce_key_format_stats_add(&stats, &(struct bkey) { .p = SPOS(4100, 16, U32_MAX), .size = 8 });
	f = bce_key_format_choose(&stats);
	assert_int_equal(f.key_u64s, 1);
	assert_memory_equal(f.bits, ((u8[6]) { 8, 8, 0, 8, 0, 0 }), 6);
	assert_int_equal(f.offset[BKEY_FIELD_INODE], 4096);
	assert_int_equal(f.offset[BKEY_FIELD_OFFSET], 8);
	assert_int_equal(f.offset[BKEY_FIELD_SNAPSHOT], U32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_a),
		cmocka_unit_test(example_b),
		cmocka_unit_test(example_c),
		cmocka_unit_test(example_unpacked),
		cmocka_unit_test(example_root_key),
		cmocka_unit_test(bad_formats),
		cmocka_unit_test(key_structure),
		cmocka_unit_test_setup(random_keys, rnd_setup),
		cmocka_unit_test_setup(chosen_formats, rnd_setup),
		cmocka_unit_test(chosen_format_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
