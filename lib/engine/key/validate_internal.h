/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VALIDATE_INTERNAL_H
#define ENGINE_KEY_VALIDATE_INTERNAL_H

#include "engine/key/validate.h"

/* one key under examination */
struct key_check {
	const struct bkey	*k;
	unsigned int		btree_id;
	unsigned int		level;
	const struct key_rules	*rules;		/* or NULL */
	enum key_rules_context	context;
	struct text_buf		*err;		/* or NULL */
};

/* say what is wrong. Return: @id + 1, for the caller to pass on. */
__printf(3, 4) int bce_key_bad(const struct key_check *c, enum bce_error id, const char *fmt, ...);

/* pointer lists: docs/format/55-key-types.md, 4.1 */
int bce_key_check_ptrs(const struct key_check *c);
int bce_key_check_stripe_ptrs(const struct key_check *c);

#endif
