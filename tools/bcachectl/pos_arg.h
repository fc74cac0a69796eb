/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_POS_ARG_H
#define BCACHECTL_POS_ARG_H

#include "engine/key/pos.h"

/*
 * "inode[:offset[:snapshot]]", each a number or U64_MAX, U32_MAX; POS_MIN, POS_MAX,
 * SPOS_MAX. What is left out is 0. Return: 0 or -EINVAL.
 */
int pos_parse(const char *text, struct bpos *out);

#endif
