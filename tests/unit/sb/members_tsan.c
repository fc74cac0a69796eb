// SPDX-License-Identifier: GPL-2.0
/*
 * Readers take and drop I/O references while devices are replaced and detached as fast as
 * possible. A device is "closed" (poisoned) right after its detach or replacement returned;
 * no reader may see a closed one between get and put.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/atomic.h>

#include "engine/sb/members.h"

#define READERS		4
#define SLOTS		3
#define ROUNDS		3000
#define OPEN		0x600d
#define CLOSED		0xdead

/* stands for a block device: all the table does with one is to hand it out */
struct fake {
	atomic_t	state;
};

static struct member_table *table;
static atomic_t stop, reads;

static void check(struct member_dev *m)
{
	struct fake *f = (void *)m->bdev;

	if (atomic_read(&f->state) != OPEN) {
		fprintf(stderr, "member %u: used after it was closed\n", m->idx);
		abort();
	}
}

static void *reader(void *arg)
{
	unsigned int i = (unsigned long)arg;

	for (; !atomic_read(&stop); i++) {
		struct member_dev *m = bce_member_get_io(table, i % SLOTS);

		if (!m)
			continue;
		check(m);
		bce_member_io_done(m, i % 1000, false);
		bce_member_count_read(m, 8);
		check(m);
		bce_member_put_io(m);
		atomic_inc(&reads);
	}
	return NULL;
}

static struct fake *fake_open(void)
{
	struct fake *f = malloc(sizeof(*f));

	atomic_set(&f->state, OPEN);
	return f;
}

static void fake_close(struct fake *f)
{
	if (!f)
		return;
	atomic_set(&f->state, CLOSED);
	free(f);
}

static void attach(unsigned int idx, struct fake *f, void *owner)
{
	struct member_info info = { .exists = true, .uuid = { idx + 1 } };

	if (bce_member_attach(table, idx, (struct block_device *)f, &info, "fake", owner))
		abort();
}

int main(void)
{
	struct fake *now[SLOTS] = { };
	pthread_t thread[READERS];
	unsigned long i;
	unsigned int s;

	table = bce_members_alloc();
	for (i = 0; i < READERS; i++)
		pthread_create(&thread[i], NULL, reader, (void *)i);

	for (i = 0; i < ROUNDS; i++) {
		for (s = 0; s < SLOTS; s++) {
			struct fake *f = fake_open();

			attach(s, f, now);
			fake_close(now[s]);	/* replaced: nobody uses it any more */
			now[s] = f;
		}
		if (i % 3)
			continue;
		bce_members_detach(table, now);
		for (s = 0; s < SLOTS; s++) {
			fake_close(now[s]);
			now[s] = NULL;
		}
	}
	atomic_set(&stop, 1);
	for (i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	bce_members_free(table);
	for (s = 0; s < SLOTS; s++)
		fake_close(now[s]);
	printf("%d reads over %d replacements\n", atomic_read(&reads), ROUNDS * SLOTS);
	return atomic_read(&reads) ? 0 : 1;
}
