/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_CHECK_H
#define ENGINE_CHECK_CHECK_H

#include <linux/types.h>

#include "engine/util/log.h"

struct bch_sb;
struct btrees;
struct journal_replay;
struct member_info;
struct snapshot_table;

/*
 * Finding damage without changing anything. Every finding goes to the log with
 * its error id and position; the passes go on after it. Passes need the btrees and the log; what
 * else they need is told at each, and what is left out is not checked.
 */
struct check_repair;
struct check {
	struct btrees			*btrees;
	const struct snapshot_table	*snapshots;
	struct bce_log			*log;

	/* allocations */
	const struct member_info	*member;	/* [64]: geometry, from the best superblock */
	const struct bch_sb		*sb;		/* the best one: replicas table, targets */
	/* [64]: each member's own superblock. NULL: its superblock and journal buckets are believed */
	const struct bch_sb *const	*dev_sb;
	const struct journal_replay	*replay;	/* key version, journal's members, clean or not */
	bool				in_use;		/* being written: what is unlinked may be open */
	u32				node_sectors;
	u32				block_sectors;

	/* called now and then: @done of @total keys, @total 0 when it is not known */
	void				(*progress)(void *ctx, const char *pass, u64 done, u64 total);
	void				*progress_ctx;

	struct check_repair		*repair;	/* bce_repair_*() set it; NULL: only told what is wrong */

	/* results */
	u64				nodes;
	u64				unreadable_nodes;
	u64				keys;
	u64				inum_mismatches;	/* see bce_check_allocations() */
};

/**
 * bce_check_nodes() - read every node of every btree
 * Reading applies the rules of nodes and keys (docs/format/50-btree.md, 6.5;
 * 55-key-types.md, 3 and 4). An unreadable node hides what is below it.
 * Context: may sleep. Return: 0 or -ENOMEM; findings are counted in the log.
 */
int bce_check_nodes(struct check *c);

/**
 * bce_check_allocations() - everything that follows from the other keys
 *
 * Buckets, backpointers, freespace, need_discard, bucket_gens, lru, accounting, replicas, btree
 * bitmaps, stripes' and indirect extents' counts, key versions: recomputed from all keys and compared.
 * Accounting of single inodes (inum) is no finding: the in-tree driver does not check it. What
 * differs there is counted in @inum_mismatches and told as a warning.
 * Needs @member, @node_sectors. Where a node cannot be read, nothing that depends on all
 * references is compared.
 *
 * Source: docs/format/75-allocation.md, section 7; 80-accounting.md, section 5.
 * Context: may sleep; no locks of nodes. Takes 48 bytes per bucket, 40 per pointer that is not
 * cached, 32 per inode with extents, 24 per indirect extent.
 * Return: 0 or -ENOMEM; findings are counted in the log.
 */
int bce_check_allocations(struct check *c);

/**
 * bce_check_names() - files, names, snapshots, subvolumes
 *
 * Snapshot trees, nodes and subvolumes and the way from each to the root; inodes: flags, names,
 * sectors and ends of extents and subdirectories as each version sees them, link counts, orphans; names:
 * places in hash tables, targets, back references; attributes; loops of directories;
 * deleted_inodes, logged_ops. What a deleted snapshot has left is not judged.
 * Needs @snapshots, @block_sectors; @replay tells whether the set is clean.
 *
 * Source: docs/format/60-filesystem-keys.md, part VIII; 40-recovery.md, section 4.
 * Context: may sleep. Takes 64 bytes per snapshot node, 40 per version of a file with several links.
 * Return: 0 or -ENOMEM; findings are counted in the log.
 */
int bce_check_names(struct check *c);

/*
 * What repair does beside changing keys, and whom it tells.
 * @said:        one change, as a line of text: btree, position, what was there, what is there now
 * @replicas:    the superblock's table is to list these members; 0 or negative errno
 * @bitmap:      the member's bitmap of btree nodes is to cover these sectors; likewise
 * @key_version: no key has a later version than this
 * @careful:     no name and no extent is taken away, none gets another name
 * @snapshots:   the table of struct check, to be changed when its keys are. Repair of names only
 * @changes:     out: keys changed, entries added
 */
struct check_repair {
	void	(*said)(void *ctx, const char *line);
	int	(*replicas)(void *ctx, unsigned int data_type, unsigned int required, u64 devs);
	int	(*bitmap)(void *ctx, unsigned int dev, u64 sector, u32 sectors);
	void	(*key_version)(void *ctx, u64 version);
	void	*ctx;
	struct snapshot_table	*snapshots;
	bool	careful;
	u64	changes;
};

/**
 * bce_repair_allocations() - make everything that follows from the other keys what it has to be
 *
 * Alloc keys, freespace, need_discard, bucket_gens, lru, backpointers, accounting, reference counts of
 * indirect extents, sectors of stripe blocks; replicas table and bitmaps through @r. Only what
 * differs is written. What cannot be derived stays: the check after it tells.
 *
 * The btrees are in the state between reading and writing (held_seq of struct btrees_write_config), and
 * nobody else changes them: what is recomputed would be outdated before it is written. @c as for
 * bce_check_allocations(); its log is only told what goes wrong with the repair itself.
 *
 * Context: may sleep. Memory: as the check, and about 200 bytes per key that differs.
 * Return: 0; -EIO a key that may refer to buckets cannot be read; -ENOMEM; of a commit.
 */
int bce_repair_allocations(struct check *c, struct check_repair *r);

/**
 * bce_repair_names() - make names, inodes and what they count agree
 *
 * Sectors, links, flags, back references; keys of files that do not exist; inodes without name get one in
 * lost+found. docs/arch/check.md lists what is repaired and what is not. @c as for bce_check_names(). State
 * of the btrees as for bce_repair_allocations(), which has to come after it.
 * Context: may sleep. Return: 0; -ENOMEM; of a commit.
 */
int bce_repair_names(struct check *c, struct check_repair *r);

#endif
