/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers of kernel memory, of whatever kind, in bios. */
#ifndef BCE_SB_BIO_BUFFER_H
#define BCE_SB_BIO_BUFFER_H

#include <linux/bio.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

/*
 * Adds the pages of @p, from kmalloc() or vmalloc(), to @bio until it is full; returns how many of @bytes went in. A vmalloc()
 * buffer's aliases are the caller's to flush.
 */
static inline size_t bce_bio_add_buffer(struct bio *bio, const u8 *p, size_t bytes)
{
	size_t added = 0;

	while (added < bytes) {
		const u8 *at = p + added;
		struct page *page = is_vmalloc_addr(at) ? vmalloc_to_page(at) : virt_to_page(at);
		unsigned int offset = offset_in_page(at);
		unsigned int len = min_t(size_t, bytes - added, PAGE_SIZE - offset);

		if (bio_add_page(bio, page, len, offset) != len)
			break;
		added += len;
	}
	return added;
}

#endif
