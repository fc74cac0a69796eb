// SPDX-License-Identifier: GPL-2.0
/*
 * incremental: udev has met a device. One superblock is read, the device is recorded as member of
 * its set (records.h), and the set is judged by all that is recorded (set_state.h). Nothing is
 * assembled here: udev's rules start the unit that does, by the state that is printed.
 *
 * Also called for a set's own device, to know its names, and for devices that go.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "dmset.h"
#include "json_out.h"
#include "kapi/kapi.h"
#include "member_facts.h"
#include "scan.h"
#include "seen_set.h"
#include "uuid_arg.h"

enum form { FORM_TEXT, FORM_EXPORT, FORM_JSON };

/* the device that was met, and what is to be said of it */
struct met {
	const char		*path;
	struct sb_image		img;
	u64			device_sectors;
	int			error;		/* of reading the superblock */
	struct text_buf		why;
	char			set[37];	/* UUID, or RECORDS_NO_UUID */
	struct seen_set		seen;
	bool			running;	/* the set's device exists */
	bool			known;		/* was noted as this member before */
};

/* ---- the device ---- */

/* The set that a superblock names which cannot be used otherwise. */
static void name_of_unusable(struct met *m)
{
	u8 uuid[16];

	snprintf(m->set, sizeof(m->set), RECORDS_NO_UUID);
	if (scan_head(m->path, uuid))
		uuid_arg_text(uuid, m->set);
}

/* Return: 0: a member, usable or not (m->error); -errno none */
static int read_device(struct met *m)
{
	struct block_device *bdev = kapi_bdev_open(m->path, O_RDONLY);
	struct sb_info info;

	if (IS_ERR(bdev)) {
		complain("%s: %s", m->path, strerror(-PTR_ERR(bdev)));
		return PTR_ERR(bdev);
	}
	m->device_sectors = bdev_nr_sectors(bdev);
	m->error = bce_sb_read(&m->img, bdev, 0, &m->why);
	if (m->error && m->error != -ENODATA)
		name_of_unusable(m);
	kapi_bdev_close(bdev);
	if (m->error)
		return m->error == -ENODATA || m->error == -ENOMEM ? m->error : 0;
	bce_sb_info(m->img.sb, &info);
	uuid_arg_text(info.user_uuid, m->set);
	return 0;
}

/* ---- the set ---- */

/* what is against the device itself comes first */
static const char *state_of(const struct met *m)
{
	const char *device = seen_set_device_word(&m->seen, m->path);

	if (m->error || strcmp(device, set_device_word(SB_USE)))
		return device;
	return set_state_name(m->seen.verdict.state);
}

/* units ask by this whether a passphrase may be needed */
static void mark_encrypted(const struct met *m)
{
	const struct bch_sb *sb = m->img.sb;

	if (sb)
		records_mark(m->set, "encrypted", bce_sb_key_is_wrapped(sb));
}

/* ---- saying it ---- */

static void say_export(const struct met *m)
{
	const struct set_verdict *v = &m->seen.verdict;
	struct member_facts facts;

	if (m->img.sb) {
		member_facts_read(m->img.sb, &facts);
		member_facts_export(&facts);
		member_facts_exit(&facts);
	} else {
		puts("ID_FS_TYPE=bcachefs\nID_FS_USAGE=filesystem");
		printf("BCACHE_SET_UUID=%s\n", m->set);
	}
	printf("BCACHE_SET_PRESENT=%u\n", v->presence.nr_present);
	printf("BCACHE_SET_EXPECTED=%u\n", v->presence.nr_expected);
	printf("BCACHE_SET_STATE=%s\n", state_of(m));
	printf("BCACHE_SET_RUNNING=%d\n", m->running);
	printf("BCACHE_MEMBER_NEW=%d\n", !m->known);
}

static void say_json(const struct met *m)
{
	const struct set_verdict *v = &m->seen.verdict;
	json_object *o = json_object_new_object();

	json_add_string(o, "device", m->path);
	json_add_string(o, "uuid", m->set);
	json_add_string(o, "label", v->info.label);
	if (m->img.sb)
		json_add_uint(o, "index", m->img.sb->dev_idx);
	json_add_uint(o, "present", v->presence.nr_present);
	json_add_uint(o, "expected", v->presence.nr_expected);
	json_add_string(o, "state", state_of(m));
	json_add_string(o, "set_state", set_state_name(v->state));
	json_add_bool(o, "running", m->running);
	json_add_bool(o, "new", !m->known);
	json_add_string(o, "why", bce_text_str(m->error ? &m->why : &v->why));
	json_print(o);
}

static void say_text(const struct met *m)
{
	const struct set_verdict *v = &m->seen.verdict;

	printf("%s: set %s%s%s%s, %u of %u members, %s%s\n", m->path, m->set,
	       v->info.label[0] ? " \"" : "", v->info.label, v->info.label[0] ? "\"" : "",
	       v->presence.nr_present, v->presence.nr_expected, state_of(m),
	       m->running ? ", assembled" : "");
	print_indented(bce_text_str(&m->why), "  ", stdout);
	print_indented(bce_text_str(&v->why), "  ", stdout);
}

static void say(const struct met *m, enum form form)
{
	if (form == FORM_EXPORT)
		say_export(m);
	else if (form == FORM_JSON)
		say_json(m);
	else
		say_text(m);
}

/* ---- set devices ---- */

struct label_search {
	const char	*label;
	const char	*uuid;		/* of the set that asks */
	bool		found;
};

static int has_label(const char *set, void *ctx)
{
	struct label_search *s = ctx;
	struct record_list records;
	struct sb_info info;
	unsigned int i;

	if (!strcmp(set, s->uuid) || records_read(set, &records))
		return 0;
	for (i = 0; i < records.nr && !s->found; i++) {
		if (!records.rec[i].sb)
			continue;
		bce_sb_info(records.rec[i].sb, &info);
		s->found = !strcmp(info.label, s->label);
	}
	records_exit(&records);
	return s->found;
}

/* A label that another set has too is no name: no link is made of it. */
static int export_set_device(const struct met *m)
{
	struct member_facts facts;
	struct label_search s = { };

	if (m->error)
		return exit_code_of(m->error);
	member_facts_read(m->img.sb, &facts);
	s.label = facts.info.label;
	s.uuid = facts.uuid;
	if (*s.label)
		records_for_each_set(has_label, &s);
	member_facts_export(&facts);
	printf("BCACHE_LABEL_SHARED=%d\n", s.found);
	member_facts_exit(&facts);
	return EXIT_OK;
}

/* ---- the command ---- */

static int forget(const char *device)
{
	char id[64];

	/* by number: the node of a device that went is gone as well */
	if (record_id(device, id))
		snprintf(id, sizeof(id), "%s", device);
	if (strchr(id, '/')) {
		complain("%s: no such device; one that is gone is named MAJOR:MINOR", device);
		return EXIT_NO_DEVICE;
	}
	return exit_code_of(record_forget(id));
}

static int record(struct met *m)
{
	int ret;

	m->known = m->img.sb && record_is_known(m->set, m->path, m->img.sb->dev_idx);
	ret = record_write(m->set, m->path, m->device_sectors, m->error ? NULL : &m->img,
			   m->error, bce_text_str(&m->why));
	if (!ret)
		ret = seen_set_read(m->set, &m->seen);
	if (ret) {
		complain("%s: recording it: %s", m->path, strerror(-ret));
		return ret;
	}
	mark_encrypted(m);
	m->running = dmset_exists(m->set);
	return 0;
}

static int meet(const char *path, enum form form)
{
	struct met m = { .path = path };
	int ret = read_device(&m);
	char id[64];

	if (ret) {
		if (!record_id(path, id))
			record_forget(id);
		if (ret == -ENODATA && form != FORM_EXPORT)
			complain("%s: no member of a bcachefs set", path);
	} else if (path_is_set_device(path)) {
		ret = export_set_device(&m);
		goto exit;
	} else {
		ret = record(&m);
		if (!ret)
			say(&m, form);
	}
	ret = exit_code_of(ret);
exit:
	seen_set_exit(&m.seen);
	bce_sb_image_exit(&m.img);
	bce_text_exit(&m.why);
	return ret;
}

static int run(int argc, char **argv)
{
	enum { OPT_RECORDS = 256 };
	static const struct option longopts[] = {
		{ "export",	no_argument, NULL, 'x' },
		{ "json",	no_argument, NULL, 'j' },
		{ "remove",	no_argument, NULL, 'r' },
		{ "records",	required_argument, NULL, OPT_RECORDS },
		{ }
	};
	enum form form = FORM_TEXT;
	bool removed = false;
	int c;

	while ((c = getopt_long(argc, argv, "xjr", longopts, NULL)) != -1) {
		switch (c) {
		case 'x':
			form = FORM_EXPORT;
			break;
		case 'j':
			form = FORM_JSON;
			break;
		case 'r':
			removed = true;
			break;
		case OPT_RECORDS:
			records_set_dir(optarg);
			break;
		default:
			return usage_error(&cmd_incremental, "unknown option");
		}
	}
	if (argc - optind != 1)
		return usage_error(&cmd_incremental, "give one device");
	return removed ? forget(argv[optind]) : meet(argv[optind], form);
}

const struct command cmd_incremental = {
	.name		= "incremental",
	.args		= "[--export | --json] [--records DIR] DEVICE\n"
			  "       bcachectl incremental --remove DEVICE",
	.summary	= "note a member, and say what its set still lacks (for udev)",
	.help		=
		"States: incomplete, startable, complete, locked, foreign, split, clone, removed,\n"
		"too-small, unsupported. Exit code 4: no member of a set.\n\n"
		"  -x, --export       as udev properties, one NAME=VALUE per line\n"
		"  -j, --json         machine-readable\n"
		"  -r, --remove       the device (or MAJOR:MINOR) is gone\n"
		"      --records DIR  keep notes there instead of in " RECORDS_DIR "\n",
	.run		= run,
};
