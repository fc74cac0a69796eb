/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_UUID_ARG_H
#define BCACHECTL_UUID_ARG_H

#include <stdint.h>

/* 8-4-4-4-12 hex digits of either case. Return: 0 or -EINVAL */
int uuid_arg_parse(const char *text, uint8_t out[16]);
void uuid_arg_text(const uint8_t uuid[16], char out[37]);

#endif
