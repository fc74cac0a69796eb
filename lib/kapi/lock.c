// SPDX-License-Identifier: GPL-2.0
/*
 * Spin locks, mutexes, semaphores: pthread mutexes and condition variables, so that TSan knows
 * every edge. Mutexes and spin locks are of the error-checking kind: locking twice, or unlocking
 * what another thread locked, is a BUG at once instead of a hang.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <linux/bit_spinlock.h>
#include <linux/bug.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>

static void checked_init(pthread_mutex_t *m)
{
	static const pthread_mutex_t fresh = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

	memcpy(m, &fresh, sizeof(*m));
}

void spin_lock_init(spinlock_t *l)
{
	checked_init(&l->kapi_mutex);
}

void spin_lock(spinlock_t *l)
{
	BUG_ON(pthread_mutex_lock(&l->kapi_mutex));
}

void spin_unlock(spinlock_t *l)
{
	BUG_ON(pthread_mutex_unlock(&l->kapi_mutex));
}

int spin_trylock(spinlock_t *l)
{
	return pthread_mutex_trylock(&l->kapi_mutex) == 0;
}

int spin_is_locked(spinlock_t *l)
{
	if (!spin_trylock(l))
		return 1;
	spin_unlock(l);
	return 0;
}

void rwlock_init(rwlock_t *l)
{
	pthread_rwlock_init(&l->kapi_rwlock, NULL);
}

void read_lock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_rdlock(&l->kapi_rwlock));
}

void read_unlock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_unlock(&l->kapi_rwlock));
}

void write_lock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_wrlock(&l->kapi_rwlock));
}

void write_unlock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_unlock(&l->kapi_rwlock));
}

void bit_spin_lock(int nr, unsigned long *p)
{
	while (!bit_spin_trylock(nr, p))
		sched_yield();
}

void mutex_init(struct mutex *m)
{
	checked_init(&m->kapi_mutex);
	m->kapi_locked = 0;
}

void mutex_destroy(struct mutex *m)
{
	WARN_ON(mutex_is_locked(m));
	pthread_mutex_destroy(&m->kapi_mutex);
}

void mutex_lock(struct mutex *m)
{
	BUG_ON(pthread_mutex_lock(&m->kapi_mutex));
	WRITE_ONCE(m->kapi_locked, 1);
}

void mutex_unlock(struct mutex *m)
{
	WRITE_ONCE(m->kapi_locked, 0);
	BUG_ON(pthread_mutex_unlock(&m->kapi_mutex));
}

int mutex_trylock(struct mutex *m)
{
	if (pthread_mutex_trylock(&m->kapi_mutex))
		return 0;
	WRITE_ONCE(m->kapi_locked, 1);
	return 1;
}

bool mutex_is_locked(struct mutex *m)
{
	return READ_ONCE(m->kapi_locked);
}

/* ---- reader/writer semaphores ---- */

void init_rwsem(struct rw_semaphore *s)
{
	pthread_mutex_init(&s->kapi_mutex, NULL);
	pthread_cond_init(&s->kapi_cond, NULL);
	s->kapi_count = 0;
	s->kapi_writers_waiting = 0;
}

void down_read(struct rw_semaphore *s)
{
	pthread_mutex_lock(&s->kapi_mutex);
	while (s->kapi_count < 0 || s->kapi_writers_waiting)
		pthread_cond_wait(&s->kapi_cond, &s->kapi_mutex);
	s->kapi_count++;
	pthread_mutex_unlock(&s->kapi_mutex);
}

int down_read_trylock(struct rw_semaphore *s)
{
	int ok;

	pthread_mutex_lock(&s->kapi_mutex);
	ok = s->kapi_count >= 0;
	s->kapi_count += ok;
	pthread_mutex_unlock(&s->kapi_mutex);
	return ok;
}

void up_read(struct rw_semaphore *s)
{
	pthread_mutex_lock(&s->kapi_mutex);
	BUG_ON(s->kapi_count <= 0);
	if (!--s->kapi_count)
		pthread_cond_broadcast(&s->kapi_cond);
	pthread_mutex_unlock(&s->kapi_mutex);
}

void down_write(struct rw_semaphore *s)
{
	pthread_mutex_lock(&s->kapi_mutex);
	s->kapi_writers_waiting++;
	while (s->kapi_count)
		pthread_cond_wait(&s->kapi_cond, &s->kapi_mutex);
	s->kapi_writers_waiting--;
	s->kapi_count = -1;
	pthread_mutex_unlock(&s->kapi_mutex);
}

int down_write_trylock(struct rw_semaphore *s)
{
	int ok;

	pthread_mutex_lock(&s->kapi_mutex);
	ok = !s->kapi_count;
	if (ok)
		s->kapi_count = -1;
	pthread_mutex_unlock(&s->kapi_mutex);
	return ok;
}

static void write_leave(struct rw_semaphore *s, int readers)
{
	pthread_mutex_lock(&s->kapi_mutex);
	BUG_ON(s->kapi_count != -1);
	s->kapi_count = readers;
	pthread_cond_broadcast(&s->kapi_cond);
	pthread_mutex_unlock(&s->kapi_mutex);
}

void up_write(struct rw_semaphore *s)
{
	write_leave(s, 0);
}

void downgrade_write(struct rw_semaphore *s)
{
	write_leave(s, 1);
}

int rwsem_is_locked(struct rw_semaphore *s)
{
	int locked;

	pthread_mutex_lock(&s->kapi_mutex);
	locked = s->kapi_count != 0;
	pthread_mutex_unlock(&s->kapi_mutex);
	return locked;
}

int rwsem_is_contended(struct rw_semaphore *s)
{
	int waiting;

	pthread_mutex_lock(&s->kapi_mutex);
	waiting = s->kapi_writers_waiting != 0;
	pthread_mutex_unlock(&s->kapi_mutex);
	return waiting;
}

/* ---- counting semaphores ---- */

void sema_init(struct semaphore *s, int val)
{
	pthread_mutex_init(&s->kapi_mutex, NULL);
	pthread_cond_init(&s->kapi_cond, NULL);
	s->count = val;
}

void down(struct semaphore *s)
{
	pthread_mutex_lock(&s->kapi_mutex);
	while (!s->count)
		pthread_cond_wait(&s->kapi_cond, &s->kapi_mutex);
	s->count--;
	pthread_mutex_unlock(&s->kapi_mutex);
}

int down_trylock(struct semaphore *s)
{
	int ok;

	pthread_mutex_lock(&s->kapi_mutex);
	ok = s->count > 0;
	s->count -= ok;
	pthread_mutex_unlock(&s->kapi_mutex);
	return !ok;
}

void up(struct semaphore *s)
{
	pthread_mutex_lock(&s->kapi_mutex);
	s->count++;
	pthread_cond_signal(&s->kapi_cond);
	pthread_mutex_unlock(&s->kapi_mutex);
}
