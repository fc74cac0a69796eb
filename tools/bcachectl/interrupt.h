/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_INTERRUPT_H
#define BCACHECTL_INTERRUPT_H

#include <stdbool.h>

/*
 * For work that is to be ended in good order: from interrupt_catch() on, SIGINT, SIGTERM and SIGHUP only make
 * interrupted() true. A second one ends the process as usual.
 */
void interrupt_catch(void);
bool interrupted(void);

#endif
