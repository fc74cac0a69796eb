/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_TEXT_H
#define ENGINE_UTIL_TEXT_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

/*
 * A growing text buffer. Appending never fails visibly: when memory cannot be
 * had, @failed is set and the text stays short, always NUL terminated.
 */
struct text_buf {
	char		*buf;
	size_t		len;
	size_t		size;
	bool		failed;
};

#define TEXT_BUF_INIT	((struct text_buf) { })

void bce_text_exit(struct text_buf *out);
void bce_text_reset(struct text_buf *out);
/* the text so far; "" when empty */
const char *bce_text_str(const struct text_buf *out);
__printf(2, 3) void bce_text_printf(struct text_buf *out, const char *fmt, ...);
__printf(2, 0) void bce_text_vprintf(struct text_buf *out, const char *fmt, va_list args);
void bce_text_putc(struct text_buf *out, char c);
void bce_text_write(struct text_buf *out, const void *p, size_t len);

#endif
