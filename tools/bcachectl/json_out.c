// SPDX-License-Identifier: GPL-2.0
/*
 * JSON objects built field by field, so that a kind of value looks the same in all commands:
 * numbers are integers, bytes and uuids are text. Output is one object at a time.
 */
#include "json_out.h"

#include <stdio.h>
#include <stdlib.h>

#include "uuid_arg.h"

void json_add_string(json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

void json_add_uint(json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

void json_add_int(json_object *o, const char *name, int64_t value)
{
	json_object_object_add(o, name, json_object_new_int64(value));
}

void json_add_bool(json_object *o, const char *name, bool value)
{
	json_object_object_add(o, name, json_object_new_boolean(value));
}

void json_add_hex(json_object *o, const char *name, const void *p, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = p;
	char *text = malloc(2 * bytes + 1);
	size_t i;

	if (!text)
		return;
	for (i = 0; i < bytes; i++) {
		text[2 * i] = digits[in[i] >> 4];
		text[2 * i + 1] = digits[in[i] & 15];
	}
	text[2 * bytes] = '\0';
	json_add_string(o, name, text);
	free(text);
}

void json_add_uuid(json_object *o, const char *name, const uint8_t uuid[16])
{
	char text[37];

	uuid_arg_text(uuid, text);
	json_add_string(o, name, text);
}

static void print(json_object *o, int flags)
{
	puts(json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void json_print(json_object *o)
{
	print(o, JSON_C_TO_STRING_PRETTY);
}

void json_print_line(json_object *o)
{
	print(o, JSON_C_TO_STRING_PLAIN);
}
