// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks of a running set.
 *
 *   common part (one, in memory)     edited under the mutex, by the edit_*.c files and by others
 *        |
 *        |  bce_sb_write():  seq and time go up, what follows from other facts is made anew
 *        v
 *   image per member  = common part + its own layout, index, journal sections; checked by the
 *        |              same rules as when it is read
 *        v
 *   1. the first copy is read back: has anybody else written here? did the last write arrive?
 *   2. all members are flushed: what the new superblock says of other blocks is true on disk
 *   3. first copy of all members, wait; second copy of all, wait; ...
 *
 * A crash at any point leaves on each member at least one copy that is whole, old or new: only one
 * is being written at a time, and each write is durable (FUA) before the next begins. Where
 * writing a copy fails, that copy may be torn: the later ones are still written, but the last one
 * only if an earlier one is good. A member counts as written if its first copy was, for that is
 * the one that readers take.
 *
 * Nothing is written while INITIALIZED is 0: a set that was never initialised stays as its
 * formatter left it until all of it is there.
 *
 * The mutex is held during the writes. Memory is got without I/O, since whoever waits for a
 * superblock write may be what I/O waits for.
 *
 * Source: docs/format/10-superblock.md, section 7.
 */
#include "engine/sb/write.h"

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/bdev_write.h"
#include "engine/sb/write_internal.h"
#include "engine/util/csum.h"

static const u8 bchfs_magic[16] = BCHFS_MAGIC_BYTES;

/* ---- open, close ---- */

struct sb_writer *sb_writer_alloc(const struct bch_sb *head, struct member_table *members,
				  struct bce_log *log)
{
	struct sb_writer *w = kvzalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return NULL;
	mutex_init(&w->lock);
	w->members = members;
	w->log = log;
	w->room = sizeof(*head);
	w->sb = kvzalloc(w->room, GFP_KERNEL);
	if (!w->sb) {
		bce_sb_writer_close(w);
		return NULL;
	}
	*w->sb = *head;
	w->sb->u64s = 0;
	return w;
}

void sb_writer_wipe(struct sb_writer *w)
{
	memzero_explicit(w->sb, w->room);
}

static int copy_common_fields(struct sb_writer *w, const struct bch_sb *from)
{
	const struct bch_sb_field *f = NULL;
	struct bch_sb_field *copy;

	while ((f = sb_field_next(from, f))) {
		if (sb_own_slot(le32_to_cpu(f->type)) >= 0)
			continue;
		copy = bce_sb_field_resize(w, le32_to_cpu(f->type), le32_to_cpu(f->u64s));
		if (IS_ERR(copy))
			return PTR_ERR(copy);
		memcpy(copy, f, sb_field_bytes(f));
	}
	return 0;
}

int bce_sb_writer_open(struct sb_writer **out, const struct bch_sb *best,
		       const struct bch_sb *const *dev_sb, struct member_table *members,
		       struct bce_log *log)
{
	struct sb_writer *w = sb_writer_alloc(best, members, log);
	unsigned int dev;
	int ret;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	/* before the members' limits are known: what has been on disk may be too long to grow only */
	ret = copy_common_fields(w, best);
	for (dev = 0; dev < BCH_MEMBERS_MAX && !ret; dev++) {
		bce_member_counters(members, dev, &w->counted[dev]);
		if (dev_sb[dev])
			ret = bce_sb_dev_add(w, dev, dev_sb[dev]);
	}
	if (!ret)
		ret = sb_members_normalize(w);
	w->unwritten = false;
	if (ret)
		bce_sb_writer_close(w);
	else
		*out = w;
	return ret;
}

void bce_sb_writer_close(struct sb_writer *w)
{
	unsigned int dev, i;

	if (!w)
		return;
	for (dev = 0; dev < BCH_MEMBERS_MAX; dev++)
		for (i = 0; i < SB_OWN_FIELDS; i++)
			kvfree(w->own[dev].field[i]);
	kvfree(w->sb);
	mutex_destroy(&w->lock);
	kvfree(w);
}

int bce_sb_dev_add(struct sb_writer *w, unsigned int dev, const struct bch_sb *dev_sb)
{
	int ret = dev < BCH_MEMBERS_MAX ? sb_own_set(w, dev, dev_sb) : -EINVAL;

	if (!ret) {
		w->own[dev].seq = w->own[dev].tried = le64_to_cpu(dev_sb->seq);
		memcpy(w->own[dev].uuid, dev_sb->uuid, sizeof(dev_sb->uuid));
	}
	return ret;
}

struct bch_sb *bce_sb_edit_begin(struct sb_writer *w)
{
	unsigned int noio;

	mutex_lock(&w->lock);
	noio = memalloc_noio_save();
	w->noio = noio;
	return w->sb;
}

struct bch_sb *bce_sb_image(struct sb_writer *w)
{
	return w->sb;
}

void bce_sb_edit_end(struct sb_writer *w)
{
	unsigned int noio = w->noio;

	memalloc_noio_restore(noio);
	mutex_unlock(&w->lock);
}

/* ---- images ---- */

void sb_image_make(const struct sb_writer *w, unsigned int dev, struct bch_sb *out)
{
	const struct sb_own *own = &w->own[dev];
	u8 *end = (u8 *)out + sb_total_bytes(w->sb);
	unsigned int i;

	memcpy(out, w->sb, sb_total_bytes(w->sb));
	for (i = 0; i < SB_OWN_FIELDS; i++)
		if (own->field[i]) {
			memcpy(end, own->field[i], sb_field_bytes(own->field[i]));
			end += sb_field_bytes(own->field[i]);
		}
	out->u64s = cpu_to_le32((end - (u8 *)out->sections) / 8);
	out->dev_idx = dev;
	out->layout = own->layout;
}

struct bch_sb *bce_sb_dev_copy(struct sb_writer *w, unsigned int dev)
{
	struct bch_sb *copy = kvzalloc(sb_image_bytes(w, dev), GFP_KERNEL);

	if (copy)
		sb_image_make(w, dev, copy);
	return copy;
}

int sb_image_seal(struct bch_sb *sb, u64 sector)
{
	struct bce_csum csum;
	int ret;

	sb->offset = cpu_to_le64(sector);
	ret = bce_csum(BCH_SB_FLAG(sb, CSUM_TYPE), NULL, (struct bce_nonce) { },
		       (u8 *)sb + sizeof(sb->csum), sb_total_bytes(sb) - sizeof(sb->csum), &csum);
	if (!ret) {
		sb->csum.lo = cpu_to_le64(csum.lo);
		sb->csum.hi = cpu_to_le64(csum.hi);
	}
	return ret;
}

/* the superblock itself is never MACed: 10-superblock.md, section 4, encodings */
static unsigned int csum_type(const struct bch_sb *sb)
{
	static const u8 type_of_option[BCH_CSUM_OPT_NR] = {
		[BCH_CSUM_OPT_crc32c]	= BCH_CSUM_crc32c_nonzero,
		[BCH_CSUM_OPT_crc64]	= BCH_CSUM_crc64_nonzero,
		[BCH_CSUM_OPT_xxhash]	= BCH_CSUM_xxhash,
	};
	unsigned int option = BCH_SB_FLAG(sb, META_CSUM_TYPE);

	return option < BCH_CSUM_OPT_NR ? type_of_option[option] : BCH_CSUM_none;
}

/* ---- one write ---- */

/* a member that is being written */
struct target {
	struct member_dev	*m;
	struct bch_sb		*image;
	size_t			io_bytes;
	u64			copies_good;	/* bit per copy written */
	bool			writing;
	bool			flushed;
	struct bdev_write	io;
};

struct write_round {
	struct target	*target;
	unsigned int	nr;
};

static void round_exit(struct write_round *r)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		kvfree(r->target[i].image);
		bce_member_put_io(r->target[i].m);
	}
	kvfree(r->target);
}

/* a member that came after the set was opened: its own parts are on the device */
static int own_load(struct sb_writer *w, struct member_dev *m)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	int ret = bce_sb_read(&img, m->bdev, 0, &why);

	if (!ret) {
		ret = bce_sb_dev_add(w, m->idx, img.sb);
		bce_sb_image_exit(&img);
	} else {
		bce_log_line(w->log, BCE_LOG_ERR, "member %u (%s): %s", m->idx, m->name,
			     bce_text_str(&why));
	}
	bce_text_exit(&why);
	return ret;
}

/* references to the members that are there */
static int round_init(struct sb_writer *w, struct write_round *r)
{
	unsigned int dev;

	r->nr = 0;
	r->target = kvcalloc(w->sb->nr_devices, sizeof(*r->target), GFP_KERNEL);
	if (!r->target)
		return -ENOMEM;
	for (dev = 0; dev < w->sb->nr_devices; dev++) {
		struct member_dev *m = bce_member_get_io(w->members, dev);

		if (!m)
			continue;
		if (!w->own[dev].known && own_load(w, m))
			bce_member_put_io(m);
		else
			r->target[r->nr++].m = m;
	}
	return 0;
}

/* errors counted on the member since the last time are added to its record */
static void count_errors(struct sb_writer *w, unsigned int dev)
{
	struct bch_member *record = sb_members_record(w, dev);
	struct member_counters now, *counted = &w->counted[dev];
	u64 writes;

	bce_member_counters(w->members, dev, &now);
	/* counted one after the other: a write error may be seen before it is an I/O error */
	now.write_errors = min(now.write_errors, now.io_errors);
	/* another device took the slot: it counts from zero */
	if (now.io_errors < counted->io_errors || now.write_errors < counted->write_errors ||
	    now.csum_errors < counted->csum_errors)
		*counted = (struct member_counters) { };
	writes = min(now.write_errors - counted->write_errors, now.io_errors - counted->io_errors);
	le64_add_cpu(&record->errors[BCH_MEMBER_ERROR_write], writes);
	le64_add_cpu(&record->errors[BCH_MEMBER_ERROR_read],
		     now.io_errors - counted->io_errors - writes);
	le64_add_cpu(&record->errors[BCH_MEMBER_ERROR_checksum],
		     now.csum_errors - counted->csum_errors);
	*counted = now;
}

/* does the set have a member that is not written to? */
static bool some_are_away(struct sb_writer *w, const struct write_round *r)
{
	unsigned int members = 0;
	struct member_info m;

	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++) {
		bce_sb_member(w->sb, dev, &m);
		members += m.exists;
	}
	return r->nr < members;
}

/*
 * The common part as it is to be written. Without all members one number is left out: the one that those who are
 * away may have got by the last write for all, if a crash came before others had it. Of two different superblocks
 * with one number nobody could say which is the later.
 */
static int common_prepare(struct sb_writer *w, struct write_round *r)
{
	unsigned int i;
	u64 seq;
	int ret = sb_members_normalize(w);

	if (!ret)
		ret = sb_derived_sections(w);
	if (ret)
		return ret;
	seq = le64_to_cpu(w->sb->seq) + (some_are_away(w, r) ? 2 : 1);
	w->sb->seq = cpu_to_le64(seq);
	w->sb->write_time = cpu_to_le64(ktime_get_real_seconds());
	memcpy(w->sb->magic, bchfs_magic, sizeof(bchfs_magic));
	SB_FLAG_SET(w->sb, CSUM_TYPE, csum_type(w->sb));
	for (i = 0; i < r->nr; i++) {
		unsigned int dev = r->target[i].m->idx;

		memcpy(w->own[dev].layout.magic, bchfs_magic, sizeof(bchfs_magic));
		sb_members_record(w, dev)->seq = cpu_to_le64(seq);
		count_errors(w, dev);
	}
	sb_members_v1_copy(w);
	return 0;
}

static int image_check(struct sb_writer *w, struct target *t)
{
	struct text_buf why = TEXT_BUF_INIT;
	int ret;

	ret = bce_sb_validate(t->image, sb_total_bytes(t->image), bdev_nr_sectors(t->m->bdev), &why);
	if (ret)
		bce_log_line(w->log, BCE_LOG_ERR,
			     "superblock of member %u (%s) would be invalid, nothing written: %s",
			     t->m->idx, t->m->name, bce_text_str(&why));
	bce_text_exit(&why);
	return ret ? -EINVAL : 0;
}

static int images_make(struct sb_writer *w, struct write_round *r)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < r->nr && !ret; i++) {
		struct target *t = &r->target[i];
		unsigned int dev = t->m->idx;

		t->io_bytes = round_up(sb_image_bytes(w, dev),
				       bdev_logical_block_size(t->m->bdev));
		t->image = kvzalloc(t->io_bytes, GFP_KERNEL);
		if (!t->image)
			return -ENOMEM;
		sb_image_make(w, dev, t->image);
		ret = sb_image_seal(t->image, le64_to_cpu(t->image->layout.sb_offset[0]));
		if (!ret)
			ret = image_check(w, t);
	}
	return ret;
}

static bool same_set(const u8 a[16], const u8 b[16])
{
	return !memcmp(a, b, 16);
}

/* Is the first copy the one that we know of? A write that was said to have failed may have arrived. */
static bool as_left(const struct sb_own *own, const struct bch_sb *found, const struct bch_sb *sb)
{
	u64 seq = le64_to_cpu(found->seq);

	if (same_set(found->uuid, own->uuid) && seq == own->seq)
		return true;
	return same_set(found->uuid, sb->uuid) && seq <= own->tried &&
	       (seq >= own->seq || !same_set(own->uuid, sb->uuid));
}

/*
 * What stands on the first copy must be what we wrote last. A copy that is damaged proves
 * nothing, and is about to be mended.
 */
static int read_back(struct sb_writer *w, struct target *t)
{
	u64 sector = le64_to_cpu(t->image->layout.sb_offset[0]), seq;
	const struct sb_own *own = &w->own[t->m->idx];
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	int ret = bce_sb_read(&img, t->m->bdev, sector, &why);

	if (ret == -ENOMEM) {
		bce_text_exit(&why);
		return ret;
	}
	if (ret) {
		/* of a member that has failed nothing else is expected: a disk that was pulled */
		if (!bce_member_is_failed(t->m))
			bce_log_line(w->log, BCE_LOG_WARN, "member %u (%s): %.*s; rewriting it", t->m->idx,
				     t->m->name, (int)strcspn(bce_text_str(&why), "\n"), bce_text_str(&why));
		bce_text_exit(&why);
		return 0;
	}
	seq = le64_to_cpu(img.sb->seq);
	if (!as_left(own, img.sb, w->sb)) {
		bce_log_line(w->log, BCE_LOG_ERR,
			     "member %u (%s): superblock has sequence number %llu, we wrote %llu: %s",
			     t->m->idx, t->m->name, (unsigned long long)seq,
			     (unsigned long long)own->seq,
			     seq < own->seq ? "the device has lost a write" :
					      "somebody else writes to this device");
		ret = -ESTALE;
	}
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
	return ret;
}

static void flush_all(struct sb_writer *w, struct write_round *r)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		bce_member_flush_start(&r->target[i].io, r->target[i].m, NULL);
	for (i = 0; i < r->nr; i++) {
		struct target *t = &r->target[i];
		int error = bce_member_write_wait(&t->io);

		t->flushed = !error;
		if (error && !bce_member_is_failed(t->m))
			bce_log_line(w->log, BCE_LOG_ERR,
				     "member %u (%s): flush failed (error %d), its superblock is left as it was",
				     t->m->idx, t->m->name, error);
	}
}

/* May this copy be written now? The last one that may still be whole must stay. */
static bool copy_may_go(const struct target *t, unsigned int copy)
{
	unsigned int nr = t->image->layout.nr_superblocks;

	return t->flushed && copy < nr && (copy + 1 < nr || nr == 1 || t->copies_good);
}

static void copy_start(struct sb_writer *w, struct target *t, unsigned int copy)
{
	u64 sector = le64_to_cpu(t->image->layout.sb_offset[copy]);

	t->writing = copy_may_go(t, copy) && !sb_image_seal(t->image, sector);
	if (t->writing && !copy)
		w->own[t->m->idx].tried = le64_to_cpu(w->sb->seq);
	if (t->writing)
		bce_member_write_start(&t->io, t->m, sector, t->image, t->io_bytes, REQ_FUA, NULL);
}

static void copy_wait(struct sb_writer *w, struct target *t, unsigned int copy)
{
	int error;

	if (!t->writing)
		return;
	error = bce_member_write_wait(&t->io);
	if (!error) {
		t->copies_good |= 1ULL << copy;
		return;
	}
	bce_log_line(w->log, BCE_LOG_ERR,
		     "member %u (%s): writing superblock copy %u at sector %llu failed (error %d)",
		     t->m->idx, t->m->name, copy, (unsigned long long)le64_to_cpu(t->image->offset),
		     error);
}

static void write_copies(struct sb_writer *w, struct write_round *r)
{
	unsigned int copy, i, copies = 0;

	for (i = 0; i < r->nr; i++)
		copies = max_t(unsigned int, copies, r->target[i].image->layout.nr_superblocks);
	for (copy = 0; copy < copies; copy++) {
		for (i = 0; i < r->nr; i++)
			copy_start(w, &r->target[i], copy);
		for (i = 0; i < r->nr; i++)
			copy_wait(w, &r->target[i], copy);
	}
}

/* Could the set be started from those that were written as well as from those that are there? */
static int round_result(struct sb_writer *w, struct write_round *r)
{
	struct sb_presence all, good;
	u64 there = 0, written = 0;
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		u64 bit = 1ULL << r->target[i].m->idx;

		there |= bit;
		if (!(r->target[i].copies_good & 1))
			continue;
		written |= bit;
		w->own[r->target[i].m->idx].seq = le64_to_cpu(w->sb->seq);
		memcpy(w->own[r->target[i].m->idx].uuid, w->sb->uuid, sizeof(w->sb->uuid));
	}
	bce_sb_presence(w->sb, there, &all);
	bce_sb_presence(w->sb, written, &good);
	if (written && (good.data_complete || !all.data_complete))
		return 0;
	bce_log_line(w->log, BCE_LOG_ERR, "superblock %llu: written to %u of %u members, not enough",
		     (unsigned long long)le64_to_cpu(w->sb->seq), good.nr_present, all.nr_present);
	return -EIO;
}

static int round_run(struct sb_writer *w, struct write_round *r)
{
	unsigned int i;
	int ret;

	if (!r->nr)
		return -EIO;
	ret = common_prepare(w, r);
	if (!ret)
		ret = images_make(w, r);
	for (i = 0; i < r->nr && !ret; i++)
		ret = read_back(w, &r->target[i]);
	if (ret)
		return ret;
	flush_all(w, r);
	write_copies(w, r);
	return round_result(w, r);
}

static int write_all(struct sb_writer *w)
{
	struct write_round r;
	int ret = round_init(w, &r);

	if (ret)
		return ret;
	ret = round_run(w, &r);
	round_exit(&r);
	if (!ret)
		w->unwritten = false;
	return ret;
}

int bce_sb_write(struct sb_writer *w)
{
	return BCH_SB_FLAG(w->sb, INITIALIZED) ? write_all(w) : 0;
}

int bce_sb_write_before_init(struct sb_writer *w)
{
	return write_all(w);
}
