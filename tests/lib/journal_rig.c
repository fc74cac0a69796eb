// SPDX-License-Identifier: GPL-2.0
/*
 * The model knows, for each number, how many keys went in and a sum over them that does not
 * depend on their order, and which roots were changed. That is compared with what
 * bce_journal_read() makes of the rings.
 */
#include "journal_rig.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/format/version.h"
#include "engine/key/pack.h"
#include "engine/sb/members.h"
#include "engine/util/csum.h"
#include "jset_builder.h"
#include "kapi/kapi.h"
#include "require.h"

#define UUID_WORD	0x1111111111111111ULL

/* ---- making one ---- */

static void say(void *ctx, enum bce_log_level level, int id, const char *line)
{
	struct jr_rig *rig = ctx;
	size_t len = strlen(rig->said);

	if (level == BCE_LOG_INFO)
		return;
	snprintf(rig->said + len, sizeof(rig->said) - len, "[%d] %s\n", id, line);
}

static int make_file(const struct jr_options *o)
{
	char name[] = "/tmp/journal-XXXXXX";
	int fd = o->on_disk ? mkstemp(name) : memfd_create("member", 0);

	require(fd >= 0);
	if (o->on_disk)
		unlink(name);
	require(!ftruncate(fd, (off_t)(JR_RING_FIRST + o->ring_nr + 1) * o->bucket_sectors * 512));
	return fd;
}

/* the ring in two stretches, the later buckets first */
static void make_ring(struct jr_rig *rig, unsigned int dev)
{
	struct bch_sb_field_journal_v2 *f = sbb_add(&rig->b[dev], BCH_SB_FIELD_journal_v2, 32);
	unsigned int half = rig->o.ring_nr / 2, i;

	f->d[0].start = cpu_to_le64(JR_RING_FIRST + half);
	f->d[0].nr = cpu_to_le64(rig->o.ring_nr - half);
	f->d[1].start = cpu_to_le64(JR_RING_FIRST);
	f->d[1].nr = cpu_to_le64(half);
	for (i = 0; i < rig->o.ring_nr; i++)
		rig->ring_bucket[dev][i] = JR_RING_FIRST + (i + half) % rig->o.ring_nr;
	if (rig->o.ring_nr % 2)
		for (i = 0; i < rig->o.ring_nr; i++)
			rig->ring_bucket[dev][i] = i < rig->o.ring_nr - half
				? JR_RING_FIRST + half + i
				: JR_RING_FIRST + i - (rig->o.ring_nr - half);
}

static void make_member(struct jr_rig *rig, unsigned int dev)
{
	struct sb_builder *b = &rig->b[dev];
	unsigned int i;

	sbb_init(b, rig->o.nr, dev);
	b->sb->block_size = cpu_to_le16(rig->o.block_sectors);
	sbb_journal_replicas(b, rig->o.nr);
	make_ring(rig, dev);
	sbb_add(b, BCH_SB_FIELD_journal_seq_blacklist, 16 * JR_BLACKLIST);
	for (i = 0; i < rig->o.nr; i++) {
		sbb_member(b, i)->bucket_size = cpu_to_le16(rig->o.bucket_sectors);
		sbb_member(b, i)->nbuckets = cpu_to_le64(JR_RING_FIRST + rig->o.ring_nr);
	}
	sbb_seal(b);
	rig->fd[dev] = make_file(&rig->o);
	rig->dev_sb[dev] = b->sb;
}

static void fill_rules(struct jr_rig *rig)
{
	unsigned int i;

	for (i = 0; i < rig->o.nr; i++)
		rig->rules_dev[i] = (struct key_rules_dev) {
			.exists = true, .bucket_sectors = 1024, .nbuckets = 4096,
		};
	rig->rules = (struct key_rules) {
		.dev = rig->rules_dev, .btree_node_sectors = SBB_NODE_SECTORS,
		.block_sectors = rig->o.block_sectors, .encoded_extent_max_sectors = 128,
	};
}

void jr_members_open(struct jr_rig *rig)
{
	struct member_info m;
	unsigned int i;

	rig->members = bce_members_alloc();
	for (i = 0; i < rig->o.nr; i++) {
		rig->bdev[i] = kapi_bdev_from_fd(dup(rig->fd[i]), "member", O_RDWR);
		require(!IS_ERR(rig->bdev[i]));
		bce_sb_member(rig->b[0].sb, i, &m);
		m.durability = rig->o.durability[i] ?: 1;
		m.discard = rig->o.discard;
		m.state = MEMBER_RW;
		require(!bce_member_attach(rig->members, i, rig->bdev[i], &m, "member", rig));
	}
	rig->config.members = rig->members;
}

void jr_members_close(struct jr_rig *rig)
{
	unsigned int i;

	bce_members_free(rig->members);
	rig->members = NULL;
	for (i = 0; i < rig->o.nr; i++) {
		kapi_bdev_close(rig->bdev[i]);
		rig->bdev[i] = NULL;
	}
}

/* ---- what the journal asks ---- */

static unsigned int put_root_entry(void *out, unsigned int btree, u8 value)
{
	u64 key[14];
	unsigned int u64s = jb_btree_ptr(key, SPOS_MAX, 0, value * SBB_NODE_SECTORS) / 8;
	struct jset_entry *e = out;

	*e = (struct jset_entry) {
		.u64s = cpu_to_le16(u64s), .btree_id = btree, .level = value % 3,
		.type = JSET_ENTRY_btree_root,
	};
	memcpy(e->payload, key, u64s * 8);
	return 1 + u64s;
}

static unsigned int op_roots(void *ctx, void *out, unsigned int room)
{
	struct jr_rig *rig = ctx;
	unsigned int i, u64s = 0;

	for (i = 0; i < JR_ROOTS; i++)
		if (rig->root[i])
			u64s += put_root_entry((__le64 *)out + u64s, i, rig->root[i]);
	require(u64s <= room);
	return u64s;
}

static u64 op_key_version(void *ctx)
{
	return 4711;
}

static u64 op_io_clock(void *ctx, unsigned int rw)
{
	return 1000 + rw;
}

static int op_mark_replicas(void *ctx, u64 devs)
{
	struct jr_rig *rig = ctx;

	unsigned int i = __atomic_fetch_add(&rig->nr_marked, 1, __ATOMIC_SEQ_CST);

	require(i < ARRAY_SIZE(rig->marked));
	rig->marked[i] = devs;
	return 0;
}

static int op_flush_failed(void *ctx, u64 devs)
{
	return 0;
}

static void op_flushed(void *ctx, u64 seq)
{
	struct jr_rig *rig = ctx;

	require(seq > rig->flushed);
	rig->flushed = seq;
}

static void op_failed(void *ctx, int error)
{
	struct jr_rig *rig = ctx;

	WRITE_ONCE(rig->failed, error);
}

static const struct journal_ops ops = {
	.roots		= op_roots,
	.key_version	= op_key_version,
	.io_clock	= op_io_clock,
	.mark_replicas	= op_mark_replicas,
	.flush_failed	= op_flush_failed,
	.flushed	= op_flushed,
	.failed		= op_failed,
};

/* ---- life ---- */

static u8 root_at_start(unsigned int btree)
{
	return btree == 2 ? 0 : 1 + btree;	/* the third one comes later */
}

static void fill_config(struct jr_rig *rig)
{
	rig->config = (struct journal_config) {
		.uuid_word		= UUID_WORD,
		.version		= BCH_VERSION_CURRENT,
		.block_sectors		= rig->o.block_sectors,
		.csum_type		= rig->o.csum_type,
		.replicas		= rig->o.replicas,
		.replicas_required	= 1,
		.flush_delay_ms		= 1000,
		.cipher			= rig->cipher,
		.rules			= &rig->rules,
		.log			= rig->log,
		.ring			= rig->ring,
		.next_seq		= 1,
		.replay_seq		= 1,
		.ops			= &ops,
		.ctx			= rig,
	};
}

void jr_init(struct jr_rig *rig, const struct jr_options *o)
{
	static const u8 key[32] = "an ordinary master key, 32 bytes";
	unsigned int i;

	memset(rig, 0, sizeof(*rig));
	rig->o = *o;
	rig->o.replicas = o->replicas ?: 1;
	rig->log = bce_log_alloc("rig");
	bce_log_set_print(rig->log, say, rig);
	rig->entry = calloc(JR_SEQS, sizeof(*rig->entry));
	if (o->encrypted)
		rig->cipher = bce_cipher_alloc(key);
	for (i = 0; i < o->nr; i++)
		make_member(rig, i);
	fill_rules(rig);
	fill_config(rig);
	for (i = 0; i < JR_ROOTS; i++)
		rig->root[i] = root_at_start(i);
	for (i = 0; i < o->nr; i++)
		rig->ring[i] = (struct journal_ring) {
			.usable = true, .nr = o->ring_nr, .bucket = rig->ring_bucket[i],
			.cur_idx = 1,
		};
	jr_members_open(rig);
}

void jr_exit(struct jr_rig *rig)
{
	unsigned int i;

	bce_journal_close(rig->j);
	bce_journal_replay_exit(&rig->r);
	jr_members_close(rig);
	for (i = 0; i < rig->o.nr; i++) {
		close(rig->fd[i]);
		sbb_exit(&rig->b[i]);
	}
	bce_cipher_free(rig->cipher);
	bce_log_free(rig->log);
	free(rig->entry);
}

int jr_open(struct jr_rig *rig)
{
	unsigned int i;
	int ret = bce_journal_open(&rig->j, &rig->config);

	rig->flushed = 0;
	if (ret)
		return ret;
	memset(rig->replayed, 0, sizeof(rig->replayed));
	for (i = 0; i < JR_PINS; i++)
		rig->pin[i] = (struct jr_pin) { .rig = rig };
	return 0;
}

void jr_crash(struct jr_rig *rig)
{
	bce_journal_close(rig->j);
	rig->j = NULL;
}

/* ---- giving it something ---- */

static u64 key_sum(const struct bkey *k)
{
	u64 x = k->p.inode * 0x9e3779b97f4a7c15ULL ^ k->p.offset;

	x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9ULL;
	x ^= k->val_u64s ? le64_to_cpup(k->v) : 0;
	return (x ^ x >> 29) * 0x94d049bb133111ebULL;
}

static int reserve(struct jr_rig *rig, struct journal_res *res, unsigned int u64s,
		   enum journal_watermark wm)
{
	int ret = bce_journal_res_get(rig->j, res, u64s, wm, 0);

	if (!ret) {
		require(res->seq && res->seq < JR_SEQS);
		require(res->end - res->offset == u64s);
	}
	return ret;
}

static void add_keys(struct jr_rig *rig, struct journal_res *res, unsigned int nr, u64 random)
{
	struct jr_entry *e = &rig->entry[res->seq];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		__le64 v = cpu_to_le64(random * (i + 1));
		struct bkey k = {
			.p = POS(res->seq, random % 100000 + i), .type = KEY_TYPE_cookie,
			.val_u64s = 1, .v = &v,
		};

		bce_journal_add_key(rig->j, res, JR_BTREE, 0, &k);
		__atomic_fetch_add(&e->sum, key_sum(&k), __ATOMIC_RELAXED);
		__atomic_fetch_add(&e->keys, 1, __ATOMIC_RELAXED);
	}
}

static u64 put_keys(struct jr_rig *rig, unsigned int nr, enum journal_watermark wm,
		    struct jr_pin *pin, u64 random, int *error);

static int flush_pin(struct journal *j, struct journal_pin *pin, u64 seq)
{
	struct jr_pin *p = container_of(pin, struct jr_pin, pin);
	int error;

	if (p->rig->keep_pins)
		return -EAGAIN;
	/* a pointer to the node that was written */
	if (!put_keys(p->rig, 2, JOURNAL_RECLAIM, NULL, seq, &error))
		return error;
	jr_unpin(p->rig, p);
	return 0;
}

static u64 put_keys(struct jr_rig *rig, unsigned int nr, enum journal_watermark wm,
		    struct jr_pin *pin, u64 random, int *error)
{
	unsigned int unused = random % 5 ? 0 : random % 37;
	struct journal_res res;
	u64 seq;

	*error = reserve(rig, &res, nr * 7 + unused, wm);
	if (*error)
		return 0;
	seq = res.seq;
	add_keys(rig, &res, nr, random);
	if (pin) {
		bce_journal_pin_add(rig->j, &pin->pin, seq, flush_pin);
		__atomic_store_n(&pin->state, 2, __ATOMIC_RELEASE);
	}
	bce_journal_res_put(rig->j, &res);
	return seq;
}

u64 jr_put_keys(struct jr_rig *rig, unsigned int nr, enum journal_watermark wm, u64 random,
		int *error)
{
	return put_keys(rig, nr, wm, NULL, random, error);
}

u64 jr_put_pinned(struct jr_rig *rig, unsigned int nr, struct jr_pin *pin, u64 random, int *error)
{
	u64 seq = put_keys(rig, nr, JOURNAL_NORMAL, pin, random, error);

	if (!seq)
		__atomic_store_n(&pin->state, 0, __ATOMIC_RELEASE);
	return seq;
}

u64 jr_put_root(struct jr_rig *rig, unsigned int btree, u8 value, int *error)
{
	__le64 entry[16];
	unsigned int u64s = put_root_entry(entry, btree, value);
	struct journal_res res;
	struct jset_entry *e;
	u64 seq;

	*error = reserve(rig, &res, u64s, JOURNAL_RECLAIM);
	if (*error)
		return 0;
	seq = res.seq;
	e = bce_journal_add(rig->j, &res, JSET_ENTRY_btree_root, btree, value % 3, u64s - 1);
	memcpy(e->payload, entry + 1, (u64s - 1) * 8);
	rig->entry[seq].root[btree] = value;
	rig->root[btree] = value;
	bce_journal_res_put(rig->j, &res);
	return seq;
}

int jr_flush(struct jr_rig *rig, u64 seq)
{
	int ret = bce_journal_flush_seq(rig->j, seq);
	u64 old = __atomic_load_n(&rig->acked, __ATOMIC_RELAXED);

	seq = min(seq, bce_journal_flushed_seq(rig->j));	/* it may have named what is to come */
	while (!ret && old < seq &&
	       !__atomic_compare_exchange_n(&rig->acked, &old, seq, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	return ret;
}

void jr_unpin(struct jr_rig *rig, struct jr_pin *pin)
{
	u64 seq = READ_ONCE(pin->pin.seq);

	if (rig->unpinning && seq)
		rig->unpinning(rig, seq);
	bce_journal_pin_drop(rig->j, &pin->pin);
	__atomic_store_n(&pin->state, 0, __ATOMIC_RELEASE);
}

u64 jr_oldest_pin(struct jr_rig *rig)
{
	u64 oldest = U64_MAX;
	unsigned int i;

	for (i = 0; i < JR_PINS; i++)
		if (rig->pin[i].pin.seq)
			oldest = min(oldest, rig->pin[i].pin.seq);
	return oldest;
}

/* ---- reading back ---- */

static void check_marked(struct jr_rig *rig, const struct journal_entry *e)
{
	u64 mask = 0;
	unsigned int i;

	for (i = 0; i < e->nr_copies; i++)
		mask |= 1ULL << e->copy[i].dev;
	for (i = 0; i < rig->nr_marked; i++)
		if (rig->marked[i] == mask)
			return;
	/* one that was interrupted may be on fewer, if it is the last */
	require(e->seq > rig->acked || !e->csum_good);
}

static void check_content(struct jr_rig *rig, const struct journal_entry *e)
{
	const struct jr_entry *m = &rig->entry[e->seq];
	const struct jset_entry *sub;
	struct entry_key_walk w;
	unsigned int keys = 0, clocks = 0, roots = 0, usage = 0, dates = 0;
	struct bkey k;
	u64 sum = 0;

	require(e->seq < JR_SEQS);
	for (sub = bce_jset_first(e->jset); sub; sub = bce_jset_next(e->jset, sub)) {
		clocks += sub->type == JSET_ENTRY_clock;
		roots += sub->type == JSET_ENTRY_btree_root;
		usage += sub->type == JSET_ENTRY_usage;
		dates += sub->type == JSET_ENTRY_datetime;
		if (sub->type != JSET_ENTRY_btree_keys)
			continue;
		bce_entry_keys_init(&w, sub);
		while (bce_entry_next_key(&w, &k)) {
			sum += key_sum(&k);
			keys++;
		}
	}
	require(keys == m->keys && sum == m->sum);
	require(clocks == 2 && usage == 1 && dates == 1 && roots >= 2);
}

/* as of entry @seq */
static u8 root_at(struct jr_rig *rig, unsigned int btree, u64 seq)
{
	for (; seq; seq--)
		if (rig->entry[seq].root[btree])
			return rig->entry[seq].root[btree];
	return root_at_start(btree);
}

static void check_roots(struct jr_rig *rig, u64 seq)
{
	unsigned int i;
	size_t bytes;
	u64 key[14];
	u8 value;

	for (i = 0; i < JR_ROOTS; i++) {
		value = root_at(rig, i, seq);
		require(rig->r.root[i].present == !!value);
		if (!value)
			continue;
		bytes = jb_btree_ptr(key, SPOS_MAX, 0, value * SBB_NODE_SECTORS);
		require(!memcmp(rig->r.root[i].key, key, bytes));
		require(rig->r.root[i].level == value % 3);
	}
}

/* where each ring stands, and what is still needed in it */
static void note_positions(struct jr_rig *rig)
{
	memset(rig->ring_seq, 0, sizeof(rig->ring_seq));
	for (unsigned int dev = 0; dev < rig->o.nr; dev++)
		rig->ring[dev].bucket_seq = rig->ring_seq[dev];
	bce_journal_rings_stand(&rig->r, rig->ring, rig->o.nr);
}

/* as recovery does before it writes */
static void blacklist(struct jr_rig *rig, u64 start, u64 end)
{
	struct bch_sb_field_journal_seq_blacklist *f =
		sbb_find(&rig->b[0], BCH_SB_FIELD_journal_seq_blacklist);

	require(rig->nr_blacklisted < JR_BLACKLIST);
	f->entries[rig->nr_blacklisted].start = cpu_to_le64(start);
	f->entries[rig->nr_blacklisted++].end = cpu_to_le64(end);
}

static void read_rings(struct jr_rig *rig, bool read_all)
{
	struct journal_read_context ctx = {
		.sb = rig->b[0].sb, .dev_sb = rig->dev_sb, .members = rig->members,
		.cipher = rig->cipher, .rules = &rig->rules, .log = rig->log,
		.read_all = read_all,
	};
	int ret;

	bce_journal_replay_exit(&rig->r);
	ret = bce_journal_read(&rig->r, &ctx);
	if (ret) {
		fprintf(stderr, "read: %d: %s\n", ret, rig->said);
		abort();
	}
}

void jr_check(struct jr_rig *rig, u64 acked)
{
	size_t i;

	jr_members_close(rig);
	jr_members_open(rig);
	read_rings(rig, false);
	require(rig->r.flush_seq >= acked);
	for (i = 0; i < rig->r.nr_entries; i++) {
		if (rig->r.entry[i]->ignore)
			continue;
		check_content(rig, rig->r.entry[i]);
		check_marked(rig, rig->r.entry[i]);
	}
	check_roots(rig, rig->r.flush_seq);
	require(rig->r.key_version == 4711);
	require(rig->r.io_clock[0] == 1000 && rig->r.io_clock[1] == 1001);
}

void jr_read(struct jr_rig *rig)
{
	unsigned int i;
	u64 s;

	jr_check(rig, rig->acked);
	/* what was never promised is given up */
	for (s = rig->r.flush_seq + 1; s < rig->r.next_seq && s < JR_SEQS; s++)
		memset(&rig->entry[s], 0, sizeof(rig->entry[s]));
	for (i = 0; i < JR_ROOTS; i++)
		rig->root[i] = root_at(rig, i, rig->r.flush_seq);
	note_positions(rig);
	blacklist(rig, rig->r.flush_seq + 1, rig->r.next_seq);
	rig->config.next_seq = rig->r.next_seq;
	rig->config.replay_seq = rig->r.last_seq;
}

void jr_stop(struct jr_rig *rig)
{
	struct journal_ring_end ends[64];
	const struct journal_entry *last;
	unsigned int dev;
	u64 seq;
	int ret = bce_journal_stop(rig->j, &seq, ends);

	if (ret) {
		fprintf(stderr, "stop: %d: %s\n", ret, rig->said);
		abort();
	}
	jr_crash(rig);
	rig->acked = seq;
	jr_read(rig);
	require(rig->r.flush_seq == seq && rig->r.last_seq == seq);
	last = rig->r.entry[rig->r.nr_entries - 1];
	require(last->seq == seq && !rig->entry[seq].keys);
	require(rig->r.next_seq == seq + 1 + JOURNAL_SEQ_SKIP);

	rig->nr_blacklisted--;		/* it was no crash */
	blacklist(rig, 0, 0);
	rig->nr_blacklisted--;
	rig->config.next_seq = rig->config.replay_seq = seq + 1;
	for (dev = 0; dev < rig->o.nr; dev++) {
		if (rig->r.ring_pos[dev].seq) {
			require(ends[dev].last_bucket == rig->ring[dev].cur_idx);
			require(ends[dev].last_offset_sectors == rig->ring[dev].cur_used_sectors);
		}
		rig->ring[dev].cur_idx = ends[dev].last_bucket;
		rig->ring[dev].cur_used_sectors = ends[dev].last_offset_sectors;
		rig->ring[dev].bucket_seq = NULL;
	}
}
