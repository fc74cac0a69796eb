// SPDX-License-Identifier: GPL-2.0
/* The data room by itself. */
#include "data_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/data/reflink.h"
#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "engine/key/text.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"
#include "require.h"

#define ROOT_SNAPSHOT	U32_MAX

/* ---- snapshots ---- */

static struct rig_node *node_find(struct data_rig *r, u32 id)
{
	for (unsigned int i = 0; i < r->nr_nodes; i++)
		if (r->node[i].id == id)
			return &r->node[i];
	return NULL;
}

static bool is_ancestor(const void *ctx, u32 id, u32 ancestor)
{
	struct data_rig *r = (struct data_rig *)ctx;

	while (id && id != ancestor) {
		struct rig_node *n = node_find(r, id);

		id = n ? n->parent : 0;
	}
	return id && id == ancestor;
}

struct snapshot_view rig_view(struct data_rig *r, u32 snapshot)
{
	return (struct snapshot_view) { .id = snapshot, .is_ancestor = is_ancestor, .ctx = r };
}

static struct snapshot_view snap_view(void *ctx, u32 id)
{
	return rig_view(ctx, id);
}

static u32 snap_parent(void *ctx, u32 id)
{
	struct rig_node *n = node_find(ctx, id);

	return n ? n->parent : 0;
}

static bool snap_has_children(void *ctx, u32 id)
{
	struct rig_node *n = node_find(ctx, id);

	return n && n->children;
}

static int snap_subvol(void *ctx, struct bce_trans *t, u32 subvol, bool write, u32 *snapshot)
{
	struct data_rig *r = ctx;

	if (subvol >= RIG_SUBVOLS_MAX || !r->subvol[subvol].snapshot)
		return -ENOENT;
	if (write && r->subvol[subvol].ro)
		return -EROFS;
	if (write && r->fail_change && !--r->fail_change)
		return -EIO;
	*snapshot = r->subvol[subvol].snapshot;
	if (write)
		__atomic_fetch_add(&r->changes, 1, __ATOMIC_RELAXED);
	return 0;
}

static u32 node_new(struct data_rig *r, u32 parent)
{
	u32 id = r->node[r->nr_nodes - 1].id - 1;

	require(r->nr_nodes < RIG_NODES_MAX);
	r->node[r->nr_nodes++] = (struct rig_node) { .id = id, .parent = parent };
	return id;
}

/* sectors of all inodes that a subvolume sees */
static s64 sectors_seen(struct data_rig *r, u32 subvol)
{
	struct snapshot_view view = rig_view(r, r->subvol[subvol].snapshot);
	struct inode_fields f;
	struct btree_iter iter;
	const struct bkey *k;
	s64 sectors = 0;

	if (!view.id)
		return 0;
	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_inodes, 0, POS_MIN, 0, &view);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
		require(!bce_inode_unpack(k, &f));
		sectors += f.sectors;
	}
	bce_btree_iter_exit(&iter);
	return sectors;
}

void rig_snapshot(struct data_rig *r, u32 source, u32 id)
{
	u32 parent = r->subvol[source].snapshot;

	require(parent && id < RIG_SUBVOLS_MAX && !r->subvol[id].snapshot);
	node_find(r, parent)->children = true;
	r->subvol[id].snapshot = node_new(r, parent);
	r->subvol[source].snapshot = node_new(r, parent);
	r->inherited += sectors_seen(r, id);
}

/* ---- space ---- */

/* the rest of the bucket at most */
static u32 bucket_rest(u64 sector)
{
	return RIG_BUCKET_SECTORS - sector % RIG_BUCKET_SECTORS;
}

static int space_get(void *ctx, const struct alloc_request *req, u32 want, struct alloc_space *out)
{
	struct data_rig *r = ctx;
	int ret = 0;

	require(want && !(want % RIG_BLOCK_SECTORS));
	if (r->alloc) {
		struct alloc_request real = *req;

		real.exclude_devs |= r->no_devs;
		return bce_alloc_space_get(r->alloc->a, &real,
					   r->short_space ? min(want, 2U * RIG_BLOCK_SECTORS) : want,
					   out);
	}
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&r->lock);
	if (r->fail_space && !--r->fail_space)
		ret = -ENOSPC;
	out->sectors = want;
	if (r->short_space)
		out->sectors = min(want, 2U * RIG_BLOCK_SECTORS);
	for (unsigned int i = 0; !ret && i < RIG_DEVS && out->nr < req->replicas; i++) {
		unsigned int dev = (req->stream + i) % RIG_DEVS;

		if ((req->exclude_devs | r->no_devs) & 1ULL << dev)
			continue;
		out->ptr[out->nr++] = (struct extent_ptr) {
			.dev = dev, .sector = r->next_sector[dev],
		};
		out->sectors = min(out->sectors, bucket_rest(r->next_sector[dev]));
	}
	if (!ret && out->nr < max_t(u8, req->replicas_required, 1))
		ret = -EROFS;
	if (!ret) {
		for (unsigned int i = 0; i < out->nr; i++) {
			out->open[i] = r;
			r->next_sector[out->ptr[i].dev] += out->sectors;
			require(r->next_sector[out->ptr[i].dev] <= RIG_DEV_SECTORS);
		}
		r->open += out->nr;
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void space_put(void *ctx, struct alloc_space *space)
{
	struct data_rig *r = ctx;

	if (r->alloc) {
		bce_alloc_space_put(r->alloc->a, space);
		return;
	}
	pthread_mutex_lock(&r->lock);
	for (unsigned int i = 0; i < space->nr; i++)
		require(space->open[i] == r);
	require(r->open >= space->nr);
	r->open -= space->nr;
	pthread_mutex_unlock(&r->lock);
}

static int reserve(void *ctx, struct space_reservation *res, u64 sectors, unsigned int replicas)
{
	struct data_rig *r = ctx;

	if (r->alloc)
		return bce_space_reserve(r->alloc->a, res, sectors, replicas);
	if (r->no_reserve)
		return -ENOSPC;
	pthread_mutex_lock(&r->lock);
	res->sectors = sectors * replicas;
	res->replicas = replicas;
	r->reserved += res->sectors;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void unreserve(void *ctx, struct space_reservation *res)
{
	struct data_rig *r = ctx;

	if (r->alloc) {
		bce_space_unreserve(r->alloc->a, res);
		return;
	}
	pthread_mutex_lock(&r->lock);
	require(r->reserved >= res->sectors);
	r->reserved -= res->sectors;
	res->sectors = 0;
	pthread_mutex_unlock(&r->lock);
}

/* ---- the set ---- */

static void options(void *ctx, struct data_options *out)
{
	*out = ((struct data_rig *)ctx)->opts;
}

static u64 target_devs(void *ctx, u16 target)
{
	struct data_rig *r = ctx;

	return target == BCH_TARGET_NONE ? ~r->no_devs : r->background_devs;
}

static s64 now(void *ctx)
{
	struct data_rig *r = ctx;
	void (*fn)(struct data_rig *) = r->on_now;

	if (fn) {
		r->on_now = NULL;
		fn(r);
	}
	return 12345;
}

static u64 key_version(void *ctx)
{
	struct data_rig *r = ctx;
	u64 version;

	pthread_mutex_lock(&r->lock);
	version = ++r->version;
	pthread_mutex_unlock(&r->lock);
	return version;
}

static int need_features(void *ctx, u64 features)
{
	struct data_rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	r->features |= features;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static int flush(void *ctx, u64 seq)
{
	__atomic_fetch_add(&((struct data_rig *)ctx)->flushed, 1, __ATOMIC_RELAXED);
	return 0;
}

static void write_failed(void *ctx, unsigned int dev, int error)
{
	struct data_rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	r->failed_devs |= 1ULL << dev;
	pthread_mutex_unlock(&r->lock);
}

static int charge(void *ctx, u32 subvol, const struct inode_fields *inode, s64 sectors,
		  bool enforce)
{
	struct data_rig *r = ctx;
	int ret = 0;

	require(subvol < RIG_SUBVOLS_MAX && r->subvol[subvol].snapshot);
	pthread_mutex_lock(&r->lock);
	if (enforce && r->quota && r->charged + sectors > r->quota)
		ret = -EDQUOT;
	else
		r->charged += sectors;
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void reserve_more(void *ctx, struct space_reservation *res, u64 sectors)
{
	struct data_rig *r = ctx;

	if (r->alloc) {
		bce_space_reserve_more(r->alloc->a, res, sectors);
		return;
	}
	pthread_mutex_lock(&r->lock);
	res->sectors += sectors;
	r->reserved += sectors;
	pthread_mutex_unlock(&r->lock);
}

static const struct data_writer_ops rig_ops = {
	.charge = charge,
	.space_get = space_get,
	.space_put = space_put,
	.reserve = reserve,
	.unreserve = unreserve,
	.reserve_more = reserve_more,
	.options = options,
	.target_devs = target_devs,
	.now = now,
	.key_version = key_version,
	.need_features = need_features,
	.flush = flush,
	.write_failed = write_failed,
};

static int trigger_key(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		       unsigned int btree_id, unsigned int level, const struct bkey *old,
		       const struct bkey *new)
{
	struct data_rig *r = ctx;

	return bce_reflink_trigger(t, r->mem.log, phase, btree_id, level, old, new);
}

static int trigger_finish(void *ctx, struct bce_trans *t)
{
	struct data_rig *r = ctx;

	return bce_reflink_trigger_finish(t, r->mem.log);
}

static const struct btree_trigger_ops rig_triggers = {
	.key = trigger_key,
	.finish = trigger_finish,
};

/* ---- begin and end ---- */

static void open_devices(struct data_rig *r)
{
	r->members = bce_members_alloc();
	for (unsigned int i = 0; i < RIG_DEVS; i++) {
		struct member_info info = {
			.exists = true,
			.nbuckets = RIG_DEV_SECTORS / RIG_BUCKET_SECTORS,
			.bucket_sectors = RIG_BUCKET_SECTORS,
			.durability = 1,
		};

		r->rule_dev[i] = (struct key_rules_dev) {
			.exists = true, .durability = 1, .bucket_sectors = RIG_BUCKET_SECTORS,
			.nbuckets = info.nbuckets,
		};
		r->next_sector[i] = RIG_BUCKET_SECTORS * (1 + i);
		r->fd[i] = memfd_create("rig", MFD_CLOEXEC);
		require(r->fd[i] >= 0);
		require(!ftruncate(r->fd[i], (off_t)RIG_DEV_SECTORS * 512));
		r->bdev[i] = kapi_bdev_from_fd(dup(r->fd[i]), "rig", O_RDWR);
		require(!IS_ERR(r->bdev[i]));
		require(!bce_member_attach(r->members, i, r->bdev[i], &info, "rig", r));
	}
}

static void open_room(struct data_rig *r)
{
	struct data_reader_config reader = {
		.btrees = r->mem.b,
		.members = r->members,
		.cipher = r->cipher,
		.rules = &r->mem.rules,
		.log = r->mem.log,
		.block_sectors = RIG_BLOCK_SECTORS,
		.encoded_extent_max_sectors = RIG_ENCODED_MAX,
	};
	struct data_writer_config writer = {
		.btrees = r->mem.b,
		.members = r->members,
		.cipher = r->cipher,
		.rules = r->alloc ? &r->alloc->mem.rules : &r->mem.rules,
		.log = r->mem.log,
		.block_sectors = RIG_BLOCK_SECTORS,
		.encoded_extent_max_sectors = RIG_ENCODED_MAX,
		.snapshots = &r->snapshots,
		.ops = &rig_ops,
		.ctx = r,
	};

	require(!bce_data_reader_alloc(&r->reader, &reader));
	writer.reader = r->reader;
	require(!bce_data_writer_alloc(&r->writer, &writer));
}

static void init(struct data_rig *r, bool encrypted)
{
	static const u8 key[32] = "an example key of 32 bytes, fine";

	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	r->opts = (struct data_options) {
		.data_checksum = BCH_CSUM_OPT_crc32c, .data_replicas = 1,
		.data_replicas_required = 1,
	};
	r->node[0] = (struct rig_node) { .id = ROOT_SNAPSHOT };
	r->nr_nodes = 1;
	r->subvol[1].snapshot = ROOT_SNAPSHOT;
	r->snapshots = (struct data_snapshots) {
		.view = snap_view, .parent = snap_parent, .has_children = snap_has_children,
		.subvol = snap_subvol, .ctx = r,
	};
	if (encrypted)
		r->cipher = bce_cipher_alloc(key);
}

void rig_init_alloc(struct data_rig *r, struct alloc_rig *a, bool encrypted)
{
	init(r, encrypted);
	r->alloc = a;
	r->mem = a->mem;
	a->mem.rules.encrypted = encrypted;
	a->mem.rules.encoded_extent_max_sectors = RIG_ENCODED_MAX;
	a->more = &rig_triggers;
	a->more_ctx = r;
	r->members = a->sb.members;
	open_room(r);
}

void rig_init(struct data_rig *r, bool encrypted)
{
	init(r, encrypted);
	mem_btrees_init(&r->mem);
	open_devices(r);
	r->mem.rules.dev = r->rule_dev;
	r->mem.rules.encrypted = encrypted;
	r->mem.rules.encoded_extent_max_sectors = RIG_ENCODED_MAX;
	mem_btrees_open(&r->mem, &rig_triggers, r);
	open_room(r);
}

void rig_exit(struct data_rig *r)
{
	bce_data_writer_free(r->writer);
	bce_data_reader_free(r->reader);
	bce_cipher_free(r->cipher);
	pthread_mutex_destroy(&r->lock);
	if (r->alloc) {
		r->alloc->more = NULL;
		return;
	}
	require(!r->open);
	require(!r->reserved);
	mem_btrees_exit(&r->mem);
	bce_members_free(r->members);
	for (unsigned int i = 0; i < RIG_DEVS; i++) {
		kapi_bdev_close(r->bdev[i]);
		close(r->fd[i]);
	}
}

/* ---- inodes ---- */

static int put_inode(struct bce_trans *t, void *ctx)
{
	struct inode_val val;
	struct bkey k;

	bce_inode_pack(ctx, &k, &val);
	return bce_trans_update(t, BTREE_ID_inodes, &k, TRANS_SEQ_IN_VALUE);
}

void rig_inode(struct data_rig *r, u32 subvol, u64 inum, const struct inode_fields *f)
{
	struct inode_fields inode = f ? *f : (struct inode_fields) { };

	inode.inum = inum;
	inode.snapshot = r->subvol[subvol].snapshot;
	inode.mode = 0100644;
	require(!bce_trans_run(r->mem.b, put_inode, &inode, 0, NULL));
}

int rig_inode_read(struct data_rig *r, u32 subvol, u64 inum, struct inode_fields *f)
{
	struct snapshot_view view = rig_view(r, r->subvol[subvol].snapshot);
	struct bkey_buf buf;
	struct bkey k;
	int ret = bce_btree_lookup(r->mem.b, BTREE_ID_inodes, POS(0, inum), &view, &k, &buf);

	if (!ret)
		require(!bce_inode_unpack(&k, f));
	return ret;
}

/* ---- data ---- */

#define SEGMENTS_MAX	1024

static void bio_over(struct bio *bio, struct bio_vec *vecs, u8 *buf, size_t bytes, u64 sector,
		     blk_opf_t op)
{
	require(bytes <= SEGMENTS_MAX * 4096UL && !((unsigned long)buf & 4095));
	bio_init(bio, NULL, vecs, SEGMENTS_MAX, op);
	for (size_t at = 0; at < bytes; at += 4096)
		vecs[bio->bi_vcnt++] = (struct bio_vec) {
			.bv_page = virt_to_page(buf + at),
			.bv_len = min_t(size_t, bytes - at, 4096),
		};
	bio->bi_iter.bi_size = bytes;
	bio->bi_iter.bi_sector = sector;
}

struct sync_write {
	struct data_write	write;
	struct completion	done;
	int			error;
};

static void write_done(struct data_write *write, int error)
{
	struct sync_write *s = container_of(write, struct sync_write, write);

	s->error = error;
	complete(&s->done);
}

int rig_write(struct data_rig *r, struct bce_file_id file, u64 sector, const void *data, size_t bytes,
	      u64 new_size, unsigned int flags)
{
	struct bio_vec *vecs = calloc(SEGMENTS_MAX, sizeof(*vecs));
	u8 *copy = aligned_alloc(4096, round_up(bytes, 4096UL));
	struct sync_write s = {
		.write = {
			.file = file, .new_size = new_size, .flags = flags, .mtime = true,
			.stream = file.inum, .done = write_done,
		},
	};
	struct bio bio;

	require(vecs && copy);
	memcpy(copy, data, bytes);
	bio_over(&bio, vecs, copy, bytes, sector, REQ_OP_WRITE);
	init_completion(&s.done);
	s.write.bio = &bio;
	WRITE_ONCE(r->pages, copy);	/* of one of them, where several write */
	bce_data_write(r->writer, &s.write);
	wait_for_completion(&s.done);
	require(r->scribbled || !memcmp(copy, data, bytes));	/* the caller's pages are not touched */
	WRITE_ONCE(r->inode_sectors, s.write.inode_sectors);
	free(copy);
	free(vecs);
	return s.error;
}

struct sync_read {
	struct data_read	read;
	struct completion	done;
	int			error;
};

static void read_done(struct data_read *read, int error)
{
	struct sync_read *s = container_of(read, struct sync_read, read);

	s->error = error;
	complete(&s->done);
}

int rig_read(struct data_rig *r, struct bce_file_id file, u64 sector, void *data, size_t bytes)
{
	struct bio_vec *vecs = calloc(SEGMENTS_MAX, sizeof(*vecs));
	u8 *copy = aligned_alloc(4096, round_up(bytes, 4096UL));
	struct sync_read s = {
		.read = {
			.inum = file.inum, .done = read_done,
			.view = rig_view(r, r->subvol[file.subvol].snapshot),
		},
	};
	struct bio bio;

	require(vecs && copy);
	memset(copy, 0x5a, bytes);
	bio_over(&bio, vecs, copy, bytes, sector, REQ_OP_READ);
	init_completion(&s.done);
	s.read.bio = &bio;
	bce_data_read(r->reader, &s.read);
	wait_for_completion(&s.done);
	memcpy(data, copy, bytes);
	free(copy);
	free(vecs);
	return s.error;
}

/* ---- checks ---- */

#define wrong(r, fmt, ...)						\
	do {								\
		rig_dump(r);						\
		fprintf(stderr, "wrong: " fmt "\n", ##__VA_ARGS__);	\
		abort();						\
	} while (0)

static void dump_btree(struct data_rig *r, unsigned int id)
{
	struct btree_iter iter;
	const struct bkey *k;
	struct text_buf text = TEXT_BUF_INIT;

	bce_btree_iter_init(&iter, r->mem.b, id, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter)) {
		bce_text_reset(&text);
		bce_key_text(&text, k, &r->mem.rules);
		fprintf(stderr, "%2u  %s\n", id, bce_text_str(&text));
	}
	bce_btree_iter_exit(&iter);
	bce_text_exit(&text);
}

void rig_dump(struct data_rig *r)
{
	for (unsigned int i = 0; i < r->nr_nodes; i++)
		fprintf(stderr, "snapshot %u below %u\n", r->node[i].id, r->node[i].parent);
	dump_btree(r, BTREE_ID_inodes);
	dump_btree(r, BTREE_ID_extents);
	dump_btree(r, BTREE_ID_reflink);
}

/* one inode in one snapshot; @own: the version belongs to it */
static void check_inode(struct data_rig *r, const struct inode_fields *f, u32 snapshot)
{
	struct snapshot_view view = rig_view(r, snapshot);
	u64 eof = bce_data_eof_sectors(f->size, RIG_BLOCK_SECTORS);
	u64 end = 0, sectors = 0;
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_extents, 0, POS(f->inum, 0), 0, &view);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k) && k->p.inode == f->inum;
	     k = bce_btree_iter_next(&iter)) {
		if (bkey_start_offset(k) < end)
			wrong(r, "inode %llu in %u: overlap at %llu", f->inum, snapshot, end);
		end = k->p.offset;
		if (bce_extent_type_counts(k->type))
			sectors += k->size;
		if (end > eof && k->type != KEY_TYPE_reservation)
			wrong(r, "inode %llu in %u: %llu is behind the end %llu", f->inum, snapshot,
			      end, eof);
		if (k->size % RIG_BLOCK_SECTORS || end % RIG_BLOCK_SECTORS)
			wrong(r, "inode %llu in %u: not blocks at %llu", f->inum, snapshot, end);
	}
	require(!IS_ERR(k));
	bce_btree_iter_exit(&iter);
	if (sectors != f->sectors)
		wrong(r, "inode %llu in %u: %llu sectors, should be %llu", f->inum, snapshot,
		      f->sectors, sectors);
}

static void check_snapshot(struct data_rig *r, u32 snapshot)
{
	struct snapshot_view view = rig_view(r, snapshot);
	struct inode_fields f;
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_inodes, 0, POS_MIN, 0, &view);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter)) {
		require(!bce_inode_unpack(k, &f));
		bce_btree_iter_unlock(&iter);
		check_inode(r, &f, snapshot);
	}
	bce_btree_iter_exit(&iter);
}

struct shared {
	u64	start, end;
	u64	refs, counted;
};

struct place {
	u8	dev;
	u64	at;		/* of the back reference */
};

struct tables {
	struct shared	*s;
	size_t		nr;
	struct place	*p;
	size_t		nr_places;
};

static void add_places(struct tables *t, const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p)) {
		if (p.ptr.cached)
			continue;
		t->p = realloc(t->p, (t->nr_places + 1) * sizeof(*t->p));
		t->p[t->nr_places++] = (struct place) {
			.dev = p.ptr.dev, .at = (p.ptr.sector << 10) + p.crc.offset,
		};
	}
}

static void collect_shared(struct data_rig *r, struct tables *t)
{
	struct btree_iter iter;
	const struct bkey *k;
	u64 end = 0;

	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_reflink, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter)) {
		if (bkey_start_offset(k) < end)
			wrong(r, "shared extents overlap at %llu", end);
		end = k->p.offset;
		t->s = realloc(t->s, (t->nr + 1) * sizeof(*t->s));
		t->s[t->nr++] = (struct shared) {
			.start = bkey_start_offset(k), .end = end,
			.refs = bce_reflink_refcount(k),
		};
		if (k->type == KEY_TYPE_reflink_v)
			add_places(t, k);
	}
	bce_btree_iter_exit(&iter);
}

static void count_ref(struct data_rig *r, struct tables *t, const struct bkey *k)
{
	struct reflink_p_info info;
	u64 at, end;

	bce_reflink_p_decode(k, &info);
	at = info.idx - info.front_pad;
	end = info.idx + k->size + info.back_pad;
	for (size_t i = 0; i < t->nr && at < end; i++) {
		if (t->s[i].end <= at)
			continue;
		if (t->s[i].start > at)
			break;
		t->s[i].counted++;
		at = t->s[i].end;
	}
	if (at < end)
		wrong(r, "reference at %llu: nothing at %llu", k->p.offset, at);
}

static void collect_refs(struct data_rig *r, struct tables *t)
{
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_init(&iter, r->mem.b, BTREE_ID_extents, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter)) {
		if (k->type == KEY_TYPE_reflink_p)
			count_ref(r, t, k);
		if (k->type == KEY_TYPE_extent)
			add_places(t, k);
	}
	bce_btree_iter_exit(&iter);
}

static int place_cmp(const void *a, const void *b)
{
	const struct place *l = a, *r = b;

	if (l->dev != r->dev)
		return l->dev < r->dev ? -1 : 1;
	return l->at < r->at ? -1 : l->at > r->at;
}

/* all that is allocated was charged, and not more */
static void check_charged(struct data_rig *r)
{
	s64 sectors = -r->inherited;

	for (unsigned int s = 0; s < RIG_SUBVOLS_MAX; s++)
		sectors += sectors_seen(r, s);
	if (sectors != r->charged)
		wrong(r, "%lld sectors were charged, %lld are used", r->charged, sectors);
}

void rig_check(struct data_rig *r)
{
	struct tables t = { };

	check_charged(r);
	for (unsigned int i = 0; i < r->nr_nodes; i++)
		check_snapshot(r, r->node[i].id);
	collect_shared(r, &t);
	collect_refs(r, &t);
	for (size_t i = 0; i < t.nr; i++)
		if (!t.s[i].refs || t.s[i].refs != t.s[i].counted)
			wrong(r, "shared extent at %llu: %llu references, should be %llu", t.s[i].end,
			      t.s[i].refs, t.s[i].counted);
	if (t.nr_places)
		qsort(t.p, t.nr_places, sizeof(*t.p), place_cmp);
	for (size_t i = 1; i < t.nr_places; i++)
		if (!place_cmp(&t.p[i - 1], &t.p[i]))
			wrong(r, "two keys own device %u sector %llu", t.p[i].dev, t.p[i].at >> 10);
	free(t.s);
	free(t.p);
	if (r->alloc)
		alloc_rig_check(r->alloc);
}
