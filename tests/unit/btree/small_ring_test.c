// SPDX-License-Identifier: GPL-2.0
/*
 * Very many dirty nodes and a small journal: each change is in another node, so that soon more nodes
 * hold the oldest entries than have room for their pointers in what is left of the ring, unless
 * those who make nodes dirty wait in time. Everything must go on, and be there in the end.
 */
#include "engine/btree/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/btree/iter.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "random.h"
#include "write_rig.h"

#define KEYS		12000
#define STANDSTILL_S	120	/* a run takes a second on an idle machine */

struct world {
	struct write_rig	rig;
	u32			version[KEYS];
};

static struct bpos pos_of(unsigned int i)
{
	return SPOS(1, 16 + i, 7);
}

static struct bkey key_of(unsigned int i, u32 version, u64 v[4])
{
	for (unsigned int j = 0; j < 4; j++)
		v[j] = (u64)version << 32 | i;
	return (struct bkey) {
		.p = pos_of(i), .type = KEY_TYPE_cookie, .val_u64s = 4, .v = v,
	};
}

struct change {
	unsigned int	i;
	u32		version;
};

static int put_key(struct bce_trans *t, void *ctx)
{
	struct change *c = ctx;
	u64 v[4];
	struct bkey k = key_of(c->i, c->version, v);

	return bce_trans_update(t, BTREE_ID_xattrs, &k, 0);
}

static void change(struct world *w, unsigned int i)
{
	struct change c = { i, w->version[i] + 1 };

	assert_int_equal(bce_trans_run(w->rig.btrees, put_key, &c, 0, NULL), 0);
	w->version[i]++;
}

static void compare(struct world *w)
{
	struct bkey_buf buf;
	struct bkey k, want;
	u64 v[4];

	for (unsigned int i = 0; i < KEYS; i++) {
		assert_int_equal(bce_btree_lookup(w->rig.btrees, BTREE_ID_xattrs, pos_of(i), NULL,
						  &k, &buf), 0);
		want = key_of(i, w->version[i], v);
		assert_int_equal(k.val_u64s, want.val_u64s);
		assert_memory_equal(k.v, want.v, sizeof(v));
	}
}

static void run(const struct wr_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	alarm(STANDSTILL_S);
	wr_init(&w->rig, o);
	assert_int_equal(wr_open(&w->rig), 0);
	for (unsigned int i = 0; i < KEYS; i++)
		change(w, i);
	for (unsigned int i = 0; i < KEYS; i++)
		change(w, rnd() % KEYS);
	compare(w);
	wr_stop(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
	compare(w);
	wr_stop(&w->rig);
	wr_exit(&w->rig);
	alarm(0);
	free(w);
}

static void eight_of_32k(void **state)
{
	run(&(struct wr_options) { .nr = 1, .ring_nr = 8, .bucket_sectors = 64,
				   .csum_type = BCH_CSUM_crc32c_nonzero });
}

static void eight_of_16k(void **state)
{
	run(&(struct wr_options) { .nr = 1, .ring_nr = 8, .bucket_sectors = 32,
				   .csum_type = BCH_CSUM_crc32c_nonzero });
}

static void eight_of_8k(void **state)
{
	run(&(struct wr_options) { .nr = 1, .ring_nr = 8, .bucket_sectors = 16,
				   .csum_type = BCH_CSUM_crc32c_nonzero });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(eight_of_32k, rnd_setup),
		cmocka_unit_test_setup(eight_of_16k, rnd_setup),
		cmocka_unit_test_setup(eight_of_8k, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
