// SPDX-License-Identifier: GPL-2.0
/*
 * Names and inodes, made to agree.
 *
 * The walks of the names pass hold no locks while they judge a key, so what is wrong is put right where it is
 * found, in a transaction of its own: counts, sizes and flags of inodes, where an inode says its name is,
 * keys of what does not exist. What follows from a change is found in the next round: an inode whose
 * name leads nowhere first forgets the name; if the rounds after it find no other, it gets one in lost+found.
 *
 *      round 1..   snapshots (snapshots_mend.c), until nothing of them changes
 *      then        counts; names of nothing go; misplaced names move (hash_mend.c), until none does
 *      then        inodes forget names that are not there; those that no name led to in the round before: lost+found
 *                  of their subvolume
 *      until a round changes nothing
 *
 * What a key refers to or who sees it from which snapshot is not guessed at: a lost inode gets a name
 * only in the snapshot of a subvolume, where nobody else sees it.
 *
 * Changes run no triggers: counters and buckets are derived again afterwards.
 *
 * Source: docs/format/60-filesystem-keys.md, parts I, III, VIII.
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/key/values_write.h"
#include "engine/names/hash_table.h"
#include "engine/names/inode_trans.h"
#include "engine/names/snapshot.h"

#define ROUNDS_MAX	16
#define LOST_FOUND	"lost+found"

void mend_say(struct name_check *n, struct text_buf *text)
{
	struct check_repair *r = n->c->repair;

	r->changes++;
	if (r->said)
		r->said(r->ctx, bce_text_str(text));
}

bool mend_is_careful(const struct name_check *n)
{
	return n->c->repair->careful || n->mend->unsure;
}

int mend_run(struct name_check *n, int (*fn)(struct bce_trans *t, void *ctx), void *ctx)
{
	int ret = bce_trans_run(n->c->btrees, fn, ctx, 0, NULL);

	/* what was looked up last may be another now */
	n->last.valid = false;
	return ret;
}

int mend_tried(int ret)
{
	return ret == -EINVAL || ret == -EIO ? 0 : ret;
}

/* ---- inodes ---- */

struct inode_change {
	struct name_check		*n;
	u64				inum;
	u32				snapshot;
	enum mend_inode_what		what;
	u64				a, b;
	struct inode_fields		was, now;
};

static void change_fields(const struct inode_change *c, struct inode_fields *f)
{
	switch (c->what) {
	case MEND_SECTORS:
		f->sectors = c->a;
		break;
	case MEND_NLINK:
		f->nlink = c->a;
		break;
	case MEND_NAME:
		f->dir = c->a;
		f->dir_offset = c->b;
		break;
	case MEND_FLAGS_ON:
		f->flags |= c->a;
		break;
	case MEND_FLAGS_OFF:
		f->flags &= ~c->a;
		break;
	case MEND_SUBVOL:
		f->subvol = c->a;
		break;
	case MEND_PARENT_SUBVOL:
		f->parent_subvol = c->a;
		break;
	case MEND_HASH:
		f->hash_seed = c->a;
		f->str_hash = c->b;
		break;
	}
}

static int change_inode(struct bce_trans *t, void *ctx)
{
	struct inode_change *c = ctx;
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_inodes, SPOS(0, c->inum, c->snapshot), NULL, 0, &k);

	if (ret)
		return ret;
	if (!bce_key_type_is_inode(k.type) || bce_inode_unpack(&k, &c->was))
		return -EIO;
	c->was.inum = c->inum;
	c->was.snapshot = c->snapshot;
	c->now = c->was;
	change_fields(c, &c->now);
	return bce_inode_trans_put(t, &c->now);
}

static void say_inode(const struct inode_change *c)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree inodes 0:%llu:%u: ", c->inum, c->snapshot);
	switch (c->what) {
	case MEND_SECTORS:
		bce_text_printf(&text, "sectors were %llu, are now %llu", c->was.sectors, c->now.sectors);
		break;
	case MEND_NLINK:
		bce_text_printf(&text, "further links were %u, are now %u", c->was.nlink, c->now.nlink);
		break;
	case MEND_NAME:
		bce_text_printf(&text, "its name was at %llu:%llu, is now at %llu:%llu", c->was.dir,
				c->was.dir_offset, c->now.dir, c->now.dir_offset);
		break;
	case MEND_SUBVOL:
		bce_text_printf(&text, "it was the root of subvolume %u, is now of %u", c->was.subvol, c->now.subvol);
		break;
	case MEND_PARENT_SUBVOL:
		bce_text_printf(&text, "its parent subvolume was %u, is now %u", c->was.parent_subvol,
				c->now.parent_subvol);
		break;
	case MEND_HASH:
		bce_text_printf(&text, "hash type was %u, seed %llx, are now %u, %llx", c->was.str_hash, c->was.hash_seed,
				c->now.str_hash, c->now.hash_seed);
		break;
	default:
		bce_text_printf(&text, "flags were %x, are now %x", c->was.flags, c->now.flags);
	}
	mend_say(c->n, &text);
	bce_text_exit(&text);
}

int mend_inode(struct name_check *n, u64 inum, u32 snapshot, enum mend_inode_what what, u64 a, u64 b)
{
	struct inode_change c = { .n = n, .inum = inum, .snapshot = snapshot, .what = what, .a = a, .b = b };
	int ret;

	if (!n->c->repair)
		return 0;
	ret = mend_run(n, change_inode, &c);
	/* inherited: whose version it is, the version's own check tells */
	if (ret == -ENOENT)
		return 0;
	if (!ret)
		say_inode(&c);
	return mend_tried(ret);
}

/* it may have another one, which is then found to lead here; and this one may just be elsewhere */
int mend_forget_name(struct name_check *n, const struct inode_fields *f)
{
	if (!n->c->repair || !n->mend->settled || f->subvol)
		return 0;
	return mend_inode(n, f->inum, f->snapshot, MEND_NAME, 0, 0);
}

struct below {
	const struct name_check	*n;
	const struct bkey	*k;
	u64			inum;
	u32			from;
	u32			snapshot;	/* out; 0: none */
};

/* the next version below that knows no name, and sees this one */
static int next_nameless(struct bce_trans *t, void *ctx)
{
	struct below *b = ctx;
	const struct bpos p = b->k->p;
	struct inode_fields f;
	struct bkey v, seen;
	u32 from = b->from;
	int ret;

	for (b->snapshot = 0; !b->snapshot; from = v.p.snapshot + 1) {
		struct snapshot_view view;

		ret = bce_trans_peek(t, BTREE_ID_inodes, SPOS(0, b->inum, from), SPOS(0, b->inum, p.snapshot), NULL, 0, &v);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (!bce_key_type_is_inode(v.type) || bce_inode_unpack(&v, &f) || f.dir || f.subvol ||
		    f.flags & BIT(INODE_FLAG_unlinked) ||
		    !bce_snapshot_is_ancestor(b->n->c->snapshots, v.p.snapshot, p.snapshot))
			continue;
		view = bce_snapshot_view(b->n->c->snapshots, v.p.snapshot);
		ret = bce_trans_lookup(t, BTREE_ID_dirents, SPOS(p.inode, p.offset, view.id), &view, 0, &seen);
		if (ret && ret != -ENOENT)
			return ret;
		if (!ret && seen.p.snapshot == p.snapshot)
			b->snapshot = v.p.snapshot;
	}
	return 0;
}

int mend_versions_below(struct name_check *n, const struct bkey *k)
{
	struct below b = { .n = n, .k = k };
	struct dirent_info d;
	int ret;

	if (!n->c->repair)
		return 0;
	bce_dirent_decode(k, &d);
	b.inum = d.inum;
	do {
		ret = mend_run(n, next_nameless, &b);
		b.from = b.snapshot + 1;
		if (!ret && b.snapshot)
			ret = mend_inode(n, b.inum, b.snapshot, MEND_NAME, k->p.inode, k->p.offset);
	} while (!ret && b.snapshot);
	return ret;
}

/* ---- keys ---- */

struct key_change {
	unsigned int		btree_id;
	const struct bkey	*k;
};

static int change_key(struct bce_trans *t, void *ctx)
{
	const struct key_change *c = ctx;

	return bce_trans_update(t, c->btree_id, c->k, TRANS_NO_TRIGGER);
}

int mend_name_put(struct name_check *n, unsigned int btree_id, const struct bkey *k)
{
	struct key_change c = { btree_id, k };

	return mend_run(n, change_key, &c);
}

/* what is elsewhere said as well may go in any case */
static bool holds_files(unsigned int btree_id)
{
	return btree_id == BTREE_ID_dirents || btree_id == BTREE_ID_xattrs || btree_id == BTREE_ID_extents;
}

int mend_name_key(struct name_check *n, unsigned int btree_id, struct bpos p, unsigned int type)
{
	const struct bkey k = { .p = p, .type = type };
	struct text_buf text = TEXT_BUF_INIT;
	int ret;

	if (!n->c->repair || (mend_is_careful(n) && holds_files(btree_id)))
		return 0;
	ret = mend_name_put(n, btree_id, &k);
	if (ret)
		return mend_tried(ret);
	bce_text_printf(&text, "btree %s %llu:%llu:%u: %s", bce_btree_name(btree_id), p.inode, p.offset,
			p.snapshot, type == KEY_TYPE_set ? "added" : "removed");
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}

int mend_dirent_type(struct name_check *n, const struct bkey *k, unsigned int d_type)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct bkey now = *k;
	struct dirent_info d;
	int ret;

	if (!n->c->repair)
		return 0;
	bce_dirent_decode(k, &d);
	if (d.d_type == BCH_DT_SUBVOL || d_type == BCH_DT_SUBVOL)
		return 0;
	bce_text_printf(&text, "btree dirents %llu:%llu:%u \"%.*s\": type was %u, is now %u", k->p.inode,
			k->p.offset, k->p.snapshot, d.name_len, d.name, d.d_type, d_type);
	d.d_type = d_type;
	bce_dirent_encode(&now, &n->mend->val, &d);
	ret = mend_name_put(n, BTREE_ID_dirents, &now);
	if (!ret)
		mend_say(n, &text);
	bce_text_exit(&text);
	return mend_tried(ret);
}

/* ---- lost+found ---- */

struct rescue {
	struct name_check		*n;
	const struct inode_fields	*lost;
	struct subvolume_info		subvol;
	struct snapshot_view		view;
	struct inode_fields		dir;		/* that takes it in */
	char				name[24];
	u64				slot;
};

/* the subvolume that stands in exactly this snapshot: nobody else sees what is written there */
static int subvolume_of(struct name_check *n, u32 snapshot, struct subvolume_info *out)
{
	struct bkey_buf *buf = &n->buf2;
	struct snapshot_info s;
	struct bkey k;
	int ret = bce_btree_lookup(n->c->btrees, BTREE_ID_snapshots, POS(0, snapshot), NULL, &k, buf);

	if (ret || k.type != KEY_TYPE_snapshot)
		return ret ?: -ENOENT;
	bce_snapshot_decode(&k, &s);
	if (s.deleted || !s.is_subvol || !s.subvol)
		return -ENOENT;
	return check_subvolume_lookup(n, s.subvol, out);
}

static bool is_lost_found(const struct bkey *k, const void *ctx)
{
	const char *name = ctx;
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	return d.name_len == strlen(name) && !memcmp(d.name, name, d.name_len);
}

static int find(struct bce_trans *t, const struct rescue *r, const char *name, struct hash_place *place)
{
	struct hash_table h = {
		.t = t, .btree_id = BTREE_ID_dirents, .inum = r->dir.inum, .hash_type = r->dir.str_hash,
		.hash_seed = r->dir.hash_seed, .view = &r->view, .subvol = r->subvol.id,
	};

	return bce_hash_find(&h, bce_name_hash(h.hash_type, h.hash_seed, name, strlen(name), true),
			     is_lost_found, name, place);
}

/* lost+found where there is one, else the root */
static int find_taker(struct bce_trans *t, struct rescue *r)
{
	struct bce_log *log = r->n->c->log;
	struct hash_place place;
	struct inode_fields found;
	struct dirent_info d;
	int ret = bce_inode_trans_read(t, r->subvol.inode, &r->view, log, &r->dir);

	if (!ret)
		ret = find(t, r, LOST_FOUND, &place);
	if (ret || !place.found)
		return ret;
	bce_dirent_decode(&place.k, &d);
	if (d.d_type != DIRENT_TYPE_DIRECTORY || d.inum == r->lost->inum)
		return 0;
	ret = bce_inode_trans_read(t, d.inum, &r->view, log, &found);
	if (ret == -ENOENT)
		return 0;
	if (!ret && S_ISDIR(found.mode) && !(found.flags & BIT(INODE_FLAG_unlinked)))
		r->dir = found;
	return ret;
}

static int give_name(struct bce_trans *t, void *ctx)
{
	struct rescue *r = ctx;
	struct dirent_info d = { .inum = r->lost->inum, .d_type = (r->lost->mode >> 12) & 15 };
	struct inode_fields inode;
	struct hash_place place;
	struct bkey k;
	int ret = find_taker(t, r);

	if (!ret)
		ret = find(t, r, r->name, &place);
	if (ret || place.found)
		return ret ?: -EEXIST;
	r->slot = place.slot;
	d.name = (const u8 *)r->name;
	d.name_len = strlen(r->name);
	k = (struct bkey) { .p = SPOS(r->dir.inum, place.slot, r->view.id) };
	bce_dirent_encode(&k, &r->n->mend->val, &d);
	ret = bce_trans_update(t, BTREE_ID_dirents, &k, 0);
	if (!ret)
		ret = bce_inode_trans_read(t, r->lost->inum, &r->view, r->n->c->log, &inode);
	if (ret)
		return ret;
	inode.dir = r->dir.inum;
	inode.dir_offset = place.slot;
	inode.flags &= ~BIT(INODE_FLAG_unlinked);
	/* the one name it has now; what directories are in a directory is counted anew */
	if (!S_ISDIR(inode.mode))
		inode.nlink = 0;
	return bce_inode_trans_put(t, &inode);
}

int mend_lost_inode(struct name_check *n, const struct inode_fields *f)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct rescue r = { .n = n, .lost = f };
	int ret;

	/* others may still claim it */
	if (!n->c->repair || !n->mend->settled || f->subvol)
		return 0;
	ret = subvolume_of(n, f->snapshot, &r.subvol);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	r.view = bce_snapshot_view(n->c->snapshots, f->snapshot);
	scnprintf(r.name, sizeof(r.name), "%llu", f->inum);
	ret = mend_run(n, give_name, &r);
	if (ret == -ENOENT || ret == -EEXIST)
		return 0;	/* no root to put it in, or somebody has its name: stays a finding */
	if (ret)
		return mend_tried(ret);
	bce_text_printf(&text, "btree inodes 0:%llu:%u: no name led to it, is now \"%s\" in directory %llu",
			f->inum, f->snapshot, r.name, r.dir.inum);
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}

/* ---- rounds ---- */

static void print_nothing(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
}

/* the first two in any case: what is lost is looked for when all names have had their say */
static int rounds(struct check *c, struct name_mend *mend)
{
	bool settled = false;
	u64 before;
	int ret;

	for (unsigned int round = 0; round < ROUNDS_MAX; round++) {
		before = c->repair->changes;
		mend->settled = settled;
		mend->moved = false;
		mend->again = false;
		mend->unsure = false;
		ret = check_names_round(c, mend);
		if (ret || (settled && c->repair->changes == before))
			return ret;
		settled = !mend->moved && !mend->again;
	}
	return 0;
}

int bce_repair_names(struct check *c, struct check_repair *r)
{
	struct name_mend *mend = kzalloc(sizeof(*mend), GFP_KERNEL);
	struct check quiet = *c;
	int ret = -ENOMEM;

	quiet.repair = r;
	/* the checker has told already */
	quiet.log = bce_log_alloc("");
	if (mend && quiet.log) {
		bce_log_set_print(quiet.log, print_nothing, NULL);
		ret = rounds(&quiet, mend);
	}
	bce_log_free(quiet.log);
	kfree(mend);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_repair_names);
