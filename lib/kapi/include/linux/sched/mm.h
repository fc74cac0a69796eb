/* SPDX-License-Identifier: GPL-2.0 */
/* Allocation scopes: kept per thread, visible in current->flags. */
#ifndef KAPI_LINUX_SCHED_MM_H
#define KAPI_LINUX_SCHED_MM_H

#include <linux/gfp_types.h>
#include <linux/mm_types.h>
#include <linux/sched.h>

static inline unsigned int kapi_scope_save(unsigned int flag)
{
	struct task_struct *t = current;
	unsigned int old = t->flags & flag;

	t->flags |= flag;
	return old;
}

static inline void kapi_scope_restore(unsigned int flag, unsigned int old)
{
	struct task_struct *t = current;

	t->flags = (t->flags & ~flag) | old;
}

#define memalloc_nofs_save()		kapi_scope_save(PF_MEMALLOC_NOFS)
#define memalloc_nofs_restore(f)	kapi_scope_restore(PF_MEMALLOC_NOFS, (f))
#define memalloc_noio_save()		kapi_scope_save(PF_MEMALLOC_NOIO)
#define memalloc_noio_restore(f)	kapi_scope_restore(PF_MEMALLOC_NOIO, (f))
#define memalloc_noreclaim_save()	kapi_scope_save(PF_MEMALLOC)
#define memalloc_noreclaim_restore(f)	kapi_scope_restore(PF_MEMALLOC, (f))

static inline gfp_t current_gfp_context(gfp_t gfp)
{
	unsigned int flags = current->flags;

	if (flags & PF_MEMALLOC_NOIO)
		gfp &= ~(__GFP_IO | __GFP_FS);
	else if (flags & PF_MEMALLOC_NOFS)
		gfp &= ~__GFP_FS;
	return gfp;
}

static inline void fs_reclaim_acquire(gfp_t gfp)
{
	(void)gfp;
}

static inline void fs_reclaim_release(gfp_t gfp)
{
	(void)gfp;
}

#endif
