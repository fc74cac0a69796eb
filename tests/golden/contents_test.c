// SPDX-License-Identifier: GPL-2.0
/*
 * Every golden image, opened through the engine in user space and walked from its root, must
 * show exactly what the in-tree driver showed: contents.txt[.zst] beside the image, section by
 * section (names, sha256 of data, symbolic links, extended attributes), compared as sets of lines.
 *
 * Data is read twice: in large pieces, which gives the sha256, and in pieces of odd sizes at odd
 * sectors, which must give the same bytes: that way every part of checksummed and compressed
 * extents is asked for alone.
 *
 * Run from the top of the tree; images are those that tests/golden/unpack made.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <crypto/sha2.h>

#include <bcachefs/names.h>
#include <bcachefs/read.h>
#include <bcachefs/set.h>

#include "kapi/kapi.h"

#define DISKS_MAX	4
#define LARGE_BYTES	(1 << 20)
#define HUGE_FILE_BYTES	(256ULL << 20)
#define HUGE_END_BYTES	(64 << 10)
#define PASSPHRASE	"correct horse"

struct golden {
	const char	*name;
	bool		degraded;	/* open though a member is missing */
	const char	*const disks[DISKS_MAX];
	u64		blocks, free;	/* statfs of the in-tree driver, 4 KiB; 0: not taken */
};

/* ---- sets of lines ---- */

struct lines {
	char	**line;
	size_t	nr, room;
};

static void lines_add(struct lines *l, char *line)
{
	if (l->nr == l->room) {
		l->room = l->room ? 2 * l->room : 256;
		l->line = realloc(l->line, l->room * sizeof(*l->line));
		assert_non_null(l->line);
	}
	l->line[l->nr++] = line;
}

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct lines) { };
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static __attribute__((format(printf, 2, 3))) void lines_printf(struct lines *l, const char *fmt,
							       ...)
{
	va_list args;
	char *line;

	va_start(args, fmt);
	assert_true(vasprintf(&line, fmt, args) >= 0);
	va_end(args);
	lines_add(l, line);
}

static void lines_sort(struct lines *l)
{
	if (l->nr)
		qsort(l->line, l->nr, sizeof(char *), line_cmp);
}

/* prints what is only in one of them; number of such lines */
static unsigned int lines_differ(struct lines *want, struct lines *got, const char *what)
{
	unsigned int bad = 0;
	size_t w = 0, g = 0;

	lines_sort(want);
	lines_sort(got);
	while (w < want->nr || g < got->nr) {
		int cmp = w == want->nr ? 1 : g == got->nr ? -1 :
			  strcmp(want->line[w], got->line[g]);

		if (cmp && bad++ < 20)
			print_error("%s: %s %.300s\n", what, cmp < 0 ? "missing" : "unexpected",
				    cmp < 0 ? want->line[w] : got->line[g]);
		w += cmp <= 0;
		g += cmp >= 0;
	}
	return bad;
}

/* ---- the reference ---- */

enum section { S_NAMES, S_SHA, S_HUGE, S_LINKS, S_XATTRS, S_NR };

static const char *const section_title[S_NR] = {
	[S_NAMES]	= "## names",
	[S_SHA]		= "## sha256 of file contents",
	[S_HUGE]	= "## huge sparse files",
	[S_LINKS]	= "## symbolic links",
	[S_XATTRS]	= "## extended attributes",
};

static FILE *reference_open(const char *name)
{
	char command[512];
	FILE *in;

	snprintf(command, sizeof(command),
		 "d=tests/golden/%s/contents.txt; if [ -e $d ]; then cat $d; else zstd -dcq $d.zst; fi",
		 name);
	in = popen(command, "r");
	assert_non_null(in);
	return in;
}

/* attributes come in blocks headed by "# file: PATH": the path goes in front of each */
static void reference_xattr(struct lines *l, char *path, size_t size, const char *line)
{
	if (!strncmp(line, "# file: ", 8))
		snprintf(path, size, "%s", line + 8);
	else
		lines_printf(l, "%s\t%s", path, line);
}

static void reference_read(const char *name, struct lines want[S_NR])
{
	FILE *in = reference_open(name);
	char *line = NULL, path[8192] = "";
	enum section s = S_NR;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, in)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (!len)
			continue;
		if (!strncmp(line, "## ", 3)) {
			for (s = 0; s < S_NR; s++)
				if (!strncmp(line, section_title[s], strlen(section_title[s])))
					break;
			assert_true(s < S_NR);
			continue;
		}
		assert_true(s < S_NR);
		if (s == S_XATTRS)
			reference_xattr(&want[s], path, sizeof(path), line);
		else
			lines_add(&want[s], strdup(line));
	}
	free(line);
	assert_int_equal(pclose(in), 0);
	assert_true(want[S_NAMES].nr > 0);
}

/* ---- reading files ---- */

struct sync_read {
	struct bce_read		read;
	struct completion	done;
	int			error;
};

static void sync_read_done(struct bce_read *read, int error)
{
	struct sync_read *s = container_of(read, struct sync_read, read);

	s->error = error;
	complete(&s->done);
}

/* @buf, @bytes: multiples of 512, @buf aligned to pages */
static int file_read(struct bce_set *set, struct bce_file_id id, u64 sector, void *buf,
		     size_t bytes)
{
	static struct bio_vec vecs[LARGE_BYTES / PAGE_SIZE];
	struct sync_read s = { };
	struct bio bio;

	bio_init(&bio, NULL, vecs, ARRAY_SIZE(vecs), REQ_OP_READ);
	for (size_t at = 0; at < bytes; at += PAGE_SIZE)
		assert_true(bio_add_page(&bio, virt_to_page(buf + at),
					 min_t(size_t, bytes - at, PAGE_SIZE), 0));
	bio.bi_iter.bi_sector = sector;
	init_completion(&s.done);
	s.read = (struct bce_read) { .file = id, .bio = &bio, .done = sync_read_done };
	memset(buf, 0xa5, bytes);
	bce_read_submit(set, &s.read);
	wait_for_completion(&s.done);
	bio_uninit(&bio);
	return s.error;
}

struct walk {
	struct bce_set	*set;
	struct lines	got[S_NR];
	u8		*large;		/* LARGE_BYTES, page aligned */
	u8		*small;
	u32		random;
	unsigned int	errors;
};

static u32 walk_random(struct walk *w)
{
	w->random = w->random * 1664525 + 1013904223;
	return w->random >> 8;
}

static void walk_error(struct walk *w, const char *path, const char *what, int error)
{
	print_error("%s: %s: error %d\n", path, what, error);
	w->errors++;
}

static void hex(char *out, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

/* the bytes of [at, at + len) within the last large read, asked for again in odd pieces */
static void reread_in_pieces(struct walk *w, struct bce_file_id id, const char *path, u64 base,
			     size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t bytes = min_t(size_t, (1 + walk_random(w) % 40) * 512, LARGE_BYTES - at);
		int ret = file_read(w->set, id, (base + at) >> 9, w->small, bytes);

		if (ret)
			return walk_error(w, path, "reading again", ret);
		if (memcmp(w->small, w->large + at, bytes))
			return walk_error(w, path, "parts differ from the whole", -EILSEQ);
		/* sometimes over it, sometimes leaving a gap */
		at += walk_random(w) % 4 ? bytes : bytes + (walk_random(w) % 64) * 512;
	}
}

/* sha256 of bytes [from, to) as hex */
static bool file_sha(struct walk *w, const struct bce_inode *i, const char *path, u64 from, u64 to,
		     char out[65])
{
	u8 digest[SHA256_DIGEST_SIZE];
	struct sha256_state sha;

	sha256_init(&sha);
	for (u64 pos = from & ~511ULL; pos < to; pos += LARGE_BYTES) {
		size_t skip = pos < from ? from - pos : 0;
		size_t len = min_t(u64, to - pos, LARGE_BYTES);
		int ret = file_read(w->set, i->id, pos >> 9, w->large, LARGE_BYTES);

		if (ret) {
			walk_error(w, path, "reading", ret);
			return false;
		}
		sha256_update(&sha, w->large + skip, len - skip);
		reread_in_pieces(w, i->id, path, pos, len);
	}
	sha256_final(&sha, digest);
	hex(out, digest, sizeof(digest));
	return true;
}

/* sha256sum marks and escapes names with a backslash */
static char *sha_name(const char *path, const char **mark)
{
	char *out = malloc(2 * strlen(path) + 1), *p = out;

	*mark = strchr(path, '\\') ? "\\" : "";
	for (; *path; path++) {
		if (*path == '\\')
			*p++ = '\\';
		*p++ = *path;
	}
	*p = '\0';
	return out;
}

/*
 * Extents follow each other without gaps, and what is not a hole adds up to the inode's sectors
 * (docs/format/60-filesystem-keys.md, section 4, bi_sectors).
 */
static void check_extents(struct walk *w, const struct bce_inode *i, const char *path)
{
	u64 sector = 0, sum = 0;
	struct bce_extent e;

	for (; sector != U64_MAX; sector = e.end_sector) {
		int ret = bce_extent_at(w->set, i->id, sector, &e);

		if (ret)
			return walk_error(w, path, "extent_at", ret);
		if (e.start_sector > sector || e.end_sector <= sector ||
		    e.stored_start > e.start_sector || e.stored_end < e.end_sector)
			return walk_error(w, path, "extent_at does not cover its sector", 0);
		if (e.kind == BCE_EXTENT_ERROR)
			return walk_error(w, path, "lost extent", 0);
		if (e.kind != BCE_EXTENT_HOLE)
			sum += e.end_sector - sector;
	}
	if (sum != i->sectors)
		walk_error(w, path, "extents do not add up", 0);
}

static void walk_regular(struct walk *w, const struct bce_inode *i, const char *path)
{
	char sha[65], tail[65], *name;
	const char *mark;

	if (i->size >= HUGE_FILE_BYTES) {
		if (file_sha(w, i, path, 0, HUGE_END_BYTES, sha) &&
		    file_sha(w, i, path, i->size - HUGE_END_BYTES, i->size, tail))
			lines_printf(&w->got[S_HUGE], "%s %s  %s", sha, tail, path);
		return;
	}
	name = sha_name(path, &mark);
	if (file_sha(w, i, path, 0, i->size, sha))
		lines_printf(&w->got[S_SHA], "%s%s  %s", mark, sha, name);
	free(name);
}

static void walk_symlink(struct walk *w, const struct bce_inode *i, const char *path)
{
	int ret = file_read(w->set, i->id, 0, w->large, 4096);

	if (ret)
		return walk_error(w, path, "symbolic link", ret);
	lines_printf(&w->got[S_LINKS], "%s -> %.*s", path, (int)i->size, w->large);
}

/* ---- attributes ---- */

/* the stored form of an ACL as the kernel shows it: version 2, every entry with an id */
static size_t acl_to_posix(const u8 *in, size_t len, u8 *out)
{
	size_t at = 4, n = 4;

	memcpy(out, "\2\0\0\0", 4);
	while (at + 4 <= len) {
		bool has_id = in[at] == 0x02 || in[at] == 0x08;

		memcpy(out + n, in + at, 4);
		if (has_id)
			memcpy(out + n + 4, in + at + 4, 4);
		else
			memset(out + n + 4, 0xff, 4);
		n += 8;
		at += has_id ? 8 : 4;
	}
	return n;
}

struct xattr_walk {
	struct walk		*w;
	const struct bce_inode	*inode;
	const char		*path;
};

static void xattr_line(struct walk *w, const char *path, const char *prefix, const char *name,
		       const u8 *val, size_t len)
{
	char *text = malloc(2 * len + 1);

	text[0] = '\0';
	hex(text, val, len);
	/* paths are printed without "./" */
	lines_printf(&w->got[S_XATTRS], "%s\t%s%s=0x%s", path + 2, prefix, name, text);
	free(text);
}

static bool xattr_emit(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	static const char *const prefix[] = {
		"user.", "system.posix_acl_access", "system.posix_acl_default", "trusted.",
		"security.",
	};
	struct xattr_walk *x = ctx;
	u8 val[2048], acl[4096];
	int ret;

	assert_int_equal(strlen(name), len);
	ret = bce_xattr_get(x->w->set, x->inode, type, name, NULL, 0);
	if (ret < 0 || bce_xattr_get(x->w->set, x->inode, type, name, val, sizeof(val)) != ret) {
		walk_error(x->w, x->path, "attribute in the list", ret);
		return true;
	}
	if (ret > 1)
		assert_int_equal(bce_xattr_get(x->w->set, x->inode, type, name, val, ret - 1),
				 -ERANGE);
	if (type == BCE_XATTR_ACL_ACCESS || type == BCE_XATTR_ACL_DEFAULT)
		xattr_line(x->w, x->path, prefix[type], "", acl, acl_to_posix(val, ret, acl));
	else
		xattr_line(x->w, x->path, prefix[type], name, val, ret);
	return true;
}

static void walk_options(struct walk *w, const struct bce_inode *i, const char *path)
{
	for (unsigned int opt = 0; opt < 10; opt++)
		for (int effective = 0; effective < 2; effective++) {
			char text[256];
			int ret = bce_inode_opt_text(w->set, i, opt, effective, text, sizeof(text));

			if (ret >= 0)
				xattr_line(w, path,
					   effective ? "bcachefs_effective." : "bcachefs.",
					   bce_inode_opt_names[opt], (u8 *)text, ret);
			else
				assert_int_equal(ret, -ENODATA);
		}
}

static void walk_xattrs(struct walk *w, const struct bce_inode *i, const char *path)
{
	struct xattr_walk x = { .w = w, .inode = i, .path = path };
	int ret = bce_xattr_list(w->set, i, xattr_emit, &x);

	if (ret)
		walk_error(w, path, "listing attributes", ret);
	assert_int_equal(bce_xattr_get(w->set, i, BCE_XATTR_USER, "no such name", NULL, 0),
			 -ENODATA);
	walk_options(w, i, path);
}

/* ---- names ---- */

static const char *type_name(const struct bce_inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:	return i->size ? "regular file" : "regular empty file";
	case S_IFDIR:	return "directory";
	case S_IFLNK:	return "symbolic link";
	case S_IFCHR:	return "character special file";
	case S_IFBLK:	return "block special file";
	case S_IFIFO:	return "fifo";
	case S_IFSOCK:	return "socket";
	default:	return "?";
	}
}

static void walk_dir(struct walk *w, const struct bce_inode *dir, const char *path);

/* seconds as one decimal number: before 1970 the fraction counts the other way */
static const char *time_text(struct timespec64 t, char out[40])
{
	bool minus = t.tv_sec < 0;

	if (minus && t.tv_nsec) {
		t.tv_sec++;
		t.tv_nsec = 1000000000 - t.tv_nsec;
	}
	snprintf(out, 40, "%s%lld.%09ld", minus ? "-" : "", llabs(t.tv_sec), (long)t.tv_nsec);
	return out;
}

static void walk_inode(struct walk *w, const struct bce_inode *i, const char *path)
{
	char mtime[40];

	lines_printf(&w->got[S_NAMES],
		     "%s|%s|%o|%u:%u|links %u|size %llu|blocks %llu|rdev %x:%x|mtime %s|ino %llu",
		     path, type_name(i), i->mode & 07777, i->uid, i->gid, i->nlink,
		     (unsigned long long)i->size, (unsigned long long)i->sectors, i->rdev_major,
		     i->rdev_minor, time_text(i->mtime, mtime),
		     (unsigned long long)i->id.inum);
	walk_xattrs(w, i, path);
	check_extents(w, i, path);
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		walk_regular(w, i, path);
		break;
	case S_IFLNK:
		walk_symlink(w, i, path);
		break;
	case S_IFDIR:
		walk_dir(w, i, path);
		break;
	}
}

struct dir_entry {
	char			*name;
	struct bce_file_id	target;
	u8			dt_type;
	u64			pos;
};

struct dir_entries {
	struct dir_entry	*e;
	size_t			nr;
	u64			last_pos;
	size_t			stop_after;
};

static bool dir_emit(void *ctx, const struct bce_dirent *d)
{
	struct dir_entries *l = ctx;

	assert_true(d->pos >= 2 && (!l->nr || d->pos > l->last_pos));
	l->e = realloc(l->e, (l->nr + 1) * sizeof(*l->e));
	l->e[l->nr++] = (struct dir_entry) {
		.name = strndup(d->name, d->len),
		.target = d->target,
		.dt_type = d->dt_type,
		.pos = d->pos,
	};
	l->last_pos = d->pos;
	return !l->stop_after || l->nr % l->stop_after;
}

/* a name and an inode must lead to each other */
static void check_name(struct walk *w, const struct bce_inode *dir, const struct dir_entry *e,
		       const struct bce_inode *i, const char *path)
{
	struct bce_file_id found;
	char name[BCE_NAME_MAX + 1];
	int ret = bce_dirent_lookup(w->set, dir, e->name, strlen(e->name), &found);

	if (ret || found.inum != e->target.inum || found.subvol != e->target.subvol)
		walk_error(w, path, "look-up differs from readdir", ret);
	if (((i->mode & S_IFMT) >> 12) != e->dt_type)
		walk_error(w, path, "wrong type in readdir", e->dt_type);
	ret = bce_name_of(w->set, dir, i, name);
	if (ret || (i->nlink == 1 && strcmp(name, e->name)))
		walk_error(w, path, "name_of", ret);
	if (S_ISDIR(i->mode)) {
		ret = bce_parent(w->set, i, &found);
		if (ret || found.inum != dir->id.inum || found.subvol != dir->id.subvol)
			walk_error(w, path, "parent", ret);
	}
}

/* in several calls, each going on behind the last cookie, or in one */
static int dir_read(struct walk *w, const struct bce_inode *dir, struct dir_entries *l)
{
	u64 pos = 0;
	size_t before;
	int ret;

	l->stop_after = walk_random(w) % 3 ? 0 : 1 + walk_random(w) % 7;
	do {
		before = l->nr;
		ret = bce_readdir(w->set, dir, pos, dir_emit, l);
		pos = l->last_pos + 1;
	} while (!ret && l->stop_after && l->nr > before);
	return ret;
}

static void walk_dir(struct walk *w, const struct bce_inode *dir, const char *path)
{
	struct dir_entries l = { };
	struct bce_file_id none;
	int ret = dir_read(w, dir, &l);

	if (ret)
		walk_error(w, path, "readdir", ret);
	assert_int_equal(bce_dirent_lookup(w->set, dir, "no such name", 12, &none), -ENOENT);
	for (size_t n = 0; n < l.nr; n++) {
		struct bce_inode i;
		char *child;

		assert_true(asprintf(&child, "%s/%s", path, l.e[n].name) > 0);
		ret = bce_inode_read(w->set, l.e[n].target, &i);
		if (ret) {
			walk_error(w, child, "inode", ret);
		} else {
			check_name(w, dir, &l.e[n], &i, child);
			walk_inode(w, &i, child);
		}
		free(child);
		free(l.e[n].name);
	}
	free(l.e);
}

/* ---- one image ---- */

/* parameters of a formatter's default (docs/format/20-checksums-encryption.md, section 5) */
static int passphrase_key(void *ctx, const char *description, u8 key[32])
{
	static const u8 salt[7] = "bcache";

	return crypto_pwhash_scryptsalsa208sha256_ll((const u8 *)PASSPHRASE, strlen(PASSPHRASE),
						     salt, sizeof(salt), 1 << 14, 8, 16, key, 32);
}

struct image {
	struct block_device	*bdev[DISKS_MAX];
	struct bce_set		*set;
};

static bool image_open(struct image *img, const struct golden *g)
{
	struct bce_open_opts opts = {
		.degraded = g->degraded ? BCE_DEGRADED_YES : BCE_DEGRADED_NO,
		.read_only = true,
		.nochanges = true,
		.key = passphrase_key,
	};
	struct bce_member_source src[DISKS_MAX];
	const char *out = getenv("O") ?: "build";
	unsigned int nr = 0;
	char why[512];
	int ret;

	*img = (struct image) { };
	for (; nr < DISKS_MAX && g->disks[nr]; nr++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/golden/%s/%s", out, g->name, g->disks[nr]);
		img->bdev[nr] = kapi_bdev_open(path, O_RDONLY);
		if (IS_ERR(img->bdev[nr]))
			fail_msg("%s: error %ld (made by tests/golden/unpack)", path,
				 PTR_ERR(img->bdev[nr]));
		src[nr] = (struct bce_member_source) { img->bdev[nr], g->disks[nr] };
	}
	ret = bce_set_open(&img->set, src, nr, &opts, img, why);
	if (ret)
		print_error("%s: open: error %d: %s\n", g->name, ret, why);
	return !ret;
}

static void image_close(struct image *img)
{
	if (img->set) {
		bce_set_detach(img->set, img);
		bce_set_put(img->set);
	}
	for (unsigned int i = 0; i < DISKS_MAX; i++)
		if (img->bdev[i])
			kapi_bdev_close(img->bdev[i]);
}

static void check_usage(const struct golden *g, struct bce_set *set)
{
	struct bce_usage u;

	assert_int_equal(bce_set_usage(set, &u), 0);
	assert_true(u.nr_inodes >= 2);
	assert_true(u.used_sectors > 0);
	assert_true(u.capacity_sectors > u.used_sectors);
	assert_int_equal(u.used_sectors + u.free_sectors, u.capacity_sectors);
	if (g->blocks) {
		assert_int_equal(u.capacity_sectors / 8, g->blocks);
		assert_int_equal(u.free_sectors / 8, g->free);
	}
}

static void check_image(const struct golden *g, struct bce_set *set)
{
	struct bce_file_id root = { .subvol = BCE_ROOT_SUBVOL, .inum = 4096 };
	struct walk w = { .set = set, .random = 1 };
	struct lines want[S_NR] = { };
	unsigned int bad = 0;
	struct bce_inode i;

	assert_int_equal(posix_memalign((void **)&w.large, PAGE_SIZE, LARGE_BYTES), 0);
	assert_int_equal(posix_memalign((void **)&w.small, PAGE_SIZE, LARGE_BYTES), 0);
	reference_read(g->name, want);
	assert_int_equal(bce_inode_read(set, root, &i), 0);
	walk_xattrs(&w, &i, "./.");
	walk_dir(&w, &i, ".");
	for (int s = 0; s < S_NR; s++) {
		bad += lines_differ(&want[s], &w.got[s], section_title[s] + 3);
		lines_free(&want[s]);
		lines_free(&w.got[s]);
	}
	free(w.large);
	free(w.small);
	check_usage(g, set);
	assert_int_equal(bad, 0);
	assert_int_equal(w.errors, 0);
}

static void golden_test(void **state)
{
	const struct golden *g = *state;
	struct image img;

	assert_true(image_open(&img, g));
	assert_int_equal(bce_set_start(img.set), 0);
	check_image(g, img.set);
	image_close(&img);
}

static bool is_lost_found(void *ctx, const struct bce_dirent *d)
{
	unsigned int *nr = ctx;

	++*nr;
	assert_int_equal(d->len, strlen("lost+found"));
	assert_memory_equal(d->name, "lost+found", d->len);
	return true;
}

/* superblocks alone: who only looks sees what the first start would make */
static void uninitialised_test(void **state)
{
	struct bce_file_id root = { .subvol = BCE_ROOT_SUBVOL, .inum = 4096 }, id;
	struct bce_inode dir, i;
	unsigned int nr = 0;
	struct image img;

	assert_true(image_open(&img, *state));
	assert_int_equal(bce_set_start(img.set), 0);
	assert_int_equal(bce_inode_read(img.set, root, &dir), 0);
	assert_int_equal(dir.mode, S_IFDIR | 0755);
	assert_int_equal(bce_readdir(img.set, &dir, 0, is_lost_found, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(bce_dirent_lookup(img.set, &dir, "lost+found", 10, &id), 0);
	assert_int_equal(bce_inode_read(img.set, id, &i), 0);
	assert_int_equal(i.mode, S_IFDIR | 0700);
	assert_int_equal(i.id.inum, 4097);
	image_close(&img);
}

#define ONE_DISK	{ "disk0.img" }
#define THREE_DISKS	{ "disk0.img", "disk1.img", "disk2.img" }

static const struct golden goldens[] = {
	{ "fresh-1dev", .disks = ONE_DISK },
	{ "fresh-3dev", .disks = THREE_DISKS, .blocks = 175200, .free = 174912 },
	{ "mounted-once-empty", .disks = ONE_DISK },
	{ "small-tree", .disks = ONE_DISK, .blocks = 58400, .free = 54819 },
	{ "crash", .disks = ONE_DISK },
	{ "compressed", .disks = ONE_DISK, .blocks = 58400, .free = 57185 },
	{ "csum-crc64", .disks = ONE_DISK },
	{ "csum-xxhash", .disks = ONE_DISK },
	{ "csum-none", .disks = ONE_DISK },
	{ "encrypted", .disks = ONE_DISK },
	{ "replicas2", .disks = { "disk2.img", "disk0.img", "disk1.img" }, .blocks = 127968,
	  .free = 126548 },
	{ "snapshots", .disks = ONE_DISK },
	{ "degraded", .degraded = true, .disks = { "disk0.img", "disk1.img" } },
	{ "many", .disks = ONE_DISK, .blocks = 58400, .free = 56128 },
	{ "tiered", .disks = THREE_DISKS, .blocks = 175200, .free = 173324 },
};
static const struct golden uninitialised = { "fresh-uninit", .disks = ONE_DISK };

/* with arguments: only the images named */
int main(int argc, char **argv)
{
	struct CMUnitTest tests[ARRAY_SIZE(goldens) + 1] = { };
	unsigned int nr = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(goldens); i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], goldens[i].name);
		if (wanted)
			tests[nr++] = (struct CMUnitTest) {
				.name = goldens[i].name,
				.test_func = golden_test,
				.initial_state = (void *)&goldens[i],
			};
	}
	if (argc < 2)
		tests[nr++] = (struct CMUnitTest) {
			.name = uninitialised.name,
			.test_func = uninitialised_test,
			.initial_state = (void *)&uninitialised,
		};
	return _cmocka_run_group_tests("golden contents", tests, nr, NULL, NULL);
}
