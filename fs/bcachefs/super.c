// SPDX-License-Identifier: GPL-2.0
/*
 * Mounting. The device to mount is an assembled set (target bcache-set of
 * dm-bcache): the engine's registry knows which set stands behind it. The mount
 * claims the set, waits for its recovery, and holds it until unmount; if its
 * table vanishes meanwhile the set answers -EIO and the mount lives on.
 *
 * A set is written from a read-write mount, or remount, until it is unmounted or
 * remounted read-only: going read-write runs the writing half of recovery, going
 * read-only shuts the set down cleanly. The super block's own flag says what was asked
 * for; whether the set is still written, after an error, only the engine knows.
 */
#include "vfs.h"

#include <linux/fs_context.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include <bcachefs/ops.h>
#include <bcachefs/options.h>
#include <bcachefs/set.h>

#include "options.h"
#include "sysfs.h"

#include "kc/kc.h"

#define BCACHEFS_SUPER_MAGIC	0xca451a4e

static struct kmem_cache *inode_cache;

/* ---- inodes in memory ---- */

static struct inode *alloc_inode_fn(struct super_block *sb)
{
	struct bcachefs_inode *vi = alloc_inode_sb(sb, inode_cache, GFP_NOFS);

	if (!vi)
		return NULL;
	vi->e = (struct bce_inode) { };
	return &vi->v;
}

static void free_inode_fn(struct inode *inode)
{
	kmem_cache_free(inode_cache, to_bcachefs_inode(inode));
}

static void inode_init_once_fn(void *p)
{
	struct bcachefs_inode *vi = p;

	inode_init_once(&vi->v);
	spin_lock_init(&vi->lock);
	mutex_init(&vi->time_lock);
	bcachefs_data_inode_init_once(vi);
}

/* ---- writing ---- */

#define WHY_BYTES	512

/* NULL, or the table feature for which the set is never written */
static const char *read_only_feature(const struct bce_open_opts *set)
{
	return set->nochanges ? "nochanges" : set->norecovery ? "norecovery" :
	       set->read_only ? "read_only" : NULL;
}

static int check_table_writable(struct fs_context *fc, struct bce_set *set)
{
	struct bce_open_opts opts;
	const char *feature;

	bce_set_opts(set, &opts);
	feature = read_only_feature(&opts);
	if (!feature)
		return 0;
	errorf(fc, "bcachefs: the set was assembled with %s%s: mount it with -o ro, or stop it and assemble it without",
	       feature, strcmp(feature, "read_only") ? "" : " (or as a read-only device)");
	return -EROFS;
}

/*
 * An error has ended writing: everybody sees a read-only file system from now on. Changes under way, and
 * dirty pages, meet -EROFS in the engine.
 */
static void writing_ended(void *ctx)
{
	struct super_block *sb = ctx;

	sb->s_flags |= SB_RDONLY;
}

static int go_rw(struct fs_context *fc, struct bce_set *set)
{
	char *why;
	int ret = check_table_writable(fc, set);

	if (ret)
		return ret;
	why = kmalloc(WHY_BYTES, GFP_KERNEL);
	if (!why)
		return -ENOMEM;
	ret = bce_set_go_rw(set, why);
	if (ret)
		errorf(fc, "bcachefs: the set cannot be written: %s", why);
	kfree(why);
	return ret;
}

/* ---- super block ---- */

static int statfs_fn(struct dentry *dentry, struct kstatfs *buf)
{
	struct bcachefs_super *vs = to_bcachefs_super(dentry->d_sb);
	unsigned int shift = ilog2(vs->info.block_bytes >> SECTOR_SHIFT);
	struct bce_usage u;
	int ret = bce_set_usage(vs->set, &u);

	if (ret)
		return ret;
	buf->f_type = BCACHEFS_SUPER_MAGIC;
	buf->f_bsize = vs->info.block_bytes;
	buf->f_blocks = u.capacity_sectors >> shift;
	buf->f_bfree = u.free_sectors >> shift;
	buf->f_bavail = div_u64(buf->f_bfree << 6, 65);
	buf->f_files = u.nr_inodes + u.free_sectors * 8;
	buf->f_ffree = u.free_sectors * 8;
	buf->f_namelen = min(BCE_NAME_MAX, NAME_MAX);
	buf->f_fsid = uuid_to_fsid(vs->info.uuid);
	return 0;
}

static int sync_fs(struct super_block *sb, int wait)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;

	/* without @wait: the journal's own delay starts what can be started */
	return wait && bce_set_is_rw(set) ? bce_sync(set) : 0;
}

static int freeze_fs(struct super_block *sb)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	int ret = bce_set_suspend(set);

	if (ret)
		bce_set_resume(set);
	return ret;
}

static int unfreeze_fs(struct super_block *sb)
{
	bce_set_resume(to_bcachefs_super(sb)->set);
	return 0;
}

static void put_super(struct super_block *sb)
{
	struct bcachefs_super *vs = to_bcachefs_super(sb);

	bcachefs_sysfs_remove(vs->sysfs);
	/* what went wrong has been said by the engine */
	bce_set_go_ro(vs->set);
	bce_set_options_unmount(vs->set);
	bce_set_on_error_end(vs->set, NULL, NULL);
	bce_set_release(vs->set, sb);
	bce_set_put(vs->set);
	bcachefs_subvol_devs_free(vs);
	kfree(vs);
	sb->s_fs_info = NULL;
}

static const struct super_operations super_ops = {
	.alloc_inode	= alloc_inode_fn,
	.free_inode	= free_inode_fn,
	.drop_inode	= generic_drop_inode,
	.write_inode	= bcachefs_write_inode,
	.evict_inode	= bcachefs_evict_inode,
	.statfs		= statfs_fn,
	.put_super	= put_super,
	.sync_fs	= sync_fs,
	.freeze_fs	= freeze_fs,
	.unfreeze_fs	= unfreeze_fs,
	.show_options	= bcachefs_show_options,
};

/* the running set behind the device, claimed for @sb */
static struct bce_set *claim_set(struct fs_context *fc, struct super_block *sb)
{
	struct bce_set *set = bce_set_by_dev(sb->s_bdev->bd_dev);
	int ret;

	if (!set) {
		errorf(fc, "bcachefs: %pg is not an assembled set; assemble it first: bcachectl assemble",
		       sb->s_bdev);
		return ERR_PTR(-EINVAL);
	}
	ret = bce_set_wait_started(set);
	if (ret)
		errorf(fc, "bcachefs: the set did not start: error %d (see the kernel log)", ret);
	if (!ret)
		ret = bce_set_claim(set, sb);
	if (ret) {
		bce_set_put(set);
		return ERR_PTR(ret);
	}
	return set;
}

static void set_acl(struct fs_context *fc, struct super_block *sb, struct bcachefs_super *vs)
{
	const struct mount_opts *m = fc->fs_private;

	vs->acl = m->acl_given ? m->acl : vs->info.acl;
	if (vs->acl)
		sb->s_flags |= SB_POSIXACL;
}

static void set_geometry(struct super_block *sb, const struct bce_set_info *info)
{
	sb->s_magic = BCACHEFS_SUPER_MAGIC;
	sb->s_blocksize = info->block_bytes;
	sb->s_blocksize_bits = ilog2(info->block_bytes);
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_time_gran = info->time_precision_ns;
	sb->s_time_min = div_s64(S64_MIN, NSEC_PER_SEC) + 1;
	sb->s_time_max = div_s64(S64_MAX, NSEC_PER_SEC);
	kc_sb_set_uuid(sb, info->uuid);
}

static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct bce_file_id root_id = { .subvol = BCE_ROOT_SUBVOL };
	const struct mount_opts *opts = fc->fs_private;
	struct bce_subvolume root_subvol;
	struct bcachefs_super *vs;
	struct bce_set *set;
	struct inode *root;
	int ret;

	set = claim_set(fc, sb);
	if (IS_ERR(set))
		return PTR_ERR(set);
	vs = kzalloc(sizeof(*vs), GFP_KERNEL);
	if (!vs) {
		bce_set_release(set, sb);
		bce_set_put(set);
		return -ENOMEM;
	}
	xa_init(&vs->subvol_devs);
	vs->set = set;
	bce_set_info(set, &vs->info);
	sb->s_fs_info = vs;
	/* from here on put_super() or the caller's kill_sb() cleans up */

	set_acl(fc, sb, vs);
	set_geometry(sb, &vs->info);
	sb->s_op = &super_ops;
	sb->s_export_op = &bcachefs_export_ops;
	sb->s_xattr = bcachefs_xattr_handlers;
	/* an inode may remember that it has no privileges to be taken away when it is written */
	sb->s_flags |= SB_NOSEC;

	ret = bce_set_quota_types_set(set, (vs->info.quota_types & ~opts->quota_given) | opts->quota);
	if (ret)
		goto fail;
	bcachefs_quota_init(sb);
	bce_set_errors_set(set, opts->errors_given ? opts->errors : vs->info.errors_policy);
	bce_set_on_error_end(set, writing_ended, sb);
	ret = bcachefs_options_apply(fc, vs);
	if (!ret && !sb_rdonly(sb))
		ret = go_rw(fc, set);
	if (ret)
		goto fail;
	ret = bce_subvolume_read(set, BCE_ROOT_SUBVOL, &root_subvol);
	if (ret == -ENOENT && sb_rdonly(sb)) {
		errorf(fc, "bcachefs: the set has no root: a newly formatted one is made by its first read-write mount");
		ret = -ENODATA;
	}
	if (ret)
		goto fail;
	vs->sysfs = bcachefs_sysfs_add(sb);
	if (IS_ERR(vs->sysfs)) {
		ret = PTR_ERR(vs->sysfs);
		vs->sysfs = NULL;
		goto fail;
	}
	root_id.inum = root_subvol.root_inum;
	root = bcachefs_iget(sb, root_id);
	if (IS_ERR(root)) {
		errorf(fc, "bcachefs: the root directory cannot be read");
		ret = PTR_ERR(root);
		goto fail;
	}
	sb->s_root = d_make_root(root);
	if (sb->s_root)
		return 0;
	ret = -ENOMEM;
fail:
	put_super(sb);
	return ret;
}

/* before the block layer refuses a read-only device without saying why */
static int check_source_writable(struct fs_context *fc)
{
	struct bce_set *set;
	dev_t dev;
	int ret;

	/* what is wrong with the source itself is get_tree_bdev()'s to say */
	if (!fc->source || lookup_bdev(fc->source, &dev))
		return 0;
	set = bce_set_by_dev(dev);
	if (!set)
		return 0;
	ret = check_table_writable(fc, set);
	bce_set_put(set);
	return ret;
}

static int get_tree(struct fs_context *fc)
{
	struct super_block *sb;
	int ret = fc->sb_flags & SB_RDONLY ? 0 : check_source_writable(fc);

	if (!ret)
		ret = get_tree_bdev(fc, fill_super);
	if (ret)
		return ret;
	/* here and not in fill_super(): it may have been mounted before */
	sb = fc->root->d_sb;
	ret = bcachefs_options_check(fc, to_bcachefs_super(sb), false);
	if (ret) {
		dput(fc->root);
		fc->root = NULL;
		deactivate_locked_super(sb);
	}
	return ret;
}

static int remount_ro(struct super_block *sb)
{
	int ret = sync_filesystem(sb);

	/* a set that an error stopped is read-only already, and not clean: that has been said */
	bce_set_go_ro(to_bcachefs_super(sb)->set);
	return bce_set_is_rw(to_bcachefs_super(sb)->set) ? ret : 0;
}

/* mount(8) repeats the options that are in effect */
static int reconfigure(struct fs_context *fc)
{
	const struct mount_opts *opts = fc->fs_private;
	struct super_block *sb = fc->root->d_sb;
	bool ro = fc->sb_flags & SB_RDONLY;
	int ret = bcachefs_options_check(fc, to_bcachefs_super(sb), true) ?:
		bcachefs_options_apply(fc, to_bcachefs_super(sb));

	if (ret)
		return ret;
	if (opts->errors_given)
		bce_set_errors_set(to_bcachefs_super(sb)->set, opts->errors);
	if (!(fc->sb_flags_mask & SB_RDONLY) || ro == sb_rdonly(sb))
		return 0;
	return ro ? remount_ro(sb) : go_rw(fc, to_bcachefs_super(sb)->set);
}

static void free_fc(struct fs_context *fc)
{
	bcachefs_mount_opts_free(fc->fs_private);
}

static const struct fs_context_operations context_ops = {
	.free		= free_fc,
	.parse_param	= bcachefs_parse_param,
	.get_tree	= get_tree,
	.reconfigure	= reconfigure,
};

static int init_fs_context(struct fs_context *fc)
{
	fc->fs_private = kzalloc(sizeof(struct mount_opts), GFP_KERNEL);
	if (!fc->fs_private)
		return -ENOMEM;
	fc->ops = &context_ops;
	return 0;
}

static struct file_system_type fs_type = {
	.owner			= THIS_MODULE,
	.name			= "bcachefs",
	.init_fs_context	= init_fs_context,
	.parameters		= bcachefs_param_spec,
	.kill_sb		= kill_block_super,
	.fs_flags		= FS_REQUIRES_DEV | FS_ALLOW_IDMAP,
};

static int __init bcachefs_init(void)
{
	int ret = -ENOMEM;

	inode_cache = kmem_cache_create("bce_inode", sizeof(struct bcachefs_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, inode_init_once_fn);
	if (!inode_cache)
		return ret;
	ret = bcachefs_data_init();
	if (ret)
		goto free_cache;
	ret = bcachefs_sysfs_init();
	if (ret)
		goto data_exit;
	ret = register_filesystem(&fs_type);
	if (!ret)
		return 0;
	bcachefs_sysfs_exit();
data_exit:
	bcachefs_data_exit();
free_cache:
	kmem_cache_destroy(inode_cache);
	return ret;
}

static void __exit bcachefs_exit(void)
{
	unregister_filesystem(&fs_type);
	bcachefs_sysfs_exit();
	bcachefs_data_exit();
	/* inodes are freed after a grace period */
	rcu_barrier();
	kmem_cache_destroy(inode_cache);
}

module_init(bcachefs_init);
module_exit(bcachefs_exit);

MODULE_DESCRIPTION("bcachefs file system");
MODULE_LICENSE("GPL");
MODULE_ALIAS_FS("bcachefs");
