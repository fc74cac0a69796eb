// SPDX-License-Identifier: GPL-2.0
/*
 * Quotas for the standard tools: quotactl(2) over the engine's calls. Counting and limits are the engine's (names/quota.c),
 * which knows them while the set is written; a read-only mount has none.
 *
 * To the tools we are a file system with its quotas in hidden files that are on from the start: they are chosen by mount
 * options or the superblock, and cannot be turned on or off.
 */
#include "vfs.h"

#include <linux/quota.h>

#include <bcachefs/ops.h>

#define ALL_LIMITS	(QC_SPC_SOFT | QC_SPC_HARD | QC_INO_SOFT | QC_INO_HARD)

static u32 id_of(struct super_block *sb, struct kqid qid)
{
	return from_kqid(sb->s_user_ns, qid);
}

static int enabled(struct super_block *sb, unsigned int type)
{
	return bce_set_quota_types(to_bcachefs_super(sb)->set) >> type & 1 ? 0 : -ESRCH;
}

static void to_dqblk(const struct bce_quota *q, struct qc_dqblk *d)
{
	*d = (struct qc_dqblk) {
		.d_fieldmask = ALL_LIMITS | QC_SPACE | QC_INO_COUNT | QC_SPC_TIMER | QC_INO_TIMER,
		.d_spc_hardlimit = q->space_hard << SECTOR_SHIFT,
		.d_spc_softlimit = q->space_soft << SECTOR_SHIFT,
		.d_ino_hardlimit = q->inodes_hard,
		.d_ino_softlimit = q->inodes_soft,
		.d_space = q->space << SECTOR_SHIFT,
		.d_ino_count = q->inodes,
		.d_spc_timer = q->space_deadline,
		.d_ino_timer = q->inodes_deadline,
	};
}

static int get_dqblk(struct super_block *sb, struct kqid qid, struct qc_dqblk *d)
{
	struct bce_quota q;
	int ret = bce_quota_get(to_bcachefs_super(sb)->set, qid.type, id_of(sb, qid), &q);

	if (!ret)
		to_dqblk(&q, d);
	return ret;
}

static int get_nextdqblk(struct super_block *sb, struct kqid *qid, struct qc_dqblk *d)
{
	u32 id = id_of(sb, *qid);
	struct bce_quota q;
	int ret = bce_quota_next(to_bcachefs_super(sb)->set, qid->type, &id, &q);

	if (ret)
		return ret;
	*qid = make_kqid(sb->s_user_ns, qid->type, id);
	to_dqblk(&q, d);
	return 0;
}

static u64 sectors_up(u64 bytes)
{
	return DIV_ROUND_UP_ULL(bytes, SECTOR_SIZE);
}

static int set_dqblk(struct super_block *sb, struct kqid qid, struct qc_dqblk *d)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	struct bce_quota q;
	int ret;

	/* usage is counted and deadlines follow from it: neither is set by hand */
	if (d->d_fieldmask & ~ALL_LIMITS)
		return -EINVAL;
	ret = bce_quota_get(set, qid.type, id_of(sb, qid), &q);
	if (ret)
		return ret;
	if (d->d_fieldmask & QC_SPC_HARD)
		q.space_hard = sectors_up(d->d_spc_hardlimit);
	if (d->d_fieldmask & QC_SPC_SOFT)
		q.space_soft = sectors_up(d->d_spc_softlimit);
	if (d->d_fieldmask & QC_INO_HARD)
		q.inodes_hard = d->d_ino_hardlimit;
	if (d->d_fieldmask & QC_INO_SOFT)
		q.inodes_soft = d->d_ino_softlimit;
	return bce_quota_set(set, qid.type, id_of(sb, qid), &q);
}

static int get_state(struct super_block *sb, struct qc_state *state)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	struct bce_quota_grace grace;
	unsigned int type;

	memset(state, 0, sizeof(*state));
	for (type = 0; type < ARRAY_SIZE(state->s_state); type++) {
		struct qc_type_state *s = &state->s_state[type];

		if (enabled(sb, type) || bce_quota_grace_get(set, type, &grace))
			continue;
		s->flags = QCI_SYSFILE | QCI_ACCT_ENABLED | QCI_LIMITS_ENFORCED;
		s->spc_timelimit = grace.space_seconds;
		s->ino_timelimit = grace.inodes_seconds;
		s->nextents = 1;
	}
	return 0;
}

static int set_info(struct super_block *sb, int type, struct qc_info *info)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	struct bce_quota_grace grace;
	int ret;

	if (info->i_fieldmask & ~(QC_SPC_TIMER | QC_INO_TIMER))
		return -EINVAL;
	ret = enabled(sb, type) ?: bce_quota_grace_get(set, type, &grace);
	if (ret)
		return ret;
	if (info->i_fieldmask & QC_SPC_TIMER)
		grace.space_seconds = info->i_spc_timelimit;
	if (info->i_fieldmask & QC_INO_TIMER)
		grace.inodes_seconds = info->i_ino_timelimit;
	return bce_quota_grace_set(set, type, &grace);
}

/* what is counted follows from the inodes: there is nothing to bring to disk beside them */
static int quota_sync(struct super_block *sb, int type)
{
	return 0;
}

static const struct quotactl_ops quotactl_ops = {
	.quota_sync	= quota_sync,
	.set_info	= set_info,
	.get_dqblk	= get_dqblk,
	.get_nextdqblk	= get_nextdqblk,
	.set_dqblk	= set_dqblk,
	.get_state	= get_state,
};

/*
 * The tools ask which format of quota files is in use, and look for a file if none is. To them ours
 * are limits of 64 bits in the kernel's own keeping, "vfsv1". Nobody but that question looks at
 * s_dquot of a file system that does not use dquots.
 */
static struct quota_format_type shown_format = { .qf_fmt_id = QFMT_VFS_V1 };

static void show_format(struct super_block *sb)
{
	unsigned int type, flags = DQUOT_USAGE_ENABLED | DQUOT_LIMITS_ENABLED;

	sb->s_dquot.flags = 0;
	for (type = 0; type < MAXQUOTAS; type++) {
		sb->s_dquot.info[type].dqi_format = &shown_format;
		if (!enabled(sb, type))
			sb->s_dquot.flags |= dquot_state_flag(flags, type);
	}
}

void bcachefs_quota_init(struct super_block *sb)
{
#ifdef CONFIG_QUOTACTL
	sb->s_qcop = &quotactl_ops;
	sb->s_quota_types = QTYPE_MASK_USR | QTYPE_MASK_GRP | QTYPE_MASK_PRJ;
	show_format(sb);
#endif
}
