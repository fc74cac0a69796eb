/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_FOLIO_H
#define BCACHEFS_FOLIO_H

/*
 * What we know of a folio beyond its flags: which of its pages have contents, are dirty, have space
 * promised (folio.c). All but where said: the folio is locked. Offsets and lengths in bytes.
 */

#include <linux/pagemap.h>
#include <linux/types.h>

/* for a folio that is going to be dirtied. Return: 0; -ENOMEM */
int bcachefs_folio_prepare(struct folio *folio);
/* nothing is known any more; the folio is clean. Return: pages that had space promised */
unsigned int bcachefs_folio_forget(struct folio *folio);

/* are these bytes what the file holds? Without the folio lock: they were */
bool bcachefs_folio_has(struct folio *folio, size_t offset, size_t len);
/* whole pages of it */
void bcachefs_folio_set_has(struct folio *folio, size_t offset, size_t len);

/* pages that [offset, offset + len) touches and that have no space promised */
unsigned int bcachefs_folio_unpromised(struct folio *folio, size_t offset, size_t len);
void bcachefs_folio_set_promised(struct folio *folio, size_t offset, size_t len);
/* pages wholly within are clean, too. Return: how many had space promised */
unsigned int bcachefs_folio_drop(struct folio *folio, size_t offset, size_t len);

/* of pages that [offset, offset + len) touches and that are not dirty. Return: how many had it */
unsigned int bcachefs_folio_drop_clean(struct folio *folio, size_t offset, size_t len);

void bcachefs_folio_set_dirty(struct folio *folio, size_t offset, size_t len);
/* somebody else made all of it dirty. Context: any, no lock needed */
void bcachefs_folio_all_dirty(struct folio *folio);
/*
 * the next run of dirty pages at or after *@offset and before @end, which are clean from now on.
 * Return: its length, 0 none; *@promised pages of it had space promised
 */
size_t bcachefs_folio_take_run(struct folio *folio, size_t *offset, size_t end,
			       unsigned int *promised);

/* writes of it under way. Return of put: it was the last */
void bcachefs_folio_write_get(struct folio *folio);
bool bcachefs_folio_write_put(struct folio *folio);

#endif
