// SPDX-License-Identifier: GPL-2.0
/*
 * Directory entries (docs/format/60-filesystem-keys.md, sections 8 to 10).
 *
 * A directory is a hash table laid out in a btree: the entry for a name lies at
 * offset hash(name), or at the next free offset after it. A lookup goes up from
 * the hash over entries and tombstones (hash_whiteout) until it finds the name
 * or a hole. The offset is also the cookie of readdir.
 *
 * An entry that leads to another subvolume shows only where the directory is
 * reached through the subvolume it was made in. Elsewhere (in a snapshot of
 * that one) it is no hole, but passed over: what was displaced over it before
 * the snapshot was taken stands behind it there as well.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/values.h"
#include "engine/names/batch.h"
#include "engine/names/names.h"

/* 0 and 1 are the cookies of "." and ".." */
#define FIRST_COOKIE	2

/* stored types are the DT_* numbers of readdir, but for BCH_DT_SUBVOL */
#define DIRENT_TYPE_DIR	4

/* false: a value too short, or without a name */
static bool dirent_decode(const struct bkey *k, struct dirent_info *out)
{
	bce_dirent_decode(k, out);
	return out->name_len && out->name_len <= BCH_DIRENT_NAME_MAX;
}

static bool dirent_is_visible(const struct dirent_info *d, const struct bce_inode *dir)
{
	return d->d_type != BCH_DT_SUBVOL || d->parent_subvol == dir->id.subvol;
}

/* -ENOENT: the subvolume is not there */
static int dirent_target(const struct names_source *src, const struct bce_inode *dir, u8 d_type,
			 u64 inum, u32 child_subvol, struct bce_file_id *out)
{
	struct subvolume_info child;

	if (d_type != BCH_DT_SUBVOL) {
		*out = (struct bce_file_id) { .subvol = dir->id.subvol, .inum = inum };
		return 0;
	}
	if (!bce_subvolume_find(src->snapshots, child_subvol, &child)) {
		bce_log_error(src->log, BCE_ERR_dirent_to_missing_subvol,
			      "directory %llu in subvolume %u: entry for subvolume %u, which is missing",
			      dir->id.inum, dir->id.subvol, child_subvol);
		return -ENOENT;
	}
	*out = (struct bce_file_id) { .subvol = child.id, .inum = child.inode };
	return 0;
}

enum probe { PROBE_FOUND, PROBE_GO_ON };

static enum probe dirent_probe(const struct bkey *k, const struct bce_inode *dir,
			       const char *name, unsigned int len, struct dirent_info *d)
{
	if (k->type != KEY_TYPE_dirent || !dirent_decode(k, d))
		return PROBE_GO_ON;
	if (!dirent_is_visible(d, dir))
		return PROBE_GO_ON;
	return d->name_len == len && !memcmp(d->name, name, len) ? PROBE_FOUND : PROBE_GO_ON;
}

/* Go up from slot @hash. 0 and @d filled in (the name is not to be used); -ENOENT */
static int dirent_search(const struct names_source *src, const struct bce_inode *dir,
			 const struct snapshot_view *view, u64 hash, const char *name,
			 unsigned int len, struct dirent_info *d)
{
	struct btree_iter iter;
	const struct bkey *k;
	u64 slot = hash;
	int ret = -ENOENT;

	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_dirents, 0, SPOS(dir->id.inum, slot, 0),
			    0, view);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		enum probe probe;

		if (k->p.inode != dir->id.inum || k->p.offset != slot++)
			break;
		probe = dirent_probe(k, dir, name, len, d);
		if (probe == PROBE_FOUND)
			ret = 0;
		if (probe != PROBE_GO_ON)
			break;
	}
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	bce_btree_iter_exit(&iter);
	return ret;
}

int names_dirent_lookup(const struct names_source *src, const struct bce_inode *dir,
			const char *name, unsigned int len, struct bce_file_id *out)
{
	struct snapshot_view view;
	struct dirent_info d;
	u64 hash;
	int ret;

	if (!len || len > BCH_DIRENT_NAME_MAX)
		return -ENOENT;
	ret = names_view(src, dir->id.subvol, &view);
	if (ret)
		return ret;
	hash = bce_name_hash(dir->hash_type, dir->hash_seed, name, len, true);
	ret = dirent_search(src, dir, &view, hash, name, len, &d);
	if (ret)
		return ret;
	return dirent_target(src, dir, d.d_type, d.inum, d.child_subvol, out);
}

/* false: the batch is full */
static bool batch_add_dirent(struct batch *batch, const struct bce_inode *dir,
			     const struct bkey *k)
{
	struct batch_record *rec;
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent || !dirent_decode(k, &d) || !dirent_is_visible(&d, dir))
		return true;
	rec = batch_add(batch, d.name_len);
	if (!rec)
		return false;
	rec->pos = k->p.offset;
	rec->type = d.d_type;
	rec->inum = d.inum;
	rec->subvol = d.child_subvol;
	memcpy(rec->name, d.name, d.name_len);
	return true;
}

static int readdir_fill(const struct names_source *src, const struct bce_inode *dir,
			const struct snapshot_view *view, struct batch *batch)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	batch_restart(batch);
	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_dirents, 0,
			    SPOS(dir->id.inum, batch->next_pos, 0), BTREE_ITER_PREFETCH, view);
	for (k = bce_btree_iter_peek(&iter); ; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR_OR_NULL(k) || k->p.inode != dir->id.inum) {
			ret = PTR_ERR_OR_ZERO(k);
			batch->last = true;
			break;
		}
		batch->next_pos = k->p.offset;
		if (!batch_add_dirent(batch, dir, k))
			break;
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/* false: the reader has had enough */
static bool readdir_emit(const struct names_source *src, const struct bce_inode *dir,
			 const struct batch *batch,
			 bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx)
{
	const struct batch_record *rec = NULL;

	while ((rec = batch_next(batch, rec))) {
		struct bce_dirent d = {
			.name = rec->name,
			.len = rec->len,
			.pos = rec->pos,
			.dt_type = rec->type == BCH_DT_SUBVOL ? DIRENT_TYPE_DIR : rec->type,
		};

		/* an entry that leads nowhere cannot be opened, but the rest can */
		if (dirent_target(src, dir, rec->type, rec->inum, rec->subvol, &d.target))
			continue;
		if (!emit(ctx, &d))
			return false;
	}
	return true;
}

int names_readdir(const struct names_source *src, const struct bce_inode *dir, u64 pos,
		  bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx)
{
	struct snapshot_view view;
	struct batch batch;
	int ret;

	ret = names_view(src, dir->id.subvol, &view);
	if (!ret)
		ret = batch_init(&batch);
	if (ret)
		return ret;

	batch.next_pos = max_t(u64, pos, FIRST_COOKIE);
	do {
		ret = readdir_fill(src, dir, &view, &batch);
		/* what was read before an error is good */
		if (!readdir_emit(src, dir, &batch, emit, ctx))
			break;
	} while (!ret && !batch.last);
	batch_exit(&batch);
	return ret;
}

struct name_search {
	const struct bce_inode	*child;
	char			*name;
	bool			found;
};

static bool name_search_emit(void *ctx, const struct bce_dirent *d)
{
	struct name_search *s = ctx;

	if (d->target.inum != s->child->id.inum || d->target.subvol != s->child->id.subvol)
		return true;
	memcpy(s->name, d->name, d->len);
	s->name[d->len] = '\0';
	s->found = true;
	return false;
}

/* try the one entry at @offset */
static int name_search_at(const struct names_source *src, const struct bce_inode *dir,
			  u64 offset, struct name_search *s)
{
	struct bpos pos = SPOS(dir->id.inum, offset, 0);
	struct snapshot_view view;
	struct bce_file_id target;
	struct btree_iter iter;
	struct dirent_info d;
	const struct bkey *k;
	int ret;

	ret = names_view(src, dir->id.subvol, &view);
	if (ret)
		return ret;
	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_dirents, 0, pos, 0, &view);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (k && !bpos_cmp_logical(k->p, pos) && k->type == KEY_TYPE_dirent &&
		   dirent_decode(k, &d) && dirent_is_visible(&d, dir) &&
		   !dirent_target(src, dir, d.d_type, d.inum, d.child_subvol, &target)) {
		struct bce_dirent found = {
			.name = (const char *)d.name,
			.len = d.name_len,
			.target = target,
		};

		name_search_emit(s, &found);
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/*
 * The back reference says at which offset to look; it may be of another link, or
 * gone. Then the whole directory is searched.
 */
int names_name_of(const struct names_source *src, const struct bce_inode *dir,
		  const struct bce_inode *child, char name[BCE_NAME_MAX + 1])
{
	struct name_search s = { .child = child, .name = name };
	struct snapshot_view view;
	struct inode_fields f;
	int ret;

	ret = names_view(src, child->id.subvol, &view);
	if (!ret)
		ret = names_inode_fields(src, child->id.inum, &view, &f);
	if (ret)
		return ret;
	if (f.dir == dir->id.inum)
		ret = name_search_at(src, dir, f.dir_offset, &s);
	if (!ret && !s.found)
		ret = names_readdir(src, dir, FIRST_COOKIE, name_search_emit, &s);
	return ret ?: s.found ? 0 : -ENOENT;
}
