// SPDX-License-Identifier: GPL-2.0
/* list: keys or nodes of btrees, as text in the form of the reference listings, or JSON. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/util/text.h"
#include "json_out.h"
#include "key_json.h"
#include "offline.h"
#include "pos_arg.h"

struct list_opts {
	struct offline_opts	open;
	u64			btrees;		/* bit per id */
	bool			nodes;
	bool			json;
	unsigned int		level;
	struct bpos		start;
	struct bpos		end;
};

static void print_key(const struct offline_set *o, unsigned int btree_id, unsigned int level,
		      const struct bkey *k, bool json)
{
	struct text_buf line = TEXT_BUF_INIT;
	json_object *obj;

	if (json) {
		obj = key_to_json(k, offline_rules(o));
		json_add_string(obj, "btree", bce_btree_name(btree_id));
		json_add_uint(obj, "level", level);
		json_print_line(obj);
		return;
	}
	bce_key_text(&line, k, offline_rules(o));
	puts(bce_text_str(&line));
	bce_text_exit(&line);
}

static int list_keys(const struct offline_set *o, unsigned int btree_id,
		     const struct list_opts *opts)
{
	const struct bkey *k;
	struct btree_iter iter;

	bce_btree_iter_init(&iter, offline_btrees(o), btree_id, opts->level, opts->start,
			    BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		if (bpos_cmp(k->p, opts->end) > 0)
			break;
		print_key(o, btree_id, opts->level, k, opts->json);
	}
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : 0;
}

struct node_list {
	const struct offline_set	*o;
	unsigned int			btree_id;
	const struct list_opts		*opts;
};

static void print_node_json(struct node_list *l, const struct btree_node_view *v)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "btree", bce_btree_name(l->btree_id));
	json_add_uint(o, "level", v->level);
	json_object_object_add(o, "min", pos_to_json(v->min));
	json_object_object_add(o, "max", pos_to_json(v->max));
	json_object_object_add(o, "ptr", key_to_json(v->ptr, offline_rules(l->o)));
	if (v->error) {
		json_add_string(o, "error", strerror(-v->error));
	} else {
		json_add_uint(o, "keys", v->nr_keys);
		json_add_uint(o, "packed", v->nr_packed);
	}
	json_print_line(o);
}

static int print_node(void *ctx, const struct btree_node_view *v)
{
	struct node_list *l = ctx;
	struct text_buf line = TEXT_BUF_INIT;

	if (l->opts->json) {
		print_node_json(l, v);
		return 0;
	}
	bce_text_printf(&line, "l %u ", v->level);
	bce_pos_text(&line, v->min);
	bce_text_printf(&line, " - ");
	bce_pos_text(&line, v->max);
	bce_text_printf(&line, ":\n    ");
	bce_key_text(&line, v->ptr, offline_rules(l->o));
	if (v->error)
		bce_text_printf(&line, "\n    unreadable: %s", strerror(-v->error));
	else
		bce_text_printf(&line, "\n    keys %u, packed %u", v->nr_keys, v->nr_packed);
	puts(bce_text_str(&line));
	bce_text_exit(&line);
	return 0;
}

static int list_btree(const struct offline_set *o, unsigned int btree_id,
		      const struct list_opts *opts)
{
	struct node_list l = { o, btree_id, opts };

	if (opts->nodes)
		return bce_btree_for_each_node(offline_btrees(o), btree_id, print_node, &l);
	return list_keys(o, btree_id, opts);
}

static int list(char **paths, unsigned int nr, const struct list_opts *opts)
{
	struct offline_set o;
	int ret = offline_open(&o, paths, nr, &opts->open), first_error = 0;
	unsigned int id;

	if (ret)
		return ret;
	for (id = 0; id < BTREE_ID_NR; id++) {
		int error;

		if (!(opts->btrees & (1ULL << id)))
			continue;
		if (!opts->json)
			printf("# btree %u %s\n", id, bce_btree_name(id));
		error = list_btree(&o, id, opts);
		if (error)
			complain("btree %s: %s; what follows is missing from the list",
				 bce_btree_name(id), strerror(-error));
		first_error = first_error ?: error;
	}
	offline_close(&o);
	return exit_code_of(first_error);
}

static const struct option longopts[] = {
	{ "btree",		required_argument,	NULL, 'b' },
	{ "start",		required_argument,	NULL, 's' },
	{ "end",		required_argument,	NULL, 'e' },
	{ "level",		required_argument,	NULL, 'l' },
	{ "nodes",		no_argument,		NULL, 'n' },
	{ "json",		no_argument,		NULL, 'j' },
	{ "no-journal",		no_argument,		NULL, 'J' },
	{ "degraded",		no_argument,		NULL, 'd' },
	{ "very-degraded",	no_argument,		NULL, 'D' },
	{ }
};

static int parse_option(int c, struct list_opts *opts)
{
	int id;

	switch (c) {
	case 'b':
		id = bce_btree_id_by_name(optarg);
		if (id < 0)
			return usage_error(&cmd_list, "no btree is called '%s'", optarg);
		opts->btrees |= 1ULL << id;
		return 0;
	case 's':
	case 'e':
		if (pos_parse(optarg, c == 's' ? &opts->start : &opts->end))
			return usage_error(&cmd_list, "'%s' is no position", optarg);
		return 0;
	case 'l':
		opts->level = atoi(optarg);
		if (opts->level >= BTREE_MAX_DEPTH)
			return usage_error(&cmd_list, "levels are 0 to %d", BTREE_MAX_DEPTH - 1);
		return 0;
	case 'n':
		opts->nodes = true;
		return 0;
	case 'j':
		opts->json = true;
		return 0;
	case 'J':
		opts->open.norecovery = true;
		return 0;
	case 'd':
		opts->open.degraded = BCE_DEGRADED_YES;
		return 0;
	case 'D':
		opts->open.degraded = BCE_DEGRADED_VERY;
		return 0;
	default:
		return usage_error(&cmd_list, "unknown option");
	}
}

static int run(int argc, char **argv)
{
	struct list_opts opts = { .start = POS_MIN, .end = SPOS_MAX };
	int c, ret;

	while ((c = getopt_long(argc, argv, "b:s:e:l:nj", longopts, NULL)) != -1) {
		ret = parse_option(c, &opts);
		if (ret)
			return ret;
	}
	if (optind == argc)
		return usage_error(&cmd_list, "give the set's devices or images");
	if (!opts.btrees)
		opts.btrees = ~0ULL;
	return list(argv + optind, argc - optind, &opts);
}

const struct command cmd_list = {
	.name		= "list",
	.args		= "[OPTION...] DEVICE...",
	.summary	= "list the keys of an unmounted set's btrees",
	.help		=
		"  -b, --btree NAME     only this btree; may be repeated\n"
		"  -s, --start POS      from here: inode[:offset[:snapshot]], POS_MIN, SPOS_MAX\n"
		"  -e, --end POS        up to here, inclusive\n"
		"  -l, --level N        pointers of interior nodes instead of leaves' keys\n"
		"  -n, --nodes          nodes instead of keys\n"
		"      --no-journal     what the nodes hold, without the keys of a dirty journal\n"
		"      --degraded       although a member is missing, if all data has a copy\n"
		"      --very-degraded  although data is missing\n"
		"  -j, --json           one object per line\n",
	.run		= run,
};
