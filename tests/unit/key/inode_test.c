// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of all versions: docs/format/60-filesystem-keys.md, part I. Versions that
 * no reference image holds are composed here from the same specification, by an
 * encoder that shares nothing with the decoder.
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "engine/key/varint.h"
#include "random.h"
#include "test_key.h"

static const struct bpos inode_pos = { .offset = 5000, .snapshot = U32_MAX };

/* ---- integers ---- */

/* section 2.1, by its words: the low n bits are n-1 ones and a zero, then v */
static unsigned int varint_encode(u8 *out, u64 v)
{
	unsigned int bits = 64 - __builtin_clzll(v | 1), n = (bits + 6) / 7, i;
	unsigned __int128 word;

	if (n > 8) {
		out[0] = 0xff;
		memcpy(out + 1, &v, 8);
		return 9;
	}
	word = ((unsigned __int128)v << n) + (1 << (n - 1)) - 1;
	for (i = 0; i < n; i++)
		out[i] = word >> (8 * i);
	return n;
}

/* section 7 */
static unsigned int old_varint_encode(u8 *out, u64 v)
{
	static const u8 lengths[8] = { 1, 2, 3, 4, 6, 8, 10, 13 };
	unsigned int bits = v ? 64 - __builtin_clzll(v) : 0, step = 0, i;

	/* of n bytes, the first lends its bits below the mark */
	while (bits > 8u * lengths[step] - step - 1)
		step++;
	for (i = 0; i < lengths[step]; i++) {
		unsigned int shift = 8 * (lengths[step] - 1 - i);

		out[i] = shift < 64 ? v >> shift : 0;
	}
	out[0] |= 0x80 >> step;
	return lengths[step];
}

static void varint_table(void **state)
{
	static const struct {
		u64 v;
		u8 bytes[9];
		unsigned int n;
	} table[] = {
		{ 0, { 0x00 }, 1 },
		{ 1, { 0x02 }, 1 },
		{ 127, { 0xfe }, 1 },
		{ 128, { 0x01, 0x02 }, 2 },
		{ 500, { 0xd1, 0x07 }, 2 },
		{ 1000, { 0xa1, 0x0f }, 2 },
		{ 16383, { 0xfd, 0xff }, 2 },
		{ 16384, { 0x03, 0x00, 0x02 }, 3 },
		{ (1ULL << 56) - 1, { 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8 },
		{ 1ULL << 56, { 0xff, 0, 0, 0, 0, 0, 0, 0, 1 }, 9 },
		{ U64_MAX, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 9 },
	};
	unsigned int i, short_of;
	u64 v;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		u8 *copy = malloc(table[i].n);

		memcpy(copy, table[i].bytes, table[i].n);
		assert_int_equal(bce_varint_decode(copy, copy + table[i].n, &v), table[i].n);
		assert_int_equal(v, table[i].v);
		for (short_of = 0; short_of < table[i].n; short_of++)
			assert_int_equal(bce_varint_decode(copy, copy + short_of, &v), 0);
		free(copy);
	}
}

static void random_integers_in_both_codes(void **state)
{
	unsigned int i, n;

	for (i = 0; i < 20000; i++) {
		u64 want = rnd() >> rnd() % 64, got;
		struct old_varint old;
		u8 bytes[32];

		n = varint_encode(bytes, want);
		assert_int_equal(bce_varint_decode(bytes, bytes + n, &got), n);
		assert_int_equal(got, want);
		/* what follows it does not matter */
		memset(bytes + n, rnd(), sizeof(bytes) - n);
		assert_int_equal(bce_varint_decode(bytes, bytes + sizeof(bytes), &got), n);
		assert_int_equal(got, want);

		n = old_varint_encode(bytes, want);
		assert_int_equal(bce_old_varint_decode(bytes, bytes + n, &old), n);
		assert_int_equal(old.lo, want);
		assert_int_equal(old.hi, 0);
		assert_int_equal(bce_old_varint_decode(bytes, bytes + n - 1, &old), 0);
	}
}

/* the first byte's highest bit gives the length, the rest is big-endian */
static void old_integers_by_hand(void **state)
{
	static const u8 one[] = { 0x85 }, two[] = { 0x41, 0x02 }, six[] = { 0x09, 1, 2, 3, 4, 5 },
		thirteen[] = { 0x01, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7 }, none[] = { 0, 1, 2 };
	struct old_varint v;

	assert_int_equal(bce_old_varint_decode(one, one + 1, &v), 1);
	assert_int_equal(v.lo, 5);
	assert_int_equal(bce_old_varint_decode(two, two + 2, &v), 2);
	assert_int_equal(v.lo, 0x102);
	assert_int_equal(bce_old_varint_decode(six, six + 6, &v), 6);
	assert_int_equal(v.lo, 0x10102030405);
	assert_int_equal(bce_old_varint_decode(thirteen, thirteen + 13, &v), 13);
	assert_int_equal(v.lo, 7);
	assert_int_equal(v.hi, 9);
	assert_int_equal(bce_old_varint_decode(none, none + 3, &v), 0);
}

/* ---- whole inodes ---- */

/* section 2.2: the root inode of a real file system */
static void root_inode_example(void **state)
{
	struct bkey k = test_key_hex(KEY_TYPE_inode_v3, SPOS(0, 4096, U32_MAX),
		"0a00000000000000 d99c8f9135a67da3 00003016d31e0400"
		"0000000000000000 0000000000000000 0000000000000000"
		"57c0bb0300 0790e9cd00 0790e9cd00 57c0bb0300"
		"00 00 04 00 00 00000000000000000000 00 00 02 0000");
	struct inode_fields f;

	assert_int_equal(k.val_u64s, 11);
	assert_null(bce_inode_unpack(&k, &f));
	assert_int_equal(f.inum, 4096);
	assert_int_equal(f.snapshot, U32_MAX);
	assert_int_equal(f.journal_seq, 10);
	assert_int_equal(f.hash_seed, 0xa37da635918f9cd9);
	assert_int_equal(f.flags, 0);
	assert_int_equal(f.str_hash, 3);
	assert_int_equal(f.mode, 040755);
	assert_int_equal(f.atime, 3914757);
	assert_int_equal(f.ctime, 215914752);
	assert_int_equal(f.mtime, 215914752);
	assert_int_equal(f.otime, 3914757);
	assert_int_equal(f.uid, 0);
	assert_int_equal(f.nlink, 2);
	assert_int_equal(f.dir_offset, 0);
	assert_int_equal(f.subvol, 1);
	assert_int_equal(bce_inode_nlink(&f), 4);
	test_key_free(&k);
}

/* values for all fields, each near the top of its width; fields of the fixed head too */
static const struct inode_fields full_inode = {
	.inum = 5000, .snapshot = U32_MAX, .journal_seq = 77, .hash_seed = 0x1122334455667788,
	.flags = 0x81, .str_hash = 2, .mode = 0100644, .sectors = 1ULL << 40,
	.size = U64_MAX - 5, .version = 0, .atime = 1, .ctime = -1, .mtime = 1LL << 62,
	.otime = -(1LL << 40), .uid = U32_MAX, .gid = 1000, .nlink = 70000,
	.generation = U32_MAX - 1, .dev = 8 << 20 | 3, .data_checksum = 4, .compression = 255,
	.project = U32_MAX, .background_compression = 0x34, .data_replicas = 5,
	.promote_target = U16_MAX, .foreground_target = 258, .background_target = 1,
	.erasure_code = 2, .fields_set = 0x3ff, .dir = U64_MAX, .dir_offset = 1ULL << 62,
	.subvol = U32_MAX, .parent_subvol = 3, .nocow = 2,
};

/* the packed fields in order; times are two integers except in the oldest code */
static unsigned int packed_values(const struct inode_fields *f, unsigned int version, u64 *v,
				  bool *time)
{
	u64 sizes[] = { f->size, f->sectors };
	u64 times[] = { f->atime, f->ctime, f->mtime, f->otime };
	u64 common[] = {
		f->uid, f->gid, f->nlink, f->generation, f->dev, f->data_checksum, f->compression,
		f->project, f->background_compression, f->data_replicas, f->promote_target,
		f->foreground_target, f->background_target, f->erasure_code, f->fields_set, f->dir,
		f->dir_offset, f->subvol, f->parent_subvol,
	};
	unsigned int n = 0, i;

	for (i = 0; i < 4; i++) {
		time[n] = true;
		v[n++] = times[i];
	}
	for (i = 0; i < 2 && version < 3; i++)
		v[n++] = sizes[i];
	for (i = 0; i < ARRAY_SIZE(common); i++)
		v[n++] = common[i];
	if (version == 3)
		v[n++] = f->nocow;
	return n;
}

static unsigned int pack_head(u8 *out, const struct inode_fields *f, unsigned int version,
			      bool old_code, unsigned int nr)
{
	u64 flags = f->flags | (u64)f->str_hash << 20 | (u64)nr << 24;
	u32 flags32 = flags | (old_code ? 0 : 1U << 31);

	switch (version) {
	case 1:
		memcpy(out, &f->hash_seed, 8);
		memcpy(out + 8, &flags32, 4);
		memcpy(out + 12, &f->mode, 2);
		return 14;
	case 2:
		memcpy(out, &f->journal_seq, 8);
		memcpy(out + 8, &f->hash_seed, 8);
		memcpy(out + 16, &flags, 8);
		memcpy(out + 24, &f->mode, 2);
		return 26;
	default:
		flags |= 6ULL << 31 | (u64)f->mode << 36;
		memcpy(out, &f->journal_seq, 8);
		memcpy(out + 8, &f->hash_seed, 8);
		memcpy(out + 16, &flags, 8);
		memcpy(out + 24, &f->sectors, 8);
		memcpy(out + 32, &f->size, 8);
		memcpy(out + 40, &f->version, 8);
		return 48;
	}
}

static struct bkey inode_key(const struct inode_fields *f, unsigned int version, bool old_code,
			     unsigned int nr_fields)
{
	static const u8 types[] = { 0, KEY_TYPE_inode, KEY_TYPE_inode_v2, KEY_TYPE_inode_v3 };
	bool time[32] = { };
	u64 v[32];
	u8 out[512];
	unsigned int n, i, nr = packed_values(f, version, v, time);

	n = pack_head(out, f, version, old_code, nr_fields);
	for (i = 0; i < min(nr, nr_fields); i++) {
		n += old_code ? old_varint_encode(out + n, v[i]) : varint_encode(out + n, v[i]);
		if (time[i] && !old_code)
			n += varint_encode(out + n, 0);
	}
	return test_key(types[version], inode_pos, out, n);
}

static void full_inodes_of_all_versions(void **state)
{
	static const struct {
		unsigned int version, nr_fields;
		bool old_code;
	} cases[] = {
		{ 1, 25, true }, { 1, 25, false }, { 2, 25, false }, { 3, 24, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct inode_fields want, got;
		struct bkey k = inode_key(&full_inode, cases[i].version, cases[i].old_code,
					  cases[i].nr_fields);

		/* padding and all: unpacking begins by clearing */
		memcpy(&want, &full_inode, sizeof(want));
		if (cases[i].version < 3)
			want.nocow = 0;
		if (cases[i].version < 2)
			want.journal_seq = 0;
		assert_null(bce_inode_unpack(&k, &got));
		assert_memory_equal(&want, &got, sizeof(want));
		test_key_free(&k);
	}
}

/* fewer fields: the rest is zero; more than there are: ignored */
static void number_of_fields(void **state)
{
	struct inode_fields f = full_inode, got;
	struct bkey k = inode_key(&f, 3, false, 5);

	assert_null(bce_inode_unpack(&k, &got));
	assert_int_equal(got.uid, f.uid);
	assert_int_equal(got.gid, 0);
	assert_int_equal(got.parent_subvol, 0);
	test_key_free(&k);

	k = inode_key(&f, 3, false, 0);
	assert_null(bce_inode_unpack(&k, &got));
	assert_int_equal(got.atime, 0);
	assert_int_equal(got.size, f.size);
	test_key_free(&k);

	k = inode_key(&f, 3, false, 100);
	assert_null(bce_inode_unpack(&k, &got));
	assert_int_equal(got.nocow, f.nocow);
	test_key_free(&k);
}

/* every cut, down to nothing, of every version: an error, or a legal shorter inode */
static void truncated_values(void **state)
{
	struct inode_fields f = full_inode, got;
	unsigned int version, u64s, failed = 0;

	for (version = 1; version <= 3; version++) {
		struct bkey whole = inode_key(&f, version, version == 1, version == 3 ? 24 : 25);

		for (u64s = 0; u64s < whole.val_u64s; u64s++) {
			struct bkey k = test_key(whole.type, inode_pos, whole.v, u64s * 8);

			assert_non_null(bce_inode_unpack(&k, &got));
			test_key_free(&k);
			failed++;
		}
		test_key_free(&whole);
	}
	assert_in_range(failed, 30, 100);
}

static struct bkey v3_with_one_wide_field(unsigned int field, u64 value)
{
	struct inode_fields f = { .mode = 0100644 };
	u8 out[256];
	unsigned int n = pack_head(out, &f, 3, false, field), i;

	for (i = 1; i < field; i++) {
		n += varint_encode(out + n, 0);
		if (i <= 4)
			n += varint_encode(out + n, 0);
	}
	n += varint_encode(out + n, value);
	return test_key(KEY_TYPE_inode_v3, inode_pos, out, n);
}

static void fields_must_fit_their_width(void **state)
{
	/* number in section 2's table, width */
	static const unsigned int fields[][2] = {
		{ 5, 32 }, { 6, 32 }, { 7, 32 }, { 8, 32 }, { 9, 32 }, { 10, 8 }, { 11, 8 },
		{ 12, 32 }, { 13, 8 }, { 14, 8 }, { 15, 16 }, { 16, 16 }, { 17, 16 }, { 18, 16 },
		{ 19, 16 }, { 22, 32 }, { 23, 32 }, { 24, 8 },
	};
	struct inode_fields got;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 limit = 1ULL << fields[i][1];
		struct bkey fits = v3_with_one_wide_field(fields[i][0], limit - 1);
		struct bkey exceeds = v3_with_one_wide_field(fields[i][0], limit);

		assert_null(bce_inode_unpack(&fits, &got));
		assert_non_null(bce_inode_unpack(&exceeds, &got));
		test_key_free(&fits);
		test_key_free(&exceeds);
	}
}

static void high_part_of_a_time_must_be_zero(void **state)
{
	struct inode_fields f = { .mode = 0100644 }, got;
	u8 out[64];
	unsigned int n = pack_head(out, &f, 3, false, 1);
	struct bkey k;

	n += varint_encode(out + n, 5);
	n += varint_encode(out + n, 1);
	k = test_key(KEY_TYPE_inode_v3, inode_pos, out, n);
	assert_non_null(bce_inode_unpack(&k, &got));
	test_key_free(&k);
}

static void other_types_are_no_inodes(void **state)
{
	struct inode_fields f = full_inode, got;
	struct bkey k = inode_key(&f, 3, false, 24);

	k.type = KEY_TYPE_inode_generation;
	assert_non_null(bce_inode_unpack(&k, &got));
	assert_false(bce_key_type_is_inode(k.type));
	test_key_free(&k);
}

/* section 4 */
static void link_counts(void **state)
{
	struct inode_fields f = { .mode = S_IFREG };

	assert_int_equal(bce_inode_nlink(&f), 1);
	f.nlink = 3;
	assert_int_equal(bce_inode_nlink(&f), 4);
	f.mode = S_IFDIR;
	assert_int_equal(bce_inode_nlink(&f), 5);
	f.nlink = U32_MAX;
	assert_int_equal(bce_inode_nlink(&f), U32_MAX);
	f.flags = 1 << 7;
	assert_int_equal(bce_inode_nlink(&f), 0);
}

static void garbage(void **state)
{
	static const u8 types[] = { KEY_TYPE_inode, KEY_TYPE_inode_v2, KEY_TYPE_inode_v3 };
	unsigned int round, i;

	for (round = 0; round < 20000; round++) {
		u8 bytes[160];
		unsigned int n = rnd() % 20 * 8;
		struct inode_fields got;
		struct bkey k;

		for (i = 0; i < n; i++)
			bytes[i] = rnd() & 1 ? rnd() : 0;
		k = test_key(types[rnd() % 3], inode_pos, bytes, n);
		bce_inode_unpack(&k, &got);
		test_key_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varint_table),
		cmocka_unit_test(random_integers_in_both_codes),
		cmocka_unit_test(old_integers_by_hand),
		cmocka_unit_test(root_inode_example),
		cmocka_unit_test(full_inodes_of_all_versions),
		cmocka_unit_test(number_of_fields),
		cmocka_unit_test(truncated_values),
		cmocka_unit_test(fields_must_fit_their_width),
		cmocka_unit_test(high_part_of_a_time_must_be_zero),
		cmocka_unit_test(other_types_are_no_inodes),
		cmocka_unit_test(link_counts),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
