/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_BDEV_READ_H
#define ENGINE_SB_BDEV_READ_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/types.h>

struct block_device;

/* One read into kernel memory, under way between start and wait. On the stack or inside others. */
struct bdev_read {
	atomic_t		pending;	/* bios under way, plus one of the starter */
	int			error;		/* first one */
	struct completion	done;
	void			*buf;
	size_t			bytes;
};

/**
 * bce_bdev_read_start() - submit the read of @bytes at @sector, both whole logical blocks
 * @buf: kmalloc'ed or vmalloc'ed, 512-byte aligned
 * Context: may sleep. The device, @r and @buf must stay until bce_bdev_read_wait().
 */
void bce_bdev_read_start(struct bdev_read *r, struct block_device *bdev, u64 sector, void *buf,
			 size_t bytes);
/* Return: 0 or negative errno of the device */
int bce_bdev_read_wait(struct bdev_read *r);

#endif
