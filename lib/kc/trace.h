/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of the engine: what happens in a set, as bce:NAME in tracefs. Names and fields are an interface, documented in
 * docs/tracepoints.md; @set is the user-visible uuid of every one, as in /sys/fs/bcachefs.
 *
 * User space sees lib/kapi/include/kc/trace.h instead, where all of them are empty.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bce

#if !defined(KC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KC_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

/* I/O of a member that has ended. @sector: of the device, in 512 bytes; @ns: how long it took */
DECLARE_EVENT_CLASS(bce_io,
	TP_PROTO(const u8 *set, unsigned int dev, u64 sector, u32 sectors, u64 ns, int error),
	TP_ARGS(set, dev, sector, sectors, ns, error),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, dev)
		__field(u64, sector)
		__field(u32, sectors)
		__field(u64, ns)
		__field(int, error)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->dev = dev;
		__entry->sector = sector;
		__entry->sectors = sectors;
		__entry->ns = ns;
		__entry->error = error;
	),
	TP_printk("set=%pU dev=%u sector=%llu sectors=%u ns=%llu error=%d", __entry->set, __entry->dev,
		  __entry->sector, __entry->sectors, __entry->ns, __entry->error)
);
DEFINE_EVENT(bce_io, bce_read,
	TP_PROTO(const u8 *set, unsigned int dev, u64 sector, u32 sectors, u64 ns, int error),
	TP_ARGS(set, dev, sector, sectors, ns, error));
DEFINE_EVENT(bce_io, bce_write,
	TP_PROTO(const u8 *set, unsigned int dev, u64 sector, u32 sectors, u64 ns, int error),
	TP_ARGS(set, dev, sector, sectors, ns, error));

/* members' caches: bit per member, those asked and those that failed */
TRACE_EVENT(bce_flush,
	TP_PROTO(const u8 *set, u64 devs, u64 failed),
	TP_ARGS(set, devs, failed),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(u64, devs)
		__field(u64, failed)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->devs = devs;
		__entry->failed = failed;
	),
	TP_printk("set=%pU devs=%#llx failed=%#llx", __entry->set, __entry->devs, __entry->failed)
);

/* an entry whose copies have ended; @flush: what was before it is durable, too */
TRACE_EVENT(bce_journal_write,
	TP_PROTO(const u8 *set, u64 seq, u32 sectors, bool flush, u64 devs, int error),
	TP_ARGS(set, seq, sectors, flush, devs, error),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(u64, seq)
		__field(u32, sectors)
		__field(bool, flush)
		__field(u64, devs)
		__field(int, error)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->seq = seq;
		__entry->sectors = sectors;
		__entry->flush = flush;
		__entry->devs = devs;
		__entry->error = error;
	),
	TP_printk("set=%pU seq=%llu sectors=%u flush=%d devs=%#llx error=%d", __entry->set, __entry->seq,
		  __entry->sectors, __entry->flush, __entry->devs, __entry->error)
);

/* one copy of a node was read, all copies of one written. @btree: id of the format */
DECLARE_EVENT_CLASS(bce_node_io,
	TP_PROTO(const u8 *set, unsigned int btree, unsigned int level, u32 sectors, int error),
	TP_ARGS(set, btree, level, sectors, error),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, btree)
		__field(unsigned int, level)
		__field(u32, sectors)
		__field(int, error)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->btree = btree;
		__entry->level = level;
		__entry->sectors = sectors;
		__entry->error = error;
	),
	TP_printk("set=%pU btree=%u level=%u sectors=%u error=%d", __entry->set, __entry->btree, __entry->level,
		  __entry->sectors, __entry->error)
);
DEFINE_EVENT(bce_node_io, bce_btree_node_read,
	TP_PROTO(const u8 *set, unsigned int btree, unsigned int level, u32 sectors, int error),
	TP_ARGS(set, btree, level, sectors, error));
DEFINE_EVENT(bce_node_io, bce_btree_node_write,
	TP_PROTO(const u8 *set, unsigned int btree, unsigned int level, u32 sectors, int error),
	TP_ARGS(set, btree, level, sectors, error));

/* nodes were replaced: 1 by 1 rewritten, 1 by more split, more by 1 merged */
TRACE_EVENT(bce_btree_node_replace,
	TP_PROTO(const u8 *set, unsigned int btree, unsigned int level, unsigned int nr_old, unsigned int nr_new),
	TP_ARGS(set, btree, level, nr_old, nr_new),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, btree)
		__field(unsigned int, level)
		__field(unsigned int, nr_old)
		__field(unsigned int, nr_new)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->btree = btree;
		__entry->level = level;
		__entry->nr_old = nr_old;
		__entry->nr_new = nr_new;
	),
	TP_printk("set=%pU btree=%u level=%u old=%u new=%u", __entry->set, __entry->btree, __entry->level,
		  __entry->nr_old, __entry->nr_new)
);

/* @restarts: of this transaction, so far */
TRACE_EVENT(bce_trans_restart,
	TP_PROTO(const u8 *set, unsigned int restarts),
	TP_ARGS(set, restarts),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, restarts)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->restarts = restarts;
	),
	TP_printk("set=%pU restarts=%u", __entry->set, __entry->restarts)
);

DECLARE_EVENT_CLASS(bce_bucket,
	TP_PROTO(const u8 *set, unsigned int dev, u64 bucket, int error),
	TP_ARGS(set, dev, bucket, error),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, dev)
		__field(u64, bucket)
		__field(int, error)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->dev = dev;
		__entry->bucket = bucket;
		__entry->error = error;
	),
	TP_printk("set=%pU dev=%u bucket=%llu error=%d", __entry->set, __entry->dev, __entry->bucket, __entry->error)
);
/* opened for writing */
DEFINE_EVENT(bce_bucket, bce_bucket_alloc,
	TP_PROTO(const u8 *set, unsigned int dev, u64 bucket, int error), TP_ARGS(set, dev, bucket, error));
/* free again, after the device was told where that is wanted */
DEFINE_EVENT(bce_bucket, bce_bucket_discard,
	TP_PROTO(const u8 *set, unsigned int dev, u64 bucket, int error), TP_ARGS(set, dev, bucket, error));
/* what was left in it has been moved elsewhere */
DEFINE_EVENT(bce_bucket, bce_copygc,
	TP_PROTO(const u8 *set, unsigned int dev, u64 bucket, int error), TP_ARGS(set, dev, bucket, error));

/* a range of a file begins to be written, by writeback or directly; in 512 bytes */
TRACE_EVENT(bce_file_write,
	TP_PROTO(const u8 *set, u32 subvol, u64 inum, u64 sector, u32 sectors, bool direct),
	TP_ARGS(set, subvol, inum, sector, sectors, direct),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(u32, subvol)
		__field(u64, inum)
		__field(u64, sector)
		__field(u32, sectors)
		__field(bool, direct)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->subvol = subvol;
		__entry->inum = inum;
		__entry->sector = sector;
		__entry->sectors = sectors;
		__entry->direct = direct;
	),
	TP_printk("set=%pU subvol=%u inum=%llu sector=%llu sectors=%u direct=%d", __entry->set, __entry->subvol,
		  __entry->inum, __entry->sector, __entry->sectors, __entry->direct)
);

/* a finding against the rules of the format, by its number in the format */
TRACE_EVENT(bce_error,
	TP_PROTO(const u8 *set, unsigned int id),
	TP_ARGS(set, id),
	TP_STRUCT__entry(
		__array(u8, set, 16)
		__field(unsigned int, id)
	),
	TP_fast_assign(
		memcpy(__entry->set, set, 16);
		__entry->id = id;
	),
	TP_printk("set=%pU id=%u", __entry->set, __entry->id)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kc
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
