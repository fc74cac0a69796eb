/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_MINI_SET_H
#define TESTS_MINI_SET_H

#include <linux/completion.h>

#include "engine/btree/btrees.h"
#include "engine/data/read.h"
#include "engine/names/snapshot.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

/*
 * A set made by hand for tests: keys are collected in any order, then written as btrees to member
 * 0; members 1.. are empty devices for data. What is between sets and superblocks is left out.
 */

#define MINI_DEVS		4
#define MINI_BUCKET_SECTORS	256
#define MINI_DEV_SECTORS	(1 << 16)
#define MINI_BLOCK_SECTORS	8
#define MINI_ENCODED_MAX	128

struct bce_cipher;
struct mini_keys;

struct mini_set {
	struct btrees			*btrees;
	struct member_table		*members;
	struct snapshot_table		*snapshots;
	struct data_reader		*reader;
	struct bce_log			*log;
	struct block_device		*bdev[MINI_DEVS];
	int				data_fd[MINI_DEVS];	/* of members 1.. */
	struct mini_keys		*priv;
};

void mini_init(struct mini_set *m);
/* @value is copied, its length rounded up to 8 with zeros */
void mini_key(struct mini_set *m, unsigned int btree_id, unsigned int type, struct bpos p, u32 size,
	      struct bversion version, const void *value, size_t bytes);
void mini_snapshot(struct mini_set *m, u32 id, u32 parent, const u32 skip[3]);
void mini_subvolume(struct mini_set *m, u32 id, u32 snapshot, u64 root_inum);
/* write the btrees, open them, read the snapshot table, make a reader. 0 or the first error */
int mini_start(struct mini_set *m, const struct bce_cipher *cipher);
void mini_exit(struct mini_set *m);

/* member @dev's device */
void mini_write(struct mini_set *m, unsigned int dev, u64 sector, const void *buf, size_t bytes);
void mini_detach(struct mini_set *m, unsigned int dev);
void mini_attach(struct mini_set *m, unsigned int dev);

/* a read of file contents under way; @bio says which, its buffers are the caller's */
struct mini_read {
	struct data_read	read;
	struct completion	done;
	int			error;
};
/* a snapshot without ancestors. wait: 0 or what the read ended with */
void mini_read_start(struct mini_set *m, struct mini_read *r, u64 inum, u32 snapshot, struct bio *bio);
int mini_read_wait(struct mini_read *r);

#endif
