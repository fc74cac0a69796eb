/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_BDEV_WRITE_H
#define ENGINE_SB_BDEV_WRITE_H

#include <linux/atomic.h>
#include <linux/blk_types.h>
#include <linux/completion.h>
#include <linux/types.h>

struct member_dev;
struct member_table;

/*
 * One write (or flush) of one member, under way between start and its end. On the stack or inside
 * others. Several may be started before the first is waited for.
 */
struct bdev_write {
	atomic_t		pending;	/* bios under way, plus one of the starter */
	int			error;		/* first one */
	u32			sectors;	/* 0: a flush */
	u64			start_ns;
	struct member_dev	*m;
	void			(*done)(struct bdev_write *w);
	struct completion	completion;	/* without @done */
};

/**
 * bce_member_write_start() - submit the write of @bytes at @sector, both whole logical blocks
 * @buf:   kmalloc'ed or vmalloc'ed, 512-byte aligned
 * @flags: REQ_PREFLUSH: what was completed before is stable before this is; REQ_FUA: it is stable
 *         itself at the end; REQ_IDLE and the like
 * @done:  called once, in any context, perhaps before this returns; @w->error says how it went and
 *         @w may be freed. NULL: bce_member_write_wait() must follow.
 *
 * An error is counted on the member. Context: may sleep, memory is got without I/O. An I/O
 * reference on @m, @w and @buf must stay until the end.
 */
void bce_member_write_start(struct bdev_write *w, struct member_dev *m, u64 sector,
			    const void *buf, size_t bytes, blk_opf_t flags,
			    void (*done)(struct bdev_write *w));
/* all that was completed before goes to stable storage; as above */
void bce_member_flush_start(struct bdev_write *w, struct member_dev *m,
			    void (*done)(struct bdev_write *w));
/* Return: 0 or negative errno of the device */
int bce_member_write_wait(struct bdev_write *w);

/**
 * bce_member_write_sync() - write @bytes (a multiple of 512) at @sector and wait
 * On devices with larger logical blocks the blocks at either end are read first; nobody else may
 * write to them meanwhile. Context: may sleep. Return: 0 or negative errno.
 */
int bce_member_write_sync(struct member_dev *m, u64 sector, const void *buf, size_t bytes,
			  blk_opf_t flags);

/**
 * bce_members_flush() - flush several members at the same time
 * @mask: bit per member
 * Context: may sleep. Return: bits of those that were not flushed: absent or failed.
 */
u64 bce_members_flush(struct member_table *t, u64 mask);

#endif
