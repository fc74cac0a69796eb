// SPDX-License-Identifier: GPL-2.0
/*
 * Inode options as the text of their extended attributes
 * (docs/format/90-ioctl-mount-sysfs.md, sections 3, 4). Stored is the option's value
 * plus one; zero means that the file system's option holds.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/names.h"
#include "engine/util/text.h"

static_assert(INODE_OPT_NR == 10);

const char *const bce_inode_opt_names[10] = {
#define x(name, nr, bits)	[nr] = #name,
	INODE_OPT_LIST(x)
#undef x
};

u64 names_sb_option(const struct names_source *src, const char *name)
{
	const struct bch_sb *sb = src->options ? src->options : src->sb;

	return sb ? bce_sb_option_named(sb, name) : 0;
}

static void text_choice(struct text_buf *out, const char *const *names, unsigned int nr,
			unsigned int value)
{
	if (value < nr && names[value])
		bce_text_printf(out, "%s", names[value]);
	else
		bce_text_printf(out, "(unknown %u)", value);
}

static void text_csum(struct text_buf *out, unsigned int value)
{
	static const char *const names[] = {
#define x(name, nr)	[nr] = #name,
		BCH_CSUM_OPT_LIST(x)
#undef x
	};

	text_choice(out, names, ARRAY_SIZE(names), value);
}

/* "zstd", "zstd:5": type in the low nibble, level in the high one */
static void text_compression(struct text_buf *out, unsigned int value)
{
	static const char *const names[] = {
#define x(name, nr)	[nr] = #name,
		BCH_COMPRESSION_OPT_LIST(x)
#undef x
	};
	unsigned int level = value >> 4;

	text_choice(out, names, ARRAY_SIZE(names), value & 0xf);
	if (level)
		bce_text_printf(out, ":%u", level);
}

static void opt_text(struct text_buf *out, const struct names_source *src, unsigned int opt,
		     u64 value)
{
	switch (opt) {
	case INODE_OPT_data_checksum:
		text_csum(out, value);
		break;
	case INODE_OPT_compression:
	case INODE_OPT_background_compression:
		text_compression(out, value);
		break;
	case INODE_OPT_promote_target:
	case INODE_OPT_foreground_target:
	case INODE_OPT_background_target:
		bce_sb_target_text(out, src->sb, value);
		break;
	default:
		bce_text_printf(out, "%llu", value);
	}
}

/* with its NUL; @size 0 asks for the length alone */
static int text_give(const struct text_buf *text, char *buf, size_t size)
{
	if (text->failed)
		return -ENOMEM;
	if (size && size <= text->len)
		return -ERANGE;
	if (size)
		memcpy(buf, bce_text_str(text), text->len + 1);
	return text->len;
}

int names_inode_opt_text(const struct names_source *src, const struct bce_inode *inode,
			 unsigned int opt, bool effective, char *buf, size_t size)
{
	struct text_buf text = TEXT_BUF_INIT;
	u64 value;
	int ret;

	if (opt >= INODE_OPT_NR)
		return -EINVAL;
	if (!inode->opt[opt] || (!effective && !(inode->opts_explicit & 1U << opt)))
		return -ENODATA;

	/* opt[] has room for 16 bits, project ids have 32 */
	value = opt == INODE_OPT_project ? inode->project : inode->opt[opt] - 1;
	opt_text(&text, src, opt, value);
	ret = text_give(&text, buf, size);
	bce_text_exit(&text);
	return ret;
}
