// SPDX-License-Identifier: GPL-2.0
/* A set that is named without its devices: they are looked for among all that the machine has. */
#include "find_set.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cmd.h"
#include "engine/sb/sb.h"
#include "uuid_arg.h"

static bool is_label(const char *text)
{
	return !strncasecmp(text, "LABEL=", 6);
}

static int parse_uuid(const char *text, u8 uuid[16])
{
	return uuid_arg_parse(strncasecmp(text, "UUID=", 5) ? text : text + 5, uuid);
}

bool find_set_is_name(const char *text)
{
	u8 uuid[16];

	return is_label(text) || !parse_uuid(text, uuid);
}

int find_set_complain(const char *what)
{
	complain("no member of set %s found on this machine\n"
		 "  look at one device: bcachectl probe DEVICE", what);
	return -ENODEV;
}

int find_set_by(struct scan_list *out, const struct scan_filter *filter, const char *what)
{
	int ret = scan_all(out, filter);

	if (ret) {
		complain("looking for members: %s", strerror(-ret));
		return ret;
	}
	return out->nr ? 0 : find_set_complain(what);
}

/* two sets can share a label: the UUID must decide then */
static int check_one_set(const struct scan_list *l, const char *label)
{
	struct sb_info first, other;
	unsigned int i;

	bce_sb_info(l->member[0].img.sb, &first);
	for (i = 1; i < l->nr; i++) {
		bce_sb_info(l->member[i].img.sb, &other);
		if (memcmp(first.user_uuid, other.user_uuid, 16)) {
			complain("more than one set is labelled %s (%s and %s): name the UUID",
				 label, l->member[0].path, l->member[i].path);
			return -ENOTUNIQ;
		}
	}
	return 0;
}

int find_set(struct scan_list *out, const char *text)
{
	struct scan_filter f = { };
	u8 uuid[16];
	int ret;

	if (is_label(text)) {
		f.label = text + 6;
		ret = find_set_by(out, &f, text) ?: check_one_set(out, f.label);
	} else {
		parse_uuid(text, uuid);
		f.user_uuid = uuid;
		ret = find_set_by(out, &f, strncasecmp(text, "UUID=", 5) ? text : text + 5);
	}
	if (ret)
		scan_exit(out);
	return ret;
}

int find_set_of(struct scan_list *out, char *text)
{
	int ret;

	if (!find_set_is_name(text))
		return scan_others(out, text);
	ret = find_set(out, text);
	return ret ?: (int)out->nr;
}
