/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_SB_BUILDER_H
#define TESTS_LIB_SB_BUILDER_H

#include "engine/sb/sb.h"

/*
 * Superblocks made by hand, for tests: valid as they come, to be damaged at will.
 *
 *   blocks of 4 KiB, btree nodes of 256 KiB, buckets of 512 KiB, 80 of them (40 MiB),
 *   three copies of at most 64 KiB, at sectors 8, 136 and 80896
 */
#define SBB_BLOCK_SECTORS	8
#define SBB_NODE_SECTORS	512
#define SBB_BUCKET_SECTORS	1024
#define SBB_NBUCKETS		80
#define SBB_DEV_SECTORS		(SBB_BUCKET_SECTORS * SBB_NBUCKETS)
#define SBB_SIZE_BITS		7
#define SBB_BYTES_MAX		(512 << SBB_SIZE_BITS)

struct sb_builder {
	struct bch_sb	*sb;		/* SBB_BYTES_MAX long */
};

/* sections members_v1, members_v2; @nr_devices members, all of them rw */
void sbb_init(struct sb_builder *b, unsigned int nr_devices, unsigned int dev_idx);
void sbb_exit(struct sb_builder *b);

/* a zeroed section at the end; @payload_bytes behind its head, rounded up to 8 */
void *sbb_add(struct sb_builder *b, unsigned int type, size_t payload_bytes);
void *sbb_find(struct sb_builder *b, unsigned int type);
struct bch_member *sbb_member(struct sb_builder *b, unsigned int idx);	/* of members_v2 */

/* set a flag: SBB_SET(b, CLEAN, 1) */
#define SBB_SET(b, name, v) \
	((b)->sb->flags[BCH_SB_##name##_WORD] = cpu_to_le64(BITS_SET( \
		le64_to_cpu((b)->sb->flags[BCH_SB_##name##_WORD]), BCH_SB_##name, (v))))

/* one entry per string: { type, n, dev... }; a new replicas_v0 section */
void sbb_replicas(struct sb_builder *b, const u8 *entries, size_t bytes);
/* a section that lists all combinations of the first @nr members for the journal: members with a ring are scanned */
void sbb_journal_replicas(struct sb_builder *b, unsigned int nr);

size_t sbb_bytes(const struct sb_builder *b);
/* members_v1 from members_v2, then the checksum */
void sbb_seal(struct sb_builder *b);
/* the checksum alone */
void sbb_seal_csum(struct sb_builder *b);

/* an empty sparse file of SBB_DEV_SECTORS */
int sbb_device(void);
/* the layout sector and all copies to the file */
void sbb_write(struct sb_builder *b, int fd);

#endif
