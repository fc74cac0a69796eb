/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_VALUE_H
#define ENGINE_NAMES_VALUE_H

#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/key/bkey.h"

/*
 * Copy a value into the struct that describes it. Values of older versions are
 * shorter: what they lack reads as zero. Newer ones may be longer.
 */
static inline void bkey_value_copy(const struct bkey *k, void *out, size_t bytes)
{
	size_t have = min_t(size_t, bytes, bkey_val_bytes(k));

	memcpy(out, k->v, have);
	memset(out + have, 0, bytes - have);
}

#endif
