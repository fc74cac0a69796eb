/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_WATCH_H
#define BCACHECTL_WATCH_H

#include "dmset.h"
#include "events.h"

/*
 * What has changed since sets were last looked at. What was seen is kept in a file, so that who
 * starts anew continues where the last one ended.
 */
struct watch;

/* @path: the file, read if it is there. NULL: no memory */
struct watch *watch_new(const char *path, event_fn fn, void *ctx);
void watch_free(struct watch *w);
/* look at all sets; each change is an event. Return: 0, -errno */
int watch_look(struct watch *w);

#endif
