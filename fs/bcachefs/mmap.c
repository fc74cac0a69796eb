// SPDX-License-Identifier: GPL-2.0
/*
 * Mapped files. Faults read through the page cache like read(2) (read.c: as adders). A first store to a
 * clean page comes here: its folio gets space promised, all of it, since a large one may be mapped with
 * one entry; no store finds the set full later. Writeback write-protects the folio again, so the
 * next store asks again.
 *
 * invalidate_lock is held shared: whoever reshapes the file holds it exclusively while he writes back what
 * is dirty, and then nothing becomes dirty any more.
 */
#include "data.h"

#include <linux/mm.h>
#include <linux/pagemap.h>

#include "folio.h"
#include "kc/kc.h"

static vm_fault_t fault_error(int error)
{
	return error == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/* a locked folio that may be stored to; else unlocked */
static vm_fault_t make_writable(struct inode *inode, struct folio *folio)
{
	size_t len = folio_size(folio);
	loff_t size = i_size_read(inode);
	int ret;

	if (folio->mapping != inode->i_mapping || folio_pos(folio) >= size) {
		folio_unlock(folio);
		return VM_FAULT_NOPAGE;
	}
	folio_wait_writeback(folio);
	len = min_t(u64, len, round_up(size - folio_pos(folio), PAGE_SIZE));
	ret = bcachefs_folio_prepare(folio) ?: bcachefs_promise(inode, folio, 0, len);
	if (ret) {
		folio_unlock(folio);
		return fault_error(ret);
	}
	bcachefs_folio_set_dirty(folio, 0, len);
	filemap_dirty_folio(inode->i_mapping, folio);
	return VM_FAULT_LOCKED;
}

static vm_fault_t page_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct folio *folio = page_folio(vmf->page);
	struct inode *inode = file_inode(file);
	vm_fault_t ret;

	if (!bce_set_is_rw(bcachefs_set_of(inode)))
		return VM_FAULT_SIGBUS;
	sb_start_pagefault(inode->i_sb);
	file_update_time(file);
	filemap_invalidate_lock_shared(inode->i_mapping);
	folio_lock(folio);
	ret = make_writable(inode, folio);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	sb_end_pagefault(inode->i_sb);
	return ret;
}

static const struct vm_operations_struct file_vm_ops = {
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= page_mkwrite,
};

int bcachefs_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &file_vm_ops;
	return 0;
}
