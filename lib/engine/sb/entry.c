// SPDX-License-Identifier: GPL-2.0
/*
 * Journal sub-entries: walking, checking.
 *
 *   list   | entry | entry | entry |            entries tile the list exactly
 *   entry  | header 8 bytes | payload u64s |    by type: keys, a root, numbers
 *   keys   | key | key | ... |                  unpacked keys tile the payload
 *
 * Everything here is fed with bytes from disk whose checksum may be wrong, or
 * absent; so each step checks that what it is about to look at lies inside its
 * container. The walks are safe on unchecked lists: they end early and say so.
 *
 * Rules per type are a table of functions; types without a function have no
 * rules (unknown types are ignored by readers, docs/format/30-journal.md).
 */
#include "engine/sb/entry.h"

#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/key/pack.h"

/* ids handed upwards are shifted by one, see bce_key_validate() */
#define RULE_BROKEN(name)	(BCE_ERR_##name + 1)

void bce_entry_walk_init(struct entry_walk *w, const void *list, size_t u64s)
{
	w->next = list;
	w->end = w->next + u64s;
	w->bad = false;
}

const struct jset_entry *bce_entry_next(struct entry_walk *w)
{
	const struct jset_entry *e = (const void *)w->next;

	if (w->bad || w->next == w->end)
		return NULL;
	if (1 + jset_entry_u64s(e) > w->end - w->next) {
		w->bad = true;
		return NULL;
	}
	w->next += 1 + jset_entry_u64s(e);
	return e;
}

bool bce_entry_has_keys(const struct jset_entry *e)
{
	switch (e->type) {
	case JSET_ENTRY_btree_keys:
	case JSET_ENTRY_btree_root:
	case JSET_ENTRY_overwrite:
	case JSET_ENTRY_write_buffer_keys:
		return true;
	default:
		return false;
	}
}

void bce_entry_keys_init(struct entry_key_walk *w, const struct jset_entry *e)
{
	w->next = e->payload;
	w->end = e->payload + jset_entry_u64s(e);
	w->bad = false;
}

bool bce_entry_next_key(struct entry_key_walk *w, struct bkey *k)
{
	if (w->bad || w->next == w->end)
		return false;
	if (bce_key_read_unpacked(w->next, w->end - w->next, k)) {
		w->bad = true;
		return false;
	}
	w->next += BKEY_U64S + k->val_u64s;
	return true;
}

/* ---- keys ---- */

/* The header of the key at @d with @room_u64s left: the errors that have ids of their own. */
static int key_header_check(const struct disk_key *d, unsigned int room_u64s,
			    struct text_buf *err)
{
	if (!d->u64s) {
		bce_text_printf(err, "key of length 0");
		return RULE_BROKEN(journal_entry_bkey_u64s_0);
	}
	if (d->u64s > room_u64s) {
		bce_text_printf(err, "key of %u u64s, only %u left in the entry",
				d->u64s, room_u64s);
		return RULE_BROKEN(journal_entry_bkey_past_end);
	}
	if ((d->format & BKEY_FORMAT_MASK) != KEY_FORMAT_UNPACKED) {
		bce_text_printf(err, "key format %u, expected %u", d->format,
				KEY_FORMAT_UNPACKED);
		return RULE_BROKEN(journal_entry_bkey_bad_format);
	}
	return 0;
}

/* One key at @p; its length goes to @u64s. @level: of the node the key belongs into. */
static int key_check(const __le64 *p, unsigned int room_u64s, const struct jset_entry *e,
		     unsigned int level, const struct key_rules *rules, unsigned int *u64s,
		     struct text_buf *err)
{
	const struct disk_key *d = (const void *)p;
	const char *what;
	struct bkey k;
	int ret = key_header_check(d, room_u64s, err);

	if (ret)
		return ret;
	what = bce_key_read_unpacked(p, room_u64s, &k);
	if (what) {
		bce_text_printf(err, "%s", what);
		return RULE_BROKEN(journal_entry_bkey_invalid);
	}
	if (bce_key_validate(&k, e->btree_id, level, rules, KEY_FROM_JOURNAL, err))
		return RULE_BROKEN(journal_entry_bkey_invalid);
	*u64s = d->u64s;
	return 0;
}

static int check_place(const struct jset_entry *e, struct text_buf *err)
{
	if (e->btree_id >= BTREE_ID_MAX) {
		bce_text_printf(err, "btree id %u, highest possible %u", e->btree_id,
				BTREE_ID_MAX - 1);
		return RULE_BROKEN(invalid_btree_id);
	}
	if (e->level >= BTREE_LEVELS_MAX) {
		bce_text_printf(err, "level %u, highest possible %u", e->level,
				BTREE_LEVELS_MAX - 1);
		return RULE_BROKEN(journal_entry_bkey_invalid);
	}
	return 0;
}

static int check_keys(const struct jset_entry *e, const struct key_rules *rules,
		      struct text_buf *err)
{
	const __le64 *p = e->payload, *end = p + jset_entry_u64s(e);
	unsigned int u64s;
	int ret;

	if (p == end)
		return 0;
	ret = check_place(e, err);
	for (; !ret && p < end; p += u64s)
		ret = key_check(p, end - p, e, e->level, rules, &u64s, err);
	return ret;
}

/* A root is a pointer to a node of level @e->level: the key of a node one level above. */
static int check_root(const struct jset_entry *e, const struct key_rules *rules,
		      struct text_buf *err)
{
	const struct disk_key *d = (const void *)e->payload;
	unsigned int u64s;
	int ret = check_place(e, err);

	if (ret || !jset_entry_u64s(e))
		return ret;		/* an empty one: the root was unreadable */
	if (jset_entry_u64s(e) != d->u64s) {
		bce_text_printf(err, "root entry of %u u64s holds a key of %u",
				jset_entry_u64s(e), d->u64s);
		return RULE_BROKEN(journal_entry_btree_root_bad_size);
	}
	if (d->u64s > BTREE_ROOT_U64S_MAX) {
		bce_text_printf(err, "root key of %u u64s, at most %u", d->u64s,
				BTREE_ROOT_U64S_MAX);
		return RULE_BROKEN(journal_entry_btree_root_bad_size);
	}
	return key_check(e->payload, jset_entry_u64s(e), e, e->level + 1, rules, &u64s, err);
}

/* ---- numbers ---- */

static int check_blacklist(const struct jset_entry *e, const struct key_rules *rules,
			   struct text_buf *err)
{
	if (jset_entry_u64s(e) == 1)
		return 0;
	bce_text_printf(err, "%u u64s, expected 1", jset_entry_u64s(e));
	return RULE_BROKEN(journal_entry_blacklist_bad_size);
}

static int check_blacklist_v2(const struct jset_entry *e, const struct key_rules *rules,
			      struct text_buf *err)
{
	const struct jset_payload_blacklist_v2 *bl = (const void *)e->payload;

	if (jset_entry_u64s(e) != 2) {
		bce_text_printf(err, "%u u64s, expected 2", jset_entry_u64s(e));
		return RULE_BROKEN(journal_entry_blacklist_v2_bad_size);
	}
	if (le64_to_cpu(bl->start) > le64_to_cpu(bl->end)) {
		bce_text_printf(err, "start %llu > end %llu",
				(unsigned long long)le64_to_cpu(bl->start),
				(unsigned long long)le64_to_cpu(bl->end));
		return RULE_BROKEN(journal_entry_blacklist_v2_start_past_end);
	}
	return 0;
}

static int check_usage(const struct jset_entry *e, const struct key_rules *rules,
		       struct text_buf *err)
{
	if (jset_entry_u64s(e) >= 1)
		return 0;
	bce_text_printf(err, "no value");
	return RULE_BROKEN(journal_entry_usage_bad_size);
}

static int check_data_usage(const struct jset_entry *e, const struct key_rules *rules,
			    struct text_buf *err)
{
	const struct jset_payload_data_usage *u = (const void *)e->payload;
	size_t bytes = jset_entry_u64s(e) * 8, need = sizeof(*u);

	if (bytes >= need && bytes >= need + u->nr_devs)
		return 0;
	bce_text_printf(err, "%zu bytes do not hold the replicas entry", bytes);
	return RULE_BROKEN(journal_entry_data_usage_bad_size);
}

static int check_clock(const struct jset_entry *e, const struct key_rules *rules,
		       struct text_buf *err)
{
	const struct jset_payload_clock *c = (const void *)e->payload;

	if (jset_entry_u64s(e) != 2) {
		bce_text_printf(err, "%u u64s, expected 2", jset_entry_u64s(e));
		return RULE_BROKEN(journal_entry_clock_bad_size);
	}
	if (c->rw > 1) {
		bce_text_printf(err, "clock %u, expected 0 or 1", c->rw);
		return RULE_BROKEN(journal_entry_clock_bad_rw);
	}
	return 0;
}

static int check_dev_usage(const struct jset_entry *e, const struct key_rules *rules,
			   struct text_buf *err)
{
	const struct jset_payload_dev_usage *u = (const void *)e->payload;
	size_t bytes = jset_entry_u64s(e) * 8;
	u32 dev;

	if (bytes < sizeof(*u)) {
		bce_text_printf(err, "%zu bytes, at least %zu expected", bytes,
				sizeof(*u));
		return RULE_BROKEN(journal_entry_dev_usage_bad_size);
	}
	dev = le32_to_cpu(u->dev);
	if (dev >= BCH_MEMBERS_MAX || (rules->dev && !rules->dev[dev].exists)) {
		bce_text_printf(err, "device %u is no member", dev);
		return RULE_BROKEN(journal_entry_dev_usage_bad_dev);
	}
	if (u->pad) {
		bce_text_printf(err, "padding %#x is not zero", le32_to_cpu(u->pad));
		return RULE_BROKEN(journal_entry_dev_usage_bad_pad);
	}
	return 0;
}

typedef int (*entry_check_fn)(const struct jset_entry *e, const struct key_rules *rules,
			      struct text_buf *err);

static const entry_check_fn entry_checks[JSET_ENTRY_NR] = {
	[JSET_ENTRY_btree_keys]		= check_keys,
	[JSET_ENTRY_btree_root]		= check_root,
	[JSET_ENTRY_blacklist]		= check_blacklist,
	[JSET_ENTRY_blacklist_v2]	= check_blacklist_v2,
	[JSET_ENTRY_usage]		= check_usage,
	[JSET_ENTRY_data_usage]		= check_data_usage,
	[JSET_ENTRY_clock]		= check_clock,
	[JSET_ENTRY_dev_usage]		= check_dev_usage,
	[JSET_ENTRY_overwrite]		= check_keys,
	[JSET_ENTRY_write_buffer_keys]	= check_keys,
};

static const char *const entry_type_names[JSET_ENTRY_NR] = {
#define x(name, nr)	[nr] = #name,
	JSET_ENTRY_TYPE_LIST(x)
#undef x
};

const char *bce_entry_type_name(unsigned int type)
{
	return type < JSET_ENTRY_NR ? entry_type_names[type] : "unknown";
}

static int entry_check(const struct jset_entry *e, size_t offset_u64s,
		       const struct key_rules *rules, struct text_buf *err)
{
	struct text_buf what = TEXT_BUF_INIT;
	int ret = 0;

	if (e->type < JSET_ENTRY_NR && entry_checks[e->type])
		ret = entry_checks[e->type](e, rules, &what);
	if (ret)
		bce_text_printf(err, "entry at word %zu (%s, btree %u, level %u): %s",
				offset_u64s, bce_entry_type_name(e->type), e->btree_id,
				e->level, bce_text_str(&what));
	bce_text_exit(&what);
	return ret;
}

int bce_entries_validate(const void *list, size_t u64s, const struct key_rules *rules,
			 struct text_buf *err)
{
	const struct jset_entry *e;
	struct entry_walk w;
	int ret = 0;

	bce_entry_walk_init(&w, list, u64s);
	while (!ret && (e = bce_entry_next(&w)))
		ret = entry_check(e, (const __le64 *)e - (const __le64 *)list, rules, err);
	if (!ret && w.bad) {
		e = (const void *)w.next;
		bce_text_printf(err, "entry at word %zu has %u u64s, only %zu left",
				(size_t)(w.next - (const __le64 *)list), jset_entry_u64s(e),
				(size_t)(w.end - w.next - 1));
		ret = RULE_BROKEN(journal_entry_past_jset_end);
	}
	return ret;
}
