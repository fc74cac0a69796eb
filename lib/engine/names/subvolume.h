/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_SUBVOLUME_H
#define ENGINE_NAMES_SUBVOLUME_H

#include "engine/key/bkey.h"

struct subvolume_info;

/* @k: of type subvolume */
void bce_subvolume_decode(const struct bkey *k, struct subvolume_info *out);

#endif
