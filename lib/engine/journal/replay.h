/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_REPLAY_H
#define ENGINE_JOURNAL_REPLAY_H

#include "engine/format/ids.h"
#include "engine/format/journal.h"
#include "engine/key/validate.h"
#include "engine/sb/entry.h"
#include "engine/sb/members.h"
#include "engine/sb/sb.h"
#include "engine/util/log.h"

struct bce_cipher;
struct overlay;

/*
 * A btree's root as the newest journal entry or the clean section has it. A present root
 * whose key has u64s 0 is one that the writer could not read any more: the btree is not
 * empty, it is lost.
 */
struct journal_root {
	bool	present;
	u8	level;
	u64	key[BTREE_ROOT_U64S_MAX];	/* unpacked disk key, u64s in its first byte */
};

#define JOURNAL_COPIES_MAX	4

/* where a copy of an entry was found */
struct journal_copy {
	u8	dev;
	bool	csum_good;
	u32	ring_index;
	u32	bucket_offset_sectors;
	u64	sector;
};

struct journal_entry {
	u64			seq;
	struct jset		*jset;		/* decrypted, kvmalloc'ed */
	size_t			bytes;
	bool			csum_good;
	bool			ignore;		/* older, noflush tail, torn, blacklisted */
	u8			nr_copies;
	struct journal_copy	copy[JOURNAL_COPIES_MAX];	/* the first ones found */
};

/* where a member's ring was written last; entries that are not replayed count, and damaged ones */
struct journal_ring_pos {
	u64	seq;			/* highest number in it; 0: nothing found, or not looked at */
	u32	ring_index;
	u32	end_sectors;		/* in that bucket; the next entry may begin there */
};

/*
 * What the journal (dirty set) or the clean section (clean set) says. Roots of a
 * clean set come from the section, and there are no entries, unless read_all asked
 * for them: then all of them are marked ignored.
 */
struct journal_replay {
	bool			clean;
	u64			last_seq;	/* replay set is [last_seq, flush_seq] */
	u64			flush_seq;
	u64			next_seq;	/* what a writer would use */
	u64			key_version;
	u64			io_clock[2];	/* read, write; sectors */
	struct journal_root	root[BTREE_ID_MAX];
	struct journal_entry	**entry;	/* sorted by seq, all kept ones */
	size_t			nr_entries;
	struct journal_blacklist *blacklist;
	struct journal_ring_pos	ring_pos[BCH_MEMBERS_MAX];	/* only if the rings were read */
};

struct journal_read_context {
	const struct bch_sb	*sb;		/* the best one */
	const struct bch_sb	*const *dev_sb;	/* [64] each present member's own: ring sections */
	struct member_table	*members;
	const struct bce_cipher	*cipher;
	const struct key_rules	*rules;
	struct bce_log		*log;
	bool			read_all;	/* keep older entries too (listing) */
	bool			skip_blacklist_error;
};

/**
 * bce_journal_read() - roots and entries, without writing a byte
 * Context: may sleep, reads all journal rings of a dirty set.
 * Return: 0; -EIO unreadable, -EBADMSG a rule broken (logged, with its error id where it has
 *         one), -ENOKEY encrypted and no cipher given, -ENOMEM.
 * Source: docs/format/30-journal.md, sections 7 to 9; 10-superblock.md, 6.6.
 */
int bce_journal_read(struct journal_replay *out, const struct journal_read_context *ctx);
void bce_journal_replay_exit(struct journal_replay *r);
/* members on which copies were found, as far as they are remembered */
u64 bce_journal_entry_members(const struct journal_entry *e);

/* was this journal sequence never completely written? */
bool bce_journal_seq_blacklisted(const struct journal_blacklist *bl, u64 seq);

/* check the structure of a decrypted entry: for fuzzing and listing too. 0 or error id + 1 */
int bce_jset_validate(const struct jset *j, size_t bytes, const struct key_rules *rules,
		      struct text_buf *err);

/* iterate sub-entries; NULL at the end, or where they stop tiling a jset that was not validated */
const struct jset_entry *bce_jset_first(const struct jset *j);
const struct jset_entry *bce_jset_next(const struct jset *j, const struct jset_entry *e);

/* was it written without flush (and thus has no last_seq)? */
bool bce_jset_is_noflush(const struct jset *j);

#endif
