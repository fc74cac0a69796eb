// SPDX-License-Identifier: GPL-2.0
/*
 * Which of the given devices form the set, and whose superblock speaks for it.
 *
 * The superblock with the highest sequence number leads (then the latest write time). The
 * others must belong to its set, have a slot in it, and must not have been written at a
 * time when the leader was not: two halves of a set that were each changed without the
 * other cannot both be right, and mixing them would destroy data.
 *
 * A leader that fails a test on itself (its own slot is empty, it is shorter than its
 * buckets) is put aside and the next one is tried.
 *
 * Source: docs/format/10-superblock.md, section 8.
 */
#include "engine/sb/sb.h"

#include <linux/errno.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/sb_internal.h"

static bool newer(const struct bch_sb *a, const struct bch_sb *b)
{
	if (a->seq != b->seq)
		return le64_to_cpu(a->seq) > le64_to_cpu(b->seq);
	return le64_to_cpu(a->write_time) > le64_to_cpu(b->write_time);
}

static void drop(struct sb_candidate *c, enum sb_verdict verdict, struct text_buf *why,
		 const char *reason)
{
	c->verdict = verdict;
	bce_text_printf(why, "%s: %s\n", c->name, reason);
}

/* the newest one that nothing was found against yet; -1 if none */
static int newest(const struct sb_candidate *c, unsigned int nr)
{
	unsigned int i;
	int best = -1;

	for (i = 0; i < nr; i++)
		if (c[i].verdict == SB_USE && (best < 0 || newer(c[i].sb, c[best].sb)))
			best = i;
	return best;
}

/* Does @c have the slot in @best that it thinks it has? */
static bool has_slot(const struct bch_sb *best, const struct bch_sb *c)
{
	struct member_info ours, theirs;

	bce_sb_member(c, c->dev_idx, &ours);
	bce_sb_member(best, c->dev_idx, &theirs);
	return theirs.exists && !memcmp(ours.uuid, theirs.uuid, sizeof(ours.uuid));
}

static bool check_capacity(const struct bch_sb *best, struct sb_candidate *c, struct text_buf *why)
{
	struct member_info m;
	u64 need_sectors;

	bce_sb_member(best, c->sb->dev_idx, &m);
	need_sectors = m.nbuckets * m.bucket_sectors;
	if (!c->device_sectors || c->device_sectors >= need_sectors)
		return true;
	c->verdict = SB_TOO_SMALL;
	bce_text_printf(why, "%s: the device has %llu sectors, member %u needs %llu\n", c->name,
			(unsigned long long)c->device_sectors, c->sb->dev_idx,
			(unsigned long long)need_sectors);
	return false;
}

static bool split_brain_testable(const struct bch_sb *a, const struct bch_sb *b)
{
	return le16_to_cpu(a->version) >= BCH_VERSION_member_seq &&
	       le16_to_cpu(b->version) >= BCH_VERSION_member_seq;
}

/*
 * Is what @c has a write for all, @best among them, that reached @c and not @best before a crash? Then nothing has been
 * written to @c without @best, and it is one that was away since.
 */
static bool written_together(const struct bch_sb *best, const struct bch_sb *c)
{
	struct member_info m;

	bce_sb_member(c, best->dev_idx, &m);
	return m.exists && m.seq == le64_to_cpu(c->seq);
}

/* Was @c written while @best was away? Says so and returns true. */
static bool is_split(const struct bch_sb *best, struct sb_candidate *c, struct text_buf *why)
{
	u64 own_seq = le64_to_cpu(c->sb->seq);
	struct member_info m;

	if (!split_brain_testable(best, c->sb))
		return false;
	if (c->sb->seq == best->seq && c->sb->write_time != best->write_time) {
		bce_text_printf(why, "%s: same sequence number %llu as member %u, but written at %llu and not %llu: split brain\n",
				c->name, (unsigned long long)own_seq, best->dev_idx,
				(unsigned long long)le64_to_cpu(c->sb->write_time),
				(unsigned long long)le64_to_cpu(best->write_time));
		return true;
	}
	bce_sb_member(best, c->sb->dev_idx, &m);
	if (m.seq && m.seq < own_seq && !written_together(best, c->sb)) {
		bce_text_printf(why, "%s: has sequence number %llu, member %u saw it last at %llu: split brain\n",
				c->name, (unsigned long long)own_seq, best->dev_idx,
				(unsigned long long)m.seq);
		return true;
	}
	return false;
}

static void judge(const struct bch_sb *best, struct sb_candidate *c, bool no_splitbrain_check,
		  struct text_buf *why)
{
	if (memcmp(c->sb->uuid, best->uuid, sizeof(best->uuid))) {
		drop(c, SB_FOREIGN, why, "belongs to another set");
	} else if (c->sb->block_size != best->block_size) {
		c->verdict = SB_FOREIGN;
		bce_text_printf(why, "%s: block size of %u sectors, the set has %u\n", c->name,
				le16_to_cpu(c->sb->block_size), le16_to_cpu(best->block_size));
	} else if (!has_slot(best, c->sb)) {
		drop(c, SB_REMOVED, why, "was removed from the set");
	} else if (!no_splitbrain_check && is_split(best, c, why)) {
		c->verdict = SB_SPLIT;
	} else {
		check_capacity(best, c, why);
	}
}

/* Several devices of one slot: keep the newest, of equals the first. */
static void drop_clones(struct sb_candidate *c, unsigned int nr, unsigned int best,
			struct text_buf *why)
{
	int holder[BCH_MEMBERS_MAX];
	unsigned int i;

	memset(holder, -1, sizeof(holder));
	holder[c[best].sb->dev_idx] = best;
	for (i = 0; i < nr; i++) {
		int *h = &holder[c[i].sb->dev_idx % BCH_MEMBERS_MAX];

		if (c[i].verdict != SB_USE || *h == (int)i)
			continue;
		if (*h < 0) {
			*h = i;
		} else if (*h != (int)best && newer(c[i].sb, c[*h].sb)) {
			drop(&c[*h], SB_CLONE, why, "is an older copy of another device given");
			*h = i;
		} else {
			drop(&c[i], SB_CLONE, why, "is a copy of another device given");
		}
	}
}

int bce_sb_choose(struct sb_candidate *c, unsigned int nr, bool no_splitbrain_check,
		  struct text_buf *why)
{
	unsigned int i;
	int best;

	for (i = 0; i < nr; i++)
		c[i].verdict = SB_USE;
	for (;;) {
		best = newest(c, nr);
		if (best < 0)
			return -EINVAL;
		if (!has_slot(c[best].sb, c[best].sb))
			drop(&c[best], SB_REMOVED, why, "has no slot in its own superblock");
		else if (check_capacity(c[best].sb, &c[best], why))
			break;
	}
	for (i = 0; i < nr; i++)
		if (i != best && c[i].verdict == SB_USE)
			judge(c[best].sb, &c[i], no_splitbrain_check, why);
	drop_clones(c, nr, best, why);
	return best;
}
