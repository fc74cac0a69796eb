// SPDX-License-Identifier: GPL-2.0
/*
 * Memory: slab, caches, vmalloc, pages.
 *
 * Everything comes from the C library, one object a block, so that the sanitizers see each object
 * by itself. A struct page is the page it describes, so mapping between the two is a cast; the
 * few pages with more than one reference have their extra count in a table.
 *
 * vmalloc areas are kept in a tree by address, for is_vmalloc_addr() to answer truthfully: code
 * that treats the two kinds of memory differently shall meet both in tests.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include <linux/bug.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "kapi/alloc.h"
#include "kapi/kapi.h"

#define KVMALLOC_SLAB_BYTES	(32UL << 10)

/* ---- failing on purpose ---- */

static struct {
	bool armed;
	bool from;
	u64 nth;
	u64 seen;
	u64 failed;
} fail;
static pthread_mutex_t fail_lock = PTHREAD_MUTEX_INITIALIZER;

void kapi_alloc_fail(u64 nth, bool from)
{
	pthread_mutex_lock(&fail_lock);
	fail.nth = nth;
	fail.from = from;
	fail.seen = 0;
	fail.failed = 0;
	WRITE_ONCE(fail.armed, nth != 0);
	pthread_mutex_unlock(&fail_lock);
}

static bool fail_nowait;

void kapi_alloc_fail_nowait(bool on)
{
	WRITE_ONCE(fail_nowait, on);
}

u64 kapi_alloc_failed(void)
{
	u64 n;

	pthread_mutex_lock(&fail_lock);
	n = fail.failed;
	pthread_mutex_unlock(&fail_lock);
	return n;
}

static void __attribute__((constructor)) fail_from_environment(void)
{
	const char *nth = getenv("KAPI_FAIL_ALLOC");

	if (nth)
		kapi_alloc_fail(strtoull(nth, NULL, 0), false);
}

bool kapi_alloc_should_fail(gfp_t gfp)
{
	bool hit;

	if (unlikely(READ_ONCE(fail_nowait)) && !gfpflags_allow_blocking(gfp))
		return true;
	if (likely(!READ_ONCE(fail.armed)) || (gfp & __GFP_NOFAIL))
		return false;
	pthread_mutex_lock(&fail_lock);
	fail.seen++;
	hit = fail.nth && (fail.seen == fail.nth || (fail.from && fail.seen > fail.nth));
	fail.failed += hit;
	pthread_mutex_unlock(&fail_lock);
	return hit;
}

/* ---- blocks ---- */

static void *block_alloc(size_t bytes, size_t align, gfp_t gfp)
{
	void *p;

	if (kapi_alloc_should_fail(gfp))
		return NULL;
	if (bytes > PTRDIFF_MAX || posix_memalign(&p, max_t(size_t, align, sizeof(void *)), bytes)) {
		BUG_ON(gfp & __GFP_NOFAIL);
		return NULL;
	}
	if (gfp & __GFP_ZERO)
		memset(p, 0, bytes);
	return p;
}

/* Powers of two are aligned to their size, as the kernel promises. */
static size_t natural_align(size_t bytes)
{
	return is_power_of_2(bytes) ? min_t(size_t, bytes, PAGE_SIZE) : ARCH_KMALLOC_MINALIGN;
}

void *kmalloc(size_t bytes, gfp_t gfp)
{
	if (!bytes)
		return ZERO_SIZE_PTR;
	if (bytes > KMALLOC_MAX_SIZE) {
		WARN(!(gfp & __GFP_NOWARN) && bytes <= PTRDIFF_MAX,
		     "kmalloc of %zu bytes can never succeed in the kernel\n", bytes);
		return NULL;
	}
	return block_alloc(bytes, natural_align(bytes), gfp);
}

void kfree(const void *p)
{
	if (ZERO_OR_NULL_PTR(p))
		return;
	if (WARN(is_vmalloc_addr(p), "kfree() of memory from vmalloc()\n")) {
		vfree(p);
		return;
	}
	free((void *)p);
}

size_t ksize(const void *p)
{
	return ZERO_OR_NULL_PTR(p) ? 0 : malloc_usable_size((void *)p);
}

void kfree_sensitive(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		memzero_explicit((void *)p, ksize(p));
	kfree(p);
}

void *krealloc(const void *p, size_t bytes, gfp_t gfp)
{
	size_t old = ksize(p);
	void *n;

	if (!bytes) {
		kfree(p);
		return ZERO_SIZE_PTR;
	}
	n = kmalloc(bytes, gfp);
	if (!n)
		return NULL;
	if (old)
		memcpy(n, p, min(old, bytes));
	kfree(p);
	return n;
}

/* ---- vmalloc ---- */

struct varea {
	unsigned long start;
	unsigned long end;
};

static void *vareas;
static pthread_rwlock_t vareas_lock = PTHREAD_RWLOCK_INITIALIZER;

/* Areas that overlap are equal: an address finds its area. */
static int varea_cmp(const void *l, const void *r)
{
	const struct varea *a = l, *b = r;

	return a->end <= b->start ? -1 : a->start >= b->end;
}

static struct varea *varea_find(const void *p)
{
	struct varea key = { (unsigned long)p, (unsigned long)p + 1 };
	void *node = tfind(&key, &vareas, varea_cmp);

	return node ? *(struct varea **)node : NULL;
}

bool is_vmalloc_addr(const void *p)
{
	bool found;

	pthread_rwlock_rdlock(&vareas_lock);
	found = varea_find(p);
	pthread_rwlock_unlock(&vareas_lock);
	return found;
}

void *__vmalloc(unsigned long bytes, gfp_t gfp)
{
	struct varea *a;
	void *p;

	if (!bytes)
		return NULL;
	p = block_alloc(PAGE_ALIGN(bytes), PAGE_SIZE, gfp);
	a = p ? malloc(sizeof(*a)) : NULL;
	if (!a) {
		free(p);
		return NULL;
	}
	a->start = (unsigned long)p;
	a->end = a->start + PAGE_ALIGN(bytes);
	pthread_rwlock_wrlock(&vareas_lock);
	BUG_ON(!tsearch(a, &vareas, varea_cmp));
	pthread_rwlock_unlock(&vareas_lock);
	return p;
}

void *vmalloc(unsigned long bytes)
{
	return __vmalloc(bytes, GFP_KERNEL);
}

void *vzalloc(unsigned long bytes)
{
	return __vmalloc(bytes, GFP_KERNEL | __GFP_ZERO);
}

void vfree(const void *p)
{
	struct varea *a;

	if (!p)
		return;
	pthread_rwlock_wrlock(&vareas_lock);
	a = varea_find(p);
	if (a && a->start == (unsigned long)p)
		tdelete(a, &vareas, varea_cmp);
	else
		a = NULL;
	pthread_rwlock_unlock(&vareas_lock);
	if (WARN(!a, "vfree() of memory that is not from vmalloc()\n"))
		return;
	free(a);
	free((void *)p);
}

void *kvmalloc(size_t bytes, gfp_t gfp)
{
	return bytes <= KVMALLOC_SLAB_BYTES ? kmalloc(bytes, gfp) : __vmalloc(bytes, gfp);
}

void kvfree(const void *p)
{
	if (is_vmalloc_addr(p))
		vfree(p);
	else
		kfree(p);
}

void kvfree_sensitive(const void *p, size_t bytes)
{
	if (!ZERO_OR_NULL_PTR(p))
		memzero_explicit((void *)p, bytes);
	kvfree(p);
}

/* ---- pages ---- */

#define REF_BUCKETS	64

/* References beyond the first; a page without an entry has one. */
struct page_ref {
	struct page_ref *next;
	struct page *page;
	unsigned long extra;
};

static struct page_ref *page_refs[REF_BUCKETS];
static pthread_mutex_t page_refs_lock = PTHREAD_MUTEX_INITIALIZER;

static struct page_ref **page_ref_find(struct page *page)
{
	struct page_ref **r = &page_refs[page_to_pfn(page) % REF_BUCKETS];

	while (*r && (*r)->page != page)
		r = &(*r)->next;
	return r;
}

void get_page(struct page *page)
{
	struct page_ref **r;

	pthread_mutex_lock(&page_refs_lock);
	r = page_ref_find(page);
	if (!*r) {
		*r = calloc(1, sizeof(**r));
		BUG_ON(!*r);
		(*r)->page = page;
	}
	(*r)->extra++;
	pthread_mutex_unlock(&page_refs_lock);
}

/* Return: true when that was the last reference. */
static bool page_ref_drop(struct page *page)
{
	struct page_ref **r, *gone = NULL;
	bool last;

	pthread_mutex_lock(&page_refs_lock);
	r = page_ref_find(page);
	last = !*r;
	if (!last && !--(*r)->extra) {
		gone = *r;
		*r = gone->next;
	}
	pthread_mutex_unlock(&page_refs_lock);
	free(gone);
	return last;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	return block_alloc(PAGE_SIZE << order, PAGE_SIZE, gfp);
}

void __free_pages(struct page *page, unsigned int order)
{
	if (page && page_ref_drop(page))
		free(page);
}

void put_page(struct page *page)
{
	__free_pages(page, 0);
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	return (unsigned long)alloc_pages(gfp, order);
}

void free_pages(unsigned long addr, unsigned int order)
{
	__free_pages((struct page *)addr, order);
}

void *alloc_pages_exact(size_t bytes, gfp_t gfp)
{
	return block_alloc(PAGE_ALIGN(bytes), PAGE_SIZE, gfp);
}

void free_pages_exact(void *p, size_t bytes)
{
	free(p);
}

void si_meminfo(struct sysinfo *val)
{
	unsigned long page_bytes = PAGE_SIZE;

	*val = (struct sysinfo){
		.totalram = totalram_pages(),
		.freeram = (unsigned long)get_avphys_pages(),
		.mem_unit = page_bytes,
	};
}

unsigned long totalram_pages(void)
{
	return get_phys_pages();
}

/* ---- caches ---- */

struct kmem_cache {
	char *name;
	unsigned int bytes;
	unsigned int align;
	slab_flags_t flags;
	void (*ctor)(void *obj);
	long out;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int bytes, unsigned int align,
				     slab_flags_t flags, void (*ctor)(void *obj))
{
	struct kmem_cache *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (c)
		c->name = kstrdup(name, GFP_KERNEL);
	if (!c || !c->name) {
		kfree(c);
		BUG_ON(flags & SLAB_PANIC);
		return NULL;
	}
	c->bytes = bytes;
	c->align = align ? align : ARCH_KMALLOC_MINALIGN;
	if (flags & SLAB_HWCACHE_ALIGN)
		c->align = max(c->align, 64U);
	c->flags = flags;
	c->ctor = ctor;
	return c;
}

void kmem_cache_destroy(struct kmem_cache *c)
{
	if (!c)
		return;
	WARN(__atomic_load_n(&c->out, __ATOMIC_ACQUIRE), "slab cache %s still has %ld objects\n",
	     c->name, c->out);
	kfree(c->name);
	kfree(c);
}

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	void *obj = block_alloc(c->bytes, c->align, gfp);

	if (!obj)
		return NULL;
	__atomic_fetch_add(&c->out, 1, __ATOMIC_RELAXED);
	if (c->ctor)
		c->ctor(obj);
	return obj;
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	if (!obj)
		return;
	free(obj);
	__atomic_fetch_sub(&c->out, 1, __ATOMIC_RELEASE);
}

unsigned int kmem_cache_size(struct kmem_cache *c)
{
	return c->bytes;
}
