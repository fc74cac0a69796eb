// SPDX-License-Identifier: GPL-2.0
/*
 * From a passphrase to the key that unwraps a set's master key.
 *
 *   terminal or standard input -> scrypt, with the numbers that the superblock has -> 32 bytes
 *
 * Source: docs/format/20-checksums-encryption.md, section 5. The passphrase is wiped after use.
 */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"
#include "engine/sb/sb.h"
#include "engine/util/text.h"

/* format/20, section 5: "bcache" with its NUL */
static const u8 kdf_salt[] = { 0x62, 0x63, 0x61, 0x63, 0x68, 0x65, 0x00 };

static int read_line(FILE *from, char *buf, size_t size)
{
	size_t len;

	if (!fgets(buf, size, from))
		return ferror(from) ? -EIO : 0;
	len = strcspn(buf, "\n");
	if (len == size - 1)
		return -E2BIG;
	buf[len] = '\0';
	return len;
}

int passphrase_read(const char *prompt, char *buf, size_t size)
{
	struct termios before, silent;
	int ret;

	if (!isatty(STDIN_FILENO))
		return read_line(stdin, buf, size);
	if (tcgetattr(STDIN_FILENO, &before))
		return -errno;
	silent = before;
	silent.c_lflag &= ~ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	ret = read_line(stdin, buf, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return ret;
}

/* the child's end of the pipe, then the program; never returns */
static void run_agent_client(int out, const char *id, const char *prompt)
{
	dup2(out, STDOUT_FILENO);
	execlp("systemd-ask-password", "systemd-ask-password", "--timeout=0", "--icon=drive-harddisk",
	       id, prompt, NULL);
	_exit(127);
}

int passphrase_ask_agents(const struct bch_sb *sb, const char *prompt, char *buf, size_t size)
{
	char description[BCE_KEY_DESCRIPTION_BYTES], id[BCE_KEY_DESCRIPTION_BYTES + 8];
	int fds[2], status, ret;
	FILE *from;
	pid_t pid;

	bce_sb_key_description(sb, description);
	snprintf(id, sizeof(id), "--id=%s", description);
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		run_agent_client(fds[1], id, prompt);
	close(fds[1]);
	from = pid > 0 ? fdopen(fds[0], "r") : NULL;
	ret = from ? read_line(from, buf, size) : -ENOMEM;
	if (from)
		fclose(from);
	else
		close(fds[0]);
	if (pid > 0 && (waitpid(pid, &status, 0) < 0 || status))
		return -ENOKEY;
	return ret;
}

int passphrase_new(char *buf, size_t size)
{
	char again[PASSPHRASE_MAX];
	int ret = passphrase_read("New passphrase: ", buf, size);

	if (ret <= 0 || !isatty(STDIN_FILENO))
		return ret;
	ret = passphrase_read("The same again: ", again, sizeof(again));
	if (ret >= 0 && strcmp(buf, again)) {
		complain("the two passphrases differ");
		ret = -EKEYREJECTED;
	}
	sodium_memzero(again, sizeof(again));
	return ret;
}

int passphrase_scrypt(const char *passphrase, u8 log_n, u8 log_r, u8 log_p, u8 key[32])
{
	/* memory is 128 * r * N bytes: refuse what no formatter writes */
	if (log_n > 24 || log_r > 8 || log_p > 8 || log_n + log_r > 26)
		return -EINVAL;
	if (crypto_pwhash_scryptsalsa208sha256_ll((const u8 *)passphrase, strlen(passphrase),
						  kdf_salt, sizeof(kdf_salt), 1ULL << log_n,
						  1U << log_r, 1U << log_p, key, 32))
		return -ENOMEM;
	return 0;
}

int passphrase_derive(const struct bch_sb *sb, const char *passphrase, u8 key[32])
{
	u8 log_n, log_r, log_p;
	int ret = bce_sb_kdf_params(sb, &log_n, &log_r, &log_p);

	return ret ?: passphrase_scrypt(passphrase, log_n, log_r, log_p, key);
}

static bool is_reachable(const char *description)
{
	return request_key("user", description, NULL, 0) >= 0;
}

/*
 * Where a service manager starts us, and after some logins, the session keyring is not linked to the
 * user's, so that is asked, too. -1: nowhere
 */
static key_serial_t find_key(const char *description)
{
	key_serial_t id = request_key("user", description, NULL, 0);

	return id >= 0 ? id : keyctl_search(KEY_SPEC_USER_KEYRING, "user", description, 0);
}

bool passphrase_key_is_there(const struct bch_sb *sb)
{
	char description[BCE_KEY_DESCRIPTION_BYTES];

	bce_sb_key_description(sb, description);
	return find_key(description) >= 0;
}

void passphrase_key_reach(const struct bch_sb *sb)
{
	char description[BCE_KEY_DESCRIPTION_BYTES];

	bce_sb_key_description(sb, description);
	if (!is_reachable(description))
		keyctl_link(KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING);
}

static int key_from_keyring(const char *description, u8 key[32])
{
	key_serial_t id = find_key(description);

	if (id < 0)
		return -ENOKEY;
	return keyctl_read(id, (char *)key, 32) == 32 ? 0 : -ENOKEY;
}

int passphrase_key(void *ctx, const char *description, u8 key[32])
{
	struct text_buf why = TEXT_BUF_INIT;
	char passphrase[PASSPHRASE_MAX];
	struct sb_image img;
	int ret;

	if (!key_from_keyring(description, key))
		return 0;
	ret = passphrase_read("Passphrase: ", passphrase, sizeof(passphrase));
	if (ret <= 0)
		return ret ?: -ENOKEY;
	ret = bce_sb_read(&img, ctx, 0, &why);
	if (!ret) {
		ret = passphrase_derive(img.sb, passphrase, key);
		bce_sb_image_exit(&img);
	}
	sodium_memzero(passphrase, sizeof(passphrase));
	bce_text_exit(&why);
	return ret;
}
