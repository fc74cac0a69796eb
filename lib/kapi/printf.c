// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's printf: what the C library formats, and the pointer extensions besides.
 *
 * The format is cut into single conversions. An ordinary one is rebuilt with its flags and handed
 * to the C library with the argument fetched in its own type; %p followed by a known letter is
 * formatted here:
 *
 *	%pU[bBlL]	UUID: b (default) as stored, l as a GUID; capitals for upper case
 *	%pV		struct va_format, recursively
 *	%pg		name of a struct block_device
 *	%pe		error pointer as -NAME, or -number where we know no name
 *	%*ph[CDN]	bytes in hex, apart by blank, colon, dash, nothing; at most 64
 *
 * %s takes NULL, as in the kernel. Anything else after %p prints the address, as %px would: user
 * space has nothing to hide from itself. %n is not supported, as in the kernel.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/types.h>

#include "kapi/kapi.h"

#undef snprintf
#undef vsnprintf

struct out {
	char *buf;
	size_t size;
	/* Length so far, counted on past the end of the buffer. */
	size_t len;
};

struct spec {
	char flags[8];
	int width;		/* -1: none */
	int precision;		/* -1: none */
	char length[3];		/* "", hh, h, l, ll, z, t, j */
	char conv;
};

static void out_mem(struct out *o, const char *s, size_t n)
{
	if (o->len < o->size) {
		size_t room = o->size - o->len;

		memcpy(o->buf + o->len, s, n < room ? n : room);
	}
	o->len += n;
}

/* Text of an extension, padded to the width. */
static void out_padded(struct out *o, const struct spec *sp, const char *s)
{
	size_t n = strlen(s), pad = sp->width > 0 && (size_t)sp->width > n ? sp->width - n : 0;
	bool left = strchr(sp->flags, '-');

	for (size_t i = 0; !left && i < pad; i++)
		out_mem(o, " ", 1);
	out_mem(o, s, n);
	for (size_t i = 0; left && i < pad; i++)
		out_mem(o, " ", 1);
}

static void format_of(const struct spec *sp, char *fmt, size_t size)
{
	char width[16] = "", precision[16] = "";

	if (sp->width >= 0)
		snprintf(width, sizeof(width), "%d", sp->width);
	if (sp->precision >= 0)
		snprintf(precision, sizeof(precision), ".%d", sp->precision);
	snprintf(fmt, size, "%%%s%s%s%s%c", sp->flags, width, precision, sp->length, sp->conv);
}

static void out_library(struct out *o, const struct spec *sp, ...)
{
	char fmt[64], *at = o->len < o->size ? o->buf + o->len : NULL;
	va_list args;
	int n;

	format_of(sp, fmt, sizeof(fmt));
	va_start(args, sp);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = vsnprintf(at, at ? o->size - o->len : 0, fmt, args);
#pragma GCC diagnostic pop
	va_end(args);
	if (n > 0)
		o->len += n;
}

static void out_uuid(struct out *o, const struct spec *sp, const u8 *u, char kind)
{
	static const u8 uuid_order[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	static const u8 guid_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	const u8 *order = kind == 'l' || kind == 'L' ? guid_order : uuid_order;
	bool upper = kind == 'B' || kind == 'L';
	char text[40], *p = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, upper ? "%02X" : "%02x", u[order[i]]);
	}
	out_padded(o, sp, text);
}

static void out_hex(struct out *o, const struct spec *sp, const u8 *p, char kind)
{
	const char *between = kind == 'C' ? ":" : kind == 'D' ? "-" : kind == 'N' ? "" : " ";
	int n = sp->width < 0 ? 1 : sp->width > 64 ? 64 : sp->width;
	char byte[3];

	for (int i = 0; i < n; i++) {
		snprintf(byte, sizeof(byte), "%02x", p[i]);
		if (i)
			out_mem(o, between, strlen(between));
		out_mem(o, byte, 2);
	}
}

static void out_error(struct out *o, const struct spec *sp, long error)
{
	const char *name = error < 0 && error >= -4095 ? strerrorname_np(-error) : NULL;
	char text[32];

	if (name)
		snprintf(text, sizeof(text), "-%s", name);
	else
		snprintf(text, sizeof(text), "%ld", error);
	out_padded(o, sp, text);
}

static void out_format(struct out *o, const char *fmt, va_list *args);

static void out_va_format(struct out *o, const struct va_format *vf)
{
	va_list copy;

	va_copy(copy, *vf->va);
	out_format(o, vf->fmt, &copy);
	va_end(copy);
}

/* Return: letters after the p that belong to the conversion. */
static int out_pointer(struct out *o, const struct spec *sp, const char *ext, const void *p)
{
	struct spec plain = *sp;

	switch (ext[0]) {
	case 'U':
		if (!p)
			break;
		out_uuid(o, sp, p, ext[1]);
		return ext[1] && strchr("bBlL", ext[1]) ? 2 : 1;
	case 'V':
		out_va_format(o, p);
		return 1;
	case 'g':
		out_padded(o, sp, p ? kapi_bdev_name(p) : "(null)");
		return 1;
	case 'e':
		out_error(o, sp, (long)p);
		return 1;
	case 'h':
		if (!p)
			break;
		out_hex(o, sp, p, ext[1]);
		return ext[1] && strchr("CDN", ext[1]) ? 2 : 1;
	case 'x':
	case 'K':
	case 's':
	case 'S':
		out_library(o, &plain, p);
		return 1;
	}
	out_library(o, &plain, p);
	return ext[0] == 'U' || ext[0] == 'h' ? 1 : 0;
}

static void out_integer(struct out *o, const struct spec *sp, va_list *args)
{
	if (!strcmp(sp->length, "ll"))
		out_library(o, sp, va_arg(*args, long long));
	else if (!strcmp(sp->length, "l"))
		out_library(o, sp, va_arg(*args, long));
	else if (!strcmp(sp->length, "z"))
		out_library(o, sp, va_arg(*args, size_t));
	else if (!strcmp(sp->length, "t"))
		out_library(o, sp, va_arg(*args, ptrdiff_t));
	else if (!strcmp(sp->length, "j"))
		out_library(o, sp, va_arg(*args, intmax_t));
	else
		out_library(o, sp, va_arg(*args, int));
}

static int number(const char **p)
{
	int n = 0;

	while (**p >= '0' && **p <= '9' && n < 1000000)
		n = n * 10 + *(*p)++ - '0';
	return n;
}

/* Parses what follows a %; fetches * arguments. */
static const char *parse(const char *p, struct spec *sp, va_list *args)
{
	size_t n = 0;

	*sp = (struct spec){ .width = -1, .precision = -1 };
	for (; *p && strchr("-+ #0", *p); p++)
		if (n < sizeof(sp->flags) - 1 && !strchr(sp->flags, *p))
			sp->flags[n++] = *p;
	if (*p == '*') {
		sp->width = va_arg(*args, int);
		if (sp->width < 0) {
			sp->width = -sp->width;
			if (!strchr(sp->flags, '-'))
				sp->flags[n] = '-';
		}
		p++;
	} else if (*p >= '1' && *p <= '9') {
		sp->width = number(&p);
	}
	if (*p == '.') {
		p++;
		if (*p == '*') {
			sp->precision = va_arg(*args, int);
			p++;
		} else {
			sp->precision = number(&p);
		}
	}
	for (n = 0; *p && strchr("hlztjL", *p); p++)
		if (n < sizeof(sp->length) - 1)
			sp->length[n++] = *p;
	if (!strcmp(sp->length, "L"))
		strcpy(sp->length, "ll");
	sp->conv = *p;
	return *p ? p + 1 : p;
}

static void out_format(struct out *o, const char *fmt, va_list *args)
{
	struct spec sp;
	const char *s;

	while (*fmt) {
		const char *percent = strchrnul(fmt, '%');

		out_mem(o, fmt, percent - fmt);
		if (!*percent)
			return;
		fmt = parse(percent + 1, &sp, args);
		switch (sp.conv) {
		case '%':
			out_mem(o, "%", 1);
			break;
		case 'd': case 'i': case 'u': case 'x': case 'X': case 'o':
			out_integer(o, &sp, args);
			break;
		case 'c':
			out_library(o, &sp, va_arg(*args, int));
			break;
		case 's':
			s = va_arg(*args, const char *);
			out_library(o, &sp, s ? s : "(null)");
			break;
		case 'p':
			fmt += out_pointer(o, &sp, fmt, va_arg(*args, void *));
			break;
		default:
			/* No argument of known type: print the conversion as text. */
			out_mem(o, percent, fmt - percent);
			break;
		}
	}
}

int kapi_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { .buf = buf, .size = size };
	va_list copy;

	va_copy(copy, args);
	out_format(&o, fmt, &copy);
	va_end(copy);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len;
}

int kapi_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = kapi_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

int vscnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	int n = kapi_vsnprintf(buf, size, fmt, args);

	if (!size)
		return 0;
	return (size_t)n < size ? n : (int)(size - 1);
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vscnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

char *kvasprintf(gfp_t gfp, const char *fmt, va_list args)
{
	int n = kapi_vsnprintf(NULL, 0, fmt, args);
	char *text = kmalloc((size_t)n + 1, gfp);

	if (text)
		kapi_vsnprintf(text, (size_t)n + 1, fmt, args);
	return text;
}

char *kasprintf(gfp_t gfp, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = kvasprintf(gfp, fmt, args);
	va_end(args);
	return text;
}
