// SPDX-License-Identifier: GPL-2.0
/*
 * The member table: slots, owners, replacement, statistics; and that a device is given up only
 * when its last I/O is done.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/atomic.h>

#include "engine/format/ids.h"
#include "engine/sb/members.h"

/* never looked into: attach keeps the pointer only */
static struct block_device *fake_bdev(unsigned long n)
{
	return (struct block_device *)(n * 64);
}

static struct member_info info_of(u8 uuid)
{
	struct member_info info = { .exists = true, .nbuckets = 100, .bucket_sectors = 256 };

	memset(info.uuid, uuid, sizeof(info.uuid));
	return info;
}

static int attach(struct member_table *t, unsigned int idx, unsigned long n, u8 uuid, void *owner)
{
	struct member_info info = info_of(uuid);

	return bce_member_attach(t, idx, fake_bdev(n), &info, "name", owner);
}

static struct block_device *bdev_of(struct member_table *t, unsigned int idx)
{
	struct member_dev *m = bce_member_get_io(t, idx);
	struct block_device *bdev = m ? m->bdev : NULL;

	if (m)
		bce_member_put_io(m);
	return bdev;
}

static void slots(void **state)
{
	struct member_table *t = bce_members_alloc();
	struct member_info empty = { };
	struct member_dev *m;
	int a, b;

	assert_int_equal(bce_members_present(t), 0);
	assert_null(bce_member_get_io(t, 0));
	assert_null(bce_member_get_io(t, 64));
	assert_int_equal(attach(t, 64, 1, 1, &a), -EINVAL);
	assert_int_equal(bce_member_attach(t, 0, fake_bdev(1), &empty, "x", &a), -EINVAL);

	assert_int_equal(attach(t, 0, 1, 1, &a), 0);
	assert_int_equal(attach(t, 63, 2, 2, &b), 0);
	assert_int_equal(bce_members_present(t), 1ULL << 63 | 1);
	m = bce_member_get_io(t, 63);
	assert_non_null(m);
	assert_ptr_equal(m->bdev, fake_bdev(2));
	assert_int_equal(m->idx, 63);
	assert_int_equal(m->info.nbuckets, 100);
	assert_string_equal(m->name, "name");
	bce_member_put_io(m);

	/* a reloaded table takes the slot over; the old owner's leaving changes nothing */
	assert_int_equal(attach(t, 0, 3, 1, &b), 0);
	assert_ptr_equal(bdev_of(t, 0), fake_bdev(3));
	bce_members_detach(t, &a);
	assert_int_equal(bce_members_present(t), 1ULL << 63 | 1);
	bce_members_detach(t, &b);
	assert_int_equal(bce_members_present(t), 0);
	assert_null(bce_member_get_io(t, 0));

	assert_int_equal(attach(t, 5, 1, 1, &a), 0);
	bce_members_free(t);		/* empties what is left */
	bce_members_free(NULL);
}

static void statistics(void **state)
{
	struct member_table *t = bce_members_alloc();
	struct member_counters c;
	struct member_dev *m;
	int a, i;

	assert_int_equal(attach(t, 1, 1, 1, &a), 0);
	m = bce_member_get_io(t, 1);
	assert_int_equal(bce_member_latency_ns(t, 1), 0);
	bce_member_io_done(m, 8000, false);
	assert_int_equal(bce_member_latency_ns(t, 1), 8000);	/* the first sample counts whole */
	bce_member_io_done(m, 16000, false);
	assert_int_equal(bce_member_latency_ns(t, 1), 9000);
	bce_member_io_done(m, 1000000, true);			/* a failure is no sample */
	assert_int_equal(bce_member_latency_ns(t, 1), 9000);
	for (i = 0; i < 100; i++)
		bce_member_io_done(m, 80000, false);
	assert_true(bce_member_latency_ns(t, 1) > 79000);
	bce_member_count_read(m, 8);
	bce_member_count_read(m, 16);
	bce_member_count_csum_error(m);
	bce_member_put_io(m);

	/* they outlive the device, also a reload of the same one */
	bce_members_detach(t, &a);
	assert_int_equal(attach(t, 1, 2, 1, &a), 0);
	bce_member_counters(t, 1, &c);
	assert_int_equal(c.reads, 2);
	assert_int_equal(c.read_sectors, 24);
	assert_int_equal(c.io_errors, 1);
	assert_int_equal(c.csum_errors, 1);
	assert_true(c.latency_ns > 79000);

	/* but another device begins anew */
	assert_int_equal(attach(t, 1, 3, 9, &a), 0);
	bce_member_counters(t, 1, &c);
	assert_int_equal(c.reads, 0);
	assert_int_equal(c.latency_ns, 0);
	bce_member_counters(t, 64, &c);
	assert_int_equal(c.reads, 0);
	bce_members_free(t);
}

static void histograms(void **state)
{
	struct member_table *t = bce_members_alloc();
	struct bce_member_io io;
	struct member_dev *m;
	int a;

	assert_int_equal(attach(t, 1, 1, 1, &a), 0);
	m = bce_member_get_io(t, 1);
	bce_member_io_done(m, 999, false);		/* less than a microsecond */
	bce_member_io_done(m, 1000, false);
	bce_member_io_done(m, 1999, false);
	bce_member_io_done(m, 5000000, true);
	bce_member_count_read(m, 3);
	bce_member_io_stats(t, 1, BCE_IO_READ, &io);
	assert_int_equal(io.nr, 3);
	assert_int_equal(io.bytes, 3 * 512);
	assert_int_equal(io.sum_ns, 999 + 1000 + 1999);
	assert_int_equal(io.max_ns, 1999);
	assert_int_equal(io.bucket[0], 1);
	assert_int_equal(io.bucket[1], 2);

	bce_member_write_done(m, 8, 64000, false);
	bce_member_write_done(m, 8, 63999, false);
	bce_member_write_done(m, 8, 1, true);
	bce_member_write_done(m, 0, U64_MAX / 2, false);
	bce_member_io_stats(t, 1, BCE_IO_WRITE, &io);
	assert_int_equal(io.nr, 2);
	assert_int_equal(io.bytes, 16 * 512);
	assert_int_equal(io.bucket[6], 1);		/* less than 64 */
	assert_int_equal(io.bucket[7], 1);
	bce_member_io_stats(t, 1, BCE_IO_FLUSH, &io);
	assert_int_equal(io.nr, 1);
	assert_int_equal(io.bytes, 0);
	assert_int_equal(io.bucket[BCE_LATENCY_BUCKETS - 1], 1);
	assert_int_equal(bce_member_latency_ns(t, 1), 1124);	/* reads alone, later ones by an eighth */
	bce_member_put_io(m);

	/* another device */
	assert_int_equal(attach(t, 1, 3, 9, &a), 0);
	for (enum bce_io i = 0; i < BCE_IO_NR; i++) {
		bce_member_io_stats(t, 1, i, &io);
		assert_int_equal(io.nr + io.bytes + io.sum_ns + io.max_ns, 0);
	}
	bce_member_io_stats(t, 64, BCE_IO_READ, &io);
	assert_int_equal(io.nr, 0);
	bce_members_free(t);
}

struct detacher {
	struct member_table	*t;
	void			*owner;
	atomic_t		done;
};

static void *detach_thread(void *arg)
{
	struct detacher *d = arg;

	bce_members_detach(d->t, d->owner);
	atomic_set(&d->done, 1);
	return NULL;
}

static void detach_waits_for_io(void **state)
{
	struct member_table *t = bce_members_alloc();
	struct detacher d = { .t = t, .owner = &d };
	struct member_dev *first, *second;
	pthread_t thread;

	assert_int_equal(attach(t, 0, 1, 1, &d), 0);
	first = bce_member_get_io(t, 0);
	second = bce_member_get_io(t, 0);
	assert_int_equal(pthread_create(&thread, NULL, detach_thread, &d), 0);
	while (bce_members_present(t))
		usleep(100);

	/* no new I/O, but that under way keeps its device */
	assert_null(bce_member_get_io(t, 0));
	assert_ptr_equal(first->bdev, fake_bdev(1));
	bce_member_put_io(first);
	usleep(20000);
	assert_int_equal(atomic_read(&d.done), 0);
	bce_member_put_io(second);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_read(&d.done), 1);
	bce_members_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots),
		cmocka_unit_test(statistics),
		cmocka_unit_test(histograms),
		cmocka_unit_test(detach_waits_for_io),
	};

	return cmocka_run_group_tests_name("member table", tests, NULL, NULL);
}
