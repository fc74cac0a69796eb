// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX ACLs as stored (docs/format/60-filesystem-keys.md, section 11, "ACL
 * value"): version 1, then entries of 4 bytes, or 8 where a user or group is named.
 *
 * An access ACL and the mode that goes with it are one change in the engine. Default ACLs reach new files in namei.c.
 */
#include "vfs.h"

#include <linux/posix_acl.h>
#include <linux/slab.h>

#include <bcachefs/ops.h>

#include "engine/format/values.h"
#include "kc/kc.h"

static bool entry_has_id(u16 tag)
{
	return tag == ACL_USER || tag == ACL_GROUP;
}

static size_t entry_bytes(u16 tag)
{
	return entry_has_id(tag) ? sizeof(struct bch_acl_entry) : sizeof(struct bch_acl_entry_short);
}

static enum bce_xattr_type xattr_of(int type)
{
	return type == ACL_TYPE_ACCESS ? BCE_XATTR_ACL_ACCESS : BCE_XATTR_ACL_DEFAULT;
}

static bool tag_known(u16 tag)
{
	return entry_has_id(tag) || tag == ACL_USER_OBJ || tag == ACL_GROUP_OBJ ||
	       tag == ACL_MASK || tag == ACL_OTHER;
}

/* number of entries, or -EUCLEAN: it does not tile the value */
static int count_entries(const u8 *p, const u8 *end)
{
	int n = 0;

	while (p < end) {
		const struct bch_acl_entry *e = (const void *)p;
		size_t bytes;

		if (end - p < sizeof(struct bch_acl_entry_short) ||
		    !tag_known(le16_to_cpu(e->e_tag)))
			return -EUCLEAN;
		bytes = entry_bytes(le16_to_cpu(e->e_tag));
		if (end - p < bytes)
			return -EUCLEAN;
		p += bytes;
		n++;
	}
	return n;
}

static void decode_entry(struct posix_acl_entry *out, const struct bch_acl_entry *e)
{
	out->e_tag = le16_to_cpu(e->e_tag);
	out->e_perm = le16_to_cpu(e->e_perm);
	if (out->e_tag == ACL_USER)
		out->e_uid = make_kuid(&init_user_ns, le32_to_cpu(e->e_id));
	else if (out->e_tag == ACL_GROUP)
		out->e_gid = make_kgid(&init_user_ns, le32_to_cpu(e->e_id));
}

static struct posix_acl *decode(const void *value, size_t bytes)
{
	const struct bch_acl_header *header = value;
	const u8 *p = (const u8 *)(header + 1), *end = value + bytes;
	struct posix_acl *acl;
	int n, i;

	if (bytes < sizeof(*header) || le32_to_cpu(header->a_version) != 1)
		return ERR_PTR(-EUCLEAN);
	n = count_entries(p, end);
	if (n <= 0)
		return n ? ERR_PTR(n) : NULL;
	acl = posix_acl_alloc(n, GFP_KERNEL);
	if (!acl)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < n; i++) {
		const struct bch_acl_entry *e = (const void *)p;

		decode_entry(&acl->a_entries[i], e);
		p += entry_bytes(le16_to_cpu(e->e_tag));
	}
	return acl;
}

struct posix_acl *bcachefs_get_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl = NULL;
	size_t room = 2048;		/* more than any key holds */
	void *value;
	int ret;

	if (rcu)
		return ERR_PTR(-ECHILD);
	value = kmalloc(room, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	ret = bce_xattr_get(bcachefs_set_of(inode), &to_bcachefs_inode(inode)->e,
			    xattr_of(type), "", value, room);
	if (ret >= 0)
		acl = decode(value, ret);
	else if (ret != -ENODATA)
		acl = ERR_PTR(ret);
	kfree(value);
	return acl;
}

/* ---- set ---- */

static size_t encoded_bytes(const struct posix_acl *acl)
{
	size_t bytes = sizeof(struct bch_acl_header);

	for (unsigned int i = 0; i < acl->a_count; i++)
		bytes += entry_bytes(acl->a_entries[i].e_tag);
	return bytes;
}

/* Return: bytes used */
static size_t encode_entry(const struct posix_acl_entry *from, struct bch_acl_entry *to)
{
	to->e_tag = cpu_to_le16(from->e_tag);
	to->e_perm = cpu_to_le16(from->e_perm);
	if (entry_has_id(from->e_tag))
		to->e_id = cpu_to_le32(from->e_tag == ACL_USER ?
				       from_kuid(&init_user_ns, from->e_uid) :
				       from_kgid(&init_user_ns, from->e_gid));
	return entry_bytes(from->e_tag);
}

void *bcachefs_acl_encode(const struct posix_acl *acl, u16 *bytes)
{
	size_t size = encoded_bytes(acl);
	struct bch_acl_header *header;
	u8 *p;

	if (size > U16_MAX)
		return ERR_PTR(-E2BIG);
	header = kmalloc(size, GFP_NOFS);
	if (!header)
		return ERR_PTR(-ENOMEM);
	header->a_version = cpu_to_le32(1);
	p = (u8 *)(header + 1);
	for (unsigned int i = 0; i < acl->a_count; i++)
		p += encode_entry(&acl->a_entries[i], (void *)p);
	*bytes = size;
	return header;
}

static int acl_change(struct inode *inode, struct posix_acl *acl, int type, umode_t mode)
{
	void *value = NULL;
	u16 bytes = 0;
	int ret;

	if (acl)
		value = bcachefs_acl_encode(acl, &bytes);
	if (IS_ERR(value))
		return PTR_ERR(value);
	ret = bce_acl_set(bcachefs_set_of(inode), bcachefs_id_of(inode), xattr_of(type), mode, value,
			  bytes);
	kfree(value);
	return ret;
}

int bcachefs_set_acl(KC_SET_ACL_ARGS)
{
	struct inode *inode = kc_acl_inode(object);
	struct posix_acl *stored = acl;
	umode_t mode = inode->i_mode;
	int ret = 0;

	/* an ACL that says no more than the mode is not kept */
	if (type == ACL_TYPE_ACCESS && acl)
		ret = posix_acl_update_mode(idmap, inode, &mode, &stored);
	if (!ret)
		ret = acl_change(inode, stored, type, mode);
	if (ret)
		return ret;
	set_cached_acl(inode, type, stored);
	bcachefs_inode_refresh(inode);
	return bcachefs_sync_change(inode);
}
