// SPDX-License-Identifier: GPL-2.0
/*
 * The engine as a module: what lives as long as it is loaded.
 *
 * Sets are started by work that drops its own reference last, so it can run when
 * nobody holds the set any more and the target's module is gone. Destroying the
 * queue at unload waits for such leftovers.
 */
#include "engine/set/set_internal.h"

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/workqueue.h>

struct workqueue_struct *bce_set_start_wq;

static int __init bce_engine_init(void)
{
	bce_set_start_wq = alloc_workqueue("bce_set_start", WQ_UNBOUND, 0);
	return bce_set_start_wq ? 0 : -ENOMEM;
}

static void __exit bce_engine_exit(void)
{
	destroy_workqueue(bce_set_start_wq);
}

module_init(bce_engine_init);
module_exit(bce_engine_exit);

MODULE_DESCRIPTION("bcachefs engine: keys, journal, btrees, data path");
MODULE_LICENSE("GPL");
