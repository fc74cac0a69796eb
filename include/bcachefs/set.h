/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_SET_H
#define BCACHEFS_SET_H

/*
 * A set: devices that together hold one bcachefs. The device-mapper target
 * (or an offline tool) opens devices and hands them over; the file system
 * finds the running set through the registry.
 */

#include <linux/types.h>

struct bce_set;
struct block_device;

struct bce_member_source {
	struct block_device	*bdev;		/* open; stays the caller's */
	const char		*name;		/* for messages, copied */
};

enum bce_degraded {
	BCE_DEGRADED_NO,		/* all rw and ro members must be there */
	BCE_DEGRADED_YES,		/* missing ones, while all data has a copy */
	BCE_DEGRADED_VERY,		/* even if data is missing */
};

/*
 * How the passphrase key is found when the set is encrypted: kernel keyring in the
 * kernel, a prompt in tools. @description: "bcachefs:<uuid>". 0 or -ENOKEY.
 */
typedef int (*bce_key_fn)(void *ctx, const char *description, u8 key[32]);

/* messages of the set; NULL: the kernel log */
typedef void (*bce_message_fn)(void *ctx, int level, int error_id, const char *line);

struct bce_open_opts {
	enum bce_degraded	degraded;
	bool			read_only;
	bool			nochanges;
	bool			norecovery;		/* do not look at the journal of a dirty set */
	bool			no_splitbrain_check;
	bool			read_all_journal;	/* keep old entries for listing */
	bool			initialise;		/* a freshly formatted set may be started: bce_set_go_rw() */
	u64			sb_sector;		/* 0: usual */
	bce_key_fn		key;
	void			*key_ctx;
	bce_message_fn		message;
	void			*message_ctx;
	size_t			cache_bytes;		/* btree node cache; 0: default */
};

/**
 * bce_set_open() - read superblocks, choose, check; nothing is started
 * @why: 512 bytes for a reason when it fails (may be NULL), always terminated
 *
 * Not in the registry yet. One reference for the caller. Members are attached
 * under the owner cookie @owner.
 * Return: 0; -ENODATA, -EBADMSG, -EOPNOTSUPP, -EINVAL as bce_sb_read(); -ENODEV
 * members are missing and @opts->degraded does not allow it; -ENOKEY.
 */
int bce_set_open(struct bce_set **out, const struct bce_member_source *src, unsigned int nr,
		 const struct bce_open_opts *opts, void *owner, char why[512]);

/**
 * bce_set_start() - recovery: journal, roots, snapshots
 * Reads only. Context: may sleep for long. Return: 0 or negative errno (also kept as the
 * set's start result); -EALREADY it was started before.
 */
int bce_set_start(struct bce_set *set);
/* the same on a queue of the engine's, which holds a reference meanwhile. Return: 0, -EALREADY */
int bce_set_start_async(struct bce_set *set);
/**
 * bce_set_wait_started() - wait until the start is over
 * Context: sleeps, killable. Return: the start's result; -EINTR when killed; -ESHUTDOWN nobody
 * has started it.
 */
int bce_set_wait_started(struct bce_set *set);

/* ---- writing ---- */

/**
 * bce_set_go_rw() - let the set be changed
 *
 * Recovery, as far as it writes: superblocks say that the set is in use, the journal's keys go
 * into the btrees, what a crash interrupted is finished. A set that was never started is
 * initialised if it was opened so. Nothing has been written if it fails before the superblocks.
 *
 * @why: 512 bytes for a reason when it fails (may be NULL)
 * Context: may sleep for long. Return: 0, also when it is already; -EROFS opened read-only, or
 * members or version do not allow it; -ESHUTDOWN not started; -EIO, -ENOMEM, -ENOSPC.
 * Source: docs/format/40-recovery.md, section 1.
 */
int bce_set_go_rw(struct bce_set *set, char why[512]);
/**
 * bce_set_go_ro() - clean shutdown of writing; the set stays readable
 * Waits for changes that are under way. Also after an emergency, to stop what still runs.
 * Return: 0: what is on the members is complete and marked clean; -EROFS it was stopped by an
 * error before, and is not.
 * Source: docs/format/30-journal.md, section 10.
 */
int bce_set_go_ro(struct bce_set *set);
/**
 * bce_set_stop_writing() - no more is written, as after an error
 * What has not reached the members stays unwritten, and the set counts as not shut down cleanly. Nothing happens if it is
 * not written. Context: process, takes no lock that is held for long.
 */
void bce_set_stop_writing(struct bce_set *set, const char *reason);
/* also while it is suspended; not after an error has ended writing */
bool bce_set_is_rw(struct bce_set *set);
/* why writing was ended by an error; "" if it was not. Valid as long as the set */
const char *bce_set_fail_reason(const struct bce_set *set);
/*
 * @ended is called once an error has ended writing. Context: any process context, under a spinlock, with
 * any locks of the engine's held: it notes that and no more. NULL: nobody; none runs any more
 */
void bce_set_on_error_end(struct bce_set *set, void (*ended)(void *ctx), void *ctx);

/*
 * @changed is called once something has happened that the facts below show: the start is over, a member has failed, an error
 * has ended writing. Context: as @ended above. One listens at a time, the last who asked to
 */
void bce_set_on_change(struct bce_set *set, void (*changed)(void *ctx), void *ctx);
/* nothing happens if it is not @ctx who listens; no call to it runs any more */
void bce_set_off_change(struct bce_set *set, void *ctx);

/* what happens when the format's rules are found broken while the set is written; as stored */
enum bce_errors_policy {
	BCE_ERRORS_CONTINUE,		/* the call that met it fails, the rest goes on */
	BCE_ERRORS_FIX_SAFE,		/* the same: nothing is repaired at present */
	BCE_ERRORS_PANIC,
	BCE_ERRORS_RO,			/* no more writing */
};
/* until the set is opened anew; at first as the superblock says */
void bce_set_errors_set(struct bce_set *set, enum bce_errors_policy policy);
enum bce_errors_policy bce_set_errors_get(const struct bce_set *set);

/* bit per type of quota (user, group, project) that is counted when the set is written */
unsigned int bce_set_quota_types(const struct bce_set *set);
/* at first as the superblock says; from the next bce_set_go_rw() on. Return: 0; -EBUSY it is written with others */
int bce_set_quota_types_set(struct bce_set *set, unsigned int types);

/**
 * bce_set_suspend() - nothing is written to the members until bce_set_resume()
 *
 * Changes under way end, all that is only in memory is written; later changes wait. Reading goes on.
 * Suspensions nest. Going read-write or read-only waits for the end of all of them.
 *
 * Context: may sleep for long. Return: 0; -EIO, -EROFS not all could be written: it is suspended
 * all the same.
 */
int bce_set_suspend(struct bce_set *set);
void bce_set_resume(struct bce_set *set);

/* references. The last put frees and may sleep; the set must be out of the registry by then */
void bce_set_get(struct bce_set *set);
void bce_set_put(struct bce_set *set);

/**
 * bce_set_reattach() - the members come from another table now
 * Same set, devices opened again by @owner: slots are replaced, slots of members that are
 * not in @src are emptied. Return: 0; -EINVAL a member of another set; -ENODEV too few.
 */
int bce_set_reattach(struct bce_set *set, const struct bce_member_source *src, unsigned int nr,
		     const struct bce_open_opts *opts, void *owner, char why[512]);
/* the owner's devices go; waits for their I/O; the set lives on and answers -EIO */
void bce_set_detach(struct bce_set *set, void *owner);
/* whose members are attached; NULL: nobody's. Context: the owners' own serialisation. */
void *bce_set_owner(struct bce_set *set);

/* ---- registry of running sets. Context: process; a mutex of the registry's own ---- */

/**
 * bce_set_register() - let the set be found
 * @set_dev: the device it is shown as
 * Return: 0, -EEXIST another set with this uuid is registered.
 */
int bce_set_register(struct bce_set *set, dev_t set_dev);
/* nobody finds it any more; who has found it keeps it */
void bce_set_unregister(struct bce_set *set);
/* as registered */
dev_t bce_set_dev(const struct bce_set *set);
/* Return: the registered set, with a reference for the caller; NULL */
struct bce_set *bce_set_by_dev(dev_t set_dev);
struct bce_set *bce_set_by_uuid(const u8 user_uuid[16]);

/**
 * bce_set_claim() - the set for one claimant: the mounted file system
 * Return: 0, also for who has it already; -EBUSY.
 */
int bce_set_claim(struct bce_set *set, void *claimant);
/* nothing happens if it is not @claimant's */
void bce_set_release(struct bce_set *set, void *claimant);
bool bce_set_claimed(const struct bce_set *set);

/* drop cached btree nodes that nobody uses. Context: may sleep. Return: bytes freed */
size_t bce_set_drop_cache(struct bce_set *set);

/* ---- facts ---- */
struct bce_set_info {
	u8	uuid[16];		/* user-visible */
	u8	internal_uuid[16];
	char	label[33];
	u16	version;
	u32	block_bytes;
	u32	btree_node_bytes;
	u32	time_precision_ns;
	bool	clean;
	bool	encrypted;
	bool	read_only;
	bool	started;
	int	start_error;
	u8	nr_members;		/* slots that hold a member */
	u8	nr_present;
	bool	degraded;		/* members are missing, or there and failed */
	bool	acl;
	u8	quota_types;		/* bits, of the superblock */
	u8	errors_policy;		/* enum bce_errors_policy, of the superblock */
	u64	capacity_sectors;	/* sum of buckets of all members */
	u64	device_sectors_total;	/* raw */
	u64	journal_keys_overlaid;
	u64	errors;			/* findings so far */
};
/* Context: process; takes no lock that anybody waits under */
void bce_set_info(struct bce_set *set, struct bce_set_info *out);
/* what the set was assembled with; key and message functions left out */
void bce_set_opts(struct bce_set *set, struct bce_open_opts *out);

struct bce_set_member {
	bool	exists;
	bool	present;
	u8	uuid[16];
	u8	state;			/* 0 rw 1 ro 2 failed 3 spare */
	u8	durability;
	char	name[32];
	char	label[64];
	u32	bucket_bytes;
	u64	nbuckets;
	u64	first_bucket;
	u64	reads, read_sectors, io_errors, csum_errors, latency_ns;
};
/**
 * bce_set_member() - one slot of the set
 * @out: @exists false: the slot is empty; counters are since the set was assembled
 * Return: 0; -EINVAL no further slots.
 */
int bce_set_member(struct bce_set *set, unsigned int idx, struct bce_set_member *out);

/* bytes from the start of the set device that are not zeros */
u64 bce_set_sb_bytes(struct bce_set *set);
/**
 * bce_set_sb_copy() - bytes of the set device: the superblock of the lowest present member
 * @offset: in bytes; beyond bce_set_sb_bytes() there are zeros
 * Context: takes a mutex. Return: 0.
 */
int bce_set_sb_copy(struct bce_set *set, u64 offset, void *buf, size_t bytes);

#endif
