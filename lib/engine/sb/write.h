/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_WRITE_H
#define ENGINE_SB_WRITE_H

#include "engine/sb/members.h"
#include "engine/sb/sb.h"

/*
 * The superblock of a running set: one image in memory, which is changed under a mutex and then
 * written to all copies on all present members. See write.c; docs/format/10-superblock.md,
 * section 7 (writing), 6 (sections).
 */
struct sb_writer;

/*
 * @best:    copied
 * @dev_sb:  [64] each present member's own: per-device parts (layout, journal rings, index)
 * Return: 0, -ENOMEM.
 */
int bce_sb_writer_open(struct sb_writer **out, const struct bch_sb *best,
		       const struct bch_sb *const *dev_sb, struct member_table *members,
		       struct bce_log *log);
void bce_sb_writer_close(struct sb_writer *w);
/*
 * A member's own parts, from its superblock. Also at any later time: of a device that came back
 * with others, or of a new member, formatted as a set of its own, whose slot was made before. (Of a member that is in the table and unknown here they are read when needed.)
 */
int bce_sb_dev_add(struct sb_writer *w, unsigned int dev, const struct bch_sb *dev_sb);

/* the image, for reading and changing; it stays where it is until a field is resized */
struct bch_sb *bce_sb_edit_begin(struct sb_writer *w);
/* the same image, where it is now; under the lock */
struct bch_sb *bce_sb_image(struct sb_writer *w);
void bce_sb_edit_end(struct sb_writer *w);
/**
 * bce_sb_write() - write what was changed; under the lock
 * seq and write_time go up, checksums are made, each member gets its own copies in the order that
 * leaves one good copy after a crash at any point. While INITIALIZED is 0 nothing is written.
 * Return: 0; -EIO no member could be written, or not those without which data would be missing; a
 * single member's failure is logged, and counted. -ESTALE a device has lost our last write, or
 * somebody else writes to it; -EINVAL the result would break a rule; -ENOSPC, -ENOMEM: nothing
 * was written.
 */
int bce_sb_write(struct sb_writer *w);

/*
 * The same while INITIALIZED is still 0: members learn of their own rings before any of them says that the
 * set has been started, so that no crash leaves one without. A start after it begins anew.
 */
int bce_sb_write_before_init(struct sb_writer *w);

/* ---- editing; all under the lock, nothing is written by them ---- */

/*
 * A section of the common part resized to @u64s words, header included (0: removed); made if it
 * was not there; new words are zero. Return: the section; NULL for 0; ERR_PTR(-ENOSPC, -ENOMEM).
 */
struct bch_sb_field *bce_sb_field_resize(struct sb_writer *w, unsigned int type,
					 unsigned int u64s);
/* a member's own part, for reading: NULL when it is not present, or has no such section */
const struct bch_sb_layout *bce_sb_dev_layout(struct sb_writer *w, unsigned int dev);
const struct bch_sb_field *bce_sb_dev_field(struct sb_writer *w, unsigned int dev,
					    unsigned int type);
/* the member's whole superblock as it would be written now, its sums not made; kvfree() it. NULL: no memory */
struct bch_sb *bce_sb_dev_copy(struct sb_writer *w, unsigned int dev);
/* the same for a member's own part: journal, journal_v2 */
struct bch_sb_field *bce_sb_dev_field_resize(struct sb_writer *w, unsigned int dev,
					     unsigned int type, unsigned int u64s);

/* what is wrong with a value in user units, NULL if nothing */
const char *bce_sb_option_check(const struct sb_option_desc *desc, u64 value);
/**
 * bce_sb_option_parse() - a value as people write it
 * @devs:  names of the members by index, for targets; NULL, or NULL in it: not known
 * @value: in user units
 * @why:   on error, appended: which option, and what it may be
 * Return: 0, -EINVAL.
 */
int bce_sb_option_parse(const struct bch_sb *sb, const struct sb_option_desc *desc,
			const char *text, const char *const *devs, u64 *value,
			struct text_buf *why);
/* @value in user units, allowed by bce_sb_option_check(); features that it needs are set, too */
void bce_sb_option_set(struct bch_sb *sb, const struct sb_option_desc *desc, u64 value);
/*
 * Everything a member_info says goes to the member's record (both sections). @idx may be the
 * number of slots: then there is one more. A label must be one that there is, if there are any.
 * Return: 0, -EINVAL, -ENOSPC, -ENOMEM
 */
#define BCE_SB_DURABILITY_MAX	2	/* its two bits hold no more */
int bce_sb_member_set(struct sb_writer *w, unsigned int idx, const struct member_info *m);
/* a member's label, "ssd.ssd1"; NULL or "": none. Groups are made as needed, none goes */
int bce_sb_label_set(struct sb_writer *w, unsigned int idx, const char *label);
/* Return: 1 the entry was added (removed), 0 it was (not) there, negative errno */
int bce_sb_replicas_add(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			u64 devs);
int bce_sb_replicas_remove(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			   u64 devs);
/* [start, end) */
int bce_sb_blacklist_add(struct sb_writer *w, u64 start, u64 end);
/* ranges that lie wholly in [start, end) are not needed any more */
int bce_sb_blacklist_remove(struct sb_writer *w, u64 start, u64 end);
/* section clean with @u64s words of journal entries; CLEAN set or cleared is the caller's */
int bce_sb_clean_set(struct sb_writer *w, u64 journal_seq, const void *entries, unsigned int u64s);
/* ring of a member, as bucket numbers in ring order */
int bce_sb_journal_set(struct sb_writer *w, unsigned int dev, const u64 *buckets, unsigned int nr);
/* node sectors in a member's btree bitmap. Return: 1 changed, 0 it was marked */
int bce_sb_btree_bitmap_mark(struct sb_writer *w, unsigned int dev, u64 sector, u32 sectors);
/* @nr more findings of @error_id in section errors; HAS_ERRORS set */
int bce_sb_error_count(struct sb_writer *w, unsigned int error_id, u64 nr);
/* section ext, made if needed; ERR_PTR(-ENOSPC, -ENOMEM) */
struct bch_sb_field_ext *bce_sb_ext(struct sb_writer *w);
/* statistics: enum bch_counter; nothing is written because of it */
int bce_sb_counter_add(struct sb_writer *w, unsigned int counter, u64 add);

/* whole calls: lock, change, write if anything changed, unlock. Return: 0 or negative errno */
int bce_sb_mark_replicas(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			 u64 devs);
int bce_sb_mark_btree(struct sb_writer *w, unsigned int dev, u64 sector, u32 sectors);
int bce_sb_set_features(struct sb_writer *w, u64 features);

#endif
