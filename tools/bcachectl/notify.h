/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_NOTIFY_H
#define BCACHECTL_NOTIFY_H

#include <stdint.h>

/*
 * The service manager is told how a service is: lines as sd_notify(3) has them ("READY=1").
 * Nothing happens where nobody asked to be told.
 */
void notify_service_manager(const char *lines);
/* microseconds after which the service manager wants to hear "WATCHDOG=1"; 0: never */
uint64_t notify_watchdog_us(void);

#endif
