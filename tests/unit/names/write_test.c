// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on names, one by one: what each must do, and refuse (docs/format/65-operations.md).
 * What random sequences of them leave is the business of model_test.c.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

#include "engine/btree/iter.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/values_write.h"
#include "engine/sb/write.h"
#include "names_rig.h"

static const struct bce_file_id root = { 1, 4096 };

#define OK(call)	assert_int_equal((call), 0)

static struct bce_inode made(struct names_rig *r, struct bce_file_id dir, const char *name,
			     umode_t mode)
{
	struct bce_create what = { .mode = mode };
	struct bce_inode out;

	OK(names_create(&r->w, dir, name, strlen(name), &what, &out));
	return out;
}

static int look(struct names_rig *r, struct bce_file_id dir, const char *name,
		struct bce_inode *out)
{
	struct bce_file_id id;
	struct bce_inode d;
	int ret = names_inode_read(&r->w.src, dir, &d) ?:
		  names_dirent_lookup(&r->w.src, &d, name, strlen(name), &id);

	return ret ?: names_inode_read(&r->w.src, id, out);
}

static int unlink_name(struct names_rig *r, struct bce_file_id dir, const char *name, bool rmdir)
{
	struct bce_inode out;

	return names_unlink(&r->w, dir, name, strlen(name), rmdir, &out);
}

static int link_name(struct names_rig *r, struct bce_file_id id, struct bce_file_id dir,
		     const char *name)
{
	struct bce_inode out;

	return names_link(&r->w, id, dir, name, strlen(name), &out);
}

static int move(struct names_rig *r, struct bce_file_id a, const char *from, struct bce_file_id b,
		const char *to, unsigned int flags)
{
	struct bce_inode replaced;

	return names_rename(&r->w, a, from, strlen(from), b, to, strlen(to), flags, NULL,
			    &replaced);
}

static void clean(struct names_rig *r)
{
	assert_int_equal(names_rig_check(r), 0);
	assert_int_equal(bce_log_errors_total(r->m.log), 0);
}

static void fresh(void **state)
{
	struct names_rig r;
	struct bce_inode i;

	names_rig_init(&r, NULL);
	OK(names_inode_read(&r.w.src, root, &i));
	assert_int_equal(i.mode, 040755);
	assert_int_equal(i.nlink, 3);
	assert_int_equal(i.root_of_subvol, 1);
	OK(look(&r, root, "lost+found", &i));
	assert_int_equal(i.id.inum, 4097);
	assert_int_equal(i.mode, 040700);
	assert_int_equal(i.parent_inum, 4096);
	clean(&r);
	names_rig_exit(&r);
}

static void create_and_unlink(void **state)
{
	struct bce_create what = { .mode = S_IFBLK | 0600, .uid = 5, .gid = 6, .rdev_major = 8,
				   .rdev_minor = 17 };
	struct bce_inode file, dir, i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	dir = made(&r, root, "dir", S_IFDIR | 0755);
	assert_int_equal(file.nlink, 1);
	assert_int_equal(dir.nlink, 2);
	assert_int_equal(dir.parent_inum, 4096);
	OK(names_create(&r.w, dir.id, "dev", 3, &what, &i));
	OK(look(&r, dir.id, "dev", &i));
	assert_int_equal(i.uid, 5);
	assert_int_equal(i.gid, 6);
	assert_int_equal(i.rdev_major, 8);
	assert_int_equal(i.rdev_minor, 17);
	clean(&r);

	what.mode = S_IFREG;
	assert_int_equal(names_create(&r.w, root, "file", 4, &what, &i), -EEXIST);
	assert_int_equal(names_create(&r.w, file.id, "x", 1, &what, &i), -ENOTDIR);
	assert_int_equal(names_create(&r.w, root, "..", 2, &what, &i), -EINVAL);
	assert_int_equal(names_create(&r.w, root, "a/b", 3, &what, &i), -EINVAL);
	assert_int_equal(names_create(&r.w, (struct bce_file_id) { 9, 4096 }, "x", 1, &what, &i),
			 -ENOENT);
	assert_int_equal(unlink_name(&r, root, "none", false), -ENOENT);
	assert_int_equal(unlink_name(&r, root, "dir", false), -EISDIR);
	assert_int_equal(unlink_name(&r, root, "file", true), -ENOTDIR);
	assert_int_equal(unlink_name(&r, root, "dir", true), -ENOTEMPTY);
	OK(unlink_name(&r, dir.id, "dev", false));
	OK(unlink_name(&r, root, "dir", true));
	OK(names_inode_read(&r.w.src, dir.id, &i));
	assert_int_equal(i.nlink, 0);
	assert_int_equal(names_create(&r.w, dir.id, "late", 4, &what, &i), -ENOENT);
	clean(&r);
	assert_int_equal(names_rig_count(&r, BTREE_ID_deleted_inodes, -1), 2);
	OK(names_inode_release(&r.w, dir.id));
	assert_int_equal(names_inode_read(&r.w.src, dir.id, &i), -ENOENT);
	/* a file that has a name is not released */
	OK(names_inode_release(&r.w, file.id));
	OK(names_inode_read(&r.w.src, file.id, &i));
	/* the device is left to the next start */
	OK(names_rig_restart(&r));
	assert_int_equal(names_rig_count(&r, BTREE_ID_deleted_inodes, -1), 0);
	assert_int_equal(names_rig_count(&r, BTREE_ID_inodes, KEY_TYPE_inode_generation), 2);
	/* and numbers go on behind those that were used */
	assert_true(made(&r, root, "next", S_IFREG).id.inum > dir.id.inum + 1);
	clean(&r);
	names_rig_exit(&r);
}

static void links_and_tmpfiles(void **state)
{
	struct bce_create what = { .mode = S_IFREG | 0600 };
	struct bce_inode file, tmp, i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	OK(link_name(&r, file.id, root, "second"));
	OK(names_inode_read(&r.w.src, file.id, &i));
	assert_int_equal(i.nlink, 2);
	assert_int_equal(link_name(&r, file.id, root, "file"), -EEXIST);
	assert_int_equal(link_name(&r, root, root, "dir"), -EPERM);
	clean(&r);
	OK(unlink_name(&r, root, "second", false));
	clean(&r);

	OK(names_tmpfile(&r.w, root, &what, &tmp));
	assert_int_equal(tmp.nlink, 0);
	clean(&r);
	OK(link_name(&r, tmp.id, root, "tmp"));
	OK(look(&r, root, "tmp", &i));
	assert_int_equal(i.nlink, 1);
	clean(&r);
	OK(names_tmpfile(&r.w, root, &what, &tmp));
	OK(names_inode_release(&r.w, tmp.id));
	assert_int_equal(names_inode_read(&r.w.src, tmp.id, &i), -ENOENT);
	clean(&r);
	names_rig_exit(&r);
}

static void symlinks(void **state)
{
	struct bce_create what = { .mode = S_IFLNK | 0777, .symlink = "target" };
	char longer[1900];
	struct names_rig r;
	struct bce_inode i;
	struct bkey_buf buf;
	struct bkey k;

	names_rig_init(&r, NULL);
	OK(names_create(&r.w, root, "link", 4, &what, &i));
	assert_int_equal(i.size, 6);
	assert_int_equal(i.sectors, 8);
	OK(bce_btree_lookup(r.m.b, BTREE_ID_extents, SPOS(i.id.inum, 8, U32_MAX), NULL, &k, &buf));
	assert_int_equal(k.type, KEY_TYPE_inline_data);
	assert_memory_equal(k.v, "target\0", 8);
	assert_true(r.features_set & BIT_ULL(BCH_FEATURE_inline_data));
	clean(&r);

	memset(longer, 'l', sizeof(longer));
	longer[1500] = '\0';
	what.symlink = longer;
	OK(names_create(&r.w, root, "long", 4, &what, &i));
	OK(look(&r, root, "long", &i));
	assert_int_equal(i.size, 1500);
	assert_int_equal(i.nlink, 1);
	clean(&r);
	/* data that cannot be written leaves nothing */
	longer[1500] = 'l';
	longer[1899] = '\0';
	longer[1898] = 'x';
	what.symlink = longer;
	{
		static char huge[4096];

		memset(huge, 'h', 4095);
		what.symlink = huge;
		assert_int_equal(names_create(&r.w, root, "huge", 4, &what, &i), -ENOSPC);
	}
	assert_int_equal(look(&r, root, "huge", &i), -ENOENT);
	assert_int_equal(names_rig_count(&r, BTREE_ID_deleted_inodes, -1), 0);
	what.symlink = "";
	assert_int_equal(names_create(&r.w, root, "none", 4, &what, &i), -EINVAL);
	OK(unlink_name(&r, root, "link", false));
	OK(unlink_name(&r, root, "long", false));
	OK(names_rig_restart(&r));
	assert_int_equal(names_rig_count(&r, BTREE_ID_extents, -1), 0);
	clean(&r);
	names_rig_exit(&r);
}

static void renames(void **state)
{
	struct bce_inode a, b, f, g, i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	a = made(&r, root, "a", S_IFDIR | 0755);
	b = made(&r, a.id, "b", S_IFDIR | 0755);
	f = made(&r, root, "f", S_IFREG | 0644);
	g = made(&r, b.id, "g", S_IFREG | 0644);
	assert_int_equal(move(&r, root, "f", b.id, "g", BCE_RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(move(&r, root, "x", b.id, "g", 0), -ENOENT);
	assert_int_equal(move(&r, root, "f", b.id, "none", BCE_RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(move(&r, root, "a", b.id, "in", 0), -EINVAL);
	assert_int_equal(move(&r, root, "a", a.id, "in", 0), -EINVAL);
	assert_int_equal(move(&r, root, "a", root, "f", 0), -ENOTDIR);
	assert_int_equal(move(&r, root, "f", root, "a", 0), -EISDIR);
	assert_int_equal(move(&r, root, "lost+found", root, "a", 0), -ENOTEMPTY);
	clean(&r);

	OK(move(&r, root, "f", b.id, "f", 0));
	OK(look(&r, b.id, "f", &i));
	assert_int_equal(i.id.inum, f.id.inum);
	assert_int_equal(i.parent_inum, b.id.inum);
	assert_int_equal(look(&r, root, "f", &i), -ENOENT);
	clean(&r);
	/* over another file */
	OK(move(&r, b.id, "f", b.id, "g", 0));
	OK(look(&r, b.id, "g", &i));
	assert_int_equal(i.id.inum, f.id.inum);
	OK(names_inode_read(&r.w.src, g.id, &i));
	assert_int_equal(i.nlink, 0);
	clean(&r);
	/* a directory to another one: link counts follow */
	OK(move(&r, a.id, "b", root, "b", 0));
	OK(names_inode_read(&r.w.src, a.id, &i));
	assert_int_equal(i.nlink, 2);
	OK(names_inode_read(&r.w.src, root, &i));
	assert_int_equal(i.nlink, 5);
	clean(&r);
	/* exchange of a file and a directory */
	OK(move(&r, b.id, "g", root, "a", BCE_RENAME_EXCHANGE));
	OK(look(&r, b.id, "g", &i));
	assert_int_equal(i.id.inum, a.id.inum);
	OK(look(&r, root, "a", &i));
	assert_int_equal(i.id.inum, f.id.inum);
	clean(&r);
	/* whiteout */
	OK(move(&r, root, "a", root, "moved", BCE_RENAME_WHITEOUT));
	OK(look(&r, root, "a", &i));
	assert_true(S_ISCHR(i.mode));
	assert_int_equal(i.rdev_major | i.rdev_minor, 0);
	assert_int_equal(i.uid, f.uid);
	OK(names_rename(&r.w, root, "moved", 5, root, "away", 4, BCE_RENAME_WHITEOUT,
			&(struct bce_creds) { 123, 456 }, &i));
	OK(look(&r, root, "moved", &i));
	assert_int_equal(i.uid, 123);
	assert_int_equal(i.gid, 456);
	clean(&r);
	/* a directory over an empty one */
	made(&r, root, "empty", S_IFDIR | 0700);
	OK(move(&r, root, "b", root, "empty", 0));
	OK(look(&r, root, "empty", &i));
	assert_int_equal(i.id.inum, b.id.inum);
	clean(&r);
	/* to itself */
	OK(move(&r, root, "empty", root, "empty", 0));
	OK(names_inode_release(&r.w, g.id));
	clean(&r);
	names_rig_exit(&r);
}

/* names that all want the same few slots */
static void collisions(void **state)
{
	char name[8][32];
	struct bce_inode file[8], i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	for (int n = 0; n < 8; n++) {
		char prefix[4] = { 'p', '0' + n };

		names_rig_forge(name[n], prefix, -1, 0x1000 + n / 3);
		file[n] = made(&r, root, name[n], S_IFREG | 0644);
		assert_int_equal(file[n].nlink, 1);
	}
	clean(&r);
	for (int n = 0; n < 8; n++) {
		OK(look(&r, root, name[n], &i));
		assert_int_equal(i.id.inum, file[n].id.inum);
	}
	/* the first goes: what was displaced over it must stay in reach */
	OK(unlink_name(&r, root, name[0], false));
	assert_int_equal(names_rig_count(&r, BTREE_ID_dirents, KEY_TYPE_hash_whiteout), 1);
	clean(&r);
	/* the last goes: really */
	OK(unlink_name(&r, root, name[7], false));
	assert_int_equal(names_rig_count(&r, BTREE_ID_dirents, KEY_TYPE_hash_whiteout), 1);
	clean(&r);
	/* the tombstone is taken again */
	file[7] = made(&r, root, name[0], S_IFREG | 0644);
	assert_int_equal(names_rig_count(&r, BTREE_ID_dirents, KEY_TYPE_hash_whiteout), 0);
	clean(&r);
	/* renames within the cluster, plain and over each other */
	for (int n = 0; n < 200; n++) {
		int a = n * 5 % 8, b = n * 3 % 7;

		if (look(&r, root, name[a], &i))
			continue;
		OK(move(&r, root, name[a], root, name[b],
			n % 4 == 3 && !look(&r, root, name[b], &i) ? BCE_RENAME_EXCHANGE : 0));
		if (n % 3 == 0)
			(void)link_name(&r, i.id, root, name[n % 8]);
		clean(&r);
	}
	names_rig_exit(&r);
}

static void attributes(void **state)
{
	struct bce_inode file, want, i;
	char name[300], value[2000];
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	want = file;
	want.mode = 04711;
	want.uid = 1000;
	want.gid = 1001;
	want.flags = BCE_INODE_IMMUTABLE | BCE_INODE_UNLINKED;
	want.mtime = (struct timespec64) { 1234567890, 987654321 };
	want.atime = (struct timespec64) { -5, 1 };
	want.project = 77;
	want.opts_explicit = BIT(INODE_OPT_project);
	OK(names_setattr(&r.w, &want, BCE_ATTR_MODE | BCE_ATTR_UID | BCE_ATTR_GID | BCE_ATTR_FLAGS |
			 BCE_ATTR_MTIME | BCE_ATTR_ATIME | BCE_ATTR_PROJECT, &i));
	OK(names_inode_read(&r.w.src, file.id, &i));
	assert_int_equal(i.mode, S_IFREG | 04711);
	assert_int_equal(i.uid, 1000);
	assert_int_equal(i.gid, 1001);
	assert_int_equal(i.flags, BCE_INODE_IMMUTABLE);
	assert_int_equal(i.mtime.tv_sec, 1234567890);
	assert_int_equal(i.mtime.tv_nsec, 987654321);
	assert_int_equal(i.atime.tv_sec, -5);
	assert_int_equal(i.atime.tv_nsec, 1);
	assert_int_equal(i.project, 77);
	assert_true(i.ctime.tv_sec >= file.ctime.tv_sec && i.ctime.tv_nsec > file.ctime.tv_nsec);
	assert_int_equal(i.btime.tv_nsec, file.btime.tv_nsec);

	OK(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "foo", "bar", 3, 0));
	assert_int_equal(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "foo", "x", 1,
					 BCE_XATTR_CREATE), -EEXIST);
	assert_int_equal(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "new", "x", 1,
					 BCE_XATTR_REPLACE), -ENODATA);
	assert_int_equal(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "new", NULL, 0, 0), -ENODATA);
	OK(names_xattr_set(&r.w, file.id, BCE_XATTR_TRUSTED, "foo", "", 0, 0));
	OK(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "foo", "longer than before", 18, 0));
	assert_int_equal(names_xattr_get(&r.w.src, &i, BCE_XATTR_USER, "foo", value, 100), 18);
	assert_int_equal(names_xattr_get(&r.w.src, &i, BCE_XATTR_TRUSTED, "foo", value, 100), 0);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(names_xattr_set(&r.w, file.id, 0, name, "x", 1, 0), -ERANGE);
	name[255] = '\0';
	OK(names_xattr_set(&r.w, file.id, 0, name, value, 1741, 0));
	assert_int_equal(names_xattr_set(&r.w, file.id, 0, name, value, 1742, 0), -E2BIG);
	clean(&r);
	OK(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, "foo", NULL, 0, 0));
	assert_int_equal(names_xattr_get(&r.w.src, &i, BCE_XATTR_USER, "foo", value, 100), -ENODATA);

	OK(names_acl_set(&r.w, file.id, BCE_XATTR_ACL_ACCESS, 0640, "acl", 3));
	OK(names_inode_read(&r.w.src, file.id, &i));
	assert_int_equal(i.mode, S_IFREG | 0640);
	assert_int_equal(names_xattr_get(&r.w.src, &i, BCE_XATTR_ACL_ACCESS, "", value, 100), 3);
	OK(names_acl_set(&r.w, file.id, BCE_XATTR_ACL_ACCESS, 0600, NULL, 0));
	OK(names_acl_set(&r.w, file.id, BCE_XATTR_ACL_ACCESS, 0600, NULL, 0));
	assert_int_equal(names_acl_set(&r.w, file.id, BCE_XATTR_ACL_DEFAULT, 0600, "a", 1), -EACCES);
	clean(&r);
	OK(unlink_name(&r, root, "file", false));
	OK(names_inode_release(&r.w, file.id));
	assert_int_equal(names_rig_count(&r, BTREE_ID_xattrs, -1), 0);
	clean(&r);
	names_rig_exit(&r);
}

static int opt_text(struct names_rig *r, struct bce_file_id id, unsigned int opt, bool effective,
		    char *buf)
{
	struct bce_inode i;

	OK(names_inode_read(&r->w.src, id, &i));
	return names_inode_opt_text(&r->w.src, &i, opt, effective, buf, 64);
}

static void options(void **state)
{
	struct bce_inode dir, file, other;
	struct names_rig r;
	char buf[64];

	names_rig_init(&r, NULL);
	dir = made(&r, root, "dir", S_IFDIR | 0755);
	OK(names_inode_opt_set(&r.w, dir.id, INODE_OPT_compression, "zstd:5"));
	OK(names_inode_opt_set(&r.w, dir.id, INODE_OPT_data_replicas, "2"));
	assert_int_equal(names_inode_opt_set(&r.w, dir.id, INODE_OPT_compression, "none:5"), -EINVAL);
	assert_int_equal(names_inode_opt_set(&r.w, dir.id, INODE_OPT_compression, "zst"), -EINVAL);
	assert_int_equal(names_inode_opt_set(&r.w, dir.id, INODE_OPT_data_replicas, "5"), -EINVAL);
	assert_int_equal(names_inode_opt_set(&r.w, dir.id, INODE_OPT_promote_target, "x"), -EINVAL);
	assert_int_equal(names_inode_opt_set(&r.w, dir.id, 10, "1"), -EINVAL);
	assert_int_equal(opt_text(&r, dir.id, INODE_OPT_compression, false, buf), 6);
	assert_string_equal(buf, "zstd:5");
	/* the cookie asks for a look at the data */
	assert_int_equal(names_rig_count(&r, BTREE_ID_rebalance_work, KEY_TYPE_cookie), 1);

	file = made(&r, dir.id, "file", S_IFREG | 0644);
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_compression, false, buf), -ENODATA);
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_compression, true, buf), 6);
	OK(names_inode_opt_set(&r.w, file.id, INODE_OPT_data_checksum, "crc64"));
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_data_checksum, false, buf), 5);
	/* links and directories do not go where options differ; files take the new ones */
	assert_int_equal(link_name(&r, file.id, root, "link"), -EXDEV);
	other = made(&r, root, "other", S_IFDIR | 0755);
	assert_int_equal(move(&r, root, "other", dir.id, "other", 0), -EXDEV);
	OK(move(&r, dir.id, "file", other.id, "file", 0));
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_compression, true, buf), -ENODATA);
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_data_checksum, false, buf), 5);
	/* taken away: what the directory has */
	OK(names_inode_opt_set(&r.w, other.id, INODE_OPT_data_checksum, "none"));
	OK(names_inode_opt_set(&r.w, file.id, INODE_OPT_data_checksum, NULL));
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_data_checksum, false, buf), -ENODATA);
	assert_int_equal(opt_text(&r, file.id, INODE_OPT_data_checksum, true, buf), 4);
	OK(names_inode_opt_set(&r.w, file.id, INODE_OPT_promote_target, "none"));
	clean(&r);
	names_rig_exit(&r);
}

/* times kept in memory are written late, when others may have changed the inode */
static void ctime_is_not_lowered(void **state)
{
	struct bce_inode file, want, i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	want = file;
	want.atime = want.ctime = (struct timespec64) { file.ctime.tv_sec - 1, 0 };
	OK(names_setattr(&r.w, &want, BCE_ATTR_ATIME | BCE_ATTR_CTIME_LATER, &i));
	assert_int_equal(i.atime.tv_sec, want.atime.tv_sec);
	assert_memory_equal(&i.ctime, &file.ctime, sizeof(i.ctime));
	want.ctime.tv_sec += 100;
	OK(names_setattr(&r.w, &want, BCE_ATTR_CTIME_LATER, &i));
	assert_memory_equal(&i.ctime, &want.ctime, sizeof(i.ctime));
	OK(names_setattr(&r.w, &file, BCE_ATTR_CTIME, &i));
	assert_memory_equal(&i.ctime, &file.ctime, sizeof(i.ctime));
	clean(&r);
	names_rig_exit(&r);
}

static void new_files_with_attributes(void **state)
{
	struct bce_xattr label[] = {
		{ BCE_XATTR_SECURITY, "label", "secret", 6 },
		{ BCE_XATTR_SECURITY, "other", "", 0 },
	};
	struct bce_create what = {
		.mode = S_IFDIR | 0750, .uid = 5, .gid = 6, .acl_access = "acl", .acl_access_bytes = 3,
		.acl_default = "default", .acl_default_bytes = 7, .xattrs = label, .nr_xattrs = 2,
	};
	struct bce_inode i[2];
	struct names_rig r;
	char value[20];

	names_rig_init(&r, NULL);
	OK(names_create(&r.w, root, "dir", 3, &what, &i[0]));
	OK(names_subvolume_create(&r.w, root, "sub", 3, 0, 0, &what, &i[1]));
	for (int n = 0; n < 2; n++) {
		assert_int_equal(i[n].mode, S_IFDIR | 0750);
		assert_int_equal(i[n].uid, 5);
		assert_int_equal(i[n].gid, 6);
		assert_int_equal(names_xattr_get(&r.w.src, &i[n], BCE_XATTR_ACL_ACCESS, "", value,
						 sizeof(value)), 3);
		assert_int_equal(names_xattr_get(&r.w.src, &i[n], BCE_XATTR_ACL_DEFAULT, "", value,
						 sizeof(value)), 7);
		assert_int_equal(names_xattr_get(&r.w.src, &i[n], BCE_XATTR_SECURITY, "other",
						 value, sizeof(value)), 0);
		assert_int_equal(names_xattr_get(&r.w.src, &i[n], BCE_XATTR_SECURITY, "label",
						 value, sizeof(value)), 6);
		assert_memory_equal(value, "secret", 6);
	}
	label[1].bytes = 60000;
	assert_int_equal(names_create(&r.w, root, "big", 3, &what, &i[0]), -E2BIG);
	assert_int_equal(look(&r, root, "big", &i[0]), -ENOENT);
	what.mode = S_IFREG | 0600;
	assert_int_equal(names_subvolume_create(&r.w, root, "f", 1, 0, 0, &what, &i[0]), -EINVAL);
	clean(&r);
	names_rig_exit(&r);
}

/* ---- subvolumes ---- */

static struct bce_inode snapshot(struct names_rig *r, struct bce_file_id dir, const char *name,
				 u32 source, unsigned int flags)
{
	struct bce_create what = { .mode = S_IFDIR | 0755 };
	struct bce_inode out;

	OK(names_subvolume_create(&r->w, dir, name, strlen(name), source, flags, &what, &out));
	return out;
}

/* a file of a deleted subvolume that is still open is known by the subvolume's id */
static void subvolume_ids_do_not_come_again(void **state)
{
	struct bce_subvolume s;
	struct names_rig r;

	names_rig_init(&r, NULL);
	assert_int_equal(snapshot(&r, root, "a", 1, 0).id.subvol, 2);
	assert_int_equal(snapshot(&r, root, "b", 1, 0).id.subvol, 3);
	OK(names_subvolume_delete(&r.w, root, "b", 1));
	OK(names_snapshots_cleaned(&r.w));
	assert_int_equal(snapshot(&r, root, "c", 1, 0).id.subvol, 4);

	OK(names_subvolume_next(&r.w.src, 0, &s));
	assert_int_equal(s.id, 1);
	OK(names_subvolume_next(&r.w.src, 2, &s));
	assert_int_equal(s.id, 4);
	assert_int_equal(s.creation_parent, 1);
	assert_true(s.is_snapshot);
	assert_int_equal(names_subvolume_next(&r.w.src, 4, &s), -ENOENT);
	clean(&r);
	names_rig_exit(&r);
}

static void subvolumes(void **state)
{
	struct bce_inode sub, snap, file, i;
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	sub = snapshot(&r, root, "sub", 0, 0);
	assert_int_equal(sub.id.subvol, 2);
	assert_int_equal(sub.root_of_subvol, 2);
	made(&r, sub.id, "inside", S_IFREG | 0644);
	clean(&r);
	snap = snapshot(&r, root, "snap", 1, 0);
	assert_int_equal(snap.id.subvol, 3);
	assert_int_equal(snap.id.inum, 4096);
	clean(&r);
	/* the same file, then two */
	OK(look(&r, snap.id, "file", &i));
	assert_int_equal(i.id.inum, file.id.inum);
	/* nested subvolumes do not show in snapshots, nor the snapshot in itself */
	assert_int_equal(look(&r, snap.id, "sub", &i), -ENOENT);
	assert_int_equal(look(&r, snap.id, "snap", &i), -ENOENT);
	OK(look(&r, root, "sub", &i));
	OK(unlink_name(&r, root, "file", false));
	OK(names_inode_release(&r.w, file.id));
	assert_int_equal(names_inode_read(&r.w.src, file.id, &i), -ENOENT);
	OK(look(&r, snap.id, "file", &i));
	assert_int_equal(i.nlink, 1);
	clean(&r);
	made(&r, snap.id, "only here", S_IFREG | 0644);
	assert_int_equal(look(&r, root, "only here", &i), -ENOENT);
	clean(&r);

	/* read-only */
	OK(names_subvolume_set_ro(&r.w, 3, true));
	assert_int_equal(unlink_name(&r, snap.id, "file", false), -EROFS);
	OK(names_subvolume_set_ro(&r.w, 3, false));
	OK(unlink_name(&r, snap.id, "file", false));
	clean(&r);
	/* it moves */
	OK(move(&r, root, "snap", sub.id, "moved", 0));
	OK(look(&r, sub.id, "moved", &i));
	assert_int_equal(i.id.subvol, 3);
	clean(&r);
	assert_int_equal(move(&r, root, "sub", i.id, "loop", 0), -EINVAL);
	assert_int_equal(names_subvolume_delete(&r.w, root, "sub", 3), -ENOTEMPTY);
	assert_int_equal(unlink_name(&r, root, "sub", true), -ENOTEMPTY);
	OK(names_subvolume_delete(&r.w, sub.id, "moved", 5));
	OK(names_snapshots_cleaned(&r.w));
	clean(&r);
	OK(names_subvolume_delete(&r.w, root, "sub", 3));
	OK(names_snapshots_cleaned(&r.w));
	clean(&r);
	/* one subvolume, one node again */
	assert_int_equal(names_rig_count(&r, BTREE_ID_subvolumes, -1), 1);
	assert_int_equal(names_rig_count(&r, BTREE_ID_snapshots, -1), 1);
	assert_int_equal(names_rig_count(&r, BTREE_ID_snapshot_trees, -1), 1);
	assert_int_equal(names_rig_count(&r, BTREE_ID_subvolume_children, -1), 0);
	names_rig_exit(&r);
}

/* ---- a file that goes ---- */

static void count_step(struct names_rig *r)
{
	++*(unsigned int *)r->ctx;
}

/* one of little contents, with an attribute: looked at, removed, and what lies above it looked at */
static void small_file_goes_at_once(void **state)
{
	unsigned int steps = 0;
	struct bce_file_id file;
	struct names_rig r;

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644).id;
	OK(r.w.ops->data_write(r.w.ctx, file, "contents", 8));
	OK(names_xattr_set(&r.w, file, BCE_XATTR_USER, "a", "1", 1, 0));
	OK(unlink_name(&r, root, "file", false));
	r.ctx = &steps;
	r.on_now = count_step;
	OK(names_inode_release(&r.w, file));
	r.on_now = NULL;
	assert_in_range(steps, 1, 3);
	assert_int_equal(names_rig_count(&r, BTREE_ID_extents, KEY_TYPE_inline_data), 0);
	assert_int_equal(names_rig_count(&r, BTREE_ID_xattrs, -1), 0);
	assert_int_equal(names_rig_count(&r, BTREE_ID_deleted_inodes, -1), 0);
	clean(&r);
	names_rig_exit(&r);
}

/* ---- a file that goes while its keys are moved ---- */

struct meeting {
	struct bce_file_id	file;
	unsigned int		at, seen;	/* begins before that transaction */
	bool			began, done;
	pthread_t		thread;
	int			error;
	struct names_rig	*r;
};

static void *release_it(void *arg)
{
	struct meeting *m = arg;

	m->error = names_inode_release(&m->r->w, m->file);
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* the cleaner goes on when the other is through, or waits for it */
static void release_now(struct names_rig *r)
{
	struct meeting *m = r->ctx;

	if (m->began || ++m->seen != m->at)
		return;
	m->began = true;
	assert_int_equal(pthread_create(&m->thread, NULL, release_it, m), 0);
	for (int i = 0; i < 50 && !__atomic_load_n(&m->done, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
}

/*
 * A file was unlinked but open when a snapshot was taken, which is deleted again: what the file has
 * moves down, extents first, its inode last. It is closed before each of these steps in turn.
 */
static bool release_at_step(unsigned int step)
{
	struct meeting m = { .at = step };
	struct names_rig r;
	struct bce_inode i;

	names_rig_init(&r, NULL);
	m.r = &r;
	m.file = made(&r, root, "file", S_IFREG | 0644).id;
	OK(r.w.ops->data_write(r.w.ctx, m.file, "contents", 8));
	OK(names_xattr_set(&r.w, m.file, BCE_XATTR_USER, "a", "1", 1, 0));
	OK(names_xattr_set(&r.w, m.file, BCE_XATTR_USER, "b", "2", 1, 0));
	OK(unlink_name(&r, root, "file", false));
	snapshot(&r, root, "snap", 1, 0);
	r.ctx = &m;
	/* the deletion, which is the first step, sets the cleaner going */
	r.on_now = release_now;
	OK(names_subvolume_delete(&r.w, root, "snap", 4));
	OK(names_snapshots_cleaned(&r.w));
	if (m.began) {
		assert_int_equal(pthread_join(m.thread, NULL), 0);
		OK(m.error);
		r.on_now = NULL;
		OK(names_snapshots_cleaned(&r.w));
		assert_int_equal(names_inode_read(&r.w.src, m.file, &i), -ENOENT);
		assert_int_equal(names_rig_count(&r, BTREE_ID_extents, KEY_TYPE_inline_data), 0);
		assert_int_equal(names_rig_count(&r, BTREE_ID_xattrs, KEY_TYPE_xattr), 0);
		assert_int_equal(names_rig_count(&r, BTREE_ID_deleted_inodes, -1), 0);
	}
	clean(&r);
	names_rig_exit(&r);
	return m.began;
}

static void released_while_cleaned(void **state)
{
	unsigned int step = 1;

	while (release_at_step(step))
		step++;
	assert_true(step > 6);
}

/* an extent with a whiteout somewhere before its end, in a snapshot above and in the one below */
struct moved_pair {
	u64	inum;
	u32	above, below;
	bool	bad;
};

static int put_pair(struct bce_trans *t, void *ctx)
{
	struct moved_pair *m = ctx;
	struct bkey extent = {
		.p = SPOS(m->inum, 16, m->above), .type = KEY_TYPE_reservation, .size = 16, .val_u64s = 1,
		.v = bce_trans_alloc(t, 8),
	};
	struct bkey whiteout = { .p = SPOS(m->inum, 8, m->above), .type = KEY_TYPE_whiteout };

	assert_non_null(extent.v);
	memset((void *)extent.v, 0, 8);
	((u8 *)extent.v)[4] = 1;		/* copies */
	return bce_trans_update(t, BTREE_ID_extents, &extent, 0) ?:
	       bce_trans_update(t, BTREE_ID_extents, &whiteout, 0);
}

static bool is_there(struct names_rig *r, u64 inum, u64 offset, u32 snapshot)
{
	struct bkey_buf buf;
	struct bkey k;

	return !bce_btree_lookup(r->w.src.btrees, BTREE_ID_extents, SPOS(inum, offset, snapshot), NULL, &k, &buf);
}

/* a writer who cuts the extent at the whiteout could not see the piece */
static void look_at_pair(struct names_rig *r)
{
	struct moved_pair *m = r->ctx;

	m->bad |= is_there(r, m->inum, 8, m->below) && is_there(r, m->inum, 16, m->above);
}

static void whiteouts_go_last(void **state)
{
	struct subvolume_info above, below;
	struct moved_pair m = { };
	struct names_rig r;

	names_rig_init(&r, NULL);
	m.inum = made(&r, root, "file", S_IFREG | 0644).id.inum;
	snapshot(&r, root, "kept", 1, 0);
	OK(bce_subvolume_lookup(r.w.src.btrees, 1, &above));
	m.above = above.snapshot;
	snapshot(&r, root, "snap", 1, 0);
	OK(bce_subvolume_lookup(r.w.src.btrees, 1, &below));
	m.below = below.snapshot;
	OK(bce_trans_run(r.w.src.btrees, put_pair, &m, 0, NULL));
	r.ctx = &m;
	r.on_now = look_at_pair;
	OK(names_subvolume_delete(&r.w, root, "snap", 4));
	OK(names_snapshots_cleaned(&r.w));
	assert_false(m.bad);
	assert_true(is_there(&r, m.inum, 8, m.below) && is_there(&r, m.inum, 16, m.below));
	assert_false(is_there(&r, m.inum, 8, m.above) || is_there(&r, m.inum, 16, m.above));
	names_rig_exit(&r);
}

/* ---- a damaged tree of snapshots ---- */

struct key_drop {
	unsigned int	btree_id;
	struct bpos	p;
};

static int drop_key(struct bce_trans *t, void *ctx)
{
	const struct key_drop *d = ctx;

	return bce_trans_delete(t, d->btree_id, d->p, TRANS_NO_TRIGGER);
}

static void node_unflagged(struct snapshot_info *s)
{
	s->is_subvol = false;
	s->subvol = 0;
}

struct node_change {
	u32	id;
	void	(*change)(struct snapshot_info *s);
};

static int change_node(struct bce_trans *t, void *ctx)
{
	const struct node_change *c = ctx;
	struct snapshot_info s;
	struct val_buf val;
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_snapshots, POS(0, c->id), NULL, 0, &k);

	if (ret)
		return ret;
	bce_snapshot_decode(&k, &s);
	c->change(&s);
	k = (struct bkey) { .p = POS(0, c->id) };
	bce_snapshot_encode(&k, &val, &s);
	return bce_trans_update(t, BTREE_ID_snapshots, &k, TRANS_NO_TRIGGER);
}

/*
 * A node whose subvolume, whose child or whose mark has been lost is not taken for one that was deleted: the keys in it, and
 * those that are seen from it, stay
 */
static void lost_is_not_deleted(void **state)
{
	for (unsigned int what = 0; what < 3; what++) {
		struct subvolume_info sub, snap;
		struct key_drop drop = { BTREE_ID_subvolumes };
		struct node_change change = { .change = node_unflagged };
		struct bce_inode a, b;
		struct names_rig r;
		unsigned int inodes, dirents;

		names_rig_init(&r, NULL);
		a = snapshot(&r, root, "sub", 0, 0);
		made(&r, a.id, "file", S_IFREG | 0644);
		b = snapshot(&r, root, "snap", a.id.subvol, 0);
		made(&r, b.id, "other", S_IFREG | 0644);
		OK(bce_subvolume_lookup(r.w.src.btrees, a.id.subvol, &sub));
		OK(bce_subvolume_lookup(r.w.src.btrees, b.id.subvol, &snap));
		change.id = snap.snapshot;
		drop.p = POS(0, b.id.subvol);
		if (what == 1)
			drop = (struct key_drop) { BTREE_ID_snapshots, POS(0, snap.snapshot) };
		inodes = names_rig_count(&r, BTREE_ID_inodes, -1);
		dirents = names_rig_count(&r, BTREE_ID_dirents, -1);
		OK(bce_trans_run(r.w.src.btrees, what == 2 ? change_node : drop_key, what == 2 ? (void *)&change : &drop,
				 TRANS_COMMIT_NO_CHECK, NULL));
		OK(names_snapshots_cleaned(&r.w));
		assert_int_equal(names_rig_count(&r, BTREE_ID_inodes, -1), inodes);
		assert_int_equal(names_rig_count(&r, BTREE_ID_dirents, -1), dirents);
		names_rig_exit(&r);
	}
}

/* the subvolume that is no snapshot goes first */
static void master_goes(void **state)
{
	struct bce_inode sub, snap;
	struct names_rig r;

	names_rig_init(&r, NULL);
	sub = snapshot(&r, root, "sub", 0, 0);
	made(&r, sub.id, "file", S_IFREG | 0644);
	snap = snapshot(&r, root, "snap", sub.id.subvol, BCE_SUBVOL_RO);
	snapshot(&r, root, "snap2", snap.id.subvol, 0);
	clean(&r);
	OK(names_subvolume_delete(&r.w, root, "sub", 3));
	OK(names_snapshots_cleaned(&r.w));
	clean(&r);
	OK(names_subvolume_delete(&r.w, root, "snap", 4));
	OK(names_snapshots_cleaned(&r.w));
	clean(&r);
	OK(look(&r, root, "snap2", &sub));
	OK(look(&r, sub.id, "file", &snap));
	assert_int_equal(names_rig_count(&r, BTREE_ID_snapshots, -1), 2);
	names_rig_exit(&r);
}

/* ---- quotas ---- */

static void quotas_on(struct sb_builder *b)
{
	bce_sb_option_set(b->sb, bce_sb_option_by_name("usrquota"), 1);
	bce_sb_option_set(b->sb, bce_sb_option_by_name("prjquota"), 1);
}

static void assert_usage(struct names_rig *r, unsigned int type, u32 id, u64 inodes, u64 space)
{
	struct bce_quota q;

	OK(names_quota_get(&r->w, type, id, &q));
	assert_int_equal(q.inodes, inodes);
	assert_int_equal(q.space, space);
}

static void quotas(void **state)
{
	struct bce_quota limits = { .inodes_hard = 3, .space_hard = 16 };
	struct bce_create what = { .mode = S_IFREG | 0644, .uid = 1000 };
	struct bce_create link = { .mode = S_IFLNK | 0777, .uid = 1000, .symlink = "t" };
	struct bce_inode i, first;
	struct names_rig r;

	names_rig_init(&r, quotas_on);
	assert_usage(&r, 0, 0, 2, 0);
	assert_int_equal(names_quota_set(&r.w, 1, 5, &limits), -ESRCH);
	OK(names_quota_set(&r.w, 0, 1000, &limits));
	OK(names_create(&r.w, root, "1", 1, &what, &first));
	OK(names_create(&r.w, root, "2", 1, &link, &i));
	OK(names_create(&r.w, root, "3", 1, &link, &i));
	assert_usage(&r, 0, 1000, 3, 16);
	assert_int_equal(names_create(&r.w, root, "4", 1, &what, &i), -EDQUOT);
	assert_int_equal(names_create(&r.w, root, "4", 1, &link, &i), -EDQUOT);
	assert_usage(&r, 0, 1000, 3, 16);
	/* given away, and back over the limit */
	first.uid = 7;
	OK(names_setattr(&r.w, &first, BCE_ATTR_UID, &i));
	assert_usage(&r, 0, 1000, 2, 16);
	assert_usage(&r, 0, 7, 1, 0);
	OK(names_create(&r.w, root, "4", 1, &what, &i));
	first.uid = 1000;
	assert_int_equal(names_setattr(&r.w, &first, BCE_ATTR_UID, &i), -EDQUOT);
	first.project = 9;
	OK(names_setattr(&r.w, &first, BCE_ATTR_PROJECT, &i));
	assert_int_equal(i.opts_explicit & BIT(INODE_OPT_project), 0);
	assert_usage(&r, 2, 9, 1, 0);
	/* snapshots are free */
	snapshot(&r, root, "snap", 1, 0);
	OK(look(&r, root, "snap", &i));
	OK(names_create(&r.w, i.id, "5", 1, &what, &i));
	assert_usage(&r, 0, 1000, 3, 16);
	/* counted anew it is the same */
	OK(names_rig_restart(&r));
	assert_usage(&r, 0, 1000, 3, 16);
	assert_usage(&r, 0, 7, 1, 0);
	assert_usage(&r, 2, 9, 1, 0);
	OK(look(&r, root, "2", &i));
	OK(unlink_name(&r, root, "2", false));
	assert_usage(&r, 0, 1000, 3, 16);
	OK(names_inode_release(&r.w, i.id));
	assert_usage(&r, 0, 1000, 2, 8);
	OK(names_rig_restart(&r));
	assert_usage(&r, 0, 1000, 2, 8);
	clean(&r);
	names_rig_exit(&r);
}

/* ids in any order, some without anything, one that comes meanwhile; of so many that looking through all for each would not end */
static void quotas_are_listed(void **state)
{
	struct quota_limits limits = { .inodes = { 5, 0 } }, none = { };
	const u32 nr = 60000;
	time_t began = time(NULL);
	struct quota_usage u;
	struct names_rig r;
	u32 id = 7, seen = 0;

	names_rig_init(&r, quotas_on);
	for (u32 i = 0; i < nr; i++) {
		u32 at = 10 + (i * 7919U) % nr * 3;

		OK(bce_quota_limits_set(r.w.quota, BCH_QUOTA_user, at, at % 2 ? &none : &limits));
	}
	for (int ret; !(ret = bce_quota_usage_next(r.w.quota, BCH_QUOTA_user, &id, &u)); id++) {
		assert_int_equal(id, 10 + 6 * seen);
		assert_int_equal(memcmp(&u.limits, &limits, sizeof(limits)), 0);
		seen++;
		if (id == 16)
			OK(bce_quota_limits_set(r.w.quota, BCH_QUOTA_user, 21, &limits));
		if (id == 16) {
			id = 17;
			OK(bce_quota_usage_next(r.w.quota, BCH_QUOTA_user, &id, &u));
			assert_int_equal(id, 21);
		}
	}
	assert_int_equal(seen, nr / 2);
	assert_true(time(NULL) - began < 20);
	id = 8;
	assert_int_equal(bce_quota_usage_next(r.w.quota, BCH_QUOTA_project, &id, &u), -ENOENT);
	names_rig_exit(&r);
}

/* of more keys than go at once, some transactions begun anew: none stays */
static void many_keys_go(void **state)
{
	struct bce_inode file;
	struct names_rig r;
	char name[32];

	names_rig_init(&r, NULL);
	file = made(&r, root, "file", S_IFREG | 0644);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		OK(names_xattr_set(&r.w, file.id, BCE_XATTR_USER, name, "x", 1, 0));
	}
	OK(unlink_name(&r, root, "file", false));
	r.restart_every = 2;
	OK(names_inode_release(&r.w, file.id));
	assert_int_equal(names_rig_count(&r, BTREE_ID_xattrs, -1), 0);
	clean(&r);
	names_rig_exit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh),
		cmocka_unit_test(create_and_unlink),
		cmocka_unit_test(links_and_tmpfiles),
		cmocka_unit_test(symlinks),
		cmocka_unit_test(renames),
		cmocka_unit_test(collisions),
		cmocka_unit_test(ctime_is_not_lowered),
		cmocka_unit_test(new_files_with_attributes),
		cmocka_unit_test(attributes),
		cmocka_unit_test(many_keys_go),
		cmocka_unit_test(options),
		cmocka_unit_test(subvolume_ids_do_not_come_again),
		cmocka_unit_test(subvolumes),
		cmocka_unit_test(small_file_goes_at_once),
		cmocka_unit_test(released_while_cleaned),
		cmocka_unit_test(whiteouts_go_last),
		cmocka_unit_test(lost_is_not_deleted),
		cmocka_unit_test(master_goes),
		cmocka_unit_test(quotas),
		cmocka_unit_test(quotas_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
