/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_JOURNAL_INTERNAL_H
#define ENGINE_JOURNAL_JOURNAL_INTERNAL_H

#include "engine/journal/replay.h"

/* What the files of this room share. */

/* ---- jset.c ---- */

static inline size_t jset_bytes(const struct jset *j)
{
	return sizeof(*j) + (size_t)le32_to_cpu(j->u64s) * 8;
}

u64 jset_magic(u64 uuid_word);
bool jset_version_supported(const struct jset *j);
/*
 * Is the checksum of the @bytes long jset right? *@good says.
 * Return: 0, or -ENOKEY when it is a MAC and there is no key.
 */
int jset_csum_check(const struct jset *j, size_t bytes, const struct bce_cipher *cipher,
		    bool *good);
void jset_decrypt(struct jset *j, size_t bytes, const struct bce_cipher *cipher);
/* header and list are complete: encrypt if @csum_type is a MAC, checksum. 0, -ENOKEY, -EINVAL */
int jset_seal(struct jset *j, size_t bytes, unsigned int csum_type,
	      const struct bce_cipher *cipher);

/* ---- scan.c ---- */

/* What all rings hold: copies in the order they were found, one journal_entry each. */
struct journal_scan {
	const struct journal_read_context *ctx;
	u64			magic;
	u32			block_bytes;
	u64			last_seq_max;	/* of all flush entries with a good checksum */
	struct journal_entry	**entry;
	size_t			nr;
	size_t			size;
	u64			scanned;	/* members whose ring was looked at */
	u64			unreadable;	/* members with read errors in their ring */
	struct journal_ring_pos	pos[BCH_MEMBERS_MAX];
};

/*
 * Read the rings of the members that may have one.
 * Return: 0 (single unreadable places are in @s->unreadable); -ENOMEM, -ENOKEY, -EBADMSG.
 */
int journal_scan_rings(struct journal_scan *s, const struct journal_read_context *ctx);
/* sort by seq and unite copies of one entry. Return: 0, -EBADMSG copies that differ */
int journal_scan_unite(struct journal_scan *s);
void journal_scan_exit(struct journal_scan *s);
void journal_entry_free(struct journal_entry *e);

/* ---- select.c ---- */

/*
 * Mark what is not replayed, and set last_seq, flush_seq, next_seq.
 * Return: 0, -EBADMSG.
 */
int journal_select(struct journal_replay *r, const struct journal_read_context *ctx,
		   u64 scanned);
/* a clean set's ring against its clean section: findings are logged, nothing fails */
void journal_compare_clean(const struct journal_replay *r, const struct journal_read_context *ctx);

/* ---- early.c ---- */

/* roots, key version, clocks and old blacklists of one list of entries; later calls win */
int journal_early_apply(struct journal_replay *r, const void *list, size_t u64s);

/* ---- blacklist.c ---- */

/* the superblock's ranges. Return: 0, -ENOMEM */
int journal_blacklist_load(struct journal_blacklist **out, const struct bch_sb *sb);
/* [start, end); takes effect with journal_blacklist_sort() */
int journal_blacklist_add(struct journal_blacklist **bl, u64 start, u64 end);
void journal_blacklist_sort(struct journal_blacklist *bl);
/* first sequence number in [start, end) that is not blacklisted; @end if all are */
u64 journal_blacklist_first_hole(const struct journal_blacklist *bl, u64 start, u64 end);

#endif
