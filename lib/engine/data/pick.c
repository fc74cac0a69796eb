// SPDX-License-Identifier: GPL-2.0
/*
 * Which replica of an extent is read (docs/format/70-extents.md, section 3).
 *
 * A pointer is a candidate when its member is there, was not tried in vain for
 * this read, and when its data is still what the key says: always so for dirty
 * pointers; a cached pointer counts only while its bucket has the generation
 * written in the pointer, since cached buckets are reused without notice.
 *
 * Among candidates a cached one without a checksum comes last: the in-tree driver
 * writes over the blocks of nocow files in place and leaves cached copies of them as they
 * were, of the right generation (docs/format/85-policies.md, section 7). Then
 * the policy's weight decides; a member set to "failed" comes behind the others. Then, a replica that continues where the piece before it ended on
 * the same device is taken, so that a file written in sequence is read with few
 * large I/Os. Otherwise chance decides, weighted by the inverse square of the
 * mean latency: a device ten times slower gets one read in a hundred, enough to
 * notice when it has become fast. A device without samples counts as fast.
 *
 * Bucket generations come from the alloc btree. The last ones seen are kept in
 * a small direct-mapped table of single words, so no lock is needed:
 *
 *   bit 63 valid | 62..57 member | 56..8 bucket | 7..0 generation
 *
 * They hold as long as nothing allocates buckets, that is, while the set is
 * only read. Of a set that is written the allocator is asked (struct data_read_live), here and,
 * as the bucket may be used anew while it is read, after the I/O once more.
 */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/rcupdate.h>

#include "engine/btree/btrees.h"
#include "engine/data/read_internal.h"
#include "engine/format/ids.h"
#include "engine/key/alloc.h"

#define GEN_CACHE_VALID		(1ULL << 63)
#define GEN_CACHE_DEV_SHIFT	57
#define GEN_CACHE_BUCKET_SHIFT	8

/* latency is squared: keep it within 32 bits (4 s) */
#define LATENCY_MAX_NS		U32_MAX

struct candidate {
	struct extent_ptr_decoded	p;
	bool				unsure;		/* nothing would tell if it were an old copy */
	int				weight;
	u64				latency_ns;
	bool				contiguous;
};

static int bucket_gen_read(struct data_reader *r, struct bpos bucket, u8 *gen)
{
	struct alloc_info alloc;
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	*gen = 0;	/* a bucket without a key was never used */
	bce_btree_iter_init(&iter, r->c.btrees, BTREE_ID_alloc, 0, bucket, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (k && !bpos_cmp(k->p, bucket) && bce_key_type_is_alloc(k->type)) {
		if (bce_alloc_decode(k, &alloc))
			ret = -EIO;
		*gen = alloc.gen;
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

static int bucket_gen(struct data_reader *r, struct btree_iter *held, unsigned int dev,
		      u64 bucket, u8 *gen)
{
	u64 want = GEN_CACHE_VALID | (u64)dev << GEN_CACHE_DEV_SHIFT |
		   bucket << GEN_CACHE_BUCKET_SHIFT;
	u64 *slot = &r->gen_cache[hash_64(want, ilog2(GEN_CACHE_SLOTS))];
	u64 word = READ_ONCE(*slot);
	int ret;

	if ((word & ~0xffULL) == want) {
		*gen = word & 0xff;
		return 0;
	}
	bce_btree_iter_unlock(held);
	ret = bucket_gen_read(r, SPOS(dev, bucket, 0), gen);
	if (!ret)
		WRITE_ONCE(*slot, want | *gen);
	return ret;
}

int bce_live_bucket_gen(struct data_reader *r, unsigned int dev, u64 sector)
{
	const struct data_read_live *live;
	int gen = -1;

	rcu_read_lock();
	live = rcu_dereference(r->live);
	if (live)
		gen = live->bucket_gen(live->ctx, dev, sector);
	rcu_read_unlock();
	return gen;
}

/* 1 fresh, 0 stale, negative errno */
static int cached_ptr_is_fresh(struct data_reader *r, struct btree_iter *held,
			       const struct extent_ptr *ptr, u32 bucket_sectors)
{
	int ret = bce_live_bucket_gen(r, ptr->dev, ptr->sector);
	u8 gen;

	if (ret >= 0)
		return ret == ptr->gen;
	ret = bucket_gen(r, held, ptr->dev, div_u64(ptr->sector, bucket_sectors), &gen);
	return ret ?: gen == ptr->gen;
}

/* does the stored data lie on the device at all? */
static bool ptr_is_on_device(const struct extent_ptr_decoded *p, const struct member_info *info)
{
	u64 end = p->ptr.sector + p->crc.compressed_size;

	return info->bucket_sectors && end <= info->nbuckets * info->bucket_sectors;
}

static int policy_weight(struct data_reader *r, unsigned int dev)
{
	const struct data_read_policy *policy;
	int weight = 0;

	rcu_read_lock();
	policy = rcu_dereference(r->policy);
	if (policy && policy->weight)
		weight = policy->weight(policy->ctx, dev);
	rcu_read_unlock();
	return weight;
}

/* 1 and @c filled in, 0 not to be used, negative errno */
static int candidate_check(struct data_reader *r, const struct pick_request *req,
			   const struct extent_ptr_decoded *p, struct candidate *c)
{
	struct member_info info;
	struct member_dev *m;
	bool failed;
	int ret;

	if (p->ptr.dev >= BCH_MEMBERS_MAX || req->tried & 1ULL << p->ptr.dev)
		return 0;
	m = bce_member_get_io(r->c.members, p->ptr.dev);
	if (!m)
		return 0;
	info = m->info;
	failed = bce_member_is_failed(m);
	bce_member_put_io(m);

	if (!ptr_is_on_device(p, &info))
		return 0;
	if (p->ptr.cached) {
		ret = cached_ptr_is_fresh(r, req->held, &p->ptr, info.bucket_sectors);
		if (ret <= 0)
			return ret;
	}

	c->p = *p;
	c->unsure = p->ptr.cached && !p->crc.csum_type;
	c->weight = failed ? INT_MIN : policy_weight(r, p->ptr.dev);
	c->latency_ns = clamp_t(u64, bce_member_latency_ns(r->c.members, p->ptr.dev), 1,
				LATENCY_MAX_NS);
	c->contiguous = req->has_previous && req->previous_dev == p->ptr.dev &&
			(req->same_dev || req->previous_end == p->ptr.sector);
	return 1;
}

/* true with probability a^2 / (a^2 + b^2) in latencies: the slower @a, the likelier @b is */
static bool chance_prefers_b(u64 a, u64 b)
{
	u64 aa = a * a >> 1, bb = b * b >> 1;	/* so that the sum fits */
	u64 at = mul_u64_u32_shr(aa + bb, get_random_u32(), 32);

	return at < aa;
}

static bool candidate_beats(const struct candidate *b, const struct candidate *a)
{
	if (b->unsure != a->unsure)
		return a->unsure;
	if (b->weight != a->weight)
		return b->weight > a->weight;
	if (b->contiguous != a->contiguous)
		return b->contiguous;
	return chance_prefers_b(a->latency_ns, b->latency_ns);
}

int bce_pick_replica(struct data_reader *r, const struct pick_request *req,
		     struct extent_ptr_decoded *out)
{
	struct candidate best = { }, c = { };
	struct extent_ptr_decoded p;
	struct extent_walk walk;
	bool found = false, had_dirty = false;
	int ret, error = 0;

	bce_extent_walk_init(&walk, req->k, 0);
	while (bce_extent_next_ptr(&walk, &p)) {
		if (p.ptr.unwritten)
			return PICK_ZEROS;
		had_dirty |= !p.ptr.cached;
		ret = candidate_check(r, req, &p, &c);
		if (ret < 0)
			error = ret;	/* matters only if no other pointer is usable */
		if (ret > 0 && (!found || candidate_beats(&c, &best))) {
			best = c;
			found = true;
		}
	}
	if (found) {
		*out = best.p;
		return PICK_REPLICA;
	}
	if (error)
		return error;
	return had_dirty || walk.bad ? PICK_NOTHING : PICK_ZEROS;
}
