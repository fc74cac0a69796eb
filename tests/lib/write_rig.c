// SPDX-License-Identifier: GPL-2.0
#include "write_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/journal/overlay.h"
#include "engine/key/accounting.h"
#include "engine/sb/members.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"
#include "record.h"
#include "require.h"

#define UUID_WORD	0x1111111111111111ULL
#define BLACKLIST	64
#define NR_NODES	(1U << 16)	/* places for them */

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "%d (error %d): %s\n", level, error_id, line);
}

/* ---- members ---- */

static u64 first_node_sector(const struct write_rig *rig)
{
	return (u64)(WR_RING_FIRST + rig->o.ring_nr) * rig->o.bucket_sectors;
}

static u64 nbuckets(const struct write_rig *rig)
{
	u64 sectors = first_node_sector(rig) + (u64)NR_NODES * rig->o.node_sectors;

	return sectors / rig->o.bucket_sectors + 1;
}

static void make_member(struct write_rig *rig, unsigned int dev)
{
	struct sb_builder *b = &rig->b[dev];
	struct bch_sb_field_journal_v2 *f;
	unsigned int i;

	sbb_init(b, rig->o.nr, dev);
	b->sb->block_size = cpu_to_le16(rig->o.block_sectors);
	sbb_journal_replicas(b, rig->o.nr);
	f = sbb_add(b, BCH_SB_FIELD_journal_v2, 16);
	f->d[0].start = cpu_to_le64(WR_RING_FIRST);
	f->d[0].nr = cpu_to_le64(rig->o.ring_nr);
	sbb_add(b, BCH_SB_FIELD_journal_seq_blacklist, 16 * BLACKLIST);
	for (i = 0; i < rig->o.nr; i++) {
		sbb_member(b, i)->bucket_size = cpu_to_le16(rig->o.bucket_sectors);
		sbb_member(b, i)->nbuckets = cpu_to_le64(nbuckets(rig));
	}
	sbb_seal(b);
	rig->fd[dev] = memfd_create("member", 0);
	require(rig->fd[dev] >= 0);
	require(!ftruncate(rig->fd[dev], nbuckets(rig) * rig->o.bucket_sectors * 512));
	rig->dev_sb[dev] = b->sb;
	rig->ring[dev] = (struct journal_ring) {
		.usable = true, .nr = rig->o.ring_nr, .bucket = rig->ring_bucket,
	};
	rig->rules_dev[dev] = (struct key_rules_dev) {
		.exists = true, .bucket_sectors = rig->o.bucket_sectors, .nbuckets = nbuckets(rig),
	};
}

static blk_status_t fail_nodes(struct bio *bio, void *priv)
{
	struct write_rig *rig = priv;
	unsigned int dev;

	if (!op_is_write(bio->bi_opf) || bio->bi_iter.bi_sector < first_node_sector(rig))
		return BLK_STS_OK;
	for (dev = 0; dev < rig->o.nr; dev++)
		if (bio->bi_bdev == rig->bdev[dev] &&
		    __atomic_load_n(&rig->fail_writes, __ATOMIC_RELAXED) >> dev & 1)
			return BLK_STS_IOERR;
	return BLK_STS_OK;
}

static struct kapi_bdev_fault faults;

static void members_open(struct write_rig *rig)
{
	struct member_info m;
	unsigned int i;

	rig->members = bce_members_alloc();
	faults = (struct kapi_bdev_fault) { .before = fail_nodes, .priv = rig };
	for (i = 0; i < rig->o.nr; i++) {
		rig->bdev[i] = rig->record ? record_bdev(rig->record, i) :
			kapi_bdev_from_fd(dup(rig->fd[i]), "member", O_RDWR);
		require(!IS_ERR(rig->bdev[i]));
		if (!rig->record)
			kapi_bdev_set_fault(rig->bdev[i], &faults);
		bce_sb_member(rig->b[0].sb, i, &m);
		m.durability = 1;
		m.state = MEMBER_RW;
		require(!bce_member_attach(rig->members, i, rig->bdev[i], &m, "member", rig));
	}
}

static void members_close(struct write_rig *rig)
{
	unsigned int i;

	bce_members_free(rig->members);
	for (i = 0; i < rig->o.nr && !rig->record; i++)
		kapi_bdev_close(rig->bdev[i]);
}

/* ---- what the journal asks ---- */

static unsigned int op_roots(void *ctx, void *out, unsigned int room)
{
	struct write_rig *rig = ctx;

	return bce_btrees_root_entries(rig->btrees, out, room);
}

static u64 op_key_version(void *ctx)
{
	return 1;
}

static u64 op_io_clock(void *ctx, unsigned int rw)
{
	return 1;
}

static int op_mark_replicas(void *ctx, u64 devs)
{
	return 0;
}

static void op_flushed(void *ctx, u64 seq)
{
}

static void op_failed(void *ctx, int error)
{
	struct write_rig *rig = ctx;

	WRITE_ONCE(rig->failed, error);
}

static const struct journal_ops journal_ops = {
	.roots		= op_roots,
	.key_version	= op_key_version,
	.io_clock	= op_io_clock,
	.mark_replicas	= op_mark_replicas,
	.flushed	= op_flushed,
	.failed		= op_failed,
};

/* ---- space ---- */

static int space_get(void *ctx, struct btree_space *out, bool reserve)
{
	struct write_rig *rig = ctx;
	unsigned int i;
	u64 at;

	if (__atomic_load_n(&rig->space_fail, __ATOMIC_RELAXED)) {
		__atomic_sub_fetch(&rig->space_fail, 1, __ATOMIC_RELAXED);
		return -ENOSPC;
	}
	at = __atomic_fetch_add(&rig->next_node, 1, __ATOMIC_RELAXED);
	require(at < NR_NODES);
	out->nr = rig->o.replicas;
	for (i = 0; i < out->nr; i++)
		out->ptr[i] = (struct extent_ptr) {
			.dev = (at + i) % rig->o.nr,
			.sector = first_node_sector(rig) + at * rig->o.node_sectors,
		};
	__atomic_add_fetch(&rig->space_held, out->nr, __ATOMIC_RELAXED);
	return 0;
}

static void space_put(void *ctx, struct btree_space *space)
{
	struct write_rig *rig = ctx;

	__atomic_sub_fetch(&rig->space_held, space->nr, __ATOMIC_RELAXED);
	space->nr = 0;
}

static const struct btree_space_ops space_ops = { .get = space_get, .put = space_put };

/* ---- triggers: count the nodes of each btree ---- */

static struct accounting_pos count_pos(unsigned int btree_id)
{
	struct accounting_pos p = { .type = ACCOUNTING_btree };

	p.btree.id = cpu_to_le32(btree_id);
	return p;
}

static int count_trigger(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
			 unsigned int btree_id, unsigned int level, const struct bkey *old,
			 const struct bkey *new)
{
	struct accounting_pos pos = count_pos(btree_id);
	s64 delta = phase == TRIGGER_OVERWRITE ? -1 : 1;
	const struct bkey *k = phase == TRIGGER_OVERWRITE ? old : new;

	if (!level || k->type == KEY_TYPE_deleted)
		return 0;
	return bce_trans_account(t, &pos, &delta, 1);
}

static const struct btree_trigger_ops triggers = { .key = count_trigger };

static int count_node(void *ctx, const struct btree_node_view *view)
{
	unsigned int *nr = ctx;

	require(!view->error);
	/* a root that was never written has no pointers */
	*nr += view->ptr->val_u64s > 5;
	return 0;
}

unsigned int wr_count_nodes(struct write_rig *rig, unsigned int btree_id)
{
	unsigned int nr = 0;

	require(!bce_btree_for_each_node(rig->btrees, btree_id, count_node, &nr));
	return nr;
}

unsigned int wr_accounted_nodes(struct write_rig *rig, unsigned int btree_id)
{
	struct accounting_pos pos = count_pos(btree_id);
	struct bkey_buf buf;
	struct bkey k;

	if (bce_btree_lookup(rig->btrees, BTREE_ID_accounting, bce_accounting_pos_encode(&pos), NULL,
			     &k, &buf))
		return 0;
	return bce_accounting_counter(&k, 0);
}

/* ---- life ---- */

void wr_init(struct write_rig *rig, const struct wr_options *o)
{
	static const u8 key[32] = "an ordinary master key, 32 bytes";
	unsigned int i;

	*rig = (struct write_rig) { .o = *o };
	rig->o.replicas = o->replicas ?: 1;
	rig->o.node_sectors = o->node_sectors ?: 8;
	rig->o.block_sectors = o->block_sectors ?: 1;
	rig->o.bucket_sectors = o->bucket_sectors ?: 128;
	rig->o.ring_nr = o->ring_nr ?: 32;
	rig->log = bce_log_alloc("rig");
	bce_log_set_print(rig->log, print_line, NULL);
	if (o->encrypted)
		rig->cipher = bce_cipher_alloc(key);
	for (i = 0; i < rig->o.ring_nr; i++)
		rig->ring_bucket[i] = WR_RING_FIRST + i;
	for (i = 0; i < o->nr; i++)
		make_member(rig, i);
	rig->rules = (struct key_rules) {
		.dev = rig->rules_dev, .btree_node_sectors = rig->o.node_sectors,
		.block_sectors = rig->o.block_sectors, .encoded_extent_max_sectors = 128,
	};
	rig->journal_config = (struct journal_config) {
		.uuid_word		= UUID_WORD,
		.version		= BCH_VERSION_CURRENT,
		.block_sectors		= rig->o.block_sectors,
		.csum_type		= o->csum_type,
		.replicas		= rig->o.replicas,
		.replicas_required	= 1,
		.flush_delay_ms		= 1000,
		.cipher			= rig->cipher,
		.rules			= &rig->rules,
		.log			= rig->log,
		.ring			= rig->ring,
		.next_seq		= 1,
		.replay_seq		= 1,
		.ops			= &journal_ops,
		.ctx			= rig,
	};
	members_open(rig);
}

void wr_exit(struct write_rig *rig)
{
	unsigned int i;

	if (rig->btrees)
		wr_crash(rig);
	bce_journal_replay_exit(&rig->r);
	members_close(rig);
	for (i = 0; i < rig->o.nr; i++) {
		close(rig->fd[i]);
		sbb_exit(&rig->b[i]);
	}
	bce_cipher_free(rig->cipher);
	bce_log_free(rig->log);
}

static int open_btrees(struct write_rig *rig)
{
	struct btrees_config config = {
		.uuid_word = UUID_WORD, .version = BCH_VERSION_CURRENT,
		.version_min = BCH_VERSION_CURRENT, .node_sectors = rig->o.node_sectors,
		.block_sectors = rig->o.block_sectors, .cache_bytes = rig->o.cache_bytes,
		.members = rig->members, .cipher = rig->cipher, .rules = &rig->rules,
		.replay = &rig->r, .overlay = rig->overlay, .log = rig->log,
	};

	return bce_btrees_open(&rig->btrees, &config);
}

static int start_writing(struct write_rig *rig)
{
	struct btrees_write_config config = {
		.journal = rig->j, .csum_type = rig->o.csum_type, .space = &space_ops,
		.space_ctx = rig, .triggers = rig->o.no_triggers ? NULL : &triggers,
		.trigger_ctx = rig,
	};
	int ret = bce_btrees_start_writing(rig->btrees, &config, rig->journal_config.replay_seq);

	if (!ret)
		bce_journal_replay_done(rig->j);
	bce_overlay_free(rig->overlay);
	rig->overlay = NULL;
	return ret;
}

int wr_open(struct write_rig *rig)
{
	int ret;

	rig->failed = 0;
	if (rig->r.nr_entries)
		require(!bce_overlay_build(&rig->overlay, &rig->r));
	ret = open_btrees(rig);
	if (ret)
		return ret;
	rig->journal_config.members = rig->members;
	ret = bce_journal_open(&rig->j, &rig->journal_config);
	return ret ?: start_writing(rig);
}

/* where each ring stands, and what is still needed in it */
static void note_positions(struct write_rig *rig)
{
	memset(rig->ring_seq, 0, sizeof(rig->ring_seq));
	for (unsigned int dev = 0; dev < rig->o.nr; dev++)
		rig->ring[dev].bucket_seq = rig->ring_seq[dev];
	bce_journal_rings_stand(&rig->r, rig->ring, rig->o.nr);
}

/* as recovery does before it writes; only the last ranges are kept */
static void blacklist(struct write_rig *rig, u64 start, u64 end)
{
	struct bch_sb_field_journal_seq_blacklist *f =
		sbb_find(&rig->b[0], BCH_SB_FIELD_journal_seq_blacklist);

	if (rig->nr_blacklisted == BLACKLIST)
		memmove(&f->entries[0], &f->entries[1],
			--rig->nr_blacklisted * sizeof(f->entries[0]));
	f->entries[rig->nr_blacklisted].start = cpu_to_le64(start);
	f->entries[rig->nr_blacklisted++].end = cpu_to_le64(end);
}

static void read_rings(struct write_rig *rig)
{
	struct journal_read_context ctx = {
		.sb = rig->b[0].sb, .dev_sb = rig->dev_sb, .members = rig->members,
		.cipher = rig->cipher, .rules = &rig->rules, .log = rig->log,
	};

	bce_journal_replay_exit(&rig->r);
	require(!bce_journal_read(&rig->r, &ctx));
	note_positions(rig);
	blacklist(rig, rig->r.flush_seq + 1, rig->r.next_seq);
	rig->journal_config.next_seq = rig->r.next_seq;
	rig->journal_config.replay_seq = rig->r.last_seq;
}

static void close_all(struct write_rig *rig)
{
	bce_btrees_stop_writing(rig->btrees);
	bce_journal_close(rig->j);
	rig->j = NULL;
	bce_btrees_close(rig->btrees);
	rig->btrees = NULL;
	require(!rig->space_held);
	members_close(rig);
	members_open(rig);
}

void wr_record(struct write_rig *rig)
{
	members_close(rig);
	rig->record = record_start(rig->fd, rig->o.nr, 512);
	require(rig->record);
	members_open(rig);
}

void wr_take_images(struct write_rig *rig, const int *fds, u64 next_node)
{
	unsigned int i;

	members_close(rig);
	for (i = 0; i < rig->o.nr; i++) {
		close(rig->fd[i]);
		rig->fd[i] = dup(fds[i]);
	}
	rig->next_node = next_node;
	members_open(rig);
	read_rings(rig);
}

void wr_crash(struct write_rig *rig)
{
	if (rig->j)
		bce_journal_halt(rig->j);
	close_all(rig);
	read_rings(rig);
}

void wr_stop(struct write_rig *rig)
{
	struct journal_ring_end ends[64];
	u64 seq;

	require(!bce_btrees_flush(rig->btrees));
	require(!bce_journal_stop(rig->j, &seq, ends));
	close_all(rig);
	read_rings(rig);
	/* the last entry is empty, and the only one that is needed */
	require(rig->r.last_seq == seq && rig->r.flush_seq == seq);
}
