// SPDX-License-Identifier: GPL-2.0
/*
 * Mount options. There are four kinds:
 *
 *   of the mount    acl, errors, quotas
 *   of the table    degraded, norecovery, ...: decided when the set was assembled; they can be repeated here, not changed,
 *                   and those that allow what was not needed say nothing
 *   of the set      compression, foreground_target, ...: a value for as long as the mount lasts, in place of the one that the
 *                   superblock stores (lib/engine/set/options.c). A remount changes those that it names.
 *   of others       known to the in-tree driver of Linux 6.12, and without a counterpart here: a line in fstab that serves
 *                   there has to serve here. They are accepted, and the kernel's log says that they do nothing.
 *
 * Anything else is an error, as everywhere but in the in-tree driver, which passes over it. What asks for work that a mount
 * does not do here (fsck) is one too: it must not look done.
 *
 * Of a mount of what is mounted already, options must be what they are: there is one file system.
 *
 * Source: docs/format/90-ioctl-mount-sysfs.md, sections 1 and 2.
 */
#include "options.h"

#include <linux/bits.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <bcachefs/options.h>
#include <bcachefs/set.h>

#include "vfs.h"

#define WHY_BYTES	512
#define TEXT_BYTES	128

enum opt {
	OPT_ACL, OPT_DEGRADED, OPT_VERY_DEGRADED, OPT_NOCHANGES, OPT_NORECOVERY,
	OPT_NO_SPLITBRAIN_CHECK, OPT_ERRORS,
	OPT_USRQUOTA, OPT_GRPQUOTA, OPT_PRJQUOTA,
};

static const struct constant_table error_policies[] = {
	{ "continue",	BCE_ERRORS_CONTINUE },
	{ "fix_safe",	BCE_ERRORS_FIX_SAFE },
	{ "panic",	BCE_ERRORS_PANIC },
	{ "ro",		BCE_ERRORS_RO },
	{}
};

const struct fs_parameter_spec bcachefs_param_spec[] = {
	fsparam_flag_no("acl",			OPT_ACL),
	fsparam_flag("degraded",		OPT_DEGRADED),
	fsparam_flag("very_degraded",		OPT_VERY_DEGRADED),
	fsparam_flag("nochanges",		OPT_NOCHANGES),
	fsparam_flag("norecovery",		OPT_NORECOVERY),
	fsparam_flag("no_splitbrain_check",	OPT_NO_SPLITBRAIN_CHECK),
	fsparam_enum("errors",			OPT_ERRORS, error_policies),
	fsparam_flag_no("quota",		OPT_USRQUOTA),
	fsparam_flag_no("usrquota",		OPT_USRQUOTA),
	fsparam_flag_no("grpquota",		OPT_GRPQUOTA),
	fsparam_flag_no("prjquota",		OPT_PRJQUOTA),
	{}
};

/* ---- parsing: of others ---- */

/* tuning of another implementation, or what is always so here */
static const char *const without_effect[] = {
	"allocator_stuck_timeout", "btree_node_mem_ptr_optimization", "btree_node_prefetch", "direct_io", "discard",
	"erasure_code", "fix_errors", "fsck_memory_usage_percent", "inline_data", "inodes_use_key_cache",
	"journal_flush_disabled", "journal_reclaim_delay", "journal_transaction_names", "move_bytes_in_flight",
	"move_ios_in_flight", "nocow_enabled", "noexcl", "promote_whole_extents", "ratelimit_errors", "root_reserve_percent",
	"shard_inode_numbers", "verbose", "version_upgrade",
};

/* work, or another view of the set */
static const char *const refused[] = {
	"fsck", "no_data_io", "reconstruct_alloc", "recovery_pass_last", "recovery_passes", "recovery_passes_exclude", "sb",
};

/* "nofsck", "fsck=0" */
static bool says_no(const struct fs_parameter *param, const char *name)
{
	return strcmp(param->key, name) || (param->type == fs_value_is_string && !strcmp(param->string, "0"));
}

/* @name of the list, or "no" before it */
static const char *find_in(const char *const *list, unsigned int nr, const char *name)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(list[i], name) || (!strncmp(name, "no", 2) && !strcmp(list[i], name + 2)))
			return list[i];
	return NULL;
}

/* Return: -ENOPARAM: unknown there, too */
static int parse_of_others(struct fs_context *fc, struct fs_parameter *param)
{
	const char *name = find_in(refused, ARRAY_SIZE(refused), param->key);

	if (name && !says_no(param, name)) {
		errorf(fc, "bcachefs: mount option %s: not done by a mount here; unmounted sets are checked by \"bcachectl fsck\"",
		       name);
		return -EINVAL;
	}
	if (name)
		return 0;
	if (!find_in(without_effect, ARRAY_SIZE(without_effect), param->key))
		return -ENOPARAM;
	warnf(fc, "bcachefs: mount option %s does nothing here", param->key);
	return 0;
}

/* ---- parsing: of the set ---- */

/* Return: the option's number, -ENOPARAM */
static int set_option_number(const char *name)
{
	unsigned int i;

	for (i = 0; i < SET_OPTIONS_MAX && bce_option_name(i); i++)
		if (bce_option_is_mount(i) && !strcmp(bce_option_name(i), name))
			return i;
	return -ENOPARAM;
}

/* Return: -ENOPARAM: none of the set's; -EINVAL */
static int parse_of_set(struct fs_context *fc, const struct fs_parameter *param)
{
	struct mount_opts *opts = fc->fs_private;
	const char *text = param->type == fs_value_is_string ? param->string : NULL;
	bool negated = false;
	int nr = set_option_number(param->key);

	if (nr < 0 && !strncmp(param->key, "no", 2)) {
		nr = set_option_number(param->key + 2);
		if (nr >= 0 && !bce_option_is_bool(nr))
			return -ENOPARAM;
		negated = true;
	}
	if (nr < 0)
		return nr;
	if (negated ? text != NULL : !text && !bce_option_is_bool(nr)) {
		errorf(fc, "bcachefs: mount option %s: %s", param->key, negated ? "takes no value" : "wants a value");
		return -EINVAL;
	}
	kfree(opts->set_option[nr]);
	opts->set_option[nr] = kstrdup(text ?: negated ? "0" : "1", GFP_KERNEL);
	return opts->set_option[nr] ? 0 : -ENOMEM;
}

/* ---- parsing ---- */

static int parse_own(struct fs_context *fc, struct fs_parameter *param)
{
	struct mount_opts *opts = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, bcachefs_param_spec, param, &result);

	if (opt < 0)
		return opt;
	if (opt == OPT_ACL) {
		opts->acl_given = true;
		opts->acl = !result.negated;
	} else if (opt == OPT_ERRORS) {
		opts->errors_given = true;
		opts->errors = result.uint_32;
	} else if (opt >= OPT_USRQUOTA) {
		u8 bit = BIT(opt - OPT_USRQUOTA);

		opts->quota_given |= bit;
		opts->quota = (opts->quota & ~bit) | (result.negated ? 0 : bit);
	} else {
		opts->table_opts |= BIT(opt);
	}
	return 0;
}

int bcachefs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	int ret = parse_own(fc, param);

	if (ret == -ENOPARAM)
		ret = parse_of_set(fc, param);
	if (ret == -ENOPARAM)
		ret = parse_of_others(fc, param);
	return ret;
}

void bcachefs_mount_opts_free(struct mount_opts *opts)
{
	unsigned int i;

	for (i = 0; opts && i < SET_OPTIONS_MAX; i++)
		kfree(opts->set_option[i]);
	kfree(opts);
}

/* ---- taking effect ---- */

static int complain(struct fs_context *fc, unsigned int nr, int error, const char *why)
{
	const char *name = bce_option_name(nr);

	if (*why)
		errorf(fc, "bcachefs: %s", why);
	else if (error == -EBUSY)
		errorf(fc, "bcachefs: mount option %s: it is mounted with another value; unmount it first", name);
	else
		errorf(fc, "bcachefs: mount option %s: error %d", name, error);
	return error == -EBUSY ? -EINVAL : error;
}

/* bce_set_option_mount(), or bce_set_option_is(), for each that was given */
typedef int (*option_fn)(struct bce_set *set, unsigned int opt, const char *text, char why[WHY_BYTES]);

static int for_given(struct fs_context *fc, struct bce_set *set, option_fn fn)
{
	const struct mount_opts *opts = fc->fs_private;
	char *why = kzalloc(WHY_BYTES, GFP_KERNEL);
	unsigned int i;
	int ret = why ? 0 : -ENOMEM;

	for (i = 0; !ret && i < SET_OPTIONS_MAX; i++) {
		if (!opts->set_option[i])
			continue;
		ret = fn(set, i, opts->set_option[i], why);
		if (ret)
			ret = complain(fc, i, ret, why);
	}
	kfree(why);
	return ret;
}

int bcachefs_options_apply(struct fs_context *fc, struct bcachefs_super *vs)
{
	return for_given(fc, vs->set, bce_set_option_mount);
}

/* an option_fn: 0 if @text is the value in effect */
static int must_be(struct bce_set *set, unsigned int opt, const char *text, char why[WHY_BYTES])
{
	int ret = bce_set_option_is(set, opt, text, why);

	return ret > 0 ? 0 : ret ?: -EBUSY;
}

/*
 * NULL, or the table feature that a mount option asks for and the set was not given. What only allows something is no
 * contradiction where that was not needed: the set runs. So "degraded" may stand in fstab.
 */
static const char *contradiction(const struct mount_opts *m, const struct bce_open_opts *set, bool all_members)
{
	if ((m->table_opts & BIT(OPT_NOCHANGES)) && !set->nochanges)
		return "nochanges";
	if ((m->table_opts & BIT(OPT_NORECOVERY)) && !set->norecovery)
		return "norecovery";
	if ((m->table_opts & BIT(OPT_NO_SPLITBRAIN_CHECK)) && !set->no_splitbrain_check && !all_members)
		return "no_splitbrain_check";
	return NULL;
}

int bcachefs_options_check(struct fs_context *fc, struct bcachefs_super *vs, bool remount)
{
	const struct mount_opts *m = fc->fs_private;
	struct bce_open_opts opts;
	struct bce_set_info info;
	const char *bad;

	bce_set_opts(vs->set, &opts);
	bce_set_info(vs->set, &info);
	bad = contradiction(m, &opts, info.nr_present == info.nr_members);
	if (bad) {
		errorf(fc, "bcachefs: mount option %s: the set was assembled without feature %s of its table; stop it and assemble it with that",
		       bad, bad);
		return -EINVAL;
	}
	if ((bce_set_quota_types(vs->set) & m->quota_given) != m->quota) {
		errorf(fc, "bcachefs: quotas are chosen when it is mounted: unmount it first");
		return -EINVAL;
	}
	if (m->acl_given && m->acl != vs->acl) {
		errorf(fc, "bcachefs: mount option %s: it is mounted %s; unmount it first",
		       m->acl ? "acl" : "noacl", vs->acl ? "acl" : "noacl");
		return -EINVAL;
	}
	return remount ? 0 : for_given(fc, vs->set, must_be);
}

/* ---- telling ---- */

static const char *error_policy_name(enum bce_errors_policy policy)
{
	const struct constant_table *p;

	for (p = error_policies; p->name; p++)
		if (p->value == policy)
			return p->name;
	return "unknown";
}

/* in a form in which they may be given */
static void show_set_options(struct seq_file *m, struct bce_set *set)
{
	char text[TEXT_BYTES];
	unsigned int i;

	for (i = 0; i < SET_OPTIONS_MAX && bce_option_name(i); i++)
		if (bce_set_option_mounted(set, i, text, sizeof(text)) > 0)
			seq_show_option(m, bce_option_name(i), text);
}

int bcachefs_show_options(struct seq_file *m, struct dentry *root)
{
	static const char *const quota_options[] = { "usrquota", "grpquota", "prjquota" };
	struct bcachefs_super *vs = to_bcachefs_super(root->d_sb);
	struct bce_open_opts opts;
	unsigned int i;

	bce_set_opts(vs->set, &opts);
	if (!vs->acl)
		seq_puts(m, ",noacl");
	for (i = 0; i < ARRAY_SIZE(quota_options); i++)
		if (bce_set_quota_types(vs->set) >> i & 1)
			seq_printf(m, ",%s", quota_options[i]);
	seq_printf(m, ",errors=%s", error_policy_name(bce_set_errors_get(vs->set)));
	if (opts.degraded == BCE_DEGRADED_YES)
		seq_puts(m, ",degraded");
	if (opts.degraded == BCE_DEGRADED_VERY)
		seq_puts(m, ",very_degraded");
	if (opts.nochanges)
		seq_puts(m, ",nochanges");
	if (opts.norecovery)
		seq_puts(m, ",norecovery");
	show_set_options(m, vs->set);
	return 0;
}
