// SPDX-License-Identifier: GPL-2.0
/*
 * Rings made by hand: which entries are replayed, what is missing, torn, blacklisted, damaged
 * on one member and good on another (docs/format/30-journal.md, sections 7 to 9).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>

#include "../../lib/jset_builder.h"
#include "../../lib/sb_builder.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/journal/overlay.h"
#include "engine/journal/replay.h"
#include "engine/key/pack.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"

#define NR		2
#define RING_FIRST	8		/* buckets 8..15 of each member are its ring */
#define RING_NR		8
#define BUCKET_BYTES	(SBB_BUCKET_SECTORS * 512)
#define BTREE		BTREE_ID_rebalance_work

/* two members, one log; entries are put anywhere, then read */
struct rig {
	struct sb_builder	b[NR];
	int			fd[NR];
	struct block_device	*bdev[NR];
	struct member_table	*members;
	struct bce_cipher	*cipher;
	struct bce_log		*log;
	char			said[8192];
	unsigned int		csum_type;
	const struct bch_sb	*dev_sb[64];
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	struct journal_read_context ctx;
	struct journal_replay	r;
	u64			uuid_word;
};

static void say(void *ctx, enum bce_log_level level, int id, const char *line)
{
	struct rig *rig = ctx;
	size_t len = strlen(rig->said);

	snprintf(rig->said + len, sizeof(rig->said) - len, "[%d] %s\n", id, line);
}

static void rig_init(struct rig *rig)
{
	static const u8 replicas[] = {
		BCH_DATA_journal, 1, 0, BCH_DATA_journal, 1, 1, BCH_DATA_journal, 2, 0, 1,
	};
	struct bch_sb_field_journal_v2 *ring;
	unsigned int i;

	memset(rig, 0, sizeof(*rig));
	for (i = 0; i < NR; i++) {
		sbb_init(&rig->b[i], NR, i);
		sbb_replicas(&rig->b[i], replicas, sizeof(replicas));
		ring = sbb_add(&rig->b[i], BCH_SB_FIELD_journal_v2, 32);
		ring->d[0].start = cpu_to_le64(RING_FIRST);
		ring->d[0].nr = cpu_to_le64(RING_NR - 2);
		ring->d[1].start = cpu_to_le64(RING_FIRST + RING_NR - 2);
		ring->d[1].nr = cpu_to_le64(2);
		rig->fd[i] = sbb_device();
	}
	rig->csum_type = BCH_CSUM_crc32c_nonzero;
	rig->uuid_word = 0x1111111111111111ULL;
	rig->log = bce_log_alloc("rig");
	bce_log_set_print(rig->log, say, rig);
}

static void fill_rules(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		rig->rules_dev[i] = (struct key_rules_dev) {
			.exists = true,
			.bucket_sectors = SBB_BUCKET_SECTORS,
			.nbuckets = SBB_NBUCKETS,
		};
	rig->rules = (struct key_rules) {
		.dev = rig->rules_dev,
		.btree_node_sectors = SBB_NODE_SECTORS,
		.block_sectors = SBB_BLOCK_SECTORS,
		.encoded_extent_max_sectors = 128,
	};
}

static void rig_open(struct rig *rig)
{
	struct member_info m;
	unsigned int i;

	rig->members = bce_members_alloc();
	fill_rules(rig);
	for (i = 0; i < NR; i++) {
		sbb_seal(&rig->b[i]);
		rig->bdev[i] = kapi_bdev_from_fd(dup(rig->fd[i]), "device", O_RDONLY);
		assert_false(IS_ERR(rig->bdev[i]));
		bce_sb_member(rig->b[0].sb, i, &m);
		assert_int_equal(bce_member_attach(rig->members, i, rig->bdev[i], &m,
						   i ? "sdb" : "sda", rig), 0);
		rig->dev_sb[i] = rig->b[i].sb;
	}
	rig->ctx = (struct journal_read_context) {
		.sb = rig->b[0].sb,
		.dev_sb = rig->dev_sb,
		.members = rig->members,
		.cipher = rig->cipher,
		.rules = &rig->rules,
		.log = rig->log,
		.read_all = rig->ctx.read_all,
		.skip_blacklist_error = rig->ctx.skip_blacklist_error,
	};
}

/* read with what the rig holds */
static int rig_read(struct rig *rig)
{
	if (!rig->members)
		rig_open(rig);
	return bce_journal_read(&rig->r, &rig->ctx);
}

static void rig_exit(struct rig *rig)
{
	unsigned int i;

	bce_journal_replay_exit(&rig->r);
	bce_members_free(rig->members);
	for (i = 0; i < NR; i++) {
		if (rig->bdev[i])
			kapi_bdev_close(rig->bdev[i]);
		close(rig->fd[i]);
		sbb_exit(&rig->b[i]);
	}
	bce_cipher_free(rig->cipher);
	bce_log_free(rig->log);
}

/* an entry with one key of its own number; @last_seq 0: noflush */
static void make(struct rig *rig, struct jset_builder *j, u64 seq, u64 last_seq)
{
	jb_init(j, rig->uuid_word, seq, last_seq);
	jb_cookie(j, BTREE, POS(0, seq), seq);
}

/* put it to ring index @ring of the members in @mask; returns the offset behind it */
static size_t put(struct rig *rig, u64 seq, u64 last_seq, unsigned int mask, unsigned int ring,
		  size_t offset)
{
	struct jset_builder j;
	size_t end = 0;
	unsigned int i;

	make(rig, &j, seq, last_seq);
	jb_seal(&j, rig->csum_type, rig->cipher);
	for (i = 0; i < NR; i++)
		if (mask >> i & 1)
			end = jb_write(&j, rig->fd[i], RING_FIRST + ring, offset);
	jb_exit(&j);
	return end;
}

static void flip(struct rig *rig, unsigned int dev, unsigned int ring, size_t offset)
{
	u64 at = (u64)(RING_FIRST + ring) * BUCKET_BYTES + offset;
	u8 v;

	assert_int_equal(pread(rig->fd[dev], &v, 1, at), 1);
	v ^= 0x40;
	assert_int_equal(pwrite(rig->fd[dev], &v, 1, at), 1);
}

#define BODY	80		/* an offset inside the sub-entries of any entry */

static void assert_said(struct rig *rig, enum bce_error id)
{
	if (!bce_log_error_count(rig->log, id))
		fail_msg("no %s in: %s", bce_error_name(id), rig->said);
}

static void assert_set(struct rig *rig, u64 first, u64 last, u64 next)
{
	assert_int_equal(rig->r.last_seq, first);
	assert_int_equal(rig->r.flush_seq, last);
	assert_int_equal(rig->r.next_seq, next);
}

/* numbers of the entries that are replayed */
static void assert_entries(struct rig *rig, const char *expected)
{
	char text[256] = "";
	size_t i;

	for (i = 0; i < rig->r.nr_entries; i++)
		if (!rig->r.entry[i]->ignore)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%llu ",
				 (unsigned long long)rig->r.entry[i]->seq);
	assert_string_equal(text, expected);
}

/* ---- selection ---- */

/* section 8: flush 100, noflush 101, 102: blacklisted are 101 to 110, next is 111 */
static void noflush_tail(void **state)
{
	struct rig rig;
	size_t end;

	rig_init(&rig);
	end = put(&rig, 98, 97, 1, 3, 0);
	end = put(&rig, 99, 0, 1, 3, end);
	end = put(&rig, 100, 98, 1, 3, end);
	end = put(&rig, 101, 0, 1, 3, end);
	put(&rig, 102, 0, 1, 4, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_set(&rig, 98, 100, 111);
	assert_entries(&rig, "98 99 100 ");
	assert_int_equal(rig.r.nr_entries, 3);
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 100));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 101));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 110));
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 111));
	assert_int_equal(bce_log_errors_total(rig.log), 0);
	rig_exit(&rig);
}

/* observed: only flush entry 6: blacklist [7, 15) */
static void single_flush(void **state)
{
	struct rig rig;

	rig_init(&rig);
	put(&rig, 6, 6, 1, 1, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_set(&rig, 6, 6, 15);
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 14));
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 15));
	rig_exit(&rig);
}

static void torn_newest(void **state)
{
	struct rig rig;
	size_t end;

	rig_init(&rig);
	end = put(&rig, 10, 9, 1, 0, 0);
	put(&rig, 9, 9, 1, 7, 0);
	put(&rig, 11, 10, 1, 0, end);
	flip(&rig, 0, 0, end + BODY);
	assert_int_equal(rig_read(&rig), 0);
	assert_set(&rig, 9, 10, 11 + 1 + 8);
	assert_entries(&rig, "9 10 ");
	rig_exit(&rig);
}

/* only the newest can have been torn */
static void two_torn(void **state)
{
	struct rig rig;
	size_t end;

	rig_init(&rig);
	end = put(&rig, 9, 9, 1, 0, 0);
	put(&rig, 10, 9, 1, 0, end);
	flip(&rig, 0, 0, end + BODY);
	put(&rig, 11, 10, 1, 1, 0);
	flip(&rig, 0, 1, BODY);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_non_null(strstr(rig.said, "entry 10 is needed, but has no copy with a good"));
	rig_exit(&rig);
}

static void damaged_in_set(void **state)
{
	struct rig rig;
	size_t end;

	rig_init(&rig);
	end = put(&rig, 9, 9, 1, 0, 0);
	put(&rig, 10, 0, 1, 0, end);
	flip(&rig, 0, 0, end + BODY);
	end = put(&rig, 11, 9, 1, 0, end + 4096);	/* found behind the damage */
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_non_null(strstr(rig.said, "entry 10 is needed"));
	assert_null(strstr(rig.said, "entry 11 is needed"));
	rig_exit(&rig);
}

static void missing(void **state)
{
	struct rig rig;

	rig_init(&rig);
	put(&rig, 9, 9, 1, 0, 0);
	put(&rig, 12, 9, 1, 1, 0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_journal_entries_missing);
	assert_non_null(strstr(rig.said, "from 10 missing before 12"));
	rig_exit(&rig);

	rig_init(&rig);		/* the oldest ones */
	put(&rig, 12, 9, 1, 1, 0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_non_null(strstr(rig.said, "from 9 missing before 12"));
	rig_exit(&rig);
}

static void blacklist(struct rig *rig, u64 start, u64 end)
{
	struct bch_sb_field_journal_seq_blacklist *bl =
		sbb_add(&rig->b[0], BCH_SB_FIELD_journal_seq_blacklist, 16);

	bl->entries[0].start = cpu_to_le64(start);
	bl->entries[0].end = cpu_to_le64(end);
}

/* numbers given up by an earlier recovery leave a gap, and entries in it do not count */
static void blacklisted_gap(void **state)
{
	struct rig rig;
	size_t end;

	rig_init(&rig);
	blacklist(&rig, 10, 18);
	end = put(&rig, 9, 9, 1, 0, 0);
	end = put(&rig, 10, 0, 1, 0, end);		/* never flushed, then given up */
	end = put(&rig, 11, 9, 1, 0, end);
	flip(&rig, 0, 0, end - 4096 + BODY);		/* torn, then given up */
	put(&rig, 18, 9, 1, 1, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_entries(&rig, "9 18 ");
	assert_set(&rig, 9, 18, 27);
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 10));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 17));
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 18));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 19));
	assert_int_equal(bce_log_errors_total(rig.log), 0);
	rig_exit(&rig);
}

static void gap_too_large(void **state)
{
	struct rig rig;

	rig_init(&rig);
	blacklist(&rig, 10, 17);
	put(&rig, 9, 9, 1, 0, 0);
	put(&rig, 18, 9, 1, 1, 0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_non_null(strstr(rig.said, "from 17 missing before 18"));
	rig_exit(&rig);
}

static void blacklisted_flush(void **state)
{
	struct rig rig;
	int skip;

	for (skip = 0; skip < 2; skip++) {
		rig_init(&rig);
		rig.ctx.skip_blacklist_error = skip;
		blacklist(&rig, 10, 11);
		put(&rig, 9, 9, 1, 0, 0);
		put(&rig, 10, 9, 1, 1, 0);
		put(&rig, 11, 9, 1, 2, 0);
		assert_int_equal(rig_read(&rig), skip ? 0 : -EBADMSG);
		assert_said(&rig, BCE_ERR_jset_seq_blacklisted);
		if (skip)
			assert_entries(&rig, "9 11 ");
		rig_exit(&rig);
	}
}

static void nothing_there(void **state)
{
	struct rig rig;

	rig_init(&rig);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_dirty_but_no_journal_entries);
	rig_exit(&rig);

	rig_init(&rig);
	put(&rig, 5, 0, 1, 0, 0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_dirty_but_no_journal_entries_post_drop_nonflushes);
	rig_exit(&rig);

	rig_init(&rig);
	put(&rig, 5, 6, 1, 0, 0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_jset_last_seq_newer_than_seq);
	rig_exit(&rig);

	rig_init(&rig);
	put(&rig, 5, 5, 1, 0, 0);
	rig.b[0].sb->features[0] = cpu_to_le64(0);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_non_null(strstr(rig.said, "features"));
	rig_exit(&rig);
}

/* ---- buckets ---- */

/* the previous life of a bucket lies behind the new entries */
static void stale_tail(void **state)
{
	struct rig rig;
	size_t end, i;

	rig_init(&rig);
	for (i = 0, end = 0; i < 20; i++)
		end = put(&rig, 10 + i, 10, 1, 0, end);
	end = put(&rig, 50, 50, 1, 0, 0);
	end = put(&rig, 51, 50, 1, 0, end);
	rig.ctx.read_all = true;
	assert_int_equal(rig_read(&rig), 0);
	assert_int_equal(rig.r.nr_entries, 2);
	assert_entries(&rig, "50 51 ");
	rig_exit(&rig);
}

/* older than needed: dropped, or kept and marked for listings */
static void older_entries(void **state)
{
	struct rig rig;
	int all;

	for (all = 0; all < 2; all++) {
		rig_init(&rig);
		put(&rig, 3, 3, 1, 0, 0);
		put(&rig, 4, 0, 1, 1, 0);
		put(&rig, 5, 5, 1, 2, 0);
		put(&rig, 6, 0, 1, 3, 0);
		rig.ctx.read_all = all;
		assert_int_equal(rig_read(&rig), 0);
		assert_entries(&rig, "5 ");
		assert_int_equal(rig.r.nr_entries, all ? 4 : 1);
		rig_exit(&rig);
	}
}

/* entries beyond the piece of a bucket that is read ahead, and one that is longer than it */
static void whole_buckets(void **state)
{
	static u8 text[200 << 10];
	struct jset_builder j;
	struct rig rig;
	size_t end = 0;
	u64 seq;

	rig_init(&rig);
	memset(text, 'x', sizeof(text));
	jb_init(&j, rig.uuid_word, 1, 1);
	jb_entry(&j, JSET_ENTRY_log, 0, 0, text, sizeof(text));
	jb_seal(&j, rig.csum_type, NULL);
	end = jb_write(&j, rig.fd[0], RING_FIRST, end);
	jb_exit(&j);
	for (seq = 2; end + 4096 <= BUCKET_BYTES; seq++)
		end = put(&rig, seq, 1, 1, 0, end);
	assert_int_equal(end, BUCKET_BYTES);
	assert_int_equal(rig_read(&rig), 0);
	assert_set(&rig, 1, seq - 1, seq + 8);
	assert_int_equal(rig.r.nr_entries, seq - 1);
	assert_int_equal(rig.r.entry[0]->bytes, sizeof(struct jset) + 8 + sizeof(text));
	rig_exit(&rig);
}

static void wrong_sizes(void **state)
{
	struct jset_builder j;
	struct rig rig;

	rig_init(&rig);		/* longer than its bucket, and then a good one */
	make(&rig, &j, 7, 7);
	j.j->u64s = cpu_to_le32(0xffffffff);
	pwrite(rig.fd[0], j.j, 4096, (u64)RING_FIRST * BUCKET_BYTES);
	jb_exit(&j);
	put(&rig, 8, 8, 1, 0, 4096);
	assert_int_equal(rig_read(&rig), 0);
	assert_said(&rig, BCE_ERR_jset_past_bucket_end);
	assert_entries(&rig, "8 ");
	rig_exit(&rig);

	rig_init(&rig);		/* whole, but of the future */
	make(&rig, &j, 7, 7);
	j.j->version = cpu_to_le32(2048);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST, 0);
	jb_exit(&j);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_jset_unsupported_version);
	rig_exit(&rig);

	rig_init(&rig);		/* sub-entries that run past the end */
	make(&rig, &j, 7, 7);
	jb_entry(&j, JSET_ENTRY_log, 0, 0, "text", 4)->u64s = cpu_to_le16(2);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST, 0);
	jb_exit(&j);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_journal_entry_past_jset_end);
	rig_exit(&rig);
}

/* another set's journal may have been here */
static void foreign_magic(void **state)
{
	struct rig rig;

	rig_init(&rig);
	put(&rig, 4, 4, 1, 0, 0);
	rig.uuid_word ^= 1;
	put(&rig, 9, 9, 1, 0, 4096);
	put(&rig, 10, 10, 1, 1, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_entries(&rig, "4 ");
	rig_exit(&rig);
}

/* ---- members ---- */

static void good_copy_wins(void **state)
{
	struct rig rig;

	rig_init(&rig);
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	flip(&rig, 0, 0, BODY);
	flip(&rig, 1, 1, BODY);
	assert_int_equal(rig_read(&rig), 0);
	assert_entries(&rig, "4 5 ");
	assert_int_equal(rig.r.entry[0]->nr_copies, 2);
	assert_true(rig.r.entry[0]->csum_good);
	assert_int_equal(rig.r.entry[0]->copy[0].dev, 1);
	assert_true(rig.r.entry[0]->copy[0].csum_good);
	assert_false(rig.r.entry[0]->copy[1].csum_good);
	assert_int_equal(rig.r.entry[1]->copy[0].dev, 0);
	assert_int_equal(rig.r.entry[1]->copy[0].ring_index, 1);
	assert_int_equal(bce_log_errors_total(rig.log), 0);
	rig_exit(&rig);
}

static void copies_that_differ(void **state)
{
	struct jset_builder j;
	struct rig rig;

	rig_init(&rig);
	put(&rig, 4, 4, 1, 0, 0);
	make(&rig, &j, 4, 4);
	jb_cookie(&j, BTREE, POS(0, 99), 1);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[1], RING_FIRST, 0);
	jb_exit(&j);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_journal_entry_replicas_data_mismatch);
	rig_exit(&rig);

	rig_init(&rig);		/* the same twice on one member: told, and no harm */
	put(&rig, 4, 4, 1, 0, 0);
	put(&rig, 4, 4, 1, 5, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_said(&rig, BCE_ERR_journal_entry_dup_same_device);
	assert_int_equal(rig.r.nr_entries, 1);
	rig_exit(&rig);
}

static void set_replicas(struct rig *rig, const u8 *entries, size_t bytes)
{
	struct bch_sb_field *f = sbb_find(&rig->b[0], BCH_SB_FIELD_replicas_v0);

	memset(f + 1, 0, 8 * le32_to_cpu(f->u64s) - sizeof(*f));
	memcpy(f + 1, entries, bytes);
}

/* rings of members without journal in the table are not looked at */
static void scanned_members(void **state)
{
	static const u8 only_first[] = { BCH_DATA_journal, 1, 0 };
	struct rig rig;
	int all;

	for (all = 0; all < 2; all++) {
		rig_init(&rig);
		set_replicas(&rig, only_first, sizeof(only_first));
		put(&rig, 4, 4, 1, 0, 0);
		put(&rig, 5, 5, 2, 0, 0);
		rig.ctx.read_all = all;
		assert_int_equal(rig_read(&rig), 0);
		assert_entries(&rig, all ? "5 " : "4 ");
		rig_exit(&rig);
	}
}

static void unlisted_combination(void **state)
{
	static const u8 alone[] = { BCH_DATA_journal, 1, 0, BCH_DATA_journal, 1, 1 };
	struct rig rig;

	rig_init(&rig);
	set_replicas(&rig, alone, sizeof(alone));
	put(&rig, 4, 4, 3, 0, 0);		/* seq = last_seq is let pass */
	assert_int_equal(rig_read(&rig), 0);
	assert_int_equal(bce_log_errors_total(rig.log), 0);
	rig_exit(&rig);

	rig_init(&rig);
	set_replicas(&rig, alone, sizeof(alone));
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	assert_int_equal(rig_read(&rig), 0);
	assert_said(&rig, BCE_ERR_journal_entry_replicas_not_marked);
	assert_int_equal(bce_log_errors_total(rig.log), 1);
	rig_exit(&rig);
}

/* a member that is away leaves its entries with fewer copies, which is no finding */
static void missing_member(void **state)
{
	static const u8 both[] = { BCH_DATA_journal, 2, 0, 1 };
	struct rig rig;

	rig_init(&rig);
	set_replicas(&rig, both, sizeof(both));
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	rig_open(&rig);
	bce_members_detach(rig.members, &rig);
	assert_int_equal(bce_member_attach(rig.members, 0, rig.bdev[0],
					   &(struct member_info) { .exists = true,
						.bucket_sectors = SBB_BUCKET_SECTORS },
					   "sda", &rig), 0);
	rig.dev_sb[1] = NULL;
	assert_int_equal(rig_read(&rig), 0);
	assert_entries(&rig, "4 5 ");
	assert_int_equal(bce_log_errors_total(rig.log), 0);
	rig_exit(&rig);
}

static blk_status_t fail_bucket(struct bio *bio, void *priv)
{
	u64 first = (u64)(RING_FIRST + 1) * SBB_BUCKET_SECTORS;

	return bio->bi_iter.bi_sector >= first &&
	       bio->bi_iter.bi_sector < first + SBB_BUCKET_SECTORS ? BLK_STS_MEDIUM : BLK_STS_OK;
}

/* a bucket cannot be read: harmless where every combination has another member */
static void unreadable_bucket(void **state)
{
	static const u8 both[] = { BCH_DATA_journal, 2, 0, 1 };
	const struct kapi_bdev_fault fault = { .before = fail_bucket };
	struct member_counters c;
	struct rig rig;

	rig_init(&rig);
	set_replicas(&rig, both, sizeof(both));
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	rig_open(&rig);
	kapi_bdev_set_fault(rig.bdev[0], &fault);
	assert_int_equal(rig_read(&rig), 0);
	assert_entries(&rig, "4 5 ");
	bce_member_counters(rig.members, 0, &c);
	assert_int_equal(c.io_errors, 1);
	rig_exit(&rig);

	rig_init(&rig);		/* by the table entries may be on member 0 alone */
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	rig_open(&rig);
	kapi_bdev_set_fault(rig.bdev[0], &fault);
	assert_int_equal(rig_read(&rig), -EIO);
	assert_non_null(strstr(rig.said, "cannot be read completely"));
	rig_exit(&rig);
}

/* ---- checksum types, encryption ---- */

static void checksum_types(void **state)
{
	static const u8 key[32] = { 1, 2, 3 };
	unsigned int type;
	struct rig rig;

	for (type = 0; type < BCH_CSUM_NR; type++) {
		rig_init(&rig);
		rig.csum_type = type;
		rig.cipher = bce_cipher_alloc(key);
		SBB_SET(&rig.b[0], ENCRYPTION_TYPE, bce_csum_type_is_mac(type));
		put(&rig, 4, 4, 1, 0, 0);
		put(&rig, 5, 4, 1, 1, 0);
		put(&rig, 6, 4, 1, 2, 0);
		flip(&rig, 0, 2, type ? BODY : 3);
		assert_int_equal(rig_read(&rig), 0);
		assert_entries(&rig, "4 5 ");
		/* versions that may have been used in the end are skipped */
		assert_int_equal(rig.r.key_version, bce_csum_type_is_mac(type) ? 65536 : 0);
		rig_exit(&rig);
	}
}

static void no_key(void **state)
{
	static const u8 key[32] = { 1, 2, 3 };
	struct rig rig;

	rig_init(&rig);
	rig.csum_type = BCH_CSUM_chacha20_poly1305_128;
	rig.cipher = bce_cipher_alloc(key);
	put(&rig, 4, 4, 1, 0, 0);
	rig_open(&rig);
	rig.ctx.cipher = NULL;
	assert_int_equal(rig_read(&rig), -ENOKEY);
	rig_exit(&rig);
}

/* ---- what entries say besides keys ---- */

static void facts(void **state)
{
	const struct bch_btree_ptr_v2 *v;
	struct jset_builder j;
	struct rig rig;
	__le64 range[2] = { cpu_to_le64(60), cpu_to_le64(62) };
	__le64 single = cpu_to_le64(64);

	rig_init(&rig);
	make(&rig, &j, 4, 4);
	jb_root(&j, BTREE_ID_inodes, 0, 1024 * 20);
	jb_root(&j, BTREE_ID_dirents, 1, 1024 * 21);
	jb_root(&j, BTREE_ID_xattrs, 1, 1024 * 21);
	jb_root(&j, 40, 2, 1024 * 22);
	jb_key_version(&j, 77);
	jb_clock(&j, 0, 100);
	jb_clock(&j, 1, 200);
	jb_entry(&j, JSET_ENTRY_blacklist, 0, 0, &single, 8);
	jb_entry(&j, JSET_ENTRY_blacklist_v2, 0, 0, range, 16);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST, 0);
	jb_exit(&j);
	make(&rig, &j, 5, 4);
	jb_root(&j, BTREE_ID_inodes, 1, 1024 * 30);
	jb_entry(&j, JSET_ENTRY_btree_root, BTREE_ID_xattrs, 0, NULL, 0);
	jb_clock(&j, 1, 300);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST + 1, 0);
	jb_exit(&j);

	assert_int_equal(rig_read(&rig), 0);
	assert_true(rig.r.root[BTREE_ID_inodes].present);
	assert_int_equal(rig.r.root[BTREE_ID_inodes].level, 1);
	v = (const void *)(rig.r.root[BTREE_ID_inodes].key + BKEY_U64S);
	assert_int_equal(le64_to_cpu(v->ptrs[0]), 1 | (1024 * 30) << 4);
	assert_int_equal(v->mem_ptr, 0);
	assert_true(rig.r.root[BTREE_ID_dirents].present);
	assert_true(rig.r.root[40].present);
	assert_int_equal(rig.r.root[40].level, 2);
	/* unreadable for its writer: there, and lost */
	assert_true(rig.r.root[BTREE_ID_xattrs].present);
	assert_int_equal(((struct disk_key *)rig.r.root[BTREE_ID_xattrs].key)->u64s, 0);
	assert_false(rig.r.root[BTREE_ID_extents].present);

	assert_int_equal(rig.r.key_version, 77);
	assert_int_equal(rig.r.io_clock[0], 100);
	assert_int_equal(rig.r.io_clock[1], 300);
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 59));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 60));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 62));
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 63));
	assert_true(bce_journal_seq_blacklisted(rig.r.blacklist, 64));
	rig_exit(&rig);
}

/* ---- clean sets ---- */

static struct bch_sb_field_clean *add_clean(struct rig *rig, struct jset_builder *j, u64 seq)
{
	size_t bytes = 8 * le32_to_cpu(j->j->u64s);
	struct bch_sb_field_clean *c = sbb_add(&rig->b[0], BCH_SB_FIELD_clean, 16 + bytes + 24);

	c->journal_seq = cpu_to_le64(seq);
	memcpy(c->entries, j->j->entries, bytes);
	SBB_SET(&rig->b[0], CLEAN, 1);
	return c;
}

static void clean_section(void **state)
{
	struct bch_sb_field_clean *c;
	struct jset_builder j;
	struct rig rig;

	rig_init(&rig);
	jb_init(&j, 0, 1, 1);
	jb_key_version(&j, 5);
	jb_clock(&j, 1, 6);
	jb_root(&j, BTREE_ID_inodes, 1, 1024 * 30);
	c = add_clean(&rig, &j, 41);
	put(&rig, 60, 60, 1, 0, 0);		/* must not be looked at */
	assert_int_equal(rig_read(&rig), 0);
	assert_true(rig.r.clean);
	assert_set(&rig, 41, 41, 42);
	assert_int_equal(rig.r.nr_entries, 0);
	assert_int_equal(rig.r.key_version, 5);
	assert_int_equal(rig.r.io_clock[1], 6);
	assert_true(rig.r.root[BTREE_ID_inodes].present);
	assert_false(bce_journal_seq_blacklisted(rig.r.blacklist, 42));

	/* for a listing it is, and does not agree with the section */
	bce_journal_replay_exit(&rig.r);
	rig.ctx.read_all = true;
	assert_int_equal(rig_read(&rig), 0);
	assert_int_equal(rig.r.nr_entries, 1);
	assert_entries(&rig, "");
	assert_said(&rig, BCE_ERR_sb_clean_journal_seq_mismatch);
	assert_said(&rig, BCE_ERR_clean_but_journal_not_empty);
	bce_journal_replay_exit(&rig.r);
	rig.ctx.read_all = false;

	((struct jset_entry *)c->entries)->u64s = cpu_to_le16(1000);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_sb_clean_entry_overrun);
	c->field.type = cpu_to_le32(500);
	assert_int_equal(rig_read(&rig), -EBADMSG);
	assert_said(&rig, BCE_ERR_sb_clean_missing);
	jb_exit(&j);
	rig_exit(&rig);
}

/* a last entry with one root: the section must have the same */
static void clean_roots(void **state)
{
	for (unsigned int differ = 0; differ <= 2; differ++) {
		struct jset_builder section, last;
		struct rig rig;

		rig_init(&rig);
		jb_init(&last, rig.uuid_word, 41, 41);
		jb_root(&last, BTREE_ID_inodes, 1, 1024 * 30);
		jb_seal(&last, rig.csum_type, NULL);
		jb_write(&last, rig.fd[0], RING_FIRST, 0);
		jb_init(&section, 0, 1, 1);
		jb_root(&section, BTREE_ID_inodes, 1, 1024 * (differ == 1 ? 31 : 30));
		if (differ == 2)
			jb_root(&section, BTREE_ID_xattrs, 0, 1024 * 32);
		add_clean(&rig, &section, 41);
		rig.ctx.read_all = true;
		assert_int_equal(rig_read(&rig), 0);
		assert_int_equal(bce_log_error_count(rig.log,
					BCE_ERR_sb_clean_btree_root_mismatch), differ != 0);
		assert_int_equal(bce_log_errors_total(rig.log), differ != 0);
		jb_exit(&section);
		jb_exit(&last);
		rig_exit(&rig);
	}
}

/* ---- the overlay ---- */

static void interior(struct jset_builder *j, unsigned int level, struct bpos p, u64 mem_ptr)
{
	u64 buf[14];
	size_t bytes = jb_btree_ptr(buf, p, mem_ptr, 1024 * 20);

	jb_entry(j, JSET_ENTRY_btree_keys, BTREE, level, buf, bytes);
}

/* position of the counters of a small inode number: docs/format/80-accounting.md, section 1 */
#define INUM(n)	SPOS(0, 0, 8 | (n) << 8)

struct deltas {
	char	text[256];
};

static int collect_delta(void *ctx, const struct bkey *k)
{
	struct deltas *d = ctx;

	snprintf(d->text + strlen(d->text), sizeof(d->text) - strlen(d->text), "%llu@%llu:%lld ",
		 (unsigned long long)k->p.snapshot >> 8, (unsigned long long)k->version.lo,
		 (long long)le64_to_cpup(k->v));
	return strlen(d->text) > 200 ? -E2BIG : 0;
}

static void overlay(void **state)
{
	struct keyset_input run;
	struct deltas d = { };
	struct jset_builder j;
	struct overlay *o;
	struct rig rig;
	const u64 *p;
	struct bkey k;

	rig_init(&rig);
	jb_init(&j, rig.uuid_word, 4, 4);
	jb_cookie(&j, BTREE, POS(1, 10), 1);
	jb_cookie(&j, BTREE, POS(1, 10), 2);
	jb_cookie(&j, BTREE, POS(1, 5), 3);
	jb_cookie(&j, BTREE, POS(1, 20), 4);
	jb_cookie(&j, BTREE_ID_extents + 40, POS(9, 9), 9);	/* an unknown btree */
	interior(&j, 1, POS(3, 3), 0x1234);
	jb_delta(&j, INUM(7), (struct bversion) { .lo = 20 }, 100);
	jb_delta(&j, INUM(7), (struct bversion) { .lo = 21 }, -1);
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST, 0);
	jb_exit(&j);
	jb_init(&j, rig.uuid_word, 5, 4);
	jb_delta(&j, INUM(3), (struct bversion) { .lo = 30 }, 5);
	jb_delta(&j, INUM(7), (struct bversion) { .lo = 31 }, 6);
	jb_deleted(&j, BTREE, POS(1, 20));
	jb_cookie(&j, BTREE, POS(1, 10), 7);
	/* bit 7 of the format byte is the writer's own */
	((struct disk_key *)jb_entry(&j, JSET_ENTRY_btree_keys, BTREE, 0,
		(u64 [5]) { 5 | (0x80 | KEY_FORMAT_UNPACKED) << 8 }, 40)->payload)->type = 0;
	jb_seal(&j, rig.csum_type, NULL);
	jb_write(&j, rig.fd[0], RING_FIRST + 1, 0);
	jb_exit(&j);
	if (rig_read(&rig))
		fail_msg("%s", rig.said);
	assert_int_equal(bce_overlay_build(&o, &rig.r), 0);

	assert_int_equal(bce_overlay_nr_keys(o), 4 + 1 + 1 + 4);
	assert_int_equal(bce_overlay_max_level(o, BTREE), 1);
	assert_int_equal(bce_overlay_max_level(o, 40), 0);
	assert_int_equal(bce_overlay_max_level(o, BTREE_ID_accounting), -1);
	assert_false(bce_overlay_has(o, 63, 0));
	assert_false(bce_overlay_has(o, 0, 9));

	bce_overlay_range(o, BTREE, 0, POS_MIN, SPOS_MAX, &run);
	p = (const u64 *)run.start;
	bce_key_unpack(run.format, (const void *)p, &k);
	assert_int_equal(bpos_cmp(k.p, POS_MIN), 0);
	assert_int_equal(((const struct disk_key *)p)->format, KEY_FORMAT_UNPACKED);
	p += 5;
	bce_key_unpack(run.format, (const void *)p, &k);
	assert_int_equal(k.p.offset, 5);
	p += 6;
	bce_key_unpack(run.format, (const void *)p, &k);
	assert_int_equal(k.p.offset, 10);
	assert_int_equal(le64_to_cpup(k.v), 7);		/* the newest of three */
	p += 6;
	bce_key_unpack(run.format, (const void *)p, &k);
	assert_int_equal(k.p.offset, 20);
	assert_int_equal(k.type, KEY_TYPE_deleted);
	assert_ptr_equal(p + 5, run.end);

	bce_overlay_range(o, BTREE, 0, POS(1, 6), POS(1, 19), &run);
	assert_int_equal((const u64 *)run.end - (const u64 *)run.start, 6);
	bce_overlay_range(o, BTREE, 0, POS(1, 11), POS(1, 19), &run);
	assert_ptr_equal(run.start, run.end);
	bce_overlay_range(o, BTREE, 1, POS_MIN, SPOS_MAX, &run);
	bce_key_unpack(run.format, run.start, &k);
	assert_int_equal(k.type, KEY_TYPE_btree_ptr_v2);
	assert_int_equal(*(const u64 *)k.v, 0);
	bce_overlay_range(o, BTREE_ID_accounting, 0, POS_MIN, SPOS_MAX, &run);
	assert_ptr_equal(run.start, run.end);

	assert_int_equal(bce_overlay_accounting(o, POS_MIN, SPOS_MAX, collect_delta, &d), 0);
	assert_string_equal(d.text, "3@30:5 7@20:100 7@21:-1 7@31:6 ");
	d.text[0] = '\0';
	assert_int_equal(bce_overlay_accounting(o, INUM(4), INUM(7), collect_delta, &d), 0);
	assert_string_equal(d.text, "7@20:100 7@21:-1 7@31:6 ");
	bce_overlay_free(o);
	bce_overlay_free(NULL);
	rig_exit(&rig);
}

static void empty_overlay(void **state)
{
	struct journal_replay r = { .clean = true };
	struct keyset_input run;
	struct overlay *o;

	assert_int_equal(bce_overlay_build(&o, &r), 0);
	bce_overlay_range(o, BTREE, 0, POS_MIN, SPOS_MAX, &run);
	assert_ptr_equal(run.start, run.end);
	assert_int_equal(bce_overlay_nr_keys(o), 0);
	bce_overlay_free(o);
}

/* ---- damage and want ---- */

/* Every single flipped bit of a small journal: the right answer, or an error that is told. */
static void flipped_bits(void **state)
{
	size_t bit, end, second;
	struct rig rig;

	rig_init(&rig);
	second = put(&rig, 4, 4, 1, 0, 0);
	end = put(&rig, 5, 4, 1, 0, second);
	assert_int_equal(end, 8192);
	rig_open(&rig);
	for (bit = 0; bit < 8 * 200; bit++) {
		int ret, flush;

		for (flush = 0; flush < 2; flush++) {
			u64 at = (u64)RING_FIRST * BUCKET_BYTES + (flush ? second : 0) + bit / 8;
			u8 v, flipped;

			assert_int_equal(pread(rig.fd[0], &v, 1, at), 1);
			flipped = v ^ 1 << (bit % 8);
			assert_int_equal(pwrite(rig.fd[0], &flipped, 1, at), 1);
			rig.said[0] = '\0';
			ret = rig_read(&rig);
			if (ret) {
				assert_true(ret == -EBADMSG || ret == -ENOKEY);
				assert_true(ret == -ENOKEY || strlen(rig.said) > 0);
			} else if (rig.r.flush_seq == 5) {
				/* a bit behind the entries, which nothing reads */
				assert_entries(&rig, "4 5 ");
				assert_true(bit / 8 >= rig.r.entry[flush]->bytes);
			} else {
				/* 5 was torn, by all one can tell */
				assert_true(flush);
				assert_entries(&rig, "4 ");
			}
			bce_journal_replay_exit(&rig.r);
			assert_int_equal(pwrite(rig.fd[0], &v, 1, at), 1);
		}
	}
	rig_exit(&rig);
}

static void short_of_memory(void **state)
{
	u64 n, failed = 1;
	struct overlay *o;
	struct rig rig;

	rig_init(&rig);
	put(&rig, 4, 4, 3, 0, 0);
	put(&rig, 5, 4, 3, 1, 0);
	rig_open(&rig);
	for (n = 1; failed; n++) {
		int ret;

		kapi_alloc_fail(n, false);
		ret = rig_read(&rig);
		o = NULL;
		if (!ret)
			ret = bce_overlay_build(&o, &rig.r);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		assert_true(!ret || ret == -ENOMEM);
		assert_true(failed || !ret);
		bce_overlay_free(o);
		bce_journal_replay_exit(&rig.r);
	}
	assert_true(n > 20);
	rig_exit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noflush_tail),
		cmocka_unit_test(single_flush),
		cmocka_unit_test(torn_newest),
		cmocka_unit_test(two_torn),
		cmocka_unit_test(damaged_in_set),
		cmocka_unit_test(missing),
		cmocka_unit_test(blacklisted_gap),
		cmocka_unit_test(gap_too_large),
		cmocka_unit_test(blacklisted_flush),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(stale_tail),
		cmocka_unit_test(older_entries),
		cmocka_unit_test(whole_buckets),
		cmocka_unit_test(wrong_sizes),
		cmocka_unit_test(foreign_magic),
		cmocka_unit_test(good_copy_wins),
		cmocka_unit_test(copies_that_differ),
		cmocka_unit_test(scanned_members),
		cmocka_unit_test(unlisted_combination),
		cmocka_unit_test(missing_member),
		cmocka_unit_test(unreadable_bucket),
		cmocka_unit_test(checksum_types),
		cmocka_unit_test(no_key),
		cmocka_unit_test(facts),
		cmocka_unit_test(clean_section),
		cmocka_unit_test(clean_roots),
		cmocka_unit_test(overlay),
		cmocka_unit_test(empty_overlay),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(short_of_memory),
	};

	return cmocka_run_group_tests_name("journal reading", tests, NULL, NULL);
}
