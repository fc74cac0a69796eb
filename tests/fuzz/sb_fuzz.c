// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks with any contents: the whole rule set; what passes is then used in every way a
 * reader has. What only has a good envelope is shown as text, as a tool would.
 *
 * And it is changed in every way: what was valid stays so.
 *
 * Input: 1 byte flags, then the copy. With RESEAL its checksum is made right, so that the
 * rules behind it are reached. It lies in memory of exactly its size, so a step beyond shows.
 *
 * Seeds: tests/fuzz/make-seeds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/format/ids.h"
#include "engine/sb/replicas.h"
#include "engine/sb/sb.h"
#include "engine/sb/write_internal.h"
#include "engine/util/csum.h"

enum {
	FLAG_RESEAL	= 1 << 0,
	FLAG_CAPACITY	= 1 << 1,
	FLAG_EDITS	= 4,		/* the bits from here choose what is edited */
};

static void reseal(struct bch_sb *sb, size_t size)
{
	size_t bytes = sizeof(*sb) + (size_t)le32_to_cpu(sb->u64s) * 8;
	unsigned int type = BCH_SB_FLAG(sb, CSUM_TYPE);
	struct bce_csum csum;

	if (bytes > size || bce_csum_type_is_mac(type) ||
	    bce_csum(type, NULL, (struct bce_nonce) { }, (u8 *)sb + 16, bytes - 16, &csum))
		return;
	sb->csum.lo = cpu_to_le64(csum.lo);
	sb->csum.hi = cpu_to_le64(csum.hi);
}

static void use_as_text(const struct bch_sb *sb)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_sb_text(&out, sb, true, ~0ULL);
	bce_text_exit(&out);
}

static void use_members(const struct bch_sb *sb)
{
	struct text_buf out = TEXT_BUF_INIT;
	struct member_info m;
	unsigned int i;

	for (i = 0; i < 66; i++) {
		bce_sb_member(sb, i, &m);
		bce_sb_member_label(&out, sb, i);
		bce_sb_target_has_dev(sb, 257 + i, i % 64);
		bce_sb_target_text(&out, sb, i * 8);
		bce_replicas_data_of(sb, i % 64);
	}
	bce_text_exit(&out);
}

static void use_options(const struct bch_sb *sb)
{
	unsigned int i;

	for (i = 0; i < bce_sb_nr_options; i++)
		bce_sb_option_get(sb, &bce_sb_options[i]);
}

static void use_key(const struct bch_sb *sb)
{
	static const u8 passphrase_key[32] = { 1 };
	char description[BCE_KEY_DESCRIPTION_BYTES];
	struct bce_cipher *cipher;
	u8 n, r, p;

	bce_sb_key_description(sb, description);
	bce_sb_kdf_params(sb, &n, &r, &p);
	bce_sb_unlock(sb, passphrase_key, &cipher);
	bce_cipher_free(cipher);
}

/* beside itself: another member's superblock is as good as any input */
static void use_choice(const struct bch_sb *sb)
{
	struct sb_candidate c[2] = {
		{ .sb = sb, .name = "a", .device_sectors = 1 << 20 },
		{ .sb = sb, .name = "b" },
	};
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_presence presence;

	bce_sb_choose(c, 2, false, &why);
	bce_sb_presence(sb, 5, &presence);
	bce_text_exit(&why);
}

static void quiet(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
}

/* the edits of a running set; any may find no room */
static void edit(struct sb_writer *w, unsigned int which)
{
	static const u64 ring[] = { 30, 31, 40 };
	static const __le64 entries[4];
	unsigned int dev = w->sb->dev_idx;
	struct member_info m;

	bce_sb_edit_begin(w);
	bce_sb_member(w->sb, dev, &m);
	if (which & 1) {
		bce_sb_replicas_add(w, BCH_DATA_user, which >> 4 & 1, m.exists ? 1ULL << dev : 0);
		bce_sb_blacklist_add(w, 1ULL << which % 40, 2ULL << which % 50);
		bce_sb_error_count(w, which * 3, 1);
		bce_sb_counter_add(w, which % 79, 1);
	}
	if (which & 2) {
		bce_sb_clean_set(w, 7, entries, which % 5);
		if (m.nbuckets > 40 && m.first_bucket <= 30)
			bce_sb_journal_set(w, dev, ring, which % 4);
		bce_sb_blacklist_remove(w, 0, 1ULL << which % 40);
	}
	if (which & 4) {
		bce_sb_label_set(w, dev, which & 8 ? "a.b" : "a");
		bce_sb_btree_bitmap_mark(w, dev, 512ULL << which % 32, 512);
		bce_sb_option_set(w->sb, bce_sb_option_by_name("compression"), 3);
	}
	if (which & 8) {
		m.state = which % 4;
		bce_sb_member_set(w, dev, &m);
		if (w->sb->nr_devices < 64)
			bce_sb_member_set(w, w->sb->nr_devices, &m);
	}
	bce_sb_edit_end(w);
}

static void check_valid(struct sb_writer *w)
{
	unsigned int dev = w->sb->dev_idx;
	size_t bytes = sb_image_bytes(w, dev);
	struct text_buf why = TEXT_BUF_INIT;
	struct bch_sb *image = malloc(bytes);

	sb_image_make(w, dev, image);
	if (sb_image_seal(image, 8) || bce_sb_validate(image, bytes, 0, &why)) {
		fprintf(stderr, "%s\n", bce_text_str(&why));
		abort();
	}
	free(image);
	bce_text_exit(&why);
}

static void use_writer(const struct bch_sb *sb, unsigned int which)
{
	const struct bch_sb *dev_sb[64] = { };
	struct member_table *members = bce_members_alloc();
	struct bce_log *log = bce_log_alloc("fuzz");
	struct sb_writer *w;

	bce_log_set_print(log, quiet, NULL);
	dev_sb[sb->dev_idx] = sb;
	if (!bce_sb_writer_open(&w, sb, dev_sb, members, log)) {
		check_valid(w);
		edit(w, which);
		if (!sb_derived_sections(w))
			check_valid(w);
		bce_sb_writer_close(w);
	}
	bce_members_free(members);
	bce_log_free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct bch_sb *sb;
	int ret;

	if (size < 1)
		return 0;
	size--;
	sb = malloc(size ?: 1);
	memcpy(sb, data + 1, size);
	if (size >= sizeof(*sb) && (data[0] & FLAG_RESEAL))
		reseal(sb, size);
	ret = bce_sb_validate(sb, size, data[0] & FLAG_CAPACITY ? 1 << 19 : 0, &why);
	if (ret && !why.len)
		abort();	/* a refusal without a reason */
	/* -EINVAL and -EOPNOTSUPP are said of copies that are whole */
	if (!ret || ret == -EINVAL || ret == -EOPNOTSUPP)
		use_as_text(sb);
	if (!ret) {
		use_members(sb);
		use_options(sb);
		use_key(sb);
		use_choice(sb);
		use_writer(sb, data[0] / FLAG_EDITS);
	}
	bce_text_exit(&why);
	free(sb);
	return 0;
}
