// SPDX-License-Identifier: GPL-2.0
/*
 * Every rule of docs/format/10-superblock.md that a reader enforces, broken one at a time;
 * and superblocks with each single bit flipped, with and without a checksum to notice.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../lib/sb_builder.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/replicas.h"

static int validate(struct sb_builder *b, struct text_buf *why)
{
	return bce_sb_validate(b->sb, sbb_bytes(b), SBB_DEV_SECTORS, why);
}

/* A superblock broken by @breaker is refused with @error and a reason that has @words in it. */
static void expect(const char *name, void (*breaker)(struct sb_builder *b), int error,
		   const char *words)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_builder b;
	int ret;

	sbb_init(&b, 3, 1);
	breaker(&b);
	sbb_seal_csum(&b);
	ret = validate(&b, &why);
	if (ret != error || !strstr(bce_text_str(&why), words))
		fail_msg("%s: %d \"%s\", expected %d \"...%s...\"", name, ret,
			 bce_text_str(&why), error, words);
	bce_text_exit(&why);
	sbb_exit(&b);
}

static void nothing(struct sb_builder *b)
{
}

static void all_sections(struct sb_builder *b)
{
	static const u8 replicas[] = { 2, 1, 0, 3, 2, 0, 2, 4, 1, 1, 5, 1, 255 };
	struct bch_sb_field_journal_seq_blacklist *bl;
	struct bch_sb_field_disk_groups *g;
	struct bch_sb_field_journal_v2 *j;
	struct bch_sb_field_errors *e;

	sbb_replicas(b, replicas, sizeof(replicas));
	sbb_add(b, BCH_SB_FIELD_crypt, 56);
	sbb_add(b, BCH_SB_FIELD_quota, 72);
	g = sbb_add(b, BCH_SB_FIELD_disk_groups, 2 * 48);
	strcpy((char *)g->entries[0].label, "ssd");
	strcpy((char *)g->entries[1].label, "one");
	g->entries[1].flags[0] = cpu_to_le64(BITS_SET(0ULL, BCH_GROUP_PARENT, 1));
	sbb_add(b, BCH_SB_FIELD_clean, 16);
	bl = sbb_add(b, BCH_SB_FIELD_journal_seq_blacklist, 32);
	bl->entries[0].start = cpu_to_le64(7);
	bl->entries[0].end = cpu_to_le64(15);
	bl->entries[1].start = cpu_to_le64(15);
	bl->entries[1].end = cpu_to_le64(20);
	j = sbb_add(b, BCH_SB_FIELD_journal_v2, 32);
	j->d[0].start = cpu_to_le64(20);
	j->d[0].nr = cpu_to_le64(4);
	j->d[1].start = cpu_to_le64(10);
	j->d[1].nr = cpu_to_le64(10);
	sbb_add(b, BCH_SB_FIELD_counters, 3 * 8);
	e = sbb_add(b, BCH_SB_FIELD_errors, 32);
	e->entries[0].v = cpu_to_le64(3 | 1 << 16);
	e->entries[1].v = cpu_to_le64(9 | 5 << 16);
	sbb_add(b, BCH_SB_FIELD_ext, 88);
	sbb_add(b, 200, 8);		/* from the future */
}

static void expect_ok(const char *name, void (*breaker)(struct sb_builder *b))
{
	expect(name, breaker, 0, "");
}

static void good_ones_pass(void **state)
{
	expect_ok("plain", nothing);
	expect_ok("all sections", all_sections);
}

/* ---- envelope and header ---- */

#define BREAK(name, statement) static void name(struct sb_builder *b) { statement; }

BREAK(no_magic, b->sb->magic[3] ^= 1)
BREAK(csum_type_9, SBB_SET(b, CSUM_TYPE, 9))
BREAK(csum_type_mac, SBB_SET(b, CSUM_TYPE, BCH_CSUM_chacha20_poly1305_128))
BREAK(version_2_0, b->sb->version = cpu_to_le16(BCH_VERSION(2, 0)))
BREAK(version_0_8, b->sb->version = b->sb->version_min = cpu_to_le16(8))
BREAK(version_min_newer, b->sb->version_min = cpu_to_le16(BCH_VERSION_CURRENT + 1))
BREAK(big_endian, SBB_SET(b, BIG_ENDIAN, 1))
BREAK(feature_19, b->sb->features[0] |= cpu_to_le64(1 << 19))
BREAK(feature_64, b->sb->features[1] = cpu_to_le64(1))
BREAK(zero_uuid, memset(b->sb->uuid, 0, 16))
BREAK(zero_user_uuid, memset(b->sb->user_uuid, 0, 16))
BREAK(no_devices, b->sb->nr_devices = 0)
BREAK(devices_65, b->sb->nr_devices = 65)
BREAK(dev_idx_3, b->sb->dev_idx = 3)
BREAK(precision_0, b->sb->time_precision = 0)
BREAK(precision_big, b->sb->time_precision = cpu_to_le32(1000000001))
BREAK(block_0, b->sb->block_size = 0)
BREAK(block_3, b->sb->block_size = cpu_to_le16(3))
BREAK(block_16, b->sb->block_size = cpu_to_le16(16))
BREAK(node_0, SBB_SET(b, BTREE_NODE_SIZE, 0))
BREAK(node_768, SBB_SET(b, BTREE_NODE_SIZE, 768))
BREAK(node_2048, SBB_SET(b, BTREE_NODE_SIZE, 2048))
BREAK(replicas_0, SBB_SET(b, DATA_REPLICAS_WANT, 0))
BREAK(replicas_4, SBB_SET(b, META_REPLICAS_WANT, 4))
BREAK(gc_reserve_4, SBB_SET(b, GC_RESERVE, 4))
BREAK(encoded_max_2, SBB_SET(b, ENCODED_EXTENT_MAX_BITS, 2))
BREAK(encoded_max_63, SBB_SET(b, ENCODED_EXTENT_MAX_BITS, 63))
BREAK(str_hash_3, SBB_SET(b, STR_HASH_TYPE, 3))
BREAK(csum_opt_4, SBB_SET(b, META_CSUM_TYPE, 4))
BREAK(compression_4, SBB_SET(b, COMPRESSION_TYPE_LO, 4))
BREAK(compression_none_level, SBB_SET(b, COMPRESSION_TYPE_HI, 3))
BREAK(erasure_2, SBB_SET(b, ERASURE_CODE, 2))
BREAK(upgrade_3, SBB_SET(b, VERSION_UPGRADE, 3))

static void header_rules(void **state)
{
	expect("magic", no_magic, -ENODATA, "no bcachefs magic");
	expect("csum type 9", csum_type_9, -EBADMSG, "checksum type 9");
	expect("csum type mac", csum_type_mac, -EBADMSG, "checksum type 4");
	expect("version 2.0", version_2_0, -EOPNOTSUPP, "version 2.0");
	expect("version 0.8", version_0_8, -EOPNOTSUPP, "version 0.8");
	expect("version_min", version_min_newer, -EINVAL, "oldest version 1.14");
	expect("big endian", big_endian, -EOPNOTSUPP, "big-endian");
	expect("feature 19", feature_19, -EOPNOTSUPP, "features not known here: bits 0x80000");
	expect("feature 64", feature_64, -EOPNOTSUPP, "0x1 of word 1");
	expect("uuid", zero_uuid, -EINVAL, "internal uuid is all zero");
	expect("user uuid", zero_user_uuid, -EINVAL, "external uuid is all zero");
	expect("0 devices", no_devices, -EINVAL, "0 member slots");
	expect("65 devices", devices_65, -EINVAL, "65 member slots");
	expect("dev_idx", dev_idx_3, -EINVAL, "member 3 of 3");
	expect("precision 0", precision_0, -EINVAL, "time precision of 0");
	expect("precision", precision_big, -EINVAL, "time precision of 1000000001");
	expect("block 0", block_0, -EINVAL, "block size of 0");
	expect("block 3", block_3, -EINVAL, "block size of 3");
	expect("block 16", block_16, -EINVAL, "block size of 16");
}

static void option_rules(void **state)
{
	expect("node 0", node_0, -EINVAL, "btree_node_size is 0, which is too small");
	expect("node 768", node_768, -EINVAL, "btree_node_size is 393216, which is not a power");
	expect("node 2048", node_2048, -EINVAL, "btree_node_size is 1048576, which is too big");
	expect("replicas 0", replicas_0, -EINVAL, "data_replicas is 0");
	expect("replicas 4", replicas_4, -EINVAL, "metadata_replicas is 4");
	expect("gc_reserve", gc_reserve_4, -EINVAL, "gc_reserve_percent is 4");
	expect("encoded 2", encoded_max_2, -EINVAL, "encoded_extent_max is 2048");
	expect("encoded 63", encoded_max_63, -EINVAL, "encoded_extent_max");
	expect("str_hash", str_hash_3, -EINVAL, "str_hash is 3");
	expect("checksum", csum_opt_4, -EINVAL, "metadata_checksum is 4");
	expect("compression", compression_4, -EINVAL, "an unknown algorithm");
	expect("level", compression_none_level, -EINVAL, "a level without an algorithm");
	expect("erasure", erasure_2, -EINVAL, "erasure_code is 2");
	expect("upgrade", upgrade_3, -EINVAL, "version_upgrade is 3");
}

/* ---- layout ---- */

BREAK(layout_magic, b->sb->layout.magic[0] ^= 0x80)
BREAK(layout_type_1, b->sb->layout.layout_type = 1)
BREAK(layout_bits_17, b->sb->layout.sb_max_size_bits = 17)
BREAK(layout_bits_0, b->sb->layout.sb_max_size_bits = 0)
BREAK(layout_none, b->sb->layout.nr_superblocks = 0)
BREAK(layout_62, b->sb->layout.nr_superblocks = 62)
BREAK(layout_overlap, b->sb->layout.sb_offset[1] = cpu_to_le64(8 + 127))
BREAK(layout_order, b->sb->layout.sb_offset[2] = cpu_to_le64(8))

static void layout_rules(void **state)
{
	expect("magic", layout_magic, -EINVAL, "layout: no bcachefs magic");
	expect("type", layout_type_1, -EINVAL, "layout: type 1");
	expect("bits", layout_bits_17, -EINVAL, "2^17");
	expect("too long", layout_bits_0, -EBADMSG, "at most 512 fit");
	expect("none", layout_none, -EINVAL, "0 copies");
	expect("many", layout_62, -EINVAL, "62 copies");
	expect("overlap", layout_overlap, -EINVAL, "copy 1 at sector 135");
	expect("order", layout_order, -EINVAL, "copy 2 at sector 8");
}

/* ---- sections ---- */

BREAK(field_empty, ((struct bch_sb_field *)sbb_find(b, 11))->u64s = 0)
BREAK(field_long, ((struct bch_sb_field *)sbb_find(b, 11))->u64s = cpu_to_le32(1000))
BREAK(field_huge, ((struct bch_sb_field *)sbb_find(b, 11))->u64s = cpu_to_le32(0xffffffff))
BREAK(field_twice, sbb_add(b, BCH_SB_FIELD_ext, 88); sbb_add(b, BCH_SB_FIELD_ext, 88))
BREAK(no_members_v1, ((struct bch_sb_field *)sbb_find(b, 1))->type = cpu_to_le32(300))
BREAK(members_short, b->sb->nr_devices = 64)
BREAK(member_stride, ((struct bch_sb_field_members_v2 *)sbb_find(b, 11))->member_bytes =
	cpu_to_le16(48))
BREAK(member_buckets, sbb_member(b, 2)->nbuckets = cpu_to_le64(63))
BREAK(member_many, sbb_member(b, 2)->nbuckets = cpu_to_le64(BCH_MAX_NR_BUCKETS + 1))
BREAK(member_first, sbb_member(b, 2)->first_bucket = cpu_to_le16(17))
BREAK(member_bucket, sbb_member(b, 0)->bucket_size = cpu_to_le16(256))
BREAK(member_odd, sbb_member(b, 0)->bucket_size = cpu_to_le16(1025))
BREAK(member_shift, sbb_member(b, 0)->btree_bitmap_shift = 58)
BREAK(member_capacity, sbb_member(b, 1)->nbuckets = cpu_to_le64(SBB_NBUCKETS + 1))

static void member_rules(void **state)
{
	expect("empty", field_empty, -EINVAL, "is empty or runs past the end");
	expect("long", field_long, -EINVAL, "is empty or runs past the end");
	expect("huge", field_huge, -EINVAL, "is empty or runs past the end");
	expect("twice", field_twice, -EINVAL, "two sections of type ext");
	expect("no v1", no_members_v1, -EINVAL, "members_v1 is missing");
	expect("short", members_short, -EINVAL, "do not hold 64 members");
	expect("stride", member_stride, -EINVAL, "records of 48 bytes");
	expect("buckets", member_buckets, -EINVAL, "member 2: buckets 0 to 63");
	expect("many", member_many, -EINVAL, "member 2: 2147483584 buckets");
	expect("first", member_first, -EINVAL, "member 2: buckets 17 to 80");
	expect("bucket", member_bucket, -EINVAL, "member 0: bucket of 256 sectors");
	expect("odd", member_odd, -EINVAL, "not whole blocks");
	expect("shift", member_shift, -EINVAL, "shift 58");
	expect("capacity", member_capacity, -EINVAL, "member 1 needs 82944");
}

static void ring(struct sb_builder *b, u64 start, u64 nr)
{
	struct bch_sb_field_journal_v2 *j = sbb_add(b, BCH_SB_FIELD_journal_v2, 16);

	j->d[0].start = cpu_to_le64(start);
	j->d[0].nr = cpu_to_le64(nr);
}

static void old_ring(struct sb_builder *b, u64 first, u64 second)
{
	struct bch_sb_field_journal *j = sbb_add(b, BCH_SB_FIELD_journal, 16);

	j->buckets[0] = cpu_to_le64(first);
	j->buckets[1] = cpu_to_le64(second);
}

static void ring_overlap(struct sb_builder *b)
{
	struct bch_sb_field_journal_v2 *j = sbb_add(b, BCH_SB_FIELD_journal_v2, 32);

	j->d[0].start = cpu_to_le64(20);
	j->d[0].nr = cpu_to_le64(4);
	j->d[1].start = cpu_to_le64(10);
	j->d[1].nr = cpu_to_le64(11);
}

BREAK(ring_zero, ring(b, 0, 4))
BREAK(ring_none, ring(b, 4, 0))
BREAK(ring_end, ring(b, 79, 2))
BREAK(ring_wrap, ring(b, 2, ~0ULL - 1))
BREAK(ring_half, sbb_add(b, BCH_SB_FIELD_journal_v2, 24))
BREAK(old_ring_twice, old_ring(b, 5, 5))
BREAK(old_ring_end, old_ring(b, 5, 80))

static void journal_rules(void **state)
{
	expect("bucket 0", ring_zero, -EINVAL, "journal_v2: 4 buckets from 0");
	expect("none", ring_none, -EINVAL, "0 buckets from 4");
	expect("end", ring_end, -EINVAL, "2 buckets from 79");
	expect("wrap", ring_wrap, -EINVAL, "buckets from 2");
	expect("half", ring_half, -EINVAL, "not a whole number of entries");
	expect("overlap", ring_overlap, -EINVAL, "from bucket 10 and from 20 overlap");
	expect("twice", old_ring_twice, -EINVAL, "bucket 5 twice");
	expect("end", old_ring_end, -EINVAL, "1 buckets from 80");
}

static void replicas(struct sb_builder *b, const u8 *p, size_t bytes, unsigned int type)
{
	struct bch_sb_field *f = sbb_add(b, type, bytes);

	memcpy(f + 1, p, bytes);
}

#define REPLICAS(name, type, ...) static void name(struct sb_builder *b) \
	{ static const u8 p[] = { __VA_ARGS__ }; replicas(b, p, sizeof(p), type); }

REPLICAS(rep_none, 3, 4, 0, 0)
REPLICAS(rep_type, 3, 11, 1, 0)
REPLICAS(rep_order, 3, 4, 2, 1, 0)
REPLICAS(rep_double, 3, 4, 2, 1, 1)
REPLICAS(rep_member, 3, 4, 1, 3)
REPLICAS(rep_member_64, 3, 4, 1, 64)
REPLICAS(rep_past_end, 3, 4, 2, 0, 1, 4, 5, 0, 1)
REPLICAS(rep_required, 7, 4, 2, 2, 0, 1)
REPLICAS(rep_good, 7, 6, 3, 2, 0, 1, 2)

static void replicas_rules(void **state)
{
	expect("none", rep_none, -EINVAL, "0 devices");
	expect("type", rep_type, -EINVAL, "data type 11");
	expect("order", rep_order, -EINVAL, "device 0 after 1");
	expect("double", rep_double, -EINVAL, "device 1 after 1");
	expect("member", rep_member, -EINVAL, "device 3 is no member");
	expect("member 64", rep_member_64, -EINVAL, "device 64 is no member");
	expect("past end", rep_past_end, -EINVAL, "past the end of the section");
	expect("required", rep_required, -EINVAL, "2 devices, 2 of them required");
	expect_ok("good", rep_good);
}

static struct bch_sb_field_disk_groups *groups(struct sb_builder *b)
{
	struct bch_sb_field_disk_groups *g = sbb_add(b, BCH_SB_FIELD_disk_groups, 3 * 48);
	unsigned int i;

	for (i = 0; i < 3; i++)
		strcpy((char *)g->entries[i].label, i ? i == 1 ? "a" : "b" : "top");
	return g;
}

static void group_flags(struct bch_disk_group *g, bool deleted, u64 parent)
{
	u64 flags = BITS_SET(0ULL, BCH_GROUP_PARENT, parent);

	g->flags[0] = cpu_to_le64(BITS_SET(flags, BCH_GROUP_DELETED, (u64)deleted));
}

static void member_group(struct sb_builder *b, unsigned int idx, u64 group)
{
	struct bch_member *m = sbb_member(b, idx);

	m->flags = cpu_to_le64(BITS_SET(le64_to_cpu(m->flags), BCH_MEMBER_GROUP, group));
	sbb_seal(b);
}

BREAK(group_unnamed, groups(b)->entries[1].label[0] = 0)
BREAK(group_twice, strcpy((char *)groups(b)->entries[2].label, "a"))
BREAK(group_twice_elsewhere, struct bch_sb_field_disk_groups *g = groups(b);
	strcpy((char *)g->entries[2].label, "a"); group_flags(&g->entries[2], false, 1))
BREAK(group_parent_gone, group_flags(&groups(b)->entries[1], false, 4))
BREAK(group_of_nobody, groups(b); member_group(b, 1, 4))
BREAK(group_deleted_used, group_flags(&groups(b)->entries[1], true, 0); member_group(b, 1, 2))

static void disk_group_rules(void **state)
{
	expect("unnamed", group_unnamed, -EINVAL, "label 1 is empty");
	expect("twice", group_twice, -EINVAL, "label \"a\" twice");
	expect_ok("twice elsewhere", group_twice_elsewhere);
	expect("parent", group_parent_gone, -EINVAL, "label 1 has no such parent");
	expect("member", group_of_nobody, -EINVAL, "member 1 has label 3, which is not there");
	expect("deleted", group_deleted_used, -EINVAL, "which is deleted");
}

static void blacklist(struct sb_builder *b, u64 start, u64 end, u64 start2, u64 end2)
{
	struct bch_sb_field_journal_seq_blacklist *bl =
		sbb_add(b, BCH_SB_FIELD_journal_seq_blacklist, 32);

	bl->entries[0].start = cpu_to_le64(start);
	bl->entries[0].end = cpu_to_le64(end);
	bl->entries[1].start = cpu_to_le64(start2);
	bl->entries[1].end = cpu_to_le64(end2);
}

static void errors(struct sb_builder *b, u64 v, u64 v2)
{
	struct bch_sb_field_errors *e = sbb_add(b, BCH_SB_FIELD_errors, 32);

	e->entries[0].v = cpu_to_le64(v);
	e->entries[1].v = cpu_to_le64(v2);
}

static void downgrade(struct sb_builder *b, u16 version, u16 nr_errors, size_t bytes)
{
	struct bch_sb_field_downgrade *d = sbb_add(b, BCH_SB_FIELD_downgrade, bytes);
	struct bch_sb_field_downgrade_entry *e = (void *)d->entries;

	e->version = cpu_to_le16(version);
	e->nr_errors = cpu_to_le16(nr_errors);
}

BREAK(bl_empty, blacklist(b, 7, 7, 8, 9))
BREAK(bl_overlap, blacklist(b, 7, 10, 9, 12))
BREAK(bl_order, blacklist(b, 20, 30, 7, 10))
BREAK(errors_order, errors(b, 5 | 1 << 16, 4 | 1 << 16))
BREAK(errors_same, errors(b, 5 | 1 << 16, 5 | 1 << 16))
BREAK(errors_zero, errors(b, 5 | 1 << 16, 6))
BREAK(ext_short, sbb_add(b, BCH_SB_FIELD_ext, 72))
BREAK(quota_short, sbb_add(b, BCH_SB_FIELD_quota, 64))
BREAK(clean_short, sbb_add(b, BCH_SB_FIELD_clean, 8))
BREAK(crypt_short, sbb_add(b, BCH_SB_FIELD_crypt, 48))
BREAK(crypt_kdf, ((struct bch_sb_field_crypt *)sbb_add(b, BCH_SB_FIELD_crypt, 56))->flags =
	cpu_to_le64(1))
BREAK(down_major, downgrade(b, BCH_VERSION(0, 20), 0, 24))
BREAK(down_past, downgrade(b, BCH_VERSION(1, 9), 100, 24))
BREAK(down_tail, downgrade(b, BCH_VERSION(1, 9), 0, 24))

static void table_rules(void **state)
{
	expect("blacklist empty", bl_empty, -EINVAL, "range 7 to 7");
	expect("blacklist overlap", bl_overlap, -EINVAL, "range 9 to 12 after");
	expect("blacklist order", bl_order, -EINVAL, "range 7 to 10 after");
	expect("errors order", errors_order, -EINVAL, "error 4 after 5");
	expect("errors same", errors_same, -EINVAL, "error 5 after 5");
	expect("errors zero", errors_zero, -EINVAL, "counted 0 times");
	expect("ext", ext_short, -EINVAL, "section ext: 80 bytes");
	expect("quota", quota_short, -EINVAL, "section quota: 72 bytes");
	expect("clean", clean_short, -EINVAL, "section clean: 16 bytes");
	expect("crypt", crypt_short, -EINVAL, "section crypt: 56 bytes");
	expect("kdf", crypt_kdf, -EINVAL, "key derivation 1");
	expect("downgrade major", down_major, -EINVAL, "entry for version 0.20");
	expect("downgrade past", down_past, -EINVAL, "an entry of 220 bytes");
	expect_ok("downgrade tail", down_tail);
}

/* ---- bits ---- */

/* everything that reads a superblock, on one that may be wrong in any way */
static void use_all(const struct bch_sb *sb)
{
	struct text_buf out = TEXT_BUF_INIT;
	struct sb_presence p;
	unsigned int i;

	bce_sb_text(&out, sb, true, ~0ULL);
	bce_sb_presence(sb, 5, &p);
	for (i = 0; i < 64; i++) {
		bce_sb_member_label(&out, sb, i);
		bce_sb_target_has_dev(sb, 257 + i, i);
		bce_sb_target_text(&out, sb, 257 + i);
	}
	bce_text_exit(&out);
}

static void flip_every_bit(struct sb_builder *b, size_t step, bool checksummed)
{
	size_t bits = sbb_bytes(b) * 8, bit;
	u8 *p = (u8 *)b->sb;

	for (bit = 0; bit < bits; bit += step) {
		struct text_buf why = TEXT_BUF_INIT;
		int ret;

		p[bit / 8] ^= 1 << (bit % 8);
		ret = bce_sb_validate(b->sb, sbb_bytes(b) < SBB_BYTES_MAX ? sbb_bytes(b)
				      : SBB_BYTES_MAX, SBB_DEV_SECTORS, &why);
		if (checksummed)
			assert_true(ret < 0);
		if (ret)
			assert_true(why.len > 0);
		else if (!((bit + bit / 8) % 4))	/* text is slow: each byte shows two bits */
			use_all(b->sb);
		p[bit / 8] ^= 1 << (bit % 8);
		bce_text_exit(&why);
	}
}

/* no flipped bit of a checksummed copy gets through */
static void checksum_catches_every_bit(void **state)
{
	struct sb_builder b;

	sbb_init(&b, 3, 1);
	all_sections(&b);
	sbb_seal(&b);
	flip_every_bit(&b, 1, true);
	sbb_exit(&b);
}

/* without a checksum some do, and then nothing that reads it may be led astray */
static void flips_without_checksum_are_harmless(void **state)
{
	struct sb_builder b;

	sbb_init(&b, 3, 1);
	all_sections(&b);
	SBB_SET(&b, CSUM_TYPE, BCH_CSUM_none);
	sbb_seal(&b);
	flip_every_bit(&b, 1, false);
	sbb_exit(&b);
}

static void truncations_are_noticed(void **state)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_builder b;
	size_t bytes;
	int ret;

	sbb_init(&b, 3, 1);
	all_sections(&b);
	sbb_seal(&b);
	for (bytes = 0; bytes < sbb_bytes(&b); bytes++) {
		void *part = malloc(bytes ?: 1);	/* so that ASan sees the end */

		memcpy(part, b.sb, bytes);
		bce_text_reset(&why);
		ret = bce_sb_validate(part, bytes, 0, &why);
		assert_int_equal(ret, bytes < sizeof(*b.sb) ? -ENODATA : -EBADMSG);
		free(part);
	}
	bce_text_exit(&why);
	sbb_exit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_pass),
		cmocka_unit_test(header_rules),
		cmocka_unit_test(option_rules),
		cmocka_unit_test(layout_rules),
		cmocka_unit_test(member_rules),
		cmocka_unit_test(journal_rules),
		cmocka_unit_test(replicas_rules),
		cmocka_unit_test(disk_group_rules),
		cmocka_unit_test(table_rules),
		cmocka_unit_test(checksum_catches_every_bit),
		cmocka_unit_test(flips_without_checksum_are_harmless),
		cmocka_unit_test(truncations_are_noticed),
	};

	return cmocka_run_group_tests_name("superblock rules", tests, NULL, NULL);
}
