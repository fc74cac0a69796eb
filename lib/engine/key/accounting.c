// SPDX-License-Identifier: GPL-2.0
/*
 * Accounting keys, taken apart.
 *
 * What is counted is told by the key's position, read as the 20 bytes in which a
 * position is stored: snapshot first, inode last. The conversion goes through that
 * stored form, so it is the same on any machine.
 *
 * Source: docs/format/80-accounting.md, section 1.
 */
#include "engine/key/accounting.h"

#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "engine/key/values.h"

static_assert(sizeof(struct accounting_pos) == sizeof(struct bpos_le));

struct accounting_pos bce_accounting_pos_decode(struct bpos p)
{
	struct bpos_le le = bpos_to_le(p);
	struct accounting_pos pos;

	memcpy(&pos, &le, sizeof(pos));
	return pos;
}

struct bpos bce_accounting_pos_encode(const struct accounting_pos *pos)
{
	struct bpos_le le;

	memcpy(&le, pos, sizeof(le));
	return bpos_from_le(le);
}

const char *bce_accounting_type_name(unsigned int type)
{
	static const char *const names[] = {
#define x(name, nr, counters)	[nr] = #name,
		ACCOUNTING_TYPE_LIST(x)
#undef x
	};

	return type < ACCOUNTING_NR ? names[type] : NULL;
}

unsigned int bce_accounting_pos_bytes(const struct accounting_pos *pos)
{
	switch (pos->type) {
	case ACCOUNTING_nr_inodes:
	case ACCOUNTING_rebalance_work:
		return offsetof(struct accounting_pos, bytes);
	case ACCOUNTING_persistent_reserved:
		return offsetofend(struct accounting_pos, persistent_reserved);
	case ACCOUNTING_replicas:
		return offsetof(struct accounting_pos, replicas.devs) +
			min_t(unsigned int, pos->replicas.nr_devs, ACCOUNTING_REPLICAS_DEVS_MAX);
	case ACCOUNTING_dev_data_type:
		return offsetofend(struct accounting_pos, dev_data_type);
	case ACCOUNTING_compression:
		return offsetofend(struct accounting_pos, compression);
	case ACCOUNTING_snapshot:
		return offsetofend(struct accounting_pos, snapshot);
	case ACCOUNTING_btree:
		return offsetofend(struct accounting_pos, btree);
	case ACCOUNTING_inum:
		return offsetofend(struct accounting_pos, inum);
	}
	return sizeof(*pos);
}

unsigned int bce_accounting_nr_counters(const struct bkey *k)
{
	return min_t(unsigned int, k->val_u64s, ACCOUNTING_COUNTERS_MAX);
}

s64 bce_accounting_counter(const struct bkey *k, unsigned int i)
{
	const struct bch_accounting *v = k->v;

	return i < bce_accounting_nr_counters(k) ? le64_to_cpu(v->d[i]) : 0;
}
