// SPDX-License-Identifier: GPL-2.0
/* unlock: from a passphrase to a key in the kernel's keyring. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <keyutils.h>
#include <sodium.h>
#include <string.h>

#include "engine/sb/sb.h"
#include "engine/util/csum.h"
#include "passphrase.h"
#include "scan.h"

/* the key must open the set before it goes into the keyring */
static int key_opens(const struct bch_sb *sb, const u8 key[32])
{
	struct bce_cipher *cipher = NULL;
	int ret = bce_sb_unlock(sb, key, &cipher);

	bce_cipher_free(cipher);
	return ret;
}

/*
 * The user keyring outlives this process; who asks later searches from its session
 * keyring, which some logins do not link to the user's.
 */
static int key_store(const struct bch_sb *sb, const u8 key[32])
{
	char description[BCE_KEY_DESCRIPTION_BYTES];

	bce_sb_key_description(sb, description);
	if (add_key("user", description, key, 32, KEY_SPEC_USER_KEYRING) < 0)
		return -errno;
	if (request_key("user", description, NULL, 0) < 0)
		keyctl_link(KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING);
	return 0;
}

static int unlock(const char *path, const struct bch_sb *sb, bool check_only)
{
	char passphrase[PASSPHRASE_MAX], prompt[300];
	u8 key[32];
	int ret;

	if (!bce_sb_has_crypt(sb)) {
		complain("%s: the set is not encrypted", path);
		return -EINVAL;
	}
	if (!bce_sb_key_is_wrapped(sb)) {
		complain("%s: the set needs no passphrase: its key is stored plain", path);
		return 0;
	}
	snprintf(prompt, sizeof(prompt), "Passphrase of the set on %s: ", path);
	ret = passphrase_read(prompt, passphrase, sizeof(passphrase));
	if (ret <= 0) {
		complain("no passphrase given");
		return ret ?: -ENOKEY;
	}
	ret = passphrase_derive(sb, passphrase, key);
	if (!ret)
		ret = key_opens(sb, key);
	if (!ret && !check_only)
		ret = key_store(sb, key);
	sodium_memzero(passphrase, sizeof(passphrase));
	sodium_memzero(key, sizeof(key));
	if (ret == -EKEYREJECTED)
		complain("%s: wrong passphrase", path);
	else if (ret)
		complain("%s: %s", path, strerror(-ret));
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "check", no_argument, NULL, 'c' },
		{ }
	};
	struct scan_list list;
	bool check_only = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "c", longopts, NULL)) != -1) {
		if (c != 'c')
			return usage_error(&cmd_unlock, "unknown option");
		check_only = true;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_unlock, "give one member of the set");
	ret = scan_paths(&list, argv + optind, 1);
	if (!ret) {
		ret = unlock(argv[optind], list.member[0].img.sb, check_only);
		scan_exit(&list);
	}
	return exit_code_of(ret);
}

const struct command cmd_unlock = {
	.name		= "unlock",
	.args		= "[--check] DEVICE",
	.summary	= "put the key of an encrypted set into the kernel's keyring",
	.help		=
		"The passphrase is asked for on the terminal; where standard input is none, its first\n"
		"line is taken. The key stays until the user's last process ends or it is revoked:\n"
		"keyctl(1), key type user, description bcachefs:UUID.\n\n"
		"  -c, --check  only see whether the passphrase is right\n",
	.run		= run,
};
