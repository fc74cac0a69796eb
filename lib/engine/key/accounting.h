/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_ACCOUNTING_H
#define ENGINE_KEY_ACCOUNTING_H

#include "engine/format/values.h"
#include "engine/key/bkey.h"

/*
 * Accounting keys: the position is a tagged structure, the value its counters.
 * docs/format/80-accounting.md, section 1.
 */

/* a position's 20 bytes as the structure they hold, and back */
struct accounting_pos bce_accounting_pos_decode(struct bpos p);
struct bpos bce_accounting_pos_encode(const struct accounting_pos *pos);

/* "replicas"; NULL for types of newer versions */
const char *bce_accounting_type_name(unsigned int type);
/* bytes the type's fields take, the type byte included; 20 where that is not known */
unsigned int bce_accounting_pos_bytes(const struct accounting_pos *pos);

/* counters in the value, at most ACCOUNTING_COUNTERS_MAX; deltas may be negative */
unsigned int bce_accounting_nr_counters(const struct bkey *k);
s64 bce_accounting_counter(const struct bkey *k, unsigned int i);

#endif
