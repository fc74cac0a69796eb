/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_OFFLINE_H
#define BCACHECTL_OFFLINE_H

#include <bcachefs/set.h>

struct key_rules;
struct sb_writer;
struct offline_messages;

/*
 * A set opened by this process, without the kernel: devices or image files through
 * the engine built for user space.
 */
struct offline_set {
	struct bce_set		*set;
	unsigned int		nr;
	struct block_device	**bdev;
	bool			lent;		/* they are */
	struct offline_messages	*messages;
	struct key_rules	*text_rules;	/* the set's, with what texts ask for */
};

struct offline_opts {
	enum bce_degraded	degraded;
	bool			norecovery;
	bool			no_splitbrain_check;
	bool			read_all_journal;
	bool			quiet;		/* messages of the engine are dropped */
	bool			write;		/* the set will be changed; nobody else may have it */
	bool			repair;		/* the same, but it does not go read-write yet */
	/* devices that the caller has open, in the order of the paths; they stay his. NULL: open them */
	struct block_device	**lent;
	const u8		*passphrase_key;	/* 32 bytes; NULL: looked for */
};

/**
 * offline_open() - open devices or images and start the set
 * One block device stands for its set: the other members on this machine are looked for. So does a name of it (find_set.h).
 * Prints what is wrong. Encrypted sets: the key comes from the user keyring, else
 * a passphrase is asked for (standard input where that is no terminal).
 * Return: enum exit_code
 */
int offline_open(struct offline_set *o, char **paths, unsigned int nr,
		 const struct offline_opts *opts);
/* Return: exit code; not 0 only if a set that was written could not be shut down cleanly */
int offline_close(struct offline_set *o);

/*
 * Findings about the format so far. What is unreadable is met again and again by a check;
 * the same words are printed and counted once.
 */
u64 offline_findings(const struct offline_set *o);

/* superblocks, after bce_set_go_ro() of a set that was written; NULL: there is nothing to write them with */
struct sb_writer *offline_sb_writer(const struct offline_set *o);

/* parts of the set for listings and checks: the tool reads what a file system never would */
struct btrees;
struct journal_replay;
struct btrees *offline_btrees(const struct offline_set *o);
const struct journal_replay *offline_replay(const struct offline_set *o);
const struct key_rules *offline_rules(const struct offline_set *o);

#endif
