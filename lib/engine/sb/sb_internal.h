/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_SB_INTERNAL_H
#define ENGINE_SB_SB_INTERNAL_H

#include "engine/sb/sb.h"

/* What the files of this room share. */

/* length of a copy by its own word; not checked against anything */
static inline size_t sb_total_bytes(const struct bch_sb *sb)
{
	return sizeof(*sb) + (size_t)le32_to_cpu(sb->u64s) * 8;
}

static inline size_t sb_field_bytes(const struct bch_sb_field *f)
{
	return (size_t)le32_to_cpu(f->u64s) * 8;
}

/*
 * The section after @f, or the first one when @f is NULL; NULL at the end or where the
 * sections stop tiling. The superblock's own length must have been checked.
 */
const struct bch_sb_field *sb_field_next(const struct bch_sb *sb, const struct bch_sb_field *f);

/*
 * A copy's envelope: magic, length, checksum, version. @bytes is what was read.
 * Return: 0; -ENODATA no such magic; -EBADMSG damaged; -EOPNOTSUPP an unknown version.
 */
int sb_envelope_check(const struct bch_sb *sb, size_t bytes, struct text_buf *why);
int sb_layout_check(const struct bch_sb_layout *layout, struct text_buf *why);

/* rules of all sections, see validate_fields.c. Return: 0, -EINVAL, -ENOMEM */
int sb_fields_check(const struct bch_sb *sb, struct text_buf *why);
int sb_options_check(const struct bch_sb *sb, struct text_buf *why);

const char *sb_field_name(unsigned int type);	/* NULL for unknown types */

/* a record of members_v2, or of members_v1 if there is no other; zero-extended */
bool sb_member_record(const struct bch_sb *sb, unsigned int idx, struct bch_member *out);
/* a record of that section; false when the section is too short */
bool sb_member_of_field(const struct bch_sb_field *f, unsigned int idx, struct bch_member *out);
void sb_member_decode(const struct bch_member *m, struct member_info *out);

/* wrap a master key, or undo it: the same operation. Return: 0, -ENOMEM */
int sb_key_wrap(const struct bch_sb *sb, struct bch_key *key, const u8 *passphrase_key);

/* the disk groups table and its length */
const struct bch_disk_group *sb_groups(const struct bch_sb *sb, unsigned int *nr);

#endif
