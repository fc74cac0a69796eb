// SPDX-License-Identifier: GPL-2.0
#include "interrupt.h"

#include <signal.h>

static volatile sig_atomic_t caught;

static void note(int nr)
{
	caught = 1;
}

void interrupt_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction a = { .sa_handler = note, .sa_flags = SA_RESTART | SA_RESETHAND }, old;
	unsigned int i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/* nohup(1) and background jobs want to be left alone */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &a, NULL);
}

bool interrupted(void)
{
	return caught;
}
