/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_GOLDEN_SET_H
#define TESTS_LIB_GOLDEN_SET_H

#include "engine/journal/replay.h"
#include "engine/key/validate.h"
#include "engine/sb/members.h"
#include "engine/sb/sb.h"
#include "engine/util/log.h"

/*
 * A golden set opened through the sb room alone: devices, superblocks, the choice among
 * them, the member table, the key. What set/ does, in the small, for tests of lower rooms.
 */

struct bce_cipher;

struct golden_set {
	unsigned int		nr;
	char			path[64][256];
	struct block_device	*bdev[64];
	struct sb_image		image[64];
	struct sb_candidate	candidate[64];
	const struct bch_sb	*sb;			/* the best one */
	const struct bch_sb	*dev_sb[64];		/* by member index */
	struct member_table	*members;
	struct bce_cipher	*cipher;
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	struct bce_log		*log;
	char			findings[4096];		/* what was logged */
};

/* names of the golden sets that have images, NULL-terminated; see tests/golden/README.md */
extern const char *const golden_sets[];

/* where unpacked images and references are: static buffers of one call each */
const char *golden_image_path(const char *set, const char *file);
const char *golden_reference_path(const char *set, const char *file);
/* the whole text of a reference, ".zst" ones unpacked; freed by the caller; NULL if absent */
char *golden_reference(const char *set, const char *file);

/*
 * Open the images "disk*.img" of a set, stale ones left out.
 * Return: 0 or a negative errno, with a message on standard error.
 */
int golden_set_open(struct golden_set *g, const char *set);
/* the same for given files */
int golden_set_open_files(struct golden_set *g, const char *const *paths, unsigned int nr);
void golden_set_close(struct golden_set *g);

struct journal_read_context golden_journal_context(const struct golden_set *g);

#endif
