/* SPDX-License-Identifier: GPL-2.0 */
/* A spin lock in one bit. */
#ifndef KAPI_LINUX_BIT_SPINLOCK_H
#define KAPI_LINUX_BIT_SPINLOCK_H

#include <linux/bitops.h>
#include <linux/compiler.h>

void bit_spin_lock(int nr, unsigned long *p);

static inline int bit_spin_trylock(int nr, unsigned long *p)
{
	return !test_and_set_bit_lock(nr, p);
}

static inline void bit_spin_unlock(int nr, unsigned long *p)
{
	clear_bit_unlock(nr, p);
}
#define __bit_spin_unlock(nr, p)	bit_spin_unlock(nr, p)

static inline int bit_spin_is_locked(int nr, unsigned long *p)
{
	return test_bit(nr, p);
}

#endif
