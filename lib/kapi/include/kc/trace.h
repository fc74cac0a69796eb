/* SPDX-License-Identifier: GPL-2.0 */
/* The engine's tracepoints: nothing in user space. Prototypes as in lib/kc/trace.h. */
#ifndef KAPI_KC_TRACE_H
#define KAPI_KC_TRACE_H

#include <linux/types.h>

#define NO_TRACE(name, ...)	static inline void trace_##name(__VA_ARGS__) { }

NO_TRACE(bce_read, const u8 *set, unsigned int dev, u64 sector, u32 sectors, u64 ns, int error)
NO_TRACE(bce_write, const u8 *set, unsigned int dev, u64 sector, u32 sectors, u64 ns, int error)
NO_TRACE(bce_flush, const u8 *set, u64 devs, u64 failed)
NO_TRACE(bce_journal_write, const u8 *set, u64 seq, u32 sectors, bool flush, u64 devs, int error)
NO_TRACE(bce_btree_node_read, const u8 *set, unsigned int btree, unsigned int level, u32 sectors, int error)
NO_TRACE(bce_btree_node_write, const u8 *set, unsigned int btree, unsigned int level, u32 sectors, int error)
NO_TRACE(bce_btree_node_replace, const u8 *set, unsigned int btree, unsigned int level, unsigned int nr_old,
	 unsigned int nr_new)
NO_TRACE(bce_trans_restart, const u8 *set, unsigned int restarts)
NO_TRACE(bce_bucket_alloc, const u8 *set, unsigned int dev, u64 bucket, int error)
NO_TRACE(bce_bucket_discard, const u8 *set, unsigned int dev, u64 bucket, int error)
NO_TRACE(bce_copygc, const u8 *set, unsigned int dev, u64 bucket, int error)
NO_TRACE(bce_file_write, const u8 *set, u32 subvol, u64 inum, u64 sector, u32 sectors, bool direct)
NO_TRACE(bce_error, const u8 *set, unsigned int id)

#undef NO_TRACE

#endif
