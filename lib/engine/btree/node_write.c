// SPDX-License-Identifier: GPL-2.0
/*
 * Appending to a node on disk.
 *
 *	begin	intent lock. Keys that are not written, packed into one bset. From now on they are
 *		"taken" (bce_open_take()), and their pin becomes writing_pin. Unlock
 *	write	to all replicas, behind written_sectors
 *	commit	a transaction puts the new sectors_written into the pointer, in the parent or as root
 *	end	intent lock. What was taken is written; writing_pin goes
 *
 * The lock is held while packing only. NODE_WRITING is set from begin to end: no other write
 * begins, and nobody replaces the node. Changes made meanwhile have higher numbers and a pin of
 * their own. Nobody but us changes what is decided under the intent lock here, so readers are not
 * disturbed and transactions need not begin anew.
 *
 * A crash before the transaction is in the journal leaves a block behind sectors_written, where
 * nobody looks, and the keys in the journal, where they were pinned. The block has to be on stable
 * storage before the journal entry is: a journal write that flushes does so for what was completed
 * before it.
 *
 * If a replica cannot be written, or its member is not there, nothing has happened: the node is to
 * be replaced, by one on members that work. Only when there is no space for that it is appended
 * to what is left. Then a replica stays behind; its bsets end early, so that a reader passes it
 * over. If none can be written at all, the error is the caller's.
 *
 * Source: docs/format/50-btree.md, 6.6; 30-journal.md, section 6.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/maintain.h"
#include "engine/btree/node_build.h"
#include "engine/btree/node_change.h"
#include "engine/btree/trans_internal.h"
#include "engine/btree/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/text.h"
#include "engine/sb/bdev_write.h"
#include "engine/util/event.h"

static void log_node(struct btrees *b, const struct node_id *id, const char *dev, const char *what)
{
	struct text_buf pos = TEXT_BUF_INIT;

	bce_pos_text(&pos, id->max);
	bce_log_line(b->config.log, BCE_LOG_ERR, "%s: btree %s level %u %s: %s", dev,
		     bce_btree_name(id->btree_id), id->level, bce_text_str(&pos), what);
	bce_text_exit(&pos);
}

/* ---- pins ---- */

void bce_node_pins_take(struct btrees *b, struct btree_node *n, u64 *journal_seq)
{
	struct journal *j = b->writing.journal;

	bce_journal_pin_copy(j, &n->writing_pin, &n->pin, bce_node_pin_flush_writing);
	bce_journal_pin_drop(j, &n->pin);
	*journal_seq = n->journal_seq;
	n->journal_seq = 0;
}

void bce_node_pins_give_back(struct btrees *b, struct btree_node *n, u64 journal_seq)
{
	struct journal *j = b->writing.journal;

	bce_journal_pin_copy(j, &n->pin, &n->writing_pin, bce_node_pin_flush);
	bce_journal_pin_drop(j, &n->writing_pin);
	n->journal_seq = max(n->journal_seq, journal_seq);
}

void bce_node_pins_done(struct btrees *b, struct btree_node *n)
{
	struct journal *j = b->writing.journal;

	bce_journal_pin_drop(j, &n->writing_pin);
	if (n->open.nr_unwritten)
		return;
	/* keys that came and went again meanwhile have left a pin */
	bce_journal_pin_drop(j, &n->pin);
	n->journal_seq = 0;
	WRITE_ONCE(n->dirty, false);
}

/* ---- replicas ---- */

struct node_io {
	struct node_id		id;
	unsigned int		nr;
	u32			missed;		/* pointers, by index, whose member is not there */
	u32			sectors;
	u8			ptr[BTREE_PTRS_MAX];	/* index of the pointer */
	struct bdev_write	write[BTREE_PTRS_MAX];
};

struct node_io *bce_node_io_start(struct btrees *b, const struct node_id *id,
				  const struct bkey *ptr, u32 offset_sectors, const void *data,
				  u32 sectors)
{
	struct node_io *io = kzalloc(sizeof(*io), GFP_NOFS);
	struct extent_ptr_decoded p;
	struct extent_walk walk;
	struct member_dev *m;
	unsigned int i;

	if (!io)
		return NULL;
	io->id = *id;
	io->sectors = sectors;
	bce_extent_walk_init(&walk, ptr, b->config.node_sectors);
	for (i = 0; i < BTREE_PTRS_MAX && bce_extent_next_ptr(&walk, &p); i++) {
		m = bce_member_get_io(b->config.members, p.ptr.dev);
		if (!m) {
			io->missed |= 1U << i;
			continue;
		}
		io->ptr[io->nr] = i;
		bce_member_write_start(&io->write[io->nr++], m, p.ptr.sector + offset_sectors,
				       data, (size_t)sectors * SECTOR_BYTES, 0, NULL);
	}
	return io;
}

int bce_node_io_wait(struct btrees *b, struct node_io *io, u32 *missed)
{
	unsigned int i, good = 0;

	for (i = 0; i < io->nr; i++) {
		struct member_dev *m = io->write[i].m;

		if (!bce_member_write_wait(&io->write[i])) {
			good++;
		} else {
			log_node(b, &io->id, m->name, "writing a node failed");
			io->missed |= 1U << io->ptr[i];
		}
		bce_member_put_io(m);
	}
	*missed = io->missed;
	if (!good)
		log_node(b, &io->id, "no replica written", "node not written");
	bce_event(b->config.log, BCE_EVENT_btree_node_write, 1);
	trace_bce_btree_node_write(bce_event_set(b->config.log), io->id.btree_id, io->id.level, io->sectors, good ? 0 : -EIO);
	atomic64_inc(&b->node_writes);
	atomic64_add(io->sectors, &b->node_write_sectors);
	kfree(io);
	return good ? 0 : -EIO;
}

/* ---- the pointer ---- */

bool bce_ptr_is_to(const struct bkey *ptr, const struct node_id *id)
{
	struct btree_ptr_info info;

	if (bpos_cmp(ptr->p, id->max) || !bce_key_is_btree_ptr(ptr->type))
		return false;
	bce_btree_ptr_decode(ptr, &info);
	return info.seq == id->seq;
}

/* for a node that is none of these: a root above those on disk has no pointer yet */
static int find_root_ptr(struct btrees *b, const struct node_id *id, struct bkey *ptr,
			 struct ptr_buf *buf)
{
	struct journal_root entry;

	if (!bce_root_entry(b, id->btree_id, &entry) || entry.level != id->level ||
	    !bce_root_disk_ptr(b, id->btree_id, ptr, buf) || !bce_ptr_is_to(ptr, id))
		return -ENOENT;
	return 0;
}

int bce_node_find_ptr(struct btrees *b, const struct node_id *id, struct bkey *ptr,
		      struct ptr_buf *buf)
{
	struct btree_node *parent = bce_node_lock_at(b, id->btree_id, id->level + 1, id->max);
	int ret = -ENOENT;
	u32 at;

	if (IS_ERR(parent))
		return PTR_ERR(parent) == -ENOENT ? find_root_ptr(b, id, ptr, buf) :
			PTR_ERR(parent);
	at = bce_keyset_lower_bound(&parent->set, id->max);
	if (at < parent->set.nr_u64s) {
		bce_node_ptr_key(parent, at, ptr, buf);
		ret = bce_ptr_is_to(ptr, id) ? 0 : -ENOENT;
	}
	node_unlock_read(parent);
	return ret;
}

static void ptr_set_written(struct bkey *ptr, struct ptr_buf *buf, u32 sectors)
{
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *)buf->v;

	bce_ptr_copy_value(ptr, buf);
	v->sectors_written = cpu_to_le16(sectors);
}

/* ---- one write ---- */

struct node_write {
	struct btrees		*b;
	struct btree_node	*n;
	struct node_id		id;
	struct node_buffer	*buf;
	struct node_build	build;
	u32			offset_sectors;
	u32			sectors;
	u64			taken_id;
	u64			journal_seq;	/* of what was taken */
	struct bkey		ptr;
	struct ptr_buf		ptr_buf;
	struct trans_hook	hook;
	bool			has_ptr;
	bool			begun;		/* NODE_WRITING is ours */
	bool			partial;	/* replicas may stay behind */
	u32			missed;		/* replicas that could not be written */
};

void bce_node_wait_written(struct btrees *b, struct btree_node *n)
{
	/* pairs with clear_bit_unlock() in write_end() */
	wait_event(b->node_wait, !test_bit_acquire(NODE_WRITING, &n->flags));
}

/* Into the buffer. Return: false: no room behind what is written. */
static bool pack_unwritten(struct node_write *w)
{
	const struct open_keys *o = &w->n->open;
	struct node_tail tail = {
		.seq = w->n->id.seq,
		.written_sectors = w->n->written_sectors,
		.journal_seq = max(w->n->journal_seq, 1ULL),
		.format = &w->n->disk_format,
	};
	struct bkey k;
	u32 i;

	bce_node_build_append(&w->build, &w->b->config, READ_ONCE(w->b->writing.csum_type), w->buf->data,
			      &tail);
	for (i = 0; i < o->nr; i++) {
		if (!open_unwritten(o, i))
			continue;
		bce_open_key(o, i, &k);
		if (!bce_node_build_key(&w->build, &k))
			return false;
	}
	return true;
}

/* keys have gone, or something short has come in the place of something long (a removed inode) */
static bool keys_have_shrunk(const struct open_keys *o)
{
	u32 i;

	for (i = 0; i < o->nr; i++)
		if (open_unwritten(o, i) &&
		    (open_disk_key(o, i)->type == KEY_TYPE_deleted ||
		     open_disk_key(o, i)->type == KEY_TYPE_inode_generation))
			return true;
	return false;
}

/* Few keys left since some were deleted: perhaps a neighbour takes them. */
static bool has_shrunk(const struct btrees *b, const struct btree_node *n)
{
	return n != READ_ONCE(b->roots[n->id.btree_id]) && keys_have_shrunk(&n->open) &&
		bce_node_live_estimate(n) < bce_node_capacity_u64s(&b->config) / 4;
}

/*
 * Which node is it, and where does it lie? The parent may have to be read for that, which takes a
 * buffer, so we have none yet. A node without a place has no pointer.
 */
static int write_learn(struct node_write *w)
{
	int ret;

	bce_node_lock_read(w->n);
	w->id = w->n->id;
	node_unlock_read(w->n);
	if (w->id.btree_id == NO_BTREE)
		return 0;
	ret = w->id.ptr ? bce_node_find_ptr(w->b, &w->id, &w->ptr, &w->ptr_buf) : -ENOENT;
	w->has_ptr = !ret;
	return ret == -ENOENT ? 0 : ret;
}

/* a root without a place, and without keys: there is no need for it */
static bool never_used(const struct btree_node *n)
{
	struct node_cursor at;
	struct bpos p;

	if (n->id.ptr || n->id.level)
		return false;
	bce_node_seek(n, POS_MIN, &at);
	return !bce_node_peek_pos(n, &at, &p);
}

static bool all_members_there(const struct node_write *w)
{
	u64 present = bce_members_present(w->b->config.members);
	struct extent_ptr_decoded p;
	struct extent_walk walk;

	bce_extent_walk_init(&walk, &w->ptr, w->b->config.node_sectors);
	while (bce_extent_next_ptr(&walk, &p))
		if (!(present >> p.ptr.dev & 1))
			return false;
	return true;
}

/*
 * What is to be done? @n intent-locked.
 * Return: 1 write; 0 nothing; -EAGAIN look again; -EFBIG replace; -ENODATA it has shrunk; -EIO.
 */
static int write_decide(struct node_write *w, bool shrunk)
{
	struct btree_node *n = w->n;

	if (n->id.btree_id == NO_BTREE || n->error || test_bit(NODE_REPLACING, &n->flags))
		return 0;
	if (test_bit(NODE_WRITING, &n->flags) || !bce_node_id_equal(&n->id, &w->id))
		return -EAGAIN;
	if (!n->written_sectors && !never_used(n))
		return n->dirty ? -EFBIG : 0;
	if (!n->open.nr_unwritten) {
		bce_node_pins_done(w->b, n);
		return 0;
	}
	if (shrunk && has_shrunk(w->b, n))
		return -ENODATA;
	if (!pack_unwritten(w))
		return -EFBIG;
	if (w->has_ptr)
		return w->partial || all_members_there(w) ? 1 : -EFBIG;
	log_node(w->b, &w->id, "not written", "nothing points to the node");
	return -EIO;
}

static int write_begin(struct node_write *w, bool shrunk)
{
	struct btree_node *n = w->n;
	int ret;

	bce_node_lock_intent(n);
	ret = write_decide(w, shrunk);
	if (ret == 1) {
		w->begun = true;
		w->offset_sectors = n->written_sectors;
		w->taken_id = bce_open_take(&n->open);
		bce_node_pins_take(w->b, n, &w->journal_seq);
		set_bit(NODE_WRITING, &n->flags);
		ret = 0;
	}
	node_unlock_intent(n);
	return ret;
}

static int write_block(struct node_write *w)
{
	struct node_io *io;
	int ret = bce_node_build_end(&w->build, &w->sectors);

	if (ret)
		return ret;
	io = bce_node_io_start(w->b, &w->id, &w->ptr, w->offset_sectors, w->buf->data, w->sectors);
	return io ? bce_node_io_wait(w->b, io, &w->missed) : -ENOMEM;
}

/* A root's pointer is no key: it goes to the journal, and from there into all later entries. */
static void commit_root_apply(struct trans_hook *hook, struct bce_trans *t,
			      struct journal_res *res, u64 seq)
{
	struct node_write *w = container_of(hook, struct node_write, hook);

	bce_root_journal(w->b, res, w->id.btree_id, w->id.level, &w->ptr);
}

static int commit_root(struct bce_trans *t, struct node_write *w)
{
	ptr_set_written(&w->ptr, &w->ptr_buf, w->offset_sectors + w->sectors);
	w->hook = (struct trans_hook) {
		.journal_u64s = 1 + BKEY_U64S + w->ptr.val_u64s,
		.apply = commit_root_apply,
	};
	bce_trans_set_hook(t, &w->hook);
	return 0;
}

static int put_ptr(struct bce_trans *t, void *ctx)
{
	struct node_write *w = ctx;
	int ret = bce_trans_lookup_level(t, w->id.btree_id, w->id.level + 1, w->id.max, &w->ptr);

	/* as high as the btree is: nobody replaces the node while it is written */
	if (ret == -ENOENT && !find_root_ptr(w->b, &w->id, &w->ptr, &w->ptr_buf))
		return commit_root(t, w);
	if (!ret && !bce_ptr_is_to(&w->ptr, &w->id))
		ret = -EIO;
	if (ret)
		return ret == -ENOENT ? -EIO : ret;
	ptr_set_written(&w->ptr, &w->ptr_buf, w->offset_sectors + w->sectors);
	return bce_trans_update_level(t, w->id.btree_id, w->id.level + 1, &w->ptr,
				      TRANS_NO_TRIGGER);
}

static void write_end(struct node_write *w, int error)
{
	struct btree_node *n = w->n;

	bce_node_lock_intent(n);
	if (error) {
		bce_node_pins_give_back(w->b, n, w->journal_seq);
	} else {
		n->written_sectors = w->offset_sectors + w->sectors;
		bce_open_written(&n->open, w->taken_id);
		if (n->id.level)
			bce_open_drop(&n->open, w->taken_id);
		if (w->missed)
			set_bit(NODE_TO_MOVE, &n->flags);
		bce_node_pins_done(w->b, n);
	}
	clear_bit_unlock(NODE_WRITING, &n->flags);
	node_unlock_intent(n);
	wake_up_all(&w->b->node_wait);
}

/* As far as it takes a buffer; the transaction may wait for others' reads and writes of nodes. */
static int write_to_disk(struct node_write *w, bool shrunk)
{
	int ret;

	w->buf = bce_node_buffer_get(&w->b->buffers);
	ret = write_begin(w, shrunk);
	if (w->begun)
		ret = write_block(w);
	bce_node_buffer_put(&w->b->buffers, w->buf);
	return ret;
}

static int write_node(struct node_write *w, bool shrunk)
{
	int ret;

	do {
		bce_node_wait_written(w->b, w->n);
		ret = write_learn(w) ?: write_to_disk(w, shrunk);
	} while (ret == -EAGAIN && !w->begun);
	if (!w->begun)
		return ret == -EFBIG ? NODE_TO_REPLACE : ret == -ENODATA ? NODE_HAS_SHRUNK : ret;
	if (!w->partial && (ret == -EIO || (!ret && w->missed)))
		ret = NODE_TO_REPLACE;
	if (!ret)
		ret = bce_trans_run(w->b, put_ptr, w, TRANS_COMMIT_RECLAIM, NULL);
	write_end(w, ret);
	return ret;
}

int bce_node_write(struct btrees *b, struct btree_node *n, unsigned int flags)
{
	struct node_write *w = kzalloc(sizeof(*w), GFP_NOFS);
	int ret;

	if (!w)
		return -ENOMEM;
	w->b = b;
	w->n = n;
	w->partial = flags & NODE_WRITE_PARTIAL;
	ret = write_node(w, flags & NODE_WRITE_TELL_SHRUNK);
	kfree(w);
	return ret;
}
