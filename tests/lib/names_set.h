/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_NAMES_SET_H
#define TESTS_NAMES_SET_H

#include "engine/check/check.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "memory_set.h"

/*
 * A small set that is right, in memory, for the passes over names to be damaged: keys are changed between begin and
 * start.
 *
 *   tree 1   100 - 90  subvolume 1, the root         tree 2   70  subvolume 3, "nested" in the root
 *              \ - 80  subvolume 2, a snapshot of it, "snap" in the root
 */
#define PARENT	100
#define SNAP1	90
#define SNAP2	80
#define NESTED	70

#define SEED	0x0123456789abcdefULL
#define HASH	BCH_STR_HASH_siphash

enum { ROOT = 4096, DIR = 5000, FILE_, LINKED, GONE, ORPHAN, OWN, SUBDIR, NESTED_ROOT = 6000 };

struct names_set {
	struct memory_set	m;
	bool			clean;
	struct bkey_buf		buf;
};

extern const struct snapshot_info names_parent_node, names_node1, names_node2, names_nested_node;

void names_set_begin(struct names_set *f);
void names_set_start(struct names_set *f);
/* the pass over names. Return: findings, which @log counts */
u64 names_set_check(struct names_set *f, struct bce_log *log);
/* after start: in memory, as fsck -y does. Return: changes */
u64 names_set_repair(struct names_set *f, bool careful);
/* the same, where something may fail. Return: 0 or negative errno */
int names_set_try_repair(struct names_set *f, bool careful, u64 *changes);
void names_set_exit(struct names_set *f);
/* checked, repaired, and nothing is left. Ends the test if it is not so */
void names_set_mended(struct names_set *f);

/* after start: the key at exactly this position. Return: its type; 0 there is none. @k: may be NULL */
unsigned int names_type_at(struct names_set *f, unsigned int btree_id, struct bpos p, struct bkey *k);
/* the version at exactly this snapshot, which is there */
void names_inode_at(struct names_set *f, u64 inum, u32 snapshot, struct inode_fields *i);

void names_put_type(struct names_set *f, unsigned int btree_id, unsigned int type, struct bpos p);
void names_put_snapshot(struct names_set *f, u32 id, const struct snapshot_info *s);
void names_put_tree(struct names_set *f, u32 id, u32 master, u32 root);
void names_put_subvolume(struct names_set *f, u32 id, u32 snapshot, u64 inode, u32 parent,
			  bool snap);
u64 names_hash(const char *name);
void names_put_inode(struct names_set *f, const struct inode_fields *fields);
struct inode_fields names_get_inode(struct names_set *f, u64 inum, u32 snapshot);
void names_put_dirent_at(struct names_set *f, u64 dir, u64 slot, u32 snapshot, const char *name,
			  u8 d_type, u64 target);
void names_put_dirent(struct names_set *f, u64 dir, u32 snapshot, const char *name, u8 d_type,
		       u64 target);
u64 names_xattr_hash(u8 type, const char *name);
void names_put_xattr(struct names_set *f, u64 inum, u64 slot, u32 snapshot, const char *name);
void names_put_extent(struct names_set *f, u64 inum, u64 end, u32 snapshot, u32 size);
void names_put_reservation(struct names_set *f, u64 inum, u64 end, u32 snapshot, u32 size);
void names_put_file(struct names_set *f, u64 inum, u32 snapshot, const char *name);

#define CHANGE_INODE(f, inum, snapshot, change)					\
do {										\
	struct inode_fields i = names_get_inode(f, inum, snapshot);			\
										\
	change;									\
	names_put_inode(f, &i);							\
} while (0)

#endif
