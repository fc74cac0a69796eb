// SPDX-License-Identifier: GPL-2.0
/*
 * Which lock keeps the page cache and the file beneath it together.
 *
 * A folio must never show what the file no longer holds. Four kinds of work could make it so:
 *
 *	fill		a folio is read: readahead, read_folio; or written by a buffered write
 *	direct write	the file changes below the cache
 *	reshape		truncate, fallocate, clone, dedupe: extents go, come, move
 *	writeback	a folio's contents go down
 *
 *                    fill                  direct write         reshape              writeback
 *	fill          folio lock            this lock            invalidate_lock      folio lock
 *	direct write                        none: in parallel    i_rwsem, i_dio_count flush, invalidate
 *	reshape                                                  i_rwsem              folio's writeback bit
 *
 * i_rwsem: buffered writes and reshapes hold it exclusively, direct writes that do not make the file
 * longer shared, and only until they are under way: i_dio_count tells how many are, and a reshape
 * waits for them.
 *
 * The kernel's invalidate_lock is held shared by everybody who adds a folio in order to read it and by
 * page_mkwrite(), exclusively by a reshape. That would do for direct writes too, but it would make them
 * run one after the other, and it cannot be held until an asynchronous write has ended, which another
 * task sees. So there is this lock of two states. Many may fill, or many may write directly, never
 * both.
 *
 * A direct write enters as a blocker, writes back and throws out what is cached of its range, and leaves
 * when the key of its data has been committed. While it is in, nobody gives contents to any folio, so
 * nothing old can come back.
 *
 * Where the adders enter. Not where a fault or a read begins: these hold mmap_lock, and fault again
 * while they copy, which would nest. Folios without contents do no harm, only filling them does. So
 * the state is entered where a fill begins and left where it ends:
 *
 *	readahead	tries; if blocked, the folios stay without contents and are unlocked
 *	read_folio	tries; if blocked, lets the folio lock go, waits, and takes it again
 *	buffered write	waits, holding i_rwsem; then locks the folio. User memory is only copied with
 *			faults off, and made present before
 *
 * Order: mmap_lock -> invalidate_lock (shared) -> this lock as adder -> folio lock. A blocker that waits
 * for folio locks (to invalidate) thus never waits for somebody who waits for it. A blocker takes
 * neither mmap_lock nor invalidate_lock: the pages of a direct write are pinned before it enters, so
 * it can be written from a mapping of the same file. A write of several pieces enters for each, and
 * holds none itself while it pins the next.
 *
 * map_pages() and page_mkwrite() find folios that have contents, lock them, and see whether they still
 * belong to the file; invalidation unmaps and removes under the same lock. They need no more.
 *
 * Fairness. Who wants a state that is not taken gets in at once, unless somebody waits for the other one.
 * When the last holder leaves, all that wait for the other state are let in together, so the states
 * take turns and nobody waits longer than one turn of the others.
 */
#include "add_lock.h"

#include <linux/sched.h>
#include <linux/string.h>

void bcachefs_add_lock_init(struct bcachefs_add_lock *l)
{
	static struct lock_class_key key;

	spin_lock_init(&l->lock);
	memset(l->holders, 0, sizeof(l->holders));
	memset(l->waiting, 0, sizeof(l->waiting));
	memset(l->grants, 0, sizeof(l->grants));
	init_waitqueue_head(&l->wait);
	lockdep_init_map(&l->dep_map, "bcachefs_add_lock", &key, 0);
}

static enum bcachefs_add_state other(enum bcachefs_add_state state)
{
	return state == PAGE_ADDERS ? PAGE_BLOCKERS : PAGE_ADDERS;
}

/* l->lock held */
static bool enter_now(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	if (l->holders[other(state)] || l->waiting[other(state)])
		return false;
	l->holders[state]++;
	return true;
}

bool bcachefs_add_try(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	bool entered;

	spin_lock(&l->lock);
	entered = enter_now(l, state);
	spin_unlock(&l->lock);
	if (entered)
		rwsem_acquire(&l->dep_map, 0, 1, _THIS_IP_);
	return entered;
}

void bcachefs_add_enter(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	unsigned int grants;

	might_sleep();
	rwsem_acquire(&l->dep_map, 0, 0, _THIS_IP_);
	spin_lock(&l->lock);
	if (enter_now(l, state)) {
		spin_unlock(&l->lock);
		return;
	}
	l->waiting[state]++;
	grants = l->grants[state];
	spin_unlock(&l->lock);
	/* pairs with the release in let_in(): what the others did is seen */
	wait_event(l->wait, smp_load_acquire(&l->grants[state]) != grants);
}

/* everybody who waits for @state; l->lock held. Nobody holds the other one */
static void let_in(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	l->holders[state] = l->waiting[state];
	l->waiting[state] = 0;
	smp_store_release(&l->grants[state], l->grants[state] + 1);
	wake_up_all(&l->wait);
}

void bcachefs_add_leave(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	spin_lock(&l->lock);
	if (!WARN_ON_ONCE(!l->holders[state]) && !--l->holders[state] && l->waiting[other(state)])
		let_in(l, other(state));
	spin_unlock(&l->lock);
}

void bcachefs_add_handed_over(struct bcachefs_add_lock *l)
{
	rwsem_release(&l->dep_map, _THIS_IP_);
}

void bcachefs_add_exit(struct bcachefs_add_lock *l, enum bcachefs_add_state state)
{
	bcachefs_add_leave(l, state);
	bcachefs_add_handed_over(l);
}
