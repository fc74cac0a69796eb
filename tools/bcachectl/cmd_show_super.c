// SPDX-License-Identifier: GPL-2.0
/* show-super: one device's superblock, as text or JSON. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "engine/sb/sb.h"
#include "engine/util/text.h"
#include "foreign.h"
#include "json_out.h"
#include "kapi/kapi.h"

struct show_opts {
	bool	json;
	bool	layout;
	u64	fields;
	u64	sector;
};

static json_object *json_options(const struct bch_sb *sb)
{
	json_object *out = json_object_new_object();
	unsigned int i;

	for (i = 0; i < bce_sb_nr_options; i++) {
		struct text_buf value = TEXT_BUF_INIT;

		bce_sb_option_text(&value, sb, &bce_sb_options[i]);
		json_object_object_add(out, bce_sb_options[i].name,
				       json_object_new_string(bce_text_str(&value)));
		bce_text_exit(&value);
	}
	return out;
}

static const char *state_name(unsigned int state)
{
	static const char *const names[] = { "rw", "ro", "failed", "spare" };

	return state < 4 ? names[state] : "unknown";
}

static json_object *json_member(const struct bch_sb *sb, unsigned int idx)
{
	struct text_buf label = TEXT_BUF_INIT;
	json_object *out = json_object_new_object();
	struct member_info m;

	bce_sb_member(sb, idx, &m);
	bce_sb_member_label(&label, sb, idx);
	json_add_uint(out, "index", idx);
	json_add_uuid(out, "uuid", m.uuid);
	json_add_string(out, "label", bce_text_str(&label));
	json_add_string(out, "state", state_name(m.state));
	json_add_uint(out, "durability", m.durability);
	json_add_bool(out, "discard", m.discard);
	json_add_uint(out, "bucket_bytes", m.bucket_sectors * 512ULL);
	json_add_uint(out, "first_bucket", m.first_bucket);
	json_add_uint(out, "buckets", m.nbuckets);
	json_add_uint(out, "data_allowed", m.data_allowed);
	json_add_uint(out, "last_mount", m.last_mount);
	json_add_uint(out, "seq", m.seq);
	json_add_uint(out, "read_errors", m.errors[0]);
	json_add_uint(out, "write_errors", m.errors[1]);
	json_add_uint(out, "checksum_errors", m.errors[2]);
	bce_text_exit(&label);
	return out;
}

static json_object *json_super(const struct bch_sb *sb)
{
	json_object *out = json_object_new_object(), *members = json_object_new_array();
	struct sb_info info;
	unsigned int i;

	bce_sb_info(sb, &info);
	json_add_uuid(out, "uuid", info.user_uuid);
	json_add_uuid(out, "internal_uuid", info.uuid);
	json_add_string(out, "label", info.label);
	json_add_uint(out, "version", info.version);
	json_add_uint(out, "version_min", info.version_min);
	json_add_uint(out, "version_upgrade_complete", info.version_upgrade_complete);
	json_add_uint(out, "seq", info.seq);
	json_add_uint(out, "write_time", info.write_time);
	json_add_uint(out, "device_index", info.dev_idx);
	json_add_uint(out, "device_slots", info.nr_devices);
	json_add_uint(out, "block_bytes", info.block_sectors * 512ULL);
	json_add_uint(out, "features", info.features);
	json_add_uint(out, "compat", info.compat);
	json_add_bool(out, "initialized", info.initialized);
	json_add_bool(out, "clean", info.clean);
	json_add_bool(out, "encrypted", info.encrypted);
	json_object_object_add(out, "options", json_options(sb));
	for (i = 0; i < info.nr_devices; i++) {
		struct member_info m;

		bce_sb_member(sb, i, &m);
		if (m.exists)
			json_object_array_add(members, json_member(sb, i));
	}
	json_object_object_add(out, "members", members);
	return out;
}

static int show(const char *path, const struct show_opts *opts)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	struct text_buf text = TEXT_BUF_INIT;
	struct sb_image img;
	int ret;

	if (IS_ERR(bdev)) {
		complain("%s: %s", path, strerror(-PTR_ERR(bdev)));
		return exit_code_of(PTR_ERR(bdev));
	}
	ret = bce_sb_read(&img, bdev, opts->sector, &text);
	if (ret && opts->sector) {
		complain("%s: %s", path, bce_text_str(&text));
	} else if (ret) {
		complain_no_member(path, ret, bce_text_str(&text));
	} else {
		bce_text_reset(&text);
		if (opts->json) {
			json_print(json_super(img.sb));
		} else {
			bce_sb_text(&text, img.sb, opts->layout, opts->fields);
			fputs(bce_text_str(&text), stdout);
		}
		bce_sb_image_exit(&img);
	}
	bce_text_exit(&text);
	kapi_bdev_close(bdev);
	return exit_code_of(ret);
}

static int parse_fields(const char *list, u64 *fields)
{
	char copy[256], *name, *rest = copy;

	if (!strcmp(list, "all")) {
		*fields = ~0ULL;
		return 0;
	}
	if (strlen(list) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, list);
	*fields = 0;
	while ((name = strsep(&rest, ","))) {
		int type = bce_sb_field_by_name(name);

		if (type < 0)
			return type;
		*fields |= 1ULL << type;
	}
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json",	no_argument,		NULL, 'j' },
		{ "layout",	no_argument,		NULL, 'l' },
		{ "fields",	required_argument,	NULL, 'f' },
		{ "sector",	required_argument,	NULL, 's' },
		{ }
	};
	struct show_opts opts = { .fields = BCE_SB_FIELDS_USUAL };
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "jlf:", longopts, NULL)) != -1) {
		switch (c) {
		case 'j':
			opts.json = true;
			break;
		case 'l':
			opts.layout = true;
			break;
		case 'f':
			if (parse_fields(optarg, &opts.fields))
				return usage_error(&cmd_show_super, "unknown field in '%s'", optarg);
			break;
		case 's':
			opts.sector = strtoull(optarg, &end, 0);
			if (!*optarg || *end)
				return usage_error(&cmd_show_super, "'%s' is no sector", optarg);
			break;
		default:
			return usage_error(&cmd_show_super, "unknown option");
		}
	}
	if (argc - optind != 1)
		return usage_error(&cmd_show_super, "give one device or image");
	return show(argv[optind], &opts);
}

const struct command cmd_show_super = {
	.name		= "show-super",
	.args		= "[OPTION...] DEVICE",
	.summary	= "show a member's superblock",
	.help		=
		"  -f, --fields LIST  sections to show, by name, separated by commas; \"all\"\n"
		"  -l, --layout       show where the copies are\n"
		"      --sector N     read the copy at this sector instead of looking for a good one\n"
		"  -j, --json         machine-readable; sizes in bytes\n",
	.run		= run,
};
