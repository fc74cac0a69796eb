/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_LOG_H
#define ENGINE_UTIL_LOG_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "engine/format/errors.h"

/*
 * Where a set's messages go: the kernel log, as "bcachefs <set>: <message>".
 * Repeated errors of one id are rate-limited there, and counted all the same.
 * Offline tools install @print: it gets every message, without prefix or
 * newline, with its error id (-1: no finding about the format).
 */
struct bce_log;

enum bce_log_level { BCE_LOG_ERR, BCE_LOG_WARN, BCE_LOG_INFO };

typedef void (*bce_log_print_fn)(void *ctx, enum bce_log_level level, int error_id,
				 const char *line);

struct bce_log *bce_log_alloc(const char *set_name);
void bce_log_free(struct bce_log *log);
void bce_log_set_name(struct bce_log *log, const char *set_name);
/* whom tracers are told of. Once, before anybody else has the log */
void bce_log_set_uuid(struct bce_log *log, const u8 user_uuid[16]);
/* @found is told of every finding: any context, any lock may be held. NULL: nobody; none runs then */
void bce_log_set_found(struct bce_log *log, void (*found)(void *ctx, enum bce_error id), void *ctx);
void bce_log_set_print(struct bce_log *log, bce_log_print_fn print, void *ctx);

/* a finding about the format: @id is enum bce_error (docs/format/40-recovery.md, section 5) */
__printf(3, 4) void bce_log_error(struct bce_log *log, enum bce_error id, const char *fmt, ...);
__printf(3, 4) void bce_log_line(struct bce_log *log, enum bce_log_level level,
				 const char *fmt, ...);
u64 bce_log_error_count(const struct bce_log *log, enum bce_error id);
u64 bce_log_errors_total(const struct bce_log *log);

#endif
