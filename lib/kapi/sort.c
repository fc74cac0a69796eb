// SPDX-License-Identifier: GPL-2.0
/* Sorting arrays (heapsort) and lists (merge sort, stable); lock-less lists. */
#include <linux/list_sort.h>
#include <linux/llist.h>
#include <linux/sort.h>
#include <linux/types.h>

struct heap {
	char *base;
	size_t size;
	cmp_r_func_t cmp;
	swap_r_func_t swap;
	const void *priv;
};

static void heap_swap(const struct heap *h, size_t i, size_t j)
{
	char *a = h->base + i * h->size, *b = h->base + j * h->size;

	if (h->swap) {
		h->swap(a, b, h->size, h->priv);
		return;
	}
	for (size_t n = 0; n < h->size; n++) {
		char t = a[n];

		a[n] = b[n];
		b[n] = t;
	}
}

static int heap_cmp(const struct heap *h, size_t i, size_t j)
{
	return h->cmp(h->base + i * h->size, h->base + j * h->size, h->priv);
}

static void sift_down(const struct heap *h, size_t i, size_t n)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && heap_cmp(h, child, child + 1) < 0)
			child++;
		if (heap_cmp(h, i, child) >= 0)
			return;
		heap_swap(h, i, child);
	}
}

void sort_r(void *base, size_t num, size_t size, cmp_r_func_t cmp, swap_r_func_t swap,
	    const void *priv)
{
	struct heap h = { .base = base, .size = size, .cmp = cmp, .swap = swap, .priv = priv };

	for (size_t i = num / 2; i--; )
		sift_down(&h, i, num);
	for (size_t n = num; n-- > 1; ) {
		heap_swap(&h, 0, n);
		sift_down(&h, 0, n);
	}
}

struct plain_sort {
	cmp_func_t cmp;
	swap_func_t swap;
};

static int plain_cmp(const void *a, const void *b, const void *priv)
{
	return ((const struct plain_sort *)priv)->cmp(a, b);
}

static void plain_swap(void *a, void *b, int size, const void *priv)
{
	((const struct plain_sort *)priv)->swap(a, b, size);
}

void sort(void *base, size_t num, size_t size, cmp_func_t cmp, swap_func_t swap)
{
	struct plain_sort p = { .cmp = cmp, .swap = swap };

	sort_r(base, num, size, plain_cmp, swap ? plain_swap : NULL, &p);
}

/* Takes the first half of @from, at least one entry when there are two. */
static void split_half(struct list_head *from, struct list_head *half)
{
	struct list_head *slow = from, *fast = from;

	while (fast->next != from && fast->next->next != from) {
		slow = slow->next;
		fast = fast->next->next;
	}
	half->next = from->next;
	half->next->prev = half;
	half->prev = slow;
	from->next = slow->next;
	from->next->prev = from;
	slow->next = half;
}

void list_sort(void *priv, struct list_head *head, list_cmp_func_t cmp)
{
	LIST_HEAD(first);
	LIST_HEAD(out);

	if (list_empty(head) || list_is_singular(head))
		return;
	split_half(head, &first);
	list_sort(priv, &first, cmp);
	list_sort(priv, head, cmp);
	while (!list_empty(&first) && !list_empty(head)) {
		struct list_head *from = cmp(priv, first.next, head->next) <= 0 ? &first : head;

		list_move_tail(from->next, &out);
	}
	list_splice_tail_init(&first, &out);
	list_splice_tail_init(head, &out);
	list_splice_init(&out, head);
}

struct llist_node *llist_del_first(struct llist_head *h)
{
	struct llist_node *n = smp_load_acquire(&h->first);

	while (n && !try_cmpxchg(&h->first, &n, READ_ONCE(n->next)))
		;
	return n;
}

struct llist_node *llist_reverse_order(struct llist_node *n)
{
	struct llist_node *out = NULL;

	while (n) {
		struct llist_node *next = n->next;

		n->next = out;
		out = n;
		n = next;
	}
	return out;
}
