/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_BTREE_IMAGE_H
#define TESTS_BTREE_IMAGE_H

#include "engine/btree/btrees.h"
#include "engine/key/pack.h"

/*
 * Writes btrees as they lie on disk into a file in memory: nodes of any size, of one or several
 * bsets, with any checksum type, and whole trees of them from a stream of sorted keys. What it
 * writes obeys docs/format/50-btree.md; damage is done by the caller, who gets a node before it
 * is sealed, or seals it again.
 */

struct bce_cipher;

struct image_geometry {
	u64				uuid_word;
	u32				node_sectors;
	u32				block_sectors;
	unsigned int			csum_type;
	const struct bce_cipher		*cipher;
};

struct btree_image {
	struct image_geometry		geo;
	int				fd;
	u64				next_sector;	/* of the next node */
	u64				next_seq;
};

#define IMAGE_BSETS_MAX		8

/* a node being put together */
struct image_node {
	u8			*data;		/* node_sectors * 512 bytes */
	unsigned int		btree_id;
	unsigned int		level;
	struct bpos		min;
	struct bpos		max;
	struct key_format	format;
	u64			seq;
	u64			sector;		/* on the device */
	u32			written;	/* sectors taken by bsets so far */
	unsigned int		nr_bsets;
	u32			bset_sector[IMAGE_BSETS_MAX];
};

void image_init(struct btree_image *im, const struct image_geometry *geo);
void image_exit(struct btree_image *im);

void image_node_init(struct btree_image *im, struct image_node *n, unsigned int btree_id,
		     unsigned int level, struct bpos min, struct bpos max,
		     const struct key_format *format);
void image_node_exit(struct image_node *n);
/* append one bset; @keys sorted. Dies if it does not fit. */
void image_node_bset(struct btree_image *im, struct image_node *n, const struct bkey *keys,
		     size_t nr, u64 journal_seq);
/* header of a bset, for damage */
struct bset *image_node_bset_at(struct image_node *n, unsigned int i);
/* encrypt and checksum every bset; once */
void image_node_seal(struct btree_image *im, struct image_node *n);
/* to the device at @n->sector */
void image_node_write(struct btree_image *im, const struct image_node *n);
/* to another place as well */
void image_node_write_at(struct btree_image *im, const struct image_node *n, u64 sector);

/* room for the value of a pointer key */
struct image_ptr {
	u64	v[9];
};
/* btree_ptr_v2 to @n on device 0 */
void image_node_ptr(const struct image_node *n, struct bkey *k, struct image_ptr *room);
/* a further replica in a pointer made before */
void image_ptr_add(struct bkey *k, struct image_ptr *room, unsigned int dev, u64 sector);
/* the legacy form of a pointer made before */
void image_ptr_legacy(struct bkey *k, struct image_ptr *room);

void image_root(struct journal_root *out, unsigned int level, const struct bkey *ptr);

/* ---- trees ---- */

struct tree_shape {
	unsigned int	btree_id;
	unsigned int	leaf_keys;	/* per leaf */
	unsigned int	fanout;		/* children per interior node */
	unsigned int	nr_bsets;	/* of a leaf; several: keys spread, with dead versions */
	unsigned int	seed;
	bool		interior_root;	/* at least level 1 */
};

struct tree_writer;

struct tree_writer *tree_begin(struct btree_image *im, const struct tree_shape *shape);
/* next key; its value is copied */
void tree_add(struct tree_writer *w, const struct bkey *k);
/* write what is left; frees the writer */
void tree_end(struct tree_writer *w, struct journal_root *root);

#endif
