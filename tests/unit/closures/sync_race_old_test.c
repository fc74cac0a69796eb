// SPDX-License-Identifier: GPL-2.0
/*
 * The historic defect of sync: the waker reads the task pointer from the closure after its last
 * store. Shows that the scenario of sync_race.h catches it: a child process runs it and must be
 * ended by the address sanitizer.
 */
#define BCE_CLOSURE_TEST_OLD_SYNC
#include "sync_race.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <cmocka.h>

#define EXIT_CAUGHT	99

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN	1
#endif
#endif

#ifdef HAVE_ASAN
#include <sanitizer/common_interface_defs.h>

static void sanitizer_dies(void)
{
	_exit(EXIT_CAUGHT);
}

static void catch_sanitizer(void)
{
	__sanitizer_set_death_callback(sanitizer_dies);
}
#else
#define HAVE_ASAN	0

static void catch_sanitizer(void)
{
}
#endif

static void run_child(void)
{
	int null = open("/dev/null", O_WRONLY);

	catch_sanitizer();
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	run_sync_race();
	_exit(0);
}

static void late_read_is_caught(void **state)
{
	int status;
	pid_t pid;

	if (!HAVE_ASAN)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		run_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_CAUGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_read_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
