/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_DATA_RIG_H
#define TESTS_DATA_RIG_H

#include <pthread.h>

#include "alloc_rig.h"
#include "engine/data/inode_update.h"
#include "engine/data/read.h"
#include "engine/data/write.h"
#include "mem_btrees.h"

/*
 * Everything the data room needs, without a set: btrees in memory, members in memory files, an
 * allocator that only goes forward, a small tree of snapshots and subvolumes.
 *
 * Subvolume 1 is in snapshot U32_MAX at first; rig_snapshot() makes more.
 */

#define RIG_DEVS		4
#define RIG_BLOCK_SECTORS	8
#define RIG_BLOCK_BYTES		4096
#define RIG_BUCKET_SECTORS	512
#define RIG_DEV_SECTORS		(1 << 21)
#define RIG_ENCODED_MAX		64
#define RIG_NODES_MAX		64
#define RIG_SUBVOLS_MAX		16

struct rig_node {
	u32	id, parent;
	bool	children;
};

struct data_rig {
	struct mem_btrees	mem;
	struct key_rules_dev	rule_dev[64];
	struct member_table	*members;
	struct block_device	*bdev[RIG_DEVS];
	int			fd[RIG_DEVS];
	struct bce_cipher	*cipher;
	struct data_reader	*reader;
	struct data_writer	*writer;
	struct data_snapshots	snapshots;
	struct data_options	opts;		/* of the set; may be changed at any time */
	u64			background_devs;	/* of any target */

	struct rig_node		node[RIG_NODES_MAX];
	unsigned int		nr_nodes;
	struct {
		u32	snapshot;
		bool	ro;
	} subvol[RIG_SUBVOLS_MAX];		/* by id; 0: none */

	struct alloc_rig	*alloc;		/* the real allocator's, or NULL */

	/* the rig's own allocator; one lock for all */
	pthread_mutex_t		lock;
	u64			next_sector[RIG_DEVS];
	u64			reserved;
	unsigned int		open;		/* spaces got and not put */
	u64			version;
	u64			features;
	unsigned int		fail_space;	/* 1: the next one fails, 2: the one after that */
	bool			no_reserve;	/* nothing more can be promised */
	bool			short_space;	/* at most a few blocks at once */
	u64			failed_devs;	/* members whose writes failed */
	u64			flushed;
	u64			changes;	/* transactions that wanted to write in a subvolume */
	unsigned int		fail_change;	/* 1: the next of them fails, 2: the one after that */
	s64			charged;	/* sectors, to whomever */
	s64			quota;		/* limit; 0: none */
	s64			inherited;	/* sectors that snapshots see and nobody was charged for */
	u64			no_devs;	/* take no new data */
	u8			*pages;		/* of the rig_write() that is under way */
	bool			scribbled;	/* somebody has changed them */
	void			(*on_now)(struct data_rig *r);	/* once, when a transaction asks for the time */
	s64			inode_sectors;	/* as the last rig_write() was told */
};

void rig_init(struct data_rig *r, bool encrypted);
/* over @a's allocator, btrees and members, which are opened; the checks are @a's, too */
void rig_init_alloc(struct data_rig *r, struct alloc_rig *a, bool encrypted);
void rig_exit(struct data_rig *r);

/* a new inode in subvolume @subvol, with the options in @f */
void rig_inode(struct data_rig *r, u32 subvol, u64 inum, const struct inode_fields *f);
/* the inode as seen in a subvolume; -ENOENT */
int rig_inode_read(struct data_rig *r, u32 subvol, u64 inum, struct inode_fields *f);
/* subvolume @id becomes a snapshot of @source */
void rig_snapshot(struct data_rig *r, u32 source, u32 id);
struct snapshot_view rig_view(struct data_rig *r, u32 snapshot);

/* as many bytes as blocks hold. 0 or negative errno */
int rig_write(struct data_rig *r, struct bce_file_id file, u64 sector, const void *data, size_t bytes,
	      u64 new_size, unsigned int flags);
int rig_read(struct data_rig *r, struct bce_file_id file, u64 sector, void *data, size_t bytes);

/*
 * The rules of docs/format/60 that extents must keep, in every snapshot: nothing overlaps, nothing lies
 * behind the end of the file, bi_sectors and reference counts are right, no two keys own the same
 * place on a device. Ends the test with what is wrong.
 */
void rig_check(struct data_rig *r);
/* print all keys of extents and reflink to stderr */
void rig_dump(struct data_rig *r);

#endif
