/* SPDX-License-Identifier: GPL-2.0 */
/* Sleepable RCU. */
#ifndef KAPI_LINUX_SRCU_H
#define KAPI_LINUX_SRCU_H

#include <linux/rcupdate.h>
#include <pthread.h>

struct srcu_struct {
	pthread_mutex_t kapi_mutex;
	pthread_cond_t kapi_cond;
	unsigned int kapi_idx;
	unsigned long kapi_readers[2];
	bool kapi_flipping;
};
#define DEFINE_STATIC_SRCU(name) static struct srcu_struct name = { \
	.kapi_mutex = PTHREAD_MUTEX_INITIALIZER, .kapi_cond = PTHREAD_COND_INITIALIZER }

int init_srcu_struct(struct srcu_struct *s);
void cleanup_srcu_struct(struct srcu_struct *s);
int srcu_read_lock(struct srcu_struct *s);
void srcu_read_unlock(struct srcu_struct *s, int idx);
void synchronize_srcu(struct srcu_struct *s);
#define synchronize_srcu_expedited(s)	synchronize_srcu(s)
#define srcu_read_lock_held(s)		1
#define srcu_dereference(p, s)		rcu_dereference(p)

#endif
