/* SPDX-License-Identifier: GPL-2.0 */
/* Mapping pages: they are always mapped. */
#ifndef KAPI_LINUX_HIGHMEM_H
#define KAPI_LINUX_HIGHMEM_H

#include <asm/page.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <string.h>

static inline void *kmap_local_page(struct page *page)
{
	return page_address(page);
}

static inline void kunmap_local(const void *p)
{
	(void)p;
}

static inline void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	memcpy(to, (char *)page_address(page) + offset, len);
}

static inline void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len)
{
	memcpy((char *)page_address(page) + offset, from, len);
}

static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	memset((char *)page_address(page) + offset, 0, len);
}

static inline void zero_user(struct page *page, unsigned int start, unsigned int len)
{
	memzero_page(page, start, len);
}

static inline void clear_highpage(struct page *page)
{
	clear_page(page_address(page));
}

static inline void flush_dcache_page(struct page *page)
{
	(void)page;
}

#endif
