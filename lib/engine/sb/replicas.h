/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_REPLICAS_H
#define ENGINE_SB_REPLICAS_H

#include "engine/sb/sb.h"

/*
 * The replicas table: which combinations of members hold data of a type together.
 * Source: docs/format/10-superblock.md, 6.3 and 6.7.
 */

struct replicas_entry {
	u8		data_type;
	u8		nr_devs;
	u8		nr_required;	/* copies needed to read; 0: others can rebuild it */
	const u8	*devs;		/* ascending; 255: a member that is gone for good */
};

/* @bad: the rest of the section does not hold an entry */
struct replicas_walk {
	const u8	*next;
	const u8	*end;
	bool		v0;
	bool		bad;
};

/* walk one section of type replicas or replicas_v0 */
void bce_replicas_walk_field(struct replicas_walk *w, const struct bch_sb_field *f);
/* walk the table that counts: replicas, else replicas_v0, else nothing */
void bce_replicas_walk_init(struct replicas_walk *w, const struct bch_sb *sb);
bool bce_replicas_next(struct replicas_walk *w, struct replicas_entry *e);

/* bit per member, the placeholder 255 left out */
u64 bce_replicas_devs_mask(const struct replicas_entry *e);
/* members that occur in some entry of @data_type */
u64 bce_replicas_members_of(const struct bch_sb *sb, unsigned int data_type);
/* data types a member occurs in, bit per type */
u64 bce_replicas_data_of(const struct bch_sb *sb, unsigned int dev);
/* is there an entry of @data_type with exactly (or, if @subset, at least) these members? */
bool bce_replicas_listed(const struct bch_sb *sb, unsigned int data_type, u64 devs, bool subset);

#endif
