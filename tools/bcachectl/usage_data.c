// SPDX-License-Identifier: GPL-2.0
/*
 * The same numbers from two sources: the ioctls of a mounted file system, and the engine in this process.
 */
#include "usage_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bcachefs/set.h>

#include "engine/format/btree.h"
#include "engine/format/values.h"
#include "engine/key/bkey.h"

#define COUNTER_TYPES	(~(1U << ACCOUNTING_inum))
#define ROOM_FIRST	4096	/* words of counters */
#define ROOM_MAX	(1U << 24)

static bool add_counter(void *ctx, const struct bce_accounting *a)
{
	struct usage_data *u = ctx;

	if (u->nr == u->room) {
		unsigned int room = u->room * 2 + 64;
		struct bce_accounting *grown = realloc(u->counter, room * sizeof(*grown));

		if (!grown)
			return false;
		u->counter = grown;
		u->room = room;
	}
	u->counter[u->nr++] = *a;
	return true;
}

/* ---- mounted ---- */

/* keys as docs/format/50-btree.md, section 3, has them */
static int take_keys(struct usage_data *u, const __u64 *p, const __u64 *end)
{
	while (p < end) {
		unsigned int words = *(const u8 *)p;
		struct bce_accounting a = { };

		if (words <= BKEY_U64S || words > end - p)
			return -EPROTO;
		memcpy(a.pos, (const u8 *)p + offsetof(struct disk_bkey, p), sizeof(a.pos));
		a.nr = words - BKEY_U64S;
		if (a.nr > BCE_ACCOUNTING_COUNTERS)
			a.nr = BCE_ACCOUNTING_COUNTERS;
		for (unsigned int i = 0; i < a.nr; i++)
			a.counter[i] = le64_to_cpu((__force __le64)p[BKEY_U64S + i]);
		if (!add_counter(u, &a))
			return -ENOMEM;
		p += words;
	}
	return 0;
}

static int query_with_room(struct usage_data *u, int fd, u32 room)
{
	struct bce_ioctl_query_accounting *q = calloc(1, sizeof(*q) + room * sizeof(u64));
	int ret = 0;

	if (!q)
		return -ENOMEM;
	q->accounting_u64s = room;
	q->accounting_types_mask = COUNTER_TYPES;
	if (ioctl(fd, BCE_IOC_QUERY_ACCOUNTING, q))
		ret = -errno;
	if (!ret) {
		u->set.capacity_sectors = q->capacity;
		u->set.used_sectors = q->used;
		u->set.free_sectors = q->capacity > q->used ? q->capacity - q->used : 0;
		u->reserved_sectors = q->online_reserved;
		ret = take_keys(u, q->accounting, q->accounting + q->accounting_u64s);
	}
	free(q);
	return ret;
}

static int query(struct usage_data *u, int fd)
{
	u32 room = ROOM_FIRST;
	int ret;

	do {
		u->nr = 0;
		ret = query_with_room(u, fd, room);
		room *= 4;
	} while (ret == -ERANGE && room <= ROOM_MAX);
	return ret;
}

static int members_mounted(struct usage_data *u, int fd)
{
	for (unsigned int i = 0; i < 64; i++) {
		struct bce_ioctl_dev_usage_v2 d = { .dev = i, .flags = BCE_IOCTL_BY_INDEX };

		u->member[i].idx = i;
		if (ioctl(fd, BCE_IOC_MEMBER, &u->member[i])) {
			u->member[i].exists = 0;
			return errno == EINVAL ? 0 : -errno;
		}
		if (!u->member[i].exists)
			continue;
		if (ioctl(fd, BCE_IOC_DEV_USAGE_V2, &d))
			return -errno;
		u->bucket_sectors[i] = d.bucket_size;
		u->nbuckets[i] = d.nr_buckets;
	}
	return 0;
}

int usage_data_mounted(struct usage_data *u, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	*u = (struct usage_data) { };
	if (fd < 0)
		return -errno;
	ret = query(u, fd);
	if (!ret)
		ret = members_mounted(u, fd);
	close(fd);
	for (unsigned int i = 0; i < u->nr; i++)
		if (u->counter[i].pos[0] == ACCOUNTING_nr_inodes)
			u->set.nr_inodes = u->counter[i].counter[0];
	if (ret)
		usage_data_free(u);
	return ret;
}

/* ---- offline ---- */

static void member_offline(struct usage_data *u, unsigned int i, const struct bce_set_member *m)
{
	struct bce_ioctl_member *out = &u->member[i];

	*out = (struct bce_ioctl_member) {
		.idx = i, .exists = m->exists, .present = m->present, .state = m->state,
		.durability = m->durability,
	};
	memcpy(out->uuid, m->uuid, sizeof(out->uuid));
	memcpy(out->name, m->name, sizeof(out->name));
	memcpy(out->label, m->label, sizeof(out->label));
	u->bucket_sectors[i] = m->bucket_bytes / 512;
	u->nbuckets[i] = m->nbuckets - m->first_bucket;
}

int usage_data_offline(struct usage_data *u, const struct offline_set *o)
{
	struct bce_set_member m;
	int ret;

	*u = (struct usage_data) { };
	ret = bce_set_usage(o->set, &u->set);
	if (!ret)
		ret = bce_set_accounting(o->set, COUNTER_TYPES, add_counter, u);
	for (unsigned int i = 0; !ret && i < 64 && !bce_set_member(o->set, i, &m); i++)
		if (m.exists)
			member_offline(u, i, &m);
	if (ret)
		usage_data_free(u);
	return ret;
}

void usage_data_free(struct usage_data *u)
{
	free(u->counter);
	u->counter = NULL;
	u->nr = u->room = 0;
}
