// SPDX-License-Identifier: GPL-2.0
/*
 * bce_closure_sync() and a closure freed right after it. Built with BCE_CLOSURE_TEST_OLD_SYNC this
 * test dies of a use after free; sync_race_old_test.c is that build.
 */
#include "sync_race.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void putter_leaves_freed_closure_alone(void **state)
{
	assert_int_equal(run_sync_race(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(putter_leaves_freed_closure_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
