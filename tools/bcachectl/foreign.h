/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_FOREIGN_H
#define BCACHECTL_FOREIGN_H

struct text_buf;

/* What is on a device, as libblkid knows it. */
struct foreign {
	char	type[64];	/* "ext4", "LVM2_member", "gpt"; "" nothing known */
	char	label[256];
	char	uuid[64];
};

void foreign_probe(const char *path, struct foreign *out);
/*
 * in words, appended: "ext4, label "home""; for a member of a set also which one. Nothing is
 * appended for a device that seems empty.
 */
void foreign_describe(const char *path, struct text_buf *out);
/*
 * why bce_sb_read() of a device ended in @error, in the engine's words @why (lines); where there is nothing of ours
 * (-ENODATA) what the device holds instead
 */
void complain_no_member(const char *path, int error, const char *why);
/* all signatures that libblkid finds are removed. Return: 0 or -errno */
int foreign_wipe(const char *path);

#endif
