/* SPDX-License-Identifier: GPL-2.0 */
/* A small tree of snapshots for tests of iteration. */
#ifndef TESTS_UNIT_BTREE_SNAPSHOT_TREE_H
#define TESTS_UNIT_BTREE_SNAPSHOT_TREE_H

#include <linux/types.h>

/* snapshot tree: 1000 is the root, 900 and 800 its children, 850 below 900, 700 below 800 */
static const u32 snapshots[] = { 700, 800, 850, 900, 1000 };

static bool is_ancestor(const void *ctx, u32 id, u32 ancestor)
{
	static const u32 parent[][2] = {
		{ 700, 800 }, { 800, 1000 }, { 850, 900 }, { 900, 1000 }, { 1000, 0 },
	};
	unsigned int i;

	while (id && id != ancestor)
		for (i = 0; i < 5; i++)
			if (parent[i][0] == id) {
				id = parent[i][1];
				break;
			}
	return id == ancestor;
}

#endif
