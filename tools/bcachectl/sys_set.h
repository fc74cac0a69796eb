/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SYS_SET_H
#define BCACHECTL_SYS_SET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the file system shows of mounted sets, in /sys/fs/bcachefs/UUID; everybody may read it. A set can be unmounted at
 * any time: what is gone is 0 or "".
 */

typedef void (*sys_set_fn)(const char *uuid, void *ctx);
void sys_set_for_each(sys_set_fn fn, void *ctx);

bool sys_set_is_mounted(const char *uuid);
/* the first line of a file */
void sys_set_line(const char *uuid, const char *file, char *out, unsigned int size);
/* the numbers after these words in a file of lines "WORD NUMBER", which is read once */
struct sys_word {
	const char	*word;
	uint64_t	*value;		/* out */
};
void sys_set_words(const char *uuid, const char *file, const struct sys_word *words, unsigned int nr);

/* the same of a member's files, dev-N/FILE; a number alone in its file */
void sys_member_line(const char *uuid, unsigned int idx, const char *file, char *out, unsigned int size);
void sys_member_words(const char *uuid, unsigned int idx, const char *file, const struct sys_word *words,
		      unsigned int nr);
uint64_t sys_member_number(const char *uuid, unsigned int idx, const char *file);

/* buckets of a member that are free, or will be without anything being moved: cached data, what has to be discarded first */
struct sys_room {
	uint64_t	bytes;		/* of its whole data area */
	uint64_t	room_bytes;
};
void sys_member_room(const char *uuid, unsigned int idx, struct sys_room *out);

#endif
