// SPDX-License-Identifier: GPL-2.0
/*
 * The table line of target bcache-set: parsing and printing, side by side so
 * that `dmsetup table | dmsetup load` gives the same table back.
 *
 * Devices are opened last, when all of the line is understood: its features and the
 * mode of the table decide whether they are opened for writing.
 */
#include "args.h"

#include <linux/device-mapper.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "kc/kc.h"

#define DM_MSG_PREFIX	"bcache-set"

struct feature {
	const char	*name;
	size_t		offset;		/* of a bool in struct bce_open_opts */
};

static const struct feature features[] = {
	{ "read_only",		offsetof(struct bce_open_opts, read_only) },
	{ "nochanges",		offsetof(struct bce_open_opts, nochanges) },
	{ "norecovery",		offsetof(struct bce_open_opts, norecovery) },
	{ "no_splitbrain_check", offsetof(struct bce_open_opts, no_splitbrain_check) },
};

#define FEATURE_ARGS_MAX	(ARRAY_SIZE(features) + 2)

static bool *feature_flag(const struct bce_open_opts *opts, const struct feature *f)
{
	return (bool *)((char *)opts + f->offset);
}

static int parse_feature(struct bce_open_opts *opts, const char *name)
{
	unsigned int i;

	if (!strcmp(name, "degraded")) {
		if (opts->degraded < BCE_DEGRADED_YES)
			opts->degraded = BCE_DEGRADED_YES;
		return 0;
	}
	if (!strcmp(name, "very_degraded")) {
		opts->degraded = BCE_DEGRADED_VERY;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (!strcmp(name, features[i].name)) {
			*feature_flag(opts, &features[i]) = true;
			return 0;
		}
	return -EINVAL;
}

static int parse_features(struct set_args *args, struct dm_target *ti, struct dm_arg_set *as)
{
	static const struct dm_arg nr_arg = {
		0, FEATURE_ARGS_MAX, "Invalid number of feature arguments"
	};
	unsigned int nr;
	int ret;

	if (!as->argc)
		return 0;
	ret = dm_read_arg_group(&nr_arg, as, &nr, &ti->error);
	if (ret)
		return ret;
	while (nr--) {
		const char *name = dm_shift_arg(as);

		ret = parse_feature(&args->opts, name);
		if (ret) {
			DMERR("unknown feature argument '%s'", name);
			ti->error = "Unknown feature argument";
			return ret;
		}
	}
	if (as->argc) {
		ti->error = "Arguments left over after the feature arguments";
		return -EINVAL;
	}
	return 0;
}

/* steps over the devices, which @path points to then */
static int parse_devices(struct dm_target *ti, struct dm_arg_set *as, unsigned int *nr, char ***path)
{
	static const struct dm_arg nr_arg = {
		1, SET_MEMBERS_MAX, "Number of devices must be 1 to 64"
	};
	int ret = dm_read_arg_group(&nr_arg, as, nr, &ti->error);

	if (ret)
		return ret;
	*path = as->argv;
	dm_consume_args(as, *nr);
	return 0;
}

static int open_devices(struct set_args *args, struct dm_target *ti, unsigned int nr, char **path)
{
	kc_dm_mode mode = dm_table_get_mode(ti->table);
	int ret = 0;

	if (args->opts.read_only || args->opts.nochanges || args->opts.norecovery)
		mode &= ~KC_DM_WRITE;
	args->writable = mode & KC_DM_WRITE;
	while (!ret && args->nr_devs < nr) {
		ret = dm_get_device(ti, path[args->nr_devs], mode, &args->dev[args->nr_devs]);
		if (ret) {
			DMERR("cannot open member %s for %s: error %d", path[args->nr_devs],
			      args->writable ? "writing" : "reading", ret);
			ti->error = "Cannot open a member device";
		} else {
			args->nr_devs++;
		}
	}
	return ret;
}

int set_args_parse(struct set_args *args, struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	unsigned int nr_devs;
	const char *uuid;
	char **path;
	int ret;

	if (argc < 3) {
		ti->error = "Need <set uuid> <#devs> <dev>...";
		return -EINVAL;
	}
	uuid = dm_shift_arg(&as);
	if (uuid_parse(uuid, &args->uuid)) {
		DMERR("'%s' is not a UUID", uuid);
		ti->error = "Malformed set UUID";
		return -EINVAL;
	}
	ret = parse_devices(ti, &as, &nr_devs, &path);
	if (!ret)
		ret = parse_features(args, ti, &as);
	if (!ret)
		ret = open_devices(args, ti, nr_devs, path);
	if (ret)
		set_args_exit(args, ti);
	return ret;
}

void set_args_exit(struct set_args *args, struct dm_target *ti)
{
	while (args->nr_devs)
		dm_put_device(ti, args->dev[--args->nr_devs]);
}

unsigned int set_args_emit(const struct set_args *args, char *result, unsigned int maxlen)
{
	const struct bce_open_opts *opts = &args->opts;
	unsigned int sz = 0, nr = opts->degraded != BCE_DEGRADED_NO, i;

	DMEMIT("%pUb %u", &args->uuid, args->nr_devs);
	for (i = 0; i < args->nr_devs; i++)
		DMEMIT(" %s", args->dev[i]->name);

	for (i = 0; i < ARRAY_SIZE(features); i++)
		nr += *feature_flag(opts, &features[i]);
	if (!nr)
		return sz;
	DMEMIT(" %u", nr);
	if (opts->degraded == BCE_DEGRADED_YES)
		DMEMIT(" degraded");
	if (opts->degraded == BCE_DEGRADED_VERY)
		DMEMIT(" very_degraded");
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (*feature_flag(opts, &features[i]))
			DMEMIT(" %s", features[i].name);
	return sz;
}
