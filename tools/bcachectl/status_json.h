/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_STATUS_JSON_H
#define BCACHECTL_STATUS_JSON_H

#include <json-c/json.h>

#include "dmset.h"

/* Sets as JSON: what "bcachectl status --json" prints and the daemon answers. */

const char *member_state_word(char state);
json_object *status_set_json(const struct dmset *s);
/* {"sets": [...], "waiting": [...]}; NULL with *error set */
json_object *status_json(int *error);
/* call @fn for each set that has been met and is not assembled */
struct seen_set;
typedef void (*waiting_fn)(const struct seen_set *s, void *ctx);
void status_for_each_waiting(waiting_fn fn, void *ctx);

#endif
