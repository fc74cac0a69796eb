// SPDX-License-Identifier: GPL-2.0
/*
 * Which sets are running. The dm target registers a set with the number of the
 * device it is shown as; a mount is given that device and asks here what
 * stands behind it. Some dozens at most, so a list under one mutex.
 *
 * A lookup takes a reference under the mutex; unregistering only takes the set
 * off the list, the memory goes with the last reference.
 */
#include "engine/set/set_internal.h"

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/string.h>

#include <bcachefs/set.h>

static LIST_HEAD(registry);
static DEFINE_MUTEX(registry_lock);	/* the list, set_dev and claimant of its sets */

static struct bce_set *find_uuid(const u8 user_uuid[16])
{
	struct bce_set *set;

	list_for_each_entry(set, &registry, registry_link)
		if (!memcmp(set->info.user_uuid, user_uuid, 16))
			return set;
	return NULL;
}

int bce_set_register(struct bce_set *set, dev_t set_dev)
{
	int ret = 0;

	mutex_lock(&registry_lock);
	if (find_uuid(set->info.user_uuid)) {
		ret = -EEXIST;
	} else {
		set->set_dev = set_dev;
		list_add_tail(&set->registry_link, &registry);
	}
	mutex_unlock(&registry_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_register);

void bce_set_unregister(struct bce_set *set)
{
	mutex_lock(&registry_lock);
	list_del_init(&set->registry_link);
	mutex_unlock(&registry_lock);
}
EXPORT_SYMBOL_GPL(bce_set_unregister);

struct bce_set *bce_set_by_dev(dev_t set_dev)
{
	struct bce_set *set, *found = NULL;

	mutex_lock(&registry_lock);
	list_for_each_entry(set, &registry, registry_link)
		if (set->set_dev == set_dev) {
			bce_set_get(set);
			found = set;
			break;
		}
	mutex_unlock(&registry_lock);
	return found;
}
EXPORT_SYMBOL_GPL(bce_set_by_dev);

struct bce_set *bce_set_by_uuid(const u8 user_uuid[16])
{
	struct bce_set *set;

	mutex_lock(&registry_lock);
	set = find_uuid(user_uuid);
	if (set)
		bce_set_get(set);
	mutex_unlock(&registry_lock);
	return set;
}
EXPORT_SYMBOL_GPL(bce_set_by_uuid);

dev_t bce_set_dev(const struct bce_set *set)
{
	return set->set_dev;
}
EXPORT_SYMBOL_GPL(bce_set_dev);

int bce_set_claim(struct bce_set *set, void *claimant)
{
	int ret = 0;

	mutex_lock(&registry_lock);
	if (set->claimant && set->claimant != claimant)
		ret = -EBUSY;
	else
		set->claimant = claimant;
	mutex_unlock(&registry_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_claim);

void bce_set_release(struct bce_set *set, void *claimant)
{
	mutex_lock(&registry_lock);
	if (set->claimant == claimant)
		set->claimant = NULL;
	mutex_unlock(&registry_lock);
}
EXPORT_SYMBOL_GPL(bce_set_release);

bool bce_set_claimed(const struct bce_set *set)
{
	return READ_ONCE(set->claimant) != NULL;
}
EXPORT_SYMBOL_GPL(bce_set_claimed);
