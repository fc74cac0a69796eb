// SPDX-License-Identifier: GPL-2.0
/*
 * A growing text buffer.
 *
 * Text is made for people and logs, where the caller has nothing sensible to do
 * when memory is short in the middle of a sentence. So appending returns nothing:
 * the text stays as it is, @failed remembers, and the one who prints may look.
 *
 * Held at all times: @buf is NULL or NUL terminated at @len, and @len < @size.
 */
#include "engine/util/text.h"

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#define TEXT_BUF_MIN_BYTES	128

void bce_text_exit(struct text_buf *out)
{
	kvfree(out->buf);
	*out = TEXT_BUF_INIT;
}

/* empty, but keeps its memory */
void bce_text_reset(struct text_buf *out)
{
	out->len = 0;
	out->failed = false;
	if (out->buf)
		out->buf[0] = '\0';
}

const char *bce_text_str(const struct text_buf *out)
{
	return out->buf ?: "";
}

/* room for @more bytes and the NUL */
static bool text_reserve(struct text_buf *out, size_t more)
{
	size_t size;
	char *buf;

	if (out->failed || more > (SIZE_MAX >> 2) - out->len)
		goto fail;
	if (out->len + more < out->size)
		return true;

	size = max_t(size_t, TEXT_BUF_MIN_BYTES, 2 * (out->len + more));
	buf = kvmalloc(size, GFP_KERNEL);
	if (!buf)
		goto fail;
	if (out->buf)
		memcpy(buf, out->buf, out->len + 1);
	kvfree(out->buf);
	out->buf = buf;
	out->size = size;
	return true;
fail:
	out->failed = true;
	return false;
}

/* bytes as they are; NULs among them stay, and end the text for whoever reads it as a string */
void bce_text_write(struct text_buf *out, const void *p, size_t len)
{
	if (!text_reserve(out, len))
		return;
	if (len)
		memcpy(out->buf + out->len, p, len);
	out->len += len;
	out->buf[out->len] = '\0';
}

void bce_text_putc(struct text_buf *out, char c)
{
	bce_text_write(out, &c, 1);
}

void bce_text_vprintf(struct text_buf *out, const char *fmt, va_list args)
{
	va_list again;
	int len;

	if (!text_reserve(out, 0))
		return;
	va_copy(again, args);
	len = vsnprintf(out->buf + out->len, out->size - out->len, fmt, args);
	if (len < 0) {
		out->failed = true;
		len = 0;
	} else if (len >= out->size - out->len) {
		if (text_reserve(out, len))
			vsnprintf(out->buf + out->len, out->size - out->len, fmt, again);
		else
			len = 0;
	}
	va_end(again);
	out->len += len;
	out->buf[out->len] = '\0';
}

/**
 * bce_text_printf() - append formatted text
 * @out: the buffer
 * @fmt: as the kernel's printf
 *
 * Context: may sleep when the buffer has to grow.
 */
void bce_text_printf(struct text_buf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	bce_text_vprintf(out, fmt, args);
	va_end(args);
}
