// SPDX-License-Identifier: GPL-2.0
/*
 * Records of members:
 *
 *   /run/bcachectl/<set uuid>/8:16        one device: lines NAME=VALUE, an empty line, its superblock
 *   /run/bcachectl/<set uuid>/encrypted   a mark: the set needs a passphrase
 *   /run/bcachectl/unreadable/8:32        a device whose superblock cannot be used and names no set
 *
 * Nothing is locked, and nothing derived is kept. A record appears by renaming, whole or not at all;
 * who has written his own reads all of the set's afterwards and judges by them. Of members that
 * are met at the same time by several processes the last to write sees all the others, so a set
 * that is complete is noticed by at least one, and more than one does no harm.
 *
 * A record may outlive its device, when nobody was there to see it go. The kernel numbers every
 * disk it meets (diskseq): a record whose device is gone, or is another by now, is passed over and
 * removed. Files stand for devices in tests; they are known by device and inode.
 *
 * /run is cleared by a reboot and survives the change from the initramfs to the real root.
 */
#include "records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/slab.h>

#include "engine/util/text.h"

#define RECORD_MAX_BYTES	(40U << 20)	/* the largest superblock, and some lines */

static const char *records_dir = RECORDS_DIR;

void records_set_dir(const char *dir)
{
	records_dir = dir;
}

/* ---- which device ---- */

int record_id(const char *path, char id[64])
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		snprintf(id, 64, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	else if (S_ISREG(st.st_mode))
		snprintf(id, 64, "file-%ju-%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	else
		return -EINVAL;
	return 0;
}

static bool is_record_name(const char *name)
{
	return !strncmp(name, "file-", 5) || (name[0] >= '0' && name[0] <= '9');
}

/* the kernel's number of the disk; 0 where it has none, or no such device is there */
static uint64_t disk_sequence(const char *id)
{
	static const char *const places[] = { "diskseq", "../diskseq" };	/* partitions: above */
	uint64_t seq = 0;
	unsigned int i;

	for (i = 0; i < 2 && !seq; i++) {
		char path[160];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%s/%s", id, places[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%" SCNu64, &seq) != 1)
			seq = 0;
		fclose(f);
	}
	return seq;
}

static bool device_is_there(const char *id, const char *path, uint64_t diskseq)
{
	char sys[128], now[64];

	if (!strncmp(id, "file-", 5))
		return !record_id(path, now) && !strcmp(now, id);
	snprintf(sys, sizeof(sys), "/sys/dev/block/%s", id);
	return !access(sys, F_OK) && disk_sequence(id) == diskseq;
}

/* ---- writing ---- */

static int write_all(int fd, const void *p, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0)
			return -errno;
		p += n;
		bytes -= n;
	}
	return 0;
}

static void one_line(struct text_buf *out, const char *name, const char *value)
{
	bce_text_printf(out, "%s=", name);
	for (; *value; value++) {
		if (*value != '\n')
			bce_text_putc(out, *value);
		else if (value[1])
			bce_text_printf(out, "; ");
	}
	bce_text_putc(out, '\n');
}

static void describe(struct text_buf *out, const char *id, const char *path, uint64_t sectors,
		     int error, const char *why)
{
	one_line(out, "PATH", path);
	bce_text_printf(out, "DISKSEQ=%llu\nSECTORS=%llu\nERROR=%d\n",
			(unsigned long long)disk_sequence(id), (unsigned long long)sectors, -error);
	if (why && *why)
		one_line(out, "WHY", why);
	bce_text_putc(out, '\n');
}

/* directories are readable by root only: superblocks hold wrapped keys */
static int make_set_dir(const char *set, char *dir, size_t size)
{
	snprintf(dir, size, "%s/%s", records_dir, set);
	if (mkdir(records_dir, 0700) && errno != EEXIST)
		return -errno;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	return 0;
}

static int write_renamed(const char *dir, const char *name, const struct text_buf *head,
			 const void *tail, size_t tail_bytes)
{
	char part[600], whole[600];
	int fd, ret;

	snprintf(part, sizeof(part), "%s/.%s.%d", dir, name, getpid());
	snprintf(whole, sizeof(whole), "%s/%s", dir, name);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, bce_text_str(head), head->len);
	if (!ret)
		ret = write_all(fd, tail, tail_bytes);
	close(fd);
	if (!ret && rename(part, whole))
		ret = -errno;
	if (ret)
		unlink(part);
	return ret;
}

struct forget {
	const char	*id;
	const char	*except;	/* set whose record stays; NULL: none */
};

/* the last record takes the mark and the directory along */
static void remove_if_empty(const char *set)
{
	struct record_list left;
	char path[600];

	if (records_read(set, &left))
		return;
	if (!left.nr) {
		snprintf(path, sizeof(path), "%s/%s/encrypted", records_dir, set);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s", records_dir, set);
		rmdir(path);
	}
	records_exit(&left);
}

static int forget_in(const char *set, void *ctx)
{
	const struct forget *f = ctx;
	char path[600];

	if (f->except && !strcmp(set, f->except))
		return 0;
	snprintf(path, sizeof(path), "%s/%s/%s", records_dir, set, f->id);
	if (!unlink(path))
		remove_if_empty(set);
	return 0;
}

int record_write(const char *set, const char *path, uint64_t device_sectors,
		 const struct sb_image *img, int error, const char *why)
{
	struct text_buf head = TEXT_BUF_INIT;
	struct forget others = { .except = set };
	char dir[512], id[64];
	int ret = record_id(path, id), tries;

	if (ret)
		return ret;
	others.id = id;
	records_for_each_set(forget_in, &others);
	describe(&head, id, path, device_sectors, error, why);
	/* between the two another process may remove a directory that it found empty */
	for (tries = 0; tries < 10; tries++) {
		ret = make_set_dir(set, dir, sizeof(dir));
		if (!ret)
			ret = write_renamed(dir, id, &head, img ? img->sb : NULL,
					    img ? img->bytes : 0);
		if (ret != -ENOENT)
			break;
	}
	bce_text_exit(&head);
	return ret;
}

int record_forget(const char *id)
{
	struct forget f = { .id = id };

	return records_for_each_set(forget_in, &f);
}

int records_mark(const char *set, const char *name, bool there)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", records_dir, set, name);
	if (!there)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* ---- reading ---- */

static char *read_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buf = NULL;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size <= RECORD_MAX_BYTES)
		buf = malloc(st.st_size + 1);
	n = buf ? read(fd, buf, st.st_size) : -1;
	close(fd);
	if (n < 0 || n != st.st_size) {
		free(buf);
		return NULL;
	}
	buf[n] = '\0';
	*bytes = n;
	return buf;
}

static void take_line(struct record *r, uint64_t *diskseq, char *line)
{
	char *value = strchr(line, '=');

	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(line, "PATH"))
		r->path = strdup(value);
	else if (!strcmp(line, "DISKSEQ"))
		*diskseq = strtoull(value, NULL, 10);
	else if (!strcmp(line, "SECTORS"))
		r->device_sectors = strtoull(value, NULL, 10);
	else if (!strcmp(line, "ERROR"))
		r->error = -atoi(value);
	else if (!strcmp(line, "WHY"))
		r->why = strdup(value);
}

/* A record that says nonsense is one that is not there. */
static int take_superblock(struct record *r, const char *p, size_t bytes)
{
	struct text_buf why = TEXT_BUF_INIT;
	int ret = 0;

	if (r->error)
		return 0;
	r->sb = kvmalloc(bytes ?: 1, GFP_KERNEL);
	if (!r->sb)
		return -ENOMEM;
	memcpy(r->sb, p, bytes);
	if (bce_sb_validate(r->sb, bytes, 0, &why))
		ret = -EBADMSG;
	bce_text_exit(&why);
	return ret;
}

static void record_exit(struct record *r)
{
	free(r->path);
	free(r->why);
	kvfree(r->sb);
}

/* Return: 1 taken, 0 passed over, -ENOMEM */
static int record_read(const char *dir, const char *id, struct record *out)
{
	uint64_t diskseq = 0;
	char path[600], *buf, *line, *rest;
	size_t bytes;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, id);
	buf = read_file(path, &bytes);
	if (!buf)
		return 0;
	*out = (struct record) { };
	rest = buf;
	while ((line = strsep(&rest, "\n")) && *line)
		take_line(out, &diskseq, line);
	if (out->path && !device_is_there(id, out->path, diskseq))
		unlink(path);
	else if (out->path && rest)
		ret = take_superblock(out, rest, buf + bytes - rest) ?: 1;
	free(buf);
	if (ret != 1)
		record_exit(out);
	return ret == -ENOMEM ? ret : ret == 1;
}

bool record_is_known(const char *set, const char *path, unsigned int dev_idx)
{
	char dir[512], id[64];
	struct record r;
	bool known;

	snprintf(dir, sizeof(dir), "%s/%s", records_dir, set);
	if (record_id(path, id) || record_read(dir, id, &r) != 1)
		return false;
	known = r.sb && r.sb->dev_idx == dev_idx;
	record_exit(&r);
	return known;
}

static int append(struct record_list *l, const struct record *r)
{
	struct record *grown = realloc(l->rec, (l->nr + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->rec = grown;
	l->rec[l->nr++] = *r;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return strverscmp(x->path, y->path);
}

int records_read(const char *set, struct record_list *out)
{
	struct dirent *d;
	char dir[512];
	int ret = 0;
	DIR *open;

	*out = (struct record_list) { };
	snprintf(dir, sizeof(dir), "%s/%s", records_dir, set);
	open = opendir(dir);
	while (!ret && open && (d = readdir(open))) {
		struct record r;

		if (!is_record_name(d->d_name))
			continue;
		ret = record_read(dir, d->d_name, &r);
		if (ret == 1)
			ret = append(out, &r);
	}
	if (open)
		closedir(open);
	if (ret)
		records_exit(out);
	else if (out->nr)
		qsort(out->rec, out->nr, sizeof(*out->rec), by_path);
	return ret;
}

void records_exit(struct record_list *l)
{
	while (l->nr)
		record_exit(&l->rec[--l->nr]);
	free(l->rec);
	l->rec = NULL;
}

int records_for_each_set(records_fn fn, void *ctx)
{
	DIR *open = opendir(records_dir);
	struct dirent *d;
	int ret = 0;

	while (!ret && open && (d = readdir(open)))
		if (d->d_name[0] != '.' &&
		    (strlen(d->d_name) == 36 || !strcmp(d->d_name, RECORDS_NO_UUID)))
			ret = fn(d->d_name, ctx);
	if (open)
		closedir(open);
	return ret;
}
