/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SB_SESSION_H
#define BCACHECTL_SB_SESSION_H

#include <stdbool.h>

#include "engine/sb/members.h"
#include "engine/sb/sb.h"
#include "engine/sb/write.h"
#include "scan.h"

/*
 * The superblocks of a set that nobody uses, opened to be changed: all members exclusively, no
 * journal and no btree.
 */
struct sb_session {
	unsigned int		nr;
	char *const		*path;
	struct scan_list	found;		/* when one was named */
	char			**found_path;
	struct block_device	**bdev;
	struct sb_image		*img;
	const struct bch_sb	*best;
	struct member_table	*members;
	struct bce_log		*log;
	struct sb_writer	*w;
};

/*
 * One block device stands for its set, as for offline_open(), and comes first in @s->path; so does its name.
 * @degraded: although members are missing
 * Prints what is wrong. Return: enum exit_code; sb_session_close() in any case.
 */
int sb_session_open(struct sb_session *s, char *const *paths, unsigned int nr, bool degraded);
void sb_session_close(struct sb_session *s);

/* write what was changed. Prints what is wrong. Return: enum exit_code */
int sb_session_write(struct sb_session *s);

#endif
