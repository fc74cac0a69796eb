/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SB_ENTRY_H
#define ENGINE_SB_ENTRY_H

#include "engine/format/journal.h"
#include "engine/key/validate.h"

/*
 * Lists of journal sub-entries (struct jset_entry). A jset holds one, and so does the
 * superblock's clean section, which is why they live below the journal.
 */

#define BTREE_ID_MAX		63	/* ids are below it */
#define BTREE_ROOT_U64S_MAX	(BKEY_U64S + 9)	/* key of a root: header, btree_ptr_v2 value */

/* A walk over a list. Never leaves it; @bad: the entries do not tile it. */
struct entry_walk {
	const __le64	*next;
	const __le64	*end;
	bool		bad;
};

void bce_entry_walk_init(struct entry_walk *w, const void *list, size_t u64s);
/* the next entry, wholly inside the list; NULL at the end or when the rest does not fit */
const struct jset_entry *bce_entry_next(struct entry_walk *w);

static inline unsigned int jset_entry_u64s(const struct jset_entry *e)
{
	return le16_to_cpu(e->u64s);
}

const char *bce_entry_type_name(unsigned int type);	/* "unknown" beyond the known */

/* does the payload consist of unpacked keys (types 0, 1, 10, 11)? */
bool bce_entry_has_keys(const struct jset_entry *e);

/* A walk over the keys of one such entry. */
struct entry_key_walk {
	const __le64	*next;
	const __le64	*end;
	bool		bad;
};

void bce_entry_keys_init(struct entry_key_walk *w, const struct jset_entry *e);
/* false at the end or at a key that is not one (@w->bad) */
bool bce_entry_next_key(struct entry_key_walk *w, struct bkey *k);

/**
 * bce_entries_validate() - all rules of a list of @u64s words, keys included
 * @rules: see bce_key_validate()
 * @err:   what is wrong, in words, appended
 *
 * Return: 0, or the enum bce_error id + 1.
 * Source: docs/format/30-journal.md, section 2; 40-recovery.md, section 4.
 */
int bce_entries_validate(const void *list, size_t u64s, const struct key_rules *rules,
			 struct text_buf *err);

/* one line per key or fact, "btree_root: btree=inodes l=0 u64s 11 ...", no newline at the end */
void bce_entry_text(struct text_buf *out, const struct jset_entry *e,
		    const struct key_rules *rules);

/* "0.20", "1.13: inode_has_child_snapshots" when the version has a name */
void bce_version_text(struct text_buf *out, unsigned int version);

#endif
