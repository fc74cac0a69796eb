// SPDX-License-Identifier: GPL-2.0
/*
 * Journal sub-entries as text, in the form of the reference listings. Unchecked entries may
 * be given: what is not there is not printed.
 */
#include "engine/sb/entry.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/key/text.h"
#include "engine/sb/text_internal.h"

void bce_version_text(struct text_buf *out, unsigned int version)
{
	static const struct {
		unsigned int	version;
		const char	*name;
	} names[] = {
#define x(name, major, minor)	{ BCH_VERSION(major, minor), #name },
		BCH_VERSION_LIST(x)
#undef x
	};
	unsigned int i;

	bce_text_printf(out, "%u.%u", BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].version == version)
			bce_text_printf(out, ": %s", names[i].name);
}

static void keys_text(struct text_buf *out, const struct jset_entry *e,
		      const struct key_rules *rules)
{
	struct entry_key_walk w;
	const char *line = "";
	struct bkey k;

	bce_entry_keys_init(&w, e);
	while (bce_entry_next_key(&w, &k)) {
		bce_text_printf(out, "%s%s: btree=%s l=%u ", line, bce_entry_type_name(e->type),
				bce_btree_name(e->btree_id), e->level);
		bce_key_text(out, &k, rules);
		line = "\n";
	}
	if (w.bad)
		bce_text_printf(out, "%s%s: (%zu words are no key)", line,
				bce_entry_type_name(e->type), (size_t)(w.end - w.next));
	else if (!jset_entry_u64s(e))
		bce_text_printf(out, "%s: ", bce_entry_type_name(e->type));
}

static void usage_text(struct text_buf *out, const struct jset_entry *e)
{
	static const char *const kinds[] = {
		[JSET_USAGE_reserved]		= "reserved",
		[JSET_USAGE_inodes]		= "inodes",
		[JSET_USAGE_key_version]	= "key_version",
	};
	const struct jset_payload_usage *u = (const void *)e->payload;

	bce_text_printf(out, "type=%s v=%llu",
			e->btree_id < ARRAY_SIZE(kinds) ? kinds[e->btree_id] : "unknown",
			(unsigned long long)le64_to_cpu(u->value));
}

static void data_usage_text(struct text_buf *out, const struct jset_entry *e)
{
	const struct jset_payload_data_usage *u = (const void *)e->payload;
	size_t room = jset_entry_u64s(e) * 8;
	unsigned int i;

	bce_text_printf(out, "%s: %u/%u [", bce_data_type_name(u->data_type), u->nr_required,
			u->nr_devs);
	for (i = 0; i < u->nr_devs && sizeof(*u) + i < room; i++)
		bce_text_printf(out, "%s%u", i ? " " : "", u->devs[i]);
	bce_text_printf(out, "]=%llu", (unsigned long long)le64_to_cpu(u->value));
}

static void dev_usage_text(struct text_buf *out, const struct jset_entry *e)
{
	const struct jset_payload_dev_usage *u = (const void *)e->payload;
	size_t nr = (jset_entry_u64s(e) * 8 - sizeof(*u)) / sizeof(u->d[0]), i;

	bce_text_printf(out, "dev=%u", le32_to_cpu(u->dev));
	for (i = 0; i < nr; i++)
		bce_text_printf(out, " %s: buckets=%llu sectors=%llu fragmented=%llu",
				bce_data_type_name(i),
				(unsigned long long)le64_to_cpu(u->d[i].buckets),
				(unsigned long long)le64_to_cpu(u->d[i].sectors),
				(unsigned long long)le64_to_cpu(u->d[i].fragmented));
}

static void log_text(struct text_buf *out, const struct jset_entry *e)
{
	const char *text = (const char *)e->payload;

	bce_text_write(out, text, strnlen(text, jset_entry_u64s(e) * 8));
}

/* payload bytes each type needs before its text can be made */
static size_t payload_bytes_min(const struct jset_entry *e)
{
	switch (e->type) {
	case JSET_ENTRY_blacklist:
		return sizeof(struct jset_payload_blacklist);
	case JSET_ENTRY_blacklist_v2:
		return sizeof(struct jset_payload_blacklist_v2);
	case JSET_ENTRY_usage:
		return sizeof(struct jset_payload_usage);
	case JSET_ENTRY_data_usage:
		return sizeof(struct jset_payload_data_usage);
	case JSET_ENTRY_clock:
		return sizeof(struct jset_payload_clock);
	case JSET_ENTRY_dev_usage:
		return sizeof(struct jset_payload_dev_usage);
	case JSET_ENTRY_datetime:
		return sizeof(struct jset_payload_datetime);
	default:
		return 0;
	}
}

static void payload_text(struct text_buf *out, const struct jset_entry *e)
{
	const struct jset_payload_blacklist_v2 *bl = (const void *)e->payload;
	const struct jset_payload_clock *clock = (const void *)e->payload;
	const struct jset_payload_datetime *date = (const void *)e->payload;

	switch (e->type) {
	case JSET_ENTRY_blacklist:
		bce_text_printf(out, "seq=%llu", (unsigned long long)le64_to_cpu(bl->start));
		break;
	case JSET_ENTRY_blacklist_v2:
		bce_text_printf(out, "start=%llu end=%llu",
				(unsigned long long)le64_to_cpu(bl->start),
				(unsigned long long)le64_to_cpu(bl->end));
		break;
	case JSET_ENTRY_usage:
		usage_text(out, e);
		break;
	case JSET_ENTRY_data_usage:
		data_usage_text(out, e);
		break;
	case JSET_ENTRY_clock:
		bce_text_printf(out, "%s=%llu", clock->rw ? "write" : "read",
				(unsigned long long)le64_to_cpu(clock->time));
		break;
	case JSET_ENTRY_dev_usage:
		dev_usage_text(out, e);
		break;
	case JSET_ENTRY_log:
		log_text(out, e);
		break;
	case JSET_ENTRY_datetime:
		text_date(out, le64_to_cpu(date->seconds));
		break;
	default:
		bce_text_printf(out, "%u words", jset_entry_u64s(e));
	}
}

void bce_entry_text(struct text_buf *out, const struct jset_entry *e,
		    const struct key_rules *rules)
{
	if (bce_entry_has_keys(e)) {
		keys_text(out, e, rules);
		return;
	}
	bce_text_printf(out, "%s: ", bce_entry_type_name(e->type));
	if (jset_entry_u64s(e) * 8 < payload_bytes_min(e))
		bce_text_printf(out, "(%u words are too few)", jset_entry_u64s(e));
	else
		payload_text(out, e);
}
