/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SEEN_SET_H
#define BCACHECTL_SEEN_SET_H

#include <json-c/json.h>
#include <stdio.h>

#include "dmset.h"
#include "records.h"
#include "set_state.h"

/* A set as far as its members have been met: the records, and the judgement on them. */
struct seen_set {
	char			set[37];	/* UUID, or RECORDS_NO_UUID */
	struct record_list	records;
	struct sb_candidate	*cand;		/* of the records that have a superblock, in order */
	unsigned int		nr_cand;
	struct set_verdict	verdict;
};

/* Return: 0 (maybe without any record), -errno. seen_set_exit() in any case */
int seen_set_read(const char *set, struct seen_set *out);
void seen_set_exit(struct seen_set *s);

/* what is said of a recorded device: "member", "clone"...; "unsupported" */
const char *seen_set_device_word(const struct seen_set *s, const char *path);

/* Is it a member that the assembled set @set does without: absent there, or another device that has failed? */
bool seen_set_is_late(const struct sb_candidate *c, const struct dmset *set);

/* each line of @lines that is not empty */
void print_indented(const char *lines, const char *indent, FILE *to);
void seen_set_text(const struct seen_set *s, FILE *to);
json_object *seen_set_json(const struct seen_set *s);

#endif
