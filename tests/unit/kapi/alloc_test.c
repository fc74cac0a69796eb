// SPDX-License-Identifier: GPL-2.0
/* lib/kapi/alloc.c, mempool.c, percpu.c, shrinker.c: kinds of memory and failing on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/bitmap.h>
#include <linux/list_sort.h>
#include <linux/math.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/percpu-refcount.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "kapi/kapi.h"
#include "kc/kc.h"

static void hush(int level, const char *text)
{
}

static void kinds(void **state)
{
	void *small = kvmalloc(1024, GFP_KERNEL), *big = kvzalloc(100000, GFP_KERNEL);
	struct page *pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);

	assert_false(is_vmalloc_addr(small));
	assert_true(IS_ALIGNED((unsigned long)small, 1024));
	assert_true(is_vmalloc_addr(big));
	assert_true(is_vmalloc_addr((char *)big + 99999));
	assert_false(is_vmalloc_addr((char *)big + PAGE_ALIGN(100000)));
	assert_ptr_equal(page_address(vmalloc_to_page((char *)big + 5000)), (char *)big + 4096);
	assert_null(memchr_inv(big, 0, 100000));
	assert_ptr_equal(page_address(pages + 3), (char *)page_address(pages) + 3 * PAGE_SIZE);
	assert_ptr_equal(virt_to_page((char *)page_address(pages) + 5000), pages + 1);
	__free_pages(pages, 2);
	kvfree(big);
	assert_false(is_vmalloc_addr(big));
	kvfree(small);
	assert_ptr_equal(kmalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	kfree(ZERO_SIZE_PTR);
	assert_null(kcalloc(SIZE_MAX / 2, 4, GFP_KERNEL));
}

static void page_references(void **state)
{
	struct page *page = alloc_page(GFP_KERNEL);

	get_page(page);
	get_page(page);
	put_page(page);
	__free_page(page);
	memset(page_address(page), 1, PAGE_SIZE);
	put_page(page);
}

static void wrong_free(void **state)
{
	void *p = vmalloc(10);

	kapi_set_log(hush);
	kapi_warn_reset();
	kfree(p);
	assert_int_equal(kapi_warn_count(), 1);
	kapi_warn_reset();
	kapi_set_log(NULL);
}

static void fails(void **state)
{
	void *p[4];

	kapi_alloc_fail(3, false);
	for (int i = 0; i < 4; i++)
		p[i] = kmalloc(8, GFP_KERNEL);
	assert_non_null(p[0]);
	assert_non_null(p[1]);
	assert_null(p[2]);
	assert_non_null(p[3]);
	assert_int_equal(kapi_alloc_failed(), 1);
	for (int i = 0; i < 4; i++)
		kfree(p[i]);

	kapi_alloc_fail(1, true);
	assert_null(vmalloc(10));
	assert_null(alloc_page(GFP_KERNEL));
	assert_null(alloc_percpu(int));
	assert_null(kstrdup("x", GFP_KERNEL));
	p[0] = kmalloc(8, GFP_KERNEL | __GFP_NOFAIL);
	assert_non_null(p[0]);
	assert_int_equal(kapi_alloc_failed(), 4);
	kapi_alloc_fail(0, false);
	kfree(p[0]);
}

static void cache_leak(void **state)
{
	struct kmem_cache *c = kmem_cache_create("leaky", 100, 64, 0, NULL);
	void *obj = kmem_cache_zalloc(c, GFP_KERNEL);

	assert_true(IS_ALIGNED((unsigned long)obj, 64));
	assert_null(memchr_inv(obj, 0, 100));
	kapi_set_log(hush);
	kapi_warn_reset();
	kmem_cache_destroy(c);
	assert_int_equal(kapi_warn_count(), 1);
	kapi_warn_reset();
	kapi_set_log(NULL);
	kfree(obj);
}

static void pool(void **state)
{
	mempool_t m;
	void *a, *b;

	assert_int_equal(mempool_init_kmalloc_pool(&m, 1, 64), 0);
	kapi_alloc_fail(1, true);
	a = mempool_alloc(&m, GFP_NOWAIT);
	assert_non_null(a);
	b = mempool_alloc(&m, GFP_NOWAIT);
	assert_null(b);
	mempool_free(a, &m);
	a = mempool_alloc(&m, GFP_NOIO);
	assert_non_null(a);
	kapi_alloc_fail(0, false);
	mempool_free(a, &m);
	mempool_exit(&m);
	kapi_alloc_fail(3, false);
	assert_int_equal(kc_mempool_init_kvmalloc(&m, 4, 64), -ENOMEM);
	kapi_alloc_fail(0, false);
}

static void scopes(void **state)
{
	unsigned int outer = memalloc_nofs_save(), inner = memalloc_nofs_save();

	assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOFS);
	memalloc_nofs_restore(inner);
	assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOFS);
	memalloc_nofs_restore(outer);
	assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_KERNEL);
}

static void per_cpu(void **state)
{
	u64 *first = alloc_percpu(u64), *second = __alloc_percpu(1000, 8), sum = 0;
	unsigned int cpu;

	this_cpu_add(*first, 5);
	this_cpu_inc(*first);
	this_cpu_add(second[100], 9);
	for_each_possible_cpu(cpu)
		sum += *per_cpu_ptr(first, cpu);
	assert_int_equal(sum, 6);
	free_percpu(first);
	first = alloc_percpu(u64);
	assert_int_equal(this_cpu_read(*first), 0);
	assert_int_equal(this_cpu_read(second[100]), 9);
	free_percpu(first);
	free_percpu(second);
}

static int released;

static void on_release(struct percpu_ref *ref)
{
	released++;
}

static void ref(void **state)
{
	struct percpu_ref r;

	assert_int_equal(percpu_ref_init(&r, on_release, 0, GFP_KERNEL), 0);
	assert_true(percpu_ref_tryget_live(&r));
	percpu_ref_kill(&r);
	assert_false(percpu_ref_tryget_live(&r));
	assert_true(percpu_ref_tryget(&r));
	percpu_ref_put(&r);
	assert_int_equal(released, 0);
	percpu_ref_put(&r);
	assert_int_equal(released, 1);
	assert_false(percpu_ref_tryget(&r));
	percpu_ref_reinit(&r);
	assert_true(percpu_ref_tryget_live(&r));
	percpu_ref_put(&r);
	percpu_ref_exit(&r);
}

static unsigned long cached;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return *(unsigned long *)kc_shrinker_private(s);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = min(cached, sc->nr_to_scan);

	cached -= n;
	return n;
}

static void shrinks(void **state)
{
	struct shrinker *s = kc_shrinker_alloc("test");

	cached = 100;
	kc_shrinker_set_private(s, &cached);
	s->count_objects = count;
	s->scan_objects = scan;
	assert_int_equal(kc_shrinker_register(s), 0);
	assert_int_equal(kapi_shrink_all(30), 30);
	assert_int_equal(kapi_shrink_all(~0UL), 70);
	kc_shrinker_free(s);
	cached = 5;
	assert_int_equal(kapi_shrink_all(~0UL), 0);
}

static void bits(void **state)
{
	DECLARE_BITMAP(map, 200) = { 0 };
	unsigned int bit, seen = 0;

	bitmap_set(map, 60, 70);
	assert_int_equal(bitmap_weight(map, 200), 70);
	assert_int_equal(find_first_bit(map, 200), 60);
	assert_int_equal(find_next_zero_bit(map, 200, 60), 130);
	assert_int_equal(find_last_bit(map, 200), 129);
	bitmap_clear(map, 64, 64);
	for_each_set_bit(bit, map, 200)
		seen = seen * 3 + bit;
	assert_int_equal(bitmap_weight(map, 200), 6);
	assert_int_equal(seen, ((((60u * 3 + 61) * 3 + 62) * 3 + 63) * 3 + 128) * 3 + 129);
	assert_int_equal(find_next_bit(map, 129, 129), 129);
	assert_int_equal(int_sqrt(99), 9);
	assert_int_equal(int_sqrt(100), 10);
}

static int cmp_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void sorts(void **state)
{
	u32 v[100];

	for (int n = 0; n <= 100; n++) {
		for (int i = 0; i < n; i++)
			v[i] = i * 7919 % 101;
		sort(v, n, sizeof(v[0]), cmp_u32, NULL);
		for (int i = 1; i < n; i++)
			assert_true(v[i - 1] <= v[i]);
	}
}

struct item {
	struct list_head list;
	int key, order;
};

static int cmp_item(void *priv, const struct list_head *a, const struct list_head *b)
{
	return list_entry(a, struct item, list)->key - list_entry(b, struct item, list)->key;
}

static void list_sorts(void **state)
{
	struct item items[50], *p, *last = NULL;
	LIST_HEAD(head);
	int n = 0;

	for (int i = 0; i < 50; i++) {
		items[i].key = i * 17 % 10;
		items[i].order = i;
		list_add_tail(&items[i].list, &head);
	}
	list_sort(NULL, &head, cmp_item);
	list_for_each_entry(p, &head, list) {
		assert_true(!last || last->key < p->key ||
			    (last->key == p->key && last->order < p->order));
		last = p;
		n++;
	}
	assert_int_equal(n, 50);
	assert_ptr_equal(head.prev, &last->list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(page_references),
		cmocka_unit_test(wrong_free),
		cmocka_unit_test(fails),
		cmocka_unit_test(cache_leak),
		cmocka_unit_test(pool),
		cmocka_unit_test(scopes),
		cmocka_unit_test(per_cpu),
		cmocka_unit_test(ref),
		cmocka_unit_test(shrinks),
		cmocka_unit_test(bits),
		cmocka_unit_test(sorts),
		cmocka_unit_test(list_sorts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
