/* SPDX-License-Identifier: GPL-2.0 */
/* Object allocation. Every allocation passes the injection point of kapi_alloc_fail(). */
#ifndef KAPI_LINUX_SLAB_H
#define KAPI_LINUX_SLAB_H

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

#define ARCH_KMALLOC_MINALIGN	8
#define KMALLOC_MAX_SIZE	(1UL << 22)
#define KMALLOC_MAX_CACHE_SIZE	(2 * PAGE_SIZE)
#define ZERO_SIZE_PTR		((void *)16)
#define ZERO_OR_NULL_PTR(x)	((unsigned long)(x) <= (unsigned long)ZERO_SIZE_PTR)

#define SLAB_HWCACHE_ALIGN	((__force slab_flags_t)0x2000u)
#define SLAB_PANIC		((__force slab_flags_t)0x40000u)
#define SLAB_RECLAIM_ACCOUNT	((__force slab_flags_t)0x20000u)
#define SLAB_MEM_SPREAD		((__force slab_flags_t)0)
#define SLAB_ACCOUNT		((__force slab_flags_t)0x400000u)
#define SLAB_TEMPORARY		SLAB_RECLAIM_ACCOUNT

void *kmalloc(size_t bytes, gfp_t gfp) __must_check;
void *krealloc(const void *p, size_t bytes, gfp_t gfp) __must_check;
void kfree(const void *p);
void kfree_sensitive(const void *p);
size_t ksize(const void *p);
/* Above 32 KiB always from vmalloc, so that both kinds of memory are met in tests. */
void *kvmalloc(size_t bytes, gfp_t gfp) __must_check;
void kvfree(const void *p);
void kvfree_sensitive(const void *p, size_t bytes);

static inline void * __must_check kzalloc(size_t bytes, gfp_t gfp)
{
	return kmalloc(bytes, gfp | __GFP_ZERO);
}

static inline void * __must_check kmalloc_array(size_t n, size_t bytes, gfp_t gfp)
{
	return kmalloc(size_mul(n, bytes), gfp);
}

static inline void * __must_check kcalloc(size_t n, size_t bytes, gfp_t gfp)
{
	return kmalloc_array(n, bytes, gfp | __GFP_ZERO);
}

static inline void * __must_check krealloc_array(void *p, size_t n, size_t bytes, gfp_t gfp)
{
	return krealloc(p, size_mul(n, bytes), gfp);
}

static inline void * __must_check kvzalloc(size_t bytes, gfp_t gfp)
{
	return kvmalloc(bytes, gfp | __GFP_ZERO);
}

static inline void * __must_check kvmalloc_array(size_t n, size_t bytes, gfp_t gfp)
{
	return kvmalloc(size_mul(n, bytes), gfp);
}

static inline void * __must_check kvcalloc(size_t n, size_t bytes, gfp_t gfp)
{
	return kvmalloc_array(n, bytes, gfp | __GFP_ZERO);
}

#define kmalloc_node(bytes, gfp, node)	kmalloc(bytes, gfp)
#define kzalloc_node(bytes, gfp, node)	kzalloc(bytes, gfp)
#define kvmalloc_node(bytes, gfp, node)	kvmalloc(bytes, gfp)

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int bytes, unsigned int align,
				     slab_flags_t flags, void (*ctor)(void *obj));
/* Warns when objects are still out, as the kernel does. */
void kmem_cache_destroy(struct kmem_cache *c);
void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp) __must_check;
void kmem_cache_free(struct kmem_cache *c, void *obj);
unsigned int kmem_cache_size(struct kmem_cache *c);

static inline void * __must_check kmem_cache_zalloc(struct kmem_cache *c, gfp_t gfp)
{
	return kmem_cache_alloc(c, gfp | __GFP_ZERO);
}

#define KMEM_CACHE(s, flags) \
	kmem_cache_create(#s, sizeof(struct s), __alignof__(struct s), (flags), NULL)

#endif
