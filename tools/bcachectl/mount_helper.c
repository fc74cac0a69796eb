// SPDX-License-Identifier: GPL-2.0
/*
 * mount.bcachefs, called by mount(8): SPEC DIR [-sfnv] [-o OPTIONS] [-t TYPE].
 *
 * SPEC may be what people are used to: UUID=..., LABEL=..., one member, a list of
 * members a:b:c, or the set's device. The set is assembled if it is not yet; options
 * that belong to its table go there, those of the VFS become mount attributes,
 * the rest goes to the file system. The mount itself is done by the fsopen(2)
 * family, whose messages are passed on.
 *
 * mount(8) comes here for a remount, too ("-o remount", with the options that are in
 * effect repeated): then SPEC is of no interest, and options of the table must be
 * those of the set that is mounted, which the file system sees to.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "assemble.h"

/* exit codes of mount(8) */
enum { MNT_OK = 0, MNT_USAGE = 1, MNT_SYSTEM = 2, MNT_FAILED = 32 };

struct request {
	char			*members[64];
	unsigned int		nr_members;
	const char		*dir;
	struct assemble_opts	assemble;
	bool			read_only;
	bool			remount;
	unsigned int		attrs;
	char			*fs_opts[64];	/* "name" or "name=value" */
	unsigned int		nr_fs_opts;
	bool			fake;
};

static const struct {
	const char	*name;
	unsigned int	set, clear;
} attr_opts[] = {
	{ "nosuid",		MOUNT_ATTR_NOSUID },
	{ "suid",		0, MOUNT_ATTR_NOSUID },
	{ "nodev",		MOUNT_ATTR_NODEV },
	{ "dev",		0, MOUNT_ATTR_NODEV },
	{ "noexec",		MOUNT_ATTR_NOEXEC },
	{ "exec",		0, MOUNT_ATTR_NOEXEC },
	{ "noatime",		MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "atime",		0, MOUNT_ATTR__ATIME },
	{ "relatime",		MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "strictatime",	MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nodiratime",		MOUNT_ATTR_NODIRATIME },
	{ "diratime",		0, MOUNT_ATTR_NODIRATIME },
};

/* what fstab carries for others */
static bool is_userspace_opt(const char *opt)
{
	static const char *const names[] = {
		"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group",
		"_netdev", "nofail", "loud", "silent",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(opt, names[i]))
			return true;
	return !strncmp(opt, "x-", 2) || !strncmp(opt, "X-", 2) || !strncmp(opt, "comment=", 8);
}

static bool take_attr(struct request *r, const char *opt)
{
	unsigned int i;

	for (i = 0; i < sizeof(attr_opts) / sizeof(attr_opts[0]); i++)
		if (!strcmp(opt, attr_opts[i].name)) {
			r->attrs = (r->attrs & ~attr_opts[i].clear) | attr_opts[i].set;
			return true;
		}
	return false;
}

/* options that are decided when the set is assembled */
static void take_table_opt(struct assemble_opts *a, const char *opt)
{
	if (!strcmp(opt, "degraded"))
		a->degraded = a->degraded ?: BCE_DEGRADED_YES;
	else if (!strcmp(opt, "very_degraded"))
		a->degraded = BCE_DEGRADED_VERY;
	else if (!strcmp(opt, "nochanges"))
		a->nochanges = true;
	else if (!strcmp(opt, "norecovery"))
		a->norecovery = true;
	else if (!strcmp(opt, "no_splitbrain_check"))
		a->no_splitbrain_check = true;
}

static int take_option(struct request *r, char *opt)
{
	if (!*opt || is_userspace_opt(opt) || take_attr(r, opt))
		return 0;
	if (!strcmp(opt, "ro") || !strcmp(opt, "rw")) {
		r->read_only = opt[1] == 'o';
		return 0;
	}
	if (!strcmp(opt, "remount")) {
		r->remount = true;
		return 0;
	}
	take_table_opt(&r->assemble, opt);
	/* the file system is told these too: it refuses a set assembled otherwise */
	if (r->nr_fs_opts == sizeof(r->fs_opts) / sizeof(r->fs_opts[0])) {
		complain("too many mount options");
		return -E2BIG;
	}
	r->fs_opts[r->nr_fs_opts++] = opt;
	return 0;
}

static int take_options(struct request *r, char *list)
{
	char *opt;
	int ret = 0;

	while (!ret && (opt = strsep(&list, ",")))
		ret = take_option(r, opt);
	return ret;
}

static int take_members(struct request *r, char *spec)
{
	char *one;

	/* a colon separates paths, but is legal in a label */
	if (spec[0] != '/') {
		r->members[r->nr_members++] = spec;
		return 0;
	}
	while ((one = strsep(&spec, ":"))) {
		if (r->nr_members == 64) {
			complain("a set has at most 64 members");
			return -E2BIG;
		}
		r->members[r->nr_members++] = one;
	}
	return 0;
}

/* the kernel's own words about what went wrong */
static void print_messages(int fd)
{
	char text[1024];
	ssize_t len;

	while ((len = read(fd, text, sizeof(text) - 1)) > 0) {
		char *p = text;

		text[len] = '\0';
		/* "e ", "w ", "i ": the kind of message */
		if (len > 2 && text[1] == ' ')
			p += 2;
		fprintf(stderr, "mount.bcachefs: %s%s", p, p[strlen(p) - 1] == '\n' ? "" : "\n");
	}
}

static int set_option(int fd, char *opt)
{
	char *value = strchr(opt, '=');

	if (!value)
		return fsconfig(fd, FSCONFIG_SET_FLAG, opt, NULL, 0);
	*value++ = '\0';
	return fsconfig(fd, FSCONFIG_SET_STRING, opt, value, 0);
}

static int configure(int fd, const struct request *r, enum fsconfig_command command)
{
	unsigned int i;

	/* what is not named stays as it is at a remount, and is rw at a mount */
	if (fsconfig(fd, FSCONFIG_SET_FLAG, r->read_only ? "ro" : "rw", NULL, 0))
		return -1;
	for (i = 0; i < r->nr_fs_opts; i++)
		if (set_option(fd, r->fs_opts[i]))
			return -1;
	return fsconfig(fd, command, NULL, NULL, 0);
}

static unsigned int mount_attrs(const struct request *r)
{
	return r->attrs | (r->read_only ? MOUNT_ATTR_RDONLY : 0);
}

static int do_mount(const struct request *r, const char *device)
{
	int fd = fsopen("bcachefs", FSOPEN_CLOEXEC), mnt = -1, ret = MNT_FAILED;

	if (fd < 0) {
		fprintf(stderr, "mount.bcachefs: the kernel has no bcachefs: %s\n"
			"  is the module installed? modprobe bcachefs\n", strerror(errno));
		return MNT_SYSTEM;
	}
	if (!fsconfig(fd, FSCONFIG_SET_STRING, "source", device, 0) &&
	    !configure(fd, r, FSCONFIG_CMD_CREATE))
		mnt = fsmount(fd, FSMOUNT_CLOEXEC, mount_attrs(r));
	if (mnt >= 0 && !move_mount(mnt, "", AT_FDCWD, r->dir, MOVE_MOUNT_F_EMPTY_PATH))
		ret = MNT_OK;
	if (ret) {
		int err = errno;

		print_messages(fd);
		fprintf(stderr, "mount.bcachefs: %s on %s: %s\n", device, r->dir, strerror(err));
	}
	if (mnt >= 0)
		close(mnt);
	close(fd);
	return ret;
}

static int do_remount(const struct request *r)
{
	struct mount_attr attr = { .attr_set = mount_attrs(r) };
	int fd = fspick(AT_FDCWD, r->dir, FSPICK_CLOEXEC), err;

	if (fd < 0) {
		fprintf(stderr, "mount.bcachefs: %s: %s\n", r->dir, strerror(errno));
		return MNT_FAILED;
	}
	/* what is not asked for is taken away; kinds of access times are one field */
	attr.attr_clr = (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			 MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME) & ~attr.attr_set;
	attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (!configure(fd, r, FSCONFIG_CMD_RECONFIGURE) &&
	    !mount_setattr(AT_FDCWD, r->dir, 0, &attr, sizeof(attr))) {
		close(fd);
		return MNT_OK;
	}
	err = errno;
	print_messages(fd);
	fprintf(stderr, "mount.bcachefs: remounting %s: %s\n", r->dir, strerror(err));
	close(fd);
	return MNT_FAILED;
}

static int usage(void)
{
	fputs("usage: mount.bcachefs SPEC DIR [-fnsv] [-o OPTIONS]\n"
	      "  SPEC: UUID=..., LABEL=..., a member, members separated by colons, or an assembled set\n",
	      stderr);
	return MNT_USAGE;
}

int mount_helper(int argc, char **argv)
{
	struct request r = { };
	char device[256];
	int c, ret;

	while ((c = getopt(argc, argv, "fnsvo:t:N:h")) != -1) {
		switch (c) {
		case 'o':
			if (take_options(&r, optarg))
				return MNT_USAGE;
			break;
		case 'f':
			r.fake = true;
			break;
		case 'n':
		case 's':
		case 'v':
		case 't':
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 2)
		return usage();
	if (take_members(&r, argv[optind]))
		return MNT_USAGE;
	r.dir = argv[optind + 1];
	if (r.fake)
		return MNT_OK;
	if (r.remount)
		return do_remount(&r);

	ret = assemble(r.members, r.nr_members, &r.assemble, device, sizeof(device));
	return ret ? MNT_FAILED : do_mount(&r, device);
}
