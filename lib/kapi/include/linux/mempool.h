/* SPDX-License-Identifier: GPL-2.0 */
/* Allocation that cannot fail when it may sleep. */
#ifndef KAPI_LINUX_MEMPOOL_H
#define KAPI_LINUX_MEMPOOL_H

#include <linux/slab.h>
#include <linux/types.h>

typedef void *(mempool_alloc_t)(gfp_t gfp, void *pool_data);
typedef void (mempool_free_t)(void *element, void *pool_data);

struct kapi_mempool;
typedef struct mempool_s {
	struct kapi_mempool *kapi;
	int min_nr;
	void *pool_data;
	mempool_alloc_t *alloc;
	mempool_free_t *free;
} mempool_t;

int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc, mempool_free_t *free,
		 void *pool_data);
void mempool_exit(mempool_t *pool);
mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc, mempool_free_t *free,
			  void *pool_data);
void mempool_destroy(mempool_t *pool);
int mempool_resize(mempool_t *pool, int min_nr);
void *mempool_alloc(mempool_t *pool, gfp_t gfp) __must_check;
void mempool_free(void *element, mempool_t *pool);

mempool_alloc_t mempool_alloc_slab, mempool_kmalloc, mempool_kvmalloc, mempool_alloc_pages;
mempool_free_t mempool_free_slab, mempool_kfree, mempool_kvfree, mempool_free_pages;

static inline bool mempool_initialized(mempool_t *pool)
{
	return pool->kapi != NULL;
}

static inline int mempool_init_slab_pool(mempool_t *pool, int min_nr, struct kmem_cache *c)
{
	return mempool_init(pool, min_nr, mempool_alloc_slab, mempool_free_slab, c);
}

static inline mempool_t *mempool_create_slab_pool(int min_nr, struct kmem_cache *c)
{
	return mempool_create(min_nr, mempool_alloc_slab, mempool_free_slab, c);
}

static inline int mempool_init_kmalloc_pool(mempool_t *pool, int min_nr, size_t bytes)
{
	return mempool_init(pool, min_nr, mempool_kmalloc, mempool_kfree, (void *)bytes);
}

static inline mempool_t *mempool_create_kmalloc_pool(int min_nr, size_t bytes)
{
	return mempool_create(min_nr, mempool_kmalloc, mempool_kfree, (void *)bytes);
}

static inline int mempool_init_page_pool(mempool_t *pool, int min_nr, int order)
{
	return mempool_init(pool, min_nr, mempool_alloc_pages, mempool_free_pages,
			    (void *)(long)order);
}

static inline mempool_t *mempool_create_page_pool(int min_nr, int order)
{
	return mempool_create(min_nr, mempool_alloc_pages, mempool_free_pages,
			      (void *)(long)order);
}

#endif
