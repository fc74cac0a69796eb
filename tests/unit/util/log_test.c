// SPDX-License-Identifier: GPL-2.0
/* A set's messages: prefix, counting, limits, the hook of offline tools. */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/util/log.h"
#include "kapi/kapi.h"

static unsigned int lines;
static int last_level;
static char last[4096];

static void kernel_line(int level, const char *text)
{
	lines++;
	last_level = level;
	strscpy(last, text, sizeof(last));
}

struct seen {
	unsigned int lines;
	enum bce_log_level level;
	int id;
	char line[4096];
};

static void tool_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	struct seen *seen = ctx;

	seen->lines++;
	seen->level = level;
	seen->id = error_id;
	strscpy(seen->line, line, sizeof(seen->line));
}

static int setup(void **state)
{
	lines = 0;
	last[0] = '\0';
	kapi_set_log(kernel_line);
	*state = bce_log_alloc("tank");
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	bce_log_free(*state);
	kapi_set_log(NULL);
	return 0;
}

static void lines_name_the_set(void **state)
{
	struct bce_log *log = *state;

	bce_log_line(log, BCE_LOG_INFO, "started with %u members", 3);
	assert_string_equal(last, "bcachefs tank: started with 3 members\n");
	assert_int_equal(last_level, 6);
	bce_log_set_name(log, "pool");
	bce_log_line(log, BCE_LOG_WARN, "member %s is missing", "sdc");
	assert_string_equal(last, "bcachefs pool: member sdc is missing\n");
	assert_int_equal(last_level, 4);
	assert_int_equal(bce_log_errors_total(log), 0);
}

static void errors_carry_their_id_and_are_counted(void **state)
{
	struct bce_log *log = *state;

	bce_log_error(log, BCE_ERR_bset_bad_csum, "sdb: checksum %x != %x", 1, 2);
	assert_string_equal(last, "bcachefs tank: sdb: checksum 1 != 2 (bset_bad_csum)\n");
	assert_int_equal(last_level, 3);
	assert_int_equal(bce_log_error_count(log, BCE_ERR_bset_bad_csum), 1);
	assert_int_equal(bce_log_error_count(log, BCE_ERR_bset_empty), 0);
	assert_int_equal(bce_log_errors_total(log), 1);
}

/* id 0 is an error like any other, and ids of newer versions only lack a counter */
static void ids_at_the_edges(void **state)
{
	struct bce_log *log = *state;

	bce_log_error(log, BCE_ERR_clean_but_journal_not_empty, "a");
	assert_int_equal(bce_log_error_count(log, BCE_ERR_clean_but_journal_not_empty), 1);
	bce_log_error(log, (enum bce_error)5000, "b");
	assert_int_equal(bce_log_error_count(log, (enum bce_error)5000), 0);
	assert_int_equal(bce_log_errors_total(log), 2);
	assert_non_null(strstr(last, "b (unknown)"));
}

static void one_noisy_id_is_limited_but_counted(void **state)
{
	struct bce_log *log = *state;
	unsigned int i, noisy;

	for (i = 0; i < 10000; i++)
		bce_log_error(log, BCE_ERR_bset_bad_csum, "noise %u", i);
	noisy = lines;
	assert_in_range(noisy, 1, 20);
	assert_int_equal(bce_log_error_count(log, BCE_ERR_bset_bad_csum), 10000);

	/* another kind is still heard */
	bce_log_error(log, BCE_ERR_bset_empty, "signal");
	assert_int_equal(lines, noisy + 1);
	assert_non_null(strstr(last, "signal"));
}

static void all_ids_together_are_limited(void **state)
{
	struct bce_log *log = *state;
	unsigned int id;

	for (id = 0; id < BCE_ERR_NR; id++)
		bce_log_error(log, id, "finding");
	assert_in_range(lines, 10, 100);
	assert_int_equal(bce_log_errors_total(log), BCE_ERR_NR);
}

static void tools_get_everything(void **state)
{
	struct bce_log *log = *state;
	struct seen seen = { };
	unsigned int i;

	bce_log_set_print(log, tool_line, &seen);
	for (i = 0; i < 1000; i++)
		bce_log_error(log, BCE_ERR_bset_bad_csum, "finding %u", i);
	assert_int_equal(seen.lines, 1000);
	assert_int_equal(seen.id, BCE_ERR_bset_bad_csum);
	assert_int_equal(seen.level, BCE_LOG_ERR);
	assert_string_equal(seen.line, "finding 999");

	bce_log_line(log, BCE_LOG_WARN, "note");
	assert_int_equal(seen.id, -1);
	assert_int_equal(seen.level, BCE_LOG_WARN);
	assert_int_equal(lines, 0);
}

static void long_lines_are_whole(void **state)
{
	struct bce_log *log = *state;
	struct seen seen = { };
	char text[3001] = { };
	unsigned int len;

	bce_log_set_print(log, tool_line, &seen);
	memset(text, 'k', 3000);
	for (len = 180; len < 200; len++) {
		bce_log_line(log, BCE_LOG_INFO, "%.*s", (int)len, text);
		assert_int_equal(strlen(seen.line), len);
	}
	bce_log_line(log, BCE_LOG_INFO, "<%s>", text);
	assert_int_equal(strlen(seen.line), 3002);
	assert_int_equal(seen.line[3001], '>');
}

static void long_lines_are_cut_when_memory_is_short(void **state)
{
	struct bce_log *log = *state;
	struct seen seen = { };
	char text[3001] = { };

	bce_log_set_print(log, tool_line, &seen);
	memset(text, 'k', 3000);
	kapi_alloc_fail(1, true);
	bce_log_line(log, BCE_LOG_INFO, "<%s>", text);
	kapi_alloc_fail(0, false);
	assert_in_range(strlen(seen.line), 100, 1000);
	assert_int_equal(seen.line[0], '<');
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_name_the_set),
		TEST(errors_carry_their_id_and_are_counted),
		TEST(ids_at_the_edges),
		TEST(one_noisy_id_is_limited_but_counted),
		TEST(all_ids_together_are_limited),
		TEST(tools_get_everything),
		TEST(long_lines_are_whole),
		TEST(long_lines_are_cut_when_memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
