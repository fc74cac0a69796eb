/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SIX_SIX_H
#define SIX_SIX_H

/*
 * Six locks: shared / intent / exclusive sleeping locks with sequence numbers.  The essay is in
 * six.c; docs/arch/six.md is the page for users.
 *
 *                  held:   -     read   intent   write
 *   read   admitted        yes   yes    yes      no
 *   intent admitted        yes   yes    no       no
 *   write  admitted        only the holder of intent, once there are no readers
 *
 * A waiting writer keeps new readers out. Who holds read, intent or write may remember the sequence
 * number, unlock, and later take the lock again by bce_six_relock() if nobody wrote in between.
 */

#include <linux/atomic.h>
#include <linux/lockdep.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct task_struct;

enum bce_six_type {
	BCE_SIX_READ,
	BCE_SIX_INTENT,
	BCE_SIX_WRITE,
};
#define BCE_SIX_NR_TYPES	3

/**
 * struct bce_six_lock - see six.c; the members are private
 * @state:          readers, intent, who waits, sequence number: one word, changed atomically
 * @owner:          holder of intent, a hint for spinning and for cycle detection
 * @intent_recurse: further holds of intent; protected by intent
 * @write_recurse:  further holds of write; protected by write
 * @spinner:        nonzero while one task spins on @owner
 * @wait_lock:      protects @wait_list and the waiting flags in @state
 * @wait_list:      struct bce_six_waiter, oldest first
 * @dep_map:        lockdep's; empty without it
 */
struct bce_six_lock {
	atomic64_t		state;
	struct task_struct	*owner;
	unsigned int		intent_recurse;
	unsigned int		write_recurse;
	atomic_t		spinner;
	raw_spinlock_t		wait_lock;
	struct list_head	wait_list;
	struct lockdep_map	dep_map;
};

/**
 * struct bce_six_waiter - one task waiting for one lock
 * @list:     link in the lock's wait list
 * @lock:     what it waits for
 * @task:     who waits
 * @type:     how it wants the lock
 * @granted:  set by the one who gives it the lock; the last access to the waiter
 * @recheck:  it shall ask its hook again
 * @start_ns: ktime at which the wait began
 * @arg:      the argument of the caller's hook: names the caller to a cycle detector
 *
 * Read by callbacks of bce_six_for_each_waiter(), otherwise private.
 */
struct bce_six_waiter {
	struct list_head	list;
	struct bce_six_lock	*lock;
	struct task_struct	*task;
	enum bce_six_type	type;
	bool			granted;
	bool			recheck;
	u64			start_ns;
	void			*arg;
};

/**
 * struct bce_six_holders - who holds a lock at one moment
 * @owner:   holder of intent, NULL if there is none or it is just changing; to be dereferenced
 *           only under an rcu_read_lock() taken before bce_six_holders()
 * @readers: number of read holds
 * @seq:     sequence number, odd while write is held
 * @intent:  intent is held
 * @write:   write is held
 */
struct bce_six_holders {
	struct task_struct	*owner;
	unsigned int		readers;
	u32			seq;
	bool			intent;
	bool			write;
};

/**
 * typedef bce_six_should_sleep_fn - the caller's deadlock detection
 * @lock: the lock waited for
 * @arg:  the caller's
 *
 * Called in a runnable state and without locks of ours held, with the waiter on the lock's list:
 * before the first sleep and after every wake-up that did not bring the lock.
 *
 * Return: 0 to sleep, or a negative errno that ends the wait.
 */
typedef int (*bce_six_should_sleep_fn)(struct bce_six_lock *lock, void *arg);

/* Return: true to end the walk. Called with the wait lock held: must not sleep or use the lock. */
typedef bool (*bce_six_walk_fn)(struct bce_six_waiter *waiter, void *arg);

void bce_six_lock_init_class(struct bce_six_lock *lock, const char *name,
			     struct lock_class_key *key);
void bce_six_lock_exit(struct bce_six_lock *lock);

/**
 * bce_six_lock_init() - initialise a lock
 * @lock: memory of the caller's
 *
 * Each place that calls this is a lockdep class; bce_six_lock_init_class() takes one by name.
 */
#define bce_six_lock_init(lock)							\
do {										\
	static struct lock_class_key six_key_;					\
										\
	bce_six_lock_init_class(lock, #lock, &six_key_);			\
} while (0)

void bce_six_lock(struct bce_six_lock *lock, enum bce_six_type type);
int bce_six_lock_hooked(struct bce_six_lock *lock, enum bce_six_type type,
			struct bce_six_waiter *waiter,
			bce_six_should_sleep_fn should_sleep, void *arg);
bool bce_six_trylock(struct bce_six_lock *lock, enum bce_six_type type);
bool bce_six_relock(struct bce_six_lock *lock, enum bce_six_type type, u32 seq);
void bce_six_unlock(struct bce_six_lock *lock, enum bce_six_type type);

bool bce_six_tryupgrade(struct bce_six_lock *lock);
void bce_six_downgrade(struct bce_six_lock *lock);
bool bce_six_convert(struct bce_six_lock *lock, enum bce_six_type from, enum bce_six_type to);
void bce_six_increment(struct bce_six_lock *lock, enum bce_six_type type);
void bce_six_hide_readers(struct bce_six_lock *lock, unsigned int nr);
void bce_six_show_readers(struct bce_six_lock *lock, unsigned int nr);

u32 bce_six_seq(const struct bce_six_lock *lock);
void bce_six_holders(const struct bce_six_lock *lock, struct bce_six_holders *holders);
bool bce_six_for_each_waiter(struct bce_six_lock *lock, bce_six_walk_fn fn, void *arg);
void bce_six_recheck_waiters(struct bce_six_lock *lock);
int bce_six_to_text(struct bce_six_lock *lock, char *buf, size_t size_bytes);

#endif
