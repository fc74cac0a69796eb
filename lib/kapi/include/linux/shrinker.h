/* SPDX-License-Identifier: GPL-2.0 */
/* Shrinkers, called by kapi_shrink_all(). Made through kc_shrinker_alloc(). */
#ifndef KAPI_LINUX_SHRINKER_H
#define KAPI_LINUX_SHRINKER_H

#include <linux/gfp_types.h>
#include <linux/list.h>
#include <linux/types.h>

#define SHRINK_STOP	(~0UL)
#define SHRINK_EMPTY	(~0UL - 1)
#define DEFAULT_SEEKS	2

struct shrink_control {
	gfp_t gfp_mask;
	int nid;
	unsigned long nr_to_scan;
	unsigned long nr_scanned;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *s, struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *s, struct shrink_control *sc);
	long batch;
	int seeks;
	unsigned int flags;
	void *private_data;
	struct list_head list;
	bool kapi_registered;
};

struct shrinker *kapi_shrinker_alloc(void);
void kapi_shrinker_register(struct shrinker *s);
void kapi_shrinker_free(struct shrinker *s);

#endif
