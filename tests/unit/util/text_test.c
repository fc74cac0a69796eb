// SPDX-License-Identifier: GPL-2.0
/* The growing text buffer, also when memory cannot be had. */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/util/text.h"
#include "kapi/kapi.h"

static void empty_is_an_empty_string(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;

	assert_string_equal(bce_text_str(&out), "");
	bce_text_exit(&out);
}

static void pieces_follow_each_other(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_text_printf(&out, "%s %u", "bucket", 7);
	bce_text_putc(&out, ':');
	bce_text_write(&out, "abcdef", 3);
	assert_string_equal(bce_text_str(&out), "bucket 7:abc");
	assert_int_equal(out.len, 12);
	bce_text_exit(&out);
}

static void grows_far_beyond_its_first_size(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;
	unsigned int i;
	char *long_text = kmalloc(5001, GFP_KERNEL);

	memset(long_text, 'x', 5000);
	long_text[5000] = '\0';
	for (i = 0; i < 3000; i++)
		bce_text_printf(&out, "%09u,", i);
	assert_int_equal(out.len, 30000);
	assert_memory_equal(bce_text_str(&out) + 29990, "000002999,", 11);

	/* a single piece longer than the room that is left */
	bce_text_printf(&out, "<%s>", long_text);
	assert_int_equal(out.len, 35002);
	assert_memory_equal(bce_text_str(&out) + 35000, "x>", 3);
	assert_false(out.failed);
	bce_text_exit(&out);
	kfree(long_text);
}

/* every length around the first size, where the formatted text has just no room */
static void exact_fits(void **state)
{
	char text[301] = { };
	unsigned int len;

	memset(text, 'y', 300);
	for (len = 0; len < 300; len++) {
		struct text_buf out = TEXT_BUF_INIT;

		bce_text_printf(&out, "%.*s", (int)len, text);
		assert_int_equal(out.len, len);
		assert_int_equal(strlen(bce_text_str(&out)), len);
		assert_true(out.len < out.size);
		bce_text_exit(&out);
	}
}

static void bytes_may_be_zero(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_text_write(&out, "a\0b", 3);
	bce_text_write(&out, NULL, 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.buf, "a\0b", 4);
	bce_text_exit(&out);
}

static void reset_keeps_nothing(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_text_printf(&out, "old");
	bce_text_reset(&out);
	assert_string_equal(bce_text_str(&out), "");
	bce_text_printf(&out, "new");
	assert_string_equal(bce_text_str(&out), "new");
	bce_text_exit(&out);
}

static void memory_shortage_keeps_what_there_is(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;
	char text[1001] = { };

	memset(text, 'z', 1000);
	bce_text_printf(&out, "begin ");
	kapi_alloc_fail(1, true);
	bce_text_printf(&out, "%.*s", 900, text);
	bce_text_write(&out, text, 1000);
	kapi_alloc_fail(0, false);
	assert_true(out.failed);
	assert_string_equal(bce_text_str(&out), "begin ");

	/* a gap in the middle would be worse than a short text */
	bce_text_printf(&out, "end");
	assert_string_equal(bce_text_str(&out), "begin ");
	bce_text_exit(&out);

	kapi_alloc_fail(1, true);
	bce_text_printf(&out, "nothing");
	kapi_alloc_fail(0, false);
	assert_string_equal(bce_text_str(&out), "");
	assert_true(out.failed);
	bce_text_exit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_an_empty_string),
		cmocka_unit_test(pieces_follow_each_other),
		cmocka_unit_test(grows_far_beyond_its_first_size),
		cmocka_unit_test(exact_fits),
		cmocka_unit_test(bytes_may_be_zero),
		cmocka_unit_test(reset_keeps_nothing),
		cmocka_unit_test(memory_shortage_keeps_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
