/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_MEMBER_FACTS_H
#define BCACHECTL_MEMBER_FACTS_H

#include "engine/sb/sb.h"
#include "engine/util/text.h"

/* What one superblock says of its device and of the set, ready to be printed. */
struct member_facts {
	struct sb_info		info;
	struct member_info	m;
	char			uuid[37];
	char			member_uuid[37];
	struct text_buf		label;		/* of the member: "ssd.ssd1" */
	unsigned int		nr_members;
};

void member_facts_read(const struct bch_sb *sb, struct member_facts *out);
void member_facts_exit(struct member_facts *m);

/* the properties by which libblkid would describe the file system, and ours of the set */
void member_facts_export(const struct member_facts *m);

#endif
