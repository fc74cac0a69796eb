// SPDX-License-Identifier: GPL-2.0
/*
 * The historic defect of wait_event: no second look at the condition after queueing. Shows that the
 * scenario of wait_event_race.h, which closure_test.c runs against the real macro, catches it.
 */
#define BCE_CLOSURE_TEST_NO_RECHECK
#include "wait_event_race.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void event_before_queueing_is_lost(void **state)
{
	assert_false(wait_event_finishes(300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_before_queueing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
