// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks made by hand.
 */
#include "sb_builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/util/csum.h"

static const u8 magic[16] = BCHFS_MAGIC_BYTES;

size_t sbb_bytes(const struct sb_builder *b)
{
	return sizeof(*b->sb) + 8 * le32_to_cpu(b->sb->u64s);
}

void *sbb_add(struct sb_builder *b, unsigned int type, size_t payload_bytes)
{
	struct bch_sb_field *f = (void *)((u8 *)b->sb + sbb_bytes(b));
	size_t u64s = 1 + (payload_bytes + 7) / 8;

	assert(sbb_bytes(b) + 8 * u64s <= SBB_BYTES_MAX);
	memset(f, 0, 8 * u64s);
	f->u64s = cpu_to_le32(u64s);
	f->type = cpu_to_le32(type);
	b->sb->u64s = cpu_to_le32(le32_to_cpu(b->sb->u64s) + u64s);
	return f;
}

void *sbb_find(struct sb_builder *b, unsigned int type)
{
	return (void *)bce_sb_field(b->sb, type, NULL);
}

struct bch_member *sbb_member(struct sb_builder *b, unsigned int idx)
{
	struct bch_sb_field_members_v2 *v2 = sbb_find(b, BCH_SB_FIELD_members_v2);

	return (struct bch_member *)(v2->members + idx * sizeof(struct bch_member));
}

static void fill_header(struct bch_sb *sb, unsigned int nr_devices, unsigned int dev_idx)
{
	sb->version = sb->version_min = cpu_to_le16(BCH_VERSION_CURRENT);
	memcpy(sb->magic, magic, 16);
	memset(sb->uuid, 0x11, 16);
	memset(sb->user_uuid, 0x22, 16);
	sb->offset = cpu_to_le64(BCH_SB_SECTOR);
	sb->seq = cpu_to_le64(10);
	sb->block_size = cpu_to_le16(SBB_BLOCK_SECTORS);
	sb->dev_idx = dev_idx;
	sb->nr_devices = nr_devices;
	sb->time_precision = cpu_to_le32(1);
	sb->write_time = cpu_to_le64(1000);
	sb->features[0] = cpu_to_le64(BCH_FEATURES_ALL);
}

/* docs/format/10-superblock.md, section 9, with another node size */
static void fill_flags(struct sb_builder *b)
{
	static const u64 flags[7] = {
		0x8111110080000101ULL, 0x000000000111C102ULL, 0, 0x000000FA30000000ULL,
		0x0000000100000064ULL, 0x00000000001E0000ULL, 0,
	};
	unsigned int i;

	for (i = 0; i < 7; i++)
		b->sb->flags[i] = cpu_to_le64(flags[i]);
	SBB_SET(b, BTREE_NODE_SIZE, SBB_NODE_SECTORS);
	SBB_SET(b, CSUM_TYPE, BCH_CSUM_crc32c_nonzero);
}

static void fill_layout(struct bch_sb_layout *l)
{
	memcpy(l->magic, magic, 16);
	l->sb_max_size_bits = SBB_SIZE_BITS;
	l->nr_superblocks = 3;
	l->sb_offset[0] = cpu_to_le64(8);
	l->sb_offset[1] = cpu_to_le64(8 + (1 << SBB_SIZE_BITS));
	l->sb_offset[2] = cpu_to_le64(SBB_DEV_SECTORS - SBB_BUCKET_SECTORS);
}

static void fill_members(struct sb_builder *b, unsigned int nr)
{
	struct bch_sb_field_members_v2 *v2;
	unsigned int i;

	sbb_add(b, BCH_SB_FIELD_members_v1, BCH_MEMBER_V1_BYTES * nr);
	v2 = sbb_add(b, BCH_SB_FIELD_members_v2, 8 + sizeof(struct bch_member) * nr);
	v2->member_bytes = cpu_to_le16(sizeof(struct bch_member));
	for (i = 0; i < nr; i++) {
		struct bch_member *m = sbb_member(b, i);

		memset(m->uuid, 0x30 + i, 16);
		m->nbuckets = cpu_to_le64(SBB_NBUCKETS);
		m->bucket_size = cpu_to_le16(SBB_BUCKET_SECTORS);
		m->flags = cpu_to_le64(0x600E0000);
		m->seq = b->sb->seq;
	}
}

void sbb_init(struct sb_builder *b, unsigned int nr_devices, unsigned int dev_idx)
{
	b->sb = aligned_alloc(64, SBB_BYTES_MAX);
	memset(b->sb, 0, SBB_BYTES_MAX);
	fill_header(b->sb, nr_devices, dev_idx);
	fill_flags(b);
	fill_layout(&b->sb->layout);
	fill_members(b, nr_devices);
	sbb_seal(b);
}

void sbb_exit(struct sb_builder *b)
{
	free(b->sb);
	b->sb = NULL;
}

void sbb_replicas(struct sb_builder *b, const u8 *entries, size_t bytes)
{
	struct bch_sb_field *f = sbb_add(b, BCH_SB_FIELD_replicas_v0, bytes);

	memcpy(f + 1, entries, bytes);
}

void sbb_journal_replicas(struct sb_builder *b, unsigned int nr)
{
	u8 list[64], *p = list;
	unsigned int mask, i;

	for (mask = 1; mask < 1U << nr; mask++) {
		*p++ = BCH_DATA_journal;
		*p++ = __builtin_popcount(mask);
		for (i = 0; i < nr; i++)
			if (mask >> i & 1)
				*p++ = i;
	}
	sbb_replicas(b, list, p - list);
}

void sbb_seal_csum(struct sb_builder *b)
{
	struct bch_sb *sb = b->sb;
	struct bce_csum csum = { };

	bce_csum(BCH_SB_FLAG(sb, CSUM_TYPE), NULL, (struct bce_nonce) { }, (u8 *)sb + 16,
		 sbb_bytes(b) - 16, &csum);
	sb->csum.lo = cpu_to_le64(csum.lo);
	sb->csum.hi = cpu_to_le64(csum.hi);
}

void sbb_seal(struct sb_builder *b)
{
	struct bch_sb_field_members_v1 *v1 = sbb_find(b, BCH_SB_FIELD_members_v1);
	unsigned int i;

	for (i = 0; v1 && i < b->sb->nr_devices; i++)
		memcpy(v1->members + i * BCH_MEMBER_V1_BYTES, sbb_member(b, i),
		       BCH_MEMBER_V1_BYTES);
	sbb_seal_csum(b);
}

int sbb_device(void)
{
	int fd = memfd_create("device", 0);

	assert(fd >= 0);
	assert(!ftruncate(fd, (off_t)SBB_DEV_SECTORS * SECTOR_BYTES));
	return fd;
}

static void write_at(int fd, u64 sector, const void *p, size_t bytes)
{
	assert(pwrite(fd, p, bytes, sector * SECTOR_BYTES) == (ssize_t)bytes);
}

void sbb_write(struct sb_builder *b, int fd)
{
	const struct bch_sb_layout *l = &b->sb->layout;
	unsigned int i;

	write_at(fd, BCH_SB_LAYOUT_SECTOR, l, sizeof(*l));
	for (i = 0; i < l->nr_superblocks; i++) {
		b->sb->offset = l->sb_offset[i];
		sbb_seal_csum(b);
		write_at(fd, le64_to_cpu(l->sb_offset[i]), b->sb, sbb_bytes(b));
	}
}
