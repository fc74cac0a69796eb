// SPDX-License-Identifier: GPL-2.0
/*
 * Btree nodes and trees for tests, as docs/format/50-btree.md, section 6 describes them.
 *
 * A tree is written from the left: each level gathers keys for one node, writes it when it is full,
 * and hands the pointer to the level above, which does the same. The end of a node's range is the
 * position of its last key, the next node begins behind it; at the end of the tree the last node
 * of each level is stretched to SPOS_MAX.
 */
#include "btree_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/math.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/util/csum.h"
#include "require.h"

#define FIRST_NODE_SECTOR	64
#define NONCE_NODE		0x20000000U

void image_init(struct btree_image *im, const struct image_geometry *geo)
{
	*im = (struct btree_image) {
		.geo = *geo,
		.fd = memfd_create("btree-image", MFD_CLOEXEC),
		.next_sector = round_up(FIRST_NODE_SECTOR, geo->node_sectors),
		.next_seq = 0x1122334455667701ULL,
	};
	require(im->fd >= 0);
}

void image_exit(struct btree_image *im)
{
	if (im->fd >= 0)
		close(im->fd);
	im->fd = -1;
}

static struct bpos_le pos_to_disk(struct bpos p)
{
	return (struct bpos_le) {
		.snapshot = cpu_to_le32(p.snapshot),
		.offset = cpu_to_le64(p.offset),
		.inode = cpu_to_le64(p.inode),
	};
}

/* ---- nodes ---- */

static size_t node_bytes(const struct btree_image *im)
{
	return (size_t)im->geo.node_sectors * SECTOR_BYTES;
}

void image_node_init(struct btree_image *im, struct image_node *n, unsigned int btree_id,
		     unsigned int level, struct bpos min, struct bpos max,
		     const struct key_format *format)
{
	struct btree_node_disk *head;
	u64 flags = 0;

	*n = (struct image_node) {
		.data = calloc(1, node_bytes(im)),
		.btree_id = btree_id, .level = level, .min = min, .max = max, .format = *format,
		.seq = im->next_seq, .sector = im->next_sector,
	};
	require(n->data);
	im->next_seq += 0x9e3779b97f4a7c15ULL;
	im->next_sector += im->geo.node_sectors;

	flags = BITS_SET(flags, BTREE_NODE_ID_LOW, btree_id);
	flags = BITS_SET(flags, BTREE_NODE_ID_HIGH, btree_id >> BTREE_NODE_ID_LOW_BITS);
	flags = BITS_SET(flags, BTREE_NODE_LEVEL, level);
	flags = BITS_SET(flags, BTREE_NODE_NEW_EXTENT_OVERWRITE, 1);
	head = (struct btree_node_disk *)n->data;
	head->magic = cpu_to_le64(im->geo.uuid_word ^ BTREE_MAGIC_XOR);
	head->flags = cpu_to_le64(flags);
	head->min_key = pos_to_disk(min);
	head->max_key = pos_to_disk(max);
	bce_key_format_encode(&head->format, format);
}

void image_node_exit(struct image_node *n)
{
	free(n->data);
	n->data = NULL;
}

struct bset *image_node_bset_at(struct image_node *n, unsigned int i)
{
	u8 *at = n->data + (size_t)n->bset_sector[i] * SECTOR_BYTES;

	require(i < n->nr_bsets);
	return i ? &((struct btree_node_entry *)at)->keys : &((struct btree_node_disk *)at)->keys;
}

static size_t bset_bytes(struct image_node *n, unsigned int i)
{
	struct bset *bset = image_node_bset_at(n, i);

	return (u8 *)(bset->keys + le16_to_cpu(bset->u64s)) - n->data -
		(size_t)n->bset_sector[i] * SECTOR_BYTES;
}

void image_node_bset(struct btree_image *im, struct image_node *n, const struct bkey *keys,
		     size_t nr, u64 journal_seq)
{
	u64 room[BKEY_U64S + BKEY_VAL_U64S_MAX];
	u32 flags = 0, block_bytes = im->geo.block_sectors * SECTOR_BYTES;
	struct bset *bset;
	u64 *out, *end = (u64 *)(n->data + node_bytes(im));
	size_t i;

	require(n->nr_bsets < IMAGE_BSETS_MAX && n->written < im->geo.node_sectors);
	n->bset_sector[n->nr_bsets++] = n->written;
	bset = image_node_bset_at(n, n->nr_bsets - 1);
	flags = BITS_SET(flags, BSET_CSUM_TYPE, im->geo.csum_type);
	flags = BITS_SET(flags, BSET_OFFSET, n->written);
	bset->seq = cpu_to_le64(n->seq);
	bset->journal_seq = cpu_to_le64(journal_seq);
	bset->flags = cpu_to_le32(flags);
	bset->version = cpu_to_le16(BCH_VERSION_CURRENT);

	out = (u64 *)bset->keys;
	for (i = 0; i < nr; i++) {
		unsigned int u64s = bce_key_pack(&n->format, &keys[i], (struct disk_key *)room);

		require(out + u64s <= end);
		memcpy(out, room, u64s * sizeof(u64));
		out += u64s;
	}
	bset->u64s = cpu_to_le16(out - (u64 *)bset->keys);
	n->written += round_up(bset_bytes(n, n->nr_bsets - 1), block_bytes) / SECTOR_BYTES;
}

static struct bce_nonce bset_nonce(const struct bset *bset, u32 sector)
{
	u64 seq = le64_to_cpu(bset->seq);

	return (struct bce_nonce) { .d = {
		sector * SECTOR_BYTES, (u32)seq, (u32)(seq >> 32),
		(u32)le64_to_cpu(bset->journal_seq) ^ NONCE_NODE,
	} };
}

static void seal_bset(struct btree_image *im, struct image_node *n, unsigned int i)
{
	struct bset *bset = image_node_bset_at(n, i);
	u8 *head = n->data + (size_t)n->bset_sector[i] * SECTOR_BYTES;
	struct bce_nonce nonce = bset_nonce(bset, n->bset_sector[i]), next = nonce;
	unsigned int type = BITS_GET(le32_to_cpu(bset->flags), BSET_CSUM_TYPE);
	size_t bytes = bset_bytes(n, i);
	struct bch_csum *csum = (struct bch_csum *)head;
	struct bce_csum found = { };

	if (head + bytes > n->data + node_bytes(im) || !bce_csum_type_known(type))
		return;		/* damaged on purpose */
	if (bce_csum_type_is_mac(type)) {
		if (!i) {
			bce_cipher_crypt(im->geo.cipher, nonce, head + BTREE_NODE_CRYPT_START,
					 BTREE_NODE_CRYPT_BYTES);
			next = bce_nonce_add(nonce, 128);
		}
		bce_cipher_crypt(im->geo.cipher, next, bset->keys,
				 le16_to_cpu(bset->u64s) * sizeof(u64));
	}
	require(!bce_csum(type, im->geo.cipher, nonce, head + sizeof(*csum),
			  bytes - sizeof(*csum), &found));
	csum->lo = cpu_to_le64(found.lo);
	csum->hi = cpu_to_le64(found.hi);
}

void image_node_seal(struct btree_image *im, struct image_node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_bsets; i++)
		seal_bset(im, n, i);
}

void image_node_write_at(struct btree_image *im, const struct image_node *n, u64 sector)
{
	ssize_t bytes = node_bytes(im);

	require(pwrite(im->fd, n->data, bytes, sector * SECTOR_BYTES) == bytes);
}

void image_node_write(struct btree_image *im, const struct image_node *n)
{
	image_node_write_at(im, n, n->sector);
}

/* ---- pointers ---- */

/* docs/format/70-extents.md, 2: type bit 0, sector 4..47, device 48..55 */
static u64 ptr_word(unsigned int dev, u64 sector)
{
	return 1 | sector << 4 | (u64)dev << 48;
}

void image_node_ptr(const struct image_node *n, struct bkey *k, struct image_ptr *room)
{
	struct bpos_le min = pos_to_disk(n->min);

	memset(room, 0, sizeof(*room));
	room->v[0] = 0xdeadbeefdeadbeefULL;	/* mem_ptr: to be ignored */
	room->v[1] = n->seq;
	room->v[2] = n->written;
	memcpy((u8 *)room->v + 20, &min, sizeof(min));
	room->v[5] = ptr_word(0, n->sector);
	*k = (struct bkey) {
		.p = n->max, .type = KEY_TYPE_btree_ptr_v2, .val_u64s = 6, .v = room->v,
	};
}

void image_ptr_add(struct bkey *k, struct image_ptr *room, unsigned int dev, u64 sector)
{
	room->v[k->val_u64s++] = ptr_word(dev, sector);
}

void image_ptr_legacy(struct bkey *k, struct image_ptr *room)
{
	k->type = KEY_TYPE_btree_ptr;
	k->val_u64s -= 5;
	memmove(room->v, room->v + 5, k->val_u64s * sizeof(u64));
}

void image_root(struct journal_root *out, unsigned int level, const struct bkey *ptr)
{
	memset(out, 0, sizeof(*out));
	out->present = true;
	out->level = level;
	bce_key_write_unpacked(ptr, (struct disk_key *)out->key);
}

/* ---- trees ---- */

struct tree_level {
	struct bkey	*keys;
	u64		*values;	/* of one key each val_u64s_max */
	size_t		nr;
	size_t		max;
	struct bpos	min;		/* of the node being gathered */
	size_t		nr_nodes;	/* written */
	struct bkey	last_ptr;	/* to the last one written */
	struct image_ptr last_room;
};

struct tree_writer {
	struct btree_image	*im;
	struct tree_shape	shape;
	u64			random;
	struct tree_level	level[BTREE_LEVELS_MAX];
};

#define TREE_VAL_U64S	BKEY_VAL_U64S_MAX

static u64 next_random(struct tree_writer *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

struct tree_writer *tree_begin(struct btree_image *im, const struct tree_shape *shape)
{
	struct tree_writer *w = calloc(1, sizeof(*w));
	unsigned int i;

	require(w);
	w->im = im;
	w->shape = *shape;
	w->random = shape->seed * 2654435761ULL + 88172645463325252ULL;
	for (i = 0; i < BTREE_LEVELS_MAX; i++) {
		struct tree_level *l = &w->level[i];

		l->max = i ? shape->fanout : shape->leaf_keys;
		l->keys = calloc(l->max, sizeof(*l->keys));
		l->values = calloc(l->max, TREE_VAL_U64S * sizeof(u64));
		require(l->keys && l->values);
	}
	return w;
}

static struct key_format best_format(const struct tree_level *l, struct bpos max)
{
	struct key_format_stats stats;
	size_t i;

	bce_key_format_stats_init(&stats);
	bce_key_format_stats_add_pos(&stats, l->min);
	bce_key_format_stats_add_pos(&stats, max);
	for (i = 0; i < l->nr; i++)
		bce_key_format_stats_add(&stats, &l->keys[i]);
	return bce_key_format_choose(&stats);
}

/*
 * Each key lies in one bset. Earlier bsets may hold an older version of it, with another value;
 * and positions that no key has may hold a key in one bset and its deletion in a later one.
 */
static size_t messy_bset(struct tree_writer *w, const struct tree_level *l, struct bkey *out,
			 const u8 *home, unsigned int bset, unsigned int nr_bsets)
{
	static const u64 stale[TREE_VAL_U64S] = { 1 };
	size_t i, nr = 0;

	for (i = 0; i < l->nr; i++) {
		struct bkey k = l->keys[i];
		struct bpos before = bpos_predecessor(k.p);
		bool ghost = home[i] & 0x80 && !k.size && k.p.snapshot >= 2 &&
			bpos_cmp(before, l->min) >= 0 &&
			(!i || bpos_cmp(l->keys[i - 1].p, before) < 0) && bset + 2 >= nr_bsets;

		if (ghost)
			out[nr++] = (struct bkey) {
				.p = before, .v = stale,
				.type = bset + 2 == nr_bsets ? KEY_TYPE_cookie : KEY_TYPE_deleted,
				.val_u64s = bset + 2 == nr_bsets,
			};
		if (bset == (home[i] & 0x7f)) {
			out[nr++] = k;
		} else if (bset < (home[i] & 0x7f) && next_random(w) % 4 == 0) {
			k.type = k.size || next_random(w) % 2 ? KEY_TYPE_deleted : KEY_TYPE_cookie;
			k.val_u64s = k.type == KEY_TYPE_cookie;
			k.size = 0;
			k.v = stale;
			out[nr++] = k;
		}
	}
	return nr;
}

static void write_messy(struct tree_writer *w, const struct tree_level *l, struct image_node *n)
{
	unsigned int bset, nr_bsets = w->shape.nr_bsets;
	struct bkey *out = calloc(2 * l->nr + 1, sizeof(*out));
	u8 *home = malloc(l->nr + 1);
	size_t i, nr;

	require(out && home);
	for (i = 0; i < l->nr; i++)
		home[i] = next_random(w) % nr_bsets | (next_random(w) % 8 ? 0 : 0x80);
	for (bset = 0; bset < nr_bsets; bset++) {
		nr = messy_bset(w, l, out, home, bset, nr_bsets);
		if (nr || !bset)
			image_node_bset(w->im, n, out, nr, bset ? 10 + bset : 0);
	}
	free(home);
	free(out);
}

static void level_add(struct tree_writer *w, unsigned int level, const struct bkey *k);

/* Write what @level has gathered; its pointer is handed up when the next node follows. */
static void level_write(struct tree_writer *w, unsigned int level, struct bpos max)
{
	struct tree_level *l = &w->level[level];
	struct key_format format = best_format(l, max);
	struct image_node n;

	if (l->nr_nodes)
		level_add(w, level + 1, &l->last_ptr);
	image_node_init(w->im, &n, w->shape.btree_id, level, l->min, max, &format);
	if (!level && w->shape.nr_bsets > 1)
		write_messy(w, l, &n);
	else
		image_node_bset(w->im, &n, l->keys, l->nr, 0);
	image_node_seal(w->im, &n);
	image_node_write(w->im, &n);
	image_node_ptr(&n, &l->last_ptr, &l->last_room);
	image_node_exit(&n);
	l->nr_nodes++;
	l->nr = 0;
	l->min = bpos_successor(max);
}

static void level_add(struct tree_writer *w, unsigned int level, const struct bkey *k)
{
	struct tree_level *l;
	u64 *value;

	require(level < BTREE_LEVELS_MAX && k->val_u64s <= TREE_VAL_U64S);
	l = &w->level[level];
	if (l->nr == l->max)
		level_write(w, level, l->keys[l->nr - 1].p);
	value = l->values + l->nr * TREE_VAL_U64S;
	memcpy(value, k->v, bkey_val_bytes(k));
	l->keys[l->nr] = *k;
	l->keys[l->nr++].v = value;
}

void tree_add(struct tree_writer *w, const struct bkey *k)
{
	level_add(w, 0, k);
}

void tree_end(struct tree_writer *w, struct journal_root *root)
{
	unsigned int level = 0, i;

	for (;; level++) {
		struct tree_level *l = &w->level[level];

		level_write(w, level, SPOS_MAX);
		if (l->nr_nodes == 1 && (level || !w->shape.interior_root))
			break;
		level_add(w, level + 1, &l->last_ptr);
	}
	image_root(root, level, &w->level[level].last_ptr);
	for (i = 0; i < BTREE_LEVELS_MAX; i++) {
		free(w->level[i].keys);
		free(w->level[i].values);
	}
	free(w);
}
