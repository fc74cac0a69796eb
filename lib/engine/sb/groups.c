// SPDX-License-Identifier: GPL-2.0
/*
 * Labels and targets.
 *
 * The disk groups section is a forest: each entry has a name and a parent. A member points
 * at one entry, its label is the dotted path from the top to there, and it belongs to that
 * entry and all above it. A target in an option or an inode names a device or an entry.
 *
 * Parents are indices from disk and could form a ring; paths are therefore limited to
 * PATH_MAX_DEPTH steps, more than any label that fits a message.
 *
 * Source: docs/format/85-policies.md, section 1.
 */
#include "engine/sb/sb.h"

#include <linux/errno.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/sb/sb_internal.h"

#define PATH_MAX_DEPTH	32

/* index of the entry above, or -1 at the top, out of the table, or at a deleted one */
static int group_above(const struct bch_disk_group *groups, unsigned int nr, unsigned int g)
{
	u64 parent = BITS_GET(le64_to_cpu(groups[g].flags[0]), BCH_GROUP_PARENT);

	return parent && parent <= nr ? (int)parent - 1 : -1;
}

static bool group_usable(const struct bch_disk_group *groups, unsigned int nr, unsigned int g)
{
	return g < nr && !BITS_GET(le64_to_cpu(groups[g].flags[0]), BCH_GROUP_DELETED);
}

static void group_path_text(struct text_buf *out, const struct bch_disk_group *groups,
			    unsigned int nr, unsigned int g)
{
	u32 path[PATH_MAX_DEPTH];
	unsigned int depth = 0;
	int above = g;

	while (above >= 0 && depth < PATH_MAX_DEPTH) {
		path[depth++] = above;
		above = group_above(groups, nr, above);
	}
	while (depth--)
		bce_text_printf(out, "%.32s%s", groups[path[depth]].label, depth ? "." : "");
}

void bce_sb_member_label(struct text_buf *out, const struct bch_sb *sb, unsigned int idx)
{
	const struct bch_disk_group *groups;
	struct member_info m;
	unsigned int nr;

	bce_sb_member(sb, idx, &m);
	groups = sb_groups(sb, &nr);
	if (m.group && group_usable(groups, nr, m.group - 1))
		group_path_text(out, groups, nr, m.group - 1);
}

bool bce_sb_target_has_dev(const struct bch_sb *sb, u16 target, unsigned int dev)
{
	const struct bch_disk_group *groups;
	unsigned int nr, wanted, depth;
	struct member_info m;
	int g;

	if (target == BCH_TARGET_NONE)
		return true;
	bce_sb_member(sb, dev, &m);
	if (!m.exists)
		return false;
	if (target < BCH_TARGET_GROUP_BASE)
		return target - BCH_TARGET_DEV_BASE == dev;

	wanted = target - BCH_TARGET_GROUP_BASE;
	groups = sb_groups(sb, &nr);
	if (!m.group || m.group > nr || !group_usable(groups, nr, wanted))
		return false;
	for (g = m.group - 1, depth = 0; g >= 0 && depth < PATH_MAX_DEPTH; depth++) {
		if (g == wanted)
			return true;
		g = group_above(groups, nr, g);
	}
	return false;
}

void bce_sb_target_text(struct text_buf *out, const struct bch_sb *sb, u16 target)
{
	const struct bch_disk_group *groups;
	unsigned int nr;

	if (target == BCH_TARGET_NONE) {
		bce_text_printf(out, "none");
	} else if (target < BCH_TARGET_GROUP_BASE) {
		bce_text_printf(out, "device %u", target - BCH_TARGET_DEV_BASE);
	} else {
		groups = sb_groups(sb, &nr);
		if (group_usable(groups, nr, target - BCH_TARGET_GROUP_BASE))
			group_path_text(out, groups, nr, target - BCH_TARGET_GROUP_BASE);
		else
			bce_text_printf(out, "group %u (missing)", target - BCH_TARGET_GROUP_BASE);
	}
}

int bce_sb_target_parse(const struct bch_sb *sb, const char *text, u16 *target)
{
	struct text_buf path = TEXT_BUF_INIT;
	const struct bch_disk_group *groups;
	unsigned int nr, g;
	bool found = false;

	if (!strcmp(text, "none")) {
		*target = BCH_TARGET_NONE;
		return 0;
	}
	groups = sb_groups(sb, &nr);
	for (g = 0; g < nr && !found; g++) {
		if (!group_usable(groups, nr, g))
			continue;
		bce_text_reset(&path);
		group_path_text(&path, groups, nr, g);
		found = !path.failed && !strcmp(bce_text_str(&path), text);
		*target = BCH_TARGET_GROUP_BASE + g;
	}
	bce_text_exit(&path);
	return found ? 0 : -ENOENT;
}
