/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_MEMBER_ARG_H
#define BCACHECTL_MEMBER_ARG_H

#include <stdbool.h>
#include <stdint.h>

/* What can be said of a member on a command line. Return: 0 or -EINVAL */

int member_durability(const char *text, uint8_t *durability);
int member_discard(const char *text, bool *discard);
/* "journal,btree,user" or some of it: bit per data type */
int member_data_allowed(const char *text, uint8_t *data_allowed);

#endif
