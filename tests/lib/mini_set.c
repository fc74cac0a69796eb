// SPDX-License-Identifier: GPL-2.0
/*
 * A set for tests: mini_set.h.
 */
#include "mini_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree_image.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "kapi/kapi.h"
#include "require.h"

#define UUID_WORD	0x0123456789abcdefULL

struct mini_key {
	unsigned int	btree_id;
	struct bkey	k;
	u64		v[BKEY_VAL_U64S_MAX];
};

struct mini_keys {
	struct mini_key		*key;
	size_t			nr, room;
	struct btree_image	image;
	struct journal_replay	replay;
	struct key_rules	rules;
};

void mini_init(struct mini_set *m)
{
	struct image_geometry geo = {
		.uuid_word = UUID_WORD,
		.node_sectors = 128,
		.block_sectors = MINI_BLOCK_SECTORS,
		.csum_type = BCH_CSUM_crc32c_nonzero,
	};

	*m = (struct mini_set) { .priv = calloc(1, sizeof(*m->priv)) };
	require(m->priv);
	image_init(&m->priv->image, &geo);
	m->log = bce_log_alloc("test");
	m->members = bce_members_alloc();
	require(m->log && m->members);
}

void mini_key(struct mini_set *m, unsigned int btree_id, unsigned int type, struct bpos p, u32 size,
	      struct bversion version, const void *value, size_t bytes)
{
	struct mini_keys *keys = m->priv;
	struct mini_key *key;

	require(bytes <= sizeof(key->v));
	if (keys->nr == keys->room) {
		keys->room = keys->room ? 2 * keys->room : 64;
		keys->key = realloc(keys->key, keys->room * sizeof(*keys->key));
		require(keys->key);
	}
	key = &keys->key[keys->nr++];
	memset(key, 0, sizeof(*key));
	key->btree_id = btree_id;
	key->k = (struct bkey) {
		.p = p,
		.size = size,
		.version = version,
		.type = type,
		.val_u64s = DIV_ROUND_UP(bytes, 8),
	};
	if (bytes)
		memcpy(key->v, value, bytes);
}

void mini_snapshot(struct mini_set *m, u32 id, u32 parent, const u32 skip[3])
{
	struct bch_snapshot v = { .parent = cpu_to_le32(parent), .tree = cpu_to_le32(1) };

	for (int i = 0; skip && i < 3; i++)
		v.skip[i] = cpu_to_le32(skip[i]);
	mini_key(m, BTREE_ID_snapshots, KEY_TYPE_snapshot, SPOS(0, id, 0), 0,
		 (struct bversion) { }, &v, sizeof(v));
}

void mini_subvolume(struct mini_set *m, u32 id, u32 snapshot, u64 root_inum)
{
	struct bch_subvolume v = {
		.snapshot = cpu_to_le32(snapshot),
		.inode = cpu_to_le64(root_inum),
	};

	mini_key(m, BTREE_ID_subvolumes, KEY_TYPE_subvolume, SPOS(0, id, 0), 0,
		 (struct bversion) { }, &v, sizeof(v));
}

static int key_cmp(const void *a, const void *b)
{
	const struct mini_key *l = a, *r = b;

	if (l->btree_id != r->btree_id)
		return l->btree_id < r->btree_id ? -1 : 1;
	return bpos_cmp(l->k.p, r->k.p);
}

static void write_trees(struct mini_keys *keys)
{
	size_t i = 0;

	qsort(keys->key, keys->nr, sizeof(*keys->key), key_cmp);
	while (i < keys->nr) {
		unsigned int id = keys->key[i].btree_id;
		struct tree_shape shape = {
			.btree_id = id,
			.leaf_keys = 5,		/* small: iterators must cross leaves */
			.fanout = 8,
			.nr_bsets = 1,
		};
		struct tree_writer *w = tree_begin(&keys->image, &shape);

		for (; i < keys->nr && keys->key[i].btree_id == id; i++) {
			keys->key[i].k.v = keys->key[i].v;
			tree_add(w, &keys->key[i].k);
		}
		tree_end(w, &keys->replay.root[id]);
	}
}

static void open_devices(struct mini_set *m)
{
	for (unsigned int i = 0; i < MINI_DEVS; i++) {
		m->data_fd[i] = i ? memfd_create("mini-data", MFD_CLOEXEC) :
				    dup(m->priv->image.fd);
		require(m->data_fd[i] >= 0);
		require(!ftruncate(m->data_fd[i], (off_t)MINI_DEV_SECTORS * 512));
		m->bdev[i] = kapi_bdev_from_fd(dup(m->data_fd[i]), "mini", O_RDWR);
		require(!IS_ERR(m->bdev[i]));
		mini_attach(m, i);
	}
}

int mini_start(struct mini_set *m, const struct bce_cipher *cipher)
{
	struct btrees_config config = {
		.uuid_word = UUID_WORD,
		.version = 1037,
		.version_min = 1037,
		.node_sectors = 128,
		.block_sectors = MINI_BLOCK_SECTORS,
		.cache_bytes = 16 << 20,
		.members = m->members,
		.rules = &m->priv->rules,
		.replay = &m->priv->replay,
		.log = m->log,
	};
	struct data_reader_config reader = {
		.members = m->members,
		.cipher = cipher,
		.rules = &m->priv->rules,
		.log = m->log,
		.block_sectors = MINI_BLOCK_SECTORS,
		.encoded_extent_max_sectors = MINI_ENCODED_MAX,
	};
	int ret;

	m->priv->rules = (struct key_rules) {
		.btree_node_sectors = 128,
		.block_sectors = MINI_BLOCK_SECTORS,
		.encoded_extent_max_sectors = MINI_ENCODED_MAX,
		.encrypted = cipher != NULL,
	};
	m->priv->replay.clean = true;
	write_trees(m->priv);
	open_devices(m);
	ret = bce_btrees_open(&m->btrees, &config);
	if (!ret)
		ret = bce_snapshot_table_read(&m->snapshots, m->btrees, m->log);
	reader.btrees = m->btrees;
	return ret ?: bce_data_reader_alloc(&m->reader, &reader);
}

void mini_exit(struct mini_set *m)
{
	bce_data_reader_free(m->reader);
	bce_snapshot_table_free(m->snapshots);
	if (m->btrees)
		bce_btrees_close(m->btrees);
	bce_members_free(m->members);
	for (unsigned int i = 0; i < MINI_DEVS; i++) {
		if (!m->bdev[i])
			continue;
		kapi_bdev_close(m->bdev[i]);
		close(m->data_fd[i]);
	}
	bce_log_free(m->log);
	image_exit(&m->priv->image);
	free(m->priv->key);
	free(m->priv);
}

void mini_write(struct mini_set *m, unsigned int dev, u64 sector, const void *buf, size_t bytes)
{
	require(pwrite(m->data_fd[dev], buf, bytes, sector * 512) == bytes);
}

void mini_attach(struct mini_set *m, unsigned int dev)
{
	struct member_info info = {
		.exists = true,
		.nbuckets = MINI_DEV_SECTORS / MINI_BUCKET_SECTORS,
		.bucket_sectors = MINI_BUCKET_SECTORS,
		.durability = 1,
	};
	char name[8];

	snprintf(name, sizeof(name), "mini%u", dev);
	require(!bce_member_attach(m->members, dev, m->bdev[dev], &info, name, &m->bdev[dev]));
}

void mini_detach(struct mini_set *m, unsigned int dev)
{
	bce_members_detach(m->members, &m->bdev[dev]);
}

static void mini_read_done(struct data_read *read, int error)
{
	struct mini_read *r = container_of(read, struct mini_read, read);

	r->error = error;
	complete(&r->done);
}

static bool self_only(const void *ctx, u32 id, u32 ancestor)
{
	return id == ancestor;
}

void mini_read_start(struct mini_set *m, struct mini_read *r, u64 inum, u32 snapshot, struct bio *bio)
{
	init_completion(&r->done);
	r->read = (struct data_read) {
		.bio = bio,
		.inum = inum,
		.view = { .id = snapshot, .is_ancestor = self_only },
		.done = mini_read_done,
	};
	bce_data_read(m->reader, &r->read);
}

int mini_read_wait(struct mini_read *r)
{
	wait_for_completion(&r->done);
	return r->error;
}
