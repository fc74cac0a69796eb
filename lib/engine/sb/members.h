/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_MEMBERS_H
#define ENGINE_SB_MEMBERS_H

#include <linux/types.h>

#include <bcachefs/stats.h>

#include "engine/sb/sb.h"

struct block_device;
struct member_table;

/*
 * Open devices of a set by member index. A member may vanish (its table is
 * gone) and come back while readers are active: every I/O is made between
 * bce_member_get_io() and bce_member_put_io(), and detaching waits for it.
 */
struct member_dev {
	struct block_device	*bdev;		/* valid while an I/O reference is held */
	u8			idx;
	struct member_info	info;		/* geometry; never changes while attached */
	char			name[32];	/* for messages */
	bool			failed;		/* since it was attached: bce_member_set_failed() */
};

/* an empty table, or NULL */
struct member_table *bce_members_alloc(void);
/* whatever is attached goes; waits for its I/O */
void bce_members_free(struct member_table *t);

/**
 * bce_member_attach() - a device takes its slot
 * @owner: cookie of whoever opened @bdev; a later attach by another owner replaces
 *         the device atomically (a reloaded table), the old one's I/O is waited for
 * Context: may sleep. Return: 0, -EINVAL index, -ENOMEM.
 */
int bce_member_attach(struct member_table *t, unsigned int idx, struct block_device *bdev,
		      const struct member_info *info, const char *name, void *owner);
/* all slots of @owner become empty; returns when no I/O to them is in flight */
void bce_members_detach(struct member_table *t, void *owner);

/* NULL when absent. Context: any; pair with put. */
struct member_dev *bce_member_get_io(struct member_table *t, unsigned int idx);
/* the device may be gone afterwards. Context: any */
void bce_member_put_io(struct member_dev *m);
/*
 * The same for I/O that leaves nothing in the device's cache, flushes and FUA writes: it is not
 * seen by bce_member_quiet_since().
 */
struct member_dev *bce_member_get_io_quietly(struct member_table *t, unsigned int idx);
/**
 * bce_member_quiet_since() - may the device's cache hold anything that was written since?
 * @mark: from the last call, 0 at first; the caller flushes the cache after every call that returns
 *        false, and sets it to 0 should that fail
 *
 * Every write is made under an I/O reference, so it is enough to count these: reads count too.
 * Context: any; a quiet reference to @m held. Return: true if there is nothing to flush.
 */
bool bce_member_quiet_since(struct member_dev *m, u64 *mark);
/*
 * What it holds cannot be relied on any more: others are read first, it is not flushed. For as long as it is
 * attached; what the superblock says is the caller's. Context: any
 */
void bce_member_set_failed(struct member_dev *m);
/* that, or its state was so when it was attached */
bool bce_member_is_failed(const struct member_dev *m);
/* bit per index: those for which that is so */
u64 bce_members_failed(struct member_table *t);
/* bit per index; may be outdated at once */
u64 bce_members_present(struct member_table *t);

/* a read took @ns; failed I/O of any kind counts as an error only. Replicas are chosen by this. Context: any */
void bce_member_io_done(struct member_dev *m, u64 ns, bool error);
/* a write, or (@sectors 0) a flush of the device's cache, took @ns; failed ones as above. Context: any */
void bce_member_write_done(struct member_dev *m, u32 sectors, u64 ns, bool error);
/* mean of late, 0 without samples */
u64 bce_member_latency_ns(struct member_table *t, unsigned int idx);
struct member_counters {
	u64	reads;
	u64	read_sectors;
	u64	io_errors;		/* failed reads and writes */
	u64	write_errors;		/* the writes among them */
	u64	csum_errors;
	u64	latency_ns;
};
/* since the slot got this device (by uuid); atomic counters, read one by one */
void bce_member_counters(struct member_table *t, unsigned int idx, struct member_counters *out);
void bce_member_count_read(struct member_dev *m, u32 sectors);
void bce_member_count_csum_error(struct member_dev *m);
/* since the slot got this device, as the counters. @out->bytes of flushes: 0 */
void bce_member_io_stats(struct member_table *t, unsigned int idx, enum bce_io io, struct bce_member_io *out);

/**
 * bce_member_read_sync() - read @bytes (a multiple of 512) at @sector into kvmalloc'ed memory
 * Context: may sleep. Return: 0 or negative errno of the device.
 */
int bce_member_read_sync(struct member_dev *m, u64 sector, void *buf, size_t bytes);
/* the same for a device that is not attached yet */
int bce_bdev_read_sync(struct block_device *bdev, u64 sector, void *buf, size_t bytes);

#endif
