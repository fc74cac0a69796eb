// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes: the stored ones (user, trusted, security, POSIX ACLs)
 * and the shown ones: "bcachefs.<option>" is an inode option set on this very
 * file, "bcachefs_effective.<option>" also one inherited from its directory.
 */
#include "vfs.h"

#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <linux/string.h>
#include <linux/xattr.h>

#include "kc/kc.h"

#define PREFIX_OPT		"bcachefs."
#define PREFIX_OPT_EFFECTIVE	"bcachefs_effective."
#define OPT_TEXT_MAX		128

static int stored_get(const struct xattr_handler *handler, struct dentry *dentry,
		      struct inode *inode, const char *name, void *buffer, size_t size)
{
	return bce_xattr_get(to_bcachefs_super(inode->i_sb)->set, &to_bcachefs_inode(inode)->e,
			     handler->flags, name, buffer, size);
}

static int option_index(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bce_inode_opt_names); i++)
		if (!strcmp(name, bce_inode_opt_names[i]))
			return i;
	return -EINVAL;
}

static int option_get(const struct xattr_handler *handler, struct dentry *dentry,
		      struct inode *inode, const char *name, void *buffer, size_t size)
{
	char text[OPT_TEXT_MAX];
	int opt = option_index(name), ret;
	size_t len;

	if (opt < 0)
		return opt;
	ret = bce_inode_opt_text(to_bcachefs_super(inode->i_sb)->set, &to_bcachefs_inode(inode)->e, opt,
				 handler->flags, text, sizeof(text));
	if (ret < 0)
		return ret;
	len = strlen(text);
	if (!size)
		return len;
	if (len > size)
		return -ERANGE;
	memcpy(buffer, text, len);
	return len;
}

static const struct xattr_handler user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.flags	= BCE_XATTR_USER,
	.get	= stored_get,
};

static bool trusted_list(struct dentry *dentry)
{
	return capable(CAP_SYS_ADMIN);
}

static const struct xattr_handler trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.flags	= BCE_XATTR_TRUSTED,
	.list	= trusted_list,
	.get	= stored_get,
};

static const struct xattr_handler security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.flags	= BCE_XATTR_SECURITY,
	.get	= stored_get,
};

static const struct xattr_handler option_handler = {
	.prefix	= PREFIX_OPT,
	.flags	= false,
	.get	= option_get,
};

static const struct xattr_handler option_effective_handler = {
	.prefix	= PREFIX_OPT_EFFECTIVE,
	.flags	= true,
	.get	= option_get,
};

const struct xattr_handler *bcachefs_xattr_handlers[] = {
	&user_handler,
	&trusted_handler,
	&security_handler,
	&option_handler,
	&option_effective_handler,
	KC_ACL_XATTR_HANDLERS
	NULL
};

/* a list for listxattr(2): names one after the other, or only their length */
struct name_list {
	char		*buf;
	size_t		size;		/* 0: count only */
	size_t		used;
	bool		overflow;
	bool		acl;
};

static bool name_list_add(struct name_list *l, const char *prefix, const char *name,
			  unsigned int len)
{
	size_t prefix_len = strlen(prefix), total = prefix_len + len + 1;

	if (l->size && l->used + total > l->size) {
		l->overflow = true;
		return false;
	}
	if (l->size) {
		char *p = l->buf + l->used;

		memcpy(p, prefix, prefix_len);
		memcpy(p + prefix_len, name, len);
		p[prefix_len + len] = '\0';
	}
	l->used += total;
	return true;
}

static bool emit_stored(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	struct name_list *l = ctx;

	switch (type) {
	case BCE_XATTR_USER:
		return name_list_add(l, XATTR_USER_PREFIX, name, len);
	case BCE_XATTR_TRUSTED:
		return !capable(CAP_SYS_ADMIN) || name_list_add(l, XATTR_TRUSTED_PREFIX, name, len);
	case BCE_XATTR_SECURITY:
		return name_list_add(l, XATTR_SECURITY_PREFIX, name, len);
	case BCE_XATTR_ACL_ACCESS:
		return !l->acl || name_list_add(l, XATTR_NAME_POSIX_ACL_ACCESS, "", 0);
	case BCE_XATTR_ACL_DEFAULT:
		return !l->acl || name_list_add(l, XATTR_NAME_POSIX_ACL_DEFAULT, "", 0);
	}
	return true;
}

static bool list_options(struct name_list *l, const struct bce_inode *e, const char *prefix,
			 bool effective)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bce_inode_opt_names); i++) {
		const char *name = bce_inode_opt_names[i];

		if (!e->opt[i] || (!effective && !(e->opts_explicit & (1U << i))))
			continue;
		if (!name_list_add(l, prefix, name, strlen(name)))
			return false;
	}
	return true;
}

ssize_t bcachefs_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	const struct bce_inode *e = &to_bcachefs_inode(inode)->e;
	struct name_list l = { .buf = list, .size = size, .acl = IS_POSIXACL(inode) };
	int ret = bce_xattr_list(to_bcachefs_super(inode->i_sb)->set, e, emit_stored, &l);

	if (ret)
		return ret;
	if (!l.overflow && list_options(&l, e, PREFIX_OPT, false))
		list_options(&l, e, PREFIX_OPT_EFFECTIVE, true);
	return l.overflow ? -ERANGE : l.used;
}
