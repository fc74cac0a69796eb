// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads, synchronous and asynchronous: the caller's pages go into bios
 * which the engine fills. One struct direct_read spans all bios of a call; the
 * last one that completes ends the call. The submitter holds one reference
 * until all are out, so completion cannot come too early.
 *
 * The bios name the assembled device though they never go there: 6.1 looks at
 * the device's queue when it takes hold of user pages.
 *
 * Position and memory must be aligned to 512 bytes; the length too, except that
 * a read may run past the end of the file. At or past the end there is nothing
 * to read from anywhere.
 *
 * Who takes space from the file (truncate, punch, collapse) does not wait for direct reads, so they do not count
 * for inode_dio_wait(). Others do that lest a read under way fills with what was put there next; here the engine
 * looks at the bucket's generation after each piece has arrived (data/read_io.c, piece_is_stale()). That is raised
 * before the bucket is discarded or given out anew, and within a bucket no place is used twice. A piece of another
 * generation is looked up again, and is zeros if the file has a hole there now. So a read sees a file as it
 * was at some moment for each block, the same as a buffered one beside a truncation.
 *
 * With IOCB_NOWAIT (io_uring, RWF_NOWAIT) a read that would have to wait before its I/O is under way, for dirty pages to
 * be written or a btree node to be read, is -EAGAIN; io_uring then has it done by a thread that may wait.
 */
#include "data.h"

#include <linux/bio.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include <bcachefs/read.h>

#include "kc/kc.h"

struct direct_read {
	struct kiocb		*iocb;
	atomic_t		pending;	/* bios in flight + submitter */
	int			error;		/* first one; cmpxchg from 0 */
	bool			dirty_pages;	/* user memory: mark it written */
	ssize_t			bytes;		/* result when all is well */
	struct completion	*done;		/* of a caller that waits; else NULL */
};

/* one bio of it */
struct direct_piece {
	struct direct_read	*dr;
	struct bce_read		read;
	struct bio		bio;
};

static struct bio_set direct_set;

static void direct_end(struct direct_read *dr)
{
	struct kiocb *iocb = dr->iocb;
	ssize_t ret = dr->error ?: dr->bytes;

	if (dr->done) {
		complete(dr->done);
		return;
	}
	kfree(dr);
	if (ret > 0)
		iocb->ki_pos += ret;
	iocb->ki_complete(iocb, ret);
}

static void direct_put(struct direct_read *dr)
{
	if (atomic_dec_and_test(&dr->pending))
		direct_end(dr);
}

static void piece_done(struct bce_read *read, int error)
{
	struct direct_piece *p = container_of(read, struct direct_piece, read);
	struct direct_read *dr = p->dr;

	if (error)
		cmpxchg(&dr->error, 0, error);
	bio_release_pages(&p->bio, dr->dirty_pages);
	bio_put(&p->bio);
	direct_put(dr);
}

static int direct_submit_piece(struct direct_read *dr, struct inode *inode, loff_t *pos,
			       struct iov_iter *iter)
{
	unsigned int vecs = bio_iov_vecs_to_alloc(iter, BIO_MAX_VECS);
	struct bio *bio = bio_alloc_bioset(inode->i_sb->s_bdev, vecs, REQ_OP_READ, GFP_KERNEL,
					   &direct_set);
	struct direct_piece *p = container_of(bio, struct direct_piece, bio);
	int ret = bio_iov_iter_get_pages(bio, iter);

	if (ret) {
		bio_put(bio);
		return ret;
	}
	bio->bi_iter.bi_sector = *pos >> SECTOR_SHIFT;
	*pos += bio->bi_iter.bi_size;
	p->dr = dr;
	p->read = (struct bce_read) {
		.file = bcachefs_id_of(inode),
		.bio = bio,
		.done = piece_done,
		.nowait = dr->iocb->ki_flags & IOCB_NOWAIT,
		.user_pages = true,
	};
	atomic_inc(&dr->pending);
	bce_read_submit(bcachefs_set_of(inode), &p->read);
	return 0;
}

static void direct_submit(struct direct_read *dr, struct inode *inode, loff_t pos,
			  struct iov_iter *iter)
{
	while (iov_iter_count(iter) && !READ_ONCE(dr->error)) {
		int ret = direct_submit_piece(dr, inode, &pos, iter);

		if (ret)
			cmpxchg(&dr->error, 0, ret);
	}
}

/* how much to read: up to the end of the file, in whole sectors; 0 at or past the end */
static size_t direct_length(struct inode *inode, loff_t pos, size_t count)
{
	loff_t size = i_size_read(inode);

	return pos < size ? min_t(u64, count, round_up(size - pos, SECTOR_SIZE)) : 0;
}

/* nothing is under way, because the caller does not want to wait: he is told at once */
static bool would_wait(const struct direct_read *dr)
{
	return READ_ONCE(dr->error) == -EAGAIN && atomic_read(&dr->pending) == 1;
}

ssize_t bcachefs_direct_read(struct kiocb *iocb, struct iov_iter *iter)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	size_t asked = iov_iter_count(iter);
	size_t count = direct_length(inode, iocb->ki_pos, asked);
	DECLARE_COMPLETION_ONSTACK(done);
	struct direct_read *dr;
	ssize_t bytes, ret;

	/* first: where a read ended, short and so not aligned, the next one finds the end */
	if (!count)
		return 0;
	if ((iocb->ki_pos | iov_iter_alignment(iter)) & (SECTOR_SIZE - 1))
		return -EINVAL;
	bytes = min_t(u64, count, i_size_read(inode) - iocb->ki_pos);

	/* what is dirty in the page cache is newer */
	if ((iocb->ki_flags & IOCB_NOWAIT) &&
	    filemap_range_needs_writeback(inode->i_mapping, iocb->ki_pos, iocb->ki_pos + count - 1))
		return -EAGAIN;
	ret = filemap_write_and_wait_range(inode->i_mapping, iocb->ki_pos, iocb->ki_pos + count - 1);
	if (ret)
		return ret;
	dr = kmalloc(sizeof(*dr), GFP_KERNEL);
	if (!dr)
		return -ENOMEM;
	*dr = (struct direct_read) {
		.iocb = iocb,
		.pending = ATOMIC_INIT(1),
		.dirty_pages = user_backed_iter(iter),
		.bytes = bytes,
		.done = is_sync_kiocb(iocb) ? &done : NULL,
	};

	iov_iter_truncate(iter, count);
	direct_submit(dr, inode, iocb->ki_pos, iter);
	iov_iter_reexpand(iter, iov_iter_count(iter) + (asked - count));

	if (!dr->done && !would_wait(dr)) {
		direct_put(dr);
		return -EIOCBQUEUED;
	}
	if (!atomic_dec_and_test(&dr->pending))
		wait_for_completion_io(&done);
	ret = dr->error ?: dr->bytes;
	if (ret > 0)
		iocb->ki_pos += ret;
	kfree(dr);
	return ret;
}

int bcachefs_direct_init(void)
{
	return bioset_init(&direct_set, 16, offsetof(struct direct_piece, bio), BIOSET_NEED_BVECS);
}

void bcachefs_direct_exit(void)
{
	bioset_exit(&direct_set);
}
