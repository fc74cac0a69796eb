// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes: the stored ones (user, trusted, security, POSIX ACLs)
 * and the shown ones: "bcachefs.<option>" is an inode option set on this very
 * file, "bcachefs_effective.<option>" also one inherited from its directory.
 * Setting the latter is accepted and changes nothing, so that copies of all attributes can be made.
 */
#include "vfs.h"

#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xattr.h>

#include <bcachefs/ops.h>

#include "kc/kc.h"

#define PREFIX_OPT		"bcachefs."
#define PREFIX_OPT_EFFECTIVE	"bcachefs_effective."
#define OPT_TEXT_MAX		128

static int stored_get(const struct xattr_handler *handler, struct dentry *dentry,
		      struct inode *inode, const char *name, void *buffer, size_t size)
{
	return bce_xattr_get(bcachefs_set_of(inode), &to_bcachefs_inode(inode)->e,
			     handler->flags, name, buffer, size);
}

/* ctime and, with it, what else the change has made of the inode */
static int changed(struct inode *inode)
{
	bcachefs_inode_refresh(inode);
	return bcachefs_sync_change(inode);
}

static int stored_set(const struct xattr_handler *handler, kc_idmap *idmap, struct dentry *dentry,
		      struct inode *inode, const char *name, const void *value, size_t size,
		      int flags)
{
	int ret = bce_xattr_set(bcachefs_set_of(inode), bcachefs_id_of(inode),
				handler->flags, name, value, size,
				(flags & XATTR_CREATE ? BCE_XATTR_CREATE : 0) |
				(flags & XATTR_REPLACE ? BCE_XATTR_REPLACE : 0));

	return ret ?: changed(inode);
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
	struct bce_inode e;
	size_t len;

	if (opt < 0)
		return opt;
	bcachefs_inode_copy(inode, &e);
	ret = bce_inode_opt_text(bcachefs_set_of(inode), &e, opt, handler->flags, text,
				 sizeof(text));
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

int bcachefs_option_change(struct inode *inode, unsigned int opt, const char *text)
{
	return bce_inode_opt_set(bcachefs_set_of(inode), bcachefs_id_of(inode), opt, text);
}

/* @value NULL: inherit again */
static int option_change(struct inode *inode, int opt, const void *value, size_t size)
{
	char *text;
	int ret;

	if (!value)
		return bcachefs_option_change(inode, opt, NULL);
	if (size >= OPT_TEXT_MAX)
		return -EINVAL;
	text = kmemdup_nul(value, size, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	ret = bcachefs_option_change(inode, opt, text);
	kfree(text);
	return ret;
}

/* options say where data goes and what it costs: the owner's business, and projects not that of other namespaces */
static int option_set(const struct xattr_handler *handler, kc_idmap *idmap, struct dentry *dentry,
		      struct inode *inode, const char *name, const void *value, size_t size,
		      int flags)
{
	int opt = option_index(name), ret;
	struct bce_inode e;
	bool is_set;

	if (opt < 0)
		return opt;
	if (!inode_owner_or_capable(idmap, inode) ||
	    (!strcmp(name, "project") && current_user_ns() != &init_user_ns))
		return -EPERM;
	if (handler->flags)
		return 0;
	bcachefs_inode_copy(inode, &e);
	is_set = e.opts_explicit & BIT(opt);
	if (is_set && flags & XATTR_CREATE)
		return -EEXIST;
	if (!is_set && (!value || flags & XATTR_REPLACE))
		return -ENODATA;
	ret = option_change(inode, opt, value, size);
	return ret ?: changed(inode);
}

static const struct xattr_handler user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.flags	= BCE_XATTR_USER,
	.get	= stored_get,
	.set	= stored_set,
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
	.set	= stored_set,
};

static const struct xattr_handler security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.flags	= BCE_XATTR_SECURITY,
	.get	= stored_get,
	.set	= stored_set,
};

static const struct xattr_handler option_handler = {
	.prefix	= PREFIX_OPT,
	.flags	= false,
	.get	= option_get,
	.set	= option_set,
};

static const struct xattr_handler option_effective_handler = {
	.prefix	= PREFIX_OPT_EFFECTIVE,
	.flags	= true,
	.get	= option_get,
	.set	= option_set,
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
	struct name_list l = { .buf = list, .size = size, .acl = IS_POSIXACL(inode) };
	struct bce_inode e;
	int ret;

	bcachefs_inode_copy(inode, &e);
	ret = bce_xattr_list(bcachefs_set_of(inode), &e, emit_stored, &l);
	if (ret)
		return ret;
	if (!l.overflow && list_options(&l, &e, PREFIX_OPT, false))
		list_options(&l, &e, PREFIX_OPT_EFFECTIVE, true);
	return l.overflow ? -ERANGE : l.used;
}
