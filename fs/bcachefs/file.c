// SPDX-License-Identifier: GPL-2.0
/*
 * Files: which way reads and writes take, fsync, and the map of what is where (SEEK_HOLE, SEEK_DATA,
 * FIEMAP), for which the engine is asked after what is dirty has been written back.
 */
#include "data.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/writeback.h>

#include <bcachefs/ops.h>
#include <bcachefs/read.h>

#include "kc/kc.h"

static ssize_t bcachefs_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t ret;

	if (!(iocb->ki_flags & IOCB_DIRECT))
		return generic_file_read_iter(iocb, iter);
	if (!iov_iter_count(iter))
		return 0;
	ret = bcachefs_direct_read(iocb, iter);
	if (ret >= 0 || ret == -EIOCBQUEUED)
		file_accessed(iocb->ki_filp);
	return ret;
}

/* ---- writing ---- */

/*
 * Sharing i_rwsem is for writes that change nothing but contents: not the size, not privileges, which
 * are only known to be gone if the inode says so.
 */
static bool write_is_exclusive(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	return !IS_NOSEC(inode) || (iocb->ki_flags & IOCB_APPEND) ||
	       iocb->ki_pos + iov_iter_count(from) > i_size_read(inode);
}

static bool write_lock_inode(struct inode *inode, bool exclusive, bool nowait)
{
	if (nowait)
		return exclusive ? inode_trylock(inode) : inode_trylock_shared(inode);
	if (exclusive)
		inode_lock(inode);
	else
		inode_lock_shared(inode);
	return true;
}

static void write_unlock_inode(struct inode *inode, bool exclusive)
{
	if (exclusive)
		inode_unlock(inode);
	else
		inode_unlock_shared(inode);
}

/* what a direct write leaves over: through the page cache, and out of it again */
static ssize_t write_rest(struct kiocb *iocb, struct iov_iter *from)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t pos = iocb->ki_pos;
	ssize_t ret = bcachefs_buffered_write(iocb, from);
	int error;

	if (ret <= 0)
		return ret;
	error = filemap_write_and_wait_range(mapping, pos, pos + ret - 1);
	if (error)
		return error;
	invalidate_mapping_pages(mapping, pos >> PAGE_SHIFT, (pos + ret - 1) >> PAGE_SHIFT);
	return ret;
}

/* i_rwsem is held. -ENOTBLK: only if @exclusive is not set, and nothing has been written */
static ssize_t write_locked(struct kiocb *iocb, struct iov_iter *from, bool exclusive)
{
	bool direct = iocb->ki_flags & IOCB_DIRECT;
	ssize_t done = 0, ret = file_modified(iocb->ki_filp);

	if (ret)
		return ret;
	if (!direct)
		return bcachefs_buffered_write(iocb, from);
	ret = bcachefs_direct_write(iocb, from);
	if (!exclusive)
		return ret;
	if (ret > 0 && is_sync_kiocb(iocb))
		done = ret;
	else if (ret != -ENOTBLK)
		return ret;
	if (!iov_iter_count(from))
		return done;
	ret = write_rest(iocb, from);
	return done + max_t(ssize_t, ret, 0) ?: ret;
}

static ssize_t bcachefs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	bool exclusive = !(iocb->ki_flags & IOCB_DIRECT) || write_is_exclusive(iocb, from);
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	ssize_t ret;

	if (!bce_set_is_rw(bcachefs_set_of(inode)))
		return -EROFS;
	/* the file becomes longer when the data is there: that is waited for. (Buffered: generic_write_checks() refuses) */
	if (nowait && exclusive && (iocb->ki_flags & IOCB_DIRECT))
		return -EAGAIN;
	for (;;) {
		if (!write_lock_inode(inode, exclusive, nowait))
			return -EAGAIN;
		ret = generic_write_checks(iocb, from);
		/* the file may have become shorter before we had the lock */
		if (ret > 0 && !exclusive && write_is_exclusive(iocb, from))
			ret = -ENOTBLK;
		if (ret > 0)
			ret = write_locked(iocb, from, exclusive);
		write_unlock_inode(inode, exclusive);
		if (ret != -ENOTBLK || exclusive)
			break;
		/* the page cache has to do with it */
		if (nowait)
			return -EAGAIN;
		exclusive = true;
	}
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

int bcachefs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file->f_mapping->host;
	int ret = file_write_and_wait_range(file, start, end);

	if (!ret && (!datasync || (READ_ONCE(inode->i_state) & I_DIRTY_DATASYNC)))
		ret = sync_inode_metadata(inode, 1);
	/* what is mounted read-only is durable since then */
	if (ret || sb_rdonly(inode->i_sb))
		return ret;
	return bce_sync_inode(bcachefs_set_of(inode), bcachefs_id_of(inode));
}

/* ---- the map ---- */

bool bcachefs_extent_is_data(const struct bce_extent *e)
{
	switch (e->kind) {
	case BCE_EXTENT_DATA:
	case BCE_EXTENT_INLINE:
	case BCE_EXTENT_ERROR:		/* reading it must say that it is lost */
		return true;
	case BCE_EXTENT_HOLE:
	case BCE_EXTENT_UNWRITTEN:
	case BCE_EXTENT_RESERVED:
		break;
	}
	return false;
}

/* first byte at or after @pos that is data (or hole); the end of the file is a hole */
static loff_t seek_kind(struct inode *inode, loff_t pos, bool want_data)
{
	struct bce_file_id id = bcachefs_id_of(inode);
	struct bce_set *set = bcachefs_set_of(inode);
	loff_t size = i_size_read(inode);

	if (pos < 0 || pos >= size)
		return -ENXIO;
	while (pos < size) {
		struct bce_extent e;
		int ret = bce_extent_at(set, id, pos >> SECTOR_SHIFT, &e);

		if (ret)
			return ret;
		if (bcachefs_extent_is_data(&e) == want_data)
			return pos;
		if (e.end_sector >= size >> SECTOR_SHIFT && e.end_sector > (size - 1) >> SECTOR_SHIFT)
			break;
		pos = e.end_sector << SECTOR_SHIFT;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return want_data ? -ENXIO : size;
}

static loff_t bcachefs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	int ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	inode_lock_shared(inode);
	ret = filemap_write_and_wait(inode->i_mapping);
	offset = ret ?: seek_kind(inode, offset, whence == SEEK_DATA);
	inode_unlock_shared(inode);
	return offset < 0 ? offset : vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

static u32 fiemap_flags(const struct bce_extent *e)
{
	u32 flags = e->shared ? FIEMAP_EXTENT_SHARED : 0;

	switch (e->kind) {
	case BCE_EXTENT_INLINE:
		flags |= FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED;
		break;
	case BCE_EXTENT_UNWRITTEN:
		flags |= FIEMAP_EXTENT_UNWRITTEN;
		break;
	case BCE_EXTENT_RESERVED:
		flags |= FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC;
		break;
	case BCE_EXTENT_ERROR:
		flags |= FIEMAP_EXTENT_UNKNOWN;
		break;
	case BCE_EXTENT_DATA:
	case BCE_EXTENT_HOLE:
		break;
	}
	if (e->encoded)
		flags |= FIEMAP_EXTENT_ENCODED;
	return flags;
}

static int fiemap_emit(struct fiemap_extent_info *info, const struct bce_extent *e, u32 more)
{
	int ret = fiemap_fill_next_extent(info, e->start_sector << SECTOR_SHIFT,
					  e->device_sector << SECTOR_SHIFT,
					  (e->end_sector - e->start_sector) << SECTOR_SHIFT,
					  fiemap_flags(e) | more);

	return ret < 0 ? ret : ret == 1 ? -ECANCELED : 0;
}

/* two stored extents in a row are one, where nothing but their checksums divides them */
static bool fiemap_join(struct bce_extent *e, const struct bce_extent *next)
{
	if (e->kind != next->kind || e->shared != next->shared || e->encoded || next->encoded ||
	    e->end_sector != next->start_sector)
		return false;
	switch (e->kind) {
	case BCE_EXTENT_DATA:
	case BCE_EXTENT_UNWRITTEN:
		if (!e->device_sector || e->device_sector + (e->end_sector - e->start_sector) !=
					 next->device_sector)
			return false;
		break;
	case BCE_EXTENT_RESERVED:
		break;
	default:
		return false;
	}
	e->end_sector = next->end_sector;
	return true;
}

/* one extent of delay: what follows may belong to it, and the last one is marked */
int bcachefs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len)
{
	struct bce_file_id id = bcachefs_id_of(inode);
	struct bce_set *set = bcachefs_set_of(inode);
	struct bce_extent e, held = { };
	bool have = false;
	u64 sector, end;
	int ret = fiemap_prep(inode, info, start, &len, 0);

	/* without being asked: what is dirty has no place yet, and is not a hole */
	if (!ret)
		ret = filemap_write_and_wait(inode->i_mapping);
	if (ret)
		return ret;
	sector = start >> SECTOR_SHIFT;
	end = DIV_ROUND_UP_ULL(start + len, SECTOR_SIZE);
	for (; sector < end; sector = e.end_sector) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = bce_extent_at(set, id, sector, &e);
		if (ret)
			return ret;
		if (e.kind == BCE_EXTENT_HOLE) {
			if (e.end_sector == U64_MAX)
				break;
			continue;
		}
		if (have && fiemap_join(&held, &e))
			continue;
		if (have)
			ret = fiemap_emit(info, &held, 0);
		if (ret)
			return ret == -ECANCELED ? 0 : ret;
		held = e;
		have = true;
	}
	if (!have)
		return 0;
	/* the last asked for is the file's last only if nothing follows it */
	ret = bce_extent_at(set, id, held.end_sector, &e);
	if (ret)
		return ret;
	ret = fiemap_emit(info, &held, e.kind == BCE_EXTENT_HOLE && e.end_sector == U64_MAX ?
			  FIEMAP_EXTENT_LAST : 0);
	return ret == -ECANCELED ? 0 : ret;
}

static int bcachefs_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return generic_file_open(inode, file);
}

const struct file_operations bcachefs_file_fops = {
	.open		= bcachefs_open,
	.llseek		= bcachefs_llseek,
	.read_iter	= bcachefs_read_iter,
	.write_iter	= bcachefs_write_iter,
	.splice_read	= KC_SPLICE_READ,
	.splice_write	= iter_file_splice_write,
	.mmap		= bcachefs_mmap,
	.fsync		= bcachefs_fsync,
	.fallocate	= bcachefs_fallocate,
	.remap_file_range = bcachefs_remap_file_range,
	.unlocked_ioctl	= bcachefs_ioctl_file,
	.compat_ioctl	= compat_ptr_ioctl,
};

int bcachefs_data_init(void)
{
	int ret = bcachefs_read_init() ?: bcachefs_writeback_init() ?: bcachefs_direct_init() ?:
		  bcachefs_direct_write_init();

	if (ret)
		bcachefs_data_exit();
	return ret;
}

void bcachefs_data_exit(void)
{
	bcachefs_direct_write_exit();
	bcachefs_direct_exit();
	bcachefs_writeback_exit();
	bcachefs_read_exit();
}
