/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_INODE_INTERNAL_H
#define ENGINE_KEY_INODE_INTERNAL_H

#include <linux/types.h>

/* a packed field and the member of struct inode_fields that holds it */
struct inode_field {
	u8	bits;		/* what a value may need */
	u8	bytes;		/* of the struct member */
	u16	at;		/* of the struct member */
};

#define INODE_V3_NR_FIELDS	24

/* in the order in which version 3 stores them */
extern const struct inode_field bce_inode_fields_v3[INODE_V3_NR_FIELDS];

#endif
