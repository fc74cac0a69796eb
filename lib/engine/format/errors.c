// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the error ids, from the list that also makes the enum.
 */
#include "engine/format/errors.h"

static const char *const error_names[BCE_ERR_NR] = {
#define x(name, id, autofix)	[id] = #name,
	BCE_ERROR_LIST(x)
#undef x
};

static const bool error_autofix[BCE_ERR_NR] = {
#define x(name, id, autofix)	[id] = autofix,
	BCE_ERROR_LIST(x)
#undef x
};

const char *bce_error_name(unsigned int id)
{
	return id < BCE_ERR_NR ? error_names[id] : "unknown";
}

bool bce_error_autofix(unsigned int id)
{
	return id < BCE_ERR_NR && error_autofix[id];
}
