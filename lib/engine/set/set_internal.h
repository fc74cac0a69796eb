/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SET_SET_INTERNAL_H
#define ENGINE_SET_SET_INTERNAL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <bcachefs/set.h>

#include "engine/journal/replay.h"
#include "engine/key/validate.h"
#include "engine/sb/members.h"
#include "engine/sb/sb.h"
#include "engine/util/log.h"

struct bce_cipher;
struct btrees;
struct data_reader;
struct names_source;
struct overlay;
struct set_rw;
struct snapshot_table;

#define BCE_SET_MEMBERS_MAX	64

enum set_state {
	SET_OPENED,		/* superblocks read, nothing started */
	SET_STARTING,
	SET_STARTED,
	SET_START_FAILED,	/* start_error says why */
};

/* bce_set_repair() */
enum set_repair {
	REPAIR_NONE,
	REPAIR_FAILED,		/* the keys in memory are neither old nor new */
	REPAIR_DONE,		/* in memory; the next bce_set_go_rw() writes it */
	REPAIR_WRITTEN,		/* the superblock asks for nothing that the one we opened asked for */
};

/*
 * One set: where the rooms are tied together. Fields below "set at open" and
 * "set at start" are constant from then on, so readers need no lock; @lock
 * guards state changes and the member superblocks.
 */
struct bce_set {
	refcount_t		ref;
	struct mutex		lock;		/* state, dev_sb, owner, degraded */

	/* set at open */
	struct bce_open_opts	opts;
	struct bce_log		*log;
	struct sb_image		best;
	struct bch_sb		*in_effect;	/* its header alone, with what the mount has chosen: options.c */
	struct sb_info		info;
	struct bce_cipher	*cipher;	/* NULL: not encrypted */
	struct member_table	*members;
	struct key_rules_dev	rules_dev[BCE_SET_MEMBERS_MAX];
	struct key_rules	rules;

	struct sb_image		dev_sb[BCE_SET_MEMBERS_MAX];	/* @lock; .sb NULL: never seen */
	void			*owner;		/* @lock; whose members are attached */

	/* set at start */
	struct journal_replay	replay;
	struct overlay		*overlay;	/* NULL: clean, or norecovery */
	struct btrees		*btrees;
	struct snapshot_table	*snapshots;
	struct data_reader	*reader;
	struct set_rw		*rw;		/* set at the first bce_set_go_rw(), stays; rw.h */
	struct mutex		rw_lock;	/* going read-write and back; outside @lock */
	enum set_repair		repair;		/* @rw_lock */
	bool			repair_whole;	/* @rw_lock; no finding is left */
	unsigned int		suspended;	/* changed under @rw_lock; bce_set_suspend() */
	wait_queue_head_t	resume_wait;	/* woken when it falls to 0, or writing ends by an error */

	unsigned int		quota_types;	/* @rw_lock */
	u64			mount_options;	/* bit per option that the mount has chosen; options.c */
	enum bce_errors_policy	errors_policy;
	void			(*ended)(void *ctx);	/* bce_set_on_error_end() */
	void			*ended_ctx;
	void			(*changed)(void *ctx);	/* bce_set_on_change() */
	void			*changed_ctx;
	spinlock_t		ended_lock;	/* all four, and @fail_reason */
	spinlock_t		label_lock;	/* info.label */
	char			fail_reason[128];	/* written under @ended_lock, before RW_FAILED */

	enum set_state		state;		/* @lock; readers use smp_load_acquire() */
	int			start_error;
	wait_queue_head_t	start_wait;
	struct work_struct	start_work;

	/* registry.c */
	struct list_head	registry_link;	/* empty: not registered */
	dev_t			set_dev;
	void			*claimant;
};

/* runs starts; module.c. Programs call kapi_module_init() before they start sets asynchronously. */
extern struct workqueue_struct *bce_set_start_wq;

/* is the set readable? 0, or the reason why not as negative errno */
int bce_set_readable(struct bce_set *set);

/* names_api.c: what the names room reads from, but for members_present */
struct names_source bce_set_names_source(struct bce_set *set);

#endif
