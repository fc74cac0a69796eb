// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the journal rings.
 *
 * Every bucket of a ring is looked at on its own: entries follow each other from its start
 * without gaps, until something that is no entry, or an older one (left from the bucket's
 * previous life). Where the ring begins does not matter: entries carry their numbers.
 *
 * An entry with a wrong checksum does not say for sure how long it is, so the scan goes on
 * from the next block, looking for the magic.
 *
 *   ring bucket   | entry | entry | damaged | entry | old entry ...
 *                                   ^ by blocks     ^ stop
 *
 * The first piece of each bucket is read ahead, WINDOW buckets at a time, which keeps a
 * disk busy; most buckets of a big ring end there. The rest of a bucket is read only when
 * entries go on. Members are read one after the other.
 *
 * Entries below the greatest last_seq met so far cannot be needed any more and are dropped
 * as soon as that is known, so memory holds about one replay set per member.
 *
 * Source: docs/format/30-journal.md, section 7.
 */
#include "engine/journal/journal_internal.h"

#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/journal/ring_walk.h"
#include "engine/sb/bdev_read.h"
#include "engine/sb/replicas.h"

#define WINDOW			8
#define FIRST_PIECE_BYTES	(128U << 10)
#define NEXT_PIECE_BYTES	(512U << 10)

/* ---- one bucket's bytes ---- */

struct ring_bucket {
	struct member_dev	*m;
	u64			start_sector;
	u32			ring_index;
	size_t			bytes;		/* of the bucket */
	u8			*buf;		/* the first piece, or @whole */
	size_t			filled;
	u8			*whole;		/* as long as a bucket; shared by all of a member */
};

/* Make the first @need bytes of the bucket present. Return: 0 or an error of the device. */
static int bucket_fill(struct ring_bucket *b, size_t need)
{
	size_t more;
	int ret;

	if (need <= b->filled)
		return 0;
	if (b->buf != b->whole) {
		memcpy(b->whole, b->buf, b->filled);
		b->buf = b->whole;
	}
	more = min(max_t(size_t, need - b->filled, NEXT_PIECE_BYTES), b->bytes - b->filled);
	ret = bce_member_read_sync(b->m, b->start_sector + b->filled / SECTOR_BYTES,
				   b->whole + b->filled, more);
	if (ret)
		return ret;
	bce_member_count_read(b->m, more / SECTOR_BYTES);
	b->filled += more;
	return 0;
}

/* ---- the collection ---- */

void journal_entry_free(struct journal_entry *e)
{
	if (e)
		kvfree(e->jset);
	kfree(e);
}

void journal_scan_exit(struct journal_scan *s)
{
	size_t i;

	for (i = 0; i < s->nr; i++)
		journal_entry_free(s->entry[i]);
	kvfree(s->entry);
	s->entry = NULL;
	s->nr = s->size = 0;
}

static bool entry_too_old(const struct journal_scan *s, u64 seq)
{
	return !s->ctx->read_all && seq < s->last_seq_max;
}

static void drop_old(struct journal_scan *s)
{
	size_t i, kept = 0;

	for (i = 0; i < s->nr; i++)
		if (entry_too_old(s, s->entry[i]->seq))
			journal_entry_free(s->entry[i]);
		else
			s->entry[kept++] = s->entry[i];
	s->nr = kept;
}

/* room for one more */
static int scan_reserve(struct journal_scan *s)
{
	struct journal_entry **entry;
	size_t size;

	if (s->nr < s->size)
		return 0;
	drop_old(s);
	if (s->nr < s->size / 2)
		return 0;
	size = max_t(size_t, 64, 2 * s->size);
	entry = kvmalloc_array(size, sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	if (s->nr)
		memcpy(entry, s->entry, s->nr * sizeof(*entry));
	kvfree(s->entry);
	s->entry = entry;
	s->size = size;
	return 0;
}

/* A copy of the entry at @j goes into the collection, decrypted. */
static int scan_add(struct journal_scan *s, const struct ring_bucket *b, size_t offset,
		    const struct jset *j, bool csum_good)
{
	size_t bytes = jset_bytes(j);
	struct journal_entry *e;
	u64 last_seq;
	int ret = scan_reserve(s);

	if (ret)
		return ret;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->jset = kvmalloc(bytes, GFP_KERNEL);
	if (!e->jset) {
		kfree(e);
		return -ENOMEM;
	}
	memcpy(e->jset, j, bytes);
	jset_decrypt(e->jset, bytes, s->ctx->cipher);
	e->seq = le64_to_cpu(j->seq);
	e->bytes = bytes;
	e->csum_good = csum_good;
	e->nr_copies = 1;
	e->copy[0] = (struct journal_copy) {
		.dev = b->m->idx,
		.csum_good = csum_good,
		.ring_index = b->ring_index,
		.bucket_offset_sectors = offset / SECTOR_BYTES,
		.sector = b->start_sector + offset / SECTOR_BYTES,
	};
	s->entry[s->nr++] = e;

	/* one that contradicts itself is told later, and must not take the others with it */
	last_seq = le64_to_cpu(e->jset->last_seq);
	if (csum_good && !bce_jset_is_noflush(e->jset) && last_seq <= e->seq)
		s->last_seq_max = max(s->last_seq_max, last_seq);
	return 0;
}

/* The member's ring has been written up to @end_bytes of this bucket, by entry @seq. */
static void note_pos(struct journal_scan *s, const struct ring_bucket *b, u64 seq, size_t end_bytes)
{
	struct journal_ring_pos *pos = &s->pos[b->m->idx];

	if (seq < pos->seq)
		return;
	*pos = (struct journal_ring_pos) {
		.seq = seq,
		.ring_index = b->ring_index,
		.end_sectors = end_bytes / SECTOR_BYTES,
	};
}

/* ---- the entries of a bucket ---- */

enum found { FOUND_NOTHING, FOUND_DAMAGED, FOUND_OLD, FOUND_ENTRY };

/* Does the entry that begins at @offset fit, and is its checksum right? Fills the bucket. */
static int look_at_jset(struct journal_scan *s, struct ring_bucket *b, size_t offset,
			enum found *found)
{
	const struct jset *j = (const void *)(b->buf + offset);
	size_t bytes = jset_bytes(j);
	bool good;
	int ret;

	*found = FOUND_DAMAGED;
	if (bytes > b->bytes - offset || bytes > JSET_BYTES_MAX) {
		bce_log_error(s->ctx->log, BCE_ERR_jset_past_bucket_end,
			      "%s: journal entry %llu at sector %llu has %zu bytes, its bucket ends after %zu",
			      b->m->name, (unsigned long long)le64_to_cpu(j->seq),
			      (unsigned long long)(b->start_sector + offset / SECTOR_BYTES),
			      bytes, b->bytes - offset);
		return 0;
	}
	ret = bucket_fill(b, min(offset + round_up(bytes, s->block_bytes), b->bytes));
	if (ret)
		return ret;
	j = (const void *)(b->buf + offset);
	ret = jset_csum_check(j, bytes, s->ctx->cipher, &good);
	if (!ret && good)
		*found = FOUND_ENTRY;
	return ret;
}

/* Whole and of a version we know? Not an old one? Only asked of good checksums. */
static int judge_good(struct journal_scan *s, const struct ring_bucket *b, const struct jset *j,
		      u64 bucket_seq, enum found *found)
{
	u64 seq = le64_to_cpu(j->seq);

	if (!jset_version_supported(j)) {
		bce_log_error(s->ctx->log, BCE_ERR_jset_unsupported_version,
			      "%s: journal entry %llu has version %u", b->m->name,
			      (unsigned long long)seq, le32_to_cpu(j->version));
		return -EBADMSG;
	}
	if (seq < bucket_seq)
		*found = FOUND_OLD;
	else if (!seq)
		*found = FOUND_DAMAGED;
	return 0;
}

/* What is at @offset? */
static int look_at(struct journal_scan *s, struct ring_bucket *b, size_t offset, u64 bucket_seq,
		   enum found *found)
{
	const struct jset *j;
	int ret;

	*found = FOUND_NOTHING;
	ret = bucket_fill(b, offset + s->block_bytes);
	if (ret)
		return ret;
	j = (const void *)(b->buf + offset);
	if (le64_to_cpu(j->magic) != s->magic)
		return 0;
	ret = look_at_jset(s, b, offset, found);
	if (!ret && *found == FOUND_ENTRY)
		ret = judge_good(s, b, (const void *)(b->buf + offset), bucket_seq, found);
	return ret;
}

static void log_damaged(struct journal_scan *s, const struct ring_bucket *b, size_t offset,
			const struct jset *j)
{
	bce_log_line(s->ctx->log, BCE_LOG_WARN,
		     "%s: journal entry %llu at sector %llu (ring index %u): wrong checksum",
		     b->m->name, (unsigned long long)le64_to_cpu(j->seq),
		     (unsigned long long)(b->start_sector + offset / SECTOR_BYTES), b->ring_index);
}

/* the damaged one takes part too, if it has a shape: its number tells how far writing had come */
static int add_damaged(struct journal_scan *s, const struct ring_bucket *b, size_t offset,
		       u64 bucket_seq)
{
	const struct jset *j = (const void *)(b->buf + offset);
	size_t bytes = jset_bytes(j);
	u64 seq = le64_to_cpu(j->seq);

	if (bytes > b->filled - offset || bytes > JSET_BYTES_MAX || !seq || seq < bucket_seq)
		return 0;
	/* how long it really is nobody knows: go on in another bucket */
	note_pos(s, b, seq, b->bytes);
	if (entry_too_old(s, seq))
		return 0;
	log_damaged(s, b, offset, j);
	return scan_add(s, b, offset, j, false);
}

static int scan_bucket(struct journal_scan *s, struct ring_bucket *b)
{
	u64 bucket_seq = 0;		/* newest good entry of this bucket */
	bool damage = false;
	size_t offset = 0;
	enum found found;
	int ret = 0;

	while (!ret && b->bytes - offset >= s->block_bytes) {
		const struct jset *j;

		ret = look_at(s, b, offset, bucket_seq, &found);
		if (ret || found == FOUND_OLD || (found == FOUND_NOTHING && !damage))
			break;
		if (found == FOUND_ENTRY) {
			j = (const void *)(b->buf + offset);
			bucket_seq = le64_to_cpu(j->seq);
			if (!entry_too_old(s, bucket_seq))
				ret = scan_add(s, b, offset, j, true);
			offset += min(round_up(jset_bytes(j), s->block_bytes), b->bytes - offset);
			note_pos(s, b, bucket_seq, offset);
			continue;
		}
		if (found == FOUND_DAMAGED) {
			damage = true;
			ret = add_damaged(s, b, offset, bucket_seq);
		}
		offset += s->block_bytes;
	}
	return ret;
}

/* ---- one member ---- */

struct window_slot {
	struct bdev_read	read;
	u8			*buf;
	u64			start_sector;
	u32			ring_index;
};

struct member_scan {
	struct journal_scan	*s;
	struct member_dev	*m;
	struct ring_walk	ring;
	size_t			bucket_bytes;
	size_t			first_bytes;
	u8			*whole;
	struct window_slot	slot[WINDOW];
	unsigned int		head;		/* next to be waited for */
	unsigned int		nr;		/* under way */
};

/* keep the window full while @more is wanted */
static void window_fill(struct member_scan *ms)
{
	u32 bucket_sectors = ms->bucket_bytes / SECTOR_BYTES;
	struct window_slot *slot;
	u32 index;
	u64 bucket;

	while (ms->nr < WINDOW && bce_ring_walk_next(&ms->ring, &bucket, &index)) {
		slot = &ms->slot[(ms->head + ms->nr++) % WINDOW];
		slot->start_sector = bucket * bucket_sectors;
		slot->ring_index = index;
		bce_bdev_read_start(&slot->read, ms->m->bdev, slot->start_sector, slot->buf,
				    ms->first_bytes);
	}
}

/* An unreadable bucket is not the end: others, or other members, may hold all that counts. */
static void note_unreadable(struct member_scan *ms, const struct window_slot *slot, int error)
{
	ms->s->unreadable |= 1ULL << ms->m->idx;
	bce_member_io_done(ms->m, 0, true);
	bce_log_line(ms->s->ctx->log, BCE_LOG_ERR,
		     "%s: reading journal bucket at sector %llu (ring index %u) failed: error %d",
		     ms->m->name, (unsigned long long)slot->start_sector, slot->ring_index, error);
}

static bool error_is_of_device(int error)
{
	return error && error != -ENOMEM && error != -EBADMSG && error != -ENOKEY;
}

static int window_take(struct member_scan *ms)
{
	struct window_slot *slot = &ms->slot[ms->head];
	struct ring_bucket b = {
		.m = ms->m,
		.start_sector = slot->start_sector,
		.ring_index = slot->ring_index,
		.bytes = ms->bucket_bytes,
		.buf = slot->buf,
		.filled = ms->first_bytes,
		.whole = ms->whole,
	};
	int ret = bce_bdev_read_wait(&slot->read);

	if (!ret) {
		bce_member_count_read(ms->m, ms->first_bytes / SECTOR_BYTES);
		ret = scan_bucket(ms->s, &b);
	}
	ms->head = (ms->head + 1) % WINDOW;
	ms->nr--;
	if (error_is_of_device(ret)) {
		note_unreadable(ms, slot, ret);
		ret = 0;
	}
	return ret;
}

static void window_drain(struct member_scan *ms)
{
	while (ms->nr) {
		bce_bdev_read_wait(&ms->slot[ms->head].read);
		ms->head = (ms->head + 1) % WINDOW;
		ms->nr--;
	}
}

static int member_scan_alloc(struct member_scan *ms)
{
	unsigned int i;

	ms->whole = kvmalloc(ms->bucket_bytes, GFP_KERNEL);
	if (!ms->whole)
		return -ENOMEM;
	for (i = 0; i < WINDOW; i++) {
		ms->slot[i].buf = kvmalloc(ms->first_bytes, GFP_KERNEL);
		if (!ms->slot[i].buf)
			return -ENOMEM;
	}
	return 0;
}

static void member_scan_free(struct member_scan *ms)
{
	unsigned int i;

	for (i = 0; i < WINDOW; i++)
		kvfree(ms->slot[i].buf);
	kvfree(ms->whole);
	kfree(ms);
}

/* @m: I/O reference held */
static int scan_member(struct journal_scan *s, struct member_dev *m, const struct bch_sb *own_sb)
{
	struct member_scan *ms = kzalloc(sizeof(*ms), GFP_KERNEL);
	int ret;

	if (!ms)
		return -ENOMEM;
	ms->s = s;
	ms->m = m;
	ms->bucket_bytes = (size_t)m->info.bucket_sectors * SECTOR_BYTES;
	ms->first_bytes = min_t(size_t, ms->bucket_bytes, FIRST_PIECE_BYTES);
	bce_ring_walk_init(&ms->ring, own_sb);

	ret = member_scan_alloc(ms);
	if (!ret)
		window_fill(ms);
	while (!ret && ms->nr) {
		ret = window_take(ms);
		if (!ret)
			window_fill(ms);
	}
	window_drain(ms);
	member_scan_free(ms);
	return ret;
}

/* ---- the set ---- */

/* members whose ring can hold something: the others' rings are not read (30-journal, 7) */
static u64 members_to_scan(const struct journal_read_context *ctx)
{
	u64 journal = bce_replicas_members_of(ctx->sb, BCH_DATA_journal);
	struct member_info m;
	unsigned int idx;
	u64 mask = 0;

	for (idx = 0; idx < BCH_MEMBERS_MAX; idx++) {
		bce_sb_member(ctx->sb, idx, &m);
		if (!m.exists || !ctx->dev_sb[idx])
			continue;
		if (m.state != MEMBER_RW && m.state != MEMBER_RO)
			continue;
		if (ctx->read_all || (journal >> idx & 1))
			mask |= 1ULL << idx;
	}
	return mask;
}

int journal_scan_rings(struct journal_scan *s, const struct journal_read_context *ctx)
{
	u64 members = members_to_scan(ctx);
	struct member_dev *m;
	struct sb_info info;
	unsigned int idx;
	int ret = 0;

	memset(s, 0, sizeof(*s));
	bce_sb_info(ctx->sb, &info);
	s->ctx = ctx;
	s->magic = jset_magic(info.uuid_word);
	s->block_bytes = info.block_sectors * SECTOR_BYTES;

	for (idx = 0; idx < BCH_MEMBERS_MAX && !ret; idx++) {
		if (!(members >> idx & 1))
			continue;
		m = bce_member_get_io(ctx->members, idx);
		if (!m)
			continue;
		s->scanned |= 1ULL << idx;
		ret = scan_member(s, m, ctx->dev_sb[idx]);
		bce_member_put_io(m);
	}
	drop_old(s);
	return ret;
}

/* ---- uniting copies ---- */

/* by number, good ones first, then by member */
static int entry_cmp(const void *_a, const void *_b)
{
	const struct journal_entry *a = *(const struct journal_entry *const *)_a;
	const struct journal_entry *b = *(const struct journal_entry *const *)_b;

	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	if (a->csum_good != b->csum_good)
		return a->csum_good ? -1 : 1;
	if (a->copy[0].dev != b->copy[0].dev)
		return a->copy[0].dev < b->copy[0].dev ? -1 : 1;
	return a->copy[0].sector < b->copy[0].sector ? -1 : a->copy[0].sector > b->copy[0].sector;
}

/* Another copy of the same number: note its place in @keep. */
static int unite(struct journal_scan *s, struct journal_entry *keep, struct journal_entry *more)
{
	unsigned int i;

	for (i = 0; i < keep->nr_copies; i++)
		if (keep->copy[i].dev == more->copy[0].dev && more->csum_good)
			bce_log_error(s->ctx->log, BCE_ERR_journal_entry_dup_same_device,
				      "journal entry %llu twice on member %u, at sectors %llu and %llu",
				      (unsigned long long)keep->seq, keep->copy[i].dev,
				      (unsigned long long)keep->copy[i].sector,
				      (unsigned long long)more->copy[0].sector);
	if (more->csum_good &&
	    (keep->bytes != more->bytes || memcmp(keep->jset, more->jset, keep->bytes))) {
		bce_log_error(s->ctx->log, BCE_ERR_journal_entry_replicas_data_mismatch,
			      "journal entry %llu on member %u at sector %llu differs from that on member %u at sector %llu, both with good checksums",
			      (unsigned long long)keep->seq, more->copy[0].dev,
			      (unsigned long long)more->copy[0].sector, keep->copy[0].dev,
			      (unsigned long long)keep->copy[0].sector);
		return -EBADMSG;
	}
	if (keep->nr_copies < JOURNAL_COPIES_MAX)
		keep->copy[keep->nr_copies++] = more->copy[0];
	return 0;
}

int journal_scan_unite(struct journal_scan *s)
{
	size_t i, kept = 0;
	int ret = 0, error;

	if (!s->nr)
		return 0;
	sort(s->entry, s->nr, sizeof(s->entry[0]), entry_cmp, NULL);
	for (i = 1; i < s->nr; i++) {
		if (s->entry[i]->seq != s->entry[kept]->seq) {
			s->entry[++kept] = s->entry[i];
			continue;
		}
		error = unite(s, s->entry[kept], s->entry[i]);
		ret = ret ?: error;
		journal_entry_free(s->entry[i]);
	}
	s->nr = kept + 1;
	return ret;
}
