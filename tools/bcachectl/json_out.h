/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_JSON_OUT_H
#define BCACHECTL_JSON_OUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void json_add_string(json_object *o, const char *name, const char *value);
/* a number; beyond 2^63 still exact, as JSON has no bound */
void json_add_uint(json_object *o, const char *name, uint64_t value);
void json_add_int(json_object *o, const char *name, int64_t value);
void json_add_bool(json_object *o, const char *name, bool value);
void json_add_uuid(json_object *o, const char *name, const uint8_t uuid[16]);
/* bytes as lower-case hex */
void json_add_hex(json_object *o, const char *name, const void *p, size_t bytes);

/* print with a newline and free; indented */
void json_print(json_object *o);
/* the same on one line: one object per line for long lists */
void json_print_line(json_object *o);

#endif
