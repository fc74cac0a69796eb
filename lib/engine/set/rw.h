/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SET_RW_H
#define ENGINE_SET_RW_H

#include <linux/atomic.h>
#include <linux/seqlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "engine/btree/writer.h"
#include "engine/data/read.h"
#include "engine/data/write.h"
#include "engine/journal/journal.h"
#include "engine/names/write.h"
#include "engine/set/set_internal.h"
#include "engine/util/event.h"

struct allocator;
struct data_writer;
struct sb_writer;
struct text_buf;

enum rw_state {
	RW_OFF,
	RW_STARTING,
	RW_ON,
	RW_SUSPENDED,		/* as RW_ON, but nothing is written; bce_set_suspend() */
	RW_STOPPING,
	RW_FAILED,		/* an error stopped writing; bce_set_go_ro() still has to clean up */
};

/**
 * struct set_rw - what a set has while it can be changed
 * @state:       changed under set->lock, but for RW_ON to RW_FAILED, which anybody may do
 * @users:       calls that change something, under way; new ones only while RW_ON
 * @idle:        woken when @users falls to 0
 * @key_version: the last one given out (docs/format/20-checksums-encryption.md)
 * @io_clock:    sectors read, written
 */
struct set_rw {
	enum rw_state		state;
	atomic_t		users;
	wait_queue_head_t	idle;
	atomic64_t		key_version;
	atomic64_t		io_clock[2];
	struct bce_set		*set;
	struct delayed_work	findings_work;
	u64			findings_told[BCE_ERR_NR];	/* counted in the superblock, or before writing */
	u64			counters_told[BCE_EVENT_NR];	/* to the superblock */
	bool			was_clean;	/* how the last writer ended */
	bool			initialized;
	u64			next_seq;	/* of the journal */
	struct journal_ring	ring[BCE_SET_MEMBERS_MAX];
	struct sb_writer	*sb;
	struct journal		*journal;
	struct allocator	*alloc;
	struct data_writer	*data;
	seqlock_t		data_options_lock;
	struct data_options	data_options;
	struct data_snapshots	data_snapshots;
	struct data_read_live	live;
	struct names_writer	names;
	bool			names_ready;	/* initialised */
};

/* a change begins: 0, or -EROFS; pair with put. Waits while the set is suspended */
int bce_set_write_get(struct bce_set *set);
/* the same for what writes nothing: also while the set is suspended */
int bce_set_write_get_quiet(struct bce_set *set);
/* for a change that is part of one that has been let in */
void bce_set_write_get_inner(struct bce_set *set);
void bce_set_write_put(struct bce_set *set);
/* ends when no change is under way; none may begin any more */
void bce_set_wait_for_users(struct set_rw *rw);

/*
 * A call that changes something, from begin to end: it counts as a user, and memory that is got on the
 * way does not come back into the file system. begin: as bce_set_write_get(); end returns @ret.
 */
struct change_call {
	struct bce_set		*set;
	struct set_rw		*rw;
	unsigned int		nofs;
};
int bce_change_begin(struct bce_set *set, struct change_call *call);
int bce_change_end(struct change_call *call, int ret);

/* the last reference is gone: writing, if it is still on, ends without a clean shutdown */
void bce_set_rw_free(struct bce_set *set);

/* writing ends here and now, for the reason given */
__printf(2, 3) void bce_set_fail(struct bce_set *set, const char *fmt, ...);
/* something that bce_set_info() or bce_set_member() show has changed: bce_set_on_change(). Context: any process context */
void bce_set_tell_changed(struct bce_set *set);

/* nothing is only in memory, and nothing pins the journal. 0; -EBUSY, -EIO, -EROFS */
int bce_set_flush_all(struct bce_set *set);

/* ---- member_failed.c ---- */

/*
 * What members @devs hold cannot be relied on, as @what failed ("flushing its cache"). Context: sleeps, writes
 * superblocks. Return: 0 the set goes on without them; -EIO what only they hold is needed
 */
int bce_set_members_failed(struct bce_set *set, u64 devs, const char *what);

/* ---- rw_start.c ---- */

/* may the set be written, as far as members, version and how it was opened go? */
int bce_set_rw_possible(struct bce_set *set, struct text_buf *why);
/* set->rw; its superblock writer, whose image is not written by that. Under rw_lock */
int bce_set_rw_make(struct bce_set *set);
int bce_set_sb_open(struct bce_set *set);

/* ---- repair.c ---- */

/* until all of it is written, the superblock asks for the passes that would repair the same; under its lock */
int bce_set_repair_note(struct bce_set *set);

/* ---- rw_suspend.c ---- */

/* rw_lock, taken while the set is not suspended */
void bce_set_lock_running(struct bce_set *set);

/* ---- quota_api.c ---- */

/* the owner of a file of @subvol has so much more; @flags: enum quota_flags. 0, -EDQUOT, -ENOMEM */
int bce_set_quota_charge(struct bce_set *set, u32 subvol, const struct quota_owner *owner,
			 s64 sectors, unsigned int flags);
/* may the file grow by so much? 0, -EDQUOT, -ENOMEM */
int bce_set_quota_allows(struct bce_set *set, const struct bce_inode *inode, u64 sectors);

/* ---- findings.c ---- */

void bce_set_findings_init(struct bce_set *set, struct set_rw *rw);
void bce_set_findings_begin(struct bce_set *set);
/* no work of theirs any more */
void bce_set_findings_end(struct bce_set *set);
/* those not counted yet, to the image of the superblock; under its lock */
void bce_set_findings_note(struct bce_set *set);

/* ---- counters.c ---- */

/* what is new goes to the image of the superblock; under its lock */
void bce_set_counters_note(struct bce_set *set);

/* ---- rw_rooms.c: data and names ---- */

int bce_set_rooms_open(struct bce_set *set);
/* what a crash interrupted is finished; changes keys */
int bce_set_rooms_resume(struct bce_set *set);
/* no background work of theirs until unpause */
void bce_set_rooms_pause(struct bce_set *set);
void bce_set_rooms_unpause(struct bce_set *set);
/* no background work of theirs any more */
void bce_set_rooms_stop(struct bce_set *set);
void bce_set_rooms_close(struct bce_set *set);

/* ---- write_api.c ---- */

/*
 * contents of a file from offset 0, waited for; its size is @bytes afterwards. Part of a change that
 * has been let in
 */
int bce_set_write_contents(void *set, struct bce_file_id file, const void *data, size_t bytes);

/* ---- options.c ---- */

/* those of metadata, as they are now */
struct metadata_options {
	u8	csum_type;
	u8	replicas;
	u16	target;		/* 0: any */
	u64	target_devs;
	u32	flush_delay_ms;
};
struct metadata_options bce_set_metadata_options(const struct bce_set *set);
/* rw->data_options anew */
void bce_set_data_options_read(struct bce_set *set);

/* ---- rings.c ---- */

/*
 * Where each member's ring stands, [BCE_SET_MEMBERS_MAX]; by the member records after a clean
 * shutdown, by the entries found after another. Return: 0, -ENOMEM. Free with rings_free().
 */
int bce_set_rings_make(struct bce_set *set, struct journal_ring *ring);
void bce_set_rings_free(struct journal_ring *ring);
/* may entries be written to the member's ring? */
bool bce_set_member_keeps_journal(const struct member_info *m);

/* ---- triggers.c ---- */
extern const struct btree_trigger_ops bce_set_trigger_ops;	/* ctx: struct bce_set */

/* ---- init.c: the first start, docs/format/00-overview.md, section 9 ---- */

/* sections and rings in the image of the superblock, before the journal is opened */
int bce_set_init_sb(struct bce_set *set, struct text_buf *why);
/* first snapshot, subvolume, directories; without a journal they stay in memory */
int bce_set_init_keys(struct bce_set *set);
/* flush; then INITIALIZED */
int bce_set_init_finish(struct bce_set *set);

#endif
