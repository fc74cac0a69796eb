// SPDX-License-Identifier: GPL-2.0
/*
 * Six locks: shared / intent / exclusive.
 *
 * A task that may have to change a node first takes intent: it sees what readers see, readers go
 * on, and nobody else can have the same plan. Only for the moment of the change itself it takes
 * write on top of intent. So nothing is ever read again between "I want to change this" and "I
 * may", and readers are shut out only while memory really changes.
 *
 * The word
 * --------
 *
 *    63 ............ 32   27       26       25       24       23 ....... 0
 *   +------------------+--------+--------+--------+--------+---------------+
 *   | sequence number  | WRITE_ | INTENT_| READ_  | INTENT | read holds    |
 *   | odd: write held  | WAIT   | WAIT   | WAIT   | held   |               |
 *   +------------------+--------+--------+--------+--------+---------------+
 *
 * All of it changes atomically, so taking a lock by a remembered sequence number is one exchange:
 * "still this number, and free". The number goes up by one when write is taken and by one when it
 * is released; its lowest bit is the write lock. After 2^31 writes it comes round.
 *
 *                     lock(read)                       lock(read)
 *          +--------+ ----------> +----------+         +-----+
 *          | free   |             | n readers| <-------+     |
 *          +--------+ <---------- +----------+ --------------+
 *            |    ^    unlock       |  ^    ^
 *   intent   |    | unlock          |  |    | downgrade: readers + 1, intent released
 *            v    |                 |  | tryupgrade: readers - 1, intent taken
 *          +--------+  lock(read)   v  |
 *          | intent | ----------> +------------------------+
 *          |        | <---------- | intent and n readers   |
 *          +--------+   unlock    +------------------------+
 *            |    ^                 | lock(write): WRITE_WAIT is set, no new readers
 *     write  |    | unlock          v
 *   seq + 1  v    | seq + 1       +------------------------+
 *          +--------+ <---------- | intent, write waiting, |
 *          | write  |  last       | n readers leaving      |
 *          +--------+  reader     +------------------------+
 *
 * Waiting, and who wakes whom
 * ---------------------------
 *
 * Waiters stand in one list, oldest first. A waiting flag says that somebody on the list wants the
 * lock that way. Flags and list change only under wait_lock, and a waiter sets its flag in the same
 * exchange that found the lock not to be had, so whoever could let it in sees the flag in the word
 * it changes:
 *
 *   releases           while set      lets in
 *   write              READ_WAIT      all waiting readers, in the exchange that ends the write
 *   intent             INTENT_WAIT    the oldest waiter for intent; the bit stays set throughout
 *   the last read      WRITE_WAIT     the writer
 *   a writer gives up  READ_WAIT      all waiting readers
 *
 * The lock is handed over: the one who lets a waiter in does the waiter's exchange for it. A waiter
 * never has to compete again, nobody can overtake it, and each kind of waiter is served in order.
 * A writer waits for the readers that were there first and no others, since WRITE_WAIT refuses new
 * ones; readers wait for one write at most, since the end of a write lets them all in before
 * another can begin. The price is that a contended intent lock stands still while its next holder
 * wakes up. Spinning makes that rare: a task that finds the holder of intent running on a
 * processor, and nobody queued, tries for a few microseconds before it queues. One task per lock
 * spins (a crowd would only pull the cache line about), and the time is bounded because two
 * holders may spin on each other's locks; then both queue and the deadlock detection finds them.
 *
 * A waiter lies on the waiting task's stack or in its transaction. It is unlinked under wait_lock,
 * its task pointer is read, and then @granted is stored: from that store on the task may have
 * returned, so nothing of the waiter is touched afterwards, and rcu_read_lock() round the store and
 * the wake-up keeps the task_struct there even if the task exits.
 *
 * Deadlock detection is the caller's: it knows its transactions. bce_six_lock_hooked() calls its
 * should_sleep when the waiter is already on the list, so of two tasks closing a cycle at the same
 * time at least one sees the other. bce_six_for_each_waiter() and bce_six_holders() are what it
 * looks at; bce_six_recheck_waiters() makes the waiters of a lock ask again, for instance because
 * one has been chosen as victim. A wait that ends by error leaves no trace. If the lock had been
 * handed over already, the lock is taken and the error is dropped.
 *
 * Memory ordering
 * ---------------
 *
 * Taking a lock is an acquire, releasing it a release, both on @state: state_try() pairs with the
 * exchange or subtraction in the unlock functions. On a handover the releaser's exchange comes
 * before smp_store_release(@granted), which pairs with smp_load_acquire() in waiter_granted().
 * Releases by several readers form a release sequence that the last one's exchange continues.
 * @owner is a hint; it is stored with release and loaded with acquire only so that the task behind
 * it may be looked into.
 *
 * Rules
 * -----
 *
 * Process context. A lock may be released by another task than the one that took it, but lockdep
 * objects.
 * Unlocking may touch the lock after the next holder has it: the lock's memory must be kept by
 * something else than the lock itself. A task that holds read and wants more takes it by
 * bce_six_increment(), which never waits: a second bce_six_lock(read) would queue behind a writer
 * that waits for the first.
 *
 * There is no per-processor mode for readers.
 */
#include "six/six.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "kc/kc.h"

#define READER		1ULL
#define READERS		0x0000000000ffffffULL
#define INTENT_HELD	0x0000000001000000ULL
#define READ_WAIT	0x0000000002000000ULL
#define INTENT_WAIT	0x0000000004000000ULL
#define WRITE_WAIT	0x0000000008000000ULL
#define WRITE_HELD	0x0000000100000000ULL
#define SEQ_SHIFT	32

#define SPIN_MAX_NS	20000
#define SPINS_PER_CLOCK	16

static const char * const type_names[BCE_SIX_NR_TYPES] = { "read", "intent", "write" };

/*
 * What each type needs and does. @refused: bits that must be clear; @taken: added to the word;
 * @wait: the waiting flag. Adding WRITE carries into the sequence number.
 */
struct type_rule {
	u64	refused;
	u64	taken;
	u64	wait;
};

static const struct type_rule rules[BCE_SIX_NR_TYPES] = {
	[BCE_SIX_READ]		= { WRITE_HELD | WRITE_WAIT,	READER,		READ_WAIT },
	[BCE_SIX_INTENT]	= { INTENT_HELD,		INTENT_HELD,	INTENT_WAIT },
	[BCE_SIX_WRITE]		= { WRITE_HELD | READERS,	WRITE_HELD,	WRITE_WAIT },
};

static u64 state_read(const struct bce_six_lock *lock)
{
	return atomic64_read(&lock->state);
}

/* exchange with acquire order; @old is updated on failure */
static bool state_try(struct bce_six_lock *lock, u64 *old, u64 new)
{
	s64 expected = *old;
	bool done = atomic64_try_cmpxchg_acquire(&lock->state, &expected, new);

	*old = expected;
	return done;
}

/* exchange with release order */
static bool state_try_release(struct bce_six_lock *lock, u64 *old, u64 new)
{
	s64 expected = *old;
	bool done = atomic64_try_cmpxchg_release(&lock->state, &expected, new);

	*old = expected;
	return done;
}

static u32 state_seq(u64 state)
{
	return state >> SEQ_SHIFT;
}

/*
 * Lockdep: read is shared, intent exclusive (stricter than the lock is), and write is part of
 * intent. A caller with its own deadlock detection takes locks of a class in any order, which
 * lockdep would report: its locks are entered as if tried.
 */
static void dep_acquire(struct bce_six_lock *lock, enum bce_six_type type, bool tried,
			unsigned long ip)
{
	if (type == BCE_SIX_READ)
		lock_acquire_shared(&lock->dep_map, 0, tried, NULL, ip);
	else if (type == BCE_SIX_INTENT)
		lock_acquire_exclusive(&lock->dep_map, 0, tried, NULL, ip);
}

static void dep_release(struct bce_six_lock *lock, enum bce_six_type type, unsigned long ip)
{
	if (type != BCE_SIX_WRITE)
		lock_release(&lock->dep_map, ip);
}

/**
 * bce_six_lock_init_class() - initialise a lock of a given lockdep class
 * @lock: memory of the caller's
 * @name: of the class, static
 * @key:  of the class, static: one per level of a tree, for instance
 *
 * Context: any.
 */
void bce_six_lock_init_class(struct bce_six_lock *lock, const char *name,
			     struct lock_class_key *key)
{
	atomic64_set(&lock->state, 0);
	lock->owner = NULL;
	lock->intent_recurse = 0;
	lock->write_recurse = 0;
	atomic_set(&lock->spinner, 0);
	raw_spin_lock_init(&lock->wait_lock);
	INIT_LIST_HEAD(&lock->wait_list);
	lockdep_init_map(&lock->dep_map, name, key, 0);
}
EXPORT_SYMBOL_GPL(bce_six_lock_init_class);

/**
 * bce_six_lock_exit() - check that a lock may go
 * @lock: not held, not waited for
 *
 * Context: any. There is nothing to free.
 */
void bce_six_lock_exit(struct bce_six_lock *lock)
{
	WARN_ONCE(state_read(lock) & (READERS | INTENT_HELD | WRITE_HELD),
		  "six lock: freed while held\n");
	WARN_ONCE(!list_empty(&lock->wait_list), "six lock: freed while waited for\n");
}
EXPORT_SYMBOL_GPL(bce_six_lock_exit);

/* ---- taking without waiting ---- */

static bool state_admits(u64 state, enum bce_six_type type)
{
	return !(state & rules[type].refused);
}

/* publishes the task to owner_running(), which looks into it */
static void set_owner(struct bce_six_lock *lock, struct task_struct *owner)
{
	smp_store_release(&lock->owner, owner);
}

static void note_taken(struct bce_six_lock *lock, enum bce_six_type type)
{
	if (type == BCE_SIX_INTENT)
		set_owner(lock, current);
}

static bool lock_try(struct bce_six_lock *lock, enum bce_six_type type)
{
	u64 state = state_read(lock);

	do {
		if (!state_admits(state, type))
			return false;
	} while (!state_try(lock, &state, state + rules[type].taken));

	note_taken(lock, type);
	return true;
}

static bool write_needs_intent(struct bce_six_lock *lock, enum bce_six_type type)
{
	return WARN_ONCE(type == BCE_SIX_WRITE && !(state_read(lock) & INTENT_HELD),
			 "six lock: write wanted without intent\n");
}

/**
 * bce_six_trylock() - take a lock if that needs no waiting
 * @lock: for write: intent is held by the caller
 * @type: how
 *
 * Context: any in which the matching unlock is allowed; does not sleep.
 * Return:  true if the lock is held now.
 */
bool bce_six_trylock(struct bce_six_lock *lock, enum bce_six_type type)
{
	if (write_needs_intent(lock, type) || !lock_try(lock, type))
		return false;
	dep_acquire(lock, type, true, _RET_IP_);
	return true;
}
EXPORT_SYMBOL_GPL(bce_six_trylock);

/**
 * bce_six_relock() - take a lock again if nobody has written since
 * @lock: was held by the caller before
 * @type: read or intent
 * @seq:  bce_six_seq() while it was held, after the caller's own last write
 *
 * What the caller read under the lock then is still so. Fails also if the lock cannot be had
 * without waiting.
 *
 * Context: as bce_six_trylock().
 * Return:  true if the lock is held now.
 */
bool bce_six_relock(struct bce_six_lock *lock, enum bce_six_type type, u32 seq)
{
	u64 state = state_read(lock);

	if (WARN_ONCE(type == BCE_SIX_WRITE, "six lock: write cannot be relocked\n"))
		return false;
	do {
		if (state_seq(state) != seq || !state_admits(state, type) || (state & WRITE_HELD))
			return false;
	} while (!state_try(lock, &state, state + rules[type].taken));

	note_taken(lock, type);
	dep_acquire(lock, type, true, _RET_IP_);
	return true;
}
EXPORT_SYMBOL_GPL(bce_six_relock);

/* ---- waiters ---- */

static struct bce_six_waiter *first_waiter(struct bce_six_lock *lock, enum bce_six_type type)
{
	struct bce_six_waiter *w;

	lockdep_assert_held(&lock->wait_lock);
	list_for_each_entry(w, &lock->wait_list, list)
		if (w->type == type)
			return w;
	return NULL;
}

static void forget_wait(struct bce_six_lock *lock, enum bce_six_type type)
{
	if (!first_waiter(lock, type))
		atomic64_andnot(rules[type].wait, &lock->state);
}

/* The lock is the waiter's: the caller has changed @state for it and unlinked it. It may go now. */
static void waiter_grant(struct bce_six_waiter *w)
{
	struct task_struct *task = w->task;

	rcu_read_lock();
	/* pairs with waiter_granted(): publishes the state taken for the waiter */
	smp_store_release(&w->granted, true);
	wake_up_process(task);
	rcu_read_unlock();
}

static bool waiter_granted(const struct bce_six_waiter *w)
{
	/* pairs with waiter_grant() */
	return smp_load_acquire(&w->granted);
}

static unsigned int count_waiters(struct bce_six_lock *lock, enum bce_six_type type)
{
	struct bce_six_waiter *w;
	unsigned int nr = 0;

	list_for_each_entry(w, &lock->wait_list, list)
		nr += w->type == type;
	return nr;
}

/*
 * Add @delta to the word and let in all readers that wait, in one step: nobody can take write in
 * between. The caller knows that @delta leaves readers welcome.
 */
static void add_and_admit_readers(struct bce_six_lock *lock, u64 delta)
{
	struct bce_six_waiter *w, *next;

	lockdep_assert_held(&lock->wait_lock);
	delta += count_waiters(lock, BCE_SIX_READ) * READER;
	if (state_read(lock) & READ_WAIT)
		delta -= READ_WAIT;
	/* releases the write, and orders the grants after it */
	atomic64_add_return(delta, &lock->state);

	list_for_each_entry_safe(w, next, &lock->wait_list, list)
		if (w->type == BCE_SIX_READ) {
			list_del(&w->list);
			waiter_grant(w);
		}
}

/* The last reader has left, or may have: write goes to the waiting writer. */
static void admit_writer(struct bce_six_lock *lock)
{
	struct bce_six_waiter *w;
	u64 state;

	raw_spin_lock(&lock->wait_lock);
	w = first_waiter(lock, BCE_SIX_WRITE);
	state = state_read(lock);
	while (w && state_admits(state, BCE_SIX_WRITE)) {
		if (state_try(lock, &state, state + WRITE_HELD - WRITE_WAIT)) {
			list_del(&w->list);
			waiter_grant(w);
			break;
		}
	}
	raw_spin_unlock(&lock->wait_lock);
}

/* Intent is held and released to the oldest waiter. False: there is none. */
static bool pass_intent(struct bce_six_lock *lock)
{
	struct bce_six_waiter *w;

	raw_spin_lock(&lock->wait_lock);
	w = first_waiter(lock, BCE_SIX_INTENT);
	if (w) {
		list_del(&w->list);
		forget_wait(lock, BCE_SIX_INTENT);
		set_owner(lock, w->task);
		waiter_grant(w);
	}
	raw_spin_unlock(&lock->wait_lock);
	return w;
}

/* Take the lock, or else set the waiting flag in the very exchange that found it taken. */
static bool take_or_flag(struct bce_six_lock *lock, enum bce_six_type type)
{
	u64 state = state_read(lock), new;
	bool admitted;

	do {
		admitted = state_admits(state, type);
		new = admitted ? state + rules[type].taken : state | rules[type].wait;
	} while (!state_try(lock, &state, new));
	return admitted;
}

/* True: the lock came free and is taken. False: @w is on the list. */
static bool waiter_queue(struct bce_six_lock *lock, struct bce_six_waiter *w)
{
	bool taken;

	raw_spin_lock(&lock->wait_lock);
	taken = take_or_flag(lock, w->type);
	if (!taken)
		list_add_tail(&w->list, &lock->wait_list);
	raw_spin_unlock(&lock->wait_lock);

	if (taken)
		note_taken(lock, w->type);
	return taken;
}

/* False: too late, the lock has been handed over. */
static bool waiter_withdraw(struct bce_six_lock *lock, struct bce_six_waiter *w)
{
	bool withdrawn;

	raw_spin_lock(&lock->wait_lock);
	withdrawn = !w->granted;
	if (withdrawn) {
		list_del(&w->list);
		if (w->type == BCE_SIX_WRITE)
			add_and_admit_readers(lock, -WRITE_WAIT);
		else
			forget_wait(lock, w->type);
	}
	raw_spin_unlock(&lock->wait_lock);
	return withdrawn;
}

static int waiter_ask(struct bce_six_waiter *w, bce_six_should_sleep_fn should_sleep)
{
	return should_sleep ? should_sleep(w->lock, w->arg) : 0;
}

static int waiter_sleep(struct bce_six_waiter *w, bce_six_should_sleep_fn should_sleep)
{
	int ret;

	for (;;) {
		/*
		 * A recheck that comes after this makes us ask again; what its caller did before
		 * one that came earlier is seen by should_sleep. Pairs with
		 * bce_six_recheck_waiters().
		 */
		smp_store_mb(w->recheck, false);
		ret = waiter_ask(w, should_sleep);
		if (ret)
			return waiter_withdraw(w->lock, w) ? ret : 0;

		set_current_state(TASK_UNINTERRUPTIBLE);
		if (!waiter_granted(w) && !READ_ONCE(w->recheck))
			schedule();
		__set_current_state(TASK_RUNNING);
		if (waiter_granted(w))
			return 0;
	}
}

/* ---- spinning ---- */

/* No owner although intent or write is held: it is just changing, worth another look. */
static bool owner_running(struct bce_six_lock *lock)
{
	struct task_struct *owner;
	bool running;

	rcu_read_lock();
	owner = smp_load_acquire(&lock->owner);	/* pairs with set_owner() */
	running = !owner || kc_owner_running(owner);
	rcu_read_unlock();
	return running;
}

/* A writer waits for readers, whom nobody knows; the others wait for the holder of intent. */
static bool may_spin(struct bce_six_lock *lock, enum bce_six_type type)
{
	return type != BCE_SIX_WRITE &&
		!(state_read(lock) & (rules[type].wait | WRITE_WAIT)) &&
		owner_running(lock) && !need_resched();
}

static bool spin_until_taken(struct bce_six_lock *lock, enum bce_six_type type)
{
	u64 deadline_ns = ktime_get_ns() + SPIN_MAX_NS;
	unsigned int n = 0;

	while (!lock_try(lock, type)) {
		if (!may_spin(lock, type))
			return false;
		if (++n % SPINS_PER_CLOCK == 0 && ktime_get_ns() > deadline_ns)
			return false;
		cpu_relax();
	}
	return true;
}

static bool lock_spin(struct bce_six_lock *lock, enum bce_six_type type)
{
	bool taken;

	if (!may_spin(lock, type) || atomic_xchg(&lock->spinner, 1))
		return false;
	taken = spin_until_taken(lock, type);
	atomic_set_release(&lock->spinner, 0);
	return taken;
}

/* ---- taking with waiting ---- */

static int lock_wait(struct bce_six_lock *lock, enum bce_six_type type, struct bce_six_waiter *w,
		     bce_six_should_sleep_fn should_sleep, void *arg)
{
	w->lock = lock;
	w->task = current;
	w->type = type;
	w->granted = false;
	w->recheck = false;
	w->start_ns = ktime_get_ns();
	w->arg = arg;

	return waiter_queue(lock, w) ? 0 : waiter_sleep(w, should_sleep);
}

/**
 * bce_six_lock_hooked() - take a lock, asking the caller's deadlock detection before sleeping
 * @lock:         for write: intent is held by the caller
 * @type:         how
 * @waiter:       the caller's, where its detector finds it; unused again on return
 * @should_sleep: see bce_six_should_sleep_fn; NULL: always sleep
 * @arg:          for @should_sleep, and @waiter->arg
 *
 * A writer that waits keeps new readers out while @should_sleep thinks.
 *
 * Context: may sleep, uninterruptibly.
 * Return:  0: held now; otherwise what @should_sleep returned, and nothing has changed.
 */
int bce_six_lock_hooked(struct bce_six_lock *lock, enum bce_six_type type,
			struct bce_six_waiter *waiter,
			bce_six_should_sleep_fn should_sleep, void *arg)
{
	int ret;

	might_sleep();
	if (write_needs_intent(lock, type))
		return -EINVAL;
	if (!lock_try(lock, type) && !lock_spin(lock, type)) {
		ret = lock_wait(lock, type, waiter, should_sleep, arg);
		if (ret)
			return ret;
	}
	dep_acquire(lock, type, true, _RET_IP_);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_six_lock_hooked);

/**
 * bce_six_lock() - take a lock, waiting as long as it takes
 * @lock: for write: intent is held by the caller
 * @type: how
 *
 * Context: may sleep, uninterruptibly.
 */
void bce_six_lock(struct bce_six_lock *lock, enum bce_six_type type)
{
	struct bce_six_waiter w;

	might_sleep();
	write_needs_intent(lock, type);
	dep_acquire(lock, type, false, _RET_IP_);
	if (!lock_try(lock, type) && !lock_spin(lock, type))
		lock_wait(lock, type, &w, NULL, NULL);
}
EXPORT_SYMBOL_GPL(bce_six_lock);

/* ---- releasing ---- */

static void unlock_read(struct bce_six_lock *lock)
{
	u64 state = atomic64_sub_return_release(READER, &lock->state);

	if (WARN_ONCE((state & READERS) == READERS, "six lock: read released but not held\n"))
		atomic64_add(READER, &lock->state);
	else if (!(state & READERS) && (state & WRITE_WAIT))
		admit_writer(lock);
}

static void unlock_intent(struct bce_six_lock *lock)
{
	u64 state = state_read(lock);

	if (WARN_ONCE(!(state & INTENT_HELD) || (state & WRITE_HELD),
		      "six lock: intent released but not held, or under write\n"))
		return;
	if (lock->intent_recurse) {
		WRITE_ONCE(lock->intent_recurse, lock->intent_recurse - 1);
		return;
	}

	set_owner(lock, NULL);
	for (;;) {
		if (state & INTENT_WAIT) {
			if (pass_intent(lock))
				return;
			state = state_read(lock);
		} else if (state_try_release(lock, &state, state & ~INTENT_HELD)) {
			return;
		}
	}
}

static void unlock_write(struct bce_six_lock *lock)
{
	u64 state = state_read(lock);

	if (WARN_ONCE(!(state & WRITE_HELD), "six lock: write released but not held\n"))
		return;
	if (lock->write_recurse) {
		lock->write_recurse--;
		return;
	}

	while (!(state & READ_WAIT))
		if (state_try_release(lock, &state, state + WRITE_HELD))
			return;

	raw_spin_lock(&lock->wait_lock);
	add_and_admit_readers(lock, WRITE_HELD);
	raw_spin_unlock(&lock->wait_lock);
}

static void unlock_type(struct bce_six_lock *lock, enum bce_six_type type)
{
	switch (type) {
	case BCE_SIX_READ:
		unlock_read(lock);
		break;
	case BCE_SIX_INTENT:
		unlock_intent(lock);
		break;
	case BCE_SIX_WRITE:
		unlock_write(lock);
		break;
	}
}

/**
 * bce_six_unlock() - release one hold
 * @lock: held
 * @type: how; write is released before intent
 *
 * Context: process context; does not sleep.
 */
void bce_six_unlock(struct bce_six_lock *lock, enum bce_six_type type)
{
	dep_release(lock, type, _RET_IP_);
	unlock_type(lock, type);
}
EXPORT_SYMBOL_GPL(bce_six_unlock);

/* ---- changing a hold ---- */

/**
 * bce_six_tryupgrade() - turn a hold of read into one of intent
 * @lock: read is held by the caller
 *
 * There is no upgrade that waits: two readers waiting for each other's upgrade would wait for ever.
 *
 * Context: does not sleep.
 * Return:  false if somebody (the caller's other holds included) has intent: read is still held.
 */
bool bce_six_tryupgrade(struct bce_six_lock *lock)
{
	u64 state = state_read(lock);

	if (WARN_ONCE(!(state & READERS), "six lock: upgraded without read\n"))
		return false;
	do {
		if (!state_admits(state, BCE_SIX_INTENT))
			return false;
	} while (!state_try(lock, &state, state + INTENT_HELD - READER));

	note_taken(lock, BCE_SIX_INTENT);
	dep_release(lock, BCE_SIX_READ, _RET_IP_);
	dep_acquire(lock, BCE_SIX_INTENT, true, _RET_IP_);
	return true;
}
EXPORT_SYMBOL_GPL(bce_six_tryupgrade);

/**
 * bce_six_downgrade() - turn a hold of intent into one of read
 * @lock: intent is held by the caller, write is not
 *
 * Nobody can write in between.
 *
 * Context: does not sleep.
 */
void bce_six_downgrade(struct bce_six_lock *lock)
{
	if (WARN_ONCE(!(state_read(lock) & INTENT_HELD), "six lock: downgraded without intent\n"))
		return;
	dep_release(lock, BCE_SIX_INTENT, _RET_IP_);
	atomic64_add(READER, &lock->state);
	unlock_intent(lock);
	dep_acquire(lock, BCE_SIX_READ, true, _RET_IP_);
}
EXPORT_SYMBOL_GPL(bce_six_downgrade);

/**
 * bce_six_convert() - turn a hold of read or intent into another
 * @lock: held by the caller
 * @from: how it is held
 * @to:   how it shall be
 *
 * Context: does not sleep.
 * Return:  true if it is held as @to now, false if it still is as @from.
 */
bool bce_six_convert(struct bce_six_lock *lock, enum bce_six_type from, enum bce_six_type to)
{
	if (WARN_ONCE(from == BCE_SIX_WRITE || to == BCE_SIX_WRITE,
		      "six lock: write is taken and released, not converted\n"))
		return false;
	if (from == to)
		return true;
	if (to == BCE_SIX_INTENT)
		return bce_six_tryupgrade(lock);
	bce_six_downgrade(lock);
	return true;
}
EXPORT_SYMBOL_GPL(bce_six_convert);

/**
 * bce_six_increment() - hold once more what the caller holds already
 * @lock: held by the caller: for read as read or intent, else as @type
 * @type: which hold is added; needs an unlock of its own
 *
 * Never waits, not even for a waiting writer.
 *
 * Context: does not sleep.
 */
void bce_six_increment(struct bce_six_lock *lock, enum bce_six_type type)
{
	u64 state = state_read(lock);
	u64 held = type == BCE_SIX_READ ? READERS | INTENT_HELD : rules[type].taken;

	if (WARN_ONCE(!(state & held), "six lock: increment of a lock that is not held\n"))
		return;
	if (type == BCE_SIX_READ)
		atomic64_add(READER, &lock->state);
	else if (type == BCE_SIX_INTENT)
		WRITE_ONCE(lock->intent_recurse, lock->intent_recurse + 1);
	else
		lock->write_recurse++;
	dep_acquire(lock, type, true, _RET_IP_);
}
EXPORT_SYMBOL_GPL(bce_six_increment);

/**
 * bce_six_hide_readers() - leave the caller's own read holds out of account
 * @lock: intent is held by the caller
 * @nr:   how many holds of read the caller has besides
 *
 * So that a transaction that reads a node in several places can write to it without waiting for
 * itself. Undone by bce_six_show_readers() before intent is released.
 *
 * Context: does not sleep.
 */
void bce_six_hide_readers(struct bce_six_lock *lock, unsigned int nr)
{
	u64 state = state_read(lock);

	if (WARN_ONCE(!(state & INTENT_HELD) || (state & READERS) < nr,
		      "six lock: readers hidden that are not there, or without intent\n"))
		return;
	atomic64_sub(nr * READER, &lock->state);
}
EXPORT_SYMBOL_GPL(bce_six_hide_readers);

/**
 * bce_six_show_readers() - undo bce_six_hide_readers()
 * @lock: intent is held by the caller
 * @nr:   how many holds come back
 *
 * Context: does not sleep.
 */
void bce_six_show_readers(struct bce_six_lock *lock, unsigned int nr)
{
	WARN_ONCE(!(state_read(lock) & INTENT_HELD), "six lock: readers shown without intent\n");
	atomic64_add(nr * READER, &lock->state);
}
EXPORT_SYMBOL_GPL(bce_six_show_readers);

/* ---- looking ---- */

/**
 * bce_six_seq() - the sequence number
 * @lock: held by the caller, or the answer may be out of date at once
 *
 * Context: any.
 * Return:  number for bce_six_relock(); odd while write is held, and then of no use there.
 */
u32 bce_six_seq(const struct bce_six_lock *lock)
{
	return state_seq(atomic64_read_acquire(&lock->state));
}
EXPORT_SYMBOL_GPL(bce_six_seq);

/**
 * bce_six_holders() - who holds a lock
 * @lock:    any
 * @holders: filled in; out of date at once unless the caller holds the lock
 *
 * Context: any.
 */
void bce_six_holders(const struct bce_six_lock *lock, struct bce_six_holders *holders)
{
	u64 state = atomic64_read_acquire(&lock->state);

	holders->readers = state & READERS;
	holders->intent = state & INTENT_HELD;
	holders->write = state & WRITE_HELD;
	holders->seq = state_seq(state);
	holders->owner = holders->intent ? smp_load_acquire(&lock->owner) : NULL;
}
EXPORT_SYMBOL_GPL(bce_six_holders);

/**
 * bce_six_for_each_waiter() - look at those who wait for a lock, oldest first
 * @lock: any
 * @fn:   called for each until it returns true
 * @arg:  for @fn
 *
 * The waiters and their tasks stay while @fn runs; a task that is to be remembered needs a
 * reference.
 *
 * Context: holds the wait lock, so @fn must not sleep or call other functions for @lock.
 * Return:  whether @fn ended the walk.
 */
bool bce_six_for_each_waiter(struct bce_six_lock *lock, bce_six_walk_fn fn, void *arg)
{
	struct bce_six_waiter *w;
	bool ended = false;

	raw_spin_lock(&lock->wait_lock);
	list_for_each_entry(w, &lock->wait_list, list) {
		ended = fn(w, arg);
		if (ended)
			break;
	}
	raw_spin_unlock(&lock->wait_lock);
	return ended;
}
EXPORT_SYMBOL_GPL(bce_six_for_each_waiter);

static bool waiter_recheck(struct bce_six_waiter *w, void *arg)
{
	/* with the wake-up, pairs with the barrier in set_current_state() in waiter_sleep() */
	WRITE_ONCE(w->recheck, true);
	wake_up_process(w->task);
	return false;
}

/**
 * bce_six_recheck_waiters() - have every waiter ask its should_sleep again
 * @lock: any
 *
 * Context: does not sleep.
 */
void bce_six_recheck_waiters(struct bce_six_lock *lock)
{
	/* the caller's reason before the request; pairs with waiter_sleep() */
	smp_mb();
	bce_six_for_each_waiter(lock, waiter_recheck, NULL);
}
EXPORT_SYMBOL_GPL(bce_six_recheck_waiters);

struct text_buf {
	char	*buf;
	size_t	size;
	int	len;
	u64	now_ns;
};

static bool waiter_to_text(struct bce_six_waiter *w, void *arg)
{
	struct text_buf *t = arg;

	t->len += scnprintf(t->buf + t->len, t->size - t->len, "\n  waits for %s: pid %d, %llu us",
			    type_names[w->type], w->task->pid,
			    (unsigned long long)(t->now_ns - w->start_ns) / 1000);
	return false;
}

static int owner_pid(const struct bce_six_holders *h)
{
	return h->owner ? h->owner->pid : 0;
}

/**
 * bce_six_to_text() - state of a lock for a debugging message
 * @lock:       any
 * @buf:        filled with one line and one more per waiter, without a last newline
 * @size_bytes: of @buf, at least 1
 *
 * Context: does not sleep.
 * Return:  length of the text; it is cut off if @buf is too small.
 */
int bce_six_to_text(struct bce_six_lock *lock, char *buf, size_t size_bytes)
{
	struct text_buf t = { .buf = buf, .size = size_bytes, .now_ns = ktime_get_ns() };
	struct bce_six_holders h;

	rcu_read_lock();
	bce_six_holders(lock, &h);
	t.len = scnprintf(buf, size_bytes, "readers %u, intent %u (pid %d, +%u), write %u, seq %u",
			  h.readers, h.intent, owner_pid(&h), READ_ONCE(lock->intent_recurse),
			  h.write, h.seq);
	rcu_read_unlock();
	bce_six_for_each_waiter(lock, waiter_to_text, &t);
	return t.len;
}
EXPORT_SYMBOL_GPL(bce_six_to_text);
