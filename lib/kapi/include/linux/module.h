/* SPDX-License-Identifier: GPL-2.0 */
/* Modules: module_init(fn) makes kapi_module_init() call fn, to be called by the program. */
#ifndef KAPI_LINUX_MODULE_H
#define KAPI_LINUX_MODULE_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>

struct module;

/* One module per program, hence one pair of names. */
int kapi_module_init(void);
void kapi_module_exit(void);
#define module_init(fn)		int kapi_module_init(void) { return fn(); }
#define module_exit(fn)		void kapi_module_exit(void) { fn(); }

#define MODULE_LICENSE(x)	_Static_assert(1, "")
#define MODULE_AUTHOR(x)	_Static_assert(1, "")
#define MODULE_DESCRIPTION(x)	_Static_assert(1, "")
#define MODULE_VERSION(x)	_Static_assert(1, "")
#define MODULE_ALIAS(x)		_Static_assert(1, "")
#define MODULE_SOFTDEP(x)	_Static_assert(1, "")
#define MODULE_IMPORT_NS(x)	_Static_assert(1, "")

static inline bool try_module_get(struct module *m)
{
	(void)m;
	return true;
}

static inline void __module_get(struct module *m)
{
	(void)m;
}

static inline void module_put(struct module *m)
{
	(void)m;
}

#endif
