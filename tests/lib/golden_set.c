// SPDX-License-Identifier: GPL-2.0
/*
 * Golden sets for tests of the lower rooms.
 */
#include "golden_set.h"

#include <fcntl.h>
#include <glob.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "engine/util/csum.h"
#include "kapi/kapi.h"

#define PASSPHRASE	"correct horse"		/* of tests/golden/encrypted */

const char *const golden_sets[] = {
	"fresh-1dev", "fresh-3dev", "fresh-uninit", "mounted-once-empty", "small-tree", "crash",
	"compressed", "csum-crc64", "csum-xxhash", "csum-none", "encrypted", "replicas2",
	"snapshots", "degraded", "many", "tiered", NULL,
};

const char *golden_image_path(const char *set, const char *file)
{
	static char path[512];
	const char *top = getenv("TOP"), *out = getenv("O");

	if (out && out[0])
		snprintf(path, sizeof(path), "%s/golden/%s/%s", out, set, file);
	else
		snprintf(path, sizeof(path), "%s/build/golden/%s/%s", top ?: ".", set, file);
	return path;
}

const char *golden_reference_path(const char *set, const char *file)
{
	static char path[512];
	const char *top = getenv("TOP");

	snprintf(path, sizeof(path), "%s/tests/golden/%s/%s", top ?: ".", set, file);
	return path;
}

static char *read_all(FILE *f)
{
	size_t room = 1 << 16, len = 0, n;
	char *text = malloc(room);

	while ((n = fread(text + len, 1, room - len - 1, f))) {
		len += n;
		if (len + 1 == room)
			text = realloc(text, room *= 2);
	}
	text[len] = '\0';
	return text;
}

char *golden_reference(const char *set, const char *file)
{
	const char *path = golden_reference_path(set, file);
	size_t len = strlen(path);
	char command[600], *text;
	FILE *f;

	if (len > 4 && !strcmp(path + len - 4, ".zst")) {
		snprintf(command, sizeof(command), "zstd -dcq '%s'", path);
		f = popen(command, "r");
	} else {
		f = fopen(path, "r");
	}
	if (!f)
		return NULL;
	text = read_all(f);
	if (len > 4 && !strcmp(path + len - 4, ".zst"))
		pclose(f);
	else
		fclose(f);
	return text;
}

static void keep_finding(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	struct golden_set *g = ctx;
	size_t len = strlen(g->findings);

	if (level != BCE_LOG_INFO)
		snprintf(g->findings + len, sizeof(g->findings) - len, "[%d] %s\n", error_id, line);
}

static int open_image(struct golden_set *g, const char *path)
{
	struct text_buf why = TEXT_BUF_INIT;
	unsigned int i = g->nr;
	int ret;

	snprintf(g->path[i], sizeof(g->path[i]), "%s", path);
	g->bdev[i] = kapi_bdev_open(path, O_RDONLY);
	if (IS_ERR(g->bdev[i])) {
		fprintf(stderr, "%s: cannot be opened\n", path);
		return PTR_ERR(g->bdev[i]);
	}
	g->nr++;
	ret = bce_sb_read(&g->image[i], g->bdev[i], 0, &why);
	if (ret)
		fprintf(stderr, "%s: %s", path, bce_text_str(&why));
	bce_text_exit(&why);
	g->candidate[i] = (struct sb_candidate) {
		.sb = g->image[i].sb,
		.name = strrchr(g->path[i], '/') ?: g->path[i],
		.device_sectors = bdev_nr_sectors(g->bdev[i]),
	};
	return ret;
}

static int choose(struct golden_set *g)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct member_info m;
	unsigned int i, idx;
	int best, ret = 0;

	best = bce_sb_choose(g->candidate, g->nr, false, &why);
	if (why.len)
		fprintf(stderr, "%s", bce_text_str(&why));
	bce_text_exit(&why);
	if (best < 0)
		return best;
	g->sb = g->image[best].sb;
	for (i = 0; i < g->nr && !ret; i++) {
		if (g->candidate[i].verdict != SB_USE)
			continue;
		idx = g->image[i].sb->dev_idx;
		g->dev_sb[idx] = g->image[i].sb;
		bce_sb_member(g->sb, idx, &m);
		ret = bce_member_attach(g->members, idx, g->bdev[i], &m, g->candidate[i].name, g);
	}
	return ret;
}

static void target_text(void *ctx, struct text_buf *out, u16 target)
{
	const struct golden_set *g = ctx;

	bce_sb_target_text(out, g->sb, target);
}

static void fill_rules(struct golden_set *g)
{
	struct member_info m;
	struct sb_info info;
	unsigned int idx;

	bce_sb_info(g->sb, &info);
	for (idx = 0; idx < 64; idx++) {
		bce_sb_member(g->sb, idx, &m);
		g->rules_dev[idx] = (struct key_rules_dev) {
			.exists = m.exists,
			.durability = m.durability,
			.bucket_sectors = m.bucket_sectors,
			.first_bucket = m.first_bucket,
			.nbuckets = m.nbuckets,
		};
	}
	g->rules = (struct key_rules) {
		.dev = g->rules_dev,
		.btree_node_sectors = info.btree_node_sectors,
		.block_sectors = info.block_sectors,
		.encoded_extent_max_sectors = info.encoded_extent_max_sectors,
		.encrypted = bce_sb_has_crypt(g->sb),
		.target_text = target_text,
		.text_ctx = g,
	};
}

static int unlock(struct golden_set *g)
{
	static const u8 salt[] = "bcache";	/* its NUL counts */
	u8 log_n, log_r, log_p, key[32];

	if (!bce_sb_has_crypt(g->sb))
		return 0;
	if (bce_sb_kdf_params(g->sb, &log_n, &log_r, &log_p))
		return -EINVAL;
	if (crypto_pwhash_scryptsalsa208sha256_ll((const u8 *)PASSPHRASE, strlen(PASSPHRASE),
						  salt, sizeof(salt), 1ULL << log_n, 1U << log_r,
						  1U << log_p, key, sizeof(key)))
		return -ENOMEM;
	return bce_sb_unlock(g->sb, key, &g->cipher);
}

int golden_set_open_files(struct golden_set *g, const char *const *paths, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	memset(g, 0, sizeof(*g));
	g->members = bce_members_alloc();
	g->log = bce_log_alloc("golden");
	bce_log_set_print(g->log, keep_finding, g);
	for (i = 0; i < nr && !ret; i++)
		ret = open_image(g, paths[i]);
	if (!ret)
		ret = choose(g);
	if (!ret) {
		fill_rules(g);
		ret = unlock(g);
	}
	if (ret)
		golden_set_close(g);
	return ret;
}

int golden_set_open(struct golden_set *g, const char *set)
{
	const char *paths[64];
	unsigned int nr = 0, i;
	glob_t found;
	int ret;

	if (glob(golden_image_path(set, "disk*.img"), 0, NULL, &found)) {
		fprintf(stderr, "%s: no images; unpack them with tests/golden/unpack\n", set);
		return -ENOENT;
	}
	for (i = 0; i < found.gl_pathc && nr < 64; i++)
		if (!strstr(found.gl_pathv[i], "stale"))
			paths[nr++] = found.gl_pathv[i];
	ret = golden_set_open_files(g, paths, nr);
	globfree(&found);
	return ret;
}

void golden_set_close(struct golden_set *g)
{
	unsigned int i;

	bce_members_free(g->members);
	for (i = 0; i < g->nr; i++) {
		bce_sb_image_exit(&g->image[i]);
		kapi_bdev_close(g->bdev[i]);
	}
	bce_cipher_free(g->cipher);
	bce_log_free(g->log);
	memset(g, 0, sizeof(*g));
}

struct journal_read_context golden_journal_context(const struct golden_set *g)
{
	return (struct journal_read_context) {
		.sb = g->sb,
		.dev_sb = g->dev_sb,
		.members = g->members,
		.cipher = g->cipher,
		.rules = &g->rules,
		.log = g->log,
	};
}
