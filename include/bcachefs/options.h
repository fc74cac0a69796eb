/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_OPTIONS_H
#define BCACHEFS_OPTIONS_H

/*
 * Options that a set's superblock stores, by number from 0 on, and changing them while the set is written.
 * Values are text as people write it: a number or a size in bytes, the name of a choice, a label.
 *
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 2.
 */

#include <linux/types.h>

struct bce_set;

/* NULL: there are no more. Context: any */
const char *bce_option_name(unsigned int opt);
/* may it be changed while the set is written, and counts from then on? Others: bcachectl set-option. Context: any */
bool bce_option_is_live(unsigned int opt);

/**
 * bce_set_option_text() - the value in effect
 * @out: terminated; of options with choices all of them, the one in effect in brackets
 * Context: may sleep. Return: bytes without the NUL; -EINVAL no such option; -ERANGE @bytes are too few; -ENOMEM.
 */
int bce_set_option_text(struct bce_set *set, unsigned int opt, char *out, size_t bytes);

/**
 * bce_set_option_set() - change one, in all superblocks, and from now on
 * @text: one word, terminated
 * @why:  512 bytes for what is wrong with @text (may be NULL); "" if it is something else
 *
 * What is stored already stays as it is; where the option says that it belongs elsewhere, or compressed otherwise, the
 * whole set is marked to be looked at (docs/format/85-policies.md, section 5.1).
 *
 * Context: may sleep for long; waits while the set is suspended. Return: 0; -EINVAL; -EOPNOTSUPP not a live one;
 * -EROFS the set is not written; -EIO, -ENOMEM.
 */
int bce_set_option_set(struct bce_set *set, unsigned int opt, const char *text, char why[512]);

/**
 * bce_set_label_set() - the set's label, in all superblocks and on its device
 * @label: at most 32 bytes, terminated
 * Context: as above. Return: 0; -EINVAL too long; -EROFS; -EIO, -ENOMEM.
 */
int bce_set_label_set(struct bce_set *set, const char *label);

#endif
