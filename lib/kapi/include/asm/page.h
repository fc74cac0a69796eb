/* SPDX-License-Identifier: GPL-2.0 */
/* A struct page is the memory itself: 4096 bytes, aligned. page + 1 is the next page. */
#ifndef KAPI_ASM_PAGE_H
#define KAPI_ASM_PAGE_H

#include <linux/align.h>
#include <linux/const.h>
#include <linux/types.h>

#define PAGE_SHIFT	12
#define PAGE_SIZE	(_UL(1) << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

struct page {
	u8 kapi_bytes[1 << PAGE_SHIFT];
};

#define virt_to_page(p)		((struct page *)((unsigned long)(p) & PAGE_MASK))
#define page_to_virt(page)	((void *)(page))
#define page_address(page)	((void *)(page))
#define page_to_pfn(page)	((unsigned long)(page) >> PAGE_SHIFT)
#define pfn_to_page(pfn)	((struct page *)((unsigned long)(pfn) << PAGE_SHIFT))
#define nth_page(page, n)	((page) + (n))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define PAGE_ALIGN(n)		ALIGN(n, PAGE_SIZE)
#define PAGE_ALIGNED(n)		IS_ALIGNED((unsigned long)(n), PAGE_SIZE)
#define clear_page(p)		__builtin_memset((p), 0, PAGE_SIZE)
#define copy_page(d, s)		__builtin_memcpy((d), (s), PAGE_SIZE)
#define virt_addr_valid(p)	(!is_vmalloc_addr(p))

static inline int get_order(unsigned long bytes)
{
	int order = 0;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

#endif
