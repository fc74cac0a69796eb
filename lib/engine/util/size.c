// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes as people write them: digits, perhaps a fraction, perhaps a unit. A unit alone or with
 * "iB" counts in powers of 1024, with "B" in powers of 1000.
 */
#include "engine/util/size.h"

#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/overflow.h>
#include <linux/string.h>

#define FRACTION_MAX	1000000000ULL	/* digits after the point beyond that do not matter */

/* what the letters after the number multiply by; 0: they are no unit */
static u64 unit_factor(const char *unit)
{
	static const char letters[] = "kMGTPE";
	u64 base = 1024, factor;
	const char *p;

	if (!*unit || !strcmp(unit, "B"))
		return 1;
	p = *unit == 'K' ? letters : strchr(letters, *unit);
	if (!p)
		return 0;
	if (!strcmp(unit + 1, "B"))
		base = 1000;
	else if (unit[1] && strcmp(unit + 1, "iB"))
		return 0;
	for (factor = base; p > letters; p--)
		factor *= base;
	return factor;
}

static int parse_digits(const char **text, u64 *out)
{
	for (*out = 0; isdigit(**text); ++*text)
		if (check_mul_overflow(*out, 10ULL, out) ||
		    check_add_overflow(*out, (u64)(**text - '0'), out))
			return -ERANGE;
	return 0;
}

/* ".25" of @factor; the rest of the text is left */
static u64 parse_fraction(const char **text, u64 *scale)
{
	u64 fraction = 0;

	for (*scale = 1, ++*text; isdigit(**text); ++*text)
		if (*scale < FRACTION_MAX) {
			fraction = fraction * 10 + (**text - '0');
			*scale *= 10;
		}
	return fraction;
}

int bce_size_parse(const char *text, u64 *bytes)
{
	u64 whole, fraction = 0, scale = 1, factor;
	int ret;

	if (!isdigit(*text))
		return -EINVAL;
	ret = parse_digits(&text, &whole);
	if (ret)
		return ret;
	if (*text == '.')
		fraction = parse_fraction(&text, &scale);
	factor = unit_factor(text);
	if (!factor)
		return -EINVAL;
	/* fraction < scale <= 10^9: divided before it can overflow, to a billionth of the unit */
	fraction = factor / scale * fraction + factor % scale * fraction / scale;
	if (check_mul_overflow(whole, factor, bytes) ||
	    check_add_overflow(*bytes, fraction, bytes))
		return -ERANGE;
	return 0;
}
