// SPDX-License-Identifier: GPL-2.0
/*
 * format: a new set on devices or image files.
 *
 *   open all, exclusively       busy ones are refused
 *   look what is on them        anything known is refused, unless forced
 *   make all superblocks        whatever is wrong with the options is known before a byte is written
 *   wipe and write, one by one
 *
 * The first start of the set makes everything else: docs/format/00-overview.md, section 9. With --source that is
 * here (format_source.h); if it fails, the superblocks go again, so that nothing half-made is left.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "disks.h"
#include "engine/sb/format.h"
#include "engine/sb/write.h"
#include "engine/util/text.h"
#include "foreign.h"
#include "format_args.h"
#include "format_source.h"
#include "interrupt.h"
#include "json_out.h"
#include "kapi/kapi.h"
#include "passphrase.h"
#include "uuid_arg.h"

struct target {
	const char		*path;
	struct block_device	*bdev;
	struct stat		st;
	bool			made;		/* an image file of ours */
	char			holds[512];	/* what is on it: "" nothing known */
};

struct job {
	struct format_args	args;
	struct target		*target;	/* one per device */
	struct sb_image		*img;
	unsigned int		nr_img;
	struct format_source	source;
	u8			key[32];	/* of the passphrase, if there is one */
};

/* ---- opening ---- */

/* a new image file; for a dry run one that nobody sees */
static int image_create(struct job *j, unsigned int i)
{
	struct target *t = &j->target[i];
	int fd;

	if (j->args.dry_run)
		fd = memfd_create("image", MFD_CLOEXEC);
	else
		fd = open(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	t->made = !j->args.dry_run;
	if (ftruncate(fd, j->args.image_bytes[i])) {
		int error = -errno;

		close(fd);
		return error;
	}
	t->bdev = kapi_bdev_from_fd(fd, t->path, O_RDWR);
	return PTR_ERR_OR_ZERO(t->bdev);
}

static void complain_open(const struct target *t, int error)
{
	struct text_buf user = TEXT_BUF_INIT;

	if (error == -EBUSY)
		disks_user(t->st.st_rdev, &user);
	if (error == -EBUSY)
		complain("%s: is in use%s%s\n  give it up first: umount, bcachectl stop, swapoff and the like",
			 t->path, user.len ? ": " : "", bce_text_str(&user));
	else if (error == -EEXIST)
		complain("%s: is there already; --size makes new image files: leave it out to use this one",
			 t->path);
	else if (error == -EINVAL)
		complain("%s: is neither a block device nor an image file", t->path);
	else
		complain("%s: %s", t->path, strerror(-error));
	bce_text_exit(&user);
}

static int target_open(struct job *j, unsigned int i)
{
	struct sb_format_dev *dev = &j->args.dev[i];
	struct target *t = &j->target[i];
	int ret;

	t->path = dev->name;
	if (j->args.image_bytes[i]) {
		ret = access(t->path, F_OK) ? image_create(j, i) : -EEXIST;
	} else {
		ret = stat(t->path, &t->st) ? -errno : 0;
		if (!ret) {
			t->bdev = kapi_bdev_open(t->path, O_RDWR | O_EXCL);
			ret = PTR_ERR_OR_ZERO(t->bdev);
		}
	}
	if (ret) {
		t->bdev = NULL;
		complain_open(t, ret);
		return exit_code_of(ret);
	}
	if (t->made)
		stat(t->path, &t->st);
	dev->sectors = bdev_nr_sectors(t->bdev);
	dev->logical_block_bytes = bdev_logical_block_size(t->bdev);
	dev->physical_block_bytes = bdev_physical_block_size(t->bdev);
	return 0;
}

static bool same_target(const struct target *a, const struct target *b)
{
	if (S_ISBLK(a->st.st_mode))
		return S_ISBLK(b->st.st_mode) && a->st.st_rdev == b->st.st_rdev;
	return a->st.st_ino && a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

static int targets_open(struct job *j)
{
	unsigned int i, k;
	int ret = 0;

	for (i = 0; i < j->args.nr_devs && !ret; i++) {
		struct stat st;

		/* known before the second O_EXCL fails on the first */
		for (k = 0; k < i && !stat(j->args.dev[i].name, &st); k++) {
			struct target t = { .st = st };

			if (same_target(&t, &j->target[k]))
				return usage_error(&cmd_format, "%s and %s are the same device",
						   j->target[k].path, j->args.dev[i].name);
		}
		ret = target_open(j, i);
	}
	return ret;
}

/* ---- what would be lost ---- */

static int targets_look(struct job *j)
{
	unsigned int i, taken = 0;

	for (i = 0; i < j->args.nr_devs; i++) {
		struct target *t = &j->target[i];
		struct text_buf what = TEXT_BUF_INIT;

		if (!j->args.image_bytes[i])
			foreign_describe(t->path, &what);
		snprintf(t->holds, sizeof(t->holds), "%s", bce_text_str(&what));
		bce_text_exit(&what);
		if (!t->holds[0] || j->args.force)
			continue;
		complain("%s: holds %s", t->path, t->holds);
		taken++;
	}
	if (!taken)
		return 0;
	fprintf(stderr, "  nothing was written. To format all the same, and lose what is there: --force\n");
	return EXIT_OTHER;
}

static u64 option_value(const struct bch_sb *sb, const char *name)
{
	return bce_sb_option_get(sb, bce_sb_option_by_name(name));
}

/* two copies on one disk are lost together */
static void warn_shared_disks(struct job *j)
{
	const struct bch_sb *sb = j->img[0].sb;
	unsigned int i, k, nr = j->args.nr_devs;
	struct disks *disks;

	if (option_value(sb, "data_replicas") < 2 && option_value(sb, "metadata_replicas") < 2)
		return;
	disks = calloc(nr, sizeof(*disks));
	for (i = 0; disks && i < nr; i++) {
		if (!S_ISBLK(j->target[i].st.st_mode))
			continue;
		disks_under(j->target[i].st.st_rdev, &disks[i]);
		for (k = 0; k < i; k++) {
			const char *name = disks_shared(&disks[k], &disks[i]);

			if (name)
				complain("warning: %s and %s are on the same disk, %s: two copies may be lost with it",
					 j->target[k].path, j->target[i].path, name);
		}
	}
	free(disks);
}

/* replicas that cannot be made */
static void warn_few_devices(struct job *j)
{
	static const char *const names[] = { "metadata_replicas", "data_replicas" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		u64 wanted = option_value(j->img[0].sb, names[i]);

		if (wanted > j->args.nr_devs)
			complain("warning: %s is %ju, but there are only %u devices", names[i],
				 (uintmax_t)wanted, j->args.nr_devs);
	}
}

/* ---- making ---- */

static int passphrase_ask(u8 key[32])
{
	char passphrase[PASSPHRASE_MAX];
	int ret = passphrase_new(passphrase, sizeof(passphrase));

	if (!ret) {
		complain("no passphrase given; to store the key unprotected: --no-passphrase");
		ret = -ENOKEY;
	} else if (ret > 0) {
		ret = passphrase_scrypt(passphrase, SB_FORMAT_SCRYPT_N, SB_FORMAT_SCRYPT_R,
					SB_FORMAT_SCRYPT_P, key);
	} else if (ret != -EKEYREJECTED) {
		complain("reading the passphrase: %s", strerror(-ret));
	}
	sodium_memzero(passphrase, sizeof(passphrase));
	return ret;
}

static int superblocks_make(struct job *j)
{
	const struct format_args *a = &j->args;
	struct text_buf why = TEXT_BUF_INIT;
	bool ask = a->encrypted && !a->no_passphrase;
	struct sb_format f = {
		.dev = a->dev, .nr_devs = a->nr_devs,
		.option = a->option, .nr_options = a->nr_options,
		.label = a->label, .user_uuid = a->has_uuid ? a->user_uuid : NULL,
		.sb_bytes = a->sb_bytes, .encrypted = a->encrypted,
		.passphrase_key = ask ? j->key : NULL,
	};
	int ret = ask ? passphrase_ask(j->key) : 0;

	if (ret)
		return exit_code_of(ret);
	ret = bce_sb_format_make(j->img, &f, &why);
	if (!ret)
		j->nr_img = a->nr_devs;
	else
		complain("%s", why.len ? bce_text_str(&why) : strerror(-ret));
	bce_text_exit(&why);
	if (ask && a->source)
		j->source.passphrase_key = j->key;
	return ret == -EINVAL ? EXIT_USAGE : exit_code_of(ret);
}

/* ---- writing ---- */

static void progress(const struct job *j, unsigned int done)
{
	json_object *o;

	if (j->args.progress_json) {
		o = json_object_new_object();
		json_add_string(o, "device", j->target[done].path);
		json_add_uint(o, "done", done);
		json_add_uint(o, "total", j->args.nr_devs);
		fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(o);
	} else if (isatty(STDERR_FILENO) && !j->args.quiet) {
		fprintf(stderr, "\r\033[Kformatting %s, %u of %u", j->target[done].path, done + 1,
			j->args.nr_devs);
	}
}

static void progress_end(const struct job *j)
{
	if (!j->args.progress_json && isatty(STDERR_FILENO) && !j->args.quiet)
		fputs("\r\033[K", stderr);
}

static int target_write(struct job *j, unsigned int i)
{
	struct target *t = &j->target[i];
	int ret = t->holds[0] ? foreign_wipe(t->path) : 0;

	return ret ?: bce_sb_format_write(t->bdev, t->path, &j->img[i]);
}

static int targets_write(struct job *j)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < j->args.nr_devs && !ret; i++) {
		progress(j, i);
		ret = target_write(j, i);
	}
	progress_end(j);
	if (!ret)
		return 0;
	complain("%s: writing failed: %s\n  the set is not complete; devices written so far: %u. Format again without this one",
		 j->target[i - 1].path, strerror(-ret), i - 1);
	return exit_code_of(ret);
}

/* ---- filling ---- */

static int source_look(struct job *j)
{
	const struct format_args *a = &j->args;
	struct stat *made;
	unsigned int i;
	int ret;

	j->source = (struct format_source) {
		.path = a->source, .label = a->label,
		.opts = {
			.recursive = true, .strict = true, .progress_json = a->progress_json,
			.progress = isatty(STDERR_FILENO) && !a->quiet && !a->progress_json,
		},
	};
	made = calloc(a->nr_devs, sizeof(*made));
	if (!made)
		return EXIT_NO_MEMORY;
	for (i = 0; i < a->nr_devs; i++)
		made[i] = j->target[i].st;
	ret = format_source_look(&j->source, made, a->nr_devs);
	free(made);
	return ret;
}

static void superblocks_name(struct job *j, const char *label, const u8 uuid[16])
{
	unsigned int i;

	for (i = 0; i < j->nr_img; i++) {
		struct bch_sb *sb = j->img[i].sb;

		memcpy(sb->user_uuid, uuid, sizeof(sb->user_uuid));
		memset(sb->label, 0, sizeof(sb->label));
		memcpy(sb->label, label, strlen(label));
	}
}

/* what it is to be called in the end is kept for then */
static void superblocks_name_unfinished(struct job *j)
{
	u8 uuid[16];

	memcpy(j->source.uuid, j->img[0].sb->user_uuid, sizeof(uuid));
	randombytes_buf(uuid, sizeof(uuid));
	uuid[6] = (uuid[6] & 0x0f) | 0x40;	/* version and variant of random ones */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	superblocks_name(j, FORMAT_SOURCE_LABEL, uuid);
}

static void targets_erase(struct job *j)
{
	unsigned int i;
	int ret;

	for (i = 0; i < j->args.nr_devs; i++) {
		struct target *t = &j->target[i];

		ret = t->made ? 0 : bce_sb_format_erase(t->bdev, t->path, &j->img[i]);
		if (ret)
			complain("%s: has a part of a set, which could not be removed: %s\n  do not use it; format it again",
				 t->path, strerror(-ret));
	}
	complain("the set was not made; nothing is left of it");
}

static int targets_fill(struct job *j)
{
	unsigned int i, nr = j->args.nr_devs;
	struct block_device **bdev = calloc(nr, sizeof(*bdev));
	char **paths = calloc(nr, sizeof(*paths));
	int ret = EXIT_NO_MEMORY;

	for (i = 0; bdev && paths && i < nr; i++) {
		bdev[i] = j->target[i].bdev;
		paths[i] = (char *)j->target[i].path;
	}
	if (bdev && paths)
		ret = format_source_fill(&j->source, paths, bdev, nr);
	if (ret)
		targets_erase(j);
	else
		superblocks_name(j, j->source.label ?: "", j->source.uuid);	/* as they are now */
	free(bdev);
	free(paths);
	return ret;
}

/* ---- telling ---- */

static json_object *json_device(const struct job *j, unsigned int i)
{
	json_object *o = json_object_new_object();
	struct member_info m;

	bce_sb_member(j->img[0].sb, i, &m);
	json_add_uint(o, "index", i);
	json_add_string(o, "device", j->target[i].path);
	json_add_uuid(o, "uuid", m.uuid);
	json_add_string(o, "label", j->args.dev[i].label ?: "");
	json_add_uint(o, "bytes", m.nbuckets * m.bucket_sectors * 512ULL);
	json_add_uint(o, "bucket_bytes", m.bucket_sectors * 512ULL);
	json_add_uint(o, "buckets", m.nbuckets);
	json_add_uint(o, "durability", m.durability);
	json_add_string(o, "held", j->target[i].holds);
	return o;
}

/* what was copied, or would be */
static struct tree_counts source_counts(const struct job *j)
{
	return j->args.dry_run ? j->source.total : j->source.done;
}

static json_object *json_source(const struct job *j)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "path", j->args.source);
	json_add_uint(o, "files", source_counts(j).files);
	json_add_uint(o, "bytes", source_counts(j).bytes);
	return o;
}

static void report_json(const struct job *j)
{
	json_object *o = json_object_new_object(), *devices = json_object_new_array();
	struct sb_info info;
	unsigned int i;

	bce_sb_info(j->img[0].sb, &info);
	json_add_uuid(o, "uuid", info.user_uuid);
	json_add_uuid(o, "internal_uuid", info.uuid);
	json_add_string(o, "label", info.label);
	json_add_bool(o, "dry_run", j->args.dry_run);
	json_add_bool(o, "encrypted", info.encrypted);
	json_add_uint(o, "block_bytes", info.block_sectors * 512ULL);
	json_add_uint(o, "btree_node_bytes", info.btree_node_sectors * 512ULL);
	for (i = 0; i < j->args.nr_devs; i++)
		json_object_array_add(devices, json_device(j, i));
	json_object_object_add(o, "devices", devices);
	if (j->args.source)
		json_object_object_add(o, "source", json_source(j));
	json_print(o);
}

/* "256 MiB", "1.50 GiB" */
static void print_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = bytes;
	unsigned int u = 0;

	for (; v >= 1024 && u < 6; u++)
		v /= 1024;
	printf("%.*f %s", u && v < 10 ? 2 : u && v < 100 ? 1 : 0, v, units[u]);
}

static void report_device(const struct job *j, unsigned int i)
{
	const struct target *t = &j->target[i];
	struct member_info m;

	bce_sb_member(j->img[0].sb, i, &m);
	printf("  %u  %s  ", i, t->path);
	if (j->args.dev[i].label)
		printf("%s  ", j->args.dev[i].label);
	print_size(m.nbuckets * m.bucket_sectors * 512);
	printf(" in buckets of ");
	print_size(m.bucket_sectors * 512ULL);
	if (t->holds[0])
		printf("%s%s", j->args.dry_run ? "; would be lost: " : "; held ", t->holds);
	putchar('\n');
}

static void report_text(const struct job *j)
{
	struct sb_info info;
	char uuid[37];
	unsigned int i;

	bce_sb_info(j->img[0].sb, &info);
	uuid_arg_text(info.user_uuid, uuid);
	printf("%sset %s%s%s%s: blocks of ", j->args.dry_run ? "would make " : "", uuid,
	       info.label[0] ? " \"" : "", info.label, info.label[0] ? "\"" : "");
	print_size(info.block_sectors * 512ULL);
	printf(", btree nodes of ");
	print_size(info.btree_node_sectors * 512ULL);
	puts(info.encrypted ? ", encrypted" : "");
	for (i = 0; i < j->args.nr_devs; i++)
		report_device(j, i);
	if (!j->args.source)
		return;
	printf("  %s %lu files of %s: ", j->args.dry_run ? "with" : "holds", source_counts(j).files, j->args.source);
	print_size(source_counts(j).bytes);
	putchar('\n');
}

static void report(const struct job *j)
{
	if (j->args.json)
		report_json(j);
	else if (!j->args.quiet)
		report_text(j);
}

/* ---- all of it ---- */

static int format(struct job *j)
{
	bool fill = j->args.source && !j->args.dry_run;
	int ret = targets_open(j);

	if (!ret)
		ret = targets_look(j);
	if (!ret && j->args.source)
		ret = source_look(j);
	if (!ret)
		ret = superblocks_make(j);
	if (ret)
		return ret;
	warn_few_devices(j);
	warn_shared_disks(j);
	if (fill) {
		interrupt_catch();
		superblocks_name_unfinished(j);
	}
	if (!j->args.dry_run)
		ret = targets_write(j);
	if (!ret && fill)
		ret = targets_fill(j);
	if (!ret)
		report(j);
	return ret;
}

/* image files of a set that did not come to be go again */
static void targets_close(struct job *j, bool remove_made)
{
	unsigned int i;

	for (i = 0; j->target && i < j->args.nr_devs; i++) {
		kapi_bdev_close(j->target[i].bdev);
		if (remove_made && j->target[i].made)
			unlink(j->target[i].path);
	}
}

static int run(int argc, char **argv)
{
	struct job j = { };
	unsigned int i;
	int ret = format_args_parse(&j.args, &cmd_format, argc, argv);

	if (!ret) {
		j.target = calloc(j.args.nr_devs, sizeof(*j.target));
		j.img = calloc(j.args.nr_devs, sizeof(*j.img));
		ret = j.target && j.img ? format(&j) : EXIT_NO_MEMORY;
	}
	targets_close(&j, ret);
	for (i = 0; i < j.nr_img; i++) {
		/* a key without passphrase is in it */
		sodium_memzero(j.img[i].sb, j.img[i].bytes);
		bce_sb_image_exit(&j.img[i]);
	}
	sodium_memzero(j.key, sizeof(j.key));
	free(j.target);
	free(j.img);
	format_args_exit(&j.args);
	return ret;
}

const struct command cmd_format = {
	.name		= "format",
	.args		= "[OPTION... | DEVICE-OPTION... DEVICE]...",
	.summary	= "make a new set on devices or image files",
	.help		=
		"What is on the devices is lost: a device that holds something is refused without\n"
		"--force. The first start of the set makes the file system, or --source. Sizes may have units:\n"
		"4k, 256KiB, 1.5G; underscores in names of options may be dashes.\n\n"
		"Options of a device, before it and for it alone:\n"
		"  -l, --label LABEL          a name in groups: \"ssd.ssd1\"; targets go by it\n"
		"      --durability N         0 to 2: how many copies one here counts for (1); 0: cache\n"
		"      --discard[=0|1]        tell the device about freed space (0)\n"
		"      --bucket SIZE          unit of allocation (by size of the device)\n"
		"      --data-allowed LIST    of journal,btree,user (all)\n"
		"      --fs-size SIZE         use only so much of the device\n"
		"      --size SIZE            make the image file, of this size\n\n"
		"The set:\n"
		"  -L, --fs-label LABEL       its name, at most 32 bytes\n"
		"  -U, --uuid UUID            instead of a random one\n"
		"      --replicas N           copies of data and metadata, 1 to 3\n"
		"      --data-replicas N, --metadata-replicas N, --data-replicas-required N,\n"
		"      --metadata-replicas-required N\n"
		"      --foreground-target T, --background-target T, --promote-target T,\n"
		"      --metadata-target T    a label or one of the devices\n"
		"      --compression C, --background-compression C\n"
		"                             none, lz4, gzip, zstd, perhaps with a level: zstd:5\n"
		"      --data-checksum C, --metadata-checksum C\n"
		"                             none, crc32c, crc64, xxhash\n"
		"      --encrypted            a passphrase is asked for, or read from standard input\n"
		"      --no-passphrase        with --encrypted: the key is stored unprotected\n"
		"      --block-size SIZE      512 to 4096\n"
		"      --btree-node-size SIZE 8 blocks to 512 KiB\n"
		"      --superblock-size SIZE place for each copy of the superblock (1 MiB)\n"
		"      --source DIR           start it, and fill it with what lies in DIR\n"
		"      and any other option that a superblock stores, as show-super lists them:\n"
		"      --OPTION VALUE; switches as --OPTION, --OPTION=0, --no-OPTION\n\n"
		"  -f, --force          although the devices hold something\n"
		"  -n, --dry-run        write nothing; say what would be made and lost\n"
		"  -q, --quiet          say nothing when all goes well\n"
		"  -j, --json           machine-readable\n"
		"      --progress-json  progress as JSON lines on standard error\n",
	.run		= run,
};
