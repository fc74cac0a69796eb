// SPDX-License-Identifier: GPL-2.0
/*
 * Inode options being set from text, and inherited (docs/format/90-ioctl-mount-sysfs.md, section 4;
 * 85-policies.md, 5.1). Stored is the value plus one; a bit of bi_fields_set tells what was set on this
 * inode from what came with the directory.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define REPLICAS_MAX		4
#define COMPRESSION_LEVEL_MAX	15

#define x(name, nr)	[nr] = #name,
static const char *const csum_names[] = { BCH_CSUM_OPT_LIST(x) };
static const char *const compression_names[] = { BCH_COMPRESSION_OPT_LIST(x) };
#undef x

u64 names_opt_get(const struct inode_fields *f, unsigned int opt)
{
	switch (opt) {
#define x(name, nr, bits)	case nr: return f->name;
	INODE_OPT_LIST(x)
#undef x
	}
	return 0;
}

void names_opt_put(struct inode_fields *f, unsigned int opt, u64 stored)
{
	switch (opt) {
#define x(name, nr, bits)	case nr: f->name = stored; break;
	INODE_OPT_LIST(x)
#undef x
	}
}

bool names_opts_differ(const struct inode_fields *f, const struct inode_fields *dir)
{
	unsigned int opt;

	for (opt = 0; opt < INODE_OPT_NR; opt++)
		if (!(f->fields_set & BIT(opt)) && names_opt_get(f, opt) != names_opt_get(dir, opt))
			return true;
	return false;
}

bool names_opts_inherit(struct inode_fields *f, const struct inode_fields *dir)
{
	bool differ = names_opts_differ(f, dir);
	unsigned int opt;

	for (opt = 0; opt < INODE_OPT_NR && differ; opt++)
		if (!(f->fields_set & BIT(opt)))
			names_opt_put(f, opt, names_opt_get(dir, opt));
	return differ;
}

/* ---- texts ---- */

static int parse_choice(const char *text, size_t len, const char *const *names, unsigned int nr,
			u64 *value)
{
	for (*value = 0; *value < nr; ++*value)
		if (names[*value] && strlen(names[*value]) == len &&
		    !memcmp(names[*value], text, len))
			return 0;
	return -EINVAL;
}

static int parse_number(const char *text, u64 min, u64 max, u64 *value)
{
	if (kstrtou64(text, 10, value) || *value < min || *value > max)
		return -EINVAL;
	return 0;
}

static int parse_bool(const char *text, u64 *value)
{
	bool b;

	if (kstrtobool(text, &b))
		return -EINVAL;
	*value = b;
	return 0;
}

/* "zstd", "zstd:5" */
static int parse_compression(const char *text, u64 *value)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? colon - text : strlen(text);
	u64 level = 0;
	int ret = parse_choice(text, len, compression_names, ARRAY_SIZE(compression_names), value);

	if (!ret && colon)
		ret = parse_number(colon + 1, 0, COMPRESSION_LEVEL_MAX, &level);
	if (ret || (level && !*value))
		return -EINVAL;
	*value |= level << 4;
	return 0;
}

static int parse_target(struct names_writer *w, const char *text, u64 *value)
{
	u16 target;
	int dev;

	if (!bce_sb_target_parse(w->src.sb, text, &target)) {
		*value = target;
		return 0;
	}
	dev = w->ops->member_by_name ? w->ops->member_by_name(w->ctx, text) : -ENODEV;
	*value = BCH_TARGET_DEV_BASE + dev;
	return dev < 0 ? -EINVAL : 0;
}

static int opt_parse(struct names_writer *w, unsigned int opt, const char *text, u64 *value)
{
	switch (opt) {
	case INODE_OPT_data_checksum:
		return parse_choice(text, strlen(text), csum_names, ARRAY_SIZE(csum_names), value);
	case INODE_OPT_compression:
	case INODE_OPT_background_compression:
		return parse_compression(text, value);
	case INODE_OPT_promote_target:
	case INODE_OPT_foreground_target:
	case INODE_OPT_background_target:
		return parse_target(w, text, value);
	case INODE_OPT_data_replicas:
		return parse_number(text, 1, REPLICAS_MAX, value);
	case INODE_OPT_project:
		return parse_number(text, 0, U32_MAX - 1, value);
	default:
		return parse_bool(text, value);
	}
}

/* ---- setting ---- */

struct opt_set {
	struct bce_file_id	id;
	unsigned int		opt;
	bool			remove;
	u64			value;
};

/* what the parent directory has; at the root nothing */
static int opt_of_parent(struct names_tx *tx, const struct names_inode *i, unsigned int opt,
			 u64 *stored)
{
	struct bce_file_id up = {
		.subvol = i->f.parent_subvol ?: i->id.subvol,
		.inum = i->f.dir,
	};
	struct names_inode dir;
	int ret;

	*stored = 0;
	if (!i->f.dir)
		return 0;
	ret = names_inode_get_ro(tx, up, &dir);
	if (!ret)
		*stored = names_opt_get(&dir.f, opt);
	return ret;
}

static bool opt_moves_data(const struct inode_fields *f, unsigned int opt, u64 stored)
{
	if (stored <= 1)
		return false;
	return opt == INODE_OPT_background_target || opt == INODE_OPT_background_compression ||
	       (opt == INODE_OPT_compression && f->background_compression <= 1);
}

/* ask for all extents of the inode (0: of all) to be looked at again */
static int put_rebalance_cookie(struct names_tx *tx, u64 inum)
{
	struct bpos pos = SPOS(inum, U64_MAX - 1, U32_MAX);
	struct bch_cookie v;
	struct bkey k;
	u64 count = 0;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_rebalance_work, pos, NULL, 0, &k);

	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && k.type == KEY_TYPE_cookie)
		count = bce_cookie_decode(&k);
	v.cookie = cpu_to_le64(count + 1);
	k = (struct bkey) { .p = pos, .type = KEY_TYPE_cookie, .val_u64s = 1, .v = &v };
	return bce_trans_update(tx->t, BTREE_ID_rebalance_work, &k, 0);
}

static int opt_set_fn(struct names_tx *tx, void *ctx)
{
	const struct opt_set *o = ctx;
	struct inode_fields before;
	struct names_inode i;
	u64 stored = o->value + 1;
	int ret = names_inode_get(tx, o->id, &i);

	if (ret)
		return ret;
	before = i.f;
	i.f.fields_set |= BIT(o->opt);
	if (o->remove) {
		ret = opt_of_parent(tx, &i, o->opt, &stored);
		i.f.fields_set &= ~BIT(o->opt);
	}
	if (ret)
		return ret;
	names_opt_put(&i.f, o->opt, stored);
	i.f.ctime = tx->now;
	if (stored != names_opt_get(&before, o->opt) && opt_moves_data(&i.f, o->opt, stored))
		ret = put_rebalance_cookie(tx, i.f.inum);
	if (!ret && o->opt == INODE_OPT_project && !i.subvol.snap)
		ret = names_tx_charge_move(tx, &before, &i.f);
	return ret ?: names_inode_put(tx, &i);
}

int names_inode_opt_set(struct names_writer *w, struct bce_file_id inode, unsigned int opt,
			const char *text)
{
	struct opt_set o = { .id = inode, .opt = opt, .remove = !text };
	int ret = 0;

	if (opt >= INODE_OPT_NR)
		return -EINVAL;
	if (text)
		ret = opt_parse(w, opt, text, &o.value);
	return ret ?: names_run(w, opt_set_fn, &o);
}

static int rebalance_all_fn(struct names_tx *tx, void *ctx)
{
	return put_rebalance_cookie(tx, 0);
}

int names_rebalance_all(struct names_writer *w)
{
	return names_run(w, rebalance_all_fn, NULL);
}

struct opts_inherit {
	struct bce_file_id	id, dir;
	bool			changed;
};

static bool inherited_move_data(const struct inode_fields *before, const struct inode_fields *f)
{
	for (unsigned int opt = 0; opt < INODE_OPT_NR; opt++)
		if (names_opt_get(before, opt) != names_opt_get(f, opt) && opt_moves_data(f, opt, names_opt_get(f, opt)))
			return true;
	return false;
}

static int opts_inherit_fn(struct names_tx *tx, void *ctx)
{
	struct opts_inherit *o = ctx;
	struct inode_fields before;
	struct names_inode i, dir;
	int ret = names_inode_get(tx, o->id, &i) ?: names_inode_get_ro(tx, o->dir, &dir);

	if (ret)
		return ret;
	before = i.f;
	o->changed = names_opts_inherit(&i.f, &dir.f);
	if (!o->changed)
		return 0;
	i.f.ctime = tx->now;
	if (inherited_move_data(&before, &i.f))
		ret = put_rebalance_cookie(tx, i.f.inum);
	if (!ret && !i.subvol.snap)
		ret = names_tx_charge_move(tx, &before, &i.f);
	return ret ?: names_inode_put(tx, &i);
}

int names_inode_opts_inherit(struct names_writer *w, struct bce_file_id inode, struct bce_file_id dir, bool *changed)
{
	struct opts_inherit o = { .id = inode, .dir = dir };
	int ret = names_run(w, opts_inherit_fn, &o);

	*changed = o.changed && !ret;
	return ret;
}
