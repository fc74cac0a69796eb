/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_ACL_XATTR_H
#define BCACHECTL_ACL_XATTR_H

#include <stddef.h>

/*
 * ACLs: as values of system.posix_acl_access and _default, version 2 with entries of 8 bytes, and as a set
 * stores them (docs/format/60-filesystem-keys.md, section 11, "ACL value").
 *
 * Return: bytes of @out; -EINVAL @in is none; -ERANGE @size is too small.
 */
int acl_to_stored(const void *in, size_t bytes, void *out, size_t size);
int acl_from_stored(const void *in, size_t bytes, void *out, size_t size);

#endif
