/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_TIERS_H
#define BCACHECTL_TIERS_H

#include "events.h"

/*
 * Groups of members ("ssd" of "ssd.a") that have no room left, in mounted sets. Members without a label are one
 * group, that has no name.
 */
struct tiers;

/* @fn is called with EVENT_TIER_FULL once for each that gets full, until there is room again. Return: NULL: no memory */
struct tiers *tiers_new(event_fn fn, void *ctx);
void tiers_free(struct tiers *t);
/* read what the kernel shows of mounted sets, and tell */
void tiers_look(struct tiers *t);

#endif
