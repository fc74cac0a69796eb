// SPDX-License-Identifier: GPL-2.0
/* Bitmaps, word by word. */
#include <linux/bitmap.h>
#include <linux/find.h>

/* Bits of word @i that lie in [from, nbits). */
static unsigned long word_mask(unsigned long i, unsigned long from, unsigned long nbits)
{
	unsigned long mask = ~0UL;

	if (i == from / BITS_PER_LONG)
		mask &= BITMAP_FIRST_WORD_MASK(from);
	if (i == (nbits - 1) / BITS_PER_LONG)
		mask &= BITMAP_LAST_WORD_MASK(nbits);
	return mask;
}

/* First bit set in (a ^ flip) & b; @b may be NULL. */
static unsigned long find_next(const unsigned long *a, const unsigned long *b, unsigned long flip,
			       unsigned long nbits, unsigned long from)
{
	for (unsigned long i = from / BITS_PER_LONG; from < nbits && i < BITS_TO_LONGS(nbits); i++) {
		unsigned long w = (READ_ONCE(a[i]) ^ flip) & word_mask(i, from, nbits);

		if (b)
			w &= READ_ONCE(b[i]);
		if (w)
			return i * BITS_PER_LONG + __ffs(w);
	}
	return nbits;
}

unsigned long find_next_bit(const unsigned long *p, unsigned long nbits, unsigned long from)
{
	return find_next(p, NULL, 0, nbits, from);
}

unsigned long find_next_zero_bit(const unsigned long *p, unsigned long nbits, unsigned long from)
{
	return find_next(p, NULL, ~0UL, nbits, from);
}

unsigned long find_next_and_bit(const unsigned long *a, const unsigned long *b,
				unsigned long nbits, unsigned long from)
{
	return find_next(a, b, 0, nbits, from);
}

unsigned long find_last_bit(const unsigned long *p, unsigned long nbits)
{
	for (unsigned long i = BITS_TO_LONGS(nbits); i--; ) {
		unsigned long w = p[i] & word_mask(i, 0, nbits);

		if (w)
			return i * BITS_PER_LONG + __fls(w);
	}
	return nbits;
}

void bitmap_set(unsigned long *map, unsigned int start, unsigned int nbits)
{
	unsigned int end = start + nbits;

	for (unsigned int i = start / BITS_PER_LONG; nbits && i < BITS_TO_LONGS(end); i++)
		map[i] |= word_mask(i, start, end);
}

void bitmap_clear(unsigned long *map, unsigned int start, unsigned int nbits)
{
	unsigned int end = start + nbits;

	for (unsigned int i = start / BITS_PER_LONG; nbits && i < BITS_TO_LONGS(end); i++)
		map[i] &= ~word_mask(i, start, end);
}

unsigned int bitmap_weight(const unsigned long *map, unsigned int nbits)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		n += hweight_long(map[i] & word_mask(i, 0, nbits));
	return n;
}

bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		unsigned int nbits)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		any |= (dst[i] = a[i] & b[i] & word_mask(i, 0, nbits));
	return any;
}

void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
	       unsigned int nbits)
{
	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		dst[i] = a[i] | b[i];
}

bool bitmap_andnot(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		   unsigned int nbits)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		any |= (dst[i] = a[i] & ~b[i] & word_mask(i, 0, nbits));
	return any;
}

void bitmap_complement(unsigned long *dst, const unsigned long *src, unsigned int nbits)
{
	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		dst[i] = ~src[i];
}

bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		if ((a[i] ^ b[i]) & word_mask(i, 0, nbits))
			return false;
	return true;
}

bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	return find_next_and_bit(a, b, nbits, 0) < nbits;
}

bool bitmap_subset(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	for (unsigned int i = 0; i < BITS_TO_LONGS(nbits); i++)
		if (a[i] & ~b[i] & word_mask(i, 0, nbits))
			return false;
	return true;
}
