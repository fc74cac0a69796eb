/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_WRITE_H
#define ENGINE_DATA_WRITE_H

#include <bcachefs/write.h>

#include "engine/alloc/alloc.h"
#include "engine/data/extent_update.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

struct bce_cipher;
struct bio;
struct btrees;
struct data_reader;
struct data_writer;
struct inode_fields;

/* how data is to be stored: the set's options, or what an inode makes of them */
struct data_options {
	u8	data_checksum;			/* enum bch_csum_opt */
	u8	compression;			/* option bytes: algorithm, level << 4 */
	u8	background_compression;
	u8	data_replicas;
	u8	data_replicas_required;
	u16	foreground_target;
	u16	background_target;
	u16	promote_target;
	bool	nocow;
	bool	inline_data;
	bool	wide_macs;
};

/* what the room asks of those above it; all may be called by several at once, and may sleep */
struct data_writer_ops {
	/* as bce_alloc_space_get() and so on */
	int (*space_get)(void *ctx, const struct alloc_request *req, u32 want_sectors,
			 struct alloc_space *out);
	void (*space_put)(void *ctx, struct alloc_space *space);
	int (*reserve)(void *ctx, struct space_reservation *res, u64 sectors,
		       unsigned int replicas);
	void (*unreserve)(void *ctx, struct space_reservation *res);
	void (*reserve_more)(void *ctx, struct space_reservation *res, u64 sectors);
	/* the set's options as they are now */
	void (*options)(void *ctx, struct data_options *out);
	/* members of a target that accept user data; 0: none. Of BCH_TARGET_NONE: all that do */
	u64 (*target_devs)(void *ctx, u16 target);
	/* now, in the set's time units */
	s64 (*now)(void *ctx);
	/* a number never used before, for one encrypted extent */
	u64 (*key_version)(void *ctx);
	/* feature bits are in the superblock before anything that needs them. 0, -errno */
	int (*need_features)(void *ctx, u64 features);
	/* everything up to @seq becomes durable */
	int (*flush)(void *ctx, u64 seq);
	/*
	 * Sectors (or less of them) that a file of subvolume @subvol allocates, told before they are
	 * committed; taken back by the opposite if they are not. May be NULL. @enforce: limits hold.
	 * Return: 0, -EDQUOT, -ENOMEM; with @enforce unset, or less of them: 0
	 */
	int (*charge)(void *ctx, u32 subvol, const struct inode_fields *inode, s64 sectors,
		      bool enforce);
	/* data is about to be written in place; what space is got for counts by itself. May be NULL */
	void (*count_write)(void *ctx, u32 sectors);
	/* a write to a member has failed; it has been counted */
	void (*write_failed)(void *ctx, unsigned int dev, int error);
};

struct data_writer_config {
	struct btrees			*btrees;
	struct member_table		*members;
	const struct bce_cipher		*cipher;	/* NULL: data is not encrypted */
	const struct key_rules		*rules;
	struct bce_log			*log;
	struct data_reader		*reader;
	u32				block_sectors;
	u32				encoded_extent_max_sectors;
	const struct data_snapshots	*snapshots;	/* outlives us */
	const struct data_writer_ops	*ops;
	void				*ctx;
};

int bce_data_writer_alloc(struct data_writer **out, const struct data_writer_config *config);
/* all writes are done. NULL is allowed */
void bce_data_writer_free(struct data_writer *w);

/* what is in effect for a file: its own options, else the set's. 85-policies.md, section 2 */
void bce_data_options_of(struct data_writer *w, const struct inode_fields *inode,
			 struct data_options *out);

/**
 * struct data_write - as struct bce_write in <bcachefs/write.h>
 * @stream: writes of equal streams fill the same buckets: a task, or a file
 * @space:  promise to be used up, or NULL
 * @seq:    out: journal entry of the last commit, 0 none
 * @inode_sectors: out: of the file, after the last commit; -1 none
 */
struct data_write {
	struct bio			*bio;
	struct bce_file_id		file;
	u64				new_size;
	struct space_reservation	*space;
	u64				stream;
	unsigned int			flags;		/* enum bce_write_flags */
	bool				mtime;
	u64				seq;
	s64				inode_sectors;
	void				(*done)(struct data_write *write, int error);
};
/* Context: process, may sleep. @write->done may run before this returns */
void bce_data_write(struct data_writer *w, struct data_write *write);

/* as bce_holds_space() */
bool bce_data_holds_space(struct data_writer *w, struct bce_file_id file, u64 start, u64 end);

/* ---- changing ranges; as in <bcachefs/write.h>, sectors. @seq: out, may be NULL ---- */

int bce_data_truncate(struct data_writer *w, struct bce_file_id file, u64 new_size_bytes, u64 *seq);
int bce_data_fallocate(struct data_writer *w, struct bce_file_id file, u64 start, u64 end, bool zero,
		       u64 new_size_bytes, u64 *seq);
int bce_data_punch(struct data_writer *w, struct bce_file_id file, u64 start, u64 end, u64 *seq);
int bce_data_insert_range(struct data_writer *w, struct bce_file_id file, u64 start, u64 sectors,
			  u64 *seq);
int bce_data_collapse_range(struct data_writer *w, struct bce_file_id file, u64 start, u64 sectors,
			    u64 *seq);
int bce_data_reflink(struct data_writer *w, struct bce_file_id src_file, u64 src,
		     struct bce_file_id dst_file, u64 dst, u64 sectors, u64 new_size_bytes,
		     u64 *done_sectors, u64 *seq);
/* all extents of an inode go: for the names room, before the inode does. @snapshot: written in */
int bce_data_remove_all(struct data_writer *w, u64 inum, u32 snapshot);
/* the same as part of @t, without the inode. Return: 0; -E2BIG more than fits, nothing of it may be committed */
int bce_data_remove_in(struct data_writer *w, struct bce_trans *t, u64 inum, u32 snapshot);

/* no work in the background until unpause; what readers find bad meanwhile is healed then */
void bce_data_pause(struct data_writer *w);
void bce_data_unpause(struct data_writer *w);

/*
 * Somebody has made extents shared: wait until the writes to them that were under way have ended. Writes in place only;
 * others do not change what is there. Context: may sleep
 */
void bce_data_shared(struct data_writer *w);

/* finish what a crash interrupted. Before users come. Return: 0 or the first error */
int bce_data_resume_logged_ops(struct data_writer *w);

#endif
