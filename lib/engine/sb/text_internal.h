/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_TEXT_INTERNAL_H
#define ENGINE_SB_TEXT_INTERNAL_H

#include "engine/util/text.h"

/* Pieces of text this room is made of. */

/* "4.00 KiB", "128 KiB", "976 B": three digits, in powers of 1024 */
void text_size(struct text_buf *out, u64 bytes);
/* "Sun Nov 22 23:38:39 2026", in UTC */
void text_date(struct text_buf *out, s64 seconds);
/* 8-4-4-4-12 hex digits */
void text_uuid(struct text_buf *out, const u8 uuid[16]);
/* names of set bits, comma separated; bits without a name as "bit 33" */
void text_bits(struct text_buf *out, u64 bits, const char *const *names, unsigned int nr_names);
/* spaces up to @column of the line that began at @line_start, at least one */
void text_pad(struct text_buf *out, size_t line_start, unsigned int column);

#endif
