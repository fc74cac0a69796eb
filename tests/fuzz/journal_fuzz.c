// SPDX-License-Identifier: GPL-2.0
/*
 * Journal entries with any contents, in two ways:
 *
 *   a jset in memory of exactly its size: structure, text, and if it is valid the overlay;
 *   a bucket of a ring (flag RING): the whole of bce_journal_read() over a device.
 *
 * Input: 1 byte flags, then the bytes. With RESEAL the magic and the checksum of each entry
 * that has room are made right, so that what lies behind them is reached.
 *
 * Seeds: tests/fuzz/make-seeds.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/slab.h>

#include "../lib/sb_builder.h"
#include "engine/format/ids.h"
#include "engine/journal/journal_internal.h"
#include "engine/journal/overlay.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"

enum {
	FLAG_RESEAL	= 1 << 0,
	FLAG_RING	= 1 << 1,
	FLAG_READ_ALL	= 1 << 2,
	FLAG_ENCRYPTED	= 1 << 3,
};

#define BUCKET_SECTORS	128		/* smaller than the builder's: less to read */
#define BUCKET_BYTES	(BUCKET_SECTORS * SECTOR_BYTES)
#define RING_BUCKET	16
#define BLOCK_BYTES	(SBB_BLOCK_SECTORS * SECTOR_BYTES)
#define UUID_WORD	0x1111111111111111ULL

static struct key_rules_dev rules_dev[BCH_MEMBERS_MAX] = {
	[0] = { .exists = true, .durability = 1, .bucket_sectors = BUCKET_SECTORS,
		.nbuckets = 1 << 20 },
};

static struct key_rules rules = {
	.dev = rules_dev,
	.btree_node_sectors = BUCKET_SECTORS,
	.block_sectors = SBB_BLOCK_SECTORS,
	.encoded_extent_max_sectors = 128,
};

static struct {
	struct sb_builder	b;
	int			fd;
	struct block_device	*bdev;
	struct member_table	*members;
	struct bce_cipher	*cipher;
	struct bce_log		*log;
	const struct bch_sb	*dev_sb[64];
} rig;

static void no_print(void *ctx, enum bce_log_level level, int id, const char *line)
{
}

static void rig_init(void)
{
	static const u8 replicas[] = { BCH_DATA_journal, 1, 0 };
	static const u8 key[32] = { 7 };
	struct bch_sb_field_journal_v2 *ring;
	struct member_info m;

	if (rig.b.sb)
		return;
	sbb_init(&rig.b, 1, 0);
	SBB_SET(&rig.b, BTREE_NODE_SIZE, BUCKET_SECTORS);
	sbb_member(&rig.b, 0)->bucket_size = cpu_to_le16(BUCKET_SECTORS);
	sbb_replicas(&rig.b, replicas, sizeof(replicas));
	ring = sbb_add(&rig.b, BCH_SB_FIELD_journal_v2, 16);
	ring->d[0].start = cpu_to_le64(RING_BUCKET);
	ring->d[0].nr = cpu_to_le64(1);
	sbb_seal(&rig.b);

	rig.fd = sbb_device();
	rig.bdev = kapi_bdev_from_fd(dup(rig.fd), "fuzz", O_RDONLY);
	rig.members = bce_members_alloc();
	bce_sb_member(rig.b.sb, 0, &m);
	if (IS_ERR(rig.bdev) || bce_member_attach(rig.members, 0, rig.bdev, &m, "fuzz", &rig))
		abort();
	rig.dev_sb[0] = rig.b.sb;
	rig.cipher = bce_cipher_alloc(key);
	rig.log = bce_log_alloc("fuzz");
	bce_log_set_print(rig.log, no_print, NULL);
}

/* magic and checksum of the entries from @p on, as far as each has room */
static void reseal(u8 *p, size_t size, bool one)
{
	struct bce_csum csum;
	struct jset *j;
	size_t bytes;

	while (size >= sizeof(*j)) {
		j = (void *)p;
		bytes = jset_bytes(j);
		if (bytes > size)
			return;
		j->magic = cpu_to_le64(jset_magic(UUID_WORD));
		if (!bce_csum(BITS_GET(le32_to_cpu(j->flags), JSET_CSUM_TYPE), rig.cipher,
			      (struct bce_nonce) { .d = { 0, le64_to_cpu(j->seq),
					le64_to_cpu(j->seq) >> 32, 3U << 28 } },
			      p + 16, bytes - 16, &csum)) {
			j->csum.lo = cpu_to_le64(csum.lo);
			j->csum.hi = cpu_to_le64(csum.hi);
		}
		bytes = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
		if (one || bytes > size)
			return;
		p += bytes;
		size -= bytes;
	}
}

static int see_delta(void *ctx, const struct bkey *k)
{
	*(u64 *)ctx += k->val_u64s;
	return 0;
}

static void use_overlay(const struct journal_replay *r)
{
	struct keyset_input run;
	unsigned int id, level;
	struct overlay *o;
	u64 sum = 0;

	if (bce_overlay_build(&o, r))
		return;
	for (id = 0; id <= BTREE_ID_MAX; id++)
		for (level = 0; level <= BTREE_LEVELS_MAX; level++)
			bce_overlay_range(o, id, level, POS(1, 0), POS(1ULL << 40, 0), &run);
	bce_overlay_accounting(o, POS_MIN, SPOS_MAX, see_delta, &sum);
	bce_overlay_free(o);
}

static void use_text(const struct jset *j)
{
	struct text_buf out = TEXT_BUF_INIT;
	const struct jset_entry *e;

	for (e = bce_jset_first(j); e; e = bce_jset_next(j, e))
		bce_entry_text(&out, e, &rules);
	bce_text_exit(&out);
}

static void one_jset(const u8 *data, size_t size, bool seal)
{
	struct journal_entry entry = { .csum_good = true }, *entries[1] = { &entry };
	struct journal_replay r = { .entry = entries, .nr_entries = 1 };
	struct text_buf err = TEXT_BUF_INIT;
	u8 *p = malloc(size ?: 1);
	int id;

	memcpy(p, data, size);
	if (seal)
		reseal(p, size, true);
	entry.jset = (void *)p;
	entry.bytes = size;
	id = bce_jset_validate(entry.jset, size, &rules, &err);
	if (id && !err.len)
		abort();	/* a refusal without a reason */
	if (size >= sizeof(struct jset) && jset_bytes(entry.jset) <= size)
		use_text(entry.jset);
	if (!id) {
		use_overlay(&r);
		if (journal_early_apply(&r, entry.jset->entries, le32_to_cpu(entry.jset->u64s)))
			abort();
		journal_blacklist_sort(r.blacklist);
		bce_journal_seq_blacklisted(r.blacklist, 5);
		kvfree(r.blacklist);
	}
	bce_text_exit(&err);
	free(p);
}

static void one_ring(const u8 *data, size_t size, unsigned int flags)
{
	static u8 bucket[BUCKET_BYTES];
	struct journal_read_context ctx = {
		.sb = rig.b.sb,
		.dev_sb = rig.dev_sb,
		.members = rig.members,
		.cipher = flags & FLAG_ENCRYPTED ? rig.cipher : NULL,
		.rules = &rules,
		.log = rig.log,
		.read_all = flags & FLAG_READ_ALL,
	};
	struct journal_replay r;
	size_t i;

	memset(bucket, 0, sizeof(bucket));
	memcpy(bucket, data, size < sizeof(bucket) ? size : sizeof(bucket));
	if (flags & FLAG_RESEAL)
		reseal(bucket, sizeof(bucket), false);
	if (pwrite(rig.fd, bucket, sizeof(bucket), (off_t)RING_BUCKET * BUCKET_BYTES) < 0)
		abort();
	if (bce_journal_read(&r, &ctx))
		return;
	use_overlay(&r);
	for (i = 0; i < r.nr_entries; i++)
		use_text(r.entry[i]->jset);
	bce_journal_replay_exit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	rig_init();
	if (data[0] & FLAG_RING)
		one_ring(data + 1, size - 1, data[0]);
	else
		one_jset(data + 1, size - 1, data[0] & FLAG_RESEAL);
	return 0;
}
