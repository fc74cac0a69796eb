/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel log and the kernel printf. */
#ifndef KAPI_LINUX_PRINTK_H
#define KAPI_LINUX_PRINTK_H

#include <linux/compiler.h>
#include <linux/ratelimit_types.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>

#define KERN_SOH	"\001"
#define KERN_EMERG	KERN_SOH "0"
#define KERN_ALERT	KERN_SOH "1"
#define KERN_CRIT	KERN_SOH "2"
#define KERN_ERR	KERN_SOH "3"
#define KERN_WARNING	KERN_SOH "4"
#define KERN_NOTICE	KERN_SOH "5"
#define KERN_INFO	KERN_SOH "6"
#define KERN_DEBUG	KERN_SOH "7"
#define KERN_DEFAULT	""
#define KERN_CONT	KERN_SOH "c"

struct va_format {
	const char *fmt;
	va_list *va;
};

int __printf(1, 2) kapi_printk(const char *fmt, ...);
int __printf(1, 0) kapi_vprintk(const char *fmt, va_list args);
int __printf(3, 4) kapi_snprintf(char *buf, size_t size, const char *fmt, ...);
int __printf(3, 0) kapi_vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int __printf(3, 4) scnprintf(char *buf, size_t size, const char *fmt, ...);
int __printf(3, 0) vscnprintf(char *buf, size_t size, const char *fmt, va_list args);
char * __printf(2, 3) kasprintf(gfp_t gfp, const char *fmt, ...);
char * __printf(2, 0) kvasprintf(gfp_t gfp, const char *fmt, va_list args);

/* The C library does not know %pU, %pV and their kin. */
#define snprintf	kapi_snprintf
#define vsnprintf	kapi_vsnprintf

#define printk		kapi_printk
#define _printk		kapi_printk
#define vprintk		kapi_vprintk

#ifndef pr_fmt
#define pr_fmt(fmt)	fmt
#endif
#define pr_emerg(fmt, ...)	printk(KERN_EMERG pr_fmt(fmt), ## __VA_ARGS__)
#define pr_alert(fmt, ...)	printk(KERN_ALERT pr_fmt(fmt), ## __VA_ARGS__)
#define pr_crit(fmt, ...)	printk(KERN_CRIT pr_fmt(fmt), ## __VA_ARGS__)
#define pr_err(fmt, ...)	printk(KERN_ERR pr_fmt(fmt), ## __VA_ARGS__)
#define pr_warn(fmt, ...)	printk(KERN_WARNING pr_fmt(fmt), ## __VA_ARGS__)
#define pr_notice(fmt, ...)	printk(KERN_NOTICE pr_fmt(fmt), ## __VA_ARGS__)
#define pr_info(fmt, ...)	printk(KERN_INFO pr_fmt(fmt), ## __VA_ARGS__)
#define pr_cont(fmt, ...)	printk(KERN_CONT fmt, ## __VA_ARGS__)
#define pr_debug(fmt, ...)	printk(KERN_DEBUG pr_fmt(fmt), ## __VA_ARGS__)
#define no_printk(fmt, ...)	({ if (0) printk(fmt, ## __VA_ARGS__); 0; })
#define printk_once(fmt, ...) ({ \
	static bool __po_done; \
	if (!__atomic_exchange_n(&__po_done, true, __ATOMIC_RELAXED)) \
		printk(fmt, ## __VA_ARGS__); \
})
#define pr_err_once(fmt, ...)	printk_once(KERN_ERR pr_fmt(fmt), ## __VA_ARGS__)
#define pr_warn_once(fmt, ...)	printk_once(KERN_WARNING pr_fmt(fmt), ## __VA_ARGS__)
#define pr_info_once(fmt, ...)	printk_once(KERN_INFO pr_fmt(fmt), ## __VA_ARGS__)

#define printk_ratelimited(fmt, ...) ({ \
	static DEFINE_RATELIMIT_STATE(__pr_rs, DEFAULT_RATELIMIT_INTERVAL, \
				      DEFAULT_RATELIMIT_BURST); \
	if (__ratelimit(&__pr_rs)) \
		printk(fmt, ## __VA_ARGS__); \
})
#define pr_err_ratelimited(fmt, ...)	printk_ratelimited(KERN_ERR pr_fmt(fmt), ## __VA_ARGS__)
#define pr_warn_ratelimited(fmt, ...)	printk_ratelimited(KERN_WARNING pr_fmt(fmt), ## __VA_ARGS__)
#define pr_notice_ratelimited(fmt, ...)	printk_ratelimited(KERN_NOTICE pr_fmt(fmt), ## __VA_ARGS__)
#define pr_info_ratelimited(fmt, ...)	printk_ratelimited(KERN_INFO pr_fmt(fmt), ## __VA_ARGS__)

void dump_stack(void);

#endif
