// SPDX-License-Identifier: GPL-2.0
/* set-member: what a set notes about one of its members, changed while nobody uses it. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "engine/util/text.h"
#include "member_arg.h"
#include "sb_session.h"

struct job {
	const char	*label;		/* NULL: as it is */
	const char	*durability;
	const char	*discard;
	const char	*data_allowed;
	bool		degraded;
};

/* what was asked for, into @m */
static int values_take(const struct job *j, struct member_info *m)
{
	if (j->durability && member_durability(j->durability, &m->durability))
		return usage_error(&cmd_set_member, "--durability is 0, 1 or 2, not '%s'",
				   j->durability);
	if (j->discard && member_discard(j->discard, &m->discard))
		return usage_error(&cmd_set_member, "--discard is 0 or 1, not '%s'", j->discard);
	if (j->data_allowed && member_data_allowed(j->data_allowed, &m->data_allowed))
		return usage_error(&cmd_set_member,
				   "--data-allowed is a list of journal, btree, user, not '%s'",
				   j->data_allowed);
	return 0;
}

static int change(struct sb_session *s, const struct job *j)
{
	unsigned int idx = s->img[0].sb->dev_idx;
	struct member_info m;
	int ret;

	bce_sb_member(bce_sb_image(s->w), idx, &m);
	ret = values_take(j, &m);
	if (ret)
		return ret;
	ret = bce_sb_member_set(s->w, idx, &m);
	if (!ret && j->label)
		ret = bce_sb_label_set(s->w, idx, j->label);
	if (ret == -EINVAL)
		return usage_error(&cmd_set_member,
				   "label '%s': names of 1 to 32 bytes, with dots between them",
				   j->label);
	if (ret)
		complain("%s: %s", s->path[0], strerror(-ret));
	return exit_code_of(ret);
}

static int change_and_write(struct sb_session *s, const struct job *j)
{
	int ret;

	bce_sb_edit_begin(s->w);
	ret = change(s, j);
	bce_sb_edit_end(s->w);
	return ret ?: sb_session_write(s);
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "label",	  required_argument, NULL, 'l' },
		{ "durability",	  required_argument, NULL, 'D' },
		{ "discard",	  optional_argument, NULL, 'c' },
		{ "data-allowed", required_argument, NULL, 'a' },
		{ "degraded",	  no_argument,	     NULL, 'd' },
		{ }
	};
	struct job j = { };
	struct sb_session s;
	int c, ret;

	while ((c = getopt_long(argc, argv, "l:d", longopts, NULL)) != -1) {
		switch (c) {
		case 'l':
			j.label = optarg;
			break;
		case 'D':
			j.durability = optarg;
			break;
		case 'c':
			j.discard = optarg ?: "1";
			break;
		case 'a':
			j.data_allowed = optarg;
			break;
		case 'd':
			j.degraded = true;
			break;
		default:
			return usage_error(&cmd_set_member, "unknown option");
		}
	}
	if (!j.label && !j.durability && !j.discard && !j.data_allowed)
		return usage_error(&cmd_set_member, "nothing to change was given");
	if (optind == argc)
		return usage_error(&cmd_set_member, "give the member, and then all others of its set");
	ret = sb_session_open(&s, argv + optind, argc - optind, j.degraded);
	if (!ret)
		ret = change_and_write(&s, &j);
	sb_session_close(&s);
	return ret;
}

const struct command cmd_set_member = {
	.name		= "set-member",
	.args		= "OPTION... DEVICE [OTHER-MEMBER...]",
	.summary	= "change what a set that nobody uses notes about a member",
	.help		=
		"The first device is the one whose entry is changed; the other members of its set are\n"
		"named after it, or looked for if it is a block device, since all of them note the\n"
		"change.\n\n"
		"  -l, --label LABEL        its name in groups, \"ssd.ssd1\"; \"\" takes it away\n"
		"      --durability N       0 to 2: how many copies one here counts for; 0: cache\n"
		"      --discard[=0|1]      tell the device about freed space\n"
		"      --data-allowed LIST  of journal,btree,user\n"
		"  -d, --degraded           although members are missing\n",
	.run		= run,
};
