/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_KEY_JSON_H
#define BCACHECTL_KEY_JSON_H

#include <json-c/json.h>

#include "engine/key/bkey.h"

struct key_rules;

/*
 * A key as a JSON object: "u64s", "type", "pos" {inode, offset, snapshot}, "size",
 * "version", and "value": an object by type, its field names those of docs/format.
 * Types this program does not know, and values that do not decode, get {"hex": ...}.
 */
json_object *key_to_json(const struct bkey *k, const struct key_rules *rules);

json_object *pos_to_json(struct bpos p);

#endif
