/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_PASSPHRASE_H
#define BCACHECTL_PASSPHRASE_H

#include <linux/types.h>

struct bch_sb;

#define PASSPHRASE_MAX	4096	/* with the NUL */

/**
 * passphrase_read() - ask for a passphrase
 * From the terminal without echo, or one line of standard input where that is no terminal.
 * @prompt: shown on a terminal only
 * Return: length, 0 if empty; -errno. The text is NUL-terminated; wipe it after use.
 */
int passphrase_read(const char *prompt, char *buf, size_t size);

/* the same through the agents of systemd: console, plymouth, or whoever answers */
int passphrase_ask_agents(const struct bch_sb *sb, const char *prompt, char *buf, size_t size);

/*
 * A new one, asked for twice on a terminal. Return: as above; -EKEYREJECTED (and a message) if the
 * two differ.
 */
int passphrase_new(char *buf, size_t size);

/* scrypt with parameters as log2. Return: 0, -EINVAL, -ENOMEM */
int passphrase_scrypt(const char *passphrase, u8 log_n, u8 log_r, u8 log_p, u8 key[32]);

/**
 * passphrase_derive() - the 32-byte passphrase key of a set
 * Source: docs/format/20-checksums-encryption.md, section 5. Return: 0 or -errno.
 */
int passphrase_derive(const struct bch_sb *sb, const char *passphrase, u8 key[32]);

/* is the set's key in our keyrings, or in the user's, which may not be among them? */
bool passphrase_key_is_there(const struct bch_sb *sb);
/* then: see that the kernel finds it, which searches on our behalf from the session keyring */
void passphrase_key_reach(const struct bch_sb *sb);

/*
 * A bce_key_fn: the key from the user keyring, else by asking. @ctx: an open struct
 * block_device of the set, whose superblock has the parameters.
 */
int passphrase_key(void *ctx, const char *description, u8 key[32]);

#endif
