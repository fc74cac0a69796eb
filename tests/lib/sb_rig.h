/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_SB_RIG_H
#define TESTS_LIB_SB_RIG_H

#include "engine/sb/members.h"
#include "engine/sb/sb.h"
#include "engine/sb/write.h"
#include "engine/util/log.h"

/*
 * Members of sb_builder's making on devices in memory, in a member table, with a superblock
 * writer open. What is logged is kept.
 */
#define SB_RIG_MAX	4

struct sb_rig {
	unsigned int		nr;
	int			fd[SB_RIG_MAX];
	struct block_device	*bdev[SB_RIG_MAX];
	struct sb_image		img[SB_RIG_MAX];
	struct member_table	*members;
	struct bce_log		*log;
	struct sb_writer	*w;
	char			said[1 << 14];
};

struct sb_builder;

/* @change: called for each member's superblock before it goes to its device; may be NULL */
void sb_rig_open(struct sb_rig *r, unsigned int nr,
		 void (*change)(struct sb_builder *b, unsigned int dev));
void sb_rig_close(struct sb_rig *r);
/* the writer closed and opened again with what the devices hold */
void sb_rig_reopen(struct sb_rig *r);
void sb_rig_attach(struct sb_rig *r, unsigned int dev);
/* the same for an owner of its own */
void sb_rig_attach_as(struct sb_rig *r, unsigned int dev, void *owner);

/* a member's superblock as any reader finds it; must be there. @sector: 0 or a copy's place */
void sb_rig_read(struct sb_rig *r, unsigned int dev, u64 sector, struct sb_image *out);
/* edit_begin, bce_sb_write, edit_end */
int sb_rig_write(struct sb_rig *r);

#endif
