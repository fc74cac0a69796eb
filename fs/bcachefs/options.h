/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_OPTIONS_VFS_H
#define BCACHEFS_OPTIONS_VFS_H

#include <linux/fs_parser.h>
#include <linux/types.h>

struct bcachefs_super;
struct dentry;
struct fs_context;
struct seq_file;

/* Mount options: options.c. */

#define SET_OPTIONS_MAX	64

/* from parsing until the super block is filled; fc->fs_private */
struct mount_opts {
	bool		acl_given;
	bool		acl;
	u8		quota_given, quota;	/* bit per type */
	bool		errors_given;
	unsigned int	errors;		/* enum bce_errors_policy */
	unsigned long	table_opts;	/* bit per option that belongs to the table */
	char		*set_option[SET_OPTIONS_MAX];	/* by number (<bcachefs/options.h>): its text, or NULL */
};

extern const struct fs_parameter_spec bcachefs_param_spec[];
int bcachefs_parse_param(struct fs_context *fc, struct fs_parameter *param);
void bcachefs_mount_opts_free(struct mount_opts *opts);
/*
 * Those of the set take effect, for this mount; on the first that does not, those before it have. Says what is wrong.
 * Context: may sleep for long. Return: 0 or -errno.
 */
int bcachefs_options_apply(struct fs_context *fc, struct bcachefs_super *vs);
/* can what @fc asks for be had of a super block that has its options already? Says what not. @remount: these will be applied */
int bcachefs_options_check(struct fs_context *fc, struct bcachefs_super *vs, bool remount);
int bcachefs_show_options(struct seq_file *m, struct dentry *root);

#endif
