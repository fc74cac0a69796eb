/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program (test or tool) says to the stand-in for the kernel. Engine sources never include
 * this: they see <linux/...> only.
 */
#ifndef KAPI_KAPI_H
#define KAPI_KAPI_H

#include <linux/blk_types.h>
#include <linux/types.h>

/* ---- messages ---- */

/**
 * typedef kapi_log_fn - receives one message of the kernel log
 * @level: 0 (emergency) to 7 (debug); -1 continues the line before
 * @text:  formatted, without the level mark, usually ending in a newline
 */
typedef void (*kapi_log_fn)(int level, const char *text);

/**
 * kapi_set_log() - route the kernel log
 * @fn: receiver; NULL for the default: levels up to kapi_set_log_level() to standard error
 */
void kapi_set_log(kapi_log_fn fn);

/* Default receiver prints levels up to @level; at the start 6, or the environment KAPI_LOGLEVEL. */
void kapi_set_log_level(int level);

/* Warnings since the start (or the last reset): WARN_ON() and its kin, refcount misuse, leaks. */
unsigned int kapi_warn_count(void);
void kapi_warn_reset(void);

/* ---- allocation failures ---- */

/**
 * kapi_alloc_fail() - make an allocation fail
 * @nth:  the allocation to fail, 1 for the next one; 0 for none
 * @from: fail every one from there on
 *
 * Counts slab, page, vmalloc, per-cpu and cache allocations of the whole process; __GFP_NOFAIL
 * ones never fail. The environment KAPI_FAIL_ALLOC=n does the same from the start. Use: raise n
 * until kapi_alloc_failed() stays 0.
 */
void kapi_alloc_fail(u64 nth, bool from);

/* Memory is short: what may not wait for it gets none, all others do. */
void kapi_alloc_fail_nowait(bool on);

/* Allocations failed on purpose since kapi_alloc_fail(). */
u64 kapi_alloc_failed(void);

/* ---- block devices ---- */

/**
 * kapi_bdev_open() - open a block device, or a file that stands for one
 * @path:  where
 * @flags: O_RDONLY or O_RDWR; with O_EXCL a device is claimed, as a mount claims it, and a file
 *         locked against others who ask for the same
 *
 * Return: device, or ERR_PTR: what open(2) says, -EINVAL for what is neither device nor file.
 */
struct block_device *kapi_bdev_open(const char *path, int flags);

/* The same for an open descriptor, which the device owns from then on, also on failure. */
struct block_device *kapi_bdev_from_fd(int fd, const char *name, int flags);

/* Waits for the I/O under way, then closes. */
void kapi_bdev_close(struct block_device *bdev);

/* Last part of the path. */
const char *kapi_bdev_name(const struct block_device *bdev);

/* Replace the values asked of the device, for tests: a power of two from 512 to 65536. */
void kapi_bdev_set_block_size(struct block_device *bdev, unsigned int bytes);

/**
 * struct kapi_bdev_fault - what a test does to the I/O of a device
 * @submit: called by the submitter, before anything is done with the bio
 * @before: called with the bio as submitted; anything but BLK_STS_OK fails it untouched
 * @after:  called after a successful transfer, bi_iter as submitted: may change data and status
 * @priv:   handed to all
 *
 * @before and @after run in an I/O thread, several at once. Each may be NULL.
 */
struct kapi_bdev_fault {
	void (*submit)(struct bio *bio, void *priv);
	blk_status_t (*before)(struct bio *bio, void *priv);
	blk_status_t (*after)(struct bio *bio, void *priv);
	void *priv;
};

/* Install @fault (which must outlive its use), or remove it with NULL. */
void kapi_bdev_set_fault(struct block_device *bdev, const struct kapi_bdev_fault *fault);

/* ---- memory pressure ---- */

/**
 * kapi_shrink_all() - call every shrinker
 * @nr: objects each is asked to free at most; ULONG_MAX for what it counts
 *
 * Return: objects freed.
 */
unsigned long kapi_shrink_all(unsigned long nr);

#endif
