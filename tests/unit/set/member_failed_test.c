// SPDX-License-Identifier: GPL-2.0
/*
 * Members that cannot flush their caches (docs/format/85-policies.md, section 9): where others have copies
 * of everything the set goes on without them, and what is acknowledged then rests on the others alone, else it
 * stops being written. What such a member was given since its last flush is really lost here.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "engine/sb/sb.h"
#include "engine/set/rw.h"
#include "require.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT	((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define BYTES	65536

static blk_status_t fail_flush(struct bio *bio, void *priv)
{
	bool flush = bio_op(bio) == REQ_OP_FLUSH || bio->bi_opf & REQ_PREFLUSH;

	if (flush)
		__atomic_fetch_add((unsigned int *)priv, 1, __ATOMIC_RELAXED);
	return flush ? BLK_STS_IOERR : BLK_STS_OK;
}

struct failing {
	struct kapi_bdev_fault	fault;
	unsigned int		nr;
};

static void fail_from_now(struct small_set *s, unsigned int dev, struct failing *f)
{
	*f = (struct failing) { .fault = { .before = fail_flush } };
	f->fault.priv = &f->nr;
	kapi_bdev_set_fault(s->bdev[dev], &f->fault);
}

static u8 data[BYTES] __attribute__((aligned(4096))), got[BYTES] __attribute__((aligned(4096)));

static void fill(unsigned int nr)
{
	for (unsigned int i = 0; i < BYTES; i++)
		data[i] = i / 512 * 7 + nr * 31 + i % 13;
}

/* file @nr made, written, durable */
static int put(struct bce_set *set, unsigned int nr)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "file%u", nr);
	fill(nr);
	ret = bce_create(set, ROOT, name, strlen(name), &what, &inode);
	return ret ?: set_write(set, inode.id, 0, data, BYTES, BYTES, 0) ?: bce_sync(set);
}

static void expect(struct bce_set *set, unsigned int nr)
{
	struct bce_inode dir, inode;
	struct bce_file_id id;
	char name[16];

	snprintf(name, sizeof(name), "file%u", nr);
	assert_int_equal(bce_inode_read(set, ROOT, &dir), 0);
	assert_int_equal(bce_dirent_lookup(set, &dir, name, strlen(name), &id), 0);
	assert_int_equal(bce_inode_read(set, id, &inode), 0);
	assert_int_equal(inode.size, BYTES);
	assert_int_equal(set_read(set, id, 0, got, BYTES), 0);
	fill(nr);
	assert_memory_equal(got, data, BYTES);
}

static u8 state_of(struct bce_set *set, unsigned int dev)
{
	struct bce_set_member m;

	assert_int_equal(bce_set_member(set, dev, &m), 0);
	return m.state;
}

static void open_set(struct small_set *s)
{
	char why[512];

	if (small_set_open(s, why))
		fail_msg("%s", why);
}

static void make(struct small_set *s, unsigned int nr, unsigned int replicas)
{
	struct small_shape shape = {
		.nr = nr, .replicas = replicas, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10,
		.node = "4k", .block = "512",
	};

	small_set_format(s, &shape);
	open_set(s);
	s->quiet = true;
}

/* the member's own record, as another member's superblock has it */
static void record_of(struct small_set *s, unsigned int on, unsigned int dev, struct member_info *m)
{
	struct block_device *bdev = kapi_bdev_from_fd(dup(s->fd[on]), "member", O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;

	require(!IS_ERR(bdev) && !bce_sb_read(&img, bdev, 0, &why));
	bce_sb_member(img.sb, dev, m);
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
	kapi_bdev_close(bdev);
}

/* all that member @dev has been given since @then was copied is lost, but for its superblocks */
static void lose(struct small_set *s, unsigned int dev, const struct small_set *then)
{
	const off_t from = 2 << 20;	/* behind the superblocks' buckets */
	size_t bytes = s->shape.dev_bytes - from;
	u8 *buf = malloc(bytes);

	require(pread(then->fd[dev], buf, bytes, from) == (ssize_t)bytes);
	require(pwrite(s->fd[dev], buf, bytes, from) == (ssize_t)bytes);
	free(buf);
}

static void count_change(void *ctx)
{
	++*(unsigned int *)ctx;
}

static bool is_degraded(struct bce_set *set)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return info.degraded;
}

static void goes_on(bool clean)
{
	unsigned int changes = 0;
	struct small_set s, then;
	struct member_info m;
	struct failing f;

	make(&s, 2, 2);
	assert_int_equal(put(s.set, 0), 0);
	small_set_copy(&then, &s);
	bce_set_on_change(s.set, count_change, &changes);
	assert_false(is_degraded(s.set));
	fail_from_now(&s, 1, &f);
	for (unsigned int i = 1; i < 40; i++)
		assert_int_equal(put(s.set, i), 0);
	assert_true(f.nr > 0);
	assert_true(f.nr < 10);		/* by writes of superblocks at most, not for each entry */
	assert_true(bce_set_is_rw(s.set));
	assert_string_equal(bce_set_fail_reason(s.set), "");
	assert_int_equal(state_of(s.set, 0), MEMBER_RW);
	assert_int_equal(state_of(s.set, 1), MEMBER_FAILED);
	assert_true(is_degraded(s.set));
	assert_int_equal(changes, 1);
	bce_set_off_change(s.set, &f);		/* who never listened */
	for (unsigned int i = 0; i < 40; i++)
		expect(s.set, i);
	bce_set_off_change(s.set, &changes);
	assert_int_equal(small_set_close(&s, clean), 0);
	assert_int_equal(changes, 1);
	record_of(&s, 0, 1, &m);
	assert_int_equal(m.state, MEMBER_FAILED);
	if (clean)
		assert_true(m.errors[1] > 0);

	lose(&s, 1, &then);
	open_set(&s);
	s.quiet = true;
	assert_int_equal(state_of(s.set, 1), MEMBER_FAILED);
	for (unsigned int i = 0; i < 40; i++)
		expect(s.set, i);
	assert_int_equal(put(s.set, 40), 0);
	assert_int_equal(small_set_close(&s, true), 0);
	small_set_free(&then);
	small_set_free(&s);
}

static void another_copy(void **state)
{
	goes_on(true);
}

static void another_copy_then_crash(void **state)
{
	goes_on(false);
}

static void stops(struct small_set *s)
{
	int ret = 0;

	/* not every file has something on it */
	for (unsigned int i = 2; i < 20 && !ret; i++)
		ret = put(s->set, i);
	assert_int_not_equal(ret, 0);
	for (int i = 0; i < 5000 && bce_set_is_rw(s->set); i++)
		usleep(1000);
	assert_false(bce_set_is_rw(s->set));
	assert_string_not_equal(bce_set_fail_reason(s->set), "");
	expect(s->set, 0);
	small_set_close(s, true);
}

/* what it may have lost nobody else has */
static void the_only_copy(void **state)
{
	struct small_set s;
	struct member_info m;
	struct failing f;

	make(&s, 2, 1);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(put(s.set, i), 0);
	fail_from_now(&s, 0, &f);
	stops(&s);
	record_of(&s, 1, 0, &m);
	assert_int_equal(m.state, MEMBER_RW);
	small_set_free(&s);
}

static void one_after_the_other(void **state)
{
	struct failing f[2];
	struct small_set s;

	make(&s, 2, 2);
	assert_int_equal(put(s.set, 0), 0);
	fail_from_now(&s, 0, &f[0]);
	assert_int_equal(put(s.set, 1), 0);
	assert_int_equal(state_of(s.set, 0), MEMBER_FAILED);
	fail_from_now(&s, 1, &f[1]);
	stops(&s);
	small_set_free(&s);
}

/* of three members with two copies of each thing one may go, but not then another */
static void one_of_three(void **state)
{
	struct failing f;
	struct small_set s;

	make(&s, 3, 2);
	assert_int_equal(put(s.set, 0), 0);
	fail_from_now(&s, 2, &f);
	for (unsigned int i = 1; i < 20; i++)
		assert_int_equal(put(s.set, i), 0);
	assert_int_equal(state_of(s.set, 2), MEMBER_FAILED);
	for (unsigned int i = 0; i < 20; i++)
		expect(s.set, i);
	assert_int_equal(small_set_close(&s, true), 0);
	s.quiet = false;
	assert_int_equal(small_set_check(&s, "one of three has failed"), 0);
	small_set_free(&s);
}

/* ---- why ---- */

static void *see_reason(void *ctx)
{
	struct bce_set *set = ctx;

	while (bce_set_is_rw(set))
		;
	return (void *)(uintptr_t)!*bce_set_fail_reason(set);
}

/* who sees that writing has ended sees why */
static void reason_comes_first(void **state)
{
	pthread_t reader[2];
	struct small_set s;
	void *missed;

	for (int round = 0; round < 25; round++) {
		make(&s, 1, 1);
		for (int i = 0; i < 2; i++)
			require(!pthread_create(&reader[i], NULL, see_reason, s.set));
		usleep(1000);
		bce_set_fail(s.set, "the test wants it, in round %d", round);
		for (int i = 0; i < 2; i++) {
			require(!pthread_join(reader[i], &missed));
			assert_null(missed);
		}
		/* the first reason stays */
		bce_set_fail(s.set, "again");
		assert_non_null(strstr(bce_set_fail_reason(s.set), "the test wants it"));
		small_set_close(&s, false);
		small_set_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_copy),
		cmocka_unit_test(another_copy_then_crash),
		cmocka_unit_test(the_only_copy),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(one_of_three),
		cmocka_unit_test(reason_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
