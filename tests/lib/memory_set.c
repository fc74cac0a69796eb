// SPDX-License-Identifier: GPL-2.0
/*
 * Btrees of a journal alone: memory_set.h.
 */
#include "memory_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/journal/overlay.h"
#include "jset_builder.h"
#include "require.h"

#define ENTRIES_MAX	32

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "%d (%s): %s\n", level,
			error_id < 0 ? "-" : bce_error_name(error_id), line);
}

void memory_init(struct memory_set *m)
{
	*m = (struct memory_set) { };
	m->members = bce_members_alloc();
	require(m->members);
}

struct memory_key *memory_find(struct memory_set *m, unsigned int btree_id, struct bpos p)
{
	for (size_t i = 0; i < m->nr; i++)
		if (m->key[i]->btree_id == btree_id && !bpos_cmp(m->key[i]->k.p, p))
			return m->key[i];
	return NULL;
}

static void fill_key(struct memory_key *key, unsigned int btree_id, unsigned int type,
		     struct bpos p, u32 size, const void *value, size_t bytes)
{
	require(bytes <= sizeof(key->v));
	memset(key, 0, sizeof(*key));
	key->btree_id = btree_id;
	key->k = (struct bkey) {
		.p = p,
		.size = size,
		.type = type,
		.val_u64s = DIV_ROUND_UP(bytes, 8),
		.v = key->v,
	};
	if (bytes)
		memcpy(key->v, value, bytes);
}

struct memory_key *memory_append(struct memory_set *m, unsigned int btree_id, unsigned int type,
				 struct bpos p, u32 size, const void *value, size_t bytes)
{
	struct memory_key *key = malloc(sizeof(*key));

	if (m->nr == m->room) {
		m->room = m->room ? 2 * m->room : 64;
		m->key = realloc(m->key, m->room * sizeof(*m->key));
	}
	require(key && m->key);
	m->key[m->nr++] = key;
	fill_key(key, btree_id, type, p, size, value, bytes);
	return key;
}

struct memory_key *memory_key(struct memory_set *m, unsigned int btree_id, unsigned int type,
			      struct bpos p, u32 size, const void *value, size_t bytes)
{
	struct memory_key *key = memory_find(m, btree_id, p);

	if (!key)
		return memory_append(m, btree_id, type, p, size, value, bytes);
	fill_key(key, btree_id, type, p, size, value, bytes);
	return key;
}

static void remove_at(struct memory_set *m, size_t i)
{
	free(m->key[i]);
	m->key[i] = m->key[--m->nr];
}

void memory_remove(struct memory_set *m, unsigned int btree_id, struct bpos p)
{
	for (size_t i = 0; i < m->nr; i++)
		if (m->key[i]->btree_id == btree_id && !bpos_cmp(m->key[i]->k.p, p)) {
			remove_at(m, i);
			return;
		}
	require(!"a key to remove");
}

void memory_clear(struct memory_set *m, unsigned int btree_id)
{
	for (size_t i = m->nr; i--; )
		if (m->key[i]->btree_id == btree_id)
			remove_at(m, i);
}

void memory_scramble(struct memory_set *m, u64 random)
{
	struct memory_key *key = m->key[random % m->nr];
	unsigned int word = random >> 20 & 0xff, bit = random >> 28 & 63;
	struct bkey *k = &key->k;
	u64 mask = random >> 34 & 1 ? random : 1ULL << bit;

	if (random >> 36 & 1 && k->val_u64s)
		key->v[word % k->val_u64s] ^= mask;
	else if (word < 64)
		k->p.offset ^= mask;
	else if (word < 128)
		k->p.inode ^= mask;
	else if (word < 160)
		k->p.snapshot ^= (u32)mask;
	else if (word < 192)
		k->size ^= (u32)mask;
	else if (word < 224)
		k->type = bit % (KEY_TYPE_NR + 1);
	else
		k->val_u64s = bit % (k->val_u64s + 1);
}

static void add_entry(struct journal_replay *keys, struct jset_builder *b,
		      struct journal_entry *entry)
{
	size_t i = keys->nr_entries++;

	require(i < ENTRIES_MAX);
	jb_init(&b[i], 1, i + 1, 1);
	entry[i].jset = b[i].j;
	keys->entry[i] = &entry[i];
}

/* accounting keys are deltas with versions: each gets one of its own, above those of a real set */
static void make_overlay(struct memory_set *m)
{
	struct jset_builder b[ENTRIES_MAX];
	struct journal_entry entry[ENTRIES_MAX] = { };
	struct journal_entry *entries[ENTRIES_MAX];
	struct journal_replay keys = { .entry = entries };

	for (size_t i = 0; i < m->nr; i++) {
		struct bkey *k = &m->key[i]->k;

		if (m->key[i]->btree_id == BTREE_ID_accounting && !k->version.hi && !k->version.lo)
			k->version = (struct bversion) { .hi = 1 << 20, .lo = i + 1 };
		if (!keys.nr_entries ||
		    jb_bytes(&b[keys.nr_entries - 1]) + sizeof(m->key[i]->v) + 256 > JB_BYTES_MAX)
			add_entry(&keys, b, entry);
		jb_key(&b[keys.nr_entries - 1], m->key[i]->btree_id, 0, k);
	}
	require(!bce_overlay_build(&m->overlay, &keys));
	while (keys.nr_entries)
		jb_exit(&b[--keys.nr_entries]);
}

int memory_start(struct memory_set *m, const struct btrees_config *config)
{
	static const struct key_rules rules = {
		.btree_node_sectors = 128,
		.block_sectors = 1,
		.encoded_extent_max_sectors = 128,
	};
	struct btrees_config own = {
		.uuid_word = 1,
		.version = BCH_VERSION_CURRENT,
		.version_min = BCH_VERSION_CURRENT,
		.node_sectors = 128,
		.block_sectors = 1,
		.cache_bytes = 16 << 20,
		.members = m->members,
		.rules = &rules,
		.replay = &m->replay,
	};
	int ret;

	m->own_log = !config;
	m->log = config ? config->log : bce_log_alloc("test");
	require(m->log);
	if (m->own_log)
		bce_log_set_print(m->log, print_line, NULL);
	own.log = m->log;
	if (config)
		own = *config;
	make_overlay(m);
	own.overlay = m->overlay;
	ret = bce_btrees_open(&m->btrees, &own);
	return ret ?: bce_snapshot_table_read(&m->snapshots, m->btrees, m->log);
}

void memory_exit(struct memory_set *m)
{
	bce_snapshot_table_free(m->snapshots);
	if (m->btrees)
		bce_btrees_close(m->btrees);
	bce_overlay_free(m->overlay);
	bce_members_free(m->members);
	if (m->own_log)
		bce_log_free(m->log);
	for (size_t i = 0; i < m->nr; i++)
		free(m->key[i]);
	free(m->key);
}
