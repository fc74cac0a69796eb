// SPDX-License-Identifier: GPL-2.0
/* dump: one key, or one node as it lies on a device, in bytes with its decoding. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/btree/node_parse.h"
#include "engine/format/btree.h"
#include "engine/key/extent.h"
#include "engine/key/pack.h"
#include "engine/key/text.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"
#include "offline.h"
#include "pos_arg.h"

struct dump_opts {
	struct offline_opts	open;
	int			btree_id;
	unsigned int		level;
	struct bpos		pos;
	bool			node;
};

static void hex_dump(const void *p, size_t bytes, size_t offset)
{
	const u8 *in = p;
	size_t i, j;

	for (i = 0; i < bytes; i += 16) {
		printf("  %06zx ", offset + i);
		for (j = i; j < i + 16; j++)
			if (j < bytes)
				printf("%s%02x", j % 8 ? " " : "  ", in[j]);
			else
				fputs(j % 8 ? "   " : "    ", stdout);
		fputs("  ", stdout);
		for (j = i; j < i + 16 && j < bytes; j++)
			putchar(in[j] >= 0x20 && in[j] < 0x7f ? in[j] : '.');
		putchar('\n');
	}
}

static void print_key_text(const struct offline_set *o, const struct bkey *k, const char *indent)
{
	struct text_buf line = TEXT_BUF_INIT;

	bce_key_text(&line, k, offline_rules(o));
	printf("%s%s\n", indent, bce_text_str(&line));
	bce_text_exit(&line);
}

/* ---- one key ---- */

static int dump_key(const struct offline_set *o, const struct dump_opts *opts)
{
	u64 disk[BKEY_U64S + 250];
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int u64s;
	int ret = 0;

	bce_btree_iter_init(&iter, offline_btrees(o), opts->btree_id, opts->level, opts->pos, 0,
			    NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (!k) {
		complain("no key at or after that position");
		ret = -ENOENT;
	} else {
		u64s = bce_key_write_unpacked(k, (struct disk_key *)disk);
		print_key_text(o, k, "");
		printf("key, unpacked form:\n");
		hex_dump(disk, BKEY_U64S * 8, 0);
		if (u64s > BKEY_U64S) {
			printf("value:\n");
			hex_dump(disk + BKEY_U64S, (u64s - BKEY_U64S) * 8, 0);
		}
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/* ---- one node ---- */

/* the pointer to the node that covers a position, copied out of the walk */
struct node_search {
	const struct dump_opts	*opts;
	bool			found;
	struct bkey		ptr;
	u64			value[250];
};

static int match_node(void *ctx, const struct btree_node_view *v)
{
	struct node_search *s = ctx;

	if (v->level != s->opts->level || bpos_cmp(v->min, s->opts->pos) > 0 ||
	    bpos_cmp(v->max, s->opts->pos) < 0)
		return 0;
	s->ptr = *v->ptr;
	memcpy(s->value, v->ptr->v, bkey_val_bytes(v->ptr));
	s->ptr.v = s->value;
	s->found = true;
	return 1;
}

/* the bytes of one replica */
static int read_raw(const struct offline_set *o, const struct extent_ptr *ptr, void *buf,
		    size_t bytes)
{
	struct member_dev *m = bce_member_get_io(o->set->members, ptr->dev);
	int ret;

	if (!m)
		return -ENODEV;
	ret = bce_member_read_sync(m, ptr->sector, buf, bytes);
	bce_member_put_io(m);
	return ret;
}

static void print_run(const struct offline_set *o, const struct node_image *image,
		      const struct keyset_input *run, unsigned int nr)
{
	const u64 *p;

	printf("set of keys %u:\n", nr);
	for (p = (const u64 *)run->start; p < (const u64 *)run->end;
	     p += ((const struct disk_key *)p)->u64s) {
		struct bkey k;

		bce_key_unpack(run->format ?: &image->format, (const struct disk_key *)p, &k);
		print_key_text(o, &k, "  ");
	}
}

static int print_node(const struct offline_set *o, const struct dump_opts *opts,
		      const struct node_expect *expect, void *data, size_t bytes,
		      const char *where)
{
	struct btrees_config config = {
		.uuid_word = o->set->info.uuid_word,
		.version = o->set->info.version,
		.version_min = o->set->info.version_min,
		.node_sectors = o->set->info.btree_node_sectors,
		.block_sectors = o->set->info.block_sectors,
		.cipher = o->set->cipher,
		.rules = &o->set->rules,
		.replay = &o->set->replay,
		.log = o->set->log,
	};
	struct node_image image = { .data = data, .bytes = bytes };
	unsigned int i;
	int ret;

	printf("header as it lies on %s:\n", where);
	hex_dump(data, sizeof(struct btree_node_disk), 0);
	image.runs = calloc(bce_node_runs_max(&config), sizeof(*image.runs));
	if (!image.runs)
		return -ENOMEM;
	ret = bce_node_parse(&image, &config, expect, where);
	if (ret)
		complain("%s: the node does not decode; its bytes:", where);
	for (i = 0; !ret && i < image.nr_runs; i++)
		print_run(o, &image, &image.runs[i], i);
	free(image.runs);
	return ret;
}

static int dump_replica(const struct offline_set *o, const struct dump_opts *opts,
			const struct bkey *ptr_key, const struct extent_ptr *ptr)
{
	size_t bytes = o->set->info.btree_node_sectors * 512UL;
	struct node_expect expect;
	char where[64];
	void *data;
	int ret;

	bce_node_expect(&expect, opts->btree_id, opts->level, ptr_key);
	if (expect.sectors_written && expect.sectors_written * 512UL < bytes)
		bytes = expect.sectors_written * 512UL;
	data = aligned_alloc(4096, (bytes + 4095) & ~4095UL);
	if (!data)
		return -ENOMEM;
	snprintf(where, sizeof(where), "member %u sector %ju", ptr->dev, (uintmax_t)ptr->sector);
	ret = read_raw(o, ptr, data, bytes);
	if (ret)
		complain("%s: %s", where, strerror(-ret));
	else
		ret = print_node(o, opts, &expect, data, bytes, where);
	/* decoded where it could be, so that an encrypted node shows its keys */
	if (ret != -ENODEV && ret != -EIO)
		hex_dump(data, bytes, 0);
	free(data);
	return ret;
}

static int dump_node(const struct offline_set *o, const struct dump_opts *opts)
{
	struct node_search s = { .opts = opts };
	struct extent_ptr_decoded p;
	struct extent_walk w;
	int ret, worst = 0;

	ret = bce_btree_for_each_node(offline_btrees(o), opts->btree_id, match_node, &s);
	if (!s.found) {
		complain("no node of level %u covers that position", opts->level);
		return ret < 0 ? ret : -ENOENT;
	}
	printf("pointer:\n");
	print_key_text(o, &s.ptr, "  ");
	bce_extent_walk_init(&w, &s.ptr, offline_rules(o)->btree_node_sectors);
	while (bce_extent_next_ptr(&w, &p)) {
		ret = dump_replica(o, opts, &s.ptr, &p.ptr);
		worst = worst ?: ret;
	}
	return worst;
}

static const struct option longopts[] = {
	{ "btree",		required_argument,	NULL, 'b' },
	{ "pos",		required_argument,	NULL, 'p' },
	{ "level",		required_argument,	NULL, 'l' },
	{ "node",		no_argument,		NULL, 'n' },
	{ "degraded",		no_argument,		NULL, 'd' },
	{ "very-degraded",	no_argument,		NULL, 'D' },
	{ }
};

static int run(int argc, char **argv)
{
	struct dump_opts opts = { .btree_id = -1, .pos = POS_MIN };
	struct offline_set o;
	int c, ret;

	while ((c = getopt_long(argc, argv, "b:p:l:n", longopts, NULL)) != -1) {
		switch (c) {
		case 'b':
			opts.btree_id = bce_btree_id_by_name(optarg);
			if (opts.btree_id < 0)
				return usage_error(&cmd_dump, "no btree is called '%s'", optarg);
			break;
		case 'p':
			if (pos_parse(optarg, &opts.pos))
				return usage_error(&cmd_dump, "'%s' is no position", optarg);
			break;
		case 'l':
			opts.level = atoi(optarg);
			break;
		case 'n':
			opts.node = true;
			break;
		case 'd':
			opts.open.degraded = BCE_DEGRADED_YES;
			break;
		case 'D':
			opts.open.degraded = BCE_DEGRADED_VERY;
			break;
		default:
			return usage_error(&cmd_dump, "unknown option");
		}
	}
	if (opts.btree_id < 0 || optind == argc)
		return usage_error(&cmd_dump, "give a btree and the set's devices or images");
	if (opts.level >= BTREE_MAX_DEPTH)
		return usage_error(&cmd_dump, "levels are 0 to %d", BTREE_MAX_DEPTH - 1);
	ret = offline_open(&o, argv + optind, argc - optind, &opts.open);
	if (ret)
		return ret;
	ret = opts.node ? dump_node(&o, &opts) : dump_key(&o, &opts);
	offline_close(&o);
	return exit_code_of(ret);
}

const struct command cmd_dump = {
	.name		= "dump",
	.args		= "-b BTREE [OPTION...] DEVICE...",
	.summary	= "show a key or node of an unmounted set in bytes",
	.help		=
		"  -b, --btree NAME  the btree; needed\n"
		"  -p, --pos POS     the first key at or after it, or the node that covers it\n"
		"  -n, --node        the node, from each member that has it, instead of the key\n"
		"  -l, --level N     of this level; 0 is the leaves\n"
		"      --degraded, --very-degraded  as for list\n",
	.run		= run,
};
