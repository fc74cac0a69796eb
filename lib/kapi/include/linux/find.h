/* SPDX-License-Identifier: GPL-2.0 */
/* Searching bitmaps. */
#ifndef KAPI_LINUX_FIND_H
#define KAPI_LINUX_FIND_H

#include <linux/types.h>

/* All return @nbits when nothing is found. */
unsigned long find_next_bit(const unsigned long *p, unsigned long nbits, unsigned long from);
unsigned long find_next_zero_bit(const unsigned long *p, unsigned long nbits, unsigned long from);
unsigned long find_next_and_bit(const unsigned long *a, const unsigned long *b,
				unsigned long nbits, unsigned long from);
unsigned long find_last_bit(const unsigned long *p, unsigned long nbits);

static inline unsigned long find_first_bit(const unsigned long *p, unsigned long nbits)
{
	return find_next_bit(p, nbits, 0);
}

static inline unsigned long find_first_zero_bit(const unsigned long *p, unsigned long nbits)
{
	return find_next_zero_bit(p, nbits, 0);
}

#endif
