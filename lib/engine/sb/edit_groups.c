// SPDX-License-Identifier: GPL-2.0
/*
 * Giving members labels.
 *
 * "ssd.fast.ssd1" is a path through the table of disk groups; what is missing of it is made, in
 * slots of deleted entries first. Nothing is deleted here: options and inodes may name a group
 * that no member has any more.
 *
 * Source: docs/format/85-policies.md, section 1.1; 10-superblock.md, 6.5.
 */
#include "engine/sb/write.h"

#include <linux/err.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"

#define GROUPS_MAX		255	/* a member's field for it has 8 bits, 0 being none */
#define GROUP_U64S		(sizeof(struct bch_disk_group) / 8)

static bool group_deleted(const struct bch_disk_group *g)
{
	return BITS_GET(le64_to_cpu(g->flags[0]), BCH_GROUP_DELETED);
}

/* the child of @parent (index + 1, 0: top level) with this name; -1 */
static int child_find(const struct bch_disk_group *groups, unsigned int nr, unsigned int parent,
		      const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct bch_disk_group *g = &groups[i];

		if (!group_deleted(g) && BITS_GET(le64_to_cpu(g->flags[0]), BCH_GROUP_PARENT) == parent &&
		    strnlen((const char *)g->label, sizeof(g->label)) == len &&
		    !memcmp(g->label, name, len))
			return i;
	}
	return -1;
}

/* the next component of a path; false at the end. A component may be empty or too long. */
static bool next_component(const char **path, const char **name, size_t *len)
{
	const char *dot;

	if (!*path)
		return false;
	dot = strchr(*path, '.');
	*name = *path;
	*len = dot ? dot - *path : strlen(*path);
	*path = dot ? dot + 1 : NULL;
	return true;
}

static bool path_valid(const char *path)
{
	const char *name;
	size_t len;

	while (next_component(&path, &name, &len))
		if (!len || len > BCH_SB_LABEL_BYTES)
			return false;
	return true;
}

int sb_group_find(const struct bch_sb *sb, const char *path)
{
	const struct bch_disk_group *groups;
	unsigned int nr, parent = 0;
	const char *name;
	size_t len;

	groups = sb_groups(sb, &nr);
	while (next_component(&path, &name, &len)) {
		int g = child_find(groups, nr, parent, name, len);

		if (g < 0)
			return -ENOENT;
		parent = g + 1;
	}
	return parent - 1;
}

/* a slot for one more group: its index */
static int slot_get(struct sb_writer *w)
{
	const struct bch_disk_group *groups;
	struct bch_sb_field *f;
	unsigned int nr, i;

	groups = sb_groups(w->sb, &nr);
	for (i = 0; i < nr; i++)
		if (group_deleted(&groups[i]))
			return i;
	if (nr >= GROUPS_MAX) {
		bce_log_line(w->log, BCE_LOG_ERR, "superblock: there are %u labels already", nr);
		return -ENOSPC;
	}
	f = bce_sb_field_resize(w, BCH_SB_FIELD_disk_groups, 1 + GROUP_U64S * (nr + 1));
	return IS_ERR(f) ? PTR_ERR(f) : nr;
}

static int child_make(struct sb_writer *w, unsigned int parent, const char *name, size_t len)
{
	struct bch_disk_group *g;
	int slot = slot_get(w);
	unsigned int nr;

	if (slot < 0)
		return slot;
	g = (struct bch_disk_group *)sb_groups(w->sb, &nr) + slot;
	memset(g, 0, sizeof(*g));
	memcpy(g->label, name, len);
	g->flags[0] = cpu_to_le64(BITS_SET(BITS_SET(0ULL, BCH_GROUP_DATA_ALLOWED, ~0ULL),
					   BCH_GROUP_PARENT, (u64)parent));
	w->unwritten = true;
	return slot;
}

/* the index of a group, which is made if it is not there */
static int group_get(struct sb_writer *w, const char *path)
{
	const char *name;
	size_t len;
	int parent = 0;

	while (next_component(&path, &name, &len)) {
		const struct bch_disk_group *groups;
		unsigned int nr;
		int g;

		groups = sb_groups(w->sb, &nr);
		g = child_find(groups, nr, parent, name, len);
		if (g < 0)
			g = child_make(w, parent, name, len);
		if (g < 0)
			return g;
		parent = g + 1;
	}
	return parent - 1;
}

bool sb_member_label_fits(const struct bch_sb *sb, unsigned int group)
{
	const struct bch_disk_group *groups;
	unsigned int nr;

	groups = sb_groups(sb, &nr);
	return !group || !nr || (group <= nr && !group_deleted(&groups[group - 1]));
}

/* Where there is no table nobody minds what members refer to; with the first label it would mean something. */
static int labels_begin(struct sb_writer *w)
{
	unsigned int nr, i;
	struct member_info m;
	int ret = 0;

	sb_groups(w->sb, &nr);
	for (i = 0; !nr && !ret && i < w->sb->nr_devices; i++) {
		bce_sb_member(w->sb, i, &m);
		if (!m.group)
			continue;
		m.group = 0;
		ret = bce_sb_member_set(w, i, &m);
	}
	return ret;
}

int bce_sb_label_set(struct sb_writer *w, unsigned int idx, const char *label)
{
	struct member_info m;
	int g = -1;

	bce_sb_member(w->sb, idx, &m);
	if (!m.exists)
		return -ENODEV;
	if (label && *label) {
		if (!path_valid(label))
			return -EINVAL;
		g = labels_begin(w) ?: group_get(w, label);
		if (g < 0)
			return g;
		bce_sb_member(w->sb, idx, &m);
	}
	m.group = g + 1;
	return bce_sb_member_set(w, idx, &m);
}
