// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls that tell what takes up space: counters of the whole set, and of single members. The first two have the
 * numbers and layouts of Linux 6.12 (docs/format/90-ioctl-mount-sysfs.md, section 5.1), so its tools can ask us.
 *
 * Counters go out one by one as they are found, in no snapshot of any moment: what changes meanwhile may be seen old in
 * one and new in another.
 */
#include "vfs.h"

#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <bcachefs/ioctl.h>
#include <bcachefs/usage.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"

struct query {
	u64 __user	*out;
	u32		room, used;	/* words */
	long		error;
};

static bool put_counter(void *ctx, const struct bce_accounting *a)
{
	struct query *q = ctx;
	struct {
		struct disk_bkey	k;
		__le64			v[BCE_ACCOUNTING_COUNTERS];
	} key = { };
	u32 words = BKEY_U64S + a->nr;

	BUILD_BUG_ON(sizeof(key.k) != BKEY_U64S * sizeof(u64));
	BUILD_BUG_ON(sizeof(key.k.p) != sizeof(a->pos));
	key.k.u64s = words;
	key.k.format = KEY_FORMAT_UNPACKED;
	key.k.type = KEY_TYPE_accounting;
	memcpy(&key.k.p, a->pos, sizeof(key.k.p));
	for (unsigned int i = 0; i < a->nr; i++)
		key.v[i] = cpu_to_le64(a->counter[i]);
	if (words > q->room - q->used)
		q->error = -ERANGE;
	else if (copy_to_user(q->out + q->used, &key, words * sizeof(u64)))
		q->error = -EFAULT;
	else
		q->used += words;
	return !q->error;
}

long bcachefs_query_accounting(struct super_block *sb, void __user *arg)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	struct bce_ioctl_query_accounting __user *user = arg;
	struct bce_ioctl_query_accounting h;
	struct bce_usage usage;
	struct query q;
	long ret;

	if (copy_from_user(&h, arg, sizeof(h)))
		return -EFAULT;
	q = (struct query) { .out = user->accounting, .room = h.accounting_u64s };
	ret = bce_set_usage(set, &usage) ?:
	      bce_set_accounting(set, h.accounting_types_mask, put_counter, &q) ?: q.error;
	if (ret)
		return ret;
	h.capacity = usage.capacity_sectors;
	h.used = usage.used_sectors;
	h.online_reserved = bce_set_reserved_sectors(set);
	h.accounting_u64s = q.used;
	return copy_to_user(arg, &h, sizeof(h)) ? -EFAULT : 0;
}

/* ---- one member ---- */

struct dev_usage {
	u8				dev;
	struct bce_ioctl_dev_usage_type	d[BCH_DATA_NR];
};

static bool take_dev_counter(void *ctx, const struct bce_accounting *a)
{
	struct dev_usage *u = ctx;
	const struct accounting_pos *p = (const void *)a->pos;
	u8 data_type = p->dev_data_type.data_type;

	if (p->dev_data_type.dev == u->dev && data_type < BCH_DATA_NR)
		u->d[data_type] = (struct bce_ioctl_dev_usage_type) {
			max(a->counter[0], 0LL), max(a->counter[1], 0LL), max(a->counter[2], 0LL),
		};
	return true;
}

long bcachefs_dev_usage(struct super_block *sb, void __user *arg)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	struct bce_ioctl_dev_usage_v2 __user *user = arg;
	struct bce_ioctl_dev_usage_v2 h;
	struct bce_set_member m;
	struct dev_usage u = { };
	int ret;

	if (copy_from_user(&h, arg, sizeof(h)))
		return -EFAULT;
	if (h.flags & ~BCE_IOCTL_BY_INDEX || memchr_inv(h.pad, 0, sizeof(h.pad)))
		return -EINVAL;
	/* a path would have to be opened to know whose it is: our tool names indexes */
	if (!(h.flags & BCE_IOCTL_BY_INDEX))
		return -EOPNOTSUPP;
	if (h.dev > U8_MAX || bce_set_member(set, h.dev, &m) || !m.exists)
		return -ENODEV;
	u.dev = h.dev;
	ret = bce_set_accounting(set, BIT(ACCOUNTING_dev_data_type), take_dev_counter, &u);
	if (ret)
		return ret;
	h.state = m.state;
	h.nr_data_types = min_t(u8, h.nr_data_types, BCH_DATA_NR);
	h.bucket_size = m.bucket_bytes >> SECTOR_SHIFT;
	h.nr_buckets = m.nbuckets - m.first_bucket;
	if (copy_to_user(user->d, u.d, h.nr_data_types * sizeof(u.d[0])))
		return -EFAULT;
	return copy_to_user(arg, &h, sizeof(h)) ? -EFAULT : 0;
}

long bcachefs_member(struct super_block *sb, void __user *arg)
{
	struct bce_ioctl_member h;
	struct bce_set_member m;
	int ret;

	if (copy_from_user(&h, arg, sizeof(h)))
		return -EFAULT;
	ret = bce_set_member(to_bcachefs_super(sb)->set, h.idx, &m);
	if (ret)
		return ret;
	h = (struct bce_ioctl_member) {
		.idx = h.idx, .exists = m.exists, .present = m.present, .state = m.state,
		.durability = m.durability, .io_errors = m.io_errors, .csum_errors = m.csum_errors,
	};
	memcpy(h.uuid, m.uuid, sizeof(h.uuid));
	strscpy(h.name, m.name, sizeof(h.name));
	strscpy(h.label, m.label, sizeof(h.label));
	return copy_to_user(arg, &h, sizeof(h)) ? -EFAULT : 0;
}
