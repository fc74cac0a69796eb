// SPDX-License-Identifier: GPL-2.0
/*
 * Two forms of one list. The order of entries is the same in both: the kernel hands them out, and takes them, in
 * the canonical one.
 */
#include "acl_xattr.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <linux/types.h>

#include "engine/format/values.h"

#define XATTR_VERSION	2
#define NO_ID		0xffffffffU	/* where none belongs */

/* linux/posix_acl_xattr.h */
struct xattr_entry {
	__le16	tag;
	__le16	perm;
	__le32	id;
};

static bool has_id(unsigned int tag)
{
	return tag == BCH_ACL_USER || tag == BCH_ACL_GROUP;
}

static bool is_tag(unsigned int tag)
{
	return has_id(tag) || tag == BCH_ACL_USER_OBJ || tag == BCH_ACL_GROUP_OBJ ||
	       tag == BCH_ACL_MASK || tag == BCH_ACL_OTHER;
}

static bool has_version(const void *in, size_t bytes, u32 version)
{
	__le32 v;

	if (bytes < sizeof(v))
		return false;
	memcpy(&v, in, sizeof(v));
	return le32_to_cpu(v) == version;
}

static void put_version(void *out, u32 version)
{
	__le32 v = cpu_to_le32(version);

	memcpy(out, &v, sizeof(v));
}

int acl_to_stored(const void *in, size_t bytes, void *out, size_t size)
{
	size_t at = sizeof(__le32), to = sizeof(struct bch_acl_header);
	struct xattr_entry e;

	if (!has_version(in, bytes, XATTR_VERSION) || (bytes - at) % sizeof(e) || bytes == at)
		return -EINVAL;
	if (size < to)
		return -ERANGE;
	put_version(out, BCH_ACL_VERSION);
	for (; at < bytes; at += sizeof(e)) {
		struct bch_acl_entry stored;
		size_t stored_bytes;

		memcpy(&e, (const char *)in + at, sizeof(e));
		if (!is_tag(le16_to_cpu(e.tag)))
			return -EINVAL;
		stored = (struct bch_acl_entry) { .e_tag = e.tag, .e_perm = e.perm, .e_id = e.id };
		stored_bytes = has_id(le16_to_cpu(e.tag)) ? sizeof(stored) : sizeof(struct bch_acl_entry_short);
		if (size - to < stored_bytes)
			return -ERANGE;
		memcpy((char *)out + to, &stored, stored_bytes);
		to += stored_bytes;
	}
	return to;
}

int acl_from_stored(const void *in, size_t bytes, void *out, size_t size)
{
	size_t at = sizeof(struct bch_acl_header), to = sizeof(__le32), stored_bytes;

	if (!has_version(in, bytes, BCH_ACL_VERSION) || bytes == at)
		return -EINVAL;
	if (size < to)
		return -ERANGE;
	put_version(out, XATTR_VERSION);
	for (; at < bytes; at += stored_bytes) {
		struct bch_acl_entry stored = { .e_id = cpu_to_le32(NO_ID) };
		struct xattr_entry e;

		if (bytes - at < sizeof(struct bch_acl_entry_short))
			return -EINVAL;
		memcpy(&stored, (const char *)in + at, sizeof(struct bch_acl_entry_short));
		stored_bytes = sizeof(struct bch_acl_entry_short);
		if (has_id(le16_to_cpu(stored.e_tag)))
			stored_bytes = sizeof(stored);
		if (!is_tag(le16_to_cpu(stored.e_tag)) || bytes - at < stored_bytes)
			return -EINVAL;
		memcpy(&stored, (const char *)in + at, stored_bytes);
		e = (struct xattr_entry) { .tag = stored.e_tag, .perm = stored.e_perm, .id = stored.e_id };
		if (size - to < sizeof(e))
			return -ERANGE;
		memcpy((char *)out + to, &e, sizeof(e));
		to += sizeof(e);
	}
	return to;
}
