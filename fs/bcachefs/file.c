// SPDX-License-Identifier: GPL-2.0
/*
 * Files: reading, and the map of what is where (SEEK_HOLE, SEEK_DATA, FIEMAP).
 * Writing answers EROFS by the mount being read-only.
 */
#include "vfs.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/splice.h>
#include <linux/uio.h>

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

static bool extent_is_data(const struct bce_extent *e)
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
	struct bce_file_id id = to_bcachefs_inode(inode)->e.id;
	struct bce_set *set = to_bcachefs_super(inode->i_sb)->set;
	loff_t size = i_size_read(inode);

	if (pos < 0 || pos >= size)
		return -ENXIO;
	while (pos < size) {
		struct bce_extent e;
		int ret = bce_extent_at(set, id, pos >> SECTOR_SHIFT, &e);

		if (ret)
			return ret;
		if (extent_is_data(&e) == want_data)
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

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	offset = seek_kind(inode, offset, whence == SEEK_DATA);
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
	struct bce_file_id id = to_bcachefs_inode(inode)->e.id;
	struct bce_set *set = to_bcachefs_super(inode->i_sb)->set;
	struct bce_extent e, held = { };
	bool have = false;
	u64 sector, end;
	int ret = fiemap_prep(inode, info, start, &len, 0);

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
	file->f_mode |= FMODE_CAN_ODIRECT;
	return generic_file_open(inode, file);
}

const struct file_operations bcachefs_file_fops = {
	.open		= bcachefs_open,
	.llseek		= bcachefs_llseek,
	.read_iter	= bcachefs_read_iter,
	.splice_read	= KC_SPLICE_READ,
	.mmap		= generic_file_readonly_mmap,
	.fsync		= noop_fsync,
	.unlocked_ioctl	= bcachefs_ioctl_file,
	.compat_ioctl	= compat_ptr_ioctl,
};
