/* SPDX-License-Identifier: GPL-2.0 */
/* The wrappers of lib/kc/kc.h that engine files use, for user space. */
#ifndef KAPI_KC_KC_H
#define KAPI_KC_KC_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/mempool.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/timer.h>
#include <linux/unaligned.h>

/**
 * kc_shrinker_alloc() - make a shrinker, not yet called by anybody
 * @name: for debugfs, without blanks
 *
 * Set count_objects and scan_objects, then register.
 *
 * Return: shrinker or NULL.
 */
static inline struct shrinker *kc_shrinker_alloc(const char *name)
{
	(void)name;
	return kapi_shrinker_alloc();
}

static inline void kc_shrinker_set_private(struct shrinker *s, void *priv)
{
	s->private_data = priv;
}

static inline void *kc_shrinker_private(struct shrinker *s)
{
	return s->private_data;
}

/* Return: 0 or -ENOMEM. */
static inline int __must_check kc_shrinker_register(struct shrinker *s)
{
	kapi_shrinker_register(s);
	return 0;
}

/* Unregisters if registered; NULL is fine. No call is under way when this returns. */
static inline void kc_shrinker_free(struct shrinker *s)
{
	kapi_shrinker_free(s);
}

/* Is the lock owner @t running, so that spinning for it makes sense? Caller holds RCU. */
static inline bool kc_owner_running(struct task_struct *t)
{
	return task_is_running(t);
}

/* Return: 0 or -errno. */
static inline int kc_mempool_init_kvmalloc(mempool_t *pool, int min_nr, size_t bytes)
{
	return mempool_init(pool, min_nr, mempool_kvmalloc, mempool_kvfree, (void *)bytes);
}

/* Name of a block device as %pg prints it; @buf of BDEVNAME_SIZE bytes. Return: @buf. */
static inline const char *kc_bdev_name(struct block_device *bdev, char *buf)
{
	scnprintf(buf, BDEVNAME_SIZE, "%pg", bdev);
	return buf;
}

#endif
