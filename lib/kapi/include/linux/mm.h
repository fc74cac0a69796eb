/* SPDX-License-Identifier: GPL-2.0 */
/* Memory management. */
#ifndef KAPI_LINUX_MM_H
#define KAPI_LINUX_MM_H

#include <asm/page.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sysinfo.h>
#include <linux/types.h>
#include <linux/vmalloc.h>

/* Reference counts of pages from alloc_page(). */
void get_page(struct page *page);
void put_page(struct page *page);
unsigned long totalram_pages(void);

/* struct sysinfo is the one of sysinfo(2). */
void si_meminfo(struct sysinfo *val);

#endif
