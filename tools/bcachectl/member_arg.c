// SPDX-License-Identifier: GPL-2.0
/*
 * Properties of a member as people type them.
 */
#include "member_arg.h"

#include <errno.h>
#include <string.h>

#include "engine/format/ids.h"
#include "engine/sb/write.h"

int member_durability(const char *text, uint8_t *durability)
{
	if (strlen(text) != 1 || *text < '0' || *text > '0' + BCE_SB_DURABILITY_MAX)
		return -EINVAL;
	*durability = *text - '0';
	return 0;
}

int member_discard(const char *text, bool *discard)
{
	if (strcmp(text, "0") && strcmp(text, "1"))
		return -EINVAL;
	*discard = *text == '1';
	return 0;
}

static int data_type(const char *name, size_t len)
{
	static const struct {
		const char	*name;
		unsigned int	type;
	} types[] = {
		{ "journal", BCH_DATA_journal }, { "btree", BCH_DATA_btree },
		{ "user", BCH_DATA_user },
	};
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (strlen(types[i].name) == len && !memcmp(types[i].name, name, len))
			return types[i].type;
	return -EINVAL;
}

int member_data_allowed(const char *text, uint8_t *data_allowed)
{
	uint8_t allowed = 0;

	for (;;) {
		size_t len = strcspn(text, ",;");
		int type = data_type(text, len);

		if (type < 0)
			return type;
		allowed |= 1U << type;
		if (!text[len])
			break;
		text += len + 1;
	}
	*data_allowed = allowed;
	return 0;
}
