/* SPDX-License-Identifier: GPL-2.0 */
/* Lists read under RCU. */
#ifndef KAPI_LINUX_RCULIST_H
#define KAPI_LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

static inline void list_add_rcu(struct list_head *e, struct list_head *head)
{
	struct list_head *next = head->next;

	e->next = next;
	e->prev = head;
	rcu_assign_pointer(head->next, e);
	next->prev = e;
}

static inline void list_add_tail_rcu(struct list_head *e, struct list_head *head)
{
	struct list_head *prev = head->prev;

	e->next = head;
	e->prev = prev;
	rcu_assign_pointer(prev->next, e);
	head->prev = e;
}

static inline void list_del_rcu(struct list_head *e)
{
	__list_del_entry(e);
	e->prev = LIST_POISON2;
}

static inline void hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h)
{
	struct hlist_node *first = h->first;

	n->next = first;
	n->pprev = &h->first;
	rcu_assign_pointer(h->first, n);
	if (first)
		first->pprev = &n->next;
}

static inline void hlist_del_rcu(struct hlist_node *n)
{
	__hlist_del(n);
	n->pprev = LIST_POISON2;
}

static inline void hlist_del_init_rcu(struct hlist_node *n)
{
	if (hlist_unhashed(n))
		return;
	__hlist_del(n);
	n->pprev = NULL;
}

#define list_entry_rcu(p, T, m)		container_of(rcu_dereference(p), T, m)
#define list_for_each_entry_rcu(p, h, m, cond...) \
	for (p = list_entry_rcu((h)->next, __typeof__(*p), m); &p->m != (h); \
	     p = list_entry_rcu(p->m.next, __typeof__(*p), m))
#define hlist_for_each_entry_rcu(p, h, m, cond...) \
	for (p = hlist_entry_safe(rcu_dereference((h)->first), __typeof__(*(p)), m); p; \
	     p = hlist_entry_safe(rcu_dereference((p)->m.next), __typeof__(*(p)), m))

#endif
