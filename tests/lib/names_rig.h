/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_NAMES_RIG_H
#define TESTS_NAMES_RIG_H

#include "engine/names/trigger.h"
#include "engine/names/write.h"
#include "mem_btrees.h"
#include "sb_builder.h"

/*
 * A file system's names on btrees in memory: a fresh root with lost+found, a writer, and a checker of
 * what must hold among the keys. All directories have the same hash seed, so names can be made
 * to meet in one place.
 */
#define RIG_SEED	0x0123456789abcdefULL

struct names_rig {
	struct mem_btrees	m;
	struct sb_builder	sb;
	struct sb_info		info;
	struct names_trigger	trigger;
	struct names_writer	w;
	u64			now_ns;
	u64			random;		/* 0: RIG_SEED always; else counts up */
	u64			features_set;
	u64			in_use;		/* inode that somebody has open; 0: none */
	unsigned int		restart_every;	/* each n-th commit is begun anew, when all is ready for it; 0: none */
	unsigned int		commits;
	void			(*on_now)(struct names_rig *r);	/* before each transaction of names; may be NULL */
	void			*ctx;		/* the test's */
};

/* @prepare: changes the superblock before it is used; may be NULL */
void names_rig_init(struct names_rig *r, void (*prepare)(struct sb_builder *b));
void names_rig_exit(struct names_rig *r);
/* as after a restart: a new writer and a new table over the same btrees. 0 or negative errno */
int names_rig_restart(struct names_rig *r);

/* everything the checker and this rig know of; prints what is wrong. Return: number of findings */
unsigned int names_rig_check(struct names_rig *r);
/* number of keys in a btree; of one type unless @type is -1 */
unsigned int names_rig_count(struct names_rig *r, unsigned int btree_id, int type);
/* print a btree, for debugging */
void names_rig_dump(struct names_rig *r, unsigned int btree_id);

/*
 * A name of @prefix and four bytes more whose CRC-32C hash (type crc32c, seed RIG_SEED) is @hash;
 * for xattrs @type is their type, for dirents -1. Return: its length; no NUL or slash is in it
 */
unsigned int names_rig_forge(char *name, const char *prefix, int type, u32 hash);

#endif
