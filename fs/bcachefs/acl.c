// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX ACLs as stored (docs/format/60-filesystem-keys.md, section 11, "ACL
 * value"): version 1, then entries of 4 bytes, or 8 where a user or group is named.
 */
#include "vfs.h"

#include <linux/posix_acl.h>
#include <linux/slab.h>

#include "engine/format/values.h"

static bool entry_has_id(u16 tag)
{
	return tag == ACL_USER || tag == ACL_GROUP;
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
		size_t bytes = sizeof(struct bch_acl_entry_short);

		if (end - p < bytes || !tag_known(le16_to_cpu(e->e_tag)))
			return -EUCLEAN;
		if (entry_has_id(le16_to_cpu(e->e_tag)))
			bytes = sizeof(struct bch_acl_entry);
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
		p += entry_has_id(le16_to_cpu(e->e_tag)) ? sizeof(struct bch_acl_entry) :
			sizeof(struct bch_acl_entry_short);
	}
	return acl;
}

struct posix_acl *bcachefs_get_acl(struct inode *inode, int type, bool rcu)
{
	enum bce_xattr_type xattr = type == ACL_TYPE_ACCESS ? BCE_XATTR_ACL_ACCESS :
							      BCE_XATTR_ACL_DEFAULT;
	struct posix_acl *acl = NULL;
	size_t room = 2048;		/* more than any key holds */
	void *value;
	int ret;

	if (rcu)
		return ERR_PTR(-ECHILD);
	value = kmalloc(room, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	ret = bce_xattr_get(to_bcachefs_super(inode->i_sb)->set, &to_bcachefs_inode(inode)->e, xattr, "",
			    value, room);
	if (ret >= 0)
		acl = decode(value, ret);
	else if (ret != -ENODATA)
		acl = ERR_PTR(ret);
	kfree(value);
	return acl;
}
