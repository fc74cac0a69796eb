/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_REJOIN_H
#define BCACHECTL_REJOIN_H

#include "events.h"

/*
 * Members come to and go from running sets: the set's table is exchanged for one with them or
 * without them. What cannot be done is told as event.
 */

/* take members that were met since into the set @uuid, if it runs and lacks any */
void rejoin_late_members(const char *uuid, event_fn fn, void *ctx);
/* the same for all running sets */
void rejoin_all(event_fn fn, void *ctx);
/* @id ("8:16") is gone: let go of it, if all data has a copy on the others */
void rejoin_without(const char *id, event_fn fn, void *ctx);

#endif
