// SPDX-License-Identifier: GPL-2.0
/*
 * Target bcache-set: assembles the members of a set and shows it as one device.
 *
 *   constructor    opens members, reads and checks their superblocks. An inactive table
 *                  may never be resumed, so nothing else happens yet.
 *   preresume      first table of the set: registers it and starts recovery in a thread.
 *                  Reloaded table: the running set takes its members from us
 *                  from now on, those of the old table are let go when idle.
 *   destructor     our members leave the set; waits for I/O in flight. If no newer
 *                  table took over (removal, wipe_table), the set leaves the
 *                  registry; a mounted file system keeps its reference and
 *                  gets -EIO from then on.
 *
 * The device itself is small talk: reads show the superblock, so that blkid and
 * fstab see a file system; writes fail. The file system does its I/O on the
 * members through the engine and never through this device, so suspending the
 * device stops nothing that reads. Writing stops: writers by the freeze that comes
 * with a suspend, or else by the engine, which also ends its own (postsuspend), until
 * the table is resumed or, replaced by another, destroyed.
 *
 * Who may touch what: dm serialises constructor, resume and destructor of one
 * device; @set changes in preresume only, before any bio can arrive.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/highmem.h>
#include <linux/key.h>
#include <linux/key-type.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <keys/user-type.h>

#include <bcachefs/set.h>

#include "args.h"
#include "kc/kc.h"

#define DM_MSG_PREFIX	"bcache-set"

struct set_target {
	struct dm_target	*ti;
	struct set_args		args;
	struct bce_set		*set;
	bool			active;		/* we attached the set's members */
	bool			suspended;	/* and keep them from being written */
	struct work_struct	event_work;	/* tells dm, which sleeps for it */
};

static void set_event_work(struct work_struct *work)
{
	struct set_target *t = container_of(work, struct set_target, event_work);

	dm_table_event(t->ti->table);
}

/* who waits for events of the device ("dmsetup wait", polls of the control device) looks at its status */
static void set_changed(void *ctx)
{
	struct set_target *t = ctx;

	schedule_work(&t->event_work);
}

static dev_t target_devt(struct set_target *t)
{
	return disk_devt(dm_disk(dm_table_get_md(t->ti->table)));
}

/* the passphrase key from the caller's keyrings: whoever runs dmsetup or bcachectl */
static int key_from_keyring(void *ctx, const char *description, u8 out[32])
{
	const struct user_key_payload *payload;
	struct key *key = request_key(&key_type_user, description, NULL);
	int ret = -ENOKEY;

	if (IS_ERR(key))
		return -ENOKEY;
	down_read(&key->sem);
	payload = user_key_payload_locked(key);
	if (payload && payload->datalen == 32) {
		memcpy(out, payload->data, 32);
		ret = 0;
	}
	up_read(&key->sem);
	key_put(key);
	return ret;
}

/* a member as its set is told of it, and the name by which messages call it */
struct member_source {
	struct bce_member_source	src[SET_MEMBERS_MAX];
	char				name[SET_MEMBERS_MAX][BDEVNAME_SIZE];
};

static struct member_source *member_sources(const struct set_args *args)
{
	struct member_source *m = kzalloc(sizeof(*m), GFP_KERNEL);
	unsigned int i;

	for (i = 0; m && i < args->nr_devs; i++)
		m->src[i] = (struct bce_member_source) {
			.bdev = args->dev[i]->bdev,
			.name = kc_bdev_name(args->dev[i]->bdev, m->name[i]),
		};
	return m;
}

/* the number, as the table has it, of a member that is called @name in messages */
static const char *member_number(const struct set_target *t, const char *name)
{
	char buf[BDEVNAME_SIZE];

	for (unsigned int i = 0; i < t->args.nr_devs; i++)
		if (!strcmp(kc_bdev_name(t->args.dev[i]->bdev, buf), name))
			return t->args.dev[i]->name;
	return name;
}

/* how the set is opened: as the line says, and no further than our devices are open */
static struct bce_open_opts open_opts(const struct set_target *t)
{
	struct bce_open_opts opts = t->args.opts;

	opts.read_only |= !t->args.writable;
	opts.initialise = t->args.writable;
	opts.key = key_from_keyring;
	return opts;
}

/* superblocks read, members attached to a set of our own that nobody sees yet */
static int open_set(struct set_target *t)
{
	struct member_source *m = member_sources(&t->args);
	struct bce_open_opts opts = open_opts(t);
	struct bce_set_info info;
	char *why;
	int ret = -ENOMEM;

	why = kmalloc(512, GFP_KERNEL);
	if (!m || !why)
		goto exit;
	ret = bce_set_open(&t->set, m->src, t->args.nr_devs, &opts, t, why);
	if (ret) {
		DMERR("%pUb: %s", &t->args.uuid, why);
		goto exit;
	}
	bce_set_info(t->set, &info);
	if (memcmp(info.uuid, &t->args.uuid, 16)) {
		DMERR("the devices hold set %pUb, the table says %pUb", info.uuid, &t->args.uuid);
		bce_set_detach(t->set, t);
		bce_set_put(t->set);
		t->set = NULL;
		ret = -EINVAL;
	}
exit:
	kfree(why);
	kfree(m);
	return ret;
}

static const char *open_error_text(int ret)
{
	switch (ret) {
	case -ENODATA:
		return "A device is no member of a bcachefs set";
	case -EBADMSG:
		return "A member's superblock is damaged beyond its copies";
	case -EOPNOTSUPP:
		return "The set uses a version or feature that is not supported";
	case -ENODEV:
		return "Members are missing";
	case -ENOKEY:
		return "The set is encrypted and its key is not in the keyring";
	case -EKEYREJECTED:
		return "The key in the keyring does not open the set";
	default:
		return "The devices do not form the set (see the kernel log)";
	}
}

static bool is_written(const uuid_t *uuid)
{
	struct bce_set *running = bce_set_by_uuid(uuid->b);
	bool rw = running && bce_set_is_rw(running);

	bce_set_put(running);
	return rw;
}

static int set_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct set_target *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	t->ti = ti;
	INIT_WORK(&t->event_work, set_event_work);
	ret = set_args_parse(&t->args, ti, argc, argv);
	if (ret)
		goto free;
	ret = open_set(t);
	if (ret) {
		ti->error = (char *)open_error_text(ret);
		goto close;
	}
	if (!t->args.writable && is_written(&t->args.uuid)) {
		ti->error = "The set is mounted read-write: the new table must not be read-only";
		ret = -EROFS;
		goto detach;
	}
	ti->private = t;
	return 0;
detach:
	bce_set_detach(t->set, t);
	bce_set_put(t->set);
close:
	set_args_exit(&t->args, ti);
free:
	kfree(t);
	return ret;
}

/* The file system on top has been frozen, if there is one and the caller wanted it. */
static void set_postsuspend(struct dm_target *ti)
{
	struct set_target *t = ti->private;

	if (!t->active || t->suspended)
		return;
	/* what went wrong has been said by the engine */
	bce_set_suspend(t->set);
	t->suspended = true;
}

static void set_resume(struct dm_target *ti)
{
	struct set_target *t = ti->private;

	if (t->suspended)
		bce_set_resume(t->set);
	t->suspended = false;
}

static void set_dtr(struct dm_target *ti)
{
	struct set_target *t = ti->private;

	bce_set_off_change(t->set, t);
	cancel_work_sync(&t->event_work);
	bce_set_detach(t->set, t);
	/* of a table that was replaced or wiped: who waited goes on, or learns that writing has ended */
	set_resume(ti);
	/* still ours, so no newer table took over */
	if (t->active && !bce_set_owner(t->set))
		bce_set_unregister(t->set);
	bce_set_put(t->set);
	set_args_exit(&t->args, ti);
	kfree(t);
}

/* the set runs already, with members of an older table: it takes ours */
static int take_over(struct set_target *t, struct bce_set *running)
{
	struct bce_open_opts opts = open_opts(t);
	struct member_source *m;
	char *why;
	int ret = -ENOMEM;

	if (bce_set_dev(running) != target_devt(t)) {
		DMERR("%pUb: is assembled already, as device %u:%u", &t->args.uuid,
		      MAJOR(bce_set_dev(running)), MINOR(bce_set_dev(running)));
		return -EBUSY;
	}
	m = member_sources(&t->args);
	why = kmalloc(512, GFP_KERNEL);
	if (!m || !why)
		goto exit;
	/* the set made by our constructor was for checking only */
	bce_set_detach(t->set, t);
	ret = bce_set_reattach(running, m->src, t->args.nr_devs, &opts, t, why);
	if (ret) {
		DMERR("%pUb: %s", &t->args.uuid, why);
		goto exit;
	}
	bce_set_put(t->set);
	bce_set_get(running);
	t->set = running;
	t->active = true;
	bce_set_on_change(running, set_changed, t);
	DMINFO("%pUb: members taken over by a new table", &t->args.uuid);
exit:
	kfree(why);
	kfree(m);
	return ret;
}

static int set_preresume(struct dm_target *ti)
{
	struct set_target *t = ti->private;
	struct bce_set *running;
	int ret;

	if (t->active)
		return 0;
	running = bce_set_by_uuid(t->args.uuid.b);
	if (running) {
		ret = take_over(t, running);
		bce_set_put(running);
		return ret;
	}
	ret = bce_set_register(t->set, target_devt(t));
	if (ret)
		return ret;
	t->active = true;
	bce_set_on_change(t->set, set_changed, t);
	return bce_set_start_async(t->set);
}

static void fill_from_superblock(struct set_target *t, struct bio *bio)
{
	u64 offset = (u64)bio->bi_iter.bi_sector << SECTOR_SHIFT;
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		void *p = bvec_kmap_local(&bv);

		/* does not sleep long: a copy under a mutex */
		bce_set_sb_copy(t->set, offset, p, bv.bv_len);
		kunmap_local(p);
		flush_dcache_page(bv.bv_page);
		offset += bv.bv_len;
	}
}

static int set_map(struct dm_target *ti, struct bio *bio)
{
	if (bio_op(bio) != REQ_OP_READ)
		return DM_MAPIO_KILL;
	fill_from_superblock(ti->private, bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static const char *state_text(struct set_target *t, const struct bce_set_info *info)
{
	if (info->start_error)
		return "failed";
	if (!info->started)
		return "starting";
	if (!info->nr_present)
		return "lost";
	return *bce_set_fail_reason(t->set) ? "stopped" : "running";
}

/* one line, one field per word: docs/dm-bcache.md, "Status" */
static unsigned int emit_status(struct set_target *t, char *result, unsigned int maxlen)
{
	struct bce_set_info info;
	unsigned int sz = 0, i;

	bce_set_info(t->set, &info);
	DMEMIT("%s %d %s %s %s %u %u %llu", state_text(t, &info), info.start_error,
	       info.clean ? "clean" : "dirty", info.read_only ? "ro" : "rw",
	       info.degraded ? "degraded" : "complete", info.nr_present, info.nr_members,
	       info.errors);
	for (i = 0; i < SET_MEMBERS_MAX; i++) {
		struct bce_set_member m;

		if (bce_set_member(t->set, i, &m))
			break;
		if (!m.exists)
			continue;
		DMEMIT(" %u %s %c %llu %llu %llu", i, m.present ? member_number(t, m.name) : "-",
		       "RrFS"[m.state & 3], m.reads, m.io_errors, m.csum_errors);
	}
	return sz;
}

static void set_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		       char *result, unsigned int maxlen)
{
	struct set_target *t = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_status(t, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		set_args_emit(&t->args, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",uuid=%pUb,nr_devs=%u;", &t->args.uuid, t->args.nr_devs);
		break;
	}
}

/* docs/dm-bcache.md, "Messages" */
static int set_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen)
{
	struct set_target *t = ti->private;
	unsigned int sz = 0;

	if (argc == 1 && !strcasecmp(argv[0], "drop_cache")) {
		DMEMIT("%zu", bce_set_drop_cache(t->set));
		return 1;
	}
	if (argc == 1 && !strcasecmp(argv[0], "wait_started")) {
		int ret = bce_set_wait_started(t->set);

		return ret;
	}
	DMERR("unknown message '%s'; known: drop_cache, wait_started", argc ? argv[0] : "");
	return -EINVAL;
}

static int set_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct set_target *t = ti->private;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < t->args.nr_devs; i++)
		ret = fn(ti, t->args.dev[i], 0, bdev_nr_sectors(t->args.dev[i]->bdev), data);
	return ret;
}

/*
 * The file system on top reads ahead twice the optimal I/O size. Extents are stored in pieces of
 * 64 KiB with a checksum each, and neighbours go out as one I/O: half a MiB ahead keeps a disk
 * streaming and costs a random reader nothing, as readahead backs off by itself.
 */
#define OPTIMAL_IO_BYTES	(256 << 10)

static void set_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	limits->io_opt = OPTIMAL_IO_BYTES;
	/*
	 * Whatever the members want: the engine sees to it. Direct reads are cut at this unit,
	 * since their bios name this device.
	 */
	limits->logical_block_size = SECTOR_SIZE;
}

static struct target_type set_target_type = {
	.name			= "bcache-set",
	.version		= { 1, 0, 0 },
	.features		= DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE,
	.module			= THIS_MODULE,
	.ctr			= set_ctr,
	.dtr			= set_dtr,
	.preresume		= set_preresume,
	.resume			= set_resume,
	.postsuspend		= set_postsuspend,
	.map			= set_map,
	.status			= set_status,
	.message		= set_message,
	.iterate_devices	= set_iterate_devices,
	.io_hints		= set_io_hints,
};

static int __init dm_bcache_init(void)
{
	return dm_register_target(&set_target_type);
}

static void __exit dm_bcache_exit(void)
{
	dm_unregister_target(&set_target_type);
}

module_init(dm_bcache_init);
module_exit(dm_bcache_exit);

MODULE_DESCRIPTION("bcachefs sets as device-mapper targets");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-bcache-set");
