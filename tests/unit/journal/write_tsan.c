// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads reserve, pin, unpin and flush at the same time, on rings that are always nearly
 * full; then the journal is closed, or stopped, and read back.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/journal_rig.h"
#include "../../lib/random.h"
#include "../../lib/require.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"

#define THREADS		6
#define OWN_PINS	(JR_PINS / THREADS)

struct worker {
	struct jr_rig	*rig;
	unsigned int	nr, steps;
	u64		random;
	pthread_t	thread;
};

static u64 next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * 0x2545f4914f6cdd1dULL;
}

static void step(struct worker *w, u64 *last)
{
	struct jr_rig *rig = w->rig;
	u64 x = next_random(w);
	struct jr_pin *pin = &rig->pin[w->nr * OWN_PINS + (x >> 32) % OWN_PINS];
	unsigned int nr = 1 + (x >> 8) % 12;
	int error = 0, state;

	switch (x % 8) {
	case 0 ... 2:
		*last = jr_put_keys(rig, nr, JOURNAL_NORMAL, x, &error);
		break;
	case 3:
		state = 0;
		if (__atomic_compare_exchange_n(&pin->state, &state, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			*last = jr_put_pinned(rig, nr, pin, x, &error);
		break;
	case 4:
		if (__atomic_load_n(&pin->state, __ATOMIC_ACQUIRE) == 2)
			jr_unpin(rig, pin);
		break;
	case 5 ... 6:
		error = jr_flush(rig, *last);
		break;
	case 7:
		if ((x >> 40) % 32 == 0)
			error = bce_journal_flush_pins(rig->j, *last);
		if (!w->nr && jr_put_root(rig, (x >> 16) % JR_ROOTS, 5 + (x >> 24) % 200, &error))
			error = 0;
		break;
	}
	require(!error);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 last = w->rig->config.next_seq - 1;
	unsigned int i;

	for (i = 0; i < w->steps; i++)
		step(w, &last);
	return NULL;
}

static void life(struct jr_rig *rig, unsigned int steps, bool clean)
{
	struct worker w[THREADS];
	unsigned int i;

	require(!jr_open(rig));
	bce_journal_replay_done(rig->j);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker) { .rig = rig, .nr = i, .steps = steps, .random = rnd() };
		require(!pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	for (i = 0; i < THREADS; i++)
		require(!pthread_join(w[i].thread, NULL));
	if (clean) {
		require(!bce_journal_flush_pins(rig->j, U64_MAX));
		jr_stop(rig);
		return;
	}
	jr_flush(rig, bce_journal_cur_seq(rig->j));
	jr_crash(rig);
	jr_read(rig);
}

int main(void)
{
	static const struct jr_options options[] = {
		{ .nr = 1, .ring_nr = 6, .bucket_sectors = 128, .block_sectors = 8,
		  .csum_type = BCH_CSUM_crc32c_nonzero },
		{ .nr = 3, .ring_nr = 6, .bucket_sectors = 64, .block_sectors = 1, .replicas = 2,
		  .csum_type = BCH_CSUM_xxhash, .discard = true },
	};
	struct jr_rig rig;
	unsigned int i, n;

	rnd_setup(NULL);
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		jr_init(&rig, &options[i]);
		for (n = 0; n < 4; n++)
			life(&rig, 250, n == 2);
		require(!*rig.said);
		jr_exit(&rig);
	}
	require(!kapi_warn_count());
	return 0;
}
