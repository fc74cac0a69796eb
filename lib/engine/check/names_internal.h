/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_NAMES_INTERNAL_H
#define ENGINE_CHECK_NAMES_INTERNAL_H

#include "engine/btree/iter.h"
#include "engine/check/check.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "engine/key/values_write.h"

struct bce_trans;
struct text_buf;

#define ROOT_INUM		4096
#define ROOT_SUBVOL		1
#define DIRENT_TYPE_DIRECTORY	4
#define LOOP_CACHE_SLOTS	4096

/* a snapshot node; see snapshots.c */
struct check_snapshot {
	u32			id;
	struct snapshot_info	info;
	bool			live;		/* a subvolume that stays uses it or a node below */
	u32			same_as;	/* id of the node whose view counts; 0: dead */
	bool			unsettled;	/* repair: its parent is not certain */
};

/* a version of an inode */
struct check_version {
	u8			type;		/* of the key */
	struct inode_fields	f;		/* type inode: all; else inum and snapshot only */
};

/* a version of a file with several names, or with one that it does not know */
struct check_links {
	u64	inum;
	u32	snapshot;
	u32	nlink;		/* as stored */
	u64	names;		/* found */
	bool	no_back_reference;
};

/* what is hashed: the name; of an xattr the type byte and the name */
struct hash_name {
	u8		bytes[BCH_DIRENT_NAME_MAX + 1];
	unsigned int	len;
};

/* while it is mended; one round */
struct name_mend {
	/* all names were where they belong in the last round: an inode may forget one, or get another */
	bool		settled;
	bool		moved;		/* names were: they have not been counted, nor what they lead to judged */
	bool		again;		/* snapshots changed: the rest of the round would judge by what was */
	bool		unsure;		/* who sees what: nothing is taken away */
	struct val_buf	val;
};

/* buffers too large for the stack, tables, and the inode last looked up */
struct name_check {
	struct check		*c;
	struct bkey_buf		buf;
	struct bkey_buf		buf2;
	u64			done;
	bool			clean;
	struct name_mend	*mend;		/* with c->repair */
	u64			unreadable;	/* bit per btree that was not wholly read */
	struct {
		bool		valid;
		int		ret;
		u64		inum;
		u32		snapshot;
		struct inode_fields fields;
	}			last;

	struct check_snapshot	*snapshot;	/* by id */
	size_t			nr_snapshots, snapshots_room;
	bool			unsettled;	/* nodes that are missing, or contradict each other */
	struct subvolume_info	*subvol;	/* by id */
	size_t			nr_subvols, subvols_room;

	/* inodes.c: the versions of one inode, lowest snapshot first */
	struct check_version	*version;
	size_t			nr_versions, versions_room;
	struct check_links	*links;		/* by inum, snapshot */
	size_t			nr_links, links_room;
	/* directories from which the way up is known to end well */
	struct {
		u64	inum;
		u32	snapshot;
	}			no_loop[LOOP_CACHE_SLOTS];

	struct hash_name	names[2];	/* hash.c */

	/* dirents.c: snapshots of the keys of one position met so far */
	struct bpos		at;
	u32			*seen;
	size_t			nr_seen, seen_room;
};

typedef int (*name_key_fn)(struct name_check *n, const struct bkey *k);

/* names.c */
/* walk a btree; no lock is held while @fn runs, and it may look up others */
int check_names_walk(struct name_check *n, unsigned int btree_id, const char *pass,
		     name_key_fn fn);
/* the version of an inode that snapshot @snapshot sees. 0, -ENOENT, or what reading gave */
int check_inode_at(struct name_check *n, u64 inum, u32 snapshot, struct inode_fields *out);
/* -ENOMEM is for the caller; what cannot be read has been told by the pass over nodes */
static inline int check_memory_only(int ret)
{
	return ret == -ENOMEM ? ret : 0;
}

/* one pass; @mend: with c->repair set, else NULL */
int check_names_round(struct check *c, struct name_mend *mend);

/* names_mend.c: put right on the spot; all of them do nothing where nothing is repaired */
enum mend_inode_what {
	MEND_SECTORS, MEND_NLINK, MEND_NAME, MEND_FLAGS_ON, MEND_FLAGS_OFF, MEND_SUBVOL, MEND_PARENT_SUBVOL, MEND_HASH,
};
/* the version at exactly @snapshot; nothing if there is none. @b: MEND_NAME's offset, MEND_HASH's type (@a: seed) */
int mend_inode(struct name_check *n, u64 inum, u32 snapshot, enum mend_inode_what what, u64 a, u64 b);
/* a key without value: set, hash_whiteout, deleted */
int mend_name_key(struct name_check *n, unsigned int btree_id, struct bpos p, unsigned int type);
int mend_dirent_type(struct name_check *n, const struct bkey *k, unsigned int d_type);
/* the name is not where @f says it is */
int mend_forget_name(struct name_check *n, const struct inode_fields *f);
/* @k leads to the directory in snapshots below, too; versions there that know no name get it */
int mend_versions_below(struct name_check *n, const struct bkey *k);
/* no name leads to it */
int mend_lost_inode(struct name_check *n, const struct inode_fields *f);
/* is it too early, or not asked for, to take something away? */
bool mend_is_careful(const struct name_check *n);
/* one change has been made */
void mend_say(struct name_check *n, struct text_buf *text);
/* a transaction of its own */
int mend_run(struct name_check *n, int (*fn)(struct bce_trans *t, void *ctx), void *ctx);
/* one key, in one such; without a word, and without triggers */
int mend_name_put(struct name_check *n, unsigned int btree_id, const struct bkey *k);
/* what that means for the walk: a key in which more is wrong cannot be read, or is refused, and stays as it is */
int mend_tried(int ret);

/* subvolumes_mend.c */
/* @f says it is the root of a subvolume that is not there, or has another root */
int mend_root_of(struct name_check *n, const struct inode_fields *f);
/* @f, which subvolume @s has as its root, says that it is another's */
int mend_root_says(struct name_check *n, const struct subvolume_info *s, const struct inode_fields *f);
/* the name @k of subvolume @subvol, the subvolume and its root inode do not agree on the parent subvolume */
int mend_subvolume_parent(struct name_check *n, const struct bkey *k, u32 subvol, const struct inode_fields *root);
/* a name of subvolume @id, which does not exist: does a snapshot node still name it? Then it has been lost */
bool mend_subvolume_is_lost(struct name_check *n, u32 id);

/* snapshots_mend.c: after they have been checked, and something was found. @n->mend->again: something has changed */
int mend_snapshots(struct name_check *n);

/* extents_mend.c: the version at @f->snapshot ends before the last of its extents. Return: 1 cut, 0, negative errno */
int mend_past_end(struct name_check *n, const struct inode_fields *f);

/* hash_mend.c */
/* @k stands where it is not found. Return: 1 it is elsewhere now, not to be judged in this round; 0; negative errno */
int mend_hash_entry(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		    const struct inode_fields *owner);
/* the whiteout at @p lets entries behind it not be found */
int mend_hash_hole(struct name_check *n, unsigned int btree_id, struct bpos p);

/* snapshots.c */
int check_snapshots(struct name_check *n);
struct check_snapshot *check_snapshot_node(struct name_check *n, u32 id);	/* NULL: there is none */
/* skip entry @i */
bool check_skip_is_right(struct name_check *n, const struct check_snapshot *s, unsigned int i);
int check_subvolume_lookup(struct name_check *n, u32 id, struct subvolume_info *out);
/*
 * Is a key in this snapshot to be judged? Tells if the snapshot does not exist; not if it is
 * waiting to be cleaned away, or to be folded into its only child.
 */
bool check_snapshot_judged(struct name_check *n, unsigned int btree_id, const struct bkey *k);

/* inodes.c */
int check_inodes(struct name_check *n);
int check_inode_index(struct name_check *n);	/* deleted_inodes, logged_ops */
int check_dir_empty(struct name_check *n, const struct inode_fields *f, bool *empty);

/* extents.c */
int check_version_extents(struct name_check *n, const struct inode_fields *f);
int check_extents(struct name_check *n);
/* space without data, which may lie behind the end */
bool check_extent_is_reserved(const struct bkey *k);
/* sectors up to the end of the file's last block */
u64 check_end_of_inode(const struct name_check *n, const struct inode_fields *f);

/* dirents.c */
bool check_dirent_names(const struct bkey *k, const struct inode_fields *f);
/* inode @inum exists in no snapshot that sees @k. 1, 0, negative errno */
int check_dirent_leads_nowhere(struct name_check *n, const struct bkey *k, u64 inum);
int check_dirents(struct name_check *n);
int check_dir_links(struct name_check *n, const struct inode_fields *f);
int check_links_compare(struct name_check *n);

/* hash.c */
/* place of an entry, a whiteout or anything else in a directory's or inode's table. Return: as mend_hash_entry() */
int check_hash_key(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		   const struct inode_fields *owner);
/* false: no entry */
bool check_hash_name(const struct bkey *k, struct hash_name *out);
bool check_hash_same_name(const struct hash_name *a, const struct hash_name *b);
u64 check_hash(const struct inode_fields *owner, unsigned int btree_id, const struct hash_name *name);

#endif
