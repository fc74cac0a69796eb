/* SPDX-License-Identifier: GPL-2.0 */
/* Counting semaphores. */
#ifndef KAPI_LINUX_SEMAPHORE_H
#define KAPI_LINUX_SEMAPHORE_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <pthread.h>

struct semaphore {
	pthread_mutex_t kapi_mutex;
	pthread_cond_t kapi_cond;
	unsigned int count;
};

void sema_init(struct semaphore *s, int val);
void down(struct semaphore *s);
/* 0 when taken, 1 when not: the kernel's convention. */
int __must_check down_trylock(struct semaphore *s);
void up(struct semaphore *s);

#endif
