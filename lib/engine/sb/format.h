/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_FORMAT_H
#define ENGINE_SB_FORMAT_H

#include <linux/types.h>

#include "engine/sb/sb.h"

/*
 * Superblocks of a new set. What they say and where they go is 00-overview.md, section 8: nothing
 * but superblocks is written, the first start makes the rest.
 */

/* formatter's choice of scrypt parameters, as log2: 20-checksums-encryption.md, section 5 */
#define SB_FORMAT_SCRYPT_N	14
#define SB_FORMAT_SCRYPT_R	3
#define SB_FORMAT_SCRYPT_P	4

#define SB_FORMAT_SB_BYTES	(1U << 20)	/* usual place of a superblock copy */
#define SB_FORMAT_SB_BYTES_MIN	(16U << 10)
#define SB_FORMAT_SB_BYTES_MAX	(32U << 20)

/**
 * struct sb_format_dev - a member to be
 * @name:      for messages; targets may name it
 * @sectors:   length of the device
 * @fs_bytes:  use only so much of it; 0: all
 * @bucket_bytes: 0: chosen by size
 */
struct sb_format_dev {
	const char	*name;
	u64		sectors;
	u32		logical_block_bytes;
	u32		physical_block_bytes;
	const char	*label;			/* "ssd.ssd1"; NULL: none */
	u64		fs_bytes;
	u64		bucket_bytes;
	u8		durability;
	u8		data_allowed;		/* bit per data type */
	bool		discard;
};

/* what a device has unless it is said otherwise */
void bce_sb_format_dev_init(struct sb_format_dev *dev);

/* an option of the set, by its name in bce_sb_options[], value as people write it */
struct sb_format_option {
	const char	*name;
	const char	*value;
};

struct sb_format {
	const struct sb_format_dev	*dev;
	unsigned int			nr_devs;
	const struct sb_format_option	*option;	/* of equal names the last counts */
	unsigned int			nr_options;
	const char			*label;		/* of the set; NULL: none */
	const u8			*user_uuid;	/* NULL: random */
	u64				sb_bytes;	/* place of each copy; 0: usual */
	bool				encrypted;
	/*
	 * Key of a passphrase, derived by scrypt with the parameters above; NULL: the master key
	 * is stored as it is.
	 */
	const u8			*passphrase_key;
};

/**
 * bce_sb_format_make() - each member's superblock
 * @out: one per device, filled on success; bce_sb_image_exit() each
 * @why: on error, appended: what is wrong, and of which device
 *
 * Context: may sleep. Return: 0, -EINVAL, -ENOSPC (a device is too small), -ENOMEM.
 */
int bce_sb_format_make(struct sb_image *out, const struct sb_format *f, struct text_buf *why);

/**
 * bce_sb_format_write() - a new superblock goes to its device
 * Whatever the device held stops to be found first; all of it is durable on return. After a crash
 * in between there is no superblock, or a whole one.
 * Return: 0 or negative errno.
 */
int bce_sb_format_write(struct block_device *bdev, const char *name, const struct sb_image *img);
/**
 * bce_sb_format_erase() - the device is no member any more
 * @img: as it was written; says where the copies are
 * Return: 0 or negative errno.
 */
int bce_sb_format_erase(struct block_device *bdev, const char *name, const struct sb_image *img);

#endif
