// SPDX-License-Identifier: GPL-2.0
/*
 * From the bytes of a btree node to lists of keys that can be trusted.
 *
 * A node is a log of bsets. They are walked in order, each verified before anything in it is
 * believed: first where it ends (its length decides how far the checksum reaches), then the
 * checksum, then it is decrypted, and only then the header of the node, the rules of bsets and
 * every key are looked at. The result is one sorted run of keys for each bset, lying where the
 * bset lies; whoever merges the runs lets the later bset win.
 *
 *    sector 0            s1           s2              sectors_written
 *    | header, bset 0 .. | bset 1 ... | bset 2 ...... | whatever was here before
 *      run 0               run 1        run 2
 *
 * Two sorts of findings are told apart. A wrong structure (magic, checksum, bounds, order) says
 * that the bytes are not those that were written: the image is refused, and the reader tries
 * another replica. A key that breaks a rule of its type was written that way, every replica has
 * it: it is logged, counted and left out, the rest of the node stays usable.
 *
 * The walk trusts no number of the image: a bset must end before the limit the pointer gives, a
 * key before the end of its bset, and both are at least one block or one word long, so the walk
 * ends. The pointer's own limit is cut to the node size and to the bytes present.
 *
 * Source: docs/format/50-btree.md, sections 4, 6, 7; 20-checksums-encryption.md, sections 2, 4.
 */
#include "engine/btree/node_parse.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/key/extent.h"
#include "engine/key/text.h"
#include "engine/util/csum.h"
#include "engine/util/text.h"

#define NODE_NONCE		0x20000000U	/* 20-checksums-encryption.md: nonce constants */
#define CSUM_SKIP_BYTES		sizeof(struct bch_csum)

/* one walk over one image */
struct walk {
	struct node_image		*image;
	const struct btrees_config	*config;
	const struct node_expect	*expect;
	const char			*where;
	u64				seq;		/* of the first bset */
	u32				limit_sectors;	/* nothing at or behind it is looked at */
};

/* one bset; @keys and @bytes are only good once bset_locate() has passed */
struct place {
	u32				sector;
	u32				sectors;	/* taken, rounded up to blocks */
	size_t				bytes;		/* head and keys */
	void				*head;
	struct bset			*bset;
	u64				*keys;
	u32				u64s;
	unsigned int			csum_type;
};

void bce_node_expect(struct node_expect *out, unsigned int btree_id, unsigned int level,
		     const struct bkey *ptr)
{
	struct btree_ptr_info info;

	bce_btree_ptr_decode(ptr, &info);
	*out = (struct node_expect) {
		.btree_id = btree_id,
		.level = level,
		.min = info.min_key,
		.max = ptr->p,
		.seq = info.seq,
		.sectors_written = info.sectors_written,
		.v2 = info.v2,
		.min_known = info.v2,
		.range_updated = info.range_updated,
	};
}

unsigned int bce_node_runs_max(const struct btrees_config *config)
{
	return config->node_sectors / config->block_sectors;
}

/* "sdb: btree extents level 1 4096:128:0 sector 16" */
static const char *describe(struct text_buf *out, const struct walk *w, u32 sector)
{
	bce_text_printf(out, "%s: btree %s level %u ", w->where,
			bce_btree_name(w->expect->btree_id), w->expect->level);
	bce_pos_text(out, w->expect->max);
	if (sector)
		bce_text_printf(out, " sector %u", sector);
	return bce_text_str(out);
}

#define node_bad(w, sector, id, fmt, ...)						\
({											\
	if ((w)->config->log) {								\
		struct text_buf where_ = TEXT_BUF_INIT;					\
											\
		bce_log_error((w)->config->log, id, "%s: " fmt,				\
			      describe(&where_, w, sector), ##__VA_ARGS__);		\
		bce_text_exit(&where_);							\
	}										\
	-EBADMSG;									\
})

static int bad_bound(const struct walk *w, int id, const char *which, struct bpos found,
		     struct bpos expected)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_pos_text(&text, found);
	bce_text_printf(&text, ", the pointer says ");
	bce_pos_text(&text, expected);
	node_bad(w, 0, id, "%s is %s", which, bce_text_str(&text));
	bce_text_exit(&text);
	return -EBADMSG;
}

static struct bpos pos_from_disk(const struct bpos_le *p)
{
	return SPOS(le64_to_cpu(p->inode), le64_to_cpu(p->offset), le32_to_cpu(p->snapshot));
}

/* ---- one bset ---- */

static u32 bset_flags(const struct bset *bset)
{
	return le32_to_cpu(bset->flags);
}

static void *node_at(const struct walk *w, u32 sector)
{
	return (u8 *)w->image->data + (size_t)sector * SECTOR_BYTES;
}

/* there is room for a head: @sector is below the limit, and a head is shorter than a sector */
static struct bset *bset_at(const struct walk *w, u32 sector)
{
	if (!sector)
		return &((struct btree_node_disk *)node_at(w, 0))->keys;
	return &((struct btree_node_entry *)node_at(w, sector))->keys;
}

/* Where does the bset at @sector end? */
static int bset_locate(const struct walk *w, u32 sector, struct place *out)
{
	u32 block_bytes = w->config->block_sectors * SECTOR_BYTES;

	out->sector = sector;
	out->head = node_at(w, sector);
	out->bset = bset_at(w, sector);
	out->keys = (u64 *)(out->bset + 1);
	out->u64s = le16_to_cpu(out->bset->u64s);
	out->bytes = (u8 *)(out->keys + out->u64s) - (u8 *)out->head;
	out->sectors = DIV_ROUND_UP(out->bytes, block_bytes) * w->config->block_sectors;
	if (out->sectors <= w->limit_sectors - sector)
		return 0;
	return node_bad(w, sector, BCE_ERR_bset_past_end_of_btree_node,
			"bset of %u sectors ends behind sector %u", out->sectors,
			w->limit_sectors);
}

static struct bce_nonce bset_nonce(const struct place *at)
{
	u64 seq = le64_to_cpu(at->bset->seq);
	u32 journal_seq = (u32)le64_to_cpu(at->bset->journal_seq);

	return (struct bce_nonce) { .d = {
		at->sector * SECTOR_BYTES, (u32)seq, (u32)(seq >> 32), journal_seq ^ NODE_NONCE,
	} };
}

static void bset_decrypt(const struct walk *w, const struct place *at)
{
	struct bce_nonce nonce = bset_nonce(at);

	if (!at->sector) {
		bce_cipher_crypt(w->config->cipher, nonce,
				 (u8 *)at->head + BTREE_NODE_CRYPT_START, BTREE_NODE_CRYPT_BYTES);
		nonce = bce_nonce_add(nonce, round_up(BTREE_NODE_CRYPT_BYTES, 64));
	}
	bce_cipher_crypt(w->config->cipher, nonce, at->keys, at->u64s * sizeof(u64));
}

/* Checksum, then decryption: from here on the bytes are what a writer wrote. */
static int bset_verify(const struct walk *w, struct place *at)
{
	const struct bch_csum *disk = at->head;
	struct bce_csum stored = { le64_to_cpu(disk->lo), le64_to_cpu(disk->hi) };
	struct bce_csum found;
	int ret;

	at->csum_type = BITS_GET(bset_flags(at->bset), BSET_CSUM_TYPE);
	if (!bce_csum_type_known(at->csum_type))
		return node_bad(w, at->sector, BCE_ERR_bset_unknown_csum,
				"checksum type %u is not known", at->csum_type);

	ret = bce_csum(at->csum_type, w->config->cipher, bset_nonce(at),
		       (u8 *)at->head + CSUM_SKIP_BYTES, at->bytes - CSUM_SKIP_BYTES, &found);
	if (ret == -ENOKEY) {
		node_bad(w, at->sector, BCE_ERR_btree_node_read_error,
			 "encrypted, and no key is known");
		return ret;
	}
	if (ret)
		return node_bad(w, at->sector, BCE_ERR_bset_unknown_csum,
				"checksum type %u is not supported", at->csum_type);
	if (!bce_csum_equal(stored, found))
		return node_bad(w, at->sector, BCE_ERR_bset_bad_csum,
				"checksum type %u: found %llx%016llx, stored %llx%016llx",
				at->csum_type, (unsigned long long)found.hi,
				(unsigned long long)found.lo, (unsigned long long)stored.hi,
				(unsigned long long)stored.lo);

	if (bce_csum_type_is_mac(at->csum_type))
		bset_decrypt(w, at);
	return 0;
}

static int bset_check_version(const struct walk *w, const struct place *at)
{
	unsigned int version = le16_to_cpu(at->bset->version);

	if (version < BCH_VERSION_MIN || BCH_VERSION_MAJOR(version) > 1)
		return node_bad(w, at->sector, BCE_ERR_btree_node_unsupported_version,
				"version %u is not supported", version);
	if (version < w->config->version_min)
		return node_bad(w, at->sector, BCE_ERR_btree_node_bset_older_than_sb_min,
				"version %u, the superblock allows %u at least", version,
				w->config->version_min);
	if (BCH_VERSION_MAJOR(version) > BCH_VERSION_MAJOR(w->config->version))
		return node_bad(w, at->sector, BCE_ERR_btree_node_bset_newer_than_sb,
				"version %u, the superblock has %u", version, w->config->version);
	return 0;
}

static int bset_check(const struct walk *w, const struct place *at)
{
	u32 flags = bset_flags(at->bset);
	u32 offset = BITS_GET(flags, BSET_OFFSET);
	int ret = bset_check_version(w, at);

	if (ret)
		return ret;
	if (BITS_GET(flags, BSET_BIG_ENDIAN) || BITS_GET(flags, BSET_SEPARATE_WHITEOUTS))
		return node_bad(w, at->sector, BCE_ERR_btree_node_unsupported_version,
				"big-endian or with separate whiteouts: flags 0x%x", flags);
	if (!at->u64s && at->sector)
		return node_bad(w, at->sector, BCE_ERR_bset_empty, "a later bset without keys");
	if (offset && offset != at->sector)
		return node_bad(w, at->sector, BCE_ERR_bset_wrong_sector_offset,
				"bset says it lies at sector %u", offset);
	return 0;
}

/* ---- the node's head ---- */

static int head_check_bounds(const struct walk *w, const struct btree_node_disk *head)
{
	const struct node_expect *e = w->expect;
	struct bpos min = pos_from_disk(&head->min_key);
	struct bpos max = pos_from_disk(&head->max_key);

	w->image->min = e->range_updated && e->min_known ? e->min : min;
	w->image->max = e->range_updated ? e->max : max;
	if (e->range_updated)
		return 0;
	if (e->min_known && bpos_cmp(min, e->min))
		return bad_bound(w, BCE_ERR_btree_node_bad_min_key, "min_key", min, e->min);
	if (bpos_cmp(max, e->max))
		return bad_bound(w, BCE_ERR_btree_node_bad_max_key, "max_key", max, e->max);
	if (bpos_cmp(min, max) > 0)
		return bad_bound(w, BCE_ERR_btree_node_bad_min_key, "min_key", min, e->max);
	return 0;
}

static int head_check(const struct walk *w)
{
	const struct btree_node_disk *head = w->image->data;
	u64 flags = le64_to_cpu(head->flags);
	unsigned int level = BITS_GET(flags, BTREE_NODE_LEVEL);
	u64 id = BITS_GET(flags, BTREE_NODE_ID_LOW) |
		 BITS_GET(flags, BTREE_NODE_ID_HIGH) << BTREE_NODE_ID_LOW_BITS;
	const char *why;
	int ret;

	if (id != w->expect->btree_id)
		return node_bad(w, 0, BCE_ERR_btree_node_bad_btree, "belongs to btree %llu",
				(unsigned long long)id);
	if (level != w->expect->level)
		return node_bad(w, 0, BCE_ERR_btree_node_bad_level, "is of level %u", level);
	if (!level && bce_btree_has_extents(w->expect->btree_id) &&
	    !BITS_GET(flags, BTREE_NODE_NEW_EXTENT_OVERWRITE))
		return node_bad(w, 0, BCE_ERR_btree_node_unsupported_version,
				"extents of the old overwriting scheme");

	ret = head_check_bounds(w, head);
	if (ret)
		return ret;
	why = bce_key_format_decode(&w->image->format, &head->format);
	if (why)
		return node_bad(w, 0, BCE_ERR_btree_node_bad_format, "key format: %s", why);
	return 0;
}

/* ---- keys ---- */

struct key_walk {
	const u64	*src;
	const u64	*end;
	u64		*dst;		/* kept keys move down to here, never above src */
	u64		*last;		/* the kept key before dst */
	struct bpos	prev;		/* position and type of the key before src */
	u8		prev_type;
	bool		have_prev;
};

static int key_misplaced(const struct walk *w, const struct place *at, const struct bkey *k,
			 int id, const char *what)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_pos_text(&text, k->p);
	node_bad(w, at->sector, id, "key of type %s at %s %s", bce_key_type_name(k->type),
		 bce_text_str(&text), what);
	bce_text_exit(&text);
	return -EBADMSG;
}

/* Positions must not fall, and nothing may be deleted after it was set at the same place. */
static int key_check_order(const struct walk *w, const struct place *at,
			   const struct key_walk *keys, const struct bkey *k)
{
	int cmp;

	if (!keys->have_prev)
		return 0;
	cmp = bpos_cmp(keys->prev, k->p);
	if (cmp < 0 || (!cmp && (k->type != KEY_TYPE_deleted ||
				 keys->prev_type == KEY_TYPE_deleted)))
		return 0;
	return key_misplaced(w, at, k, BCE_ERR_btree_node_bkey_out_of_order, "is out of order");
}

/* Return: 0 keep, 1 leave out, -EBADMSG. */
static int key_check_range(const struct walk *w, const struct place *at, const struct bkey *k)
{
	bool before = bpos_cmp(k->p, w->image->min) < 0;

	if (!before && bpos_cmp(k->p, w->image->max) <= 0)
		return 0;
	if (w->expect->range_updated)
		return 1;
	if (before)
		return key_misplaced(w, at, k, BCE_ERR_bkey_before_start_of_btree_node,
				     "lies before the node's range");
	return key_misplaced(w, at, k, BCE_ERR_bkey_after_end_of_btree_node,
			     "lies behind the node's range");
}

/* The rules of its type. A deletion is kept whatever else is wrong with it. */
static bool key_follows_rules(const struct walk *w, const struct place *at, const struct bkey *k)
{
	struct text_buf why = TEXT_BUF_INIT, pos = TEXT_BUF_INIT;
	int ret;

	if (k->type == KEY_TYPE_deleted)
		return true;
	ret = bce_key_validate(k, w->expect->btree_id, w->expect->level, w->config->rules,
			       KEY_FROM_NODE, &why);
	if (ret) {
		bce_pos_text(&pos, k->p);
		node_bad(w, at->sector, ret - 1, "key of type %s at %s left out: %s",
			 bce_key_type_name(k->type), bce_text_str(&pos), bce_text_str(&why));
	}
	bce_text_exit(&pos);
	bce_text_exit(&why);
	return !ret;
}

static void key_keep(struct key_walk *keys, const struct bkey *k, unsigned int u64s)
{
	/* of equal positions within a bset the later one is kept, as between bsets */
	if (keys->last && keys->have_prev && !bpos_cmp(keys->prev, k->p))
		keys->dst = keys->last;
	if (keys->dst != keys->src)
		memmove(keys->dst, keys->src, u64s * sizeof(u64));
	keys->last = keys->dst;
	keys->dst += u64s;
}

static int key_step(const struct walk *w, const struct place *at, struct key_walk *keys)
{
	const struct disk_key *disk = (const struct disk_key *)keys->src;
	const struct key_format *format = &w->image->format;
	unsigned int u64s;
	struct bkey k;
	const char *why;
	int ret, id;

	why = bce_disk_key_check(format, disk, keys->end - keys->src, &id);
	if (why)
		return node_bad(w, at->sector, id, "key at word %zu of its bset: %s",
				(size_t)(keys->src - at->keys), why);
	u64s = disk->u64s;
	bce_key_unpack(format, disk, &k);

	ret = key_check_order(w, at, keys, &k);
	if (!ret)
		ret = key_check_range(w, at, &k);
	if (ret < 0)
		return ret;
	if (!ret && !key_follows_rules(w, at, &k)) {
		w->image->nr_dropped++;
		ret = 1;
	}
	if (!ret) {
		w->image->nr_unpacked += (disk->format & BKEY_FORMAT_MASK) != KEY_FORMAT_PACKED;
		key_keep(keys, &k, u64s);
	} else if (keys->have_prev && bpos_cmp(keys->prev, k.p)) {
		keys->last = NULL;	/* the kept key before is no neighbour any more */
	}

	keys->prev = k.p;
	keys->prev_type = k.type;
	keys->have_prev = true;
	keys->src += u64s;
	return 0;
}

static int bset_keys(const struct walk *w, const struct place *at)
{
	struct key_walk keys = {
		.src = at->keys, .end = at->keys + at->u64s, .dst = at->keys,
	};
	int ret;

	while (keys.src < keys.end) {
		ret = key_step(w, at, &keys);
		if (ret)
			return ret;
	}
	if (keys.dst != at->keys)
		w->image->runs[w->image->nr_runs++] = (struct keyset_input) {
			.format = &w->image->format,
			.start = (struct disk_key *)at->keys,
			.end = (struct disk_key *)keys.dst,
		};
	return 0;
}

/* ---- the walk ---- */

static bool blacklisted(const struct walk *w, u64 journal_seq)
{
	return w->config->replay &&
		bce_journal_seq_blacklisted(w->config->replay->blacklist, journal_seq);
}

/* Was the bset written ahead of a journal entry that never came to be? 1: yes, pass over it. */
static int bset_check_journal_seq(const struct walk *w, const struct place *at)
{
	u64 seq = le64_to_cpu(at->bset->journal_seq);

	if (!blacklisted(w, seq))
		return 0;
	if (!at->sector)
		return node_bad(w, 0, BCE_ERR_bset_blacklisted_journal_seq,
				"first bset has blacklisted journal sequence %llu",
				(unsigned long long)seq);
	if (w->expect->v2)
		return node_bad(w, at->sector, BCE_ERR_first_bset_blacklisted_journal_seq,
				"bset within sectors_written has blacklisted journal sequence %llu",
				(unsigned long long)seq);
	return 1;
}

static int walk_bset(const struct walk *w, u32 sector, u32 *sectors)
{
	struct place at;
	int ret = bset_locate(w, sector, &at);

	if (!ret)
		ret = bset_verify(w, &at);
	if (!ret)
		ret = bset_check(w, &at);
	if (!ret && !sector)
		ret = head_check(w);
	if (!ret)
		ret = bset_check_journal_seq(w, &at);
	if (!ret)
		ret = bset_keys(w, &at);
	*sectors = at.sectors;
	return ret < 0 ? ret : 0;
}

static int walk_begin(struct walk *w)
{
	const struct btree_node_disk *head = w->image->data;
	u64 magic = w->config->uuid_word ^ BTREE_MAGIC_XOR;

	if (le64_to_cpu(head->magic) != magic)
		return node_bad(w, 0, BCE_ERR_btree_node_bad_magic, "magic is %llx, not %llx",
				(unsigned long long)le64_to_cpu(head->magic),
				(unsigned long long)magic);
	w->seq = le64_to_cpu(head->keys.seq);
	if (w->expect->v2 ? w->seq != w->expect->seq : !w->seq)
		return node_bad(w, 0, BCE_ERR_btree_node_bad_seq, "seq is %llx, not %llx",
				(unsigned long long)w->seq,
				(unsigned long long)w->expect->seq);
	return 0;
}

/* Behind the last bset of a legacy node only dead ones may follow. */
static int walk_check_rest(const struct walk *w, u32 sector)
{
	const struct bset *bset;

	for (; sector < w->limit_sectors; sector += w->config->block_sectors) {
		bset = bset_at(w, sector);
		if (le64_to_cpu(bset->seq) == w->seq &&
		    !blacklisted(w, le64_to_cpu(bset->journal_seq)))
			return node_bad(w, sector, BCE_ERR_btree_node_bset_after_end,
					"a bset of this node behind its end");
	}
	return 0;
}

/* How much of the node may be looked at? */
static int walk_limit(struct walk *w)
{
	u32 node_sectors = w->config->node_sectors;
	u32 present = min_t(size_t, w->image->bytes / SECTOR_BYTES, node_sectors);

	w->limit_sectors = w->expect->v2 ? w->expect->sectors_written : node_sectors;
	if (!w->limit_sectors)
		return node_bad(w, 0, BCE_ERR_btree_ptr_v2_written_0,
				"its pointer says that nothing is written");
	if (w->limit_sectors > node_sectors)
		return node_bad(w, 0, BCE_ERR_bset_past_end_of_btree_node,
				"its pointer says %u sectors, a node has %u", w->limit_sectors,
				node_sectors);
	if (w->limit_sectors > present)
		return node_bad(w, 0, BCE_ERR_btree_node_data_missing,
				"%u of %u sectors are there", present, w->limit_sectors);
	return 0;
}

int bce_node_parse(struct node_image *image, const struct btrees_config *config,
		   const struct node_expect *expect, const char *where)
{
	struct walk w = { .image = image, .config = config, .expect = expect, .where = where };
	u32 sector = 0, sectors = 0;
	int ret;

	image->nr_runs = 0;
	image->nr_dropped = 0;
	image->nr_unpacked = 0;
	ret = walk_limit(&w);
	if (!ret)
		ret = walk_begin(&w);
	if (ret)
		return ret;

	for (; sector < w.limit_sectors; sector += sectors) {
		if (le64_to_cpu(bset_at(&w, sector)->seq) != w.seq)
			break;
		ret = walk_bset(&w, sector, &sectors);
		if (ret)
			return ret;
	}

	if (!expect->v2)
		return walk_check_rest(&w, sector);
	if (sector < w.limit_sectors)
		return node_bad(&w, sector, BCE_ERR_btree_node_data_missing,
				"bsets end at sector %u, %u were written", sector,
				w.limit_sectors);
	return 0;
}
