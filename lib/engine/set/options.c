// SPDX-License-Identifier: GPL-2.0
/*
 * Options of a running set.
 *
 *   superblock writer's image     changed first, and written to all members: what is in effect is stored
 *        |
 *   set->best                     a copy, for whoever asks what is stored
 *        |
 *   set->in_effect                the same words of flags, each stored at once, but for what the mount has chosen (below);
 *        |                        whoever asks by name
 *   data options, allocator,      copies of those that are asked for at every write
 *   journal, btrees
 *
 * A change is made under the superblock's lock, from the first step to the last, so that all of them agree in the end
 * whoever changes what at the same time. Readers take no lock: they see one option old and the other new, as if they had
 * come a moment earlier or later; options of data, which belong together, are read under a sequence lock.
 *
 * A crash in between leaves the option old or new in the superblocks. If these cannot be written nothing is changed.
 *
 * A mount can choose values for as long as it lasts. They go into set->in_effect alone and on from there; a value that is
 * stored later, through sysfs, takes their place. What they need of the format's features is stored when the set begins to be
 * written, or with the change.
 *
 * Options outside the list of live ones shape what is on disk, or are asked for once, when the set begins to be written.
 *
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 2; 85-policies.md, section 5.1.
 */
#include <bcachefs/options.h>

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/format/ids.h"
#include "engine/sb/write.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"

static const char *const live[] = {
	"errors", "metadata_replicas", "data_replicas", "metadata_checksum", "data_checksum", "compression",
	"background_compression", "str_hash", "metadata_target", "foreground_target", "background_target",
	"promote_target", "inodes_32bit", "wide_macs", "journal_flush_delay", "nocow",
};

/* asked for when the set begins to be written */
static const char *const at_start[] = {
	"metadata_replicas_required", "data_replicas_required", "gc_reserve_percent", "gc_reserve_bytes",
};

const char *bce_option_name(unsigned int opt)
{
	return opt < bce_sb_nr_options ? bce_sb_options[opt].name : NULL;
}
EXPORT_SYMBOL_GPL(bce_option_name);

bool bce_option_is_live(unsigned int opt)
{
	const char *name = bce_option_name(opt);

	return name && match_string(live, ARRAY_SIZE(live), name) >= 0;
}
EXPORT_SYMBOL_GPL(bce_option_is_live);

/* "errors" has a call of its own: what it is for counts before anything is written */
bool bce_option_is_mount(unsigned int opt)
{
	const char *name = bce_option_name(opt);

	return name && strcmp(name, "errors") &&
	       (bce_option_is_live(opt) || match_string(at_start, ARRAY_SIZE(at_start), name) >= 0);
}
EXPORT_SYMBOL_GPL(bce_option_is_mount);

bool bce_option_is_bool(unsigned int opt)
{
	return opt < bce_sb_nr_options && bce_sb_options[opt].unit == SB_OPTION_BOOL;
}
EXPORT_SYMBOL_GPL(bce_option_is_bool);

static bool is(const struct sb_option_desc *desc, const char *name)
{
	return !strcmp(desc->name, name);
}

/* ---- telling ---- */

static void choices_text(struct text_buf *out, const char *const *choices, u64 chosen)
{
	for (u64 i = 0; choices[i]; i++)
		bce_text_printf(out, i == chosen ? "%s[%s]" : "%s%s", i ? " " : "", choices[i]);
}

/* a number, a target or a compression */
static void value_text(struct bce_set *set, struct text_buf *out, const struct sb_option_desc *desc, u64 value)
{
	if (desc->unit == SB_OPTION_COMPRESSION)
		bce_sb_option_text(out, set->in_effect, desc);
	else if (desc->unit == SB_OPTION_TARGET)
		bce_sb_target_text(out, set->best.sb, value);
	else
		bce_text_printf(out, "%llu", (unsigned long long)value);
}

/* copies and ends @text. Return: bytes without the NUL, -ERANGE, -ENOMEM */
static int text_out(struct text_buf *text, char *out, size_t bytes)
{
	int ret = text->failed ? -ENOMEM : text->len >= bytes ? -ERANGE : (int)text->len;

	if (ret >= 0)
		memcpy(out, bce_text_str(text), text->len + 1);
	bce_text_exit(text);
	return ret;
}

int bce_set_option_text(struct bce_set *set, unsigned int opt, char *out, size_t bytes)
{
	const struct sb_option_desc *desc = bce_sb_options + opt;
	struct text_buf text = TEXT_BUF_INIT;
	u64 value;

	if (opt >= bce_sb_nr_options)
		return -EINVAL;
	/* the mount may have chosen another policy than the superblock's */
	value = is(desc, "errors") ? bce_set_errors_get(set) : bce_sb_option_get(set->in_effect, desc);
	if (desc->unit == SB_OPTION_CHOICE)
		choices_text(&text, desc->choices, value);
	else
		value_text(set, &text, desc, value);
	return text_out(&text, out, bytes);
}
EXPORT_SYMBOL_GPL(bce_set_option_text);

int bce_set_option_mounted(struct bce_set *set, unsigned int opt, char *out, size_t bytes)
{
	const struct sb_option_desc *desc = bce_sb_options + opt;
	struct text_buf text = TEXT_BUF_INIT;
	u64 value;

	if (opt >= bce_sb_nr_options || !(READ_ONCE(set->mount_options) >> opt & 1))
		return 0;
	value = bce_sb_option_get(set->in_effect, desc);
	if (desc->unit == SB_OPTION_CHOICE)
		bce_text_printf(&text, "%s", desc->choices[value]);
	else
		value_text(set, &text, desc, value);
	return text_out(&text, out, bytes);
}
EXPORT_SYMBOL_GPL(bce_set_option_mounted);

/* ---- taking effect ---- */

static u64 option(const struct bce_set *set, const char *name)
{
	return bce_sb_option_named(set->in_effect, name);
}

void bce_set_data_options_read(struct bce_set *set)
{
	struct data_options o = {
		.data_checksum = option(set, "data_checksum"),
		.compression = option(set, "compression"),
		.background_compression = option(set, "background_compression"),
		.data_replicas = option(set, "data_replicas"),
		.data_replicas_required = option(set, "data_replicas_required"),
		.foreground_target = option(set, "foreground_target"),
		.background_target = option(set, "background_target"),
		.promote_target = option(set, "promote_target"),
		.nocow = option(set, "nocow"),
		.inline_data = true,
		.wide_macs = option(set, "wide_macs"),
	};

	write_seqlock(&set->rw->data_options_lock);
	set->rw->data_options = o;
	write_sequnlock(&set->rw->data_options_lock);
}

static u64 target_devs(const struct bce_set *set, u16 target)
{
	unsigned int i;
	u64 devs = 0;

	for (i = 0; target && i < set->info.nr_devices; i++)
		if (bce_sb_target_has_dev(set->best.sb, target, i))
			devs |= BIT_ULL(i);
	return devs;
}

/* metadata checksum type by option: docs/format/20-checksums-encryption.md */
static u8 metadata_csum_type(const struct bce_set *set)
{
	static const u8 type[] = {
		[BCH_CSUM_OPT_none]	= BCH_CSUM_none,
		[BCH_CSUM_OPT_crc32c]	= BCH_CSUM_crc32c_nonzero,
		[BCH_CSUM_OPT_crc64]	= BCH_CSUM_crc64_nonzero,
		[BCH_CSUM_OPT_xxhash]	= BCH_CSUM_xxhash,
	};
	u64 opt = option(set, "metadata_checksum");

	if (set->info.encrypted)
		return BCH_CSUM_chacha20_poly1305_128;
	return opt < ARRAY_SIZE(type) ? type[opt] : BCH_CSUM_crc32c_nonzero;
}

struct metadata_options bce_set_metadata_options(const struct bce_set *set)
{
	u16 target = option(set, "metadata_target") ?: option(set, "foreground_target");

	return (struct metadata_options) {
		.csum_type = metadata_csum_type(set),
		.replicas = option(set, "metadata_replicas"),
		.target = target,
		.target_devs = target_devs(set, target),
		.flush_delay_ms = option(set, "journal_flush_delay"),
	};
}

static void take_effect(struct bce_set *set)
{
	struct metadata_options m = bce_set_metadata_options(set);
	struct set_rw *rw = set->rw;

	bce_set_data_options_read(set);
	bce_journal_tune(rw->journal, m.csum_type, m.replicas, m.flush_delay_ms, m.target_devs);
	bce_allocator_tune(rw->alloc, m.replicas, m.target);
	bce_btrees_tune(set->btrees, m.csum_type);
}

/* ---- changing ---- */

/* members may be named by their devices; the names stay while their I/O references are held */
struct member_names {
	struct member_dev	*m[BCE_SET_MEMBERS_MAX];
	const char		*name[BCE_SET_MEMBERS_MAX];
};

static void names_get(struct bce_set *set, struct member_names *n)
{
	for (unsigned int i = 0; i < BCE_SET_MEMBERS_MAX; i++) {
		n->m[i] = bce_member_get_io_quietly(set->members, i);
		n->name[i] = n->m[i] ? n->m[i]->name : NULL;
	}
}

static void names_put(struct member_names *n)
{
	for (unsigned int i = 0; i < BCE_SET_MEMBERS_MAX; i++)
		if (n->m[i])
			bce_member_put_io(n->m[i]);
}

static int parse(struct bce_set *set, const struct sb_option_desc *desc, const char *text, u64 *value, char *why)
{
	struct member_names *names = kmalloc(sizeof(*names), GFP_NOFS);
	struct text_buf what = TEXT_BUF_INIT;
	int ret;

	if (!names)
		return -ENOMEM;
	names_get(set, names);
	ret = bce_sb_option_parse(set->best.sb, desc, text, names->name, value, &what);
	names_put(names);
	kfree(names);
	if (why)
		strscpy(why, bce_text_str(&what), 512);
	bce_text_exit(&what);
	return ret;
}

/* under the superblock's lock. If it cannot be written the image is as it was */
static int store(struct bce_set *set, const struct sb_option_desc *desc, u64 value)
{
	struct bch_sb *sb = bce_sb_image(set->rw->sb);
	u64 old = bce_sb_option_get(sb, desc);
	__le64 features = sb->features[0];
	int ret;

	bce_sb_option_set(sb, desc, value);
	ret = bce_sb_write(set->rw->sb);
	if (ret) {
		bce_sb_option_set(sb, desc, old);
		sb->features[0] = features;
		return ret;
	}
	bce_sb_option_set(set->best.sb, desc, value);
	bce_sb_option_set(set->in_effect, desc, value);
	WRITE_ONCE(set->mount_options, set->mount_options & ~BIT_ULL(desc - bce_sb_options));
	if (is(desc, "errors"))
		bce_set_errors_set(set, value);
	return 0;
}

/* does what is stored already have to be looked at? */
static bool moves_data(const struct bce_set *set, const struct sb_option_desc *desc, u64 value)
{
	if (!value)
		return false;
	return is(desc, "background_target") || is(desc, "background_compression") ||
	       (is(desc, "compression") && !option(set, "background_compression"));
}

int bce_set_option_set(struct bce_set *set, unsigned int opt, const char *text, char why[512])
{
	const struct sb_option_desc *desc = bce_sb_options + opt;
	struct change_call c;
	u64 value;
	int ret;

	if (why)
		*why = '\0';
	if (opt >= bce_sb_nr_options)
		return -EINVAL;
	if (!bce_option_is_live(opt))
		return -EOPNOTSUPP;
	ret = bce_change_begin(set, &c);
	if (ret)
		return ret;
	ret = parse(set, desc, text, &value, why);
	if (!ret) {
		bce_sb_edit_begin(c.rw->sb);
		ret = store(set, desc, value);
		if (!ret)
			take_effect(set);
		bce_sb_edit_end(c.rw->sb);
	}
	if (!ret && moves_data(set, desc, value))
		ret = names_rebalance_all(&c.rw->names);
	return bce_change_end(&c, ret);
}
EXPORT_SYMBOL_GPL(bce_set_option_set);

/* ---- for one mount ---- */

/* @text of an option that a mount may choose */
static int parse_mount(struct bce_set *set, unsigned int opt, const char *text, u64 *value, char *why)
{
	if (why)
		*why = '\0';
	if (!bce_option_is_mount(opt))
		return opt < bce_sb_nr_options ? -EOPNOTSUPP : -EINVAL;
	return parse(set, bce_sb_options + opt, text, value, why);
}

int bce_set_option_is(struct bce_set *set, unsigned int opt, const char *text, char why[512])
{
	u64 value;
	int ret = parse_mount(set, opt, text, &value, why);

	return ret ?: value == bce_sb_option_get(set->in_effect, bce_sb_options + opt);
}
EXPORT_SYMBOL_GPL(bce_set_option_is);

static void choose(struct bce_set *set, const struct sb_option_desc *desc, u64 value)
{
	bce_sb_option_set(set->in_effect, desc, value);
	WRITE_ONCE(set->mount_options, set->mount_options | BIT_ULL(desc - bce_sb_options));
}

/* the same while it is written, under the superblock's lock */
static int choose_written(struct bce_set *set, const struct sb_option_desc *desc, u64 value)
{
	struct bch_sb *sb = bce_sb_image(set->rw->sb);
	u64 old = bce_sb_option_get(set->in_effect, desc);
	__le64 features = sb->features[0];
	int ret = 0;

	bce_sb_option_set(set->in_effect, desc, value);
	sb->features[0] |= set->in_effect->features[0];
	if (sb->features[0] != features)
		ret = bce_sb_write(set->rw->sb);
	if (ret) {
		bce_sb_image(set->rw->sb)->features[0] = features;
		bce_sb_option_set(set->in_effect, desc, old);
		return ret;
	}
	choose(set, desc, value);
	take_effect(set);
	return 0;
}

int bce_set_option_mount(struct bce_set *set, unsigned int opt, const char *text, char why[512])
{
	const struct sb_option_desc *desc = bce_sb_options + opt;
	struct change_call c;
	u64 value;
	int ret = parse_mount(set, opt, text, &value, why);

	BUILD_BUG_ON(sizeof(set->mount_options) * 8 < BCE_SB_OPTIONS_MAX);
	if (ret)
		return ret;
	ret = bce_change_begin(set, &c);
	if (ret == -EROFS) {
		choose(set, desc, value);
		return 0;
	}
	if (ret)
		return ret;
	if (!bce_option_is_live(opt)) {
		ret = value == option(set, desc->name) ? 0 : -EBUSY;
		return bce_change_end(&c, ret);
	}
	bce_sb_edit_begin(c.rw->sb);
	ret = choose_written(set, desc, value);
	bce_sb_edit_end(c.rw->sb);
	return bce_change_end(&c, ret);
}
EXPORT_SYMBOL_GPL(bce_set_option_mount);

void bce_set_options_unmount(struct bce_set *set)
{
	for (unsigned int i = 0; i < bce_sb_nr_options; i++)
		if (set->mount_options >> i & 1)
			bce_sb_option_set(set->in_effect, bce_sb_options + i,
					  bce_sb_option_get(set->best.sb, bce_sb_options + i));
	WRITE_ONCE(set->mount_options, 0);
}
EXPORT_SYMBOL_GPL(bce_set_options_unmount);

/* ---- the label ---- */

static void label_store(struct bch_sb *sb, const char *label)
{
	memset(sb->label, 0, sizeof(sb->label));
	memcpy(sb->label, label, strlen(label));
}

static void label_told(struct bce_set *set, const char *label)
{
	spin_lock(&set->label_lock);
	label_store(set->best.sb, label);
	strscpy(set->info.label, label, sizeof(set->info.label));
	spin_unlock(&set->label_lock);
}

/* what the set's device shows is read again from the members that were written */
static void shown_read(struct bce_set *set)
{
	for (unsigned int i = 0; i < set->info.nr_devices; i++) {
		struct member_dev *m = bce_member_get_io_quietly(set->members, i);
		struct text_buf why = TEXT_BUF_INIT;
		struct sb_image img;

		if (!m)
			continue;
		if (!bce_sb_read(&img, m->bdev, 0, &why)) {
			mutex_lock(&set->lock);
			swap(set->dev_sb[i], img);
			mutex_unlock(&set->lock);
			bce_sb_image_exit(&img);
		}
		bce_text_exit(&why);
		bce_member_put_io(m);
	}
}

int bce_set_label_set(struct bce_set *set, const char *label)
{
	u8 old[BCH_SB_LABEL_BYTES];
	struct change_call c;
	struct bch_sb *sb;
	int ret;

	BUILD_BUG_ON(sizeof(old) != sizeof(sb->label));
	if (strlen(label) > BCH_SB_LABEL_BYTES)
		return -EINVAL;
	ret = bce_change_begin(set, &c);
	if (ret)
		return ret;
	sb = bce_sb_edit_begin(c.rw->sb);
	memcpy(old, sb->label, sizeof(old));
	label_store(sb, label);
	ret = bce_sb_write(c.rw->sb);
	sb = bce_sb_image(c.rw->sb);
	if (ret)
		memcpy(sb->label, old, sizeof(old));
	else
		label_told(set, label);
	bce_sb_edit_end(c.rw->sb);
	if (!ret)
		shown_read(set);
	return bce_change_end(&c, ret);
}
EXPORT_SYMBOL_GPL(bce_set_label_set);
