/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SET_ARG_H
#define BCACHECTL_SET_ARG_H

#include "offline.h"

/*
 * The unmounted set as one argument: its devices or images, joined by colons, as mount takes them.
 * Opened for this process alone; for writing too if @write, and then offline_close() marks it clean.
 * Return: enum exit_code
 */
int set_arg_open(struct offline_set *o, const char *arg, bool write,
		 const struct offline_opts *opts);

#endif
