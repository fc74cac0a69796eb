// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of one set.
 *
 * In the kernel a line goes to the kernel log as "bcachefs <set>: <message>". A
 * damaged set can produce the same message a million times, so lines are limited
 * twice: each error id to a few lines per interval, and all errors of a set
 * together to a few more. What was kept back is told, with its number, by the next
 * line of that id that gets through. Counting is not limited.
 *
 * With a print function installed (offline tools) nothing is limited: a check
 * has to name every finding.
 *
 * Locking: @lock guards the name, the hook and the limits; a message is
 * formatted and printed outside. Messages may come from I/O completion, hence
 * interrupts are off under it.
 */
#include "engine/util/log.h"

#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "engine/util/event.h"

#define LOG_INTERVAL_SECONDS	5
#define LOG_ID_BURST		5	/* lines per id and interval */
#define LOG_SET_BURST		40	/* error lines per set and interval */
#define LOG_NAME_BYTES		64
#define LOG_STACK_LINE_BYTES	192

/* no error id: a line that is no finding about the format */
#define LOG_NO_ID		-1

struct log_limit {
	unsigned long	interval_start;	/* jiffies */
	unsigned int	printed;	/* lines in this interval */
};

struct log_id {
	u64		count;
	u64		held_back;	/* since the last line of this id */
	struct log_limit limit;
};

struct bce_log {
	spinlock_t		lock;
	char			name[LOG_NAME_BYTES];
	bce_log_print_fn	print;
	void			*print_ctx;
	void			(*found)(void *ctx, enum bce_error id);
	void			*found_ctx;
	u64			total;
	struct log_limit	limit;
	struct log_id		ids[BCE_ERR_NR];
	u8			uuid[16];	/* event.h */
	struct log_events __percpu *events;
};

struct log_events {
	u64			nr[BCE_EVENT_NR];
};

struct bce_log *bce_log_alloc(const char *set_name)
{
	struct bce_log *log = kvzalloc(sizeof(*log), GFP_KERNEL);

	if (!log)
		return NULL;
	log->events = alloc_percpu(struct log_events);
	if (!log->events) {
		kvfree(log);
		return NULL;
	}
	spin_lock_init(&log->lock);
	strscpy(log->name, set_name, sizeof(log->name));
	return log;
}

void bce_log_free(struct bce_log *log)
{
	if (!log)
		return;
	free_percpu(log->events);
	kvfree(log);
}

void bce_log_set_uuid(struct bce_log *log, const u8 user_uuid[16])
{
	memcpy(log->uuid, user_uuid, sizeof(log->uuid));
}

/* ---- events ---- */

void bce_event(struct bce_log *log, enum bce_event what, u64 nr)
{
	if (log)
		this_cpu_add(log->events->nr[what], nr);
}

u64 bce_event_count(const struct bce_log *log, enum bce_event what)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(log->events, cpu)->nr[what]);
	return sum;
}

const u8 *bce_event_set(const struct bce_log *log)
{
	static const u8 nobody[16];

	return log ? log->uuid : nobody;
}

/* ---- messages ---- */

void bce_log_set_name(struct bce_log *log, const char *set_name)
{
	unsigned long flags;

	spin_lock_irqsave(&log->lock, flags);
	strscpy(log->name, set_name, sizeof(log->name));
	spin_unlock_irqrestore(&log->lock, flags);
}

void bce_log_set_found(struct bce_log *log, void (*found)(void *ctx, enum bce_error id), void *ctx)
{
	unsigned long flags;

	spin_lock_irqsave(&log->lock, flags);
	log->found = found;
	log->found_ctx = ctx;
	spin_unlock_irqrestore(&log->lock, flags);
}

void bce_log_set_print(struct bce_log *log, bce_log_print_fn print, void *ctx)
{
	unsigned long flags;

	spin_lock_irqsave(&log->lock, flags);
	log->print = print;
	log->print_ctx = ctx;
	spin_unlock_irqrestore(&log->lock, flags);
}

/* where a line is to go, copied under the lock */
struct log_route {
	bce_log_print_fn	print;
	void			*ctx;
	char			name[LOG_NAME_BYTES];
	u64			held_back;
};

static void route_fill(struct bce_log *log, struct log_route *route)
{
	route->print = log->print;
	route->ctx = log->print_ctx;
	route->held_back = 0;
	memcpy(route->name, log->name, sizeof(route->name));
}

static bool limit_passes(struct log_limit *limit, unsigned int burst)
{
	unsigned long now = jiffies;

	if (!limit->printed ||
	    time_after(now, limit->interval_start + LOG_INTERVAL_SECONDS * HZ)) {
		limit->interval_start = now;
		limit->printed = 0;
	}
	if (limit->printed >= burst)
		return false;
	limit->printed++;
	return true;
}

/* count the finding; is it to be printed, and where? */
static bool route_error(struct bce_log *log, unsigned int id, struct log_route *route)
{
	struct log_id *counter = id < BCE_ERR_NR ? &log->ids[id] : NULL;
	unsigned long flags;
	bool pass = true;

	spin_lock_irqsave(&log->lock, flags);
	route_fill(log, route);
	log->total++;
	if (counter)
		counter->count++;
	/* counted before: who is woken looks at once. Under the lock, so that nobody is there when it has been taken away */
	if (log->found)
		log->found(log->found_ctx, id);
	if (!log->print) {
		pass = (!counter || limit_passes(&counter->limit, LOG_ID_BURST)) &&
			limit_passes(&log->limit, LOG_SET_BURST);
		if (counter && !pass) {
			counter->held_back++;
		} else if (counter) {
			route->held_back = counter->held_back;
			counter->held_back = 0;
		}
	}
	spin_unlock_irqrestore(&log->lock, flags);
	return pass;
}

static void print_kernel(const struct log_route *route, enum bce_log_level level, int id,
			 const char *message)
{
	static const char *const prefix[] = {
		[BCE_LOG_ERR]	= KERN_ERR,
		[BCE_LOG_WARN]	= KERN_WARNING,
		[BCE_LOG_INFO]	= KERN_INFO,
	};

	if (id == LOG_NO_ID)
		printk("%sbcachefs %s: %s\n", prefix[level], route->name, message);
	else if (!route->held_back)
		printk("%sbcachefs %s: %s (%s)\n", prefix[level], route->name, message,
		       bce_error_name(id));
	else
		printk("%sbcachefs %s: %s (%s, %llu more not shown)\n", prefix[level],
		       route->name, message, bce_error_name(id), route->held_back);
}

/* most lines fit the stack; a longer one is cut off only when memory is short */
__printf(4, 0)
static void print_formatted(const struct log_route *route, enum bce_log_level level, int id,
			    const char *fmt, va_list args)
{
	char stack_line[LOG_STACK_LINE_BYTES];
	char *line = NULL;
	va_list again;

	va_copy(again, args);
	if (vsnprintf(stack_line, sizeof(stack_line), fmt, args) >= sizeof(stack_line))
		line = kvasprintf(GFP_NOWAIT | __GFP_NOWARN, fmt, again);
	va_end(again);

	if (route->print)
		route->print(route->ctx, level, id, line ?: stack_line);
	else
		print_kernel(route, level, id, line ?: stack_line);
	kfree(line);
}

/**
 * bce_log_error() - count a finding about the format and print it
 * @log: the set's log
 * @id:  what kind
 * @fmt: where, what was found, what was expected, what is done; no newline
 *
 * Context: any.
 */
void bce_log_error(struct bce_log *log, enum bce_error id, const char *fmt, ...)
{
	struct log_route route;
	va_list args;

	trace_bce_error(bce_event_set(log), id);
	if (!route_error(log, id, &route))
		return;
	va_start(args, fmt);
	print_formatted(&route, BCE_LOG_ERR, id, fmt, args);
	va_end(args);
}

/**
 * bce_log_line() - print a message that is no finding about the format
 * @log:   the set's log
 * @level: how loud
 * @fmt:   the message; no newline
 *
 * Not limited: for events of a set's life, not of single requests.
 *
 * Context: any.
 */
void bce_log_line(struct bce_log *log, enum bce_log_level level, const char *fmt, ...)
{
	struct log_route route;
	unsigned long flags;
	va_list args;

	spin_lock_irqsave(&log->lock, flags);
	route_fill(log, &route);
	spin_unlock_irqrestore(&log->lock, flags);

	va_start(args, fmt);
	print_formatted(&route, level, LOG_NO_ID, fmt, args);
	va_end(args);
}

/* findings of this kind so far; a reader racing with writers may be one behind */
u64 bce_log_error_count(const struct bce_log *log, enum bce_error id)
{
	return (unsigned int)id < BCE_ERR_NR ? READ_ONCE(log->ids[id].count) : 0;
}

u64 bce_log_errors_total(const struct bce_log *log)
{
	return READ_ONCE(log->total);
}
