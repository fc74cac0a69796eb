// SPDX-License-Identifier: GPL-2.0
/* lib/kapi/printf.c and log.c: the kernel's conversions, the log hook, counted warnings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "kapi/kapi.h"

static const uuid_t uuid = {{ 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
			      0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f }};
static char logged[512];
static int logged_level, logged_lines;

static void remember(int level, const char *text)
{
	logged_level = level;
	logged_lines++;
	strscpy(logged, text, sizeof(logged));
}

#define assert_formats(want, fmt...) do { \
	char text[256]; \
	int n = snprintf(text, sizeof(text), fmt); \
\
	assert_string_equal(text, want); \
	assert_int_equal(n, strlen(want)); \
} while (0)

static void pointers(void **state)
{
	const u8 bytes[] = { 0x00, 0xab, 0x10 };
	const char *volatile nothing = NULL;

	assert_formats("<10111213-1415-1617-1819-1a1b1c1d1e1f>", "<%pU>", &uuid);
	assert_formats("10111213-1415-1617-1819-1a1b1c1d1e1f|7", "%pUb|%d", &uuid, 7);
	assert_formats("10111213-1415-1617-1819-1A1B1C1D1E1F", "%pUB", &uuid);
	assert_formats("13121110-1514-1716-1819-1a1b1c1d1e1f", "%pUl", &uuid);
	assert_formats("00 ab 10|00ab10|00:ab:10", "%*ph|%*phN|%*phC", 3, bytes, 3, bytes, 3, bytes);
	assert_formats("-EIO -95000", "%pe %pe", ERR_PTR(-EIO), ERR_PTR(-95000));
	assert_formats("(null)", "%s", nothing);
}

static void plain(void **state)
{
	assert_formats("-1 18446744073709551615 ff 0x2a", "%d %llu %x %#x", -1, ~0ULL, 255, 42);
	assert_formats("  7|7  |007|+7", "%3d|%-3d|%03d|%+d", 7, 7, 7, 7);
	assert_formats("abc|ab|  ab|x%", "%s|%.2s|%*.*s|%c%%", "abc", "abc", 4, 2, "abc", 'x');
	assert_formats("255 -1 65535 12", "%hhu %hhd %hu %zu", (u8)255, (s8)255, (u16)65535, (size_t)12);
}

static void cut(void **state)
{
	char small[5] = "zzzz";

	assert_int_equal(snprintf(small, sizeof(small), "%s-%pU", "ab", &uuid), 39);
	assert_string_equal(small, "ab-1");
	assert_int_equal(scnprintf(small, sizeof(small), "%d", 1234567), 4);
	assert_string_equal(small, "1234");
	assert_int_equal(scnprintf(small, 0, "x"), 0);
	assert_int_equal(snprintf(NULL, 0, "%s", "hello"), 5);
}

static void __printf(1, 2) nested(const char *fmt, ...)
{
	struct va_format vf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vf.va = &args;
	pr_err("set %pU: %pV!\n", &uuid, &vf);
	va_end(args);
}

static void log_hook(void **state)
{
	kapi_set_log(remember);
	nested("%d of %s", 3, "four");
	assert_int_equal(logged_level, 3);
	assert_string_equal(logged, "set 10111213-1415-1617-1819-1a1b1c1d1e1f: 3 of four!\n");
	pr_debug("quiet\n");
	assert_int_equal(logged_level, 7);
	kapi_set_log(NULL);
}

static void warnings(void **state)
{
	kapi_set_log(remember);
	kapi_warn_reset();
	assert_false(WARN_ON(1 == 2));
	assert_int_equal(kapi_warn_count(), 0);
	assert_true(WARN_ON(logged_lines >= 0));
	for (int i = 0; i < 3; i++)
		assert_true(WARN(1, "odd %d\n", i));
	for (int i = 0; i < 3; i++)
		assert_true(WARN_ON_ONCE(1));
	assert_int_equal(kapi_warn_count(), 5);
	kapi_warn_reset();
	kapi_set_log(NULL);
}

static void rate(void **state)
{
	static DEFINE_RATELIMIT_STATE(rs, 1000000, 3);
	int spoken = 0;

	for (int i = 0; i < 10; i++)
		spoken += __ratelimit(&rs);
	assert_int_equal(spoken, 3);
	assert_int_equal(rs.missed, 7);
}

static void numbers(void **state)
{
	unsigned int u;
	long long ll;
	bool b;
	u8 byte;

	assert_int_equal(kstrtouint("42\n", 10, &u), 0);
	assert_int_equal(u, 42);
	assert_int_equal(kstrtouint("0x1f", 0, &u), 0);
	assert_int_equal(u, 31);
	assert_int_equal(kstrtouint("-1", 10, &u), -EINVAL);
	assert_int_equal(kstrtouint("4294967296", 10, &u), -ERANGE);
	assert_int_equal(kstrtouint("12x", 10, &u), -EINVAL);
	assert_int_equal(kstrtouint("", 10, &u), -EINVAL);
	assert_int_equal(kstrtou8("256", 10, &byte), -ERANGE);
	assert_int_equal(kstrtoll("-9223372036854775808", 10, &ll), 0);
	assert_true(ll == LLONG_MIN);
	assert_int_equal(kstrtoll("9223372036854775808", 10, &ll), -ERANGE);
	assert_int_equal(kstrtobool("on", &b), 0);
	assert_true(b);
	assert_int_equal(kstrtobool("maybe", &b), -EINVAL);
}

static void uuids(void **state)
{
	uuid_t u;

	assert_int_equal(uuid_parse("10111213-1415-1617-1819-1a1b1c1d1e1F", &u), 0);
	assert_true(uuid_equal(&u, &uuid));
	assert_int_equal(uuid_parse("10111213-1415-1617-1819-1a1b1c1d1e1", &u), -EINVAL);
	assert_int_equal(uuid_parse("10111213-1415-1617-1819+1a1b1c1d1e1f", &u), -EINVAL);
	uuid_gen(&u);
	assert_int_equal(u.b[6] >> 4, 4);
	assert_int_equal(u.b[8] >> 6, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers),
		cmocka_unit_test(plain),
		cmocka_unit_test(cut),
		cmocka_unit_test(log_hook),
		cmocka_unit_test(warnings),
		cmocka_unit_test(rate),
		cmocka_unit_test(numbers),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
