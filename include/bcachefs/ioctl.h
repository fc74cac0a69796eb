/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_IOCTL_H
#define BCACHEFS_IOCTL_H

/*
 * ioctls on any open file of a mounted file system that the tool uses: those of Linux 6.12 with its numbers and layouts
 * (docs/format/90-ioctl-mount-sysfs.md, section 5), and ours, numbered from 0x70 up.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

enum bce_ioctl_subvol_flags {
	BCE_IOCTL_SUBVOL_SNAPSHOT	= 1 << 0,
	BCE_IOCTL_SUBVOL_RO		= 1 << 1,
};

/* paths are relative to @dirfd; @src_ptr 0: what holds the directory of the new name */
struct bce_ioctl_subvolume {
	__u32	flags;
	__u32	dirfd;
	__u16	mode;
	__u16	pad[3];
	__u64	dst_ptr;
	__u64	src_ptr;
};

#define BCE_IOC_SUBVOLUME_CREATE	_IOW(0xbc, 16, struct bce_ioctl_subvolume)
#define BCE_IOC_SUBVOLUME_DESTROY	_IOW(0xbc, 17, struct bce_ioctl_subvolume)

/**
 * struct bce_ioctl_subvolume_next - the subvolume with the lowest id above @after
 * @after:      in; 0 to begin
 * @path_ptr:   in: where its path goes, NUL-terminated, from the root of the file system, without a leading slash
 * @path_bytes: in: room there; out: bytes of the path with its NUL; 0: its name cannot be found
 *
 * Errors: -ENOENT no further ones; -ERANGE too little room; -EPERM without CAP_SYS_ADMIN.
 */
struct bce_ioctl_subvolume_next {
	__u32	after;
	__u32	id;
	__u32	flags;			/* enum bce_ioctl_subvol_flags */
	__u32	creation_parent;	/* subvolume that this is a snapshot of; 0 none */
	__u32	path_parent;		/* subvolume that holds its name; 0: the root */
	__u32	path_bytes;
	__u64	inum;			/* of its root directory */
	__s64	otime_sec;
	__u32	otime_nsec;
	__u32	pad;
	__u64	path_ptr;
};

#define BCE_IOC_SUBVOLUME_NEXT		_IOWR(0xbc, 0x70, struct bce_ioctl_subvolume_next)

#endif
