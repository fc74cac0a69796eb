// SPDX-License-Identifier: GPL-2.0
/*
 * Reading all nodes, top down. The btree room checks and reports while it
 * reads; here it is only seen to that everything is read, and counted.
 */
#include "engine/check/check.h"

#include <linux/errno.h>
#include <linux/export.h>

#include "engine/btree/btrees.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"

struct node_walk {
	struct check	*c;
	unsigned int	btree_id;
};

static int count_node(void *ctx, const struct btree_node_view *v)
{
	struct node_walk *w = ctx;
	struct check *c = w->c;

	c->nodes++;
	if (v->error == -ENOMEM)
		return v->error;
	if (v->error)
		c->unreadable_nodes++;
	else if (!v->level)
		c->keys += v->nr_keys;
	if (c->progress)
		c->progress(c->progress_ctx, bce_btree_name(w->btree_id), c->keys, 0);
	return 0;
}

int bce_check_nodes(struct check *c)
{
	for (unsigned int id = 0; id < BTREE_ID_NR; id++) {
		struct node_walk w = { .c = c, .btree_id = id };
		int ret = bce_btree_for_each_node(c->btrees, id, count_node, &w);

		/* unreadable parts are findings already */
		if (ret == -ENOMEM)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(bce_check_nodes);
