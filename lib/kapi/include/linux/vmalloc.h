/* SPDX-License-Identifier: GPL-2.0 */
/* Virtually contiguous memory. */
#ifndef KAPI_LINUX_VMALLOC_H
#define KAPI_LINUX_VMALLOC_H

#include <asm/page.h>
#include <linux/gfp_types.h>
#include <linux/types.h>

void *vmalloc(unsigned long bytes);
void *vzalloc(unsigned long bytes);
void *__vmalloc(unsigned long bytes, gfp_t gfp);
void vfree(const void *p);
bool is_vmalloc_addr(const void *p);

static inline struct page *vmalloc_to_page(const void *p)
{
	return virt_to_page(p);
}

static inline void invalidate_kernel_vmap_range(void *p, int bytes)
{
	(void)p;
	(void)bytes;
}

static inline void flush_kernel_vmap_range(void *p, int bytes)
{
	(void)p;
	(void)bytes;
}

#endif
