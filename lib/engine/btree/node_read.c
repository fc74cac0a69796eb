// SPDX-License-Identifier: GPL-2.0
/*
 * A btree node from disk and journal into memory.
 *
 *   replica --read--> buffer --bce_node_parse()--> runs of keys  --+
 *                                                                 +--merge--> the node's keys
 *   journal overlay: keys of this btree and level in its range  --+
 *
 * The members that hold a replica are tried by their latency, failed ones last, then by their order in the
 * pointer; one that is absent, fails or delivers anything but the node is passed over. Only when
 * none is left is the node unreadable. The generations of buckets do not matter here: a pointer
 * that is reachable is live.
 *
 * The overlay is merged as the newest bset would be, so nobody above knows whether a key came
 * from a node or from the journal, and the node may be dropped and read again. Accounting keys
 * are the exception: in the journal they are deltas. Each delta that is newer than the total in
 * the node is added to it, the result is merged as one more run.
 *
 * The format a node has on disk was chosen when it was made; keys that came later may not fit, and
 * the first root of a btree has a format that packs nothing. If it is not one to search quickly the
 * keys get a format of their own in memory, which saves half of it for such roots.
 *
 * The buffer comes from a reserve (node_buffer.c), the keys are allocated at their exact size.
 *
 * Source: docs/format/50-btree.md, 6.5; 30-journal.md, section 9; 80-accounting.md, section 2.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/node_parse.h"
#include "engine/format/ids.h"
#include "engine/key/extent.h"
#include "engine/key/text.h"
#include "engine/util/event.h"

/* ---- accounting deltas ---- */

struct account {
	const struct keyset	*base;		/* totals as the node has them */
	u64			*out;		/* NULL: only count */
	size_t			out_u64s;
	struct bpos		pos;
	struct bversion		version;
	u64			counters[BKEY_VAL_U64S_MAX];
	unsigned int		nr_counters;
	bool			open;		/* a key is being summed */
	bool			changed;
};

static int version_cmp(struct bversion a, struct bversion b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static void account_flush(struct account *a)
{
	struct bkey k = {
		.p = a->pos, .version = a->version, .type = KEY_TYPE_accounting,
		.val_u64s = a->nr_counters, .v = a->counters,
	};

	if (a->open && a->changed) {
		if (a->out)
			bce_key_write_unpacked(&k, (struct disk_key *)(a->out + a->out_u64s));
		a->out_u64s += BKEY_U64S + a->nr_counters;
	}
	a->open = false;
}

/* Begin with the total in the node, or with nothing. */
static void account_open(struct account *a, struct bpos p)
{
	u32 at = bce_keyset_lower_bound(a->base, p);
	struct bkey k;

	a->pos = p;
	a->version = (struct bversion) { };
	a->nr_counters = 0;
	a->open = true;
	a->changed = false;
	if (at >= a->base->nr_u64s)
		return;
	bce_key_unpack(&a->base->format, keyset_at(a->base, at), &k);
	if (bpos_cmp(k.p, p) || k.type != KEY_TYPE_accounting)
		return;
	a->version = k.version;
	a->nr_counters = k.val_u64s;
	memcpy(a->counters, k.v, bkey_val_bytes(&k));
}

static int account_delta(void *ctx, const struct bkey *delta)
{
	const __le64 *v = delta->v;
	struct account *a = ctx;
	unsigned int i;
	u64 total;

	if (!a->open || bpos_cmp(a->pos, delta->p)) {
		account_flush(a);
		account_open(a, delta->p);
	}
	if (version_cmp(a->version, delta->version) >= 0)
		return 0;	/* in the total already */
	for (i = 0; i < delta->val_u64s; i++) {
		total = i < a->nr_counters ? le64_to_cpu((__force __le64)a->counters[i]) : 0;
		total += le64_to_cpu(v[i]);
		a->counters[i] = (__force u64)cpu_to_le64(total);
	}
	a->nr_counters = max_t(unsigned int, a->nr_counters, delta->val_u64s);
	a->version = delta->version;
	a->changed = true;
	return 0;
}

static int account_pass(struct btrees *b, const struct btree_node *n, struct account *a, u64 *out)
{
	int ret;

	a->base = &n->set;
	a->out = out;
	a->out_u64s = 0;
	a->open = false;
	ret = bce_overlay_accounting(b->config.overlay, n->min, n->id.max, account_delta, a);
	account_flush(a);
	return ret;
}

/* Replace the keys of @n by themselves with @run on top. */
static int merge_over(struct btree_node *n, const struct keyset_input *run)
{
	struct keyset old = n->set;
	struct keyset_input runs[] = {
		{
			.format = &old.format,
			.start = old.keys,
			.end = (const struct disk_key *)((const u64 *)old.keys + old.nr_u64s),
		},
		*run,
	};
	int ret;

	memset(&n->set, 0, sizeof(n->set));
	ret = bce_keyset_merge(&n->set, &old.format, runs, ARRAY_SIZE(runs));
	bce_keyset_exit(&old);
	return ret;
}

/* Add the journal's deltas to the totals of an accounting leaf. */
static int add_accounting(struct btrees *b, struct btree_node *n)
{
	struct keyset_input run = { .format = &key_format_position_only };
	struct account *a;
	u64 *keys = NULL;
	int ret;

	a = kvmalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	ret = account_pass(b, n, a, NULL);
	if (ret || !a->out_u64s)
		goto out;
	keys = kvmalloc_array(a->out_u64s, sizeof(*keys), GFP_KERNEL);
	ret = keys ? account_pass(b, n, a, keys) : -ENOMEM;
	if (ret)
		goto out;

	run.start = (struct disk_key *)keys;
	run.end = (struct disk_key *)(keys + a->out_u64s);
	ret = merge_over(n, &run);
out:
	kvfree(keys);
	kvfree(a);
	return ret;
}

/* ---- merging ---- */

/* @runs has room for one more; @repack: some of their keys do not fit the format on disk */
static int merge_runs(struct btrees *b, struct btree_node *n, struct keyset_input *runs,
		      unsigned int nr, bool repack)
{
	const struct overlay *overlay = b->config.overlay;
	struct key_format format = n->disk_format;
	int ret;

	if (overlay) {
		bce_overlay_range(overlay, n->id.btree_id, n->id.level, n->min, n->id.max,
				  &runs[nr]);
		if (runs[nr].start != runs[nr].end) {
			nr++;
			repack = true;
		}
	}
	if (repack || !key_format_searches_well(&format))
		format = bce_keyset_best_format(runs, nr);

	memset(&n->set, 0, sizeof(n->set));
	ret = bce_keyset_merge(&n->set, &format, runs, nr);
	if (!ret && overlay && n->id.btree_id == BTREE_ID_accounting && !n->id.level)
		ret = add_accounting(b, n);
	if (ret) {
		bce_keyset_exit(&n->set);
		return ret;
	}

	n->bad_children = false;
	if (n->id.level) {
		bce_node_zero_hints(n);
		bce_node_check_children(b, n);
	}
	return 0;
}

/* The overlay is there as long as it is used. */
static int node_merge(struct btrees *b, struct btree_node *n, struct keyset_input *runs,
		      unsigned int nr, bool repack)
{
	int ret;

	down_read(&b->overlay_lock);
	ret = merge_runs(b, n, runs, nr, repack);
	up_read(&b->overlay_lock);
	return ret;
}

int bce_node_make(struct btrees *b, struct btree_node *n, const struct keyset_input *run)
{
	struct keyset_input runs[2];
	unsigned int nr = 0;

	if (run)
		runs[nr++] = *run;
	n->min = POS_MIN;
	n->disk_format = key_format_position_only;
	bce_open_init(&n->open, OPEN_NEVER_WRITTEN);
	return node_merge(b, n, runs, nr, true);
}

/* ---- replicas ---- */

struct replicas {
	struct extent_ptr	ptr[BTREE_PTRS_MAX];
	u64			latency_ns[BTREE_PTRS_MAX];
	unsigned int		nr;
};

/* fastest first; equal ones stay in the order of the key */
static void replicas_add(struct replicas *r, const struct extent_ptr *ptr, u64 latency_ns)
{
	unsigned int i;

	if (r->nr == BTREE_PTRS_MAX)
		return;
	for (i = r->nr++; i && r->latency_ns[i - 1] > latency_ns; i--) {
		r->ptr[i] = r->ptr[i - 1];
		r->latency_ns[i] = r->latency_ns[i - 1];
	}
	r->ptr[i] = *ptr;
	r->latency_ns[i] = latency_ns;
}

/* what has failed comes last */
static u64 replica_latency_ns(struct btrees *b, unsigned int dev)
{
	struct member_dev *m = bce_member_get_io_quietly(b->config.members, dev);
	bool failed = m && bce_member_is_failed(m);

	if (m)
		bce_member_put_io(m);
	return failed ? U64_MAX : bce_member_latency_ns(b->config.members, dev);
}

static void replicas_of(struct btrees *b, const struct bkey *ptr, struct replicas *out)
{
	struct extent_ptr_decoded p;
	struct extent_walk walk;

	out->nr = 0;
	bce_extent_walk_init(&walk, ptr, b->config.node_sectors);
	while (bce_extent_next_ptr(&walk, &p))
		replicas_add(out, &p.ptr, replica_latency_ns(b, p.ptr.dev));
}

/* what one read works on */
struct node_read {
	struct btrees		*b;
	struct btree_node	*n;
	const struct bkey	*ptr;
	struct node_expect	expect;
	struct node_image	image;
};

static void log_node(const struct node_read *r, enum bce_error id, const char *dev,
		     const char *what)
{
	struct text_buf pos = TEXT_BUF_INIT;

	bce_pos_text(&pos, r->n->id.max);
	bce_log_error(r->b->config.log, id, "%s: btree %s level %u %s: %s", dev,
		      bce_btree_name(r->n->id.btree_id), r->n->id.level, bce_text_str(&pos),
		      what);
	bce_text_exit(&pos);
}

static int replica_read(struct node_read *r, struct member_dev *m, u64 sector)
{
	u32 node_sectors = r->b->config.node_sectors;
	u32 sectors = r->expect.v2 ? min_t(u32, r->expect.sectors_written, node_sectors) :
		node_sectors;
	u64 start = ktime_get_ns();
	int ret;

	r->image.bytes = (size_t)sectors * SECTOR_BYTES;
	ret = sectors ? bce_member_read_sync(m, sector, r->image.data, r->image.bytes) : 0;
	bce_member_io_done(m, ktime_get_ns() - start, ret);
	bce_member_count_read(m, sectors);
	atomic64_inc(&r->b->reads);
	bce_event(r->b->config.log, BCE_EVENT_btree_node_read, 1);
	trace_bce_btree_node_read(bce_event_set(r->b->config.log), r->n->id.btree_id, r->n->id.level, sectors, ret);
	if (ret) {
		log_node(r, BCE_ERR_btree_node_read_error, m->name, "device read failed");
		return ret;
	}
	ret = bce_node_parse(&r->image, &r->b->config, &r->expect, m->name);
	if (ret == -EBADMSG)
		bce_member_count_csum_error(m);
	return ret;
}

static int replica_try(struct node_read *r, const struct extent_ptr *ptr)
{
	struct member_dev *m = bce_member_get_io(r->b->config.members, ptr->dev);
	int ret;

	if (!m)
		return -ENXIO;
	ret = replica_read(r, m, ptr->sector);
	bce_member_put_io(m);
	return ret;
}

static int replicas_try(struct node_read *r)
{
	int ret = -ENXIO, last = -ENXIO;
	struct replicas replicas;
	unsigned int i;

	replicas_of(r->b, r->ptr, &replicas);
	for (i = 0; i < replicas.nr && last; i++) {
		last = replica_try(r, &replicas.ptr[i]);
		if (last != -ENXIO)
			ret = last;
	}
	if (!ret)
		return 0;

	atomic64_inc(&r->b->read_errors);
	log_node(r, BCE_ERR_btree_node_read_error, "node unreadable",
		 ret == -ENXIO ? "no member with a replica is present" : "no good replica");
	return ret == -ENOKEY ? ret : -EIO;
}

/* ---- what is known to be damaged ---- */

void bce_btrees_damage_once(struct btrees *b, bool on)
{
	struct damage *d = &b->damage;

	spin_lock(&d->lock);
	if (on) {
		d->users++;
	} else if (!--d->users) {
		d->nr = 0;
		d->roots = 0;
	}
	spin_unlock(&d->lock);
}

/* under the lock */
static bool damage_find(const struct damage *d, const struct node_id *id)
{
	for (unsigned int i = 0; i < d->nr; i++)
		if (d->node[i].btree_id == id->btree_id && d->node[i].level == id->level &&
		    d->node[i].ptr == id->ptr && d->node[i].seq == id->seq)
			return true;
	return false;
}

static bool damage_is_known(struct damage *d, const struct node_id *id)
{
	bool known;

	spin_lock(&d->lock);
	known = damage_find(d, id);
	spin_unlock(&d->lock);
	return known;
}

static void damage_note(struct damage *d, const struct node_id *id)
{
	spin_lock(&d->lock);
	if (d->users && d->nr < DAMAGE_MAX && !damage_find(d, id))
		d->node[d->nr++] = *id;
	spin_unlock(&d->lock);
}

bool bce_damage_note_root(struct btrees *b, unsigned int btree_id)
{
	struct damage *d = &b->damage;
	bool first;

	spin_lock(&d->lock);
	first = !(d->roots >> btree_id & 1);
	if (d->users)
		d->roots |= 1ULL << btree_id;
	spin_unlock(&d->lock);
	return first;
}

/* ---- for others ---- */

int bce_node_read(struct btrees *b, struct btree_node *n, const struct bkey *ptr,
		  struct bpos min)
{
	struct node_read r = { .b = b, .n = n, .ptr = ptr };
	struct node_buffer *buf;
	int ret;

	if (damage_is_known(&b->damage, &n->id))
		return -EIO;
	bce_node_expect(&r.expect, n->id.btree_id, n->id.level, ptr);
	if (!r.expect.min_known) {
		r.expect.min = min;
		r.expect.min_known = true;
	}

	buf = bce_node_buffer_get(&b->buffers);
	r.image.data = buf->data;
	r.image.runs = buf->runs;
	ret = replicas_try(&r);
	if (!ret) {
		n->min = r.image.min;
		n->disk_format = r.image.format;
		n->written_sectors = r.expect.sectors_written;
		n->node_seq = BITS_GET(le64_to_cpu(((struct btree_node_disk *)buf->data)->flags),
				       BTREE_NODE_SEQ);
		bce_open_init(&n->open, 0);
		ret = node_merge(b, n, r.image.runs, r.image.nr_runs, r.image.nr_unpacked);
	}
	if (ret == -EIO)
		damage_note(&b->damage, &n->id);
	bce_node_buffer_put(&b->buffers, buf);
	return ret;
}
