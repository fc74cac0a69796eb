// SPDX-License-Identifier: GPL-2.0
/* The facts of one superblock, gathered once for all commands that print them. */
#include "member_facts.h"

#include <blkid/blkid.h>
#include <stdint.h>
#include <stdio.h>

#include "uuid_arg.h"

void member_facts_read(const struct bch_sb *sb, struct member_facts *out)
{
	unsigned int i;

	*out = (struct member_facts) { };
	bce_sb_info(sb, &out->info);
	bce_sb_member(sb, out->info.dev_idx, &out->m);
	bce_sb_member_label(&out->label, sb, out->info.dev_idx);
	uuid_arg_text(out->info.user_uuid, out->uuid);
	uuid_arg_text(out->m.uuid, out->member_uuid);
	for (i = 0; i < out->info.nr_devices; i++) {
		struct member_info m;

		bce_sb_member(sb, i, &m);
		out->nr_members += m.exists;
	}
}

void member_facts_exit(struct member_facts *m)
{
	bce_text_exit(&m->label);
}

/* udev's import: a value in the encoding that is safe in rules and links */
static void export_value(const char *name, const char *value)
{
	char safe[512];

	if (blkid_encode_string(value, safe, sizeof(safe)))
		return;
	printf("%s=%s\n", name, safe);
}

void member_facts_export(const struct member_facts *m)
{
	puts("ID_FS_TYPE=bcachefs");
	puts("ID_FS_USAGE=filesystem");
	printf("ID_FS_UUID=%s\nID_FS_UUID_ENC=%s\n", m->uuid, m->uuid);
	printf("ID_FS_UUID_SUB=%s\nID_FS_UUID_SUB_ENC=%s\n", m->member_uuid, m->member_uuid);
	if (m->info.label[0]) {
		export_value("ID_FS_LABEL_ENC", m->info.label);
		export_value("BCACHE_SET_LABEL", m->info.label);
	}
	printf("BCACHE_SET_UUID=%s\n", m->uuid);
	printf("BCACHE_MEMBER_INDEX=%u\n", m->info.dev_idx);
	printf("BCACHE_SET_MEMBERS=%u\n", m->nr_members);
	printf("BCACHE_SET_SEQ=%ju\n", (uintmax_t)m->info.seq);
	printf("BCACHE_SET_ENCRYPTED=%d\n", m->info.encrypted);
}
