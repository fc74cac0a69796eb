// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/fs/bcachefs/UUID/: what a mounted set is, does and has done, and options that can be changed while it is mounted.
 *
 *   UUID/           uuid, label, version, block_size, state, fail_reason, usage, errors
 *   UUID/options/   one file for each option of the superblock; those that may change while the set is written can be
 *                   written to
 *   UUID/counters/  how often things have happened
 *   UUID/dev-N/     one directory for each member, by its index
 *
 * There is one kobject for each mount; the directories below it are groups of attributes, since nothing of theirs lives
 * longer or shorter. Each attribute carries what it tells and of whom; attributes of members and options are made
 * when the set is mounted, for members come and go with tables, but their slots do not.
 *
 * Values come from the engine at every read, one after the other. Whoever reads or writes a file holds an active reference
 * of sysfs. Removing the directory waits for all of them, so what they use (the set, the attributes) is given up behind
 * that; and they may take no lock under which it is removed: s_umount. What they wait for is the engine, which
 * needs nothing of a mount.
 *
 * Formats are meant for programs: one value, or lines of a name, a space, a number. Bytes and nanoseconds are integers.
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 6, for names and for what is in brackets.
 */
#include "vfs.h"

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <bcachefs/names.h>
#include <bcachefs/options.h>
#include <bcachefs/set.h>
#include <bcachefs/stats.h>
#include <bcachefs/usage.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"

#include "sysfs.h"

#include "kc/kc.h"

static struct kset *all_sets;

struct sysfs_attr {
	struct attribute	a;
	ssize_t			(*show)(struct bce_set *set, unsigned int nr, char *buf);
	int			(*store)(struct super_block *sb, unsigned int nr, const char *text);
	unsigned int		nr;		/* member, option */
};

/* a directory of its own: @a[0] ... are listed in @list, terminated by NULL */
struct sysfs_dir {
	struct attribute_group	group;
	char			name[16];
	struct sysfs_attr	*a;
};

struct bcachefs_sysfs {
	struct kobject		kobj;
	struct super_block	*sb;		/* its set is @set; for as long as @kobj is shown */
	struct bce_set		*set;
	struct completion	released;	/* nobody holds @kobj any more */
	unsigned int		nr_dirs;
	struct sysfs_dir	dir[];
};

/* ---- the set ---- */

static ssize_t show_uuid(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return sysfs_emit(buf, "%pU\n", info.uuid);
}

static ssize_t show_label(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return sysfs_emit(buf, "%s\n", info.label);
}

static int store_label(struct super_block *sb, unsigned int nr, const char *text)
{
	return bcachefs_label_set(sb, text);
}

static ssize_t show_version(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return sysfs_emit(buf, "%u.%u\n", info.version >> 10, info.version & 1023);
}

static ssize_t show_block_size(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return sysfs_emit(buf, "%u\n", info.block_bytes);
}

static ssize_t show_state(struct bce_set *set, unsigned int nr, char *buf)
{
	if (*bce_set_fail_reason(set))
		return sysfs_emit(buf, "failed\n");
	return sysfs_emit(buf, "%s\n", bce_set_is_rw(set) ? "rw" : "ro");
}

static ssize_t show_fail_reason(struct bce_set *set, unsigned int nr, char *buf)
{
	return sysfs_emit(buf, "%s\n", bce_set_fail_reason(set));
}

static ssize_t show_errors(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_set_info info;

	bce_set_info(set, &info);
	return sysfs_emit(buf, "%llu\n", info.errors);
}

static ssize_t show_usage(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_usage u;
	int ret = bce_set_usage(set, &u);

	if (ret)
		return ret;
	return sysfs_emit(buf, "capacity %llu\nused %llu\nfree %llu\nreserved %llu\ninodes %llu\n",
			  u.capacity_sectors << SECTOR_SHIFT, u.used_sectors << SECTOR_SHIFT,
			  u.free_sectors << SECTOR_SHIFT, bce_set_reserved_sectors(set) << SECTOR_SHIFT, u.nr_inodes);
}

#define ATTR_RO(_name)	{ .a = { .name = #_name, .mode = 0444 }, .show = show_##_name }
#define ATTR_RW(_name)	{ .a = { .name = #_name, .mode = 0644 }, .show = show_##_name, .store = store_##_name }

static struct sysfs_attr set_attrs[] = {
	ATTR_RO(uuid), ATTR_RW(label), ATTR_RO(version), ATTR_RO(block_size), ATTR_RO(state), ATTR_RO(fail_reason),
	ATTR_RO(usage), ATTR_RO(errors),
};

static struct attribute *set_default_attrs[ARRAY_SIZE(set_attrs) + 1];
ATTRIBUTE_GROUPS(set_default);

/* ---- options ---- */

static ssize_t show_option(struct bce_set *set, unsigned int nr, char *buf)
{
	int len = bce_set_option_text(set, nr, buf, PAGE_SIZE - 1);

	if (len < 0)
		return len;
	buf[len++] = '\n';
	return len;
}

static int store_option(struct super_block *sb, unsigned int nr, const char *text)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	char *why = kmalloc(512, GFP_KERNEL);
	int ret;

	if (!why)
		return -ENOMEM;
	ret = bce_set_option_set(set, nr, text, why);
	if (ret == -EINVAL && *why)
		pr_notice("bcachefs: %s\n", why);
	kfree(why);
	return ret;
}

/* ---- counters ---- */

static ssize_t show_counter(struct bce_set *set, unsigned int nr, char *buf)
{
	struct bce_counter c;
	int ret = bce_set_counter(set, nr, &c);

	if (ret)
		return ret;
	if (!c.kept)
		return sysfs_emit(buf, "since_assembled %llu\n", c.since_assembled);
	return sysfs_emit(buf, "since_assembled %llu\nsince_creation %llu\n", c.since_assembled, c.ever);
}

/* ---- members ---- */

static int member(struct bce_set *set, unsigned int nr, struct bce_set_member *m)
{
	int ret = bce_set_member(set, nr, m);

	return ret ?: m->exists ? 0 : -ENODEV;
}

#define SHOW_MEMBER(what, fmt, ...)							\
static ssize_t show_dev_##what(struct bce_set *set, unsigned int nr, char *buf)		\
{											\
	struct bce_set_member m;							\
	int ret = member(set, nr, &m);							\
											\
	return ret ?: sysfs_emit(buf, fmt "\n", __VA_ARGS__);				\
}

SHOW_MEMBER(uuid, "%pU", m.uuid)
SHOW_MEMBER(name, "%s", m.name)
SHOW_MEMBER(label, "%s", *m.label ? m.label : "none")
SHOW_MEMBER(present, "%u", m.present)
SHOW_MEMBER(bucket_size, "%u", m.bucket_bytes)
SHOW_MEMBER(first_bucket, "%llu", m.first_bucket)
SHOW_MEMBER(nbuckets, "%llu", m.nbuckets)
SHOW_MEMBER(durability, "%u", m.durability)
SHOW_MEMBER(io_errors, "io %llu\nchecksum %llu", m.io_errors, m.csum_errors)
SHOW_MEMBER(io_latency_read, "%llu", m.latency_ns)

static ssize_t show_dev_state(struct bce_set *set, unsigned int nr, char *buf)
{
	static const char *const states[] = { "rw", "ro", "failed", "spare" };
	struct bce_set_member m;
	int ret = member(set, nr, &m);
	ssize_t len = 0;

	if (ret)
		return ret;
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		len += sysfs_emit_at(buf, len, i == m.state ? "[%s]%c" : "%s%c", states[i],
				     i + 1 < ARRAY_SIZE(states) ? ' ' : '\n');
	return len;
}

static ssize_t show_dev_io_done(struct bce_set *set, unsigned int nr, char *buf)
{
	static const char *const kinds[] = { "read", "write", "flush" };
	struct bce_member_io s;
	ssize_t len = 0;
	int ret;

	for (enum bce_io io = 0; io < BCE_IO_NR; io++) {
		ret = bce_set_member_io(set, nr, io, &s);
		if (ret)
			return ret;
		len += sysfs_emit_at(buf, len, "%s_ios %llu\n", kinds[io], s.nr);
		if (io != BCE_IO_FLUSH)
			len += sysfs_emit_at(buf, len, "%s_bytes %llu\n", kinds[io], s.bytes);
	}
	return len;
}

static ssize_t show_latency(struct bce_set *set, unsigned int nr, enum bce_io io, char *buf)
{
	struct bce_member_io s;
	ssize_t len;
	int ret = bce_set_member_io(set, nr, io, &s);

	if (ret)
		return ret;
	len = sysfs_emit(buf, "count %llu\nsum_ns %llu\nmax_ns %llu\n", s.nr, s.sum_ns, s.max_ns);
	for (unsigned int i = 0; i < BCE_LATENCY_BUCKETS - 1; i++)
		len += sysfs_emit_at(buf, len, "below_%u_us %llu\n", 1U << i, s.bucket[i]);
	return len + sysfs_emit_at(buf, len, "longer %llu\n", s.bucket[BCE_LATENCY_BUCKETS - 1]);
}

static ssize_t show_dev_io_latency_stats_read(struct bce_set *set, unsigned int nr, char *buf)
{
	return show_latency(set, nr, BCE_IO_READ, buf);
}

static ssize_t show_dev_io_latency_stats_write(struct bce_set *set, unsigned int nr, char *buf)
{
	return show_latency(set, nr, BCE_IO_WRITE, buf);
}

static ssize_t show_dev_io_latency_stats_flush(struct bce_set *set, unsigned int nr, char *buf)
{
	return show_latency(set, nr, BCE_IO_FLUSH, buf);
}

struct dev_usage {
	unsigned int	dev;
	s64		buckets[BCH_DATA_NR], sectors[BCH_DATA_NR];
};

static bool take_usage(void *ctx, const struct bce_accounting *a)
{
	const struct accounting_pos *p = (const void *)a->pos;
	u8 type = p->dev_data_type.data_type;
	struct dev_usage *u = ctx;

	if (p->dev_data_type.dev == u->dev && type < BCH_DATA_NR) {
		u->buckets[type] = max(a->counter[0], 0LL);
		u->sectors[type] = max(a->counter[1], 0LL);
	}
	return true;
}

static ssize_t show_dev_usage(struct bce_set *set, unsigned int nr, char *buf)
{
#define x(name, nr)	[nr] = #name,
	static const char *const names[] = { BCH_DATA_TYPE_LIST(x) };
#undef x
	struct dev_usage u = { .dev = nr };
	int ret = bce_set_accounting(set, BIT(ACCOUNTING_dev_data_type), take_usage, &u);
	ssize_t len = 0;

	if (ret)
		return ret;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		len += sysfs_emit_at(buf, len, "%s_buckets %lld\n%s_bytes %lld\n", names[i], u.buckets[i], names[i],
				     u.sectors[i] << SECTOR_SHIFT);
	return len;
}

#define DEV_ATTR(_name)	{ .a = { .name = #_name, .mode = 0444 }, .show = show_dev_##_name }

static const struct sysfs_attr dev_attrs[] = {
	DEV_ATTR(uuid), DEV_ATTR(name), DEV_ATTR(label), DEV_ATTR(state), DEV_ATTR(present), DEV_ATTR(bucket_size),
	DEV_ATTR(first_bucket), DEV_ATTR(nbuckets), DEV_ATTR(durability), DEV_ATTR(usage), DEV_ATTR(io_done),
	DEV_ATTR(io_errors), DEV_ATTR(io_latency_read), DEV_ATTR(io_latency_stats_read),
	DEV_ATTR(io_latency_stats_write), DEV_ATTR(io_latency_stats_flush),
};

/* ---- reading and writing any of them ---- */

static struct bcachefs_sysfs *to_sysfs(struct kobject *kobj)
{
	return container_of(kobj, struct bcachefs_sysfs, kobj);
}

static ssize_t attr_show(struct kobject *kobj, struct attribute *a, char *buf)
{
	const struct sysfs_attr *attr = container_of(a, struct sysfs_attr, a);

	return attr->show(to_sysfs(kobj)->set, attr->nr, buf);
}

/* what is written is one word, or one label; a line's end is none of it */
static ssize_t attr_store(struct kobject *kobj, struct attribute *a, const char *buf, size_t bytes)
{
	const struct sysfs_attr *attr = container_of(a, struct sysfs_attr, a);
	char *text = kmemdup_nul(buf, bytes, GFP_KERNEL);
	int ret;

	if (!text)
		return -ENOMEM;
	if (bytes && text[bytes - 1] == '\n')
		text[bytes - 1] = '\0';
	ret = attr->store(to_sysfs(kobj)->sb, attr->nr, text);
	kfree(text);
	return ret ? ret : (ssize_t)bytes;
}

static const struct sysfs_ops attr_ops = {
	.show	= attr_show,
	.store	= attr_store,
};

static void release(struct kobject *kobj)
{
	complete(&to_sysfs(kobj)->released);
}

static struct kobj_type set_type = {
	.sysfs_ops	= &attr_ops,
	.release	= release,
	.default_groups	= set_default_groups,
};

/* ---- making and removing the directory ---- */

/* @nr attributes, to be filled in. Return: 0, -ENOMEM */
static int dir_init(struct sysfs_dir *d, unsigned int nr)
{
	d->a = kcalloc(nr, sizeof(*d->a), GFP_KERNEL);
	d->group.attrs = kcalloc(nr + 1, sizeof(*d->group.attrs), GFP_KERNEL);
	d->group.name = d->name;
	return d->a && d->group.attrs ? 0 : -ENOMEM;
}

static void dir_attr(struct sysfs_dir *d, unsigned int i, const struct sysfs_attr *attr)
{
	d->a[i] = *attr;
	sysfs_attr_init(&d->a[i].a);
	d->group.attrs[i] = &d->a[i].a;
}

static int make_options(struct bcachefs_sysfs *s)
{
	struct sysfs_dir *d = &s->dir[s->nr_dirs++];
	unsigned int nr = 0;
	int ret;

	while (bce_option_name(nr))
		nr++;
	strscpy(d->name, "options", sizeof(d->name));
	ret = dir_init(d, nr);
	for (unsigned int i = 0; i < nr && !ret; i++) {
		struct sysfs_attr attr = {
			.a = { .name = bce_option_name(i), .mode = bce_option_is_live(i) ? 0644 : 0444 },
			.show = show_option, .store = store_option, .nr = i,
		};

		dir_attr(d, i, &attr);
	}
	return ret;
}

static int make_counters(struct bcachefs_sysfs *s)
{
	struct sysfs_dir *d = &s->dir[s->nr_dirs++];
	unsigned int nr = 0;
	int ret;

	while (bce_counter_name(nr))
		nr++;
	strscpy(d->name, "counters", sizeof(d->name));
	ret = dir_init(d, nr);
	for (unsigned int i = 0; i < nr && !ret; i++) {
		struct sysfs_attr attr = {
			.a = { .name = bce_counter_name(i), .mode = 0444 }, .show = show_counter, .nr = i,
		};

		dir_attr(d, i, &attr);
	}
	return ret;
}

static int make_member(struct bcachefs_sysfs *s, unsigned int nr)
{
	struct sysfs_dir *d = &s->dir[s->nr_dirs++];
	int ret = dir_init(d, ARRAY_SIZE(dev_attrs));

	snprintf(d->name, sizeof(d->name), "dev-%u", nr);
	for (unsigned int i = 0; i < ARRAY_SIZE(dev_attrs) && !ret; i++) {
		struct sysfs_attr attr = dev_attrs[i];

		attr.nr = nr;
		dir_attr(d, i, &attr);
	}
	return ret;
}

static int make_dirs(struct bcachefs_sysfs *s)
{
	struct bce_set_member m;
	int ret = make_options(s) ?: make_counters(s);

	for (unsigned int i = 0; !ret && !bce_set_member(s->set, i, &m); i++)
		if (m.exists)
			ret = make_member(s, i);
	return ret;
}

static void free_sysfs(struct bcachefs_sysfs *s)
{
	for (unsigned int i = 0; i < s->nr_dirs; i++) {
		kfree(s->dir[i].group.attrs);
		kfree(s->dir[i].a);
	}
	bce_set_put(s->set);
	kfree(s);
}

struct bcachefs_sysfs *bcachefs_sysfs_add(struct super_block *sb)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	unsigned int nr_slots = 0;
	struct bcachefs_sysfs *s;
	struct bce_set_member m;
	struct bce_set_info info;
	int ret;

	while (!bce_set_member(set, nr_slots, &m))
		nr_slots++;
	s = kzalloc(struct_size(s, dir, nr_slots + 2), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);
	bce_set_get(set);
	s->set = set;
	s->sb = sb;
	init_completion(&s->released);
	s->kobj.kset = all_sets;
	ret = make_dirs(s);
	if (ret) {
		free_sysfs(s);
		return ERR_PTR(ret);
	}
	bce_set_info(set, &info);
	ret = kobject_init_and_add(&s->kobj, &set_type, NULL, "%pU", info.uuid);
	for (unsigned int i = 0; i < s->nr_dirs && !ret; i++)
		ret = sysfs_create_group(&s->kobj, &s->dir[i].group);
	if (!ret)
		return s;
	bcachefs_sysfs_remove(s);
	return ERR_PTR(ret);
}

void bcachefs_sysfs_remove(struct bcachefs_sysfs *s)
{
	if (!s)
		return;
	/* with the groups in it; waits for readers and writers */
	kobject_del(&s->kobj);
	kobject_put(&s->kobj);
	wait_for_completion(&s->released);
	free_sysfs(s);
}

int bcachefs_sysfs_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(set_attrs); i++)
		set_default_attrs[i] = &set_attrs[i].a;
	all_sets = kset_create_and_add("bcachefs", NULL, fs_kobj);
	return all_sets ? 0 : -ENOMEM;
}

void bcachefs_sysfs_exit(void)
{
	kset_unregister(all_sets);
}
