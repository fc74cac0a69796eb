// SPDX-License-Identifier: GPL-2.0
/*
 * Opening a set: from open devices to a checked description of the whole.
 *
 *   superblock of every device -> which belong together, whose copy leads
 *     -> is anything missing, and may we go on without it
 *     -> the master key
 *     -> members attached
 *
 * Nothing is written and nothing is started here. The same steps run again,
 * against the set that is already there, when a reloaded table brings its
 * members anew (bce_set_reattach()).
 */
#include "engine/set/set_internal.h"

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/btree/btrees.h"
#include "engine/data/read.h"
#include "engine/journal/overlay.h"
#include "engine/names/quota.h"
#include "engine/names/snapshot.h"
#include "engine/set/rw.h"
#include "engine/util/csum.h"
#include "engine/util/text.h"

#define WHY_BYTES	512

/* the devices of one open or reattach call, with what their superblocks say */
struct source_list {
	unsigned int			nr;
	const struct bce_member_source	*src;
	struct sb_image			*img;
	struct sb_candidate		*cand;
	unsigned int			best;
	u64				present;	/* members in use, bit per index */
	struct text_buf			notes;		/* what is odd about each, in lines */
};

static void source_list_exit(struct source_list *l)
{
	unsigned int i;

	for (i = 0; l->img && i < l->nr; i++)
		bce_sb_image_exit(&l->img[i]);
	kfree(l->img);
	kfree(l->cand);
	bce_text_exit(&l->notes);
}

/* each line of @text, as one about device @name */
static void note_lines(struct text_buf *notes, const char *name, const char *text)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');

		bce_text_printf(notes, "%s: %.*s\n", name, (int)(end - text), text);
		text = *end ? end + 1 : end;
	}
}

/* read all superblocks; any device without one is an error: nobody names a device in vain */
static int source_list_read(struct source_list *l, const struct bce_member_source *src,
			    unsigned int nr, const struct bce_open_opts *opts,
			    struct text_buf *why)
{
	unsigned int i;
	int ret;

	*l = (struct source_list) { .nr = nr, .src = src };
	if (!nr || nr > BCE_SET_MEMBERS_MAX) {
		bce_text_printf(why, "%u devices given: a set has 1 to %u", nr,
				BCE_SET_MEMBERS_MAX);
		return -EINVAL;
	}

	l->img = kcalloc(nr, sizeof(*l->img), GFP_KERNEL);
	l->cand = kcalloc(nr, sizeof(*l->cand), GFP_KERNEL);
	if (!l->img || !l->cand)
		return -ENOMEM;

	for (i = 0; i < nr; i++) {
		struct text_buf reason = TEXT_BUF_INIT;

		ret = bce_sb_read(&l->img[i], src[i].bdev, opts->sb_sector, &reason);
		if (ret)
			bce_text_printf(why, "%s: %s", src[i].name, bce_text_str(&reason));
		else
			note_lines(&l->notes, src[i].name, bce_text_str(&reason));
		bce_text_exit(&reason);
		if (ret)
			return ret;
		l->cand[i] = (struct sb_candidate) {
			.sb = l->img[i].sb,
			.name = src[i].name,
			.device_sectors = bdev_nr_sectors(src[i].bdev),
		};
	}
	return 0;
}

/* refuse foreign devices and doubles; leave out removed and diverged members */
static int source_list_choose(struct source_list *l, const struct bce_open_opts *opts,
			      struct text_buf *why)
{
	struct text_buf verdicts = TEXT_BUF_INIT;
	int ret = bce_sb_choose(l->cand, l->nr, opts->no_splitbrain_check, &verdicts);
	unsigned int i;

	if (ret >= 0) {
		l->best = ret;
		ret = 0;
	}
	for (i = 0; !ret && i < l->nr; i++) {
		switch (l->cand[i].verdict) {
		case SB_USE:
			l->present |= BIT_ULL(l->img[i].sb->dev_idx);
			break;
		case SB_FOREIGN:
		case SB_CLONE:
		case SB_TOO_SMALL:
			ret = -EINVAL;
			break;
		case SB_REMOVED:
		case SB_SPLIT:
			break;
		}
	}
	if (ret)
		bce_text_printf(why, "%s", bce_text_str(&verdicts));
	else
		bce_text_printf(&l->notes, "%s", bce_text_str(&verdicts));
	bce_text_exit(&verdicts);
	return ret;
}

/* before anything can fail for want of a member: they tell why it is wanting */
static void log_notes(struct bce_log *log, const struct source_list *l)
{
	const char *line = bce_text_str(&l->notes), *end;
	unsigned int i;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (end > line)
			bce_log_line(log, BCE_LOG_WARN, "%.*s", (int)(end - line), line);
	}
	for (i = 0; i < l->nr; i++)
		if (l->cand[i].verdict == SB_SPLIT || l->cand[i].verdict == SB_REMOVED)
			bce_log_line(log, BCE_LOG_WARN, "%s is left out", l->src[i].name);
}

/* may the set run with these members? */
static int presence_check(const struct bch_sb *sb, u64 present, enum bce_degraded degraded,
			  struct text_buf *why)
{
	struct sb_presence p;

	bce_sb_presence(sb, present, &p);
	if (!p.missing)
		return 0;
	if (degraded == BCE_DEGRADED_VERY || (degraded == BCE_DEGRADED_YES && p.data_complete))
		return 0;

	bce_text_printf(why, "%u of %u members present; missing:", p.nr_present, p.nr_expected);
	for (unsigned int i = 0; i < BCE_SET_MEMBERS_MAX; i++)
		if (p.missing & BIT_ULL(i))
			bce_text_printf(why, " %u", i);
	if (p.data_complete)
		bce_text_printf(why, "; all data has a copy on the rest, option degraded starts it");
	else
		bce_text_printf(why, "; some data has no copy on the rest, only option very_degraded starts it");
	return -ENODEV;
}

static void set_rules(struct bce_set *set)
{
	for (unsigned int i = 0; i < BCE_SET_MEMBERS_MAX; i++) {
		struct member_info m = { };

		if (i < set->info.nr_devices)
			bce_sb_member(set->best.sb, i, &m);
		set->rules_dev[i] = (struct key_rules_dev) {
			.exists = m.exists,
			.bucket_sectors = m.bucket_sectors,
			.first_bucket = m.first_bucket,
			.nbuckets = m.nbuckets,
			.durability = m.durability,
		};
	}
	set->rules = (struct key_rules) {
		.dev = set->rules_dev,
		.btree_node_sectors = set->info.btree_node_sectors,
		.block_sectors = set->info.block_sectors,
		.encoded_extent_max_sectors = set->info.encoded_extent_max_sectors,
		.encrypted = set->cipher != NULL,
	};
}

static int set_unlock(struct bce_set *set, struct text_buf *why)
{
	char description[BCE_KEY_DESCRIPTION_BYTES];
	u8 key[32];
	int ret;

	if (!bce_sb_has_crypt(set->best.sb))
		return set->info.encrypted ? -EINVAL : 0;
	if (!bce_sb_key_is_wrapped(set->best.sb))
		return bce_sb_unlock(set->best.sb, NULL, &set->cipher);

	bce_sb_key_description(set->best.sb, description);
	ret = set->opts.key ? set->opts.key(set->opts.key_ctx, description, key) : -ENOKEY;
	if (!ret)
		ret = bce_sb_unlock(set->best.sb, key, &set->cipher);
	memzero_explicit(key, sizeof(key));
	if (ret == -EKEYREJECTED)
		bce_text_printf(why, "wrong passphrase (key %s)", description);
	else if (ret)
		bce_text_printf(why, "the set is encrypted and its key %s is not in the keyring: bcachectl unlock",
				description);
	return ret;
}

static void set_name_log(struct bce_set *set)
{
	char name[40];

	if (set->info.label[0])
		scnprintf(name, sizeof(name), "%s", set->info.label);
	else
		scnprintf(name, sizeof(name), "%pUb", set->info.user_uuid);
	bce_log_set_name(set->log, name);
	bce_log_set_uuid(set->log, set->info.user_uuid);
}

/* hand the chosen devices to the member table; their superblocks are kept */
static int set_attach(struct bce_set *set, struct source_list *l, void *owner)
{
	unsigned int i, idx;
	int ret;

	for (i = 0; i < l->nr; i++) {
		struct member_info m;

		if (l->cand[i].verdict != SB_USE)
			continue;
		idx = l->img[i].sb->dev_idx;
		bce_sb_member(set->best.sb, idx, &m);
		ret = bce_member_attach(set->members, idx, l->src[i].bdev, &m, l->src[i].name,
					owner);
		if (ret)
			return ret;
		swap(set->dev_sb[idx], l->img[i]);
	}
	set->owner = owner;
	return 0;
}

static void set_free(struct bce_set *set)
{
	unsigned int i;

	bce_set_rw_free(set);
	bce_data_reader_free(set->reader);
	bce_snapshot_table_free(set->snapshots);
	bce_btrees_close(set->btrees);
	bce_overlay_free(set->overlay);
	bce_journal_replay_exit(&set->replay);
	bce_members_free(set->members);
	bce_cipher_free(set->cipher);
	for (i = 0; i < BCE_SET_MEMBERS_MAX; i++)
		bce_sb_image_exit(&set->dev_sb[i]);
	kfree(set->in_effect);
	bce_sb_image_exit(&set->best);
	bce_log_free(set->log);
	kfree(set);
}

static struct bce_set *set_alloc(const struct bce_open_opts *opts)
{
	struct bce_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return NULL;
	refcount_set(&set->ref, 1);
	mutex_init(&set->lock);
	mutex_init(&set->rw_lock);
	spin_lock_init(&set->ended_lock);
	spin_lock_init(&set->label_lock);
	init_waitqueue_head(&set->start_wait);
	init_waitqueue_head(&set->resume_wait);
	INIT_LIST_HEAD(&set->registry_link);
	set->opts = *opts;
	set->log = bce_log_alloc("(opening)");
	set->members = bce_members_alloc();
	if (!set->log || !set->members) {
		set_free(set);
		return NULL;
	}
	return set;
}

/* the log's levels and ours are the same numbers */
static void log_to_message(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	const struct bce_set *set = ctx;

	set->opts.message(set->opts.message_ctx, level, error_id, line);
}

static int sb_image_dup(struct sb_image *out, const struct sb_image *in)
{
	out->sb = kvmalloc(in->bytes, GFP_KERNEL);
	if (!out->sb)
		return -ENOMEM;
	memcpy(out->sb, in->sb, in->bytes);
	out->bytes = in->bytes;
	out->read_from_sector = in->read_from_sector;
	return 0;
}

static int set_open(struct bce_set *set, struct source_list *l, void *owner,
		    struct text_buf *why)
{
	int ret;

	ret = source_list_choose(l, &set->opts, why);
	if (ret)
		return ret;
	ret = sb_image_dup(&set->best, &l->img[l->best]);
	if (ret)
		return ret;
	set->in_effect = kmemdup(set->best.sb, sizeof(*set->in_effect), GFP_KERNEL);
	if (!set->in_effect)
		return -ENOMEM;
	bce_sb_info(set->best.sb, &set->info);
	set->quota_types = bce_quota_types_of(set->best.sb);
	set->errors_policy = bce_sb_option_named(set->best.sb, "errors");
	set_name_log(set);
	if (set->opts.message)
		bce_log_set_print(set->log, log_to_message, set);
	log_notes(set->log, l);

	ret = presence_check(set->best.sb, l->present, set->opts.degraded, why);
	if (ret)
		return ret;
	ret = set_unlock(set, why);
	if (ret)
		return ret;
	set_rules(set);
	return set_attach(set, l, owner);
}

static void why_copy(char why[WHY_BYTES], struct text_buf *text, int ret)
{
	if (!why)
		return;
	if (ret && !text->len)
		scnprintf(why, WHY_BYTES, "error %d", ret);
	else
		scnprintf(why, WHY_BYTES, "%s", bce_text_str(text));
}

int bce_set_open(struct bce_set **out, const struct bce_member_source *src, unsigned int nr,
		 const struct bce_open_opts *opts, void *owner, char why[WHY_BYTES])
{
	struct text_buf text = TEXT_BUF_INIT;
	struct source_list l;
	struct bce_set *set;
	int ret;

	*out = NULL;
	ret = source_list_read(&l, src, nr, opts, &text);
	if (ret)
		goto exit;
	set = set_alloc(opts);
	if (!set) {
		ret = -ENOMEM;
		goto exit;
	}
	ret = set_open(set, &l, owner, &text);
	if (ret) {
		bce_members_detach(set->members, owner);
		set_free(set);
		goto exit;
	}
	*out = set;
exit:
	why_copy(why, &text, ret);
	source_list_exit(&l);
	bce_text_exit(&text);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_open);

/* members for a set that exists: all must be of it, and enough of them */
static int reattach_check(struct bce_set *set, struct source_list *l,
			  const struct bce_open_opts *opts, struct text_buf *why)
{
	int ret = source_list_choose(l, opts, why);

	if (ret)
		return ret;
	if (memcmp(l->img[l->best].sb->uuid, set->best.sb->uuid, 16)) {
		bce_text_printf(why, "%s belongs to another set", l->src[l->best].name);
		return -EINVAL;
	}
	if (bce_set_is_rw(set) && (opts->read_only || opts->nochanges)) {
		bce_text_printf(why, "the set is being written and the new table is read-only; remount it read-only first");
		return -EROFS;
	}
	log_notes(set->log, l);
	return presence_check(set->best.sb, l->present, opts->degraded, why);
}

int bce_set_reattach(struct bce_set *set, const struct bce_member_source *src, unsigned int nr,
		     const struct bce_open_opts *opts, void *owner, char why[WHY_BYTES])
{
	struct text_buf text = TEXT_BUF_INIT;
	struct source_list l;
	void *old;
	int ret;

	ret = source_list_read(&l, src, nr, opts, &text);
	if (ret)
		goto exit;
	ret = reattach_check(set, &l, opts, &text);
	if (ret)
		goto exit;

	mutex_lock(&set->lock);
	old = set->owner;
	ret = set_attach(set, &l, owner);
	if (ret)
		bce_members_detach(set->members, owner);
	else if (old && old != owner)
		bce_members_detach(set->members, old);
	set->opts.degraded = opts->degraded;
	if (!ret && set->rw && set->rw->alloc)
		ret = bce_allocator_members_changed(set->rw->alloc);
	/* what the next bce_set_go_rw() may do with these devices */
	set->opts.read_only = opts->read_only;
	set->opts.nochanges = opts->nochanges;
	set->opts.initialise = opts->initialise;
	mutex_unlock(&set->lock);
exit:
	why_copy(why, &text, ret);
	source_list_exit(&l);
	bce_text_exit(&text);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_reattach);

void bce_set_detach(struct bce_set *set, void *owner)
{
	/* nobody has taken over: nothing can be written any more */
	if (bce_set_owner(set) == owner && bce_set_is_rw(set))
		bce_set_fail(set, "the table with its members is gone");
	if (!bce_set_readable(set))
		bce_btrees_wait_prefetch(set->btrees);
	bce_members_detach(set->members, owner);
	mutex_lock(&set->lock);
	if (set->owner == owner)
		set->owner = NULL;
	mutex_unlock(&set->lock);
}
EXPORT_SYMBOL_GPL(bce_set_detach);

void *bce_set_owner(struct bce_set *set)
{
	return READ_ONCE(set->owner);
}
EXPORT_SYMBOL_GPL(bce_set_owner);

void bce_set_get(struct bce_set *set)
{
	refcount_inc(&set->ref);
}
EXPORT_SYMBOL_GPL(bce_set_get);

void bce_set_put(struct bce_set *set)
{
	if (set && refcount_dec_and_test(&set->ref))
		set_free(set);
}
EXPORT_SYMBOL_GPL(bce_set_put);
