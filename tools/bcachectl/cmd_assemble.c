// SPDX-License-Identifier: GPL-2.0
/* assemble, stop: the life of a set device. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "assemble.h"
#include "dmset.h"

static int run_assemble(int argc, char **argv)
{
	enum { OPT_NOCHANGES = 256, OPT_NORECOVERY, OPT_NO_SPLITBRAIN, OPT_NO_WAIT,
	       OPT_RECORDED };
	static const struct option longopts[] = {
		{ "degraded",			no_argument, NULL, 'd' },
		{ "very-degraded",		no_argument, NULL, 'D' },
		{ "read-only",			no_argument, NULL, 'r' },
		{ "nochanges",			no_argument, NULL, OPT_NOCHANGES },
		{ "norecovery",			no_argument, NULL, OPT_NORECOVERY },
		{ "no-splitbrain-check",	no_argument, NULL, OPT_NO_SPLITBRAIN },
		{ "no-wait",			no_argument, NULL, OPT_NO_WAIT },
		{ "recorded",			no_argument, NULL, OPT_RECORDED },
		{ }
	};
	struct assemble_opts opts = { };
	char path[256];
	int c, ret;

	while ((c = getopt_long(argc, argv, "dr", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			opts.degraded = BCE_DEGRADED_YES;
			break;
		case 'D':
			opts.degraded = BCE_DEGRADED_VERY;
			break;
		case 'r':
			opts.read_only = true;
			break;
		case OPT_NOCHANGES:
			opts.nochanges = true;
			break;
		case OPT_NORECOVERY:
			opts.norecovery = true;
			break;
		case OPT_NO_SPLITBRAIN:
			opts.no_splitbrain_check = true;
			break;
		case OPT_NO_WAIT:
			opts.no_wait = true;
			break;
		case OPT_RECORDED:
			opts.recorded = true;
			break;
		default:
			return usage_error(&cmd_assemble, "unknown option");
		}
	}
	if (optind == argc)
		return usage_error(&cmd_assemble, "name the set: its devices, UUID or label");
	if (opts.recorded && (argc - optind > 1 || opts.no_splitbrain_check))
		return usage_error(&cmd_assemble, "--recorded goes with one UUID");
	ret = assemble(argv + optind, argc - optind, &opts, path, sizeof(path));
	if (!ret)
		puts(path);
	return ret;
}

const struct command cmd_assemble = {
	.name		= "assemble",
	.args		= "[OPTION...] DEVICE... | UUID | LABEL=LABEL",
	.summary	= "make a set's device of its members, and print it",
	.help		=
		"Of one device the other members are looked for. A set that is assembled already is\n"
		"only printed.\n\n"
		"  -d, --degraded             although members are missing, if all data has a copy\n"
		"      --very-degraded        although data is missing\n"
		"  -r, --read-only            never write: it cannot be mounted read-write\n"
		"      --nochanges            change nothing, not even in the journal\n"
		"      --norecovery           leave the journal of a dirty set alone: an old state shows\n"
		"      --no-splitbrain-check  use members that were written without each other\n"
		"      --no-wait              do not wait until recovery is done\n"
		"      --recorded             of the members that udev has met, unattended: refuses what\n"
		"                             a person must decide\n",
	.run		= run_assemble,
};

static int stop_one(const struct dmset *set, void *ctx)
{
	int *worst = ctx;
	int ret = dmset_remove(set->name);

	if (ret == -EBUSY)
		complain("set \"%s\" is in use (opened %d times): unmount it first", set->name,
			 set->open_count);
	else if (ret)
		complain("set \"%s\": %s", set->name, strerror(-ret));
	if (ret)
		*worst = exit_code_of(ret);
	return 0;
}

static int run_stop(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "all", no_argument, NULL, 'a' },
		{ }
	};
	struct dmset set;
	int worst = EXIT_OK, c, ret;
	bool all = false;

	while ((c = getopt_long(argc, argv, "a", longopts, NULL)) != -1) {
		if (c != 'a')
			return usage_error(&cmd_stop, "unknown option");
		all = true;
	}
	if (all == (optind < argc))
		return usage_error(&cmd_stop, "name sets, or give --all");
	if (all) {
		ret = dmset_for_each(stop_one, &worst);
		return ret ? exit_code_of(ret) : worst;
	}
	for (; optind < argc; optind++) {
		ret = dmset_find(argv[optind], &set);
		if (ret) {
			complain("no assembled set is called %s\n  see: bcachectl status",
				 argv[optind]);
			worst = exit_code_of(ret);
			continue;
		}
		stop_one(&set, &worst);
	}
	return worst;
}

const struct command cmd_stop = {
	.name		= "stop",
	.args		= "[--all] [SET...]",
	.summary	= "take the device of a set away",
	.help		=
		"SET is a name, UUID, label or /dev path. A mounted set is refused (exit code 5).\n\n"
		"  -a, --all  every assembled set\n",
	.run		= run_stop,
};
