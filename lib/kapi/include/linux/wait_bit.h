/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for a bit or a variable. */
#ifndef KAPI_LINUX_WAIT_BIT_H
#define KAPI_LINUX_WAIT_BIT_H

#include <linux/bitops.h>
#include <linux/wait.h>

/* One queue of a small hashed set. */
struct wait_queue_head *__var_waitqueue(void *p);
void wake_up_bit(void *word, int bit);
void wake_up_var(void *var);
int wait_on_bit(unsigned long *word, int bit, unsigned int mode);
int wait_on_bit_lock(unsigned long *word, int bit, unsigned int mode);
void clear_and_wake_up_bit(int bit, unsigned long *word);
#define wait_on_bit_io(w, b, m)	wait_on_bit(w, b, m)
#define wait_var_event(var, cond) do { \
	if (!(cond)) \
		__kapi_wait_event(*__var_waitqueue(var), cond, TASK_UNINTERRUPTIBLE, 0, \
				  schedule()); \
} while (0)

#endif
