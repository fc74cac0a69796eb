// SPDX-License-Identifier: GPL-2.0
/*
 * Direct writes, synchronous and asynchronous.
 *
 *	for each piece of up to 256 pages:
 *		pages pinned                        no lock but i_rwsem; may fault, also in this file
 *		blocker of the add lock             add_lock.c
 *		page cache of the range written back and thrown out
 *		bce_write_submit()
 *			... its key is committed: blocker leaves, pages are let go
 *	the last of them ends the call
 *
 * Pieces run in parallel, and so do calls: i_rwsem is held shared, and only until all pieces are out
 * (inode_dio_begin() tells whoever must wait for their end). Who makes the file longer holds it exclusively
 * and waits, as i_size must not be raised before the data is there, nor by two at once.
 *
 * Position, length and memory are multiples of 512 bytes, else EINVAL. Of the set's block: what is less goes
 * through the page cache (-ENOTBLK to our caller), which knows the rest of the block; so does a range
 * whose folios do not go, because somebody keeps making them dirty through a map.
 *
 * With IOCB_NOWAIT only what is one bio, does not make the file longer and finds nothing cached is done, if its locks are
 * free; else it is -EAGAIN. Waiting for space in the engine is what any write may meet.
 *
 * Pages may change under us, so the engine copies what it makes a checksum of.
 */
#include "data.h"

#include <linux/bio.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "kc/kc.h"

#define INVALIDATE_TRIES	3

struct direct_write {
	struct kiocb		*iocb;
	struct inode		*inode;
	struct completion	*done;		/* of a caller that waits; else NULL */
	atomic_t		pending;	/* pieces under way + submitter */
	spinlock_t		lock;		/* guards the next two */
	loff_t			failed_pos;	/* of the first piece that failed; LLONG_MAX: none */
	int			error;
	loff_t			start, pos;	/* of the call; of the next piece */
	unsigned int		flags;		/* enum bce_write_flags */
};

/* one bio of it */
struct write_piece {
	struct direct_write	*dw;
	struct bce_write	write;
	loff_t			pos;
	struct bio		bio;
};

static struct bio_set piece_set;

/* bytes that were written from the start on, without a gap; or the error */
static ssize_t result(const struct direct_write *dw)
{
	loff_t end = min(dw->pos, dw->failed_pos);

	return end > dw->start ? end - dw->start : dw->error;
}

static void direct_end(struct direct_write *dw)
{
	struct kiocb *iocb = dw->iocb;
	struct inode *inode = dw->inode;
	ssize_t ret = result(dw);

	if (dw->done) {
		complete(dw->done);
		return;
	}
	kfree(dw);
	inode_dio_end(inode);
	iocb->ki_complete(iocb, ret);
}

static void direct_put(struct direct_write *dw)
{
	if (atomic_dec_and_test(&dw->pending))
		direct_end(dw);
}

static void direct_fail(struct direct_write *dw, loff_t pos, int error)
{
	spin_lock(&dw->lock);
	if (pos < dw->failed_pos) {
		dw->failed_pos = pos;
		dw->error = error;
	}
	spin_unlock(&dw->lock);
}

static void piece_done(struct bce_write *write, int error)
{
	struct write_piece *p = container_of(write, struct write_piece, write);
	struct direct_write *dw = p->dw;
	struct inode *inode = dw->inode;

	if (error)
		direct_fail(dw, p->pos, error);
	if (write->inode_sectors >= 0)
		bcachefs_told_sectors(inode, write->inode_sectors);
	bcachefs_add_leave(&to_bcachefs_inode(inode)->add_lock, PAGE_BLOCKERS);
	bio_release_pages(&p->bio, false);
	bio_put(&p->bio);
	direct_put(dw);
}

/* nothing of [start, end) is cached any more. We are a blocker: nothing comes back */
static int invalidate(struct address_space *mapping, loff_t start, loff_t end)
{
	int ret = 0;

	if (!mapping->nrpages)
		return 0;
	for (unsigned int i = 0; i < INVALIDATE_TRIES; i++) {
		ret = filemap_write_and_wait_range(mapping, start, end - 1);
		if (ret)
			return ret;
		ret = invalidate_inode_pages2_range(mapping, start >> PAGE_SHIFT,
						    (end - 1) >> PAGE_SHIFT);
		if (!ret)
			return 0;
	}
	return -ENOTBLK;
}

/* pages of up to a bio, whole blocks. ERR_PTR */
static struct write_piece *piece_pin(struct direct_write *dw, struct iov_iter *from)
{
	struct inode *inode = dw->inode;
	unsigned int vecs = bio_iov_vecs_to_alloc(from, BIO_MAX_VECS), rest;
	struct bio *bio = bio_alloc_bioset(inode->i_sb->s_bdev, vecs,
					   REQ_OP_WRITE | REQ_SYNC | REQ_IDLE, GFP_KERNEL, &piece_set);
	struct write_piece *p = container_of(bio, struct write_piece, bio);
	int ret = bio_iov_iter_get_pages(bio, from);

	if (ret) {
		bio_put(bio);
		return ERR_PTR(ret);
	}
	/* a bio full of pages that are not used from their beginning may end within a block */
	rest = bio->bi_iter.bi_size % bcachefs_block_bytes(inode);
	bio->bi_iter.bi_size -= rest;
	iov_iter_revert(from, rest);
	bio->bi_iter.bi_sector = dw->pos >> SECTOR_SHIFT;
	bio->bi_ioprio = dw->iocb->ki_ioprio;
	p->dw = dw;
	p->pos = dw->pos;
	return p;
}

static void piece_submit(struct direct_write *dw, struct write_piece *p)
{
	p->write = (struct bce_write) {
		.file = bcachefs_id_of(dw->inode),
		.bio = &p->bio,
		/* the engine may not know yet how long the file is: what makes it so may be dirty */
		.new_size = max_t(u64, i_size_read(dw->inode), dw->pos + p->bio.bi_iter.bi_size),
		.flags = dw->flags | BCE_WRITE_UNSTABLE,
		.done = piece_done,
	};
	dw->pos += p->bio.bi_iter.bi_size;
	atomic_inc(&dw->pending);
	bce_write_submit(bcachefs_set_of(dw->inode), &p->write);
}

static bool enter(struct direct_write *dw, struct bcachefs_add_lock *l)
{
	if (dw->iocb->ki_flags & IOCB_NOWAIT)
		return bcachefs_add_try(l, PAGE_BLOCKERS);
	bcachefs_add_enter(l, PAGE_BLOCKERS);
	return true;
}

static int direct_piece(struct direct_write *dw, struct iov_iter *from)
{
	struct bcachefs_add_lock *l = &to_bcachefs_inode(dw->inode)->add_lock;
	struct write_piece *p = piece_pin(dw, from);
	size_t bytes;
	int ret;

	if (IS_ERR(p))
		return PTR_ERR(p);
	bytes = p->bio.bi_iter.bi_size;
	if (!enter(dw, l)) {
		bio_release_pages(&p->bio, false);
		bio_put(&p->bio);
		iov_iter_revert(from, bytes);
		return -EAGAIN;
	}
	ret = bytes ? invalidate(dw->inode->i_mapping, dw->pos, dw->pos + bytes) : -EINVAL;
	if (!ret) {
		piece_submit(dw, p);
	} else {
		bcachefs_add_leave(l, PAGE_BLOCKERS);
		bio_release_pages(&p->bio, false);
		bio_put(&p->bio);
		iov_iter_revert(from, bytes);
	}
	bcachefs_add_handed_over(l);
	return ret;
}

static ssize_t direct_wait(struct direct_write *dw, struct completion *done)
{
	struct inode *inode = dw->inode;
	ssize_t ret;

	if (!atomic_dec_and_test(&dw->pending))
		wait_for_completion_io(done);
	ret = result(dw);
	if (ret > 0 && dw->start + ret > i_size_read(inode))
		i_size_write(inode, dw->start + ret);
	if (ret > 0)
		dw->iocb->ki_pos += ret;
	inode_dio_end(inode);
	kfree(dw);
	return ret;
}

static int check_alignment(struct inode *inode, loff_t pos, struct iov_iter *from)
{
	if ((pos | iov_iter_alignment(from)) & (SECTOR_SIZE - 1))
		return -EINVAL;
	if ((pos | iov_iter_count(from)) & (bcachefs_block_bytes(inode) - 1))
		return -ENOTBLK;
	return 0;
}

/* is more to be done than to send one bio? Of several, some might have been sent when another has to wait */
static bool would_wait(struct kiocb *iocb, struct iov_iter *from)
{
	loff_t end = iocb->ki_pos + iov_iter_count(from);

	return iov_iter_npages(from, BIO_MAX_VECS + 1) > BIO_MAX_VECS ||
	       filemap_range_has_page(iocb->ki_filp->f_mapping, iocb->ki_pos, end - 1);
}

ssize_t bcachefs_direct_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t end = iocb->ki_pos + iov_iter_count(from), size = i_size_read(inode);
	/* O_SYNC wants the times, too, which are not ours to write: the caller syncs the inode */
	bool wait = is_sync_kiocb(iocb) || end > size || (iocb->ki_flags & IOCB_SYNC);
	DECLARE_COMPLETION_ONSTACK(done);
	struct direct_write *dw;
	int ret = check_alignment(inode, iocb->ki_pos, from);

	if (!ret && (iocb->ki_flags & IOCB_NOWAIT) && would_wait(iocb, from))
		ret = -EAGAIN;
	if (ret)
		return ret;
	dw = kmalloc(sizeof(*dw), GFP_KERNEL);
	if (!dw)
		return -ENOMEM;
	*dw = (struct direct_write) {
		.iocb = iocb, .inode = inode, .done = wait ? &done : NULL,
		.pending = ATOMIC_INIT(1), .lock = __SPIN_LOCK_UNLOCKED(dw->lock),
		.failed_pos = LLONG_MAX, .start = iocb->ki_pos, .pos = iocb->ki_pos,
		.flags = !wait && (iocb->ki_flags & IOCB_DSYNC) ? BCE_WRITE_FUA : 0,
	};
	if (iocb->ki_pos > size)
		bcachefs_zero_behind_end(inode, size);
	inode_dio_begin(inode);
	while (!ret && iov_iter_count(from) && READ_ONCE(dw->failed_pos) == LLONG_MAX)
		ret = direct_piece(dw, from);
	/* what has been begun counts; the caller may go on otherwise where it ends */
	if (dw->pos == dw->start) {
		inode_dio_end(inode);
		kfree(dw);
		return ret;
	}
	if (wait)
		return direct_wait(dw, &done);
	iocb->ki_pos = dw->pos;
	direct_put(dw);
	return -EIOCBQUEUED;
}

int bcachefs_direct_write_init(void)
{
	return bioset_init(&piece_set, 16, offsetof(struct write_piece, bio), BIOSET_NEED_BVECS);
}

void bcachefs_direct_write_exit(void)
{
	bioset_exit(&piece_set);
}
