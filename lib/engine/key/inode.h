/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_INODE_H
#define ENGINE_KEY_INODE_H

#include "engine/key/bkey.h"

/*
 * An inode of any on-disk version, decoded (docs/format/60-filesystem-keys.md,
 * part I). Fields keep their stored meaning (biased nlink, options + 1, times
 * in time units relative to the set's time base).
 */
struct inode_fields {
	u64	inum;
	u32	snapshot;
	u64	journal_seq;
	u64	hash_seed;		/* the 8 stored bytes as LE number */
	u32	flags;			/* bits 0..19: enum inode_flag */
	u8	str_hash;		/* type number 0..3 */
	u16	mode;
	u64	sectors;
	u64	size;
	u64	version;
	s64	atime;
	s64	ctime;
	s64	mtime;
	s64	otime;
	u32	uid;
	u32	gid;
	u32	nlink;			/* biased: + 1, directories + 2 */
	u32	generation;
	u32	dev;
	u8	data_checksum;		/* options: value + 1, 0 = not set */
	u8	compression;
	u32	project;
	u8	background_compression;
	u8	data_replicas;
	u16	promote_target;
	u16	foreground_target;
	u16	background_target;
	u16	erasure_code;
	u16	fields_set;
	u64	dir;
	u64	dir_offset;
	u32	subvol;
	u32	parent_subvol;
	u8	nocow;
};

/* NULL, or text for error inode_unpack_error; types inode, inode_v2, inode_v3 */
const char *bce_inode_unpack(const struct bkey *k, struct inode_fields *out);
/* the same for what stands in front of the packed fields alone: inum, snapshot, flags, str_hash, hash_seed, mode, and what else
 * the version has there; all other fields are 0 */
const char *bce_inode_unpack_head(const struct bkey *k, struct inode_fields *out);

/* room for the value of a packed inode */
#define INODE_VAL_U64S_MAX	38
struct inode_val {
	u64	v[INODE_VAL_U64S_MAX];
};
/* as inode_v3 at @f's own position; @k->v is in @val */
void bce_inode_pack(const struct inode_fields *f, struct bkey *k, struct inode_val *val);
bool bce_key_type_is_inode(unsigned int type);
/* link count as users see it */
u32 bce_inode_nlink(const struct inode_fields *f);

/*
 * Hash of a dirent's name, or of an xattr's type byte and name: 60, section 8.
 * @dirent applies the minimum of 2.
 */
u64 bce_name_hash(unsigned int str_hash_type, u64 seed, const void *name, unsigned int len,
		  bool dirent);

#endif
