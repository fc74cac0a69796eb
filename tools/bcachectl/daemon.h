/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_DAEMON_H
#define BCACHECTL_DAEMON_H

/* Where the daemon answers, and what: bcachectl-daemon(8). */
#define DAEMON_SOCKET		"/run/bcachectl.socket"
#define DAEMON_INTERFACE	"org.bcachectl.Sets"

#endif
