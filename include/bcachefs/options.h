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

/*
 * Values for one mount, which win over those of the superblock and are not stored there; only features of the format that they
 * need are. The mount that claims the set gives them, and takes them back when it ends; its calls are one after the other.
 */

/* can it be given by a mount at all? Context: any */
bool bce_option_is_mount(unsigned int opt);
/* is it 0 or 1, so that its name alone, or "no" before it, says all? Context: any */
bool bce_option_is_bool(unsigned int opt);
/**
 * bce_set_option_mount() - give one for this mount, or another one
 * @text, @why: as above
 *
 * Before the set is written, or for a live option: takes effect.
 *
 * Context: as above. Return: 0; -EINVAL; -EOPNOTSUPP not by a mount; -EBUSY it differs and counts only from when the set begins to be
 * written, which it is already; -EIO, -ENOMEM.
 */
int bce_set_option_mount(struct bce_set *set, unsigned int opt, const char *text, char why[512]);
/* is @text the value in effect already? Context: may sleep. Return: 1, 0, or as above */
int bce_set_option_is(struct bce_set *set, unsigned int opt, const char *text, char why[512]);
/**
 * bce_set_option_mounted() - was it given by the mount, and what is it?
 * @out: as bce_set_option_mount() takes it, terminated
 * Context: may sleep. Return: bytes without the NUL; 0: it was not; -ERANGE, -ENOMEM.
 */
int bce_set_option_mounted(struct bce_set *set, unsigned int opt, char *out, size_t bytes);
/* all are as stored again, from when the set is written next. Context: may sleep; the set is not written */
void bce_set_options_unmount(struct bce_set *set);

/**
 * bce_set_label_set() - the set's label, in all superblocks and on its device
 * @label: at most 32 bytes, terminated
 * Context: as above. Return: 0; -EINVAL too long; -EROFS; -EIO, -ENOMEM.
 */
int bce_set_label_set(struct bce_set *set, const char *label);

#endif
