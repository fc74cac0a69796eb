// SPDX-License-Identifier: GPL-2.0
/*
 * A set of superblocks to be changed.
 */
#include "sb_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/err.h>

#include "kapi/kapi.h"
#include "require.h"
#include "sb_builder.h"

static void remember(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	struct sb_rig *r = ctx;
	size_t len = strlen(r->said);

	snprintf(r->said + len, sizeof(r->said) - len, "%s\n", line);
}

static void device_make(struct sb_rig *r, unsigned int dev,
			void (*change)(struct sb_builder *b, unsigned int dev))
{
	struct sb_builder b;

	sbb_init(&b, r->nr, dev);
	if (change)
		change(&b, dev);
	r->fd[dev] = sbb_device();
	sbb_write(&b, r->fd[dev]);
	sbb_exit(&b);
	r->bdev[dev] = kapi_bdev_from_fd(dup(r->fd[dev]), "device", O_RDWR);
	require(!IS_ERR(r->bdev[dev]));
}

void sb_rig_attach_as(struct sb_rig *r, unsigned int dev, void *owner)
{
	struct member_info m;
	char name[16];

	bce_sb_member(r->img[dev].sb, dev, &m);
	snprintf(name, sizeof(name), "sd%c", 'a' + dev);
	require(!bce_member_attach(r->members, dev, r->bdev[dev], &m, name, owner));
}

void sb_rig_attach(struct sb_rig *r, unsigned int dev)
{
	sb_rig_attach_as(r, dev, r);
}

static void writer_open(struct sb_rig *r)
{
	const struct bch_sb *dev_sb[64] = { }, *best = NULL;
	unsigned int dev;

	for (dev = 0; dev < r->nr; dev++) {
		sb_rig_read(r, dev, 0, &r->img[dev]);
		dev_sb[dev] = r->img[dev].sb;
		if (!best || le64_to_cpu(dev_sb[dev]->seq) > le64_to_cpu(best->seq))
			best = dev_sb[dev];
	}
	require(!bce_sb_writer_open(&r->w, best, dev_sb, r->members, r->log));
}

void sb_rig_open(struct sb_rig *r, unsigned int nr,
		 void (*change)(struct sb_builder *b, unsigned int dev))
{
	unsigned int dev;

	memset(r, 0, sizeof(*r));
	r->nr = nr;
	r->log = bce_log_alloc("rig");
	r->members = bce_members_alloc();
	require(r->log && r->members);
	bce_log_set_print(r->log, remember, r);
	for (dev = 0; dev < nr; dev++)
		device_make(r, dev, change);
	writer_open(r);
	for (dev = 0; dev < nr; dev++)
		sb_rig_attach(r, dev);
}

static void writer_close(struct sb_rig *r)
{
	unsigned int dev;

	bce_sb_writer_close(r->w);
	for (dev = 0; dev < r->nr; dev++)
		bce_sb_image_exit(&r->img[dev]);
}

void sb_rig_reopen(struct sb_rig *r)
{
	writer_close(r);
	writer_open(r);
}

void sb_rig_close(struct sb_rig *r)
{
	unsigned int dev;

	writer_close(r);
	bce_members_free(r->members);
	for (dev = 0; dev < r->nr; dev++) {
		kapi_bdev_close(r->bdev[dev]);
		close(r->fd[dev]);
	}
	bce_log_free(r->log);
}

void sb_rig_read(struct sb_rig *r, unsigned int dev, u64 sector, struct sb_image *out)
{
	struct text_buf why = TEXT_BUF_INIT;
	int ret = bce_sb_read(out, r->bdev[dev], sector, &why);

	if (ret)
		fprintf(stderr, "device %u sector %llu: %s\n", dev, (unsigned long long)sector,
			bce_text_str(&why));
	require(!ret);
	bce_text_exit(&why);
}

int sb_rig_write(struct sb_rig *r)
{
	int ret;

	bce_sb_edit_begin(r->w);
	ret = bce_sb_write(r->w);
	bce_sb_edit_end(r->w);
	return ret;
}
