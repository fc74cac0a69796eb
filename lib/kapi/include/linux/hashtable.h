/* SPDX-License-Identifier: GPL-2.0 */
/* Fixed-size hash tables of hlists. */
#ifndef KAPI_LINUX_HASHTABLE_H
#define KAPI_LINUX_HASHTABLE_H

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/rculist.h>
#include <string.h>

#define DECLARE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)] = { HLIST_HEAD_INIT }
#define HASH_SIZE(name)			(sizeof(name) / sizeof((name)[0]))
#define HASH_BITS(name)			ilog2(HASH_SIZE(name))
#define hash_min(v, bits) \
	(sizeof(v) <= 4 ? hash_32(v, bits) : hash_64(v, bits))
#define hash_init(name)			memset(name, 0, sizeof(name))
#define hash_add(name, node, key)	hlist_add_head(node, &name[hash_min(key, HASH_BITS(name))])
#define hash_add_rcu(name, node, key) \
	hlist_add_head_rcu(node, &name[hash_min(key, HASH_BITS(name))])
#define hash_del(node)			hlist_del_init(node)
#define hash_for_each(name, bkt, p, m) \
	for ((bkt) = 0, p = NULL; !p && (bkt) < HASH_SIZE(name); (bkt)++) \
		hlist_for_each_entry(p, &name[bkt], m)
#define hash_for_each_safe(name, bkt, n, p, m) \
	for ((bkt) = 0, p = NULL; !p && (bkt) < HASH_SIZE(name); (bkt)++) \
		hlist_for_each_entry_safe(p, n, &name[bkt], m)
#define hash_for_each_possible(name, p, m, key) \
	hlist_for_each_entry(p, &name[hash_min(key, HASH_BITS(name))], m)
#define hash_for_each_possible_rcu(name, p, m, key, cond...) \
	hlist_for_each_entry_rcu(p, &name[hash_min(key, HASH_BITS(name))], m, ## cond)

#endif
