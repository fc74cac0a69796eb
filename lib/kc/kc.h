/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernels we build for: 6.1 and 6.12.
 *
 * The only place with an #if on the kernel's version. A wrapper is named kc_ and what it does;
 * a macro that stands for a name or a list is KC_. Where the kernels offer the same thing under
 * two names, the wrapper has the newer kernel's meaning. With two kernels one question suffices:
 * 6.12 or older.
 *
 * User space sees lib/kapi/include/kc/kc.h instead, with the part of this that the engine uses.
 */
#ifndef KC_KC_H
#define KC_KC_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/device-mapper.h>
#include <linux/fs.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/uuid.h>
#include <linux/version.h>
#include <linux/writeback.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define KC_612	1
#include <linux/mnt_idmapping.h>
#include <linux/unaligned.h>
#else
#define KC_612	0
#include <linux/user_namespace.h>
#include <asm/unaligned.h>
#endif

/* ---- id mapping: the first argument of every inode operation ---- */

#if KC_612
typedef struct mnt_idmap kc_idmap;
#define KC_NOP_IDMAP			(&nop_mnt_idmap)
#define kc_file_idmap(file)		file_mnt_idmap(file)
#define kc_mnt_idmap(mnt)		mnt_idmap(mnt)
#else
typedef struct user_namespace kc_idmap;
#define KC_NOP_IDMAP			(&init_user_ns)
#define kc_file_idmap(file)		file_mnt_user_ns(file)
#define kc_mnt_idmap(mnt)		mnt_user_ns(mnt)
#endif

/* ---- inode attributes ---- */

static inline void kc_fillattr(kc_idmap *idmap, u32 request_mask, struct inode *inode,
			       struct kstat *stat)
{
#if KC_612
	generic_fillattr(idmap, request_mask, inode, stat);
#else
	generic_fillattr(idmap, inode, stat);
#endif
}

/* statx(2) tells the subvolume where the kernel has a field for it. */
static inline void kc_stat_set_subvol(struct kstat *stat, u64 subvol)
{
#if KC_612
	stat->subvol = subvol;
	stat->result_mask |= STATX_SUBVOL;
#endif
}

#if KC_612
#define KC_INODE_TIME(which) \
static inline struct timespec64 kc_inode_get_##which(const struct inode *inode) \
{ \
	return inode_get_##which(inode); \
} \
static inline void kc_inode_set_##which(struct inode *inode, struct timespec64 t) \
{ \
	inode_set_##which##_to_ts(inode, t); \
}
#else
#define KC_INODE_TIME(which) \
static inline struct timespec64 kc_inode_get_##which(const struct inode *inode) \
{ \
	return inode->i_##which; \
} \
static inline void kc_inode_set_##which(struct inode *inode, struct timespec64 t) \
{ \
	inode->i_##which = t; \
}
#endif
KC_INODE_TIME(atime)
KC_INODE_TIME(mtime)
#undef KC_INODE_TIME

static inline struct timespec64 kc_inode_get_ctime(const struct inode *inode)
{
	return inode_get_ctime(inode);
}

static inline void kc_inode_set_ctime(struct inode *inode, struct timespec64 t)
{
	inode_set_ctime_to_ts(inode, t);
}

/* Parameters of .update_time; flags holds S_ATIME and so on. */
#if KC_612
#define KC_UPDATE_TIME_ARGS	struct inode *inode, int flags
#else
#define KC_UPDATE_TIME_ARGS	struct inode *inode, struct timespec64 *now, int flags
#endif

/* ---- POSIX ACLs ---- */

/*
 * .KC_GET_ACL = get, with struct posix_acl *get(struct inode *inode, int type, bool rcu);
 * .set_acl = set, with int set(KC_SET_ACL_ARGS), which finds its inode by kc_acl_inode(object).
 * KC_ACL_XATTR_HANDLERS stands in the list of xattr handlers, without a comma of its own.
 */
#if KC_612
#define KC_GET_ACL		get_inode_acl
typedef struct dentry kc_acl_object;
#define KC_ACL_XATTR_HANDLERS	&nop_posix_acl_access, &nop_posix_acl_default,
#else
#define KC_GET_ACL		get_acl
typedef struct inode kc_acl_object;
#define KC_ACL_XATTR_HANDLERS	&posix_acl_access_xattr_handler, &posix_acl_default_xattr_handler,
#endif
#define KC_SET_ACL_ARGS \
	kc_idmap *idmap, kc_acl_object *object, struct posix_acl *acl, int type

static inline struct inode *kc_acl_inode(kc_acl_object *object)
{
#if KC_612
	return d_inode(object);
#else
	return object;
#endif
}

static inline int kc_acl_chmod(kc_idmap *idmap, struct dentry *dentry, umode_t mode)
{
#if KC_612
	return posix_acl_chmod(idmap, dentry, mode);
#else
	return posix_acl_chmod(idmap, d_inode(dentry), mode);
#endif
}

/* ---- page cache ---- */

#if KC_612
typedef fgf_t kc_fgf_t;
#else
typedef int kc_fgf_t;
#endif

/* Return: folio, or NULL: none there, or none could be made. */
static inline struct folio *kc_folio_get(struct address_space *mapping, pgoff_t index,
					 kc_fgf_t fgp, gfp_t gfp)
{
	struct folio *folio = __filemap_get_folio(mapping, index, fgp, gfp);

	return IS_ERR(folio) ? NULL : folio;
}

/* Flag for kc_folio_get(): make a folio of about @bytes. Older kernels make single pages. */
static inline kc_fgf_t kc_fgf_order(size_t bytes)
{
#if KC_612
	return fgf_set_order(bytes);
#else
	return 0;
#endif
}

/* Ends a read into a locked folio: uptodate on success, unlocked in any case. */
static inline void kc_folio_end_read(struct folio *folio, bool success)
{
#if KC_612
	folio_end_read(folio, success);
#else
	if (success)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
#endif
}

typedef int (*kc_writepage_t)(struct folio *folio, struct writeback_control *wbc, void *data);

#if !KC_612
struct kc_writepage {
	kc_writepage_t fn;
	void *data;
};

static inline int kc_writepage_call(struct page *page, struct writeback_control *wbc, void *data)
{
	struct kc_writepage *w = data;

	return w->fn(page_folio(page), wbc, w->data);
}
#endif

/* Calls @fn with each dirty folio, locked, ready for writeback. Return: 0 or its first error. */
static inline int kc_write_cache_pages(struct address_space *mapping,
				       struct writeback_control *wbc, kc_writepage_t fn, void *data)
{
#if KC_612
	return write_cache_pages(mapping, wbc, fn, data);
#else
	struct kc_writepage w = { .fn = fn, .data = data };

	return write_cache_pages(mapping, wbc, kc_writepage_call, &w);
#endif
}

/* Member of struct address_space_operations, followed by a comma. */
#if KC_612
#define KC_ERROR_REMOVE_FOLIO	.error_remove_folio = generic_error_remove_folio
#else
#define KC_ERROR_REMOVE_FOLIO	.error_remove_page = generic_error_remove_page
#endif

/* ---- files ---- */

/* Value of .splice_read for files that live in the page cache. */
#if KC_612
#define KC_SPLICE_READ		filemap_splice_read
#else
#define KC_SPLICE_READ		generic_file_splice_read
#endif

/*
 * Buffered I/O that keeps IOCB_NOWAIT: KC_FOP_FLAGS(flags) stands in struct file_operations,
 * without a comma of its own, and .open calls kc_file_open_flags(file, flags).
 */
#if KC_612
#define KC_BUF_RASYNC		FOP_BUFFER_RASYNC
#define KC_BUF_WASYNC		FOP_BUFFER_WASYNC
#define KC_FOP_FLAGS(flags)	.fop_flags = (flags),
#define kc_file_open_flags(file, flags)	((void)(file))
#else
#define KC_BUF_RASYNC		FMODE_BUF_RASYNC
#define KC_BUF_WASYNC		FMODE_BUF_WASYNC
#define KC_FOP_FLAGS(flags)
#define kc_file_open_flags(file, flags)	((void)((file)->f_mode |= (flags)))
#endif

/* copy_file_range(2) by way of pipes, where reflinking cannot. Return: bytes or -errno. */
static inline ssize_t kc_copy_range_fallback(struct file *in, loff_t pos_in, struct file *out,
					     loff_t pos_out, size_t len)
{
#if KC_612
	return splice_copy_file_range(in, pos_in, out, pos_out, len);
#else
	return generic_copy_file_range(in, pos_in, out, pos_out, len, 0);
#endif
}

/* ---- super block ---- */

/* @uuid: 16 bytes */
static inline void kc_sb_set_uuid(struct super_block *sb, const u8 *uuid)
{
#if KC_612
	super_set_uuid(sb, uuid, UUID_SIZE);
#else
	memcpy(&sb->s_uuid, uuid, UUID_SIZE);
#endif
}

static inline int kc_freeze_bdev(struct block_device *bdev)
{
#if KC_612
	return bdev_freeze(bdev);
#else
	return freeze_bdev(bdev);
#endif
}

static inline int kc_thaw_bdev(struct block_device *bdev)
{
#if KC_612
	return bdev_thaw(bdev);
#else
	return thaw_bdev(bdev);
#endif
}

/* ---- shrinkers ---- */

#if !KC_612
struct kc_shrinker {
	struct shrinker shrinker;
	void *priv;
	bool registered;
	char name[32];
};
#endif

/**
 * kc_shrinker_alloc() - make a shrinker, not yet called by anybody
 * @name: for debugfs, without blanks
 *
 * Set count_objects and scan_objects, then register.
 *
 * Return: shrinker or NULL.
 */
static inline struct shrinker *kc_shrinker_alloc(const char *name)
{
#if KC_612
	return shrinker_alloc(0, "%s", name);
#else
	struct kc_shrinker *k = kzalloc(sizeof(*k), GFP_KERNEL);

	if (!k)
		return NULL;
	k->shrinker.seeks = DEFAULT_SEEKS;
	strscpy(k->name, name, sizeof(k->name));
	return &k->shrinker;
#endif
}

static inline void kc_shrinker_set_private(struct shrinker *s, void *priv)
{
#if KC_612
	s->private_data = priv;
#else
	container_of(s, struct kc_shrinker, shrinker)->priv = priv;
#endif
}

static inline void *kc_shrinker_private(struct shrinker *s)
{
#if KC_612
	return s->private_data;
#else
	return container_of(s, struct kc_shrinker, shrinker)->priv;
#endif
}

/* Return: 0 or -ENOMEM. */
static inline int __must_check kc_shrinker_register(struct shrinker *s)
{
#if KC_612
	shrinker_register(s);
	return 0;
#else
	struct kc_shrinker *k = container_of(s, struct kc_shrinker, shrinker);
	int ret = register_shrinker(s, "%s", k->name);

	k->registered = !ret;
	return ret;
#endif
}

/* Unregisters if registered; NULL is fine. No call is under way when this returns. */
static inline void kc_shrinker_free(struct shrinker *s)
{
#if KC_612
	shrinker_free(s);
#else
	struct kc_shrinker *k;

	if (!s)
		return;
	k = container_of(s, struct kc_shrinker, shrinker);
	if (k->registered)
		unregister_shrinker(s);
	kfree(k);
#endif
}

/* ---- block devices ---- */

/**
 * struct kc_bdev - a block device opened without claiming it
 * @bdev: the device
 * @file: what keeps it open, on kernels that open devices as files
 */
struct kc_bdev {
	struct block_device *bdev;
	struct file *file;
};

/**
 * kc_bdev_open_shared() - open a block device beside others who use it
 * @h:     filled on success
 * @dev:   which
 * @write: also for writing
 *
 * Context: may sleep.
 * Return:  0 or -errno.
 */
static inline int __must_check kc_bdev_open_shared(struct kc_bdev *h, dev_t dev, bool write)
{
#if KC_612
	blk_mode_t mode = BLK_OPEN_READ | (write ? BLK_OPEN_WRITE : 0);
	struct file *file = bdev_file_open_by_dev(dev, mode, NULL, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	h->file = file;
	h->bdev = file_bdev(file);
#else
	fmode_t mode = FMODE_READ | (write ? FMODE_WRITE : 0);
	struct block_device *bdev = blkdev_get_by_dev(dev, mode, NULL);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	h->file = NULL;
	h->bdev = bdev;
#endif
	return 0;
}

/* @write: as it was opened. */
static inline void kc_bdev_close(struct kc_bdev *h, bool write)
{
#if KC_612
	bdev_fput(h->file);
#else
	blkdev_put(h->bdev, FMODE_READ | (write ? FMODE_WRITE : 0));
#endif
	h->bdev = NULL;
	h->file = NULL;
}

/* Name of a block device as %pg prints it; @buf of BDEVNAME_SIZE bytes. Return: @buf. */
static inline const char *kc_bdev_name(struct block_device *bdev, char *buf)
{
	scnprintf(buf, BDEVNAME_SIZE, "%pg", bdev);
	return buf;
}

/* Return: false when the bio is full. bio_add_folio() is not exported by 6.1. */
static inline bool kc_bio_add_folio(struct bio *bio, struct folio *folio, size_t bytes,
				    size_t offset)
{
	if (bytes > UINT_MAX || offset > UINT_MAX)
		return false;
	return bio_add_page(bio, &folio->page, bytes, offset) == bytes;
}

/* ---- device-mapper ---- */

/* What dm_table_get_mode() tells and dm_get_device() wants. */
#if KC_612
typedef blk_mode_t kc_dm_mode;
#define KC_DM_WRITE		BLK_OPEN_WRITE
#else
typedef fmode_t kc_dm_mode;
#define KC_DM_WRITE		FMODE_WRITE
#endif

/* For use in .io_hints. @granularity_bytes: 0 for no discards */
static inline void kc_hint_discard(struct queue_limits *limits, unsigned int max_sectors,
				   unsigned int granularity_bytes)
{
	limits->discard_granularity = granularity_bytes;
#if KC_612
	limits->max_hw_discard_sectors = granularity_bytes ? max_sectors : 0;
#else
	limits->max_discard_sectors = granularity_bytes ? max_sectors : 0;
#endif
}

/* ---- core ---- */

/* Is the lock owner @t on a processor, so that spinning for it makes sense? Caller holds RCU. */
static inline bool kc_owner_running(struct task_struct *t)
{
#ifdef CONFIG_SMP
	return owner_on_cpu(t);
#else
	return false;
#endif
}

#if !KC_612
static inline void *kc_mempool_kvmalloc(gfp_t gfp, void *pool_data)
{
	return kvmalloc((size_t)pool_data, gfp);
}

static inline void kc_mempool_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}
#endif

/* Return: 0 or -errno. */
static inline int kc_mempool_init_kvmalloc(mempool_t *pool, int min_nr, size_t bytes)
{
#if KC_612
	return mempool_init_kvmalloc_pool(pool, min_nr, bytes);
#else
	return mempool_init(pool, min_nr, kc_mempool_kvmalloc, kc_mempool_kvfree, (void *)bytes);
#endif
}

/* Return: class or ERR_PTR. A macro: 6.1 wants a lock class per call. */
#if KC_612
#define kc_class_create(name)	class_create(name)
#else
#define kc_class_create(name)	class_create(THIS_MODULE, name)
#endif

/* In TP_fast_assign(); 6.12 remembers the source given to __string(). */
#if KC_612
#define kc_assign_str(field, src)	__assign_str(field)
#else
#define kc_assign_str(field, src)	__assign_str(field, src)
#endif

#endif
