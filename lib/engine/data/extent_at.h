/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_EXTENT_AT_H
#define ENGINE_DATA_EXTENT_AT_H

#include <bcachefs/read.h>

#include "engine/btree/iter.h"

struct btrees;

/**
 * bce_data_extent_at() - what lies at a position of a file
 * Source: as bce_extent_at() in <bcachefs/read.h>. Return: 0, -EIO, -ENOMEM.
 */
int bce_data_extent_at(struct btrees *b, u64 inum, const struct snapshot_view *view, u64 sector,
		       struct bce_extent *out);

#endif
