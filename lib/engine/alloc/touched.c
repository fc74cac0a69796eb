// SPDX-License-Identifier: GPL-2.0
/*
 * What a transaction does to buckets and stripes, summed up.
 *
 * Keys come and go one by one; buckets are changed once, at the end of a round of triggers
 * (bucket.c). A bucket that loses a pointer and gains another in one transaction is therefore never
 * seen empty. Sums are kept by bucket and generation: a pointer of the wrong generation must not
 * count. The lists live in the transaction and are searched from one end to the other, as
 * transactions touch few buckets.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/minmax.h>
#include <linux/string.h>

struct touched *alloc_touched(struct bce_trans *t)
{
	return bce_trans_slot(t, TRANS_SLOT_ALLOC, sizeof(struct touched));
}

/* a longer copy of a list that is full */
static void *list_grow(struct bce_trans *t, void *list, unsigned int nr, unsigned int *max,
		       size_t entry_bytes)
{
	unsigned int new_max;
	void *new;

	if (nr < *max)
		return list;
	new_max = max(*max * 2, 8U);
	new = bce_trans_alloc(t, new_max * entry_bytes);
	if (!new)
		return NULL;
	if (nr)
		memcpy(new, list, nr * entry_bytes);
	*max = new_max;
	return new;
}

struct bucket_touch *alloc_touch_bucket(struct bce_trans *t, unsigned int dev, u64 bucket, u8 gen)
{
	struct touched *touched = alloc_touched(t);
	struct bucket_touch *b, *list;

	if (!touched)
		return NULL;
	for (b = touched->bucket; b < touched->bucket + touched->nr_buckets; b++)
		if (b->bucket == bucket && b->dev == dev && b->gen == gen) {
			b->pending = true;
			return b;
		}

	list = list_grow(t, touched->bucket, touched->nr_buckets, &touched->max_buckets,
			 sizeof(*b));
	if (!list)
		return NULL;
	touched->bucket = list;
	b = &list[touched->nr_buckets++];
	*b = (struct bucket_touch) { .bucket = bucket, .dev = dev, .gen = gen, .pending = true };
	return b;
}

struct stripe_touch *alloc_touch_stripe(struct bce_trans *t, u64 idx)
{
	struct touched *touched = alloc_touched(t);
	struct stripe_touch *s, *list;

	if (!touched)
		return NULL;
	for (s = touched->stripe; s < touched->stripe + touched->nr_stripes; s++)
		if (s->idx == idx) {
			s->pending = true;
			return s;
		}

	list = list_grow(t, touched->stripe, touched->nr_stripes, &touched->max_stripes,
			 sizeof(*s));
	if (!list)
		return NULL;
	touched->stripe = list;
	s = &list[touched->nr_stripes++];
	*s = (struct stripe_touch) { .idx = idx, .pending = true };
	return s;
}
