// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of quotas being asked for and set.
 */
#include <linux/errno.h>
#include <linux/ktime.h>

#include "engine/format/ids.h"
#include "engine/names/write_internal.h"

/* the table's clock is not that of the day */
static s64 time_of_day(s64 deadline)
{
	return deadline ? deadline - ktime_get_seconds() + ktime_get_real_seconds() : 0;
}

static struct bce_quota quota_of(const struct quota_usage *u)
{
	return (struct bce_quota) {
		.space_hard = u->limits.space_sectors.hard,
		.space_soft = u->limits.space_sectors.soft,
		.inodes_hard = u->limits.inodes.hard,
		.inodes_soft = u->limits.inodes.soft,
		.space = u->space_sectors,
		.inodes = u->inodes,
		.space_deadline = time_of_day(u->space_deadline),
		.inodes_deadline = time_of_day(u->inodes_deadline),
	};
}

int names_quota_get(struct names_writer *w, unsigned int type, u32 id, struct bce_quota *out)
{
	struct quota_usage u;
	int ret = bce_quota_usage(w->quota, type, id, &u);

	if (!ret)
		*out = quota_of(&u);
	return ret;
}

int names_quota_next(struct names_writer *w, unsigned int type, u32 *id, struct bce_quota *out)
{
	struct quota_usage u;
	int ret = bce_quota_usage_next(w->quota, type, id, &u);

	if (!ret)
		*out = quota_of(&u);
	return ret;
}

struct quota_set {
	struct bpos		pos;
	struct quota_limits	limits;
};

static int quota_set_fn(struct names_tx *tx, void *ctx)
{
	const struct quota_set *s = ctx;
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = s->pos };

	if (!val)
		return -ENOMEM;
	bce_quota_encode(&k, val, &s->limits);
	return bce_trans_update(tx->t, BTREE_ID_quotas, &k, 0);
}

int names_quota_set(struct names_writer *w, unsigned int type, u32 id,
		    const struct bce_quota *limits)
{
	struct quota_set s = {
		.pos = POS(type, id),
		.limits = {
			.space_sectors = { limits->space_hard, limits->space_soft },
			.inodes = { limits->inodes_hard, limits->inodes_soft },
		},
	};
	struct quota_usage u;
	int ret = bce_quota_usage(w->quota, type, id, &u);

	if (!ret)
		ret = names_run(w, quota_set_fn, &s);
	return ret ?: bce_quota_limits_set(w->quota, type, id, &s.limits);
}
