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

/* usage, as Linux 6.12's */

/**
 * struct bce_ioctl_query_accounting - counters of the set
 * @capacity, @used, @online_reserved: sectors
 * @accounting_u64s:       in: words of room behind; out: words used there
 * @accounting_types_mask: in: bit per type of counter
 * Behind it stand accounting keys, unpacked (docs/format/50-btree.md, section 3); zero ones are left out.
 * Errors: -ERANGE too little room.
 */
struct bce_ioctl_query_accounting {
	__u64	capacity;
	__u64	used;
	__u64	online_reserved;
	__u32	accounting_u64s;
	__u32	accounting_types_mask;
	__u64	accounting[];
};

#define BCE_IOC_QUERY_ACCOUNTING	_IOW(0xbc, 21, struct bce_ioctl_query_accounting)

/**
 * struct bce_ioctl_dev_usage_v2 - what the buckets of a member hold
 * @dev:           in: its index, with bit 4 of @flags set
 * @nr_data_types: in: entries of room behind; out: entries filled
 * Entries stand behind, by type of data. Errors: -ENODEV no such member.
 */
struct bce_ioctl_dev_usage_v2 {
	__u64	dev;
	__u32	flags;
	__u8	state;
	__u8	nr_data_types;
	__u8	pad[6];
	__u32	bucket_size;		/* sectors */
	__u64	nr_buckets;
	struct bce_ioctl_dev_usage_type {
		__u64	buckets;
		__u64	sectors;
		__u64	fragmented;
	}	d[];
};

#define BCE_IOC_DEV_USAGE_V2	_IOWR(0xbc, 18, struct bce_ioctl_dev_usage_v2)
#define BCE_IOCTL_BY_INDEX	(1 << 4)

/* a member by index; ours. Errors: -EINVAL no further slots; @exists 0: nobody there */
struct bce_ioctl_member {
	__u32	idx;
	__u8	exists;
	__u8	present;
	__u8	state;			/* 0 rw 1 ro 2 failed 3 spare */
	__u8	durability;
	__u64	io_errors;
	__u64	csum_errors;
	__u8	uuid[16];
	char	name[32];
	char	label[64];
};

#define BCE_IOC_MEMBER		_IOWR(0xbc, 0x71, struct bce_ioctl_member)

#endif
