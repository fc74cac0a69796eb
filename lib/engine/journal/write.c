// SPDX-License-Identifier: GPL-2.0
/*
 * Bringing entries to the members.
 *
 * Entries are prepared and submitted in order of their numbers, under write_mutex, once nobody
 * holds a reservation in them:
 *
 *   what transactions put in | roots they did not change | datetime | key version | clocks
 *
 * Roots. An entry must not speak of a root that a later transaction made: if the later entry is
 * lost, so must be the root. So roots are not asked for when an entry is written; the journal
 * keeps a table of them, which each entry's own btree_root entries update when its turn comes.
 *
 * Then the entry is checked by the readers' rules, encrypted, summed, and gets its places.
 *
 * Flush or not is decided at that moment. A flush entry waits until all earlier ones are
 * complete, then for the caches of all members (a transaction's data and nodes may be on any of
 * them), then is written with FUA; behind it, entries without flush may be submitted meanwhile.
 *
 *   others' caches ----+
 *   (several targets:  |--> FUA writes of all copies --> complete
 *    all caches) ------+
 *   one target: its own cache is flushed by the write (PREFLUSH)
 *
 * A cache into which nothing can have been written since it was flushed last is left alone; the
 * member table knows. So a lone insert costs the device one write with FUA.
 *
 * Copies. As many members are chosen as make up the wanted durability: metadata target first,
 * much slower ones last, then by free space. An entry is complete when all of its copies have
 * ended. (No member is written to that is not needed, so there is nobody who need not be waited
 * for; a slow one is avoided by choosing others next time.) Where a write fails another member
 * takes its place, at the beginning of a bucket if a later entry stands in its present one
 * already. The entry is good if those that hold it make up replicas_required.
 *
 * Which members hold an entry together must be in the superblock before it is written; and again
 * before it counts as complete, if it is on others than was planned.
 *
 * Completion: end of I/O (any context) marks the buffer and kicks; journal_complete() does the
 * rest under done_mutex, and in order of numbers: written_seq, flushed_seq and last_seq_ondisk move,
 * ring space becomes reusable.
 *
 * A crash at any point leaves entries up to the last complete flush entry whole, and perhaps more.
 *
 * Source: docs/format/30-journal.md, sections 2 to 5; 20-checksums-encryption.md, sections 2, 4.
 */
#include "engine/journal/journal.h"

#include <linux/bitops.h>
#include <linux/blk_types.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "engine/journal/writer.h"
#include "engine/util/event.h"

/* ---- roots ---- */

int journal_write_init(struct journal *j)
{
	mutex_init(&j->write_mutex);
	mutex_init(&j->done_mutex);
	j->root = kvcalloc(BTREE_ID_MAX, sizeof(*j->root), GFP_KERNEL);
	j->root_list = kvcalloc(BTREE_ID_MAX * ROOT_ENTRY_U64S, sizeof(__le64), GFP_KERNEL);
	j->tail_u64s = TAIL_FIXED_U64S + BTREE_ID_NR * ROOT_ENTRY_U64S;
	return j->root && j->root_list ? 0 : -ENOMEM;
}

static void root_take(struct journal *j, const struct jset_entry *e)
{
	struct journal_root_key *root = &j->root[e->btree_id];
	unsigned int u64s = jset_entry_u64s(e);

	if (e->btree_id >= BTREE_ID_MAX || u64s > BTREE_ROOT_U64S_MAX)
		return;		/* validation will say so */
	root->present = true;
	root->level = e->level;
	root->u64s = u64s;
	memcpy(root->key, e->payload, u64s * 8);
}

void journal_roots_load(struct journal *j)
{
	const struct jset_entry *e;
	struct entry_walk w;
	unsigned int u64s, btree;

	u64s = j->c.ops->roots(j->c.ctx, j->root_list, BTREE_ID_MAX * ROOT_ENTRY_U64S);
	memset(j->root, 0, BTREE_ID_MAX * sizeof(*j->root));
	bce_entry_walk_init(&w, j->root_list, u64s);
	while ((e = bce_entry_next(&w)))
		if (e->type == JSET_ENTRY_btree_root)
			root_take(j, e);
	if (j->roots_loaded)
		return;
	j->roots_loaded = true;
	/* btrees that we do not know, but keep */
	for (btree = BTREE_ID_NR; btree < BTREE_ID_MAX; btree++)
		if (j->root[btree].present)
			WRITE_ONCE(j->tail_u64s, j->tail_u64s + ROOT_ENTRY_U64S);
}

/* ---- the end of an entry's list ---- */

struct list_end {
	struct journal_buf	*buf;
	u32			u64s;
};

static __le64 *tail_add(struct list_end *l, unsigned int type, unsigned int btree_id,
			unsigned int level, unsigned int u64s)
{
	struct jset_entry *e = (void *)(l->buf->jset->entries + l->u64s);

	*e = (struct jset_entry) {
		.u64s		= cpu_to_le16(u64s),
		.btree_id	= btree_id,
		.level		= level,
		.type		= type,
	};
	l->u64s += 1 + u64s;
	return e->payload;
}

static void tail_add_roots(struct journal *j, struct list_end *l, u64 have)
{
	unsigned int btree;

	for (btree = 0; btree < BTREE_ID_MAX; btree++) {
		struct journal_root_key *root = &j->root[btree];

		if (root->present && !(have >> btree & 1))
			memcpy(tail_add(l, JSET_ENTRY_btree_root, btree, root->level, root->u64s),
			       root->key, root->u64s * 8);
	}
}

static void tail_add_clock(struct journal *j, struct list_end *l, unsigned int rw)
{
	struct jset_payload_clock *clock = (void *)tail_add(l, JSET_ENTRY_clock, 0, 0, 2);

	*clock = (struct jset_payload_clock) {
		.rw	= rw,
		.time	= cpu_to_le64(j->c.ops->io_clock(j->c.ctx, rw)),
	};
}

static void tail_add_all(struct journal *j, struct list_end *l, u64 have_roots)
{
	tail_add_roots(j, l, have_roots);
	*tail_add(l, JSET_ENTRY_datetime, 0, 0, 1) = cpu_to_le64(ktime_get_real_seconds());
	*tail_add(l, JSET_ENTRY_usage, JSET_USAGE_key_version, 0, 1) =
		cpu_to_le64(j->c.ops->key_version(j->c.ctx));
	tail_add_clock(j, l, 0);
	tail_add_clock(j, l, 1);
}

/* What transactions put in: roots are noted. Return: btrees that have one. */
static u64 take_roots(struct journal *j, struct journal_buf *buf)
{
	struct jset_entry *e;
	struct entry_walk w;
	u64 have = 0;

	bce_entry_walk_init(&w, buf->jset->entries, buf->u64s);
	while ((e = (void *)bce_entry_next(&w))) {
		if (e->type == JSET_ENTRY_write_buffer_keys)
			e->type = JSET_ENTRY_btree_keys;
		if (e->type == JSET_ENTRY_btree_root && e->btree_id < BTREE_ID_MAX) {
			root_take(j, e);
			have |= 1ULL << e->btree_id;
		}
	}
	return have;
}

/* ---- preparing ---- */

static void fill_header(struct journal *j, struct journal_buf *buf, u32 u64s, u8 csum_type)
{
	u32 flags = BITS_SET(0, JSET_CSUM_TYPE, csum_type);

	*buf->jset = (struct jset) {
		.magic		= cpu_to_le64(jset_magic(j->c.uuid_word)),
		.seq		= cpu_to_le64(buf->seq),
		.version	= cpu_to_le32(j->c.version),
		.flags		= cpu_to_le32(BITS_SET(flags, JSET_NO_FLUSH, !buf->flush)),
		.u64s		= cpu_to_le32(u64s),
		.last_seq	= cpu_to_le64(buf->flush ? buf->last_seq : 0),
	};
}

static int check_entry(struct journal *j, struct journal_buf *buf)
{
	struct text_buf err = TEXT_BUF_INIT;
	int id = bce_jset_validate(buf->jset, jset_bytes(buf->jset), j->c.rules, &err);

	if (id)
		bce_log_error(j->c.log, id - 1, "journal entry %llu, about to be written: %s",
			      (unsigned long long)buf->seq, bce_text_str(&err));
	bce_text_exit(&err);
	return id ? -EINVAL : 0;
}

/* The list is completed, header and checksum follow. */
static int prepare(struct journal *j, struct journal_buf *buf)
{
	struct list_end l = { .buf = buf, .u64s = buf->u64s };
	u8 csum_type = READ_ONCE(j->c.csum_type);
	size_t bytes;
	int ret;

	tail_add_all(j, &l, take_roots(j, buf));
	fill_header(j, buf, l.u64s, csum_type);
	bytes = jset_bytes(buf->jset);
	ret = check_entry(j, buf) ?: jset_seal(buf->jset, bytes, csum_type, j->c.cipher);
	buf->sectors = round_up(DIV_ROUND_UP(bytes, SECTOR_BYTES), j->c.block_sectors);
	memset((u8 *)buf->jset + bytes, 0, buf->sectors * SECTOR_BYTES - bytes);
	return ret;
}

/* ---- replicas ---- */

/* The superblock lists @devs together. Context: may write it */
static int mark(struct journal *j, u64 devs)
{
	unsigned int i;
	int ret;

	spin_lock(&j->lock);
	for (i = 0; i < j->nr_marked && j->marked[i] != devs; i++)
		;
	spin_unlock(&j->lock);
	if (i < j->nr_marked)
		return 0;
	ret = j->c.ops->mark_replicas(j->c.ctx, devs);
	if (ret)
		return ret;
	spin_lock(&j->lock);
	if (j->nr_marked == ARRAY_SIZE(j->marked))
		j->nr_marked = 0;
	j->marked[j->nr_marked++] = devs;
	spin_unlock(&j->lock);
	return 0;
}

/* ---- caches ---- */

/* it is not used for entries any more; said once */
static void dev_has_failed(struct journal *j, unsigned int dev, const char *what)
{
	bool first;

	spin_lock(&j->lock);
	first = !j->dev[dev].failed;
	j->dev[dev].failed = true;
	spin_unlock(&j->lock);
	if (first)
		bce_log_line(j->c.log, BCE_LOG_ERR,
			     "member %u: %s failed, no more journal entries go there", dev, what);
}

/* is @dev written to, and was it since its cache was flushed last? */
static bool member_needs_flush(struct journal *j, unsigned int dev)
{
	struct member_dev *m = bce_member_get_io_quietly(j->c.members, dev);
	bool needs = m && m->info.state == MEMBER_RW && !bce_member_is_failed(m) &&
		     !bce_member_quiet_since(m, &j->quiet_mark[dev]);

	if (m)
		bce_member_put_io(m);
	return needs;
}

static u64 members_to_flush(struct journal *j)
{
	u64 devs = 0, mask;

	for (mask = bce_members_present(j->c.members); mask; mask &= mask - 1)
		if (member_needs_flush(j, __ffs64(mask)))
			devs |= mask & -mask;
	return devs;
}

static void flush_has_failed(struct journal *j, u64 devs)
{
	for (; devs; devs &= devs - 1) {
		j->quiet_mark[__ffs64(devs)] = 0;
		dev_has_failed(j, __ffs64(devs), "flushing its cache");
	}
}

/*
 * What @devs have taken so far becomes stable. One that is there and cannot do it may have lost
 * something that was promised, now or later: at each flush the set says whether that can be borne.
 */
static int flush_members(struct journal *j, u64 devs)
{
	u64 bad = 0;

	if (devs)
		bad = bce_members_flush(j->c.members, devs) & bce_members_present(j->c.members);
	if (devs)
		bce_event(j->c.log, BCE_EVENT_io_flush, hweight64(devs));
	trace_bce_flush(bce_event_set(j->c.log), devs, bad);
	flush_has_failed(j, bad);
	j->unflushed |= bad;
	if (!j->unflushed)
		return 0;
	return j->c.ops->flush_failed ? j->c.ops->flush_failed(j->c.ctx, j->unflushed) : -EIO;
}

/* ---- submitting ---- */

static void note_latency(struct journal *j, struct journal_copy_write *copy)
{
	struct journal_dev *d = &j->dev[copy->m->idx];
	u64 ns = ktime_get_ns() - copy->started_ns, mean = READ_ONCE(d->latency_ns);

	WRITE_ONCE(d->latency_ns, mean ? mean - (mean >> 3) + (ns >> 3) : ns);
}

static void buf_write_put(struct journal_buf *buf)
{
	struct journal *j = buf->j;
	unsigned int nr = buf - j->buf;

	/* bce_journal_close() waits for a grace period before it frees @j */
	rcu_read_lock();
	if (atomic_dec_and_test(&buf->pending)) {
		test_and_set_bit(nr, &j->done);		/* ordered, unlike set_bit() */
		journal_kick(j);
	}
	rcu_read_unlock();
}

/* any context */
static void copy_done(struct bdev_write *w)
{
	struct journal_copy_write *copy = container_of(w, struct journal_copy_write, w);

	copy->error = w->error;
	if (!copy->error)
		note_latency(copy->buf->j, copy);
	bce_member_put_io(copy->m);
	buf_write_put(copy->buf);
}

static void copy_start(struct journal *j, struct journal_buf *buf, unsigned int dev, u64 sector,
		       blk_opf_t opf)
{
	struct journal_copy_write *copy = &buf->copy[dev];

	copy->buf = buf;
	copy->error = -ENODEV;
	/* what FUA writes is in no cache; the rest has to be flushed one day */
	copy->m = buf->flush ? bce_member_get_io_quietly(j->c.members, dev)
			     : bce_member_get_io(j->c.members, dev);
	if (!copy->m)
		return;			/* went away just now */
	copy->started_ns = ktime_get_ns();
	atomic_inc(&buf->pending);
	bce_member_write_start(&copy->w, copy->m, sector, buf->jset,
			       (size_t)buf->sectors * SECTOR_BYTES, opf, copy_done);
}

/* Places for @buf on members whose durabilities make up @want. Return: members. */
static u64 find_places(struct journal *j, struct journal_buf *buf, unsigned int want,
		       bool late, u64 sector[BCH_MEMBERS_MAX])
{
	unsigned int durability;
	u64 devs, mask;

	spin_lock(&j->lock);
	devs = journal_space_choose(j, buf->sectors, buf->devs_ok | buf->devs_bad, want,
				    &durability);
	for (mask = devs; mask; mask &= mask - 1) {
		unsigned int dev = __ffs64(mask);

		sector[dev] = journal_space_place(j, dev, buf->sectors, buf->seq, late);
		if (sector[dev] == U64_MAX)
			devs &= ~(1ULL << dev);
	}
	buf->max_sectors = 0;
	spin_unlock(&j->lock);
	return devs;
}

/* The copies of @buf go out, all at once. */
static void start_copies(struct journal *j, struct journal_buf *buf, u64 devs, const u64 *sector,
			 blk_opf_t opf)
{
	buf->devs = devs;
	atomic_set(&buf->pending, 1);
	for (; devs; devs &= devs - 1)
		copy_start(j, buf, __ffs64(devs), sector[__ffs64(devs)], opf);
	buf_write_put(buf);
}

/* sum of durabilities that an entry should have, with the members there are */
static unsigned int durability_wanted(struct journal *j)
{
	unsigned int total;

	spin_lock(&j->lock);
	total = journal_durability(j, journal_devs_alive(j));
	spin_unlock(&j->lock);
	return min_t(unsigned int, READ_ONCE(j->c.replicas), total);
}

static int submit(struct journal *j, struct journal_buf *buf)
{
	blk_opf_t opf = REQ_META | REQ_SYNC | REQ_PRIO;
	u64 sector[BCH_MEMBERS_MAX], devs, dirty;
	bool single;
	int ret;

	devs = find_places(j, buf, durability_wanted(j), false, sector);
	if (!devs || journal_durability(j, devs) < j->c.replicas_required)
		return -EIO;
	ret = mark(j, devs);
	if (ret)
		return ret;
	if (buf->flush) {
		dirty = members_to_flush(j);
		single = !(devs & (devs - 1)) && (dirty & devs);
		ret = flush_members(j, single ? dirty & ~devs : dirty);
		if (ret)
			return ret;
		opf |= REQ_FUA | (single ? REQ_PREFLUSH : 0);
	}
	buf->preflush = opf & REQ_PREFLUSH;
	start_copies(j, buf, devs, sector, opf);
	return 0;
}

/* ---- in order ---- */

static bool wants_flush(struct journal *j, const struct journal_buf *buf)
{
	return buf->want_flush || !j->flushed_once || journal_space_low(j);
}

/* The entry whose turn it is, if it can be written now; it has been decided how. */
static struct journal_buf *next_to_write(struct journal *j)
{
	struct journal_buf *buf = buf_of(j, j->submit_seq);
	bool alone = j->written_seq + 1 == j->submit_seq;

	if (j->error || j->submit_seq == j->next_seq)
		return NULL;
	/* who wants it flushed has waited long enough; others could join as long as it had to wait */
	if (buf->state == BUF_OPEN && buf->want_flush && alone)
		journal_entry_close(j);
	/* pairs with journal_entry_ready() */
	if (buf->state != BUF_CLOSED || !smp_load_acquire(&buf->ready))
		return NULL;
	buf->flush = wants_flush(j, buf);
	if (buf->flush && !alone)
		return NULL;
	buf->state = BUF_WRITING;
	j->submit_seq++;
	j->stats.entries++;
	j->stats.flush_entries += buf->flush;
	return buf;
}

void journal_advance(struct journal *j)
{
	struct journal_buf *buf;
	int ret = 0;

	mutex_lock(&j->write_mutex);
	do {
		spin_lock(&j->lock);
		buf = next_to_write(j);
		spin_unlock(&j->lock);
		if (!buf)
			break;
		ret = prepare(j, buf) ?: submit(j, buf);
	} while (!ret);
	mutex_unlock(&j->write_mutex);
	if (ret)
		journal_fail(j, ret);
}

/* ---- completion ---- */

static void sort_copies(struct journal *j, struct journal_buf *buf)
{
	u64 mask;

	for (mask = buf->devs; mask; mask &= mask - 1) {
		unsigned int dev = __ffs64(mask);

		if (!buf->copy[dev].error) {
			buf->devs_ok |= 1ULL << dev;
			continue;
		}
		buf->devs_bad |= 1ULL << dev;
		dev_has_failed(j, dev, "writing a journal entry");
	}
	buf->devs = 0;
}

/* The write that was to flush the cache of @devs has failed. */
static int flush_again(struct journal *j, u64 devs)
{
	int ret;

	mutex_lock(&j->write_mutex);		/* quiet_mark */
	ret = flush_members(j, devs);
	mutex_unlock(&j->write_mutex);
	return ret;
}

/* Others in the place of those that failed. Return: true if copies are under way again. */
static bool write_again(struct journal *j, struct journal_buf *buf)
{
	unsigned int have = journal_durability(j, buf->devs_ok), want = READ_ONCE(j->c.replicas);
	u64 sector[BCH_MEMBERS_MAX], devs;

	if (!buf->devs_bad || have >= want)
		return false;
	/* was it the flush of its cache that failed? */
	if (buf->preflush && flush_again(j, buf->devs_bad))
		return false;
	buf->preflush = false;
	devs = find_places(j, buf, want - have, true, sector);
	if (!devs || mark(j, devs | buf->devs_ok))
		return false;
	start_copies(j, buf, devs, sector,
		     REQ_META | REQ_SYNC | REQ_PRIO | (buf->flush ? REQ_FUA : 0));
	return true;
}

/* The copies have ended. Return: 1 others are under way; 0; negative errno */
static int finish_copies(struct journal *j, struct journal_buf *buf)
{
	sort_copies(j, buf);
	if (write_again(j, buf))
		return 1;
	if (!buf->devs_ok || journal_durability(j, buf->devs_ok) < j->c.replicas_required)
		return -EIO;
	return buf->devs_bad ? mark(j, buf->devs_ok) : 0;
}

/* Entries complete in order. Under j->lock. Return: whether something was flushed. */
static bool move_on(struct journal *j)
{
	bool flushed = false;
	struct journal_buf *buf;

	while (j->written_seq + 1 < j->submit_seq) {
		buf = buf_of(j, j->written_seq + 1);
		if (buf->state != BUF_WRITTEN)
			break;
		WRITE_ONCE(j->written_seq, buf->seq);
		j->stats.sectors_written += buf->sectors;
		if (buf->flush) {
			WRITE_ONCE(j->flushed_seq, buf->seq);
			j->last_seq_ondisk = max(j->last_seq_ondisk, buf->last_seq);
			j->flushed_once = true;
			flushed = true;
		}
		buf->state = BUF_FREE;
	}
	if (flushed)
		journal_space_update(j);
	return flushed;
}

static bool complete_one(struct journal *j, struct journal_buf *buf)
{
	int ret = finish_copies(j, buf);
	bool flushed;

	if (ret > 0)
		return false;
	bce_event(j->c.log, BCE_EVENT_journal_write, 1);
	trace_bce_journal_write(bce_event_set(j->c.log), buf->seq, buf->sectors, buf->flush, buf->devs_ok, ret);
	if (ret < 0) {
		journal_fail(j, ret);
		return false;
	}
	spin_lock(&j->lock);
	buf->state = BUF_WRITTEN;
	flushed = move_on(j);
	spin_unlock(&j->lock);
	journal_wake(j);
	return flushed;
}

void journal_complete(struct journal *j)
{
	bool flushed = false;
	unsigned int i;

	if (!READ_ONCE(j->done))
		return;
	mutex_lock(&j->done_mutex);
	for (i = 0; i < JOURNAL_BUFS; i++)
		if (test_and_clear_bit(i, &j->done))
			flushed |= complete_one(j, &j->buf[i]);
	if (flushed)
		j->c.ops->flushed(j->c.ctx, READ_ONCE(j->flushed_seq));
	mutex_unlock(&j->done_mutex);
}
