// SPDX-License-Identifier: GPL-2.0
/*
 * A set opened in this process: devices or image files as block devices of lib/kapi, then the
 * same calls that the kernel's target makes. What the engine has to say goes to standard error.
 * A finding that several passes meet is printed and counted once; a hash of each line is kept.
 */
#include "offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/xxhash.h>

#include "cmd.h"
#include "disks.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/key/alloc.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "find_set.h"
#include "kapi/kapi.h"
#include "passphrase.h"

/* every message printed so far, by hash: an open table, at most half full; 0 is an empty slot */
struct offline_messages {
	bool	quiet;
	u64	findings;
	size_t	nr;
	size_t	room;		/* a power of two */
	u64	*hash;
};

/* where @hash is, or would be */
static u64 *hash_slot(u64 *table, size_t room, u64 hash)
{
	size_t i = hash & (room - 1);

	while (table[i] && table[i] != hash)
		i = (i + 1) & (room - 1);
	return &table[i];
}

static bool hashes_grow(struct offline_messages *m)
{
	size_t room = m->room * 2 ?: 128;
	u64 *grown = calloc(room, sizeof(*grown));

	if (!grown)
		return false;
	for (size_t i = 0; i < m->room; i++)
		if (m->hash[i])
			*hash_slot(grown, room, m->hash[i]) = m->hash[i];
	free(m->hash);
	m->hash = grown;
	m->room = room;
	return true;
}

static bool seen_before(struct offline_messages *m, const char *line)
{
	u64 hash = xxh64(line, strlen(line), 0) ?: 1, *slot;

	if (m->nr * 2 >= m->room && !hashes_grow(m))
		return false;
	slot = hash_slot(m->hash, m->room, hash);
	if (*slot)
		return true;
	*slot = hash;
	m->nr++;
	return false;
}

static void message(void *ctx, int level, int error_id, const char *line)
{
	struct offline_messages *m = ctx;

	if (seen_before(m, line))
		return;
	m->findings += error_id >= 0;
	if (!m->quiet)
		fprintf(stderr, "%s\n", line);
}

static int lend_devices(struct offline_set *o, unsigned int nr, struct block_device **lent)
{
	o->bdev = calloc(nr, sizeof(*o->bdev));
	if (!o->bdev)
		return -ENOMEM;
	memcpy(o->bdev, lent, nr * sizeof(*lent));
	o->nr = nr;
	o->lent = true;
	return 0;
}

/* open every path; complain about the first that fails */
static int open_devices(struct offline_set *o, char **paths, unsigned int nr, bool write)
{
	o->bdev = calloc(nr, sizeof(*o->bdev));
	if (!o->bdev)
		return -ENOMEM;
	for (o->nr = 0; o->nr < nr; o->nr++) {
		struct block_device *bdev = kapi_bdev_open(paths[o->nr],
							   write ? O_RDWR | O_EXCL : O_RDONLY);

		if (IS_ERR(bdev)) {
			disks_complain(paths[o->nr], PTR_ERR(bdev));
			return PTR_ERR(bdev);
		}
		o->bdev[o->nr] = bdev;
	}
	return 0;
}

/* a bce_key_fn: @ctx is the key */
static int key_at_hand(void *ctx, const char *description, u8 key[32])
{
	memcpy(key, ctx, 32);
	return 0;
}

/* why bce_set_open() ended in @error; what is no member at all is said as everywhere else */
static void complain_not_opened(char **paths, unsigned int nr, int error, const char *why)
{
	struct scan_list l;

	if (error == -ENODATA) {
		if (scan_paths(&l, paths, nr))
			return;
		scan_exit(&l);
	}
	complain("%s%s", why, error == -ENODEV ? "\n  name the others too, or start without them: --degraded" : "");
}

static int open_set(struct offline_set *o, char **paths, const struct offline_opts *opts)
{
	struct bce_member_source src[BCE_SET_MEMBERS_MAX];
	struct bce_open_opts open = {
		.degraded = opts->degraded,
		.read_only = !opts->write,
		.nochanges = !opts->write,
		.initialise = opts->write && !opts->repair,
		.norecovery = opts->norecovery,
		.no_splitbrain_check = opts->no_splitbrain_check,
		.read_all_journal = opts->read_all_journal,
		.key = passphrase_key,
		.message = message,
		.message_ctx = o->messages,
	};
	char why[512];
	unsigned int i;
	int ret;

	for (i = 0; i < o->nr; i++)
		src[i] = (struct bce_member_source) { o->bdev[i], paths[i] };
	open.key_ctx = o->bdev[0];
	if (opts->passphrase_key) {
		open.key = key_at_hand;
		open.key_ctx = (void *)opts->passphrase_key;
	}
	ret = bce_set_open(&o->set, src, o->nr, &open, o, why);
	if (ret) {
		complain_not_opened(paths, o->nr, ret, why);
		return ret;
	}
	ret = bce_set_start(o->set);
	if (ret) {
		complain("the set cannot be read: %s", strerror(-ret));
		return ret;
	}
	if (!opts->write || opts->repair)
		return 0;
	ret = bce_set_go_rw(o->set, why);
	if (ret)
		complain("the set cannot be written: %s", why);
	return ret;
}

/* the generation a bucket is in: texts mark pointers that lag behind it */
static int bucket_gen(void *ctx, unsigned int dev, u64 bucket)
{
	struct offline_set *o = ctx;
	struct bkey_buf buf;
	struct alloc_info a;
	struct bkey k;
	int ret;

	ret = bce_btree_lookup(o->set->btrees, BTREE_ID_alloc, POS(dev, bucket), NULL, &k, &buf);
	if (ret == -ENOENT)
		return 0;
	if (ret || !bce_key_type_is_alloc(k.type) || bce_alloc_decode(&k, &a))
		return -1;
	return a.gen;
}

static void target_text(void *ctx, struct text_buf *out, u16 target)
{
	struct offline_set *o = ctx;

	bce_sb_target_text(out, o->set->best.sb, target);
}

static int make_text_rules(struct offline_set *o)
{
	o->text_rules = malloc(sizeof(*o->text_rules));
	if (!o->text_rules)
		return -ENOMEM;
	*o->text_rules = o->set->rules;
	o->text_rules->bucket_gen = bucket_gen;
	o->text_rules->target_text = target_text;
	o->text_rules->text_ctx = o;
	return 0;
}

static int open_and_start(struct offline_set *o, char **paths, unsigned int nr, const struct offline_opts *opts)
{
	int ret = opts->lent ? lend_devices(o, nr, opts->lent) : open_devices(o, paths, nr, opts->write);

	if (!ret)
		ret = open_set(o, paths, opts);
	return ret ? ret : make_text_rules(o);
}

/* the same for every member of the set that @path names, or belongs to */
static int open_found(struct offline_set *o, char *path, const struct offline_opts *opts)
{
	char *found[BCE_SET_MEMBERS_MAX];
	struct scan_list all;
	int ret, i, nr = min(find_set_of(&all, path), BCE_SET_MEMBERS_MAX);

	if (nr < 0)
		return nr;
	for (i = 0; i < nr; i++)
		found[i] = all.member[i].path;
	ret = nr ? open_and_start(o, found, nr, opts) : open_and_start(o, &path, 1, opts);
	scan_exit(&all);
	return ret;
}

int offline_open(struct offline_set *o, char **paths, unsigned int nr,
		 const struct offline_opts *opts)
{
	int ret;

	*o = (struct offline_set) { };
	if (nr > BCE_SET_MEMBERS_MAX) {
		complain("%u devices given: a set has at most %d", nr, BCE_SET_MEMBERS_MAX);
		return EXIT_USAGE;
	}
	o->messages = calloc(1, sizeof(*o->messages));
	if (!o->messages)
		return EXIT_NO_MEMORY;
	o->messages->quiet = opts->quiet;
	ret = nr == 1 && !opts->lent ? open_found(o, paths[0], opts) : open_and_start(o, paths, nr, opts);
	if (ret)
		offline_close(o);
	return exit_code_of(ret);
}

int offline_close(struct offline_set *o)
{
	int ret = 0;

	if (o->set) {
		ret = bce_set_go_ro(o->set);
		if (ret)
			complain("the set could not be shut down cleanly: %s", strerror(-ret));
		bce_set_detach(o->set, o);
		bce_set_put(o->set);
	}
	while (!o->lent && o->nr)
		kapi_bdev_close(o->bdev[--o->nr]);
	free(o->bdev);
	free(o->text_rules);
	if (o->messages)
		free(o->messages->hash);
	free(o->messages);
	*o = (struct offline_set) { };
	return exit_code_of(ret);
}

u64 offline_findings(const struct offline_set *o)
{
	return o->messages->findings;
}

struct sb_writer *offline_sb_writer(const struct offline_set *o)
{
	return o->set->rw ? o->set->rw->sb : NULL;
}

struct btrees *offline_btrees(const struct offline_set *o)
{
	return o->set->btrees;
}

const struct journal_replay *offline_replay(const struct offline_set *o)
{
	return &o->set->replay;
}

const struct key_rules *offline_rules(const struct offline_set *o)
{
	return o->text_rules;
}
