/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_ASSEMBLE_H
#define BCACHECTL_ASSEMBLE_H

#include <bcachefs/set.h>

struct assemble_opts {
	enum bce_degraded	degraded;
	bool			read_only;	/* never to be written */
	bool			nochanges;
	bool			norecovery;
	bool			no_splitbrain_check;
	bool			no_wait;	/* do not wait for the end of recovery */
	bool			recorded;	/* nobody to ask: members as udev has noted them */
};

/**
 * assemble() - make a set's device, or find it made already
 * @what: members' paths; or one of: UUID, "UUID=...", "LABEL=...", one member (the
 *        others are looked for), the set's device itself
 * @path: its device
 *
 * Prints what is wrong and what to do. Return: enum exit_code.
 */
int assemble(char *const *what, unsigned int nr, const struct assemble_opts *opts, char *path,
	     unsigned int size);

#endif
