// SPDX-License-Identifier: GPL-2.0
/*
 * Records of operations that take several transactions (docs/format/60-filesystem-keys.md, part VII).
 *
 * The record is made in the operation's first transaction and deleted after its last. Whoever finds
 * one when a set is started finishes the operation. What can no longer be done, as the file is
 * gone, is done with.
 */
#include <linux/errno.h>
#include <linux/limits.h>

#include "engine/data/write_internal.h"
#include "engine/format/ids.h"

int bce_logged_op_pos(struct bce_trans *t, struct bpos *pos)
{
	struct bkey k;
	int ret = bce_trans_peek_prev(t, BTREE_ID_logged_ops, SPOS(0, U64_MAX, 0), POS_MIN, 0, &k);

	if (ret && ret != -ENOENT)
		return ret;
	*pos = POS(0, ret ? 1 : k.p.offset + 1);
	return 0;
}

static int delete_record(struct bce_trans *t, void *ctx)
{
	const struct bpos *pos = ctx;

	return bce_trans_delete(t, BTREE_ID_logged_ops, *pos, 0);
}

int bce_logged_op_delete(struct data_writer *w, struct bpos pos, u64 *seq)
{
	return bce_data_step_on(w, delete_record, &pos, seq);
}

struct find_op {
	struct bpos	from;
	struct bkey	k;
	u64		v[8];
};

static int find_op(struct bce_trans *t, void *ctx)
{
	struct find_op *f = ctx;
	int ret = bce_trans_peek(t, BTREE_ID_logged_ops, f->from, POS_MAX, NULL, 0, &f->k);

	if (ret)
		return ret;
	memset(f->v, 0, sizeof(f->v));
	memcpy(f->v, f->k.v, min_t(size_t, bkey_val_bytes(&f->k), sizeof(f->v)));
	f->k.v = f->v;
	return 0;
}

static int resume_one(struct data_writer *w, const struct bkey *k)
{
	int ret;

	switch (k->type) {
	case KEY_TYPE_logged_op_truncate:
		ret = bce_truncate_resume(w, k);
		break;
	case KEY_TYPE_logged_op_finsert:
		ret = bce_shift_resume(w, k);
		break;
	default:
		bce_log_line(w->c.log, BCE_LOG_WARN,
			     "logged operation %llu of unknown type %u is left alone",
			     k->p.offset, k->type);
		return 0;
	}
	if (ret == -ENOENT)
		ret = bce_logged_op_delete(w, k->p, NULL);
	if (ret)
		bce_log_line(w->c.log, BCE_LOG_ERR,
			     "logged operation %llu could not be finished: error %d", k->p.offset,
			     ret);
	return ret;
}

int bce_data_resume_logged_ops(struct data_writer *w)
{
	struct find_op f = { .from = POS_MIN };
	int ret, first = 0;

	while (!(ret = bce_data_look(w, find_op, &f))) {
		ret = resume_one(w, &f.k);
		first = first ?: ret;
		f.from = bpos_successor(f.k.p);
	}
	return ret == -ENOENT ? first : ret;
}
