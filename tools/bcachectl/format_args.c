// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of "bcachectl format".
 *
 *   [option of the set | option of the next device ... DEVICE]...
 *
 * Options of the set are those the superblock stores, by their names in the engine's table, and a
 * few of our own. They may stand anywhere. Options of a device stand before it and hold for it alone.
 * "--data_replicas" and "--data-replicas" are the same.
 */
#include "format_args.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "engine/sb/write.h"
#include "engine/util/size.h"
#include "member_arg.h"
#include "uuid_arg.h"

enum {
	OPT_FS_LABEL = 'L', OPT_LABEL = 'l', OPT_UUID = 'U', OPT_FORCE = 'f', OPT_DRY_RUN = 'n',
	OPT_QUIET = 'q', OPT_JSON = 'j',
	OPT_REPLICAS = 256, OPT_ENCRYPTED, OPT_NO_PASSPHRASE, OPT_SUPERBLOCK_SIZE,
	OPT_PROGRESS_JSON, OPT_SOURCE, OPT_DISCARD, OPT_NO_DISCARD, OPT_DURABILITY, OPT_BUCKET, OPT_FS_SIZE,
	OPT_DATA_ALLOWED, OPT_SIZE,
	OPT_SET = 512,		/* + index in bce_sb_options[] */
	OPT_SET_NO = 768,	/* the same, off */
};

static const struct option own_options[] = {
	{ "fs-label",		required_argument, NULL, OPT_FS_LABEL },
	{ "uuid",		required_argument, NULL, OPT_UUID },
	{ "replicas",		required_argument, NULL, OPT_REPLICAS },
	{ "encrypted",		no_argument,	   NULL, OPT_ENCRYPTED },
	{ "no-passphrase",	no_argument,	   NULL, OPT_NO_PASSPHRASE },
	{ "superblock-size",	required_argument, NULL, OPT_SUPERBLOCK_SIZE },
	{ "force",		no_argument,	   NULL, OPT_FORCE },
	{ "dry-run",		no_argument,	   NULL, OPT_DRY_RUN },
	{ "quiet",		no_argument,	   NULL, OPT_QUIET },
	{ "json",		no_argument,	   NULL, OPT_JSON },
	{ "progress-json",	no_argument,	   NULL, OPT_PROGRESS_JSON },
	{ "source",		required_argument, NULL, OPT_SOURCE },
	{ "label",		required_argument, NULL, OPT_LABEL },
	{ "durability",		required_argument, NULL, OPT_DURABILITY },
	{ "discard",		optional_argument, NULL, OPT_DISCARD },
	{ "no-discard",		no_argument,	   NULL, OPT_NO_DISCARD },
	{ "bucket",		required_argument, NULL, OPT_BUCKET },
	{ "data-allowed",	required_argument, NULL, OPT_DATA_ALLOWED },
	{ "fs-size",		required_argument, NULL, OPT_FS_SIZE },
	{ "size",		required_argument, NULL, OPT_SIZE },
};

#define NR_OWN	(sizeof(own_options) / sizeof(own_options[0]))

/* while the command line is read */
struct parser {
	struct format_args	*a;
	const struct command	*cmd;
	struct sb_format_dev	next;		/* options of the device to come */
	u64			next_image_bytes;
	const char		*pending;	/* the last of them, for a message; NULL: none */
	struct option		*longopts;
	char			*names;
};

/* ---- the table for getopt ---- */

static void dashes(char *name)
{
	for (; *name && *name != '='; name++)
		if (*name == '_')
			*name = '-';
}

/* all options: our own, those of the engine, and "no-" before the switches */
static int table_make(struct parser *p)
{
	unsigned int i, nr = NR_OWN, name_bytes = 64;
	char *name;

	p->longopts = calloc(NR_OWN + 2 * bce_sb_nr_options + 1, sizeof(*p->longopts));
	p->names = calloc(2 * bce_sb_nr_options, name_bytes);
	if (!p->longopts || !p->names)
		return -ENOMEM;
	memcpy(p->longopts, own_options, sizeof(own_options));
	for (i = 0, name = p->names; i < bce_sb_nr_options; i++) {
		bool is_bool = bce_sb_options[i].unit == SB_OPTION_BOOL;

		snprintf(name, name_bytes, "%s", bce_sb_options[i].name);
		dashes(name);
		p->longopts[nr++] = (struct option) {
			name, is_bool ? optional_argument : required_argument, NULL, OPT_SET + i,
		};
		name += name_bytes;
		if (!is_bool)
			continue;
		snprintf(name, name_bytes, "no-%s", name - name_bytes);
		p->longopts[nr++] = (struct option) { name, no_argument, NULL, OPT_SET_NO + i };
		name += name_bytes;
	}
	return 0;
}

/* ---- values ---- */

static int parse_size(struct parser *p, const char *what, u64 *bytes)
{
	if (!bce_size_parse(optarg, bytes) && *bytes)
		return 0;
	return usage_error(p->cmd, "%s: '%s' is no size", what, optarg);
}

static int parse_durability(struct parser *p)
{
	if (!member_durability(optarg, &p->next.durability))
		return 0;
	return usage_error(p->cmd, "--durability is 0, 1 or 2, not '%s'", optarg);
}

static int parse_discard(struct parser *p)
{
	if (!member_discard(optarg ?: "1", &p->next.discard))
		return 0;
	return usage_error(p->cmd, "--discard is 0 or 1, not '%s'", optarg);
}

static int parse_data_allowed(struct parser *p)
{
	if (!member_data_allowed(optarg, &p->next.data_allowed))
		return 0;
	return usage_error(p->cmd, "--data-allowed is a list of journal, btree, user, not '%s'",
			   optarg);
}

static int option_add(struct parser *p, const char *name, const char *value)
{
	struct format_args *a = p->a;
	struct sb_format_option *grown;

	grown = realloc(a->option, (a->nr_options + 1) * sizeof(*grown));
	if (!grown)
		return EXIT_NO_MEMORY;
	a->option = grown;
	a->option[a->nr_options++] = (struct sb_format_option) { name, value };
	return 0;
}

static int replicas_add(struct parser *p)
{
	int ret = option_add(p, "metadata_replicas", optarg);

	return ret ?: option_add(p, "data_replicas", optarg);
}

static int parse_uuid(struct parser *p)
{
	p->a->has_uuid = true;
	if (!uuid_arg_parse(optarg, p->a->user_uuid))
		return 0;
	return usage_error(p->cmd, "'%s' is no UUID", optarg);
}

/* ---- devices ---- */

static int device_add(struct parser *p, const char *path)
{
	struct format_args *a = p->a;
	struct sb_format_dev *dev = realloc(a->dev, (a->nr_devs + 1) * sizeof(*dev));
	u64 *image_bytes;

	if (!dev)
		return EXIT_NO_MEMORY;
	a->dev = dev;
	image_bytes = realloc(a->image_bytes, (a->nr_devs + 1) * sizeof(*image_bytes));
	if (!image_bytes)
		return EXIT_NO_MEMORY;
	a->image_bytes = image_bytes;
	dev[a->nr_devs] = p->next;
	dev[a->nr_devs].name = path;
	image_bytes[a->nr_devs++] = p->next_image_bytes;
	bce_sb_format_dev_init(&p->next);
	p->next_image_bytes = 0;
	p->pending = NULL;
	return 0;
}

static int device_option(struct parser *p, int c)
{
	p->pending = optarg ?: "";
	switch (c) {
	case OPT_LABEL:
		p->next.label = optarg;
		return 0;
	case OPT_DURABILITY:
		return parse_durability(p);
	case OPT_DISCARD:
		return parse_discard(p);
	case OPT_NO_DISCARD:
		p->next.discard = false;
		return 0;
	case OPT_BUCKET:
		return parse_size(p, "--bucket", &p->next.bucket_bytes);
	case OPT_DATA_ALLOWED:
		return parse_data_allowed(p);
	case OPT_FS_SIZE:
		return parse_size(p, "--fs-size", &p->next.fs_bytes);
	default:
		return parse_size(p, "--size", &p->next_image_bytes);
	}
}

/* ---- all of it ---- */

static int set_option(struct parser *p, int c)
{
	struct format_args *a = p->a;

	switch (c) {
	case OPT_FS_LABEL:
		a->label = optarg;
		return 0;
	case OPT_UUID:
		return parse_uuid(p);
	case OPT_REPLICAS:
		return replicas_add(p);
	case OPT_ENCRYPTED:
		a->encrypted = true;
		return 0;
	case OPT_NO_PASSPHRASE:
		a->no_passphrase = true;
		return 0;
	case OPT_SUPERBLOCK_SIZE:
		return parse_size(p, "--superblock-size", &a->sb_bytes);
	case OPT_FORCE:
		a->force = true;
		return 0;
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_QUIET:
		a->quiet = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_PROGRESS_JSON:
		a->progress_json = true;
		return 0;
	case OPT_SOURCE:
		a->source = optarg;
		return 0;
	default:
		return usage_error(p->cmd, "unknown option, or one without its value");
	}
}

static int argument(struct parser *p, int c)
{
	switch (c) {
	case 1:		/* no option: getopt was asked to keep the order */
		return device_add(p, optarg);
	case OPT_LABEL:
	case OPT_DISCARD ... OPT_SIZE:
		return device_option(p, c);
	case OPT_SET ... OPT_SET_NO - 1:
		return option_add(p, bce_sb_options[c - OPT_SET].name, optarg ?: "1");
	case OPT_SET_NO ... OPT_SET_NO + 255:
		return option_add(p, bce_sb_options[c - OPT_SET_NO].name, "0");
	default:
		return set_option(p, c);
	}
}

static int check(struct parser *p)
{
	struct format_args *a = p->a;

	if (p->pending)
		return usage_error(p->cmd,
				   "options of a device (label, durability and so on) stand before the device; none follows the last");
	if (!a->nr_devs)
		return usage_error(p->cmd, "give one or more devices or image files");
	if (a->no_passphrase && !a->encrypted)
		return usage_error(p->cmd, "--no-passphrase goes with --encrypted");
	return 0;
}

static int parse_all(struct parser *p, int argc, char **argv)
{
	int c, i, ret = 0;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strncmp(argv[i], "--", 2))
			dashes(argv[i]);
	while (!ret && (c = getopt_long(argc, argv, "-L:l:U:fnqj", p->longopts, NULL)) != -1)
		ret = argument(p, c);
	for (; !ret && optind < argc; optind++)		/* behind "--" */
		ret = device_add(p, argv[optind]);
	return ret ?: check(p);
}

int format_args_parse(struct format_args *a, const struct command *cmd, int argc, char **argv)
{
	struct parser p = { .a = a, .cmd = cmd };
	int ret;

	*a = (struct format_args) { };
	bce_sb_format_dev_init(&p.next);
	ret = table_make(&p) ? EXIT_NO_MEMORY : parse_all(&p, argc, argv);
	free(p.longopts);
	free(p.names);
	return ret;
}

void format_args_exit(struct format_args *a)
{
	free(a->dev);
	free(a->image_bytes);
	free(a->option);
}
