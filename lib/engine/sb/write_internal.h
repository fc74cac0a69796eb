/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_WRITE_INTERNAL_H
#define ENGINE_SB_WRITE_INTERNAL_H

#include <linux/mutex.h>

#include "engine/format/ids.h"
#include "engine/sb/sb_internal.h"
#include "engine/sb/write.h"

/* What the files that change superblocks share. */

/* sections that each member has of its own: journal, journal_v2 */
#define SB_OWN_FIELDS	2

struct sb_own {
	bool			known;
	u64			seq;	/* on its first copy */
	u64			tried;	/* last one that was to go there */
	u8			uuid[16];	/* there; of another set until a new member is first written */
	struct bch_sb_layout	layout;
	struct bch_sb_field	*field[SB_OWN_FIELDS];	/* kvmalloc'ed; NULL: not there */
};

/**
 * struct sb_writer - a superblock in memory that can be changed
 * @lock:      all of it
 * @noio:      allocation scope to return to, of whoever holds @lock
 * @sb:        the common part: no own sections; its dev_idx and layout are of no meaning
 * @room:      bytes that @sb has
 * @unwritten: something was edited that no successful write has covered
 * @members:   where to write; NULL for a superblock in the making (format.c)
 * @counted:   member counters that are in the member records already
 */
struct sb_writer {
	struct mutex		lock;
	unsigned int		noio;
	struct bch_sb		*sb;
	size_t			room;
	bool			unwritten;
	struct member_table	*members;
	struct bce_log		*log;
	struct sb_own		own[BCH_MEMBERS_MAX];
	struct member_counters	counted[BCH_MEMBERS_MAX];
};

static inline struct bch_sb_field *sb_writer_field(struct sb_writer *w, unsigned int type)
{
	return (struct bch_sb_field *)bce_sb_field(w->sb, type, NULL);
}

/* index into sb_own.field[], -1 for sections of the common part */
static inline int sb_own_slot(unsigned int type)
{
	return type == BCH_SB_FIELD_journal ? 0 : type == BCH_SB_FIELD_journal_v2 ? 1 : -1;
}

#define SB_FLAG_SET(sb, name, v) \
	((sb)->flags[BCH_SB_##name##_WORD] = cpu_to_le64(BITS_SET( \
		le64_to_cpu((sb)->flags[BCH_SB_##name##_WORD]), BCH_SB_##name, (u64)(v))))

/* a writer with an empty common part of @head's header; see format.c */
struct sb_writer *sb_writer_alloc(const struct bch_sb *head, struct member_table *members,
				  struct bce_log *log);
/* before it is closed: nothing of its content (a key) stays in freed memory */
void sb_writer_wipe(struct sb_writer *w);
/* the layout and the own sections of @sb become member @dev's. Return: 0, -ENOMEM */
int sb_own_set(struct sb_writer *w, unsigned int dev, const struct bch_sb *sb);
/* bytes of a member's superblock */
size_t sb_image_bytes(const struct sb_writer *w, unsigned int dev);
/* that superblock, without offset and checksum; @out has sb_image_bytes() */
void sb_image_make(const struct sb_writer *w, unsigned int dev, struct bch_sb *out);
/* offset and checksum of the copy at @sector. Return: 0, -EINVAL */
int sb_image_seal(struct bch_sb *sb, u64 sector);

/* edit_members.c: both sections there, records of full length. Return: 0, -ENOSPC, -ENOMEM */
int sb_members_normalize(struct sb_writer *w);
/* members_v1 as members_v2 has it */
void sb_members_v1_copy(struct sb_writer *w);
/* the record of a member in members_v2, which sb_members_normalize() has made */
struct bch_member *sb_members_record(struct sb_writer *w, unsigned int idx);

/* edit_errors.c: sections that every superblock has or that follow from the others */
int sb_derived_sections(struct sb_writer *w);

/* groups.c: index of the entry with this dotted path; -ENOENT */
int sb_group_find(const struct bch_sb *sb, const char *path);

/* may a member refer to this group (index + 1, 0: none)? Where there are no groups, to any: nobody looks */
bool sb_member_label_fits(const struct bch_sb *sb, unsigned int group);

#endif
