/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_SB_H
#define ENGINE_SB_SB_H

#include <linux/types.h>

#include "engine/format/sb.h"
#include "engine/util/log.h"
#include "engine/util/text.h"

struct block_device;
struct bce_cipher;

/*
 * One superblock copy in memory, validated. @sb is the disk image (752 bytes
 * and the sections); use the accessors below rather than its fields.
 */
struct sb_image {
	struct bch_sb	*sb;		/* kvmalloc'ed */
	size_t		bytes;
	u64		read_from_sector;
};

/**
 * bce_sb_read() - find and validate a device's superblock
 * @sector: 0 = the usual search (sector 8, then the layout's copies); else only there
 * @why:    on error, appended: what was wrong with each copy tried
 *
 * Context: may sleep, reads the device.
 * Return: 0; -ENODATA no superblock of this format at all; -EBADMSG only damaged
 *         copies; -EOPNOTSUPP a version or feature we do not know; -EINVAL a rule broken.
 * Source: docs/format/10-superblock.md, section 8.
 */
int bce_sb_read(struct sb_image *out, struct block_device *bdev, u64 sector,
		struct text_buf *why);
/* the same from memory: the whole rule set, for tests, fuzzing and images in buffers */
int bce_sb_validate(const void *image, size_t bytes, u64 device_sectors, struct text_buf *why);
void bce_sb_image_exit(struct sb_image *img);

/* first section of a type, NULL if absent; its length in bytes, header included */
const struct bch_sb_field *bce_sb_field(const struct bch_sb *sb, unsigned int type, size_t *bytes);

/* recovery passes the superblock asks for: bit per stable number (docs/format/40-recovery.md, 2) */
u64 bce_sb_passes_required(const struct bch_sb *sb);
/* should somebody check the set: passes, errors met, allocation information not complete? */
bool bce_sb_wants_check(const struct bch_sb *sb);

/* ---- header in CPU order ---- */
struct sb_info {
	u16	version;
	u16	version_min;
	u16	version_upgrade_complete;
	u8	uuid[16];		/* internal */
	u8	user_uuid[16];
	char	label[33];
	u64	seq;
	u64	write_time;
	u32	block_sectors;
	u32	btree_node_sectors;
	u8	dev_idx;
	u8	nr_devices;
	u64	time_base_ns;
	u32	time_precision;
	u64	features;
	u64	compat;
	bool	initialized;
	bool	clean;
	bool	encrypted;		/* ENCRYPTION_TYPE != 0 */
	bool	acl;			/* option acl */
	bool	has_errors;
	bool	has_topology_errors;
	u8	csum_type;
	u32	encoded_extent_max_sectors;
	u64	uuid_word;		/* start of the internal uuid: for magics, nonces */
};
void bce_sb_info(const struct bch_sb *sb, struct sb_info *out);

/* the options kept in the superblock, by their names of docs/format/90, section 2 */
enum sb_option_unit {
	SB_OPTION_PLAIN,		/* stored as it is: counts, percent, milliseconds */
	SB_OPTION_BOOL,
	SB_OPTION_CHOICE,		/* index into @choices */
	SB_OPTION_SECTORS,		/* stored in sectors, meant in bytes */
	SB_OPTION_LOG2_SECTORS,		/* stored as log2 of sectors, meant in bytes */
	SB_OPTION_COMPRESSION,		/* algorithm | level << 4 */
	SB_OPTION_TARGET,		/* docs/format/85-policies.md, 1.2 */
};

#define SB_OPTION_WORD_BLOCK_SIZE	0xff	/* not in flags[]: the header's block_size */

struct sb_option_desc {
	const char		*name;
	u8			word, lo, hi;		/* flags[word] bits [lo, hi) */
	s8			hi_word, hi_lo, hi_hi;	/* upper part elsewhere, or -1 */
	u8			unit;			/* enum sb_option_unit */
	bool			pow2;
	const char *const	*choices;		/* NULL-terminated, or NULL */
	u64			min, max;		/* in user units, both allowed */
	u64			if_zero;		/* what a stored 0 means; 0: 0 */
	u64			before_1_10;		/* the same up to version 1.9; 0: 0 */
};
#define BCE_SB_OPTIONS_MAX	64	/* a word of bits has one for each */
extern const struct sb_option_desc bce_sb_options[];
extern const unsigned int bce_sb_nr_options;
const struct sb_option_desc *bce_sb_option_by_name(const char *name);	/* NULL: none */
/* value in user units (bytes, counts, choice index) */
u64 bce_sb_option_get(const struct bch_sb *sb, const struct sb_option_desc *desc);
/* the same by name; 0 for a name that is none */
u64 bce_sb_option_named(const struct bch_sb *sb, const char *name);
void bce_sb_option_text(struct text_buf *out, const struct bch_sb *sb,
			const struct sb_option_desc *desc);

/* ---- members ---- */
enum member_state { MEMBER_RW, MEMBER_RO, MEMBER_FAILED, MEMBER_SPARE };

struct member_info {
	bool	exists;
	u8	uuid[16];
	u64	nbuckets;
	u32	first_bucket;
	u32	bucket_sectors;
	u64	last_mount;
	u8	state;			/* enum member_state */
	bool	discard;
	u8	data_allowed;		/* bit per data type */
	u16	group;			/* disk-group index + 1, 0 none */
	u8	durability;		/* 0..3, default resolved */
	bool	freespace_initialized;
	u64	seq;
	u64	errors[3];		/* read, write, checksum */
	u64	btree_bitmap;
	u8	btree_bitmap_shift;
	u32	last_journal_bucket;
	u32	last_journal_offset_sectors;
};
void bce_sb_member(const struct bch_sb *sb, unsigned int idx, struct member_info *out);

/* full label path of a member ("ssd.ssd1"), empty when none */
void bce_sb_member_label(struct text_buf *out, const struct bch_sb *sb, unsigned int idx);
/* is member @dev in @target (0 = any)? docs/format/85-policies.md, 1.2 */
bool bce_sb_target_has_dev(const struct bch_sb *sb, u16 target, unsigned int dev);
void bce_sb_target_text(struct text_buf *out, const struct bch_sb *sb, u16 target);
/* of "none" or a label; devices are known by name elsewhere. Return: 0, -ENOENT */
int bce_sb_target_parse(const struct bch_sb *sb, const char *text, u16 *target);

/* ---- choice among members ---- */
enum sb_verdict {
	SB_USE,
	SB_FOREIGN,			/* another set */
	SB_REMOVED,			/* slot empty in the best superblock */
	SB_SPLIT,			/* written without the others: docs/format/10, 8.7 */
	SB_CLONE,			/* same member twice */
	SB_TOO_SMALL,			/* device shorter than its buckets */
};

struct sb_candidate {
	const struct bch_sb	*sb;
	const char		*name;		/* for messages */
	u64			device_sectors;
	enum sb_verdict		verdict;	/* out */
};

/**
 * bce_sb_choose() - which members belong together, and whose superblock leads
 * Return: index of the best candidate, or -EINVAL (all foreign / none).
 * @why gets one line for each candidate that is not used.
 */
int bce_sb_choose(struct sb_candidate *c, unsigned int nr, bool no_splitbrain_check,
		  struct text_buf *why);

/* ---- degraded by the replicas table ---- */
struct sb_presence {
	unsigned int	nr_expected;	/* members with state rw or ro */
	unsigned int	nr_present;
	u64		missing;	/* bit per member */
	/* of non-cached replicas entries, on members that have not failed: */
	bool		data_complete;	/* every one readable */
	bool		data_degraded;	/* some have fewer copies than they should */
};
/* @present: bit per slot */
void bce_sb_presence(const struct bch_sb *sb, u64 present, struct sb_presence *out);

/* ---- encryption ---- */
#define BCE_KEY_DESCRIPTION_BYTES	64
/* "bcachefs:<user uuid>" */
void bce_sb_key_description(const struct bch_sb *sb, char out[BCE_KEY_DESCRIPTION_BYTES]);
bool bce_sb_has_crypt(const struct bch_sb *sb);
bool bce_sb_key_is_wrapped(const struct bch_sb *sb);
/* scrypt parameters as log2 */
int bce_sb_kdf_params(const struct bch_sb *sb, u8 *log_n, u8 *log_r, u8 *log_p);
/**
 * bce_sb_unlock() - the master key
 * @passphrase_key: 32 bytes, or NULL when the key is stored plain
 * Return: 0, -ENOKEY a passphrase is needed, -EKEYREJECTED it is the wrong one.
 */
int bce_sb_unlock(const struct bch_sb *sb, const u8 *passphrase_key, struct bce_cipher **out);

/* everything, in the form of the show-super.txt references; implemented in sb/text.c */
void bce_sb_text(struct text_buf *out, const struct bch_sb *sb, bool layout, u64 fields_mask);
/* sections that people want to see when they did not say which */
#define BCE_SB_FIELDS_USUAL	(BIT_ULL(BCH_SB_FIELD_members_v2) | BIT_ULL(BCH_SB_FIELD_errors))
/* section type by its name ("members_v2"); -EINVAL */
int bce_sb_field_by_name(const char *name);

#endif
