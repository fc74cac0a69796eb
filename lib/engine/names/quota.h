/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_QUOTA_H
#define ENGINE_NAMES_QUOTA_H

#include "engine/btree/trans.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "engine/names/snapshot.h"
#include "engine/sb/sb.h"

/*
 * Quotas: who uses how much, and how much he may. Files count as seen from the master subvolume of
 * their snapshot tree; snapshots are free (docs/format/60-filesystem-keys.md, part VI).
 */
struct quota_table;

#define QUOTA_TYPES	3	/* user, group, project */

/* to whom an inode is charged */
struct quota_owner {
	u32	id[QUOTA_TYPES];
};
struct quota_owner bce_quota_owner(const struct inode_fields *f);

/* bit per type that the superblock's options enable */
unsigned int bce_quota_types_of(const struct bch_sb *sb);
/* NULL in @out when @types is 0; grace times are those of @sb. Return: 0, -ENOMEM */
int bce_quota_open(struct quota_table **out, const struct bch_sb *sb, unsigned int types);
/* grace times as @sb has them now */
void bce_quota_grace_read(struct quota_table *q, const struct bch_sb *sb);
void bce_quota_close(struct quota_table *q);
/* limits and usage from the btrees; nobody changes anything meanwhile. 0, -EIO, -ENOMEM */
int bce_quota_read(struct quota_table *q, struct btrees *b, const struct snapshot_table *snapshots,
		   struct bce_log *log);
/* add (@sign 1) or take back (-1) every inode that @snapshot sees */
int bce_quota_count_snapshot(struct quota_table *q, struct btrees *b,
			     const struct snapshot_table *snapshots, u32 snapshot, int sign);

enum quota_flags {
	QUOTA_NO_LIMIT	= 1 << 0,	/* whatever the limits: root, giving back, undoing */
	QUOTA_ASK	= 1 << 1,	/* would it be allowed? nothing is charged */
};
/**
 * bce_quota_charge() - more (or less) in use by @owner
 * All or nothing over the types. @q NULL: nothing is counted. Callers charge before they commit
 * and take back what was not committed; only for files of subvolumes that are no snapshots.
 * Context: may sleep. Return: 0, -EDQUOT, -ENOMEM (not for less).
 */
int bce_quota_charge(struct quota_table *q, const struct quota_owner *owner, s64 sectors,
		     s64 inodes, unsigned int flags);
/* from one to the other, where they differ */
int bce_quota_move(struct quota_table *q, const struct quota_owner *from,
		   const struct quota_owner *to, s64 sectors, s64 inodes, unsigned int flags);

struct quota_usage {
	struct quota_limits	limits;
	u64			space_sectors, inodes;
	s64			space_deadline, inodes_deadline;	/* seconds; 0 none */
};
/* Return: 0; -ESRCH this type is not enabled */
int bce_quota_usage(struct quota_table *q, unsigned int type, u32 id, struct quota_usage *out);
/* the same of the lowest id from *id on that has limits or usage. Return: 0; -ENOENT; -ESRCH; -ENOMEM */
int bce_quota_usage_next(struct quota_table *q, unsigned int type, u32 *id, struct quota_usage *out);
/* seconds for each counter. Return: 0; -ESRCH */
int bce_quota_grace(struct quota_table *q, unsigned int type, u32 grace[BCH_QUOTA_COUNTER_NR]);
int bce_quota_grace_change(struct quota_table *q, unsigned int type,
			   const u32 grace[BCH_QUOTA_COUNTER_NR]);
/* after the limits were committed. Return: 0, -ESRCH, -ENOMEM */
int bce_quota_limits_set(struct quota_table *q, unsigned int type, u32 id,
			 const struct quota_limits *limits);

#endif
