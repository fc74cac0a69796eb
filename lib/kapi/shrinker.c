// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinkers. Nothing calls them but kapi_shrink_all(): a test or tool decides when memory is
 * short. The lock is held over the calls, so freeing a shrinker waits for its last one.
 */
#include <limits.h>
#include <pthread.h>

#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include "kapi/kapi.h"

static LIST_HEAD(shrinkers);
static pthread_mutex_t shrinkers_lock = PTHREAD_MUTEX_INITIALIZER;

struct shrinker *kapi_shrinker_alloc(void)
{
	struct shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (s)
		s->seeks = DEFAULT_SEEKS;
	return s;
}

void kapi_shrinker_register(struct shrinker *s)
{
	pthread_mutex_lock(&shrinkers_lock);
	list_add_tail(&s->list, &shrinkers);
	s->kapi_registered = true;
	pthread_mutex_unlock(&shrinkers_lock);
}

void kapi_shrinker_free(struct shrinker *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&shrinkers_lock);
	if (s->kapi_registered)
		list_del(&s->list);
	pthread_mutex_unlock(&shrinkers_lock);
	kfree(s);
}

static unsigned long shrink(struct shrinker *s, unsigned long nr)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };
	unsigned long there = s->count_objects(s, &sc), freed = 0;

	if (there == SHRINK_EMPTY)
		return 0;
	for (nr = min(nr, there); nr; ) {
		unsigned long got;

		sc.nr_to_scan = s->batch ? min_t(unsigned long, nr, s->batch) : nr;
		sc.nr_scanned = sc.nr_to_scan;
		got = s->scan_objects(s, &sc);
		if (got == SHRINK_STOP)
			break;
		freed += got;
		nr -= min(nr, max(sc.nr_scanned, 1UL));
	}
	return freed;
}

unsigned long kapi_shrink_all(unsigned long nr)
{
	unsigned long freed = 0;
	struct shrinker *s;

	pthread_mutex_lock(&shrinkers_lock);
	list_for_each_entry(s, &shrinkers, list)
		freed += shrink(s, nr);
	pthread_mutex_unlock(&shrinkers_lock);
	return freed;
}
