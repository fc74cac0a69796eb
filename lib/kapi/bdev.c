// SPDX-License-Identifier: GPL-2.0
/*
 * Block devices: a file descriptor, and threads that carry out bios.
 *
 * submit_bio() puts the bio in one queue for all devices and returns; I/O threads, born when a
 * bio waits and nobody is idle, take bios in order and call bi_end_io. So completions run in
 * another thread than submission, and several at once: what the kernel does, too.
 *
 * I/O goes through the page cache of the host. When a real device is opened its cached pages are
 * dropped first, for a file system may have written below them.
 *
 * A device counts its bios under way; closing waits for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kapi/kapi.h"
#include "kapi/task.h"

#define IO_THREADS_MAX	16
#define IOV_MAX_BATCH	64

struct block_device {
	int fd;
	bool is_file;
	bool read_only;
	u64 bytes;
	unsigned int logical_block_bytes;
	unsigned int physical_block_bytes;
	bool rotational;
	const struct kapi_bdev_fault *fault;
	unsigned int under_way;
	char name[BDEVNAME_SIZE];
};

static pthread_mutex_t io_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t io_filled = PTHREAD_COND_INITIALIZER;
static pthread_cond_t io_done = PTHREAD_COND_INITIALIZER;
static struct bio_list io_queue;
static unsigned int io_waiting, io_idle, io_threads;

/* ---- opening ---- */

static int probe_device(struct block_device *b)
{
	unsigned short rotational = 1;
	int logical = 512;
	unsigned int physical = 512;

	if (ioctl(b->fd, BLKGETSIZE64, &b->bytes) || ioctl(b->fd, BLKSSZGET, &logical))
		return -errno;
	if (ioctl(b->fd, BLKPBSZGET, &physical))
		physical = logical;
	if (ioctl(b->fd, BLKROTATIONAL, &rotational))
		rotational = 1;
	b->logical_block_bytes = logical;
	b->physical_block_bytes = physical;
	b->rotational = rotational;
	posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static int probe(struct block_device *b)
{
	struct stat st;

	if (fstat(b->fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return probe_device(b);
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	b->is_file = true;
	b->bytes = round_down((u64)st.st_size, 512ULL);
	b->logical_block_bytes = 512;
	b->physical_block_bytes = 4096;
	return 0;
}

struct block_device *kapi_bdev_from_fd(int fd, const char *name, int flags)
{
	struct block_device *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int error = -ENOMEM;

	if (b) {
		b->fd = fd;
		b->read_only = (flags & O_ACCMODE) == O_RDONLY;
		strscpy(b->name, kbasename(name), sizeof(b->name));
		error = probe(b);
	}
	if (!error)
		return b;
	kfree(b);
	close(fd);
	return ERR_PTR(error);
}

struct block_device *kapi_bdev_open(const char *path, int flags)
{
	int fd = open(path, (flags & (O_ACCMODE | O_EXCL)) | O_CLOEXEC);

	if (fd < 0)
		return ERR_PTR(-errno);
	/* the claim on a file that stands for a device; on a device it does no harm */
	if ((flags & O_EXCL) && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return ERR_PTR(-EBUSY);
	}
	return kapi_bdev_from_fd(fd, path, flags);
}

void kapi_bdev_close(struct block_device *b)
{
	if (IS_ERR_OR_NULL(b))
		return;
	pthread_mutex_lock(&io_lock);
	while (b->under_way)
		pthread_cond_wait(&io_done, &io_lock);
	pthread_mutex_unlock(&io_lock);
	close(b->fd);
	kfree(b);
}

const char *kapi_bdev_name(const struct block_device *b)
{
	return b->name;
}

void kapi_bdev_set_block_size(struct block_device *b, unsigned int bytes)
{
	BUG_ON(!is_power_of_2(bytes) || bytes < 512 || bytes > 65536);
	b->logical_block_bytes = bytes;
	b->physical_block_bytes = bytes;
}

void kapi_bdev_set_fault(struct block_device *b, const struct kapi_bdev_fault *fault)
{
	__atomic_store_n(&b->fault, fault, __ATOMIC_RELEASE);
}

u64 bdev_nr_bytes(struct block_device *b)
{
	return b->bytes;
}

unsigned int bdev_logical_block_size(struct block_device *b)
{
	return b->logical_block_bytes;
}

unsigned int bdev_physical_block_size(struct block_device *b)
{
	return b->physical_block_bytes;
}

unsigned int bdev_io_opt(struct block_device *b)
{
	return 0;
}

unsigned int bdev_max_discard_sectors(struct block_device *b)
{
	return b->read_only ? 0 : UINT_MAX >> 9;
}

bool bdev_read_only(struct block_device *b)
{
	return b->read_only;
}

bool bdev_nonrot(struct block_device *b)
{
	return !b->rotational;
}

bool bdev_fua(struct block_device *b)
{
	return true;
}

/* ---- carrying out ---- */

static int transfer(struct block_device *b, struct bio *bio)
{
	bool write = op_is_write(bio->bi_opf);
	struct bvec_iter it = bio->bi_iter;
	off_t pos = (off_t)it.bi_sector << 9;

	while (it.bi_size) {
		struct iovec iov[IOV_MAX_BATCH];
		struct bvec_iter at = it;
		int nr = 0;
		ssize_t n;

		for (; at.bi_size && nr < IOV_MAX_BATCH; nr++) {
			struct bio_vec bv = mp_bvec_iter_bvec(bio->bi_io_vec, at);

			iov[nr] = (struct iovec){ bvec_virt(&bv), bv.bv_len };
			bvec_iter_advance(bio->bi_io_vec, &at, bv.bv_len);
		}
		n = write ? pwritev(b->fd, iov, nr, pos) : preadv(b->fd, iov, nr, pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		pos += n;
		bvec_iter_advance(bio->bi_io_vec, &it, n);
	}
	return 0;
}

static int discard(struct block_device *b, const struct bvec_iter *it)
{
	u64 range[2] = { it->bi_sector << 9, it->bi_size };
	int failed = b->is_file
		? fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range[0], range[1])
		: ioctl(b->fd, BLKDISCARD, range);

	return failed ? -errno : 0;
}

static int write_zeroes(struct block_device *b, const struct bvec_iter *it)
{
	static const char zeros[1 << 16];
	off_t pos = (off_t)it->bi_sector << 9;
	size_t left = it->bi_size;

	while (left) {
		ssize_t n = pwrite(b->fd, zeros, min(left, sizeof(zeros)), pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		pos += n;
		left -= n;
	}
	return 0;
}

static int flush(struct block_device *b)
{
	return fdatasync(b->fd) ? -errno : 0;
}

static int operate(struct block_device *b, struct bio *bio)
{
	int error = bio->bi_opf & REQ_PREFLUSH ? flush(b) : 0;

	if (error)
		return error;
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		error = transfer(b, bio);
		break;
	case REQ_OP_FLUSH:
		return flush(b);
	case REQ_OP_DISCARD:
		error = discard(b, &bio->bi_iter);
		break;
	case REQ_OP_WRITE_ZEROES:
		error = write_zeroes(b, &bio->bi_iter);
		break;
	default:
		error = -EOPNOTSUPP;
	}
	return !error && bio->bi_opf & REQ_FUA ? flush(b) : error;
}

/* What the kernel's submission path refuses. */
static blk_status_t refuse(struct block_device *b, struct bio *bio)
{
	u64 start = bio->bi_iter.bi_sector << 9, bytes = bio->bi_iter.bi_size;

	if (op_is_write(bio->bi_opf) && b->read_only)
		return BLK_STS_IOERR;
	if (bio->bi_iter.bi_sector > U64_MAX >> 9 || start > b->bytes ||
	    bytes > b->bytes - start) {
		pr_info_ratelimited("%s: attempt to access beyond end of device: "
				    "sector %llu, %llu bytes, device %llu sectors\n", b->name,
				    (u64)bio->bi_iter.bi_sector, bytes, (u64)bdev_nr_sectors(b));
		return BLK_STS_IOERR;
	}
	if ((start | bytes) & (b->logical_block_bytes - 1))
		return BLK_STS_IOERR;
	return BLK_STS_OK;
}

static blk_status_t carry_out(struct block_device *b, struct bio *bio)
{
	const struct kapi_bdev_fault *fault = __atomic_load_n(&b->fault, __ATOMIC_ACQUIRE);
	blk_status_t status = refuse(b, bio);

	if (!status && fault && fault->before)
		status = fault->before(bio, fault->priv);
	if (!status)
		status = errno_to_blk_status(operate(b, bio));
	if (!status && fault && fault->after)
		status = fault->after(bio, fault->priv);
	return status;
}

static void complete_bio(struct block_device *b, struct bio *bio)
{
	blk_status_t status = carry_out(b, bio);

	if (status)
		WRITE_ONCE(bio->bi_status, status);
	else
		bio_advance(bio, bio->bi_iter.bi_size);
	bio_endio(bio);
}

static void *io_main(void *arg)
{
	pthread_setname_np(pthread_self(), "kapi-io");
	pthread_mutex_lock(&io_lock);
	for (;;) {
		struct bio *bio = bio_list_pop(&io_queue);
		struct block_device *b;

		if (!bio) {
			io_idle++;
			pthread_cond_wait(&io_filled, &io_lock);
			io_idle--;
			continue;
		}
		io_waiting--;
		pthread_mutex_unlock(&io_lock);
		b = bio->bi_bdev;
		complete_bio(b, bio);
		pthread_mutex_lock(&io_lock);
		if (!--b->under_way)
			pthread_cond_broadcast(&io_done);
	}
	return NULL;
}

void submit_bio(struct bio *bio)
{
	struct block_device *b = bio->bi_bdev;
	const struct kapi_bdev_fault *fault = __atomic_load_n(&b->fault, __ATOMIC_ACQUIRE);

	if (fault && fault->submit)
		fault->submit(bio, fault->priv);
	pthread_mutex_lock(&io_lock);
	b->under_way++;
	bio_list_add(&io_queue, bio);
	io_waiting++;
	if (io_idle)
		pthread_cond_signal(&io_filled);
	if (io_idle < io_waiting && io_threads < IO_THREADS_MAX) {
		io_threads++;
		kapi_thread_start(io_main, NULL);
	}
	pthread_mutex_unlock(&io_lock);
}

/* ---- whole operations ---- */

static int simple_op(struct block_device *b, blk_opf_t opf, sector_t sector, sector_t sectors)
{
	int error = 0;

	do {
		u32 now = min_t(sector_t, sectors, 1U << 20);
		struct bio bio;

		bio_init(&bio, b, NULL, 0, opf);
		bio.bi_iter.bi_sector = sector;
		bio.bi_iter.bi_size = now << 9;
		error = submit_bio_wait(&bio);
		sector += now;
		sectors -= now;
	} while (!error && sectors);
	return error;
}

int blkdev_issue_flush(struct block_device *b)
{
	return simple_op(b, (blk_opf_t)REQ_OP_FLUSH, 0, 0);
}

int blkdev_issue_discard(struct block_device *b, sector_t sector, sector_t sectors, gfp_t gfp)
{
	return simple_op(b, (blk_opf_t)REQ_OP_DISCARD, sector, sectors);
}

int blkdev_issue_zeroout(struct block_device *b, sector_t sector, sector_t sectors, gfp_t gfp,
			 unsigned int flags)
{
	return simple_op(b, (blk_opf_t)REQ_OP_WRITE_ZEROES, sector, sectors);
}
