// SPDX-License-Identifier: GPL-2.0
/*
 * Memory pools: min_nr elements are kept back, and an allocation that may sleep waits for one of
 * them to come home rather than fail.
 *
 * The lock protects the stack of kept elements. An element coming back refills the stack first
 * and wakes one sleeper; a failed ordinary allocation is what brings one to the stack.
 */
#include <pthread.h>
#include <stdlib.h>

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/mempool.h>
#include <linux/slab.h>

struct kapi_mempool {
	pthread_mutex_t lock;
	pthread_cond_t home;
	int kept_nr;
	void **kept;
};

static void pool_drain(mempool_t *pool, int keep)
{
	while (pool->kapi->kept_nr > keep)
		pool->free(pool->kapi->kept[--pool->kapi->kept_nr], pool->pool_data);
}

static int pool_fill(mempool_t *pool)
{
	struct kapi_mempool *k = pool->kapi;

	while (k->kept_nr < pool->min_nr) {
		void *e = pool->alloc(GFP_KERNEL, pool->pool_data);

		if (!e)
			return -ENOMEM;
		k->kept[k->kept_nr++] = e;
	}
	return 0;
}

int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc, mempool_free_t *free_fn,
		 void *pool_data)
{
	struct kapi_mempool *k = kzalloc(sizeof(*k), GFP_KERNEL);

	*pool = (mempool_t){
		.kapi = k, .min_nr = min_nr, .pool_data = pool_data,
		.alloc = alloc, .free = free_fn,
	};
	if (!k)
		return -ENOMEM;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->home, NULL);
	k->kept = kcalloc(min_nr, sizeof(*k->kept), GFP_KERNEL);
	if (!k->kept || pool_fill(pool)) {
		mempool_exit(pool);
		return -ENOMEM;
	}
	return 0;
}

void mempool_exit(mempool_t *pool)
{
	struct kapi_mempool *k = pool->kapi;

	if (!k)
		return;
	if (k->kept)
		pool_drain(pool, 0);
	kfree(k->kept);
	pthread_cond_destroy(&k->home);
	pthread_mutex_destroy(&k->lock);
	kfree(k);
	pool->kapi = NULL;
}

mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc, mempool_free_t *free_fn,
			  void *pool_data)
{
	mempool_t *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (pool && mempool_init(pool, min_nr, alloc, free_fn, pool_data)) {
		kfree(pool);
		return NULL;
	}
	return pool;
}

void mempool_destroy(mempool_t *pool)
{
	if (!pool)
		return;
	mempool_exit(pool);
	kfree(pool);
}

int mempool_resize(mempool_t *pool, int min_nr)
{
	struct kapi_mempool *k = pool->kapi;
	void **kept = kcalloc(min_nr, sizeof(*kept), GFP_KERNEL);
	int error;

	if (!kept)
		return -ENOMEM;
	pthread_mutex_lock(&k->lock);
	pool_drain(pool, min_nr);
	for (int i = 0; i < k->kept_nr; i++)
		kept[i] = k->kept[i];
	kfree(k->kept);
	k->kept = kept;
	pool->min_nr = min_nr;
	error = pool_fill(pool);
	pthread_mutex_unlock(&k->lock);
	return error;
}

void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	struct kapi_mempool *k = pool->kapi;
	void *e = pool->alloc((gfp | __GFP_NOWARN) & ~__GFP_ZERO, pool->pool_data);

	WARN_ON_ONCE(gfp & __GFP_ZERO);
	if (e)
		return e;
	pthread_mutex_lock(&k->lock);
	while (!k->kept_nr && gfpflags_allow_blocking(gfp))
		pthread_cond_wait(&k->home, &k->lock);
	if (k->kept_nr)
		e = k->kept[--k->kept_nr];
	pthread_mutex_unlock(&k->lock);
	return e;
}

void mempool_free(void *element, mempool_t *pool)
{
	struct kapi_mempool *k = pool->kapi;
	bool keep;

	if (!element)
		return;
	pthread_mutex_lock(&k->lock);
	keep = k->kept_nr < pool->min_nr;
	if (keep) {
		k->kept[k->kept_nr++] = element;
		pthread_cond_signal(&k->home);
	}
	pthread_mutex_unlock(&k->lock);
	if (!keep)
		pool->free(element, pool->pool_data);
}

void *mempool_alloc_slab(gfp_t gfp, void *pool_data)
{
	return kmem_cache_alloc(pool_data, gfp);
}

void mempool_free_slab(void *element, void *pool_data)
{
	kmem_cache_free(pool_data, element);
}

void *mempool_kmalloc(gfp_t gfp, void *pool_data)
{
	return kmalloc((size_t)pool_data, gfp);
}

void mempool_kfree(void *element, void *pool_data)
{
	kfree(element);
}

void *mempool_kvmalloc(gfp_t gfp, void *pool_data)
{
	return kvmalloc((size_t)pool_data, gfp);
}

void mempool_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}

void *mempool_alloc_pages(gfp_t gfp, void *pool_data)
{
	return alloc_pages(gfp, (long)pool_data);
}

void mempool_free_pages(void *element, void *pool_data)
{
	__free_pages(element, (long)pool_data);
}
