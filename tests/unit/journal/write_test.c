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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_steps, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
