/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_SYSFS_H
#define BCACHEFS_SYSFS_H

struct bcachefs_sysfs;
struct super_block;

/* /sys/fs/bcachefs, for as long as the module is loaded. Return: 0, -ENOMEM */
int bcachefs_sysfs_init(void);
void bcachefs_sysfs_exit(void);

/*
 * The directory of a set that is being mounted; it takes a reference to the set.
 * Context: s_umount may be held. Return: ERR_PTR(-ENOMEM, -EEXIST).
 */
struct bcachefs_sysfs *bcachefs_sysfs_add(struct super_block *sb);
/* it goes; returns when nobody reads or writes a file of it any more. NULL is allowed */
void bcachefs_sysfs_remove(struct bcachefs_sysfs *s);

#endif
