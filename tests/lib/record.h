/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_RECORD_H
#define TESTS_LIB_RECORD_H

#include <linux/types.h>

struct block_device;
struct kapi_bdev_fault;

/*
 * Devices that remember what was done to them, and can then be shown as a crash would have left
 * them. See record.c for what a crash may do.
 *
 *	r = record_start(fds, nr, 512);
 *	... work on record_bdev(r, 0..nr-1); record_ack(r, n) when something has become durable ...
 *	record_stop(r);
 *	for (mark = 0; mark < record_nr_marks(r); mark++) {
 *		record_crash(r, mark, seed, images, &crash);
 *		... open images; all up to crash.acked must be there ...
 *		record_close_images(r, images);
 *	}
 *	record_free(r);
 */
struct record;

#define RECORD_DEVS_MAX	64

/**
 * record_start() - begin with what the files hold now
 * @fds: regular files (memfd_create()); stay the caller's, and are written to like devices
 * @block_bytes: what a device writes whole or not at all, a power of two from 512
 */
struct record *record_start(const int *fds, unsigned int nr, unsigned int block_bytes);
/* open, read-write, until record_stop() */
struct block_device *record_bdev(struct record *r, unsigned int i);
/* further hooks of the test's own on a device, called inside the recording ones; NULL: none */
void record_set_fault(struct record *r, unsigned int i, const struct kapi_bdev_fault *fault);
/* the one who works says: everything up to @value has been promised to be durable. Grows only. */
void record_ack(struct record *r, u64 value);
/* waits for I/O under way and closes the devices */
void record_stop(struct record *r);
void record_free(struct record *r);

/*
 * A mark is a moment at which something became durable: the end of a flush, or of a write with
 * FUA. Mark 0 is the start.
 */
size_t record_nr_marks(const struct record *r);
unsigned int record_nr_devs(const struct record *r);

struct record_crash {
	u64		acked;		/* of record_ack() before the crash; 0: none yet */
	size_t		durable;	/* writes that are there because they had to be */
	size_t		kept;		/* writes that are there by luck */
	size_t		torn;		/* some blocks of them */
	size_t		lost;
};

/**
 * record_crash() - the devices after a crash
 * @mark: the crash comes after this mark and before the next
 * @seed: 0: all that was not durable is lost, and the crash comes just before the next mark; else
 *        what is lost, torn or kept, and the moment, follow from it
 * @fds:  out: one file in memory per device, positioned anywhere; close them by record_close_images()
 * @out:  may be NULL
 */
void record_crash(const struct record *r, size_t mark, u64 seed, int *fds,
		  struct record_crash *out);
void record_close_images(const struct record *r, int *fds);

struct record_stats {
	size_t	writes, flushes, fua_writes, discards;
	u64	bytes;
};
void record_stats(const struct record *r, struct record_stats *out);

#endif
