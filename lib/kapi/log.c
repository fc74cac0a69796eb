// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel log, warnings and rate limits.
 *
 * A message is formatted into one buffer and handed whole to the receiver. BUG() aborts, so that
 * a debugger or sanitizer shows the place; WARN() prints and counts, and tests assert the count.
 */
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>

#include "kapi/kapi.h"

#define LOG_LINE_BYTES	2048

static kapi_log_fn log_fn;
static int log_level = -1;
static unsigned int warn_count;

#ifdef KAPI_TSAN
int kapi_fence_word;
#endif

static_assert(DEFAULT_RATELIMIT_INTERVAL == 5 * HZ);

static int default_level(void)
{
	int level = READ_ONCE(log_level);

	if (level < 0) {
		const char *env = getenv("KAPI_LOGLEVEL");

		level = env ? atoi(env) : 6;
		WRITE_ONCE(log_level, level);
	}
	return level;
}

static void log_default(int level, const char *text)
{
	if (level <= default_level())
		fputs(text, stderr);
}

void kapi_set_log(kapi_log_fn fn)
{
	__atomic_store_n(&log_fn, fn, __ATOMIC_RELEASE);
}

void kapi_set_log_level(int level)
{
	WRITE_ONCE(log_level, level);
}

int kapi_vprintk(const char *fmt, va_list args)
{
	kapi_log_fn fn = __atomic_load_n(&log_fn, __ATOMIC_ACQUIRE);
	char line[LOG_LINE_BYTES], *text = line;
	int level = 6, n;

	n = vscnprintf(line, sizeof(line), fmt, args);
	if (text[0] == '\001' && text[1]) {
		level = text[1] == 'c' ? -1 : text[1] - '0';
		text += 2;
	}
	(fn ? fn : log_default)(level, text);
	return n;
}

int kapi_printk(const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = kapi_vprintk(fmt, args);
	va_end(args);
	return n;
}

void dump_stack(void)
{
	void *frames[32];
	int n = backtrace(frames, 32);
	char **names = backtrace_symbols(frames, n);

	for (int i = 1; names && i < n; i++)
		pr_info("  %s\n", names[i]);
	free(names);
}

void kapi_bug(const char *file, int line, const char *func, const char *what)
{
	printk(KERN_EMERG "BUG at %s:%d %s(): %s\n", file, line, func, what);
	abort();
}

void panic(const char *fmt, ...)
{
	struct va_format vf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vf.va = &args;
	printk(KERN_EMERG "panic: %pV\n", &vf);
	va_end(args);
	abort();
}

void kapi_warn(const char *file, int line, const char *func, const char *what)
{
	__atomic_fetch_add(&warn_count, 1, __ATOMIC_RELAXED);
	printk(KERN_WARNING "WARNING at %s:%d %s(): %s\n", file, line, func, what);
}

void kapi_warn_fmt(const char *file, int line, const char *func, const char *fmt, ...)
{
	struct va_format vf = { .fmt = fmt };
	va_list args;

	__atomic_fetch_add(&warn_count, 1, __ATOMIC_RELAXED);
	va_start(args, fmt);
	vf.va = &args;
	printk(KERN_WARNING "WARNING at %s:%d %s(): %pV", file, line, func, &vf);
	va_end(args);
}

unsigned int kapi_warn_count(void)
{
	return READ_ONCE(warn_count);
}

void kapi_warn_reset(void)
{
	WRITE_ONCE(warn_count, 0);
}

void ratelimit_state_init(struct ratelimit_state *rs, int interval, int burst)
{
	*rs = (struct ratelimit_state)RATELIMIT_STATE_INIT(rs, interval, burst);
}

/* Return: 1 when the caller may speak. */
int ___ratelimit(struct ratelimit_state *rs, const char *func)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	s64 now = jiffies;
	int missed = 0, ok;

	if (!rs->interval)
		return 1;
	pthread_mutex_lock(&lock);
	if (!rs->begin || now - rs->begin >= rs->interval) {
		if (!(rs->flags & RATELIMIT_MSG_ON_RELEASE))
			missed = rs->missed;
		rs->begin = now;
		rs->printed = 0;
		rs->missed = 0;
	}
	ok = rs->printed < rs->burst;
	if (ok)
		rs->printed++;
	else
		rs->missed++;
	pthread_mutex_unlock(&lock);
	if (missed)
		pr_warn("%s: %d callbacks suppressed\n", func, missed);
	return ok;
}
