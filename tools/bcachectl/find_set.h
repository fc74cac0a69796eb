/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_FIND_SET_H
#define BCACHECTL_FIND_SET_H

#include <stdbool.h>

#include "scan.h"

/* Members of a set that is named by UUID, UUID=UUID, LABEL=LABEL, or by one of its block devices. */

bool find_set_is_name(const char *text);
/**
 * find_set() - all members on this machine of the set named @text, for which find_set_is_name()
 * Says what is wrong. Return: 0; -ENODEV there is none; -ENOTUNIQ two sets have the label; other -errno.
 */
int find_set(struct scan_list *out, const char *text);
/* @filter, which is called @what in messages. Return: as above */
int find_set_by(struct scan_list *out, const struct scan_filter *filter, const char *what);
/* that there is none called @what. Return: -ENODEV */
int find_set_complain(const char *what);
/**
 * find_set_of() - for commands that take a set's devices, and were given @text alone
 * Return: how many members are in @out; 0: @text is an image, or a device that stands for itself; -errno, which has been said.
 */
int find_set_of(struct scan_list *out, char *text);

#endif
