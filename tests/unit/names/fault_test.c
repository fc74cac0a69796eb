// SPDX-License-Identifier: GPL-2.0
/*
 * One allocation after the other fails in a short row of operations: each is done or not done, the
 * keys and the tables agree, and what was left is done later.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "names_rig.h"

static const struct bce_file_id root = { 1, 4096 };

/* done, not for want of memory, or impossible because something before was not done */
static int fine(int ret)
{
	assert_true(!ret || ret == -ENOMEM || ret == -ENOENT || ret == -EEXIST || ret == -ENODATA ||
		    ret == -ENOTEMPTY || ret == -EINTR);
	return ret;
}

static int make(struct names_rig *r, struct bce_file_id dir, const char *name, umode_t mode,
		struct bce_inode *out)
{
	struct bce_create what = { .mode = mode, .symlink = S_ISLNK(mode) ? "target" : NULL };

	return fine(names_create(&r->w, dir, name, strlen(name), &what, out));
}

static void names_script(struct names_rig *r)
{
	struct bce_inode dir = { .id = root }, file, out;

	make(r, root, "dir", S_IFDIR | 0755, &dir);
	if (!make(r, dir.id, "file", S_IFREG | 0644, &file)) {
		fine(names_link(&r->w, file.id, root, "link", 4, &out));
		fine(names_xattr_set(&r->w, file.id, BCE_XATTR_USER, "a", "value", 5, 0));
		fine(names_xattr_set(&r->w, file.id, BCE_XATTR_USER, "a", NULL, 0, 0));
	}
	make(r, root, "sym", S_IFLNK | 0777, &out);
	fine(names_rename(&r->w, dir.id, "file", 4, root, "sym", 3, 0, NULL, &out));
	if (out.id.inum)
		fine(names_inode_release(&r->w, out.id));
	fine(names_rename(&r->w, root, "link", 4, dir.id, "x", 1, BCE_RENAME_WHITEOUT, NULL,
			  &out));
	if (!fine(names_unlink(&r->w, dir.id, "x", 1, false, &out)))
		fine(names_inode_release(&r->w, out.id));
}

static void snapshot_script(struct names_rig *r)
{
	struct bce_create what = { .mode = S_IFDIR | 0755 };
	struct bce_inode sub, snap, out;

	make(r, root, "file", S_IFREG | 0644, &out);
	if (fine(names_subvolume_create(&r->w, root, "sub", 3, 0, 0, &what, &sub)))
		return;
	make(r, sub.id, "inside", S_IFREG | 0644, &out);
	if (!fine(names_subvolume_create(&r->w, root, "snap", 4, sub.id.subvol, 0, NULL, &snap))) {
		fine(names_unlink(&r->w, snap.id, "inside", 6, false, &out));
		fine(names_rename(&r->w, root, "snap", 4, sub.id, "snap", 4, 0, NULL, &out));
	}
	fine(names_subvolume_delete(&r->w, sub.id, "snap", 4));
	fine(names_snapshots_cleaned(&r->w));
	fine(names_subvolume_set_ro(&r->w, sub.id.subvol, true));
	fine(names_subvolume_delete(&r->w, root, "sub", 3));
	fine(names_snapshots_cleaned(&r->w));
}

static void fail_each(void (*script)(struct names_rig *r))
{
	unsigned int done = 0;
	u64 failed, nth;

	for (nth = 1; ; nth++) {
		struct names_rig r;

		names_rig_init(&r, NULL);
		flush_work(&r.w.clean_work);
		kapi_alloc_fail(nth, false);
		script(&r);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		assert_int_equal(names_rig_check(&r), 0);
		/* what could not be finished is, now or after a restart */
		assert_int_equal(done % 2 ? names_rig_restart(&r) : 0, 0);
		assert_int_equal(names_snapshots_cleaned(&r.w), 0);
		assert_int_equal(names_rig_check(&r), 0);
		names_rig_exit(&r);
		if (!failed)
			break;
		done++;
	}
	assert_true(done > 10);
	print_message("%u allocations failed, one at a time\n", done);
}

static void names(void **state)
{
	fail_each(names_script);
}

static void snapshots(void **state)
{
	fail_each(snapshot_script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
