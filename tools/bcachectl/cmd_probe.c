// SPDX-License-Identifier: GPL-2.0
/* probe: what is on a device, for people and for udev. Reads one superblock. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "engine/sb/sb.h"
#include "engine/util/text.h"
#include "foreign.h"
#include "json_out.h"
#include "kapi/kapi.h"
#include "member_facts.h"

enum form { FORM_TEXT, FORM_EXPORT, FORM_JSON };

static int say_other(const char *path, enum form form, const char *why)
{
	struct foreign other;
	json_object *o;

	foreign_probe(path, &other);
	if (form == FORM_JSON) {
		o = json_object_new_object();
		json_add_string(o, "device", path);
		json_add_bool(o, "member", false);
		json_add_string(o, "type", other.type);
		json_print(o);
	} else if (form == FORM_TEXT) {
		complain_no_member(path, -ENODATA, why);
	}
	return EXIT_NO_DEVICE;
}

static void say_json(const char *path, const struct member_facts *m)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "device", path);
	json_add_bool(o, "member", true);
	json_add_string(o, "type", "bcachefs");
	json_add_string(o, "uuid", m->uuid);
	json_add_string(o, "label", m->info.label);
	json_add_string(o, "member_uuid", m->member_uuid);
	json_add_string(o, "member_label", bce_text_str(&m->label));
	json_add_uint(o, "index", m->info.dev_idx);
	json_add_uint(o, "members", m->nr_members);
	json_add_uint(o, "seq", m->info.seq);
	json_add_uint(o, "version", m->info.version);
	json_add_bool(o, "initialized", m->info.initialized);
	json_add_bool(o, "clean", m->info.clean);
	json_add_bool(o, "encrypted", m->info.encrypted);
	json_print(o);
}

static void say_text(const char *path, const struct member_facts *m)
{
	printf("%s: member %u of %u of set %s%s%s%s%s\n", path, m->info.dev_idx, m->nr_members,
	       m->uuid, m->info.label[0] ? " \"" : "", m->info.label,
	       m->info.label[0] ? "\"" : "", m->info.encrypted ? ", encrypted" : "");
	if (m->label.len)
		printf("  label %s\n", bce_text_str(&m->label));
	printf("  format version %u.%u, %s\n", m->info.version >> 10, m->info.version & 1023,
	       !m->info.initialized ? "never initialised" :
	       m->info.clean ? "shut down cleanly" : "not shut down cleanly");
}

static int probe(const char *path, enum form form)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	struct member_facts m;
	int ret;

	if (IS_ERR(bdev)) {
		complain("%s: %s", path, strerror(-PTR_ERR(bdev)));
		return exit_code_of(PTR_ERR(bdev));
	}
	ret = bce_sb_read(&img, bdev, 0, &why);
	kapi_bdev_close(bdev);
	if (ret == -ENODATA) {
		ret = say_other(path, form, bce_text_str(&why));
	} else if (ret) {
		complain_no_member(path, ret, bce_text_str(&why));
		ret = exit_code_of(ret);
	} else {
		member_facts_read(img.sb, &m);
		if (form == FORM_EXPORT)
			member_facts_export(&m);
		else if (form == FORM_JSON)
			say_json(path, &m);
		else
			say_text(path, &m);
		member_facts_exit(&m);
		bce_sb_image_exit(&img);
	}
	bce_text_exit(&why);
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "export",	no_argument, NULL, 'x' },
		{ "json",	no_argument, NULL, 'j' },
		{ }
	};
	enum form form = FORM_TEXT;
	int c;

	while ((c = getopt_long(argc, argv, "xj", longopts, NULL)) != -1) {
		if (c == 'x')
			form = FORM_EXPORT;
		else if (c == 'j')
			form = FORM_JSON;
		else
			return usage_error(&cmd_probe, "unknown option");
	}
	if (argc - optind != 1)
		return usage_error(&cmd_probe, "give one device or image");
	return probe(argv[optind], form);
}

const struct command cmd_probe = {
	.name		= "probe",
	.args		= "[--export | --json] DEVICE",
	.summary	= "say what is on a device",
	.help		=
		"Exit code 4: no member of a set.\n\n"
		"  -x, --export  as udev properties, one NAME=VALUE per line\n"
		"  -j, --json    machine-readable\n",
	.run		= run,
};
