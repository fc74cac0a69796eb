/* SPDX-License-Identifier: GPL-2.0 */
/* Lock-less stack: many producers, take-all consumers. */
#ifndef KAPI_LINUX_LLIST_H
#define KAPI_LINUX_LLIST_H

#include <linux/atomic.h>
#include <linux/container_of.h>
#include <linux/types.h>

struct llist_head {
	struct llist_node *first;
};

struct llist_node {
	struct llist_node *next;
};

#define LLIST_HEAD_INIT(name)	{ NULL }
#define LLIST_HEAD(name)	struct llist_head name = LLIST_HEAD_INIT(name)

static inline void init_llist_head(struct llist_head *h)
{
	h->first = NULL;
}

static inline bool llist_empty(const struct llist_head *h)
{
	return !READ_ONCE(h->first);
}

static inline struct llist_node *llist_next(struct llist_node *n)
{
	return n->next;
}

/* True when the list was empty before. */
static inline bool llist_add_batch(struct llist_node *new_first, struct llist_node *new_last,
				   struct llist_head *h)
{
	struct llist_node *first = READ_ONCE(h->first);

	do {
		WRITE_ONCE(new_last->next, first);
	} while (!try_cmpxchg(&h->first, &first, new_first));
	return !first;
}

static inline bool llist_add(struct llist_node *n, struct llist_head *h)
{
	return llist_add_batch(n, n, h);
}

static inline struct llist_node *llist_del_all(struct llist_head *h)
{
	return xchg(&h->first, NULL);
}

/* One consumer at a time. */
struct llist_node *llist_del_first(struct llist_head *h);
struct llist_node *llist_reverse_order(struct llist_node *n);

#define llist_entry(p, T, m)	container_of(p, T, m)
#define member_address_is_nonnull(p, m) ((uintptr_t)(p) + offsetof(__typeof__(*(p)), m) != 0)
#define llist_for_each(p, n)	for ((p) = (n); p; (p) = (p)->next)
#define llist_for_each_safe(p, n, node) \
	for ((p) = (node); (p) && ((n) = (p)->next, true); (p) = (n))
#define llist_for_each_entry(p, node, m) \
	for ((p) = llist_entry((node), __typeof__(*(p)), m); member_address_is_nonnull(p, m); \
	     (p) = llist_entry((p)->m.next, __typeof__(*(p)), m))
#define llist_for_each_entry_safe(p, n, node, m) \
	for (p = llist_entry((node), __typeof__(*p), m); member_address_is_nonnull(p, m) && \
	     (n = llist_entry(p->m.next, __typeof__(*n), m), true); p = n)

#endif
