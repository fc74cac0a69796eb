// SPDX-License-Identifier: GPL-2.0
/*
 * Decoders of the simpler values.
 *
 * Values grew over time: an old one ends before fields that were added later, and
 * what is not there reads as 0. So every decoder copies what there is into a
 * zeroed struct of the full size and converts from that, which also makes it safe
 * on a value of any length. Only names and pointer lists are read in place.
 */
#include "engine/key/values.h"

#include <linux/align.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/util/csum.h"
#include "kc/kc.h"

void bce_val_copy(const struct bkey *k, void *dst, size_t bytes)
{
	size_t have = min_t(size_t, bytes, bkey_val_bytes(k));

	if (have)
		memcpy(dst, k->v, have);
	memset((u8 *)dst + have, 0, bytes - have);
}

void bce_reservation_decode(const struct bkey *k, struct reservation_info *out)
{
	struct bch_reservation v;

	bce_val_copy(k, &v, sizeof(v));
	out->generation = le32_to_cpu(v.generation);
	out->nr_replicas = v.nr_replicas;
}

u32 bce_inode_generation_decode(const struct bkey *k)
{
	struct bch_inode_generation v;

	bce_val_copy(k, &v, sizeof(v));
	return le32_to_cpu(v.bi_generation);
}

u64 bce_cookie_decode(const struct bkey *k)
{
	struct bch_cookie v;

	bce_val_copy(k, &v, sizeof(v));
	return le64_to_cpu(v.cookie);
}

/* a name ends where the zero padding of the last word begins */
static unsigned int dirent_name_len(const struct bkey *k)
{
	unsigned int len = bkey_val_bytes(k);
	unsigned int start = offsetof(struct bch_dirent, d_name);
	unsigned int last_word = len - 8;
	const u8 *v = k->v;

	while (len > start && len > last_word && !v[len - 1])
		len--;
	return len - start;
}

void bce_dirent_decode(const struct bkey *k, struct dirent_info *out)
{
	const struct bch_dirent *v = k->v;

	memset(out, 0, sizeof(*out));
	if (bkey_val_bytes(k) < sizeof(*v))
		return;

	out->d_type = v->d_type;
	if (v->d_type == BCH_DT_SUBVOL) {
		out->child_subvol = le32_to_cpu(v->d_child_subvol);
		out->parent_subvol = le32_to_cpu(v->d_parent_subvol);
	} else {
		out->inum = le64_to_cpu(v->d_inum);
	}
	out->name = v->d_name;
	out->name_len = dirent_name_len(k);
}

void bce_xattr_decode(const struct bkey *k, struct xattr_info *out)
{
	const struct bch_xattr *v = k->v;
	unsigned int room;

	memset(out, 0, sizeof(*out));
	if (bkey_val_bytes(k) < sizeof(*v))
		return;

	room = bkey_val_bytes(k) - sizeof(*v);
	out->type = v->x_type;
	out->name = v->x_name;
	out->name_len = min_t(unsigned int, v->x_name_len, room);
	out->val = v->x_name + out->name_len;
	out->val_len = min_t(unsigned int, le16_to_cpu(v->x_val_len), room - out->name_len);
}

const char *bce_xattr_prefix(unsigned int type)
{
	static const char *const prefix[] = {
#define x(name, nr, prefix)	[nr] = prefix,
		BCH_XATTR_TYPE_LIST(x)
#undef x
	};

	return type < BCH_XATTR_NR && *prefix[type] ? prefix[type] : NULL;
}

void bce_subvolume_decode(const struct bkey *k, struct subvolume_info *out)
{
	struct bch_subvolume v;
	u32 flags;

	bce_val_copy(k, &v, sizeof(v));
	flags = le32_to_cpu(v.flags);
	*out = (struct subvolume_info) {
		.id		= k->p.offset,
		.ro			= BITS_GET(flags, BCH_SUBVOLUME_RO),
		.snap			= BITS_GET(flags, BCH_SUBVOLUME_SNAP),
		.unlinked		= BITS_GET(flags, BCH_SUBVOLUME_UNLINKED),
		.snapshot		= le32_to_cpu(v.snapshot),
		.inode			= le64_to_cpu(v.inode),
		.creation_parent	= le32_to_cpu(v.creation_parent),
		.fs_path_parent		= le32_to_cpu(v.fs_path_parent),
		.otime			= le64_to_cpu(v.otime.lo),
	};
}

void bce_snapshot_decode(const struct bkey *k, struct snapshot_info *out)
{
	struct bch_snapshot v;
	unsigned int i;
	u32 flags;

	bce_val_copy(k, &v, sizeof(v));
	flags = le32_to_cpu(v.flags);
	*out = (struct snapshot_info) {
		.deleted	= BITS_GET(flags, BCH_SNAPSHOT_DELETED),
		.is_subvol	= BITS_GET(flags, BCH_SNAPSHOT_SUBVOL),
		.parent		= le32_to_cpu(v.parent),
		.subvol		= le32_to_cpu(v.subvol),
		.tree		= le32_to_cpu(v.tree),
		.depth		= le32_to_cpu(v.depth),
		.btime		= le64_to_cpu(v.btime.lo),
	};
	for (i = 0; i < 2; i++)
		out->children[i] = le32_to_cpu(v.children[i]);
	for (i = 0; i < 3; i++)
		out->skip[i] = le32_to_cpu(v.skip[i]);
}

void bce_snapshot_tree_decode(const struct bkey *k, struct snapshot_tree_info *out)
{
	struct bch_snapshot_tree v;

	bce_val_copy(k, &v, sizeof(v));
	out->master_subvol = le32_to_cpu(v.master_subvol);
	out->root_snapshot = le32_to_cpu(v.root_snapshot);
}

static struct quota_limit quota_limit_decode(const struct bch_quota_counter_value *v)
{
	return (struct quota_limit) {
		.hard = le64_to_cpu(v->hardlimit),
		.soft = le64_to_cpu(v->softlimit),
	};
}

void bce_quota_decode(const struct bkey *k, struct quota_limits *out)
{
	struct bch_quota v;

	bce_val_copy(k, &v, sizeof(v));
	out->space_sectors = quota_limit_decode(&v.c[0]);
	out->inodes = quota_limit_decode(&v.c[1]);
}

void bce_logged_op_truncate_decode(const struct bkey *k, struct logged_op_truncate_info *out)
{
	struct bch_logged_op_truncate v;

	bce_val_copy(k, &v, sizeof(v));
	out->subvol = le32_to_cpu(v.subvol);
	out->inum = le64_to_cpu(v.inum);
	out->new_size_bytes = le64_to_cpu(v.new_i_size);
}

void bce_logged_op_finsert_decode(const struct bkey *k, struct logged_op_finsert_info *out)
{
	struct bch_logged_op_finsert v;

	bce_val_copy(k, &v, sizeof(v));
	out->state = v.state;
	out->subvol = le32_to_cpu(v.subvol);
	out->inum = le64_to_cpu(v.inum);
	out->dst_sector = le64_to_cpu(v.dst_offset);
	out->src_sector = le64_to_cpu(v.src_offset);
	out->pos_sector = le64_to_cpu(v.pos);
}

void bce_backpointer_decode(const struct bkey *k, struct backpointer_info *out)
{
	struct bch_backpointer v;
	u8 offset[8] = { };

	bce_val_copy(k, &v, sizeof(v));
	memcpy(offset, v.bucket_offset, sizeof(v.bucket_offset));
	*out = (struct backpointer_info) {
		.btree_id	= v.btree_id,
		.level		= v.level,
		.data_type	= v.data_type,
		.bucket_offset	= get_unaligned_le64(offset),
		.bucket_len	= le32_to_cpu(v.bucket_len),
		.pos		= bpos_from_le(v.pos),
	};
}

void bce_stripe_decode(const struct bkey *k, struct stripe_info *out)
{
	struct bch_stripe v;

	bce_val_copy(k, &v, sizeof(v));
	*out = (struct stripe_info) {
		.sectors		= le16_to_cpu(v.sectors),
		.algorithm		= v.algorithm,
		.nr_blocks		= v.nr_blocks,
		.nr_redundant		= v.nr_redundant,
		.csum_granularity_bits	= v.csum_granularity_bits,
		.csum_type		= v.csum_type,
		.disk_label		= v.disk_label,
	};
}

unsigned int bce_stripe_data_blocks(const struct stripe_info *s)
{
	if (!s->sectors || s->nr_blocks > EXTENT_PTRS_MAX || s->nr_blocks <= s->nr_redundant)
		return 0;
	return s->nr_blocks - s->nr_redundant;
}

/* a shift past 16 bits covers any block by one */
u32 bce_stripe_unit_sectors(const struct stripe_info *s)
{
	return 1U << min_t(unsigned int, s->csum_granularity_bits, 16);
}

static unsigned int stripe_csums_per_block(const struct stripe_info *s)
{
	return DIV_ROUND_UP(s->sectors, bce_stripe_unit_sectors(s));
}

static unsigned int stripe_block_counts_start(const struct stripe_info *s)
{
	return sizeof(struct bch_stripe) + s->nr_blocks *
		(sizeof(__le64) + bce_csum_bytes(s->csum_type) * stripe_csums_per_block(s));
}

unsigned int bce_stripe_val_bytes(const struct stripe_info *s)
{
	return stripe_block_counts_start(s) + s->nr_blocks * sizeof(__le16);
}

bool bce_stripe_ptr(const struct bkey *k, unsigned int block, struct extent_ptr *out)
{
	const __le64 *words = k->v;
	struct extent_entry e;

	if (block + 1 >= k->val_u64s)
		return false;
	if (!bce_extent_entry_decode(words + 1 + block, 1, &e) || e.kind != EXTENT_ENTRY_PTR)
		return false;
	*out = e.ptr;
	return true;
}

bool bce_stripe_csum(const struct bkey *k, unsigned int block, unsigned int unit,
		     struct bce_csum *out)
{
	__le64 word[2] = { };
	unsigned int bytes, at;
	struct stripe_info s;

	bce_stripe_decode(k, &s);
	bytes = bce_csum_bytes(s.csum_type);
	at = sizeof(struct bch_stripe) + s.nr_blocks * sizeof(__le64) +
	     (block * stripe_csums_per_block(&s) + unit) * bytes;
	if (block >= s.nr_blocks || unit >= stripe_csums_per_block(&s) ||
	    at + bytes > bkey_val_bytes(k))
		return false;
	memcpy(word, (const u8 *)k->v + at, bytes);
	*out = (struct bce_csum) { .lo = le64_to_cpu(word[0]), .hi = le64_to_cpu(word[1]) };
	return true;
}

bool bce_stripe_block_holds(const struct extent_ptr *block, u32 sectors,
			    const struct extent_ptr *ptr)
{
	return (block->dev == ptr->dev || block->dev == BCH_DEV_INVALID ||
		ptr->dev == BCH_DEV_INVALID) &&
	       block->gen == ptr->gen && ptr->sector >= block->sector &&
	       ptr->sector < block->sector + sectors;
}

bool bce_stripe_holds(const struct bkey *k, const struct extent_ptr_decoded *p)
{
	struct extent_ptr block;
	struct stripe_info s;

	bce_stripe_decode(k, &s);
	return p->stripe.block < bce_stripe_data_blocks(&s) &&
	       bce_stripe_ptr(k, p->stripe.block, &block) &&
	       bce_stripe_block_holds(&block, s.sectors, &p->ptr);
}

unsigned int bce_stripe_block_sectors(const struct bkey *k, unsigned int block)
{
	struct stripe_info s;
	unsigned int at;

	bce_stripe_decode(k, &s);
	at = stripe_block_counts_start(&s) + block * sizeof(__le16);
	if (block >= s.nr_blocks || at + sizeof(__le16) > bkey_val_bytes(k))
		return 0;
	return get_unaligned_le16((const u8 *)k->v + at);
}
