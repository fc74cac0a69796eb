// SPDX-License-Identifier: GPL-2.0
/*
 * Assembled sets, as libdevmapper sees them: each call is one or two ioctls of the device-mapper,
 * by tasks of its library. Who changes a device waits until udev has followed, so links are there
 * when the command ends. The library's own messages are silenced, since ours say more; what went
 * wrong comes back as a negative errno.
 */
#include "dmset.h"

#include <errno.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define UUID_PREFIX	"BCACHE-SET-"
#define TARGET		"bcache-set"

/* libdevmapper's own chatter would come before our message */
static void quiet_log(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
}

static struct dm_task *task_create(int type, const char *name)
{
	struct dm_task *t;

	dm_log_with_errno_init(quiet_log);
	t = dm_task_create(type);
	if (t && name && !dm_task_set_name(t, name)) {
		dm_task_destroy(t);
		return NULL;
	}
	return t;
}

static int task_error(struct dm_task *t)
{
	int err = t ? dm_task_get_errno(t) : ENOMEM;

	return -(err ?: EIO);
}

static int task_run(struct dm_task *t)
{
	return dm_task_run(t) ? 0 : task_error(t);
}

/* run a task that changes a device, and wait until udev has followed */
static int task_run_synced(struct dm_task *t)
{
	uint32_t cookie = 0;
	int ret;

	if (!dm_task_set_cookie(t, &cookie, 0))
		return task_error(t);
	ret = task_run(t);
	dm_udev_wait(cookie);
	return ret;
}

/* ---- status line: docs/dm-bcache.md, "Status" ---- */

const char *dmset_next_word(char **rest)
{
	char *word;

	do {
		word = strsep(rest, " ");
	} while (word && !*word);
	return word ?: "";
}

static uint64_t next_number(char **rest)
{
	return strtoull(dmset_next_word(rest), NULL, 10);
}

/* the target knows members by number; people know them by path */
static void member_device(const char *text, char *out, size_t size)
{
	unsigned int major, minor;
	char name[64];

	out[0] = '\0';
	if (!strcmp(text, "-"))
		return;
	if (sscanf(text, "%u:%u", &major, &minor) == 2 &&
	    dm_device_get_name(major, minor, 1, name, sizeof(name)))
		snprintf(out, size, "/dev/%s", name);
	else
		snprintf(out, size, "%s", text);
}

static void parse_status(struct dmset *s, const char *params)
{
	char *copy = strdup(params), *rest = copy;

	if (!copy)
		return;
	snprintf(s->state, sizeof(s->state), "%s", dmset_next_word(&rest));
	s->start_error = atoi(dmset_next_word(&rest));
	s->clean = !strcmp(dmset_next_word(&rest), "clean");
	s->read_only = !strcmp(dmset_next_word(&rest), "ro");
	s->degraded = !strcmp(dmset_next_word(&rest), "degraded");
	s->nr_present = next_number(&rest);
	s->nr_members = next_number(&rest);
	s->errors = next_number(&rest);
	while (rest && *rest && s->nr_listed < DMSET_MEMBERS_MAX) {
		struct dmset_member *m = &s->member[s->nr_listed++];
		const char *number;

		m->idx = next_number(&rest);
		number = dmset_next_word(&rest);
		snprintf(m->number, sizeof(m->number), "%s", number);
		member_device(number, m->device, sizeof(m->device));
		m->state = *dmset_next_word(&rest);
		m->reads = next_number(&rest);
		m->io_errors = next_number(&rest);
		m->csum_errors = next_number(&rest);
	}
	free(copy);
}

/* -ENODEV: no set of ours */
static int read_set(const char *name, struct dmset *out)
{
	struct dm_task *t = task_create(DM_DEVICE_STATUS, name);
	char *target = NULL, *params = NULL;
	struct dm_info info;
	const char *uuid;
	uint64_t start, length;
	int ret;

	*out = (struct dmset) { };
	ret = t ? task_run(t) : -ENOMEM;
	if (ret)
		goto exit;
	uuid = dm_task_get_uuid(t);
	if (!dm_task_get_info(t, &info) || !info.exists ||
	    strncmp(uuid, UUID_PREFIX, strlen(UUID_PREFIX))) {
		ret = -ENODEV;
		goto exit;
	}
	snprintf(out->name, sizeof(out->name), "%s", dm_task_get_name(t));
	snprintf(out->uuid, sizeof(out->uuid), "%s", uuid + strlen(UUID_PREFIX));
	out->major = info.major;
	out->minor = info.minor;
	out->open_count = info.open_count;
	out->suspended = info.suspended;
	dm_get_next_target(t, NULL, &start, &length, &target, &params);
	if (target && !strcmp(target, TARGET))
		parse_status(out, params);
	else if (!target)	/* made, its table not in use yet */
		snprintf(out->state, sizeof(out->state), "starting");
	else
		snprintf(out->state, sizeof(out->state), "lost");
exit:
	if (t)
		dm_task_destroy(t);
	return ret;
}

/* asking would load device-mapper */
static bool no_device_mapper(void)
{
	return access("/sys/module/dm_mod", F_OK);
}

int dmset_for_each(dmset_fn fn, void *ctx)
{
	struct dm_names *names;
	struct dm_task *t;
	int ret;

	if (no_device_mapper())
		return 0;
	t = task_create(DM_DEVICE_LIST, NULL);
	ret = t ? task_run(t) : -ENOMEM;
	names = ret ? NULL : dm_task_get_names(t);
	if (names && !names->dev)
		names = NULL;
	while (names && !ret) {
		struct dmset *set = malloc(sizeof(*set));

		if (!set) {
			ret = -ENOMEM;
			break;
		}
		/* a device that went away meanwhile is none of our business */
		if (!read_set(names->name, set))
			ret = fn(set, ctx);
		free(set);
		names = names->next ? (void *)names + names->next : NULL;
	}
	if (t)
		dm_task_destroy(t);
	return ret;
}

struct find {
	const char	*what;
	dev_t		dev;
	struct dmset	*out;
};

static int match(const struct dmset *set, void *ctx)
{
	struct find *f = ctx;

	if (strcasecmp(set->uuid, f->what) && strcmp(set->name, f->what) &&
	    (!f->dev || f->dev != makedev(set->major, set->minor)))
		return 0;
	*f->out = *set;
	return 1;
}

int dmset_find(const char *what, struct dmset *out)
{
	struct find f = { .what = what, .out = out };
	struct stat st;
	int ret;

	if (strchr(what, '/') && !stat(what, &st) && S_ISBLK(st.st_mode))
		f.dev = st.st_rdev;
	ret = dmset_for_each(match, &f);
	return ret == 1 ? 0 : ret ?: -ENODEV;
}

bool dmset_exists(const char *uuid)
{
	char dm_uuid[sizeof(UUID_PREFIX) + DMSET_UUID_TEXT];
	struct dm_task *t;
	struct dm_info info;
	bool exists = false;

	if (no_device_mapper())
		return false;
	t = task_create(DM_DEVICE_INFO, NULL);
	snprintf(dm_uuid, sizeof(dm_uuid), UUID_PREFIX "%s", uuid);
	if (t && dm_task_set_uuid(t, dm_uuid) && dm_task_run(t) && dm_task_get_info(t, &info))
		exists = info.exists;
	if (t)
		dm_task_destroy(t);
	return exists;
}

/* is there a device of that name which is not @dm_uuid? */
static bool name_is_taken(const char *name, const char *dm_uuid)
{
	struct dm_task *t = task_create(DM_DEVICE_INFO, name);
	bool taken = false;
	struct dm_info info;

	if (t && dm_task_run(t) && dm_task_get_info(t, &info))
		taken = info.exists && strcmp(dm_task_get_uuid(t), dm_uuid);
	if (t)
		dm_task_destroy(t);
	return taken;
}

int dmset_create(const char *name, const char *uuid, uint64_t sectors, const char *params,
		 bool read_only)
{
	struct dm_task *t = task_create(DM_DEVICE_CREATE, name);
	char dm_uuid[sizeof(UUID_PREFIX) + DMSET_UUID_TEXT];
	int ret = -ENOMEM;

	snprintf(dm_uuid, sizeof(dm_uuid), UUID_PREFIX "%s", uuid);
	if (t && dm_task_set_uuid(t, dm_uuid) &&
	    (!read_only || dm_task_set_ro(t)) &&
	    dm_task_add_target(t, 0, sectors, TARGET, params) &&
	    dm_task_set_add_node(t, DM_ADD_NODE_ON_RESUME))
		ret = task_run_synced(t);
	if (t)
		dm_task_destroy(t);
	/* the library does not always hand on what the kernel answered */
	if (ret && name_is_taken(name, dm_uuid))
		ret = -EBUSY;
	return ret;
}

char *dmset_table(const char *name, uint64_t *sectors, bool *read_only)
{
	struct dm_task *t = task_create(DM_DEVICE_TABLE, name);
	char *target = NULL, *params = NULL, *copy = NULL;
	struct dm_info info;
	uint64_t start;

	if (t && dm_task_run(t) && dm_task_get_info(t, &info) && info.exists) {
		dm_get_next_target(t, NULL, &start, sectors, &target, &params);
		if (target && !strcmp(target, TARGET))
			copy = strdup(params);
		*read_only = info.read_only;
	}
	if (t)
		dm_task_destroy(t);
	return copy;
}

static int load_table(const char *name, uint64_t sectors, const char *params, bool read_only)
{
	struct dm_task *t = task_create(DM_DEVICE_RELOAD, name);
	int ret = -ENOMEM;

	if (t && (!read_only || dm_task_set_ro(t)) && dm_task_add_target(t, 0, sectors, TARGET, params))
		ret = task_run(t);
	if (t)
		dm_task_destroy(t);
	return ret;
}

static int simple_task(int type, const char *name)
{
	struct dm_task *t = task_create(type, name);
	int ret = t ? task_run_synced(t) : -ENOMEM;

	if (t)
		dm_task_destroy(t);
	return ret;
}

int dmset_reload(const char *name, uint64_t sectors, const char *params, bool read_only)
{
	struct dm_task *clear;
	int ret = load_table(name, sectors, params, read_only);

	if (ret)
		return ret;
	/* resuming swaps the tables; the file system on top is frozen meanwhile */
	ret = simple_task(DM_DEVICE_RESUME, name);
	if (!ret)
		return 0;
	clear = task_create(DM_DEVICE_CLEAR, name);
	if (clear) {
		task_run(clear);
		dm_task_destroy(clear);
	}
	/* what failed may have left it suspended */
	simple_task(DM_DEVICE_RESUME, name);
	return ret;
}

int dmset_remove(const char *name)
{
	return simple_task(DM_DEVICE_REMOVE, name);
}

int dmset_wait_started(const char *name)
{
	struct dm_task *t = task_create(DM_DEVICE_TARGET_MSG, name);
	int ret = -ENOMEM;

	if (t && dm_task_set_sector(t, 0) && dm_task_set_message(t, "wait_started"))
		ret = task_run(t);
	if (t)
		dm_task_destroy(t);
	return ret;
}

void dmset_path(const char *name, char *out, unsigned int size)
{
	snprintf(out, size, "%s/%s", dm_dir(), name);
}
