/* SPDX-License-Identifier: GPL-2.0 */
/* The grab bag of the kernel. */
#ifndef KAPI_LINUX_KERNEL_H
#define KAPI_LINUX_KERNEL_H

#include_next <linux/kernel.h>
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/container_of.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/typecheck.h>
#include <linux/types.h>

#define upper_32_bits(n)	((u32)(((n) >> 16) >> 16))
#define lower_32_bits(n)	((u32)((n) & 0xffffffff))
#define u64_to_user_ptr(x)	((void *)(uintptr_t)(x))
#define REPEAT_BYTE(x)		((~0ul / 0xff) * (x))
#define might_sleep()		do { } while (0)
#define might_sleep_if(c)	do { } while (0)
#define might_fault()		do { } while (0)
#define cant_sleep()		do { } while (0)
#define READ	0
#define WRITE	1

int sscanf(const char *s, const char *fmt, ...) __scanf(2, 3);
void __noreturn __printf(1, 2) panic(const char *fmt, ...);

#endif
