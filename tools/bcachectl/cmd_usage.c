// SPDX-License-Identifier: GPL-2.0
/*
 * usage: what takes up a set's space, by kind of data and copies, compression, btree, snapshot, target and member.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/unaligned.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/alloc.h"
#include "engine/key/text.h"
#include "json_out.h"
#include "usage_data.h"

static bool exact;	/* bytes, not KiB and so on */

/* as many bytes as @sectors, for people; several may be used in one printf() */
static const char *size_text(u64 sectors)
{
	static const char units[] = "KMGTPE";
	static char text[8][32];
	static unsigned int at;
	u64 hundredths = sectors * 50;
	unsigned int unit = 0;
	char *out = text[at++ % 8];

	if (exact) {
		snprintf(out, sizeof(text[0]), "%" PRIu64, (uint64_t)sectors * 512);
		return out;
	}
	for (; hundredths >= 102400 && units[unit + 1]; unit++)
		hundredths /= 1024;
	snprintf(out, sizeof(text[0]), "%" PRIu64 ".%02u %ciB", (uint64_t)hundredths / 100,
		 (unsigned int)(hundredths % 100), units[unit]);
	return out;
}

static const char *compression_text(unsigned int type)
{
	static const char *const names[] = { "none", "lz4 (old)", "gzip", "lz4", "zstd", "incompressible" };

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static s64 positive(s64 v)
{
	return v > 0 ? v : 0;
}

/* the same numbers go to people and to programs: each section is told by what it consists of */
struct section {
	const char	*title;		/* for people */
	const char	*key;		/* in JSON */
	unsigned int	type;		/* enum accounting_type */
	void		(*print)(const struct usage_data *u, const struct bce_accounting *a);
	json_object	*(*json)(const struct usage_data *u, const struct bce_accounting *a);
};

/* ---- copies ---- */

static void devs_text(const struct usage_data *u, const struct bce_accounting *a, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned int i = 0; i < a->pos[2] && len < size; i++) {
		unsigned int dev = a->pos[4 + i];
		const char *name = dev < 64 ? u->member[dev].name : "";

		if (name[0])
			len += snprintf(out + len, size - len, "%s%s", i ? " " : "", name);
		else
			len += snprintf(out + len, size - len, "%s%u", i ? " " : "", dev);
	}
}

static void replicas_print(const struct usage_data *u, const struct bce_accounting *a)
{
	char devs[512];

	devs_text(u, a, devs, sizeof(devs));
	printf("  %-12s %u/%-3u %12s  %s\n", bce_data_type_name(a->pos[1]), a->pos[3], a->pos[2],
	       size_text(positive(a->counter[0])), devs);
}

static json_object *replicas_json(const struct usage_data *u, const struct bce_accounting *a)
{
	json_object *o = json_object_new_object(), *devs = json_object_new_array();

	json_add_string(o, "data", bce_data_type_name(a->pos[1]));
	json_add_uint(o, "required", a->pos[3]);
	json_add_uint(o, "copies", a->pos[2]);
	for (unsigned int i = 0; i < a->pos[2]; i++)
		json_object_array_add(devs, json_object_new_int(a->pos[4 + i]));
	json_object_object_add(o, "members", devs);
	json_add_int(o, "bytes", a->counter[0] * 512);
	return o;
}

/* ---- reservations, compression, btrees, snapshots ---- */

static void reserved_print(const struct usage_data *u, const struct bce_accounting *a)
{
	printf("  reserved     %u copies %9s\n", a->pos[1], size_text(positive(a->counter[0]) * a->pos[1]));
}

static json_object *reserved_json(const struct usage_data *u, const struct bce_accounting *a)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "copies", a->pos[1]);
	json_add_int(o, "bytes", a->counter[0] * 512 * a->pos[1]);
	return o;
}

static double ratio(const struct bce_accounting *a)
{
	return a->counter[2] > 0 ? (double)a->counter[1] / a->counter[2] : 1;
}

static void compression_print(const struct usage_data *u, const struct bce_accounting *a)
{
	printf("  %-14s %12s in %12s, ratio %.2f, %" PRId64 " extents\n", compression_text(a->pos[1]),
	       size_text(positive(a->counter[1])), size_text(positive(a->counter[2])), ratio(a),
	       (int64_t)a->counter[0]);
}

static json_object *compression_json(const struct usage_data *u, const struct bce_accounting *a)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "type", compression_text(a->pos[1]));
	json_add_int(o, "extents", a->counter[0]);
	json_add_int(o, "uncompressed_bytes", a->counter[1] * 512);
	json_add_int(o, "compressed_bytes", a->counter[2] * 512);
	return o;
}

static const char *btree_text(const struct bce_accounting *a)
{
	return bce_btree_name(get_unaligned_le32(a->pos + 1)) ?: "unknown";
}

static void btree_print(const struct usage_data *u, const struct bce_accounting *a)
{
	printf("  %-18s %12s\n", btree_text(a), size_text(positive(a->counter[0])));
}

static json_object *btree_json(const struct usage_data *u, const struct bce_accounting *a)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "btree", btree_text(a));
	json_add_int(o, "bytes", a->counter[0] * 512);
	return o;
}

static void snapshot_print(const struct usage_data *u, const struct bce_accounting *a)
{
	printf("  %-18u %12s\n", get_unaligned_le32(a->pos + 1), size_text(positive(a->counter[0])));
}

static json_object *snapshot_json(const struct usage_data *u, const struct bce_accounting *a)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "snapshot", get_unaligned_le32(a->pos + 1));
	json_add_int(o, "bytes", a->counter[0] * 512);
	return o;
}

static const struct section sections[] = {
	{ "Data, needed/copies", "replicas", ACCOUNTING_replicas, replicas_print, replicas_json },
	{ "Promised to files (fallocate)", "reserved", ACCOUNTING_persistent_reserved, reserved_print,
	  reserved_json },
	{ "Compression", "compression", ACCOUNTING_compression, compression_print, compression_json },
	{ "Btrees", "btrees", ACCOUNTING_btree, btree_print, btree_json },
	{ "Data that first appeared in a snapshot", "snapshots", ACCOUNTING_snapshot, snapshot_print,
	  snapshot_json },
};

#define NR_SECTIONS	(sizeof(sections) / sizeof(sections[0]))

/* ---- members and targets ---- */

static const char *const states[] = { "read-write", "read-only", "failed", "spare" };

struct member_sum {
	u64	used, cached, total;	/* sectors */
};

static bool is_of(const struct bce_accounting *a, unsigned int dev)
{
	return a->pos[0] == ACCOUNTING_dev_data_type && a->pos[1] == dev;
}

/* buckets of kinds that others may take count as free */
static struct member_sum member_sum(const struct usage_data *u, unsigned int dev)
{
	struct member_sum s = { .total = u->nbuckets[dev] * u->bucket_sectors[dev] };

	for (unsigned int i = 0; i < u->nr; i++) {
		const struct bce_accounting *a = &u->counter[i];
		u64 sectors = positive(a->counter[0]) * u->bucket_sectors[dev];

		if (!is_of(a, dev))
			continue;
		if (a->pos[2] == BCH_DATA_cached)
			s.cached += sectors;
		else if (!bce_data_type_is_empty(a->pos[2]))
			s.used += sectors;
	}
	return s;
}

static void member_print(const struct usage_data *u, unsigned int dev)
{
	const struct bce_ioctl_member *m = &u->member[dev];
	struct member_sum s = member_sum(u, dev);

	printf("\nMember %u: %s%s%s%s, %s%s, durability %u: %s of %s in use\n", dev,
	       m->name[0] ? m->name : "(missing)", m->label[0] ? " (" : "", m->label, m->label[0] ? ")" : "",
	       states[m->state & 3], m->present ? "" : ", missing", m->durability, size_text(s.used),
	       size_text(s.total));
	printf("  %-16s %12s %12s %12s\n", "", "data", "buckets", "fragmented");
	for (unsigned int i = 0; i < u->nr; i++) {
		const struct bce_accounting *a = &u->counter[i];

		if (is_of(a, dev))
			printf("  %-16s %12s %12" PRId64 " %12s\n", bce_data_type_name(a->pos[2]),
			       size_text(positive(a->counter[1])), (int64_t)a->counter[0],
			       size_text(positive(a->counter[2])));
	}
}

static json_object *member_json(const struct usage_data *u, unsigned int dev)
{
	json_object *o = json_object_new_object(), *types = json_object_new_array();
	const struct bce_ioctl_member *m = &u->member[dev];
	struct member_sum s = member_sum(u, dev);

	json_add_uint(o, "index", dev);
	json_add_string(o, "device", m->name);
	json_add_string(o, "label", m->label);
	json_add_string(o, "state", states[m->state & 3]);
	json_add_bool(o, "present", m->present);
	json_add_uint(o, "durability", m->durability);
	json_add_uint(o, "bytes", s.total * 512);
	json_add_uint(o, "used_bytes", s.used * 512);
	json_add_uint(o, "cached_bytes", s.cached * 512);
	for (unsigned int i = 0; i < u->nr; i++) {
		const struct bce_accounting *a = &u->counter[i];
		json_object *t;

		if (!is_of(a, dev))
			continue;
		t = json_object_new_object();
		json_add_string(t, "data", bce_data_type_name(a->pos[2]));
		json_add_int(t, "buckets", a->counter[0]);
		json_add_int(t, "bytes", a->counter[1] * 512);
		json_add_int(t, "fragmented_bytes", a->counter[2] * 512);
		json_object_array_add(types, t);
	}
	json_object_object_add(o, "data", types);
	return o;
}

/* every group of labels, "ssd" of "ssd.ssd1", with the sums of its members */
struct group {
	char			name[64];
	unsigned int		nr;
	struct member_sum	s;
};

static void group_add(struct group *g, unsigned int *nr, const char *name, size_t len,
		      const struct member_sum *s)
{
	unsigned int i;

	for (i = 0; i < *nr; i++)
		if (strlen(g[i].name) == len && !memcmp(g[i].name, name, len))
			break;
	if (i == *nr)
		snprintf(g[(*nr)++].name, sizeof(g->name), "%.*s", (int)len, name);
	g[i].nr++;
	g[i].s.used += s->used;
	g[i].s.cached += s->cached;
	g[i].s.total += s->total;
}

#define GROUPS_MAX	(64 * 32)	/* a label has 63 characters, 31 dots at most */

static unsigned int groups_of(const struct usage_data *u, struct group *g)
{
	unsigned int nr = 0;

	for (unsigned int dev = 0; dev < 64; dev++) {
		const char *label = u->member[dev].label, *dot = label;
		struct member_sum s = member_sum(u, dev);

		if (!u->member[dev].exists || !label[0])
			continue;
		while ((dot = strchr(dot, '.')))
			group_add(g, &nr, label, dot++ - label, &s);
		group_add(g, &nr, label, strlen(label), &s);
	}
	return nr;
}

static void groups_print(const struct group *g, unsigned int nr)
{
	if (nr)
		printf("\nTargets\n");
	for (unsigned int i = 0; i < nr; i++)
		printf("  %-18s %12s of %12s in use, %s cached, members: %u\n", g[i].name,
		       size_text(g[i].s.used), size_text(g[i].s.total), size_text(g[i].s.cached), g[i].nr);
}

static json_object *groups_json(const struct group *g, unsigned int nr)
{
	json_object *all = json_object_new_array();

	for (unsigned int i = 0; i < nr; i++) {
		json_object *o = json_object_new_object();

		json_add_string(o, "label", g[i].name);
		json_add_uint(o, "members", g[i].nr);
		json_add_uint(o, "bytes", g[i].s.total * 512);
		json_add_uint(o, "used_bytes", g[i].s.used * 512);
		json_add_uint(o, "cached_bytes", g[i].s.cached * 512);
		json_object_array_add(all, o);
	}
	return all;
}

/* ---- the whole ---- */

static u64 cached_sectors(const struct usage_data *u)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < u->nr; i++)
		if (u->counter[i].pos[0] == ACCOUNTING_replicas && u->counter[i].pos[1] == BCH_DATA_cached)
			sum += positive(u->counter[i].counter[0]);
	return sum;
}

static void section_print(const struct usage_data *u, const struct section *s)
{
	bool any = false;

	for (unsigned int i = 0; i < u->nr; i++) {
		if (u->counter[i].pos[0] != s->type)
			continue;
		if (!any)
			printf("\n%s\n", s->title);
		any = true;
		s->print(u, &u->counter[i]);
	}
}

static void print_people(const struct usage_data *u, const struct group *g, unsigned int nr_groups)
{
	printf("Capacity %12s\nUsed     %12s\nFree     %12s\nReserved %12s\nCached   %12s\nInodes   %12" PRIu64 "\n",
	       size_text(u->set.capacity_sectors), size_text(u->set.used_sectors),
	       size_text(u->set.free_sectors), size_text(u->reserved_sectors),
	       size_text(cached_sectors(u)), (uint64_t)u->set.nr_inodes);
	for (unsigned int i = 0; i < NR_SECTIONS; i++)
		section_print(u, &sections[i]);
	groups_print(g, nr_groups);
	for (unsigned int dev = 0; dev < 64; dev++)
		if (u->member[dev].exists)
			member_print(u, dev);
}

static void print_programs(const struct usage_data *u, const struct group *g, unsigned int nr_groups)
{
	json_object *o = json_object_new_object(), *list;

	json_add_uint(o, "capacity_bytes", u->set.capacity_sectors * 512);
	json_add_uint(o, "used_bytes", u->set.used_sectors * 512);
	json_add_uint(o, "free_bytes", u->set.free_sectors * 512);
	json_add_uint(o, "reserved_bytes", u->reserved_sectors * 512);
	json_add_uint(o, "cached_bytes", cached_sectors(u) * 512);
	json_add_uint(o, "inodes", u->set.nr_inodes);
	for (unsigned int i = 0; i < NR_SECTIONS; i++) {
		list = json_object_new_array();
		for (unsigned int j = 0; j < u->nr; j++)
			if (u->counter[j].pos[0] == sections[i].type)
				json_object_array_add(list, sections[i].json(u, &u->counter[j]));
		json_object_object_add(o, sections[i].key, list);
	}
	json_object_object_add(o, "targets", groups_json(g, nr_groups));
	list = json_object_new_array();
	for (unsigned int dev = 0; dev < 64; dev++)
		if (u->member[dev].exists)
			json_object_array_add(list, member_json(u, dev));
	json_object_object_add(o, "members", list);
	json_print(o);
}

static int print_usage(const struct usage_data *u, bool json)
{
	struct group *g = calloc(GROUPS_MAX, sizeof(*g));
	unsigned int nr;

	if (!g)
		return EXIT_NO_MEMORY;
	nr = groups_of(u, g);
	if (json)
		print_programs(u, g, nr);
	else
		print_people(u, g, nr);
	free(g);
	return EXIT_OK;
}

/* a directory is of a mounted file system; all else are devices and images of an unmounted set */
static int collect(struct usage_data *u, char **argv, int nr, const struct offline_opts *opts)
{
	struct offline_set o;
	struct stat st;
	int ret;

	if (nr == 1 && !stat(argv[0], &st) && S_ISDIR(st.st_mode)) {
		ret = usage_data_mounted(u, argv[0]);
		if (ret)
			complain("%s: %s", argv[0],
				 ret == -ENOTTY ? "no bcachefs of ours is mounted there" : strerror(-ret));
		return exit_code_of(ret);
	}
	ret = offline_open(&o, argv, nr, opts);
	if (ret)
		return ret;
	ret = usage_data_offline(u, &o);
	if (ret)
		complain("the set cannot be read: %s", strerror(-ret));
	offline_close(&o);
	return exit_code_of(ret);
}

static int run_usage(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "bytes", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "degraded", no_argument, NULL, 'd' },
		{ "very-degraded", no_argument, NULL, 'D' },
		{ }
	};
	struct offline_opts opts = { };
	struct usage_data *u;
	bool json = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "bjd", longopts, NULL)) != -1) {
		if (c == '?')
			return usage_error(&cmd_usage, "unknown option");
		exact |= c == 'b';
		json |= c == 'j';
		if (c == 'd' || c == 'D')
			opts.degraded = c == 'd' ? BCE_DEGRADED_YES : BCE_DEGRADED_VERY;
	}
	if (optind == argc)
		return usage_error(&cmd_usage, "name a directory of a mounted file system, or devices");
	u = calloc(1, sizeof(*u));
	if (!u)
		return EXIT_NO_MEMORY;
	ret = collect(u, argv + optind, argc - optind, &opts);
	if (!ret) {
		ret = print_usage(u, json);
		usage_data_free(u);
	}
	free(u);
	return ret;
}

const struct command cmd_usage = {
	.name		= "usage",
	.args		= "[OPTION...] DIRECTORY | DEVICE...",
	.summary	= "what takes up the space of a set",
	.help		=
		"Of a mounted file system by any directory in it, else of an unmounted set by its devices or\n"
		"images: by kind of data and copies, compression, btree, snapshot, target and member.\n\n"
		"  -b, --bytes          sizes in bytes\n"
		"  -j, --json           for programs\n"
		"  -d, --degraded       devices: although a member is missing, if all data has a copy\n"
		"      --very-degraded  devices: although data is missing\n",
	.run		= run_usage,
};
