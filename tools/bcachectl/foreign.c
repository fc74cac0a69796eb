// SPDX-License-Identifier: GPL-2.0
/*
 * What others have left on a device: file systems, partition tables, members of arrays.
 */
#include "foreign.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "cmd.h"
#include "engine/sb/sb.h"
#include "engine/util/text.h"
#include "kapi/kapi.h"
#include "uuid_arg.h"

static void get_value(blkid_probe pr, const char *name, char *out, size_t size)
{
	const char *value;

	if (!blkid_probe_lookup_value(pr, name, &value, NULL))
		snprintf(out, size, "%s", value);
}

void foreign_probe(const char *path, struct foreign *out)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);
	int ret;

	*out = (struct foreign) { };
	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL |
					  BLKID_SUBLKS_UUID);
	blkid_probe_enable_partitions(pr, 1);
	ret = blkid_do_safeprobe(pr);
	if (!ret) {
		get_value(pr, "TYPE", out->type, sizeof(out->type));
		get_value(pr, "LABEL", out->label, sizeof(out->label));
		get_value(pr, "UUID", out->uuid, sizeof(out->uuid));
		if (!out->type[0])
			get_value(pr, "PTTYPE", out->type, sizeof(out->type));
	} else if (ret == -2) {
		snprintf(out->type, sizeof(out->type), "several file systems at once");
	}
	blkid_free_probe(pr);
}

/* also where the first superblock is damaged and libblkid sees nothing */
static int describe_member(const char *path, struct text_buf *out)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	struct sb_info info;
	char uuid[37];
	int ret;

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	ret = bce_sb_read(&img, bdev, 0, &why);
	kapi_bdev_close(bdev);
	bce_text_exit(&why);
	if (ret)
		return ret;
	bce_sb_info(img.sb, &info);
	uuid_arg_text(info.user_uuid, uuid);
	bce_text_printf(out, "bcachefs, member %u of set %s", info.dev_idx, uuid);
	if (info.label[0])
		bce_text_printf(out, " \"%s\"", info.label);
	bce_sb_image_exit(&img);
	return 0;
}

void foreign_describe(const char *path, struct text_buf *out)
{
	struct foreign f;

	if (!describe_member(path, out))
		return;
	foreign_probe(path, &f);
	if (!f.type[0])
		return;
	bce_text_printf(out, "%s", f.type);
	if (f.label[0])
		bce_text_printf(out, ", label \"%s\"", f.label);
	else if (f.uuid[0])
		bce_text_printf(out, ", UUID %s", f.uuid);
}

void complain_no_member(const char *path, int error, const char *why)
{
	struct text_buf held = TEXT_BUF_INIT;

	if (error == -ENODATA)
		foreign_describe(path, &held);
	if (error != -ENODATA)
		complain("%s: %s", path, why);
	else if (held.len)
		complain("%s: no member of a bcachefs set; it holds: %s", path, bce_text_str(&held));
	else
		complain("%s: no member of a bcachefs set: %.*s", path, (int)strcspn(why, "\n"), why);
	bce_text_exit(&held);
}

int foreign_wipe(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), ret = 0;
	blkid_probe pr = blkid_new_probe();

	if (fd < 0 || !pr || blkid_probe_set_device(pr, fd, 0, 0)) {
		ret = fd < 0 ? -errno : pr ? -EIO : -ENOMEM;
		goto out;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	while (!ret && !blkid_do_probe(pr))
		if (blkid_do_wipe(pr, 0))
			ret = -EIO;
out:
	if (pr)
		blkid_free_probe(pr);
	if (fd >= 0)
		close(fd);
	return ret;
}
