/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_ADD_LOCK_H
#define BCACHEFS_ADD_LOCK_H

#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

/* the two states; any number of holders of one, none of the other */
enum bcachefs_add_state {
	PAGE_ADDERS,		/* who gives contents to folios of the page cache */
	PAGE_BLOCKERS,		/* who changes the file below it */
};

struct bcachefs_add_lock {
	spinlock_t		lock;		/* guards the rest */
	unsigned int		holders[2];	/* by state; one of them is 0 */
	unsigned int		waiting[2];
	unsigned int		grants[2];	/* times that the waiting ones were let in */
	wait_queue_head_t	wait;
	struct lockdep_map	dep_map;
};

void bcachefs_add_lock_init(struct bcachefs_add_lock *l);

/* Context: sleeps; no folio lock held. */
void bcachefs_add_enter(struct bcachefs_add_lock *l, enum bcachefs_add_state state);
/* Context: any process context, never sleeps. Return: entered. */
bool bcachefs_add_try(struct bcachefs_add_lock *l, enum bcachefs_add_state state);
/* Context: process or workqueue; may be another task than the one that entered */
void bcachefs_add_leave(struct bcachefs_add_lock *l, enum bcachefs_add_state state);
/* for lockdep: who entered goes on to other things, and the end of its I/O will leave */
void bcachefs_add_handed_over(struct bcachefs_add_lock *l);
/* who entered leaves: both of these */
void bcachefs_add_exit(struct bcachefs_add_lock *l, enum bcachefs_add_state state);

#endif
