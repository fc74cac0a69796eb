// SPDX-License-Identifier: GPL-2.0
/*
 * set-option: options that a set's superblocks store, changed while nobody uses it.
 *
 * What decides how blocks and nodes lie on the disk cannot be changed after formatting. A changed
 * target or compression counts for what is written from then on; moving what is there is the
 * business of a running set.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "engine/format/ids.h"
#include "engine/util/text.h"
#include "find_set.h"
#include "sb_session.h"

#define LABEL	"fs_label"

/* NAME=VALUE */
struct change {
	const struct sb_option_desc	*desc;	/* NULL: the label */
	const char			*value;
};

struct job {
	struct change	*change;
	unsigned int	nr_changes;
	char		**path;
	unsigned int	nr_paths;
	bool		degraded;
	bool		dry_run;
};

/* by docs/format/90, section 2: settable when formatting only */
static bool is_fixed(const char *name)
{
	return !strcmp(name, "block_size") || !strcmp(name, "btree_node_size") ||
	       !strcmp(name, "encoded_extent_max");
}

/* NAME=VALUE if NAME is an option; else it is a path, or names the set */
static int argument(struct job *j, char *arg)
{
	char *equals = strchr(arg, '='), name[64], *c;
	const struct sb_option_desc *desc;

	/* a path may hold a '=', a name of an option no '/' */
	if (!equals || find_set_is_name(arg) || memchr(arg, '/', equals - arg)) {
		j->path[j->nr_paths++] = arg;
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - arg), arg);
	for (c = name; *c; c++)
		*c = *c == '-' ? '_' : *c;
	desc = bce_sb_option_by_name(name);
	if (!desc && strcmp(name, LABEL))
		return usage_error(&cmd_set_option, "there is no option '%s'; show-super lists them",
				   name);
	if (is_fixed(name))
		return usage_error(&cmd_set_option, "%s is fixed when a set is formatted", name);
	j->change[j->nr_changes++] = (struct change) { desc, equals + 1 };
	return 0;
}

static int set_label(struct bch_sb *sb, const char *label)
{
	if (strlen(label) > BCH_SB_LABEL_BYTES) {
		complain("label \"%s\": at most %u bytes", label, BCH_SB_LABEL_BYTES);
		return EXIT_USAGE;
	}
	memset(sb->label, 0, sizeof(sb->label));
	memcpy(sb->label, label, strlen(label));
	return 0;
}

/* targets may be members, by the paths that were given */
static void member_names(const struct sb_session *s, const char *names[BCH_MEMBERS_MAX])
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		names[s->img[i].sb->dev_idx] = s->path[i];
}

static int set_one(struct sb_session *s, const struct change *c)
{
	const char *names[BCH_MEMBERS_MAX] = { };
	struct text_buf text = TEXT_BUF_INIT;
	struct bch_sb *sb = bce_sb_image(s->w);
	u64 value;
	int ret;

	if (!c->desc)
		return set_label(sb, c->value);
	member_names(s, names);
	ret = bce_sb_option_parse(sb, c->desc, c->value, names, &value, &text);
	if (ret) {
		complain("%s", bce_text_str(&text));
		ret = EXIT_USAGE;
	} else {
		bce_text_printf(&text, "%s: ", c->desc->name);
		bce_sb_option_text(&text, sb, c->desc);
		bce_sb_option_set(sb, c->desc, value);
		bce_text_printf(&text, " -> ");
		bce_sb_option_text(&text, sb, c->desc);
		puts(bce_text_str(&text));
	}
	bce_text_exit(&text);
	return ret;
}

static int change_all(struct sb_session *s, const struct job *j)
{
	unsigned int i;
	int ret = 0;

	bce_sb_edit_begin(s->w);
	for (i = 0; i < j->nr_changes && !ret; i++)
		ret = set_one(s, &j->change[i]);
	bce_sb_edit_end(s->w);
	if (ret)
		complain("nothing was changed");
	else if (!j->dry_run)
		ret = sb_session_write(s);
	return ret;
}

static int parse(struct job *j, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "degraded",	no_argument, NULL, 'd' },
		{ "dry-run",	no_argument, NULL, 'n' },
		{ }
	};
	int c, ret = 0;

	while ((c = getopt_long(argc, argv, "dn", longopts, NULL)) != -1) {
		if (c == 'd')
			j->degraded = true;
		else if (c == 'n')
			j->dry_run = true;
		else
			return usage_error(&cmd_set_option, "unknown option");
	}
	for (; optind < argc && !ret; optind++)
		ret = argument(j, argv[optind]);
	if (!ret && (!j->nr_changes || !j->nr_paths))
		ret = usage_error(&cmd_set_option, "give one or more NAME=VALUE, and all members of the set");
	return ret;
}

static int run(int argc, char **argv)
{
	struct job j = {
		.change = calloc(argc, sizeof(*j.change)), .path = calloc(argc, sizeof(*j.path)),
	};
	struct sb_session s;
	int ret = j.change && j.path ? parse(&j, argc, argv) : EXIT_NO_MEMORY;

	if (!ret) {
		ret = sb_session_open(&s, j.path, j.nr_paths, j.degraded);
		if (!ret)
			ret = change_all(&s, &j);
		sb_session_close(&s);
	}
	free(j.change);
	free(j.path);
	return ret;
}

const struct command cmd_set_option = {
	.name		= "set-option",
	.args		= "[OPTION...] NAME=VALUE... DEVICE...",
	.summary	= "change options of a set that nobody uses",
	.help		=
		"NAME is an option as show-super lists it, or fs_label. All members are named; of one\n"
		"block device the others are looked for. What is stored already stays as it is: new\n"
		"targets and compression count for what is written from now on.\n\n"
		"  -d, --degraded  although members are missing\n"
		"  -n, --dry-run   write nothing; say what would change\n",
	.run		= run,
};
