// SPDX-License-Identifier: GPL-2.0
/*
 * Space for dirty pages. A buffered write or a first store to a mapped page asks the engine for as much
 * as a page takes with the file's replicas (bce_space_get()), so that writeback finds space, compressed
 * or not. Which pages have it stands with their folio (folio.c); the sum is an account of the
 * inode, vi->space, from which writeback takes what it hands to the engine with a write.
 *
 * All promises of one account are for the same number of replicas, since pages are counted back into it
 * without knowing what was paid for each: while anything is in it, more is asked for at the same
 * rate, whatever the options say meanwhile.
 *
 * What the file itself holds (fallocate, places that are written over) is enough for the pages over it when the set is
 * full, or its owner's quota. That is only looked at then: two promises for the same page cost nothing but a little room.
 *
 * vi->lock guards the account and inode->i_blocks, in which it shows: tools expect a file that has just
 * been written to occupy something.
 */
#include "data.h"

#include <linux/blk_types.h>

#include "folio.h"

/* vi->lock held */
static void show_blocks(struct bcachefs_inode *vi)
{
	vi->v.i_blocks = vi->e.sectors + vi->space.sectors;
}

static u64 page_sectors(const struct bcachefs_inode *vi, unsigned int pages)
{
	return (u64)pages * PAGE_SECTORS * vi->space.replicas;
}

/* one try: -EAGAIN if the account's rate has changed meanwhile */
static int account_add(struct bcachefs_inode *vi, unsigned int pages)
{
	struct bce_set *set = bcachefs_set_of(&vi->v);
	struct bce_space more = { };
	struct bce_inode e;
	int ret;

	spin_lock(&vi->lock);
	e = vi->e;
	if (vi->space.sectors)
		more = vi->space;
	spin_unlock(&vi->lock);

	ret = bce_space_get(set, &e, (u64)pages * PAGE_SECTORS, &more);
	if (ret)
		return ret;
	spin_lock(&vi->lock);
	if (vi->space.sectors && vi->space.replicas != more.replicas) {
		ret = -EAGAIN;
	} else {
		vi->space.sectors += more.sectors;
		vi->space.replicas = more.replicas;
		show_blocks(vi);
	}
	spin_unlock(&vi->lock);
	if (ret)
		bce_space_put(set, &more);
	return ret;
}

int bcachefs_promise(struct inode *inode, struct folio *folio, size_t offset, size_t len)
{
	unsigned int pages = bcachefs_folio_unpromised(folio, offset, len);
	u64 start = round_down(folio_pos(folio) + offset, PAGE_SIZE);
	u64 end = round_up(folio_pos(folio) + offset + len, PAGE_SIZE);
	int ret;

	if (!pages)
		return 0;
	do {
		ret = account_add(to_bcachefs_inode(inode), pages);
	} while (ret == -EAGAIN);
	if (!ret)
		bcachefs_folio_set_promised(folio, offset, len);
	else if ((ret == -ENOSPC || ret == -EDQUOT) &&
		 bce_holds_space(bcachefs_set_of(inode), bcachefs_id_of(inode), start >> SECTOR_SHIFT,
				 end >> SECTOR_SHIFT))
		ret = 0;
	return ret;
}

void bcachefs_promise_take(struct inode *inode, unsigned int pages, struct bce_space *out)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	*out = (struct bce_space) {
		.sectors = page_sectors(vi, pages), .replicas = vi->space.replicas,
	};
	if (WARN_ON_ONCE(out->sectors > vi->space.sectors))
		out->sectors = vi->space.sectors;
	vi->space.sectors -= out->sectors;
	show_blocks(vi);
	spin_unlock(&vi->lock);
}

void bcachefs_promise_put(struct inode *inode, unsigned int pages)
{
	struct bce_space space;

	if (!pages)
		return;
	bcachefs_promise_take(inode, pages, &space);
	bce_space_put(bcachefs_set_of(inode), &space);
}

void bcachefs_told_sectors(struct inode *inode, u64 sectors)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	vi->e.sectors = sectors;
	show_blocks(vi);
	spin_unlock(&vi->lock);
}

void bcachefs_blocks_refresh(struct inode *inode)
{
	struct bce_inode e;

	if (bce_inode_read(bcachefs_set_of(inode), bcachefs_id_of(inode), &e))
		return;
	bcachefs_told_sectors(inode, e.sectors);
	bcachefs_times_diverged(inode, &e);
}

void bcachefs_data_inode_init_once(struct bcachefs_inode *vi)
{
	bcachefs_add_lock_init(&vi->add_lock);
	init_rwsem(&vi->no_writeback);
	vi->space = (struct bce_space) { };
}

/* the page cache is empty, and with it the account */
void bcachefs_data_evict(struct inode *inode)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	if (WARN_ON_ONCE(vi->space.sectors))
		bce_space_put(bcachefs_set_of(inode), &vi->space);
}
