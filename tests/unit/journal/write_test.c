// SPDX-License-Identifier: GPL-2.0
/*
 * What is written is read back: docs/format/30-journal.md, sections 2 to 6, 10.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../lib/journal_rig.h"
#include "../../lib/random.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"

static const struct jr_options one = {
	.nr = 1, .ring_nr = 8, .bucket_sectors = 256, .block_sectors = 8,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};

static u64 put(struct jr_rig *rig, unsigned int nr)
{
	int error;
	u64 seq = jr_put_keys(rig, nr, JOURNAL_NORMAL, rnd(), &error);

	assert_int_equal(error, 0);
	return seq;
}

static void first_steps(void **state)
{
	struct jr_rig rig;
	struct journal_stats st;

	jr_init(&rig, &one);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(bce_journal_cur_seq(rig.j), 1);
	assert_int_equal(put(&rig, 3), 1);
	assert_int_equal(put(&rig, 1), 1);
	assert_int_equal(jr_flush(&rig, 1), 0);
	assert_int_equal(bce_journal_flushed_seq(rig.j), 1);
	assert_int_equal(bce_journal_written_seq(rig.j), 1);
	assert_int_equal(bce_journal_cur_seq(rig.j), 2);
	assert_int_equal(put(&rig, 1), 2);
	assert_int_equal(bce_journal_flush(rig.j), 0);
	assert_int_equal(bce_journal_flush(rig.j), 0);
	bce_journal_stats(rig.j, &st);
	assert_int_equal(st.entries, 2);
	assert_int_equal(st.flush_entries, 2);
	assert_int_equal(rig.flushed, 2);
	jr_crash(&rig);
	jr_read(&rig);
	assert_int_equal(rig.r.flush_seq, 2);
	assert_int_equal(rig.r.last_seq, 2);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(put(&rig, 1), 11);
	bce_journal_replay_done(rig.j);
	jr_stop(&rig);
	assert_int_equal(rig.r.flush_seq, 12);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(put(&rig, 1), 13);
	jr_stop(&rig);
	assert_string_equal(rig.said, "");
	jr_exit(&rig);
}

/* ---- thousands of random entries ---- */

static struct jr_pin *random_pin(struct jr_rig *rig, int state)
{
	struct jr_pin *pin = &rig->pin[rnd() % JR_PINS];

	return __atomic_load_n(&pin->state, __ATOMIC_ACQUIRE) == state ? pin : NULL;
}

static void put_pinned(struct jr_rig *rig, unsigned int nr)
{
	struct jr_pin *pin = random_pin(rig, 0);
	int error;

	if (!pin)
		return;
	pin->state = 1;
	assert_true(jr_put_pinned(rig, nr, pin, rnd(), &error));
}

static void random_step(struct jr_rig *rig, u64 *last)
{
	struct jr_pin *pin;
	unsigned int nr = rnd() % 8 ? 1 + rnd() % 9 : 1 + rnd() % 150;
	int error;

	switch (rnd() % 16) {
	case 0 ... 6:
		*last = put(rig, nr);
		break;
	case 7 ... 9:
		put_pinned(rig, nr);
		break;
	case 10 ... 11:
		pin = random_pin(rig, 2);
		if (pin)
			jr_unpin(rig, pin);
		break;
	case 12:
		assert_true(jr_put_root(rig, rnd() % JR_ROOTS, 10 + rnd() % 200, &error));
		break;
	case 13:
		assert_int_equal(jr_flush(rig, *last), 0);
		break;
	case 14:
		if (rnd() % 8 == 0)
			assert_int_equal(bce_journal_flush(rig->j), 0);
		break;
	case 15:
		if (rnd() % 64 == 0)
			assert_int_equal(bce_journal_flush_pins(rig->j, *last), 0);
		break;
	}
}

static int flush_replayed(struct journal *j, struct journal_pin *pin, u64 seq)
{
	bce_journal_pin_drop(j, pin);
	return 0;
}

/* nodes that took keys of old entries pin them */
static void replay(struct jr_rig *rig)
{
	unsigned int i;

	for (i = 0; i < 3 && rig->r.last_seq < rig->r.flush_seq; i++)
		bce_journal_pin_add(rig->j, &rig->replayed[i], rig->r.last_seq +
				    rnd() % (rig->r.flush_seq - rig->r.last_seq), flush_replayed);
	bce_journal_replay_done(rig->j);
}

static void random_life(struct jr_rig *rig, unsigned int steps)
{
	bool clean = rnd() % 3 == 0;
	u64 last = 0, oldest;
	unsigned int i;

	assert_int_equal(jr_open(rig), 0);
	replay(rig);
	last = put(rig, 1);
	assert_true(last >= rig->config.next_seq);
	for (i = 0; i < steps; i++)
		random_step(rig, &last);
	if (clean) {
		assert_int_equal(bce_journal_flush_pins(rig->j, U64_MAX), 0);
		jr_stop(rig);
		return;
	}
	assert_int_equal(jr_flush(rig, last), 0);
	oldest = jr_oldest_pin(rig);
	jr_crash(rig);
	jr_read(rig);
	assert_true(rig->r.last_seq <= oldest || oldest > rig->r.flush_seq);
}

static void random_lives(const struct jr_options *o, unsigned int lives, unsigned int steps)
{
	struct jr_rig rig;

	jr_init(&rig, o);
	while (lives--)
		random_life(&rig, rnd() % steps);
	assert_string_equal(rig.said, "");
	jr_exit(&rig);
}

static void lives_of_one(void **state)
{
	static const struct jr_options tiny = {
		.nr = 1, .ring_nr = 4, .bucket_sectors = 64, .block_sectors = 1,
	};
	static const struct jr_options odd = {
		.nr = 1, .ring_nr = 7, .bucket_sectors = 200, .block_sectors = 8,
		.csum_type = BCH_CSUM_xxhash, .discard = true,
	};

	random_lives(&one, 12, 600);
	random_lives(&tiny, 12, 300);
	random_lives(&odd, 12, 300);
}

static void lives_of_several(void **state)
{
	static const struct jr_options two = {
		.nr = 2, .ring_nr = 6, .bucket_sectors = 128, .block_sectors = 2, .replicas = 2,
		.csum_type = BCH_CSUM_crc64_nonzero,
	};
	static const struct jr_options spread = {
		.nr = 3, .ring_nr = 5, .bucket_sectors = 64, .block_sectors = 8, .replicas = 1,
		.csum_type = BCH_CSUM_crc32c_nonzero, .discard = true,
	};
	static const struct jr_options uneven = {
		.nr = 3, .ring_nr = 8, .bucket_sectors = 64, .block_sectors = 8, .replicas = 2,
		.csum_type = BCH_CSUM_chacha20_poly1305_128, .encrypted = true,
		.durability = { 1, 2, 1 },
	};

	random_lives(&two, 10, 400);
	random_lives(&spread, 10, 400);
	random_lives(&uneven, 10, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_steps, rnd_setup),
		cmocka_unit_test_setup(lives_of_one, rnd_setup),
		cmocka_unit_test_setup(lives_of_several, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
