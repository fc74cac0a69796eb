// SPDX-License-Identifier: GPL-2.0
/*
 * Per-cpu memory and references.
 *
 * One reserved region holds NR_CPUS strides of address space; an object has the same offset in
 * each. Untouched strides cost nothing. A free list of ranges, in order of address and merged,
 * hands out space, first fit. A guard of one cache line keeps objects of different owners apart.
 *
 * percpu_ref is one atomic: its count starts at 1, the initial reference, which killing drops.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/align.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/percpu-refcount.h>
#include <linux/percpu.h>

#include "kapi/alloc.h"

#define UNIT_BYTES	64UL

struct range {
	struct range *next;
	unsigned long start;
	unsigned long bytes;
};

static char *region;
static struct range *free_ranges, *used_ranges;
static pthread_mutex_t region_lock = PTHREAD_MUTEX_INITIALIZER;

static struct range *range_make(unsigned long start, unsigned long bytes, struct range *next)
{
	struct range *r = malloc(sizeof(*r));

	BUG_ON(!r);
	*r = (struct range){ .next = next, .start = start, .bytes = bytes };
	return r;
}

static void region_make(void)
{
	region = mmap(NULL, NR_CPUS * KAPI_PERCPU_STRIDE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	BUG_ON(region == MAP_FAILED);
	free_ranges = range_make(0, KAPI_PERCPU_STRIDE, NULL);
}

static bool range_take(unsigned long bytes, unsigned long *start)
{
	for (struct range **r = &free_ranges; *r; r = &(*r)->next) {
		struct range *f = *r;

		if (f->bytes < bytes)
			continue;
		*start = f->start;
		f->start += bytes;
		f->bytes -= bytes;
		if (!f->bytes) {
			*r = f->next;
			free(f);
		}
		return true;
	}
	return false;
}

static void range_give(unsigned long start, unsigned long bytes)
{
	struct range **r = &free_ranges, *prev = NULL, *next;

	while (*r && (*r)->start < start) {
		prev = *r;
		r = &prev->next;
	}
	next = *r;
	if (prev && prev->start + prev->bytes == start) {
		prev->bytes += bytes;
	} else {
		*r = range_make(start, bytes, next);
		prev = *r;
	}
	if (next && prev->start + prev->bytes == next->start) {
		prev->bytes += next->bytes;
		prev->next = next->next;
		free(next);
	}
}

void *kapi_alloc_percpu(size_t bytes, size_t align)
{
	unsigned long start, units;
	bool ok;

	if (kapi_alloc_should_fail(GFP_KERNEL) || bytes > KAPI_PERCPU_STRIDE || align > UNIT_BYTES)
		return NULL;
	units = ALIGN(bytes, UNIT_BYTES) + UNIT_BYTES;
	pthread_mutex_lock(&region_lock);
	if (!region)
		region_make();
	ok = range_take(units, &start);
	if (ok)
		used_ranges = range_make(start, units, used_ranges);
	pthread_mutex_unlock(&region_lock);
	if (!ok)
		return NULL;
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		memset(region + start + cpu * KAPI_PERCPU_STRIDE, 0, bytes);
	return region + start;
}

void free_percpu(void *p)
{
	struct range **r, *gone;

	if (!p)
		return;
	pthread_mutex_lock(&region_lock);
	for (r = &used_ranges; *r && region + (*r)->start != (char *)p; r = &(*r)->next)
		;
	gone = *r;
	BUG_ON(!gone);
	*r = gone->next;
	range_give(gone->start, gone->bytes);
	pthread_mutex_unlock(&region_lock);
	free(gone);
}

/* ---- references ---- */

int percpu_ref_init(struct percpu_ref *ref, percpu_ref_func_t *release, unsigned int flags,
		    gfp_t gfp)
{
	bool dead = flags & PERCPU_REF_INIT_DEAD;

	if (kapi_alloc_should_fail(gfp))
		return -ENOMEM;
	atomic_long_set(&ref->count, dead ? 0 : 1);
	ref->dying = dead;
	ref->release = release;
	return 0;
}

void percpu_ref_exit(struct percpu_ref *ref)
{
	ref->release = NULL;
}

void percpu_ref_put_many(struct percpu_ref *ref, unsigned long nr)
{
	percpu_ref_func_t *release = ref->release;
	long left = atomic_long_sub_return(nr, &ref->count);

	WARN(left < 0, "percpu_ref: too many puts\n");
	if (!left)
		release(ref);
}

void percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_func_t *confirm)
{
	WARN(__atomic_exchange_n(&ref->dying, 1, __ATOMIC_SEQ_CST), "percpu_ref: killed twice\n");
	if (confirm)
		confirm(ref);
	percpu_ref_put_many(ref, 1);
}

void percpu_ref_resurrect(struct percpu_ref *ref)
{
	WARN_ON(!percpu_ref_is_dying(ref));
	atomic_long_inc(&ref->count);
	smp_store_release(&ref->dying, 0);
}

void percpu_ref_reinit(struct percpu_ref *ref)
{
	WARN_ON(!percpu_ref_is_zero(ref));
	percpu_ref_resurrect(ref);
}
