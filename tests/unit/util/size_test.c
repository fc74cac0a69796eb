// SPDX-License-Identifier: GPL-2.0
/* Sizes as people write them (docs/format/90-ioctl-mount-sysfs.md, section 2). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "engine/util/size.h"

static void sizes(void **state)
{
	static const struct {
		const char	*text;
		u64		bytes;
	} good[] = {
		{ "0", 0 }, { "512", 512 }, { "4k", 4096 }, { "4K", 4096 }, { "4KiB", 4096 },
		{ "4kB", 4000 }, { "1M", 1 << 20 }, { "2MB", 2000000 }, { "1.5M", 3 << 19 },
		{ "1G", 1 << 30 }, { "1T", 1ULL << 40 }, { "1P", 1ULL << 50 }, { "1E", 1ULL << 60 },
		{ "15.999999999E", (15ULL << 60) + 1152921503453925471ULL },
		{ "18446744073709551615", U64_MAX }, { "0.0009765625M", 1023 }, { "3.B", 3 },
		{ "0.5", 0 }, { "1.25KiB", 1280 }, { "7B", 7 },
	};
	static const struct {
		const char	*text;
		int		error;
	} bad[] = {
		{ "", -EINVAL }, { "k", -EINVAL }, { "-1", -EINVAL }, { "1m", -EINVAL }, { "1 M", -EINVAL },
		{ "1MiBs", -EINVAL }, { "1Mi", -EINVAL }, { "1..5M", -EINVAL }, { ".5M", -EINVAL },
		{ "16E", -ERANGE }, { "18446744073709551616", -ERANGE },
	};
	unsigned int i;
	u64 bytes;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(bce_size_parse(good[i].text, &bytes), 0);
		if (bytes != good[i].bytes)
			fail_msg("%s: %llu", good[i].text, (unsigned long long)bytes);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (bce_size_parse(bad[i].text, &bytes) != bad[i].error)
			fail_msg("%s", bad[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}
