// SPDX-License-Identifier: GPL-2.0
/*
 * Values of options as people write them: for formatting, mounting and sysfs.
 *
 * Targets are names: of a label, or of a device as the caller knows its members.
 *
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 2; 85-policies.md, 1.2.
 */
#include "engine/sb/write.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"
#include "engine/util/size.h"

#define COMPRESSION_LEVEL_MAX	15

/* index of the first @len bytes of @text in @choices, or -EINVAL */
static int choice_find(const char *const *choices, const char *text, size_t len)
{
	int i;

	for (i = 0; choices[i]; i++)
		if (strlen(choices[i]) == len && !memcmp(choices[i], text, len))
			return i;
	return -EINVAL;
}

static void choices_list(struct text_buf *why, const char *const *choices)
{
	unsigned int i;

	for (i = 0; choices[i]; i++)
		bce_text_printf(why, "%s%s", i ? ", " : "", choices[i]);
}

static int parse_choice(const struct sb_option_desc *desc, const char *text, u64 *value,
			struct text_buf *why)
{
	int i = choice_find(desc->choices, text, strlen(text));

	if (i < 0) {
		bce_text_printf(why, "is one of ");
		choices_list(why, desc->choices);
		return i;
	}
	*value = i;
	return 0;
}

static int parse_compression(const char *text, u64 *value, struct text_buf *why)
{
#define x(name, nr)	[nr] = #name,
	static const char *const algorithms[] = { BCH_COMPRESSION_OPT_LIST(x) NULL };
#undef x
	const char *colon = strchr(text, ':');
	int algorithm = choice_find(algorithms, text, colon ? colon - text : strlen(text));
	unsigned int level = 0;

	if (algorithm < 0 || (colon && kstrtouint(colon + 1, 10, &level)) ||
	    level > COMPRESSION_LEVEL_MAX || (level && !algorithm)) {
		bce_text_printf(why, "is one of ");
		choices_list(why, algorithms);
		bce_text_printf(why, ", perhaps with a level: \"zstd:5\", at most %u",
				COMPRESSION_LEVEL_MAX);
		return -EINVAL;
	}
	*value = algorithm | level << 4;
	return 0;
}

static int parse_target(const struct bch_sb *sb, const char *text, const char *const *devs,
			u64 *value, struct text_buf *why)
{
	unsigned int i;
	int group;

	*value = BCH_TARGET_NONE;
	if (!*text || !strcmp(text, "none"))
		return 0;
	for (i = 0; devs && i < sb->nr_devices; i++)
		if (devs[i] && !strcmp(devs[i], text)) {
			*value = BCH_TARGET_DEV_BASE + i;
			return 0;
		}
	group = sb_group_find(sb, text);
	if (group < 0) {
		bce_text_printf(why, "is a device of the set or a label that one has, not \"%s\"",
				text);
		return -EINVAL;
	}
	*value = BCH_TARGET_GROUP_BASE + group;
	return 0;
}

static int parse_number(const struct sb_option_desc *desc, const char *text, u64 *value,
			struct text_buf *why)
{
	bool size = desc->unit == SB_OPTION_SECTORS || desc->unit == SB_OPTION_LOG2_SECTORS;
	int ret = size ? bce_size_parse(text, value) : kstrtoull(text, 10, value);

	if (ret)
		bce_text_printf(why, "is a %s, not \"%s\"", size ? "size" : "number", text);
	return ret ? -EINVAL : 0;
}

static int parse(const struct bch_sb *sb, const struct sb_option_desc *desc, const char *text,
		 const char *const *devs, u64 *value, struct text_buf *why)
{
	switch (desc->unit) {
	case SB_OPTION_CHOICE:
		return parse_choice(desc, text, value, why);
	case SB_OPTION_COMPRESSION:
		return parse_compression(text, value, why);
	case SB_OPTION_TARGET:
		return parse_target(sb, text, devs, value, why);
	default:
		return parse_number(desc, text, value, why);
	}
}

int bce_sb_option_parse(const struct bch_sb *sb, const struct sb_option_desc *desc,
			const char *text, const char *const *devs, u64 *value,
			struct text_buf *why)
{
	struct text_buf what = TEXT_BUF_INIT;
	const char *wrong;
	int ret = parse(sb, desc, text, devs, value, &what);

	if (!ret) {
		wrong = bce_sb_option_check(desc, *value);
		if (!wrong && desc->unit == SB_OPTION_SECTORS && *value % SECTOR_BYTES)
			wrong = "not whole sectors of 512";
		if (wrong) {
			bce_text_printf(&what, "is %s (allowed: %llu to %llu)", wrong,
					(unsigned long long)desc->min,
					(unsigned long long)desc->max);
			ret = -EINVAL;
		}
	}
	if (ret)
		bce_text_printf(why, "option %s %s", desc->name, bce_text_str(&what));
	bce_text_exit(&what);
	return ret;
}
