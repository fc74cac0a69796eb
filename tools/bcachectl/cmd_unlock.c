// SPDX-License-Identifier: GPL-2.0
/* unlock: from a passphrase to a key in the kernel's keyring. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <keyutils.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "engine/sb/sb.h"
#include "engine/util/csum.h"
#include "find_set.h"
#include "passphrase.h"
#include "records.h"
#include "scan.h"
#include "uuid_arg.h"

/* the key must open the set before it goes into the keyring */
static int key_opens(const struct bch_sb *sb, const u8 key[32])
{
	struct bce_cipher *cipher = NULL;
	int ret = bce_sb_unlock(sb, key, &cipher);

	bce_cipher_free(cipher);
	return ret;
}

/* the user keyring outlives this process */
static int key_store(const struct bch_sb *sb, const u8 key[32])
{
	char description[BCE_KEY_DESCRIPTION_BYTES];

	bce_sb_key_description(sb, description);
	if (add_key("user", description, key, 32, KEY_SPEC_USER_KEYRING) < 0)
		return -errno;
	passphrase_key_reach(sb);
	return 0;
}

struct unlock_opts {
	bool	check_only;
	bool	ask_password;		/* through systemd's agents */
};

#define TRIES	3		/* when somebody can be asked again */

static int read_passphrase(const char *path, const struct bch_sb *sb,
			   const struct unlock_opts *opts, char buf[PASSPHRASE_MAX])
{
	char prompt[300];
	struct sb_info info;
	int ret;

	bce_sb_info(sb, &info);
	if (info.label[0])
		snprintf(prompt, sizeof(prompt), "Passphrase of the set \"%s\": ", info.label);
	else
		snprintf(prompt, sizeof(prompt), "Passphrase of the set on %s: ", path);
	ret = opts->ask_password ? passphrase_ask_agents(sb, prompt, buf, PASSPHRASE_MAX) :
				   passphrase_read(prompt, buf, PASSPHRASE_MAX);
	if (ret > 0)
		return 0;
	complain("no passphrase given");
	return ret ?: -ENOKEY;
}

static int try_once(const char *path, const struct bch_sb *sb, const struct unlock_opts *opts)
{
	char passphrase[PASSPHRASE_MAX];
	u8 key[32];
	int ret = read_passphrase(path, sb, opts, passphrase);

	if (ret)
		return ret;
	ret = passphrase_derive(sb, passphrase, key);
	if (!ret)
		ret = key_opens(sb, key);
	if (!ret && !opts->check_only)
		ret = key_store(sb, key);
	sodium_memzero(passphrase, sizeof(passphrase));
	sodium_memzero(key, sizeof(key));
	if (ret == -EKEYREJECTED)
		complain("%s: wrong passphrase", path);
	else if (ret)
		complain("%s: %s", path, strerror(-ret));
	return ret;
}

static int unlock(const char *path, const struct bch_sb *sb, const struct unlock_opts *opts)
{
	unsigned int tries = opts->ask_password ? TRIES : 1;
	int ret;

	if (!bce_sb_has_crypt(sb)) {
		complain("%s: the set is not encrypted", path);
		return -EINVAL;
	}
	if (!bce_sb_key_is_wrapped(sb)) {
		complain("%s: the set needs no passphrase: its key is stored plain", path);
		return 0;
	}
	if (opts->ask_password && passphrase_key_is_there(sb))
		return 0;
	do {
		ret = try_once(path, sb, opts);
	} while (ret == -EKEYREJECTED && --tries);
	return ret;
}

/* one member is enough, as udev recorded it or found by looking at all devices */
static int find_member(const char *what, struct scan_list *out)
{
	struct record_list records;
	u8 uuid[16];
	int ret;

	if (!find_set_is_name(what))
		return scan_paths(out, (char *const *)&what, 1);
	if (uuid_arg_parse(strncasecmp(what, "UUID=", 5) ? what : what + 5, uuid))
		return find_set(out, what);
	if (!strncasecmp(what, "UUID=", 5))
		what += 5;
	ret = records_read(what, &records);
	if (!ret && records.nr)
		ret = scan_paths_there(out, &records.rec[0].path, 1);
	records_exit(&records);
	if (ret || out->nr)
		return ret;
	return find_set(out, what);
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "check",		no_argument, NULL, 'c' },
		{ "ask-password",	no_argument, NULL, 'a' },
		{ }
	};
	struct unlock_opts opts = { };
	struct scan_list list = { };
	int c, ret;

	while ((c = getopt_long(argc, argv, "ca", longopts, NULL)) != -1) {
		if (c == 'c')
			opts.check_only = true;
		else if (c == 'a')
			opts.ask_password = true;
		else
			return usage_error(&cmd_unlock, "unknown option");
	}
	if (argc - optind != 1)
		return usage_error(&cmd_unlock, "give one member of the set, its UUID or LABEL=LABEL");
	ret = find_member(argv[optind], &list);
	if (!ret) {
		ret = unlock(list.member[0].path, list.member[0].img.sb, &opts);
		scan_exit(&list);
	}
	return exit_code_of(ret);
}

const struct command cmd_unlock = {
	.name		= "unlock",
	.args		= "[--check] [--ask-password] DEVICE | UUID | LABEL=LABEL",
	.summary	= "put the key of an encrypted set into the kernel's keyring",
	.help		=
		"The passphrase is asked for on the terminal; where standard input is none, its first\n"
		"line is taken. The key stays until the user's last process ends or it is revoked:\n"
		"keyctl(1), key type user, description bcachefs:UUID.\n\n"
		"  -c, --check         only see whether the passphrase is right\n"
		"  -a, --ask-password  ask through systemd-ask-password, as at boot; nobody is asked if the\n"
		"                      key is there\n",
	.run		= run,
};
