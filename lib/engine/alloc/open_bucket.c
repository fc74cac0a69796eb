// SPDX-License-Identifier: GPL-2.0
/*
 * Open buckets: taken for writing, and perhaps not referenced by any key yet.
 *
 *	free slot --get--> owned by a write point --full, put--> free slot
 *	                      |    ^
 *	                    park  unpark
 *	                      v    |
 *	                     partial
 *
 * A reference is held by the write point and by every space handed out that has not been put yet;
 * a partial bucket is held by the list. Nothing on disk says that a bucket is open: after a
 * crash it is what its key says, free or partly filled.
 *
 * As long as a bucket is open its generation stays (bucket.c), it is not discarded, moved or
 * invalidated (reclaim.c, copygc.c).
 *
 * A bucket that the data room still writes to in place is not opened, free or not.
 *
 * Lock: open.lock, a spinlock under which nothing else is taken.
 *
 * Source: docs/format/75-allocation.md, section 9.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/slab.h>

static u64 open_key(unsigned int dev, u64 bucket)
{
	return (u64)dev << 56 ^ bucket;
}

int alloc_open_init(struct allocator *a)
{
	struct open_buckets *o = &a->open;

	spin_lock_init(&o->lock);
	INIT_LIST_HEAD(&o->free);
	INIT_LIST_HEAD(&o->partial);
	hash_init(o->hash);
	o->all = kvcalloc(OPEN_BUCKETS_MAX, sizeof(*o->all), GFP_KERNEL);
	if (!o->all)
		return -ENOMEM;
	for (unsigned int i = 0; i < OPEN_BUCKETS_MAX; i++)
		list_add_tail(&o->all[i].list, &o->free);
	o->nr_free = OPEN_BUCKETS_MAX;
	return 0;
}

void alloc_open_exit(struct allocator *a)
{
	struct open_buckets *o = &a->open;

	if (!o->all)
		return;
	if (o->nr_free != OPEN_BUCKETS_MAX)
		bce_log_line(a->config.log, BCE_LOG_ERR, "%u buckets were still open at the end",
			     OPEN_BUCKETS_MAX - o->nr_free);
	kvfree(o->all);
	o->all = NULL;
}

/* under open.lock */
static struct open_bucket *open_find(struct allocator *a, unsigned int dev, u64 bucket)
{
	struct open_bucket *ob;

	hash_for_each_possible(a->open.hash, ob, hash, open_key(dev, bucket))
		if (ob->dev == dev && ob->bucket == bucket)
			return ob;
	return NULL;
}

bool alloc_bucket_is_open(struct allocator *a, unsigned int dev, u64 bucket)
{
	bool open;

	spin_lock(&a->open.lock);
	open = open_find(a, dev, bucket) != NULL;
	spin_unlock(&a->open.lock);
	return open;
}

bool alloc_bucket_is_open_emptied(struct allocator *a, unsigned int dev, u64 bucket)
{
	struct open_bucket *ob;

	spin_lock(&a->open.lock);
	ob = open_find(a, dev, bucket);
	if (ob)
		ob->emptied = true;
	spin_unlock(&a->open.lock);
	return ob != NULL;
}

/* slots that lower watermarks leave to higher ones */
static unsigned int slots_reserved(enum alloc_watermark wm)
{
	switch (wm) {
	case ALLOC_STRIPE:
	case ALLOC_NORMAL:
		return OPEN_BUCKETS_MAX / 2;
	case ALLOC_COPYGC:
		return OPEN_BUCKETS_MAX / 3;
	case ALLOC_BTREE:
	case ALLOC_BTREE_COPYGC:
		return OPEN_BUCKETS_MAX / 4;
	case ALLOC_RECLAIM:
		return OPEN_BUCKETS_MAX / 6;
	default:
		return 0;
	}
}

/* a write in place has outlived the bucket's last key */
static bool is_held(struct allocator *a, unsigned int dev, u64 bucket)
{
	/* pairs with the release in bce_allocator_set_mover() */
	const struct alloc_mover_ops *mover = smp_load_acquire(&a->mover);

	return mover && mover->held && mover->held(a->mover_ctx, dev, bucket);
}

struct open_bucket *alloc_open_get(struct allocator *a, unsigned int dev, u64 bucket,
				   unsigned int data_type, enum alloc_watermark wm, bool *full)
{
	struct open_bucket *ob = NULL;

	*full = false;
	spin_lock(&a->open.lock);
	if (open_find(a, dev, bucket) || is_held(a, dev, bucket))
		goto out;
	*full = a->open.nr_free <= slots_reserved(wm);
	if (*full)
		goto out;

	ob = list_first_entry(&a->open.free, struct open_bucket, list);
	list_del_init(&ob->list);
	a->open.nr_free--;
	ob->dev = dev;
	ob->bucket = bucket;
	ob->data_type = data_type;
	ob->used = 0;
	ob->refs = 1;
	ob->emptied = ob->partial = ob->referred = false;
	ob->copygc = wm == ALLOC_COPYGC;
	hash_add(a->open.hash, &ob->hash, open_key(dev, bucket));
	a->dev[dev].nr_open++;
	a->dev[dev].nr_open_free++;
out:
	spin_unlock(&a->open.lock);
	return ob;
}

void alloc_open_ref(struct allocator *a, struct open_bucket *ob)
{
	spin_lock(&a->open.lock);
	ob->refs++;
	spin_unlock(&a->open.lock);
}

/* closed by the last one; what became empty meanwhile can go on its way */
void alloc_open_put(struct allocator *a, struct open_bucket *ob)
{
	bool emptied = false;

	spin_lock(&a->open.lock);
	if (!--ob->refs) {
		emptied = ob->emptied;
		hash_del(&ob->hash);
		a->dev[ob->dev].nr_open--;
		a->dev[ob->dev].nr_open_free -= !ob->referred;
		list_add_tail(&ob->list, &a->open.free);
		a->open.nr_free++;
	}
	spin_unlock(&a->open.lock);
	if (emptied)
		alloc_kick(a);
}

void alloc_open_park(struct allocator *a, struct open_bucket *ob)
{
	spin_lock(&a->open.lock);
	ob->partial = true;
	list_add_tail(&ob->list, &a->open.partial);
	spin_unlock(&a->open.lock);
}

struct open_bucket *alloc_open_unpark(struct allocator *a, unsigned int dev,
				      unsigned int data_type, bool copygc)
{
	struct open_bucket *ob, *found = NULL;

	spin_lock(&a->open.lock);
	list_for_each_entry(ob, &a->open.partial, list)
		if (ob->dev == dev && ob->data_type == data_type && (!copygc || ob->copygc)) {
			found = ob;
			list_del_init(&ob->list);
			ob->partial = false;
			break;
		}
	spin_unlock(&a->open.lock);
	return found;
}

/* should the transaction come to nothing, one free bucket too many is counted until it is put */
void alloc_open_referred(struct allocator *a, unsigned int dev, u64 bucket)
{
	struct open_bucket *ob;

	spin_lock(&a->open.lock);
	ob = open_find(a, dev, bucket);
	if (ob && !ob->referred) {
		ob->referred = true;
		a->dev[dev].nr_open_free--;
	}
	spin_unlock(&a->open.lock);
}

u32 alloc_open_nr_free(struct allocator *a, unsigned int dev)
{
	u32 nr;

	spin_lock(&a->open.lock);
	nr = a->dev[dev].nr_open_free;
	spin_unlock(&a->open.lock);
	return nr;
}

u64 alloc_open_room(struct allocator *a, unsigned int dev)
{
	const struct open_bucket *ob;
	u64 sectors = 0;
	int i;

	spin_lock(&a->open.lock);
	hash_for_each(a->open.hash, i, ob, hash)
		if (ob->dev == dev && ob->data_type == BCH_DATA_user && !ob->copygc)
			sectors += a->dev[dev].info.bucket_sectors - READ_ONCE(ob->used);
	spin_unlock(&a->open.lock);
	return sectors;
}

u32 alloc_open_nr(struct allocator *a, unsigned int dev)
{
	u32 nr;

	spin_lock(&a->open.lock);
	nr = a->dev[dev].nr_open;
	spin_unlock(&a->open.lock);
	return nr;
}
