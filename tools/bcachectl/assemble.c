// SPDX-License-Identifier: GPL-2.0
/*
 * From what the user names to a running set device:
 *
 *   resolve    paths, UUID or label -> members with their superblocks; when nobody is there to ask
 *              (at boot) the members are those that udev has recorded
 *   judge      which belong together, is anything missing, is a key needed
 *   create     the table line, and wait for recovery
 *
 * The kernel judges again; doing it here first gives messages that say what to do.
 */
#include "assemble.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "dmset.h"
#include "engine/sb/sb.h"
#include "engine/util/text.h"
#include "find_set.h"
#include "passphrase.h"
#include "records.h"
#include "scan.h"
#include "set_state.h"
#include "uuid_arg.h"

/* ---- resolve ---- */

static int resolve_member(struct scan_list *out, char *const *path)
{
	struct scan_list one;
	struct scan_filter f = { };
	struct sb_info info;
	char uuid[37];
	int ret = scan_paths(&one, path, 1);

	if (ret)
		return ret;
	bce_sb_info(one.member[0].img.sb, &info);
	uuid_arg_text(info.user_uuid, uuid);
	/* nothing to look for: alone, or all in use already */
	if (info.nr_devices == 1 || dmset_exists(uuid)) {
		*out = one;
		return 0;
	}
	f.user_uuid = info.user_uuid;
	ret = find_set_by(out, &f, path[0]);
	scan_exit(&one);
	return ret;
}

/*
 * As udev has recorded them, but read again: what a record says may be old. A device that is gone
 * meanwhile is as good as missing. One whose event is still on its way counts, too: it may be
 * another copy of a member.
 */
static int resolve_recorded(struct scan_list *out, const char *text)
{
	struct scan_filter f = { };
	struct record_list records;
	unsigned int i, nr_unusable = 0;
	char **paths;
	u8 uuid[16];
	int ret;

	if (!strncasecmp(text, "UUID=", 5))
		text += 5;
	ret = records_read(text, &records);
	if (ret)
		return ret;
	paths = calloc(records.nr + 1, sizeof(*paths));
	for (i = 0; paths && i < records.nr; i++) {
		paths[i] = records.rec[i].path;
		nr_unusable += !records.rec[i].sb;
	}
	ret = paths ? scan_paths_there(out, paths, records.nr) : -ENOMEM;
	free(paths);
	records_exit(&records);
	if (ret)
		return ret;
	if (!out->nr && nr_unusable) {
		complain("set \"%s\": unsupported: no superblock that can be used on %u of its devices, see above; nothing is assembled and nothing written",
			 text, nr_unusable);
		return -EOPNOTSUPP;
	}
	if (!out->nr || uuid_arg_parse(text, uuid))
		return find_set_complain(text);
	f.user_uuid = uuid;
	ret = scan_unmet(out, &f);
	if (ret)
		complain("looking for devices that udev has not met yet: %s", strerror(-ret));
	return ret;
}

static int resolve(struct scan_list *out, char *const *what, unsigned int nr, bool recorded)
{
	if (recorded)
		return resolve_recorded(out, what[0]);
	if (nr > 1)
		return scan_paths(out, what, nr);
	if (find_set_is_name(what[0]))
		return find_set(out, what[0]);
	return resolve_member(out, what);
}

/* ---- judge ---- */

struct plan {
	struct scan_list	list;
	struct sb_candidate	*cand;
	const struct bch_sb	*best;
	struct sb_info		info;
	char			uuid[37];
};

static const char *set_name(const struct plan *p)
{
	return p->info.label[0] ? p->info.label : p->uuid;
}

static int make_candidates(struct plan *p)
{
	unsigned int i;

	p->cand = calloc(p->list.nr, sizeof(*p->cand));
	if (!p->cand)
		return -ENOMEM;
	for (i = 0; i < p->list.nr; i++)
		p->cand[i] = (struct sb_candidate) {
			.sb = p->list.member[i].img.sb,
			.name = p->list.member[i].path,
			.device_sectors = p->list.member[i].device_sectors,
		};
	return 0;
}

static bool wants_person(const struct set_verdict *v)
{
	return !v->best || v->state == SET_FOREIGN || v->state == SET_SPLIT ||
	       v->state == SET_CLONE;
}

/* When nobody named the devices: what cannot be decided without a person is refused. */
static int judge_unattended(struct plan *p)
{
	struct set_verdict v;
	int ret = set_judge(p->cand, p->list.nr, &v);

	if (!ret && v.why.len)
		complain("%s", bce_text_str(&v.why));
	if (!ret && v.best) {
		p->best = v.best;
		p->info = v.info;
		memcpy(p->uuid, v.uuid, sizeof(p->uuid));
	}
	if (!ret && wants_person(&v)) {
		complain("set \"%s\": %s; nothing is assembled and nothing written\n"
			 "  choose by naming its devices: bcachectl assemble DEVICE...",
			 v.best ? set_name(p) : "?", set_state_name(v.state));
		ret = -EINVAL;
	}
	set_verdict_exit(&v);
	return ret;
}

static int judge_members(struct plan *p, const struct assemble_opts *opts)
{
	struct text_buf why = TEXT_BUF_INIT;
	unsigned int i;
	int ret;

	ret = make_candidates(p);
	if (ret)
		return ret;
	if (opts->recorded)
		return judge_unattended(p);
	ret = bce_sb_choose(p->cand, p->list.nr, opts->no_splitbrain_check, &why);
	if (ret >= 0) {
		p->best = p->list.member[ret].img.sb;
		bce_sb_info(p->best, &p->info);
		uuid_arg_text(p->info.user_uuid, p->uuid);
		ret = 0;
	}
	if (why.len)
		complain("%s", bce_text_str(&why));
	bce_text_exit(&why);
	for (i = 0; !ret && i < p->list.nr; i++)
		if (p->cand[i].verdict == SB_FOREIGN || p->cand[i].verdict == SB_CLONE ||
		    p->cand[i].verdict == SB_TOO_SMALL)
			ret = -EINVAL;
	return ret;
}

static void complain_missing(const struct plan *p, const struct sb_presence *pr)
{
	struct text_buf text = TEXT_BUF_INIT;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		struct text_buf label = TEXT_BUF_INIT;

		if (!(pr->missing & (1ULL << i)))
			continue;
		bce_sb_member_label(&label, p->best, i);
		bce_text_printf(&text, "%s%u%s%s%s", text.len ? ", " : "", i,
				label.len ? " (" : "", bce_text_str(&label), label.len ? ")" : "");
		bce_text_exit(&label);
	}
	complain("set \"%s\": %u of %u members are here; missing: %s", set_name(p), pr->nr_present,
		 pr->nr_expected, bce_text_str(&text));
	bce_text_exit(&text);
	if (pr->data_complete)
		fprintf(stderr, "  all data has a copy on the others; start with less redundancy:\n"
			"    bcachectl assemble --degraded UUID=%s\n", p->uuid);
	else
		fprintf(stderr, "  some data has NO copy on the others; start all the same:\n"
			"    bcachectl assemble --very-degraded UUID=%s\n", p->uuid);
}

static int judge_presence(const struct plan *p, enum bce_degraded degraded)
{
	struct sb_presence pr;

	bce_sb_presence(p->best, set_members_in_use(p->cand, p->list.nr), &pr);
	if (!pr.missing || degraded == BCE_DEGRADED_VERY ||
	    (degraded == BCE_DEGRADED_YES && pr.data_complete))
		return 0;
	complain_missing(p, &pr);
	return -ENODEV;
}

static int judge_key(const struct plan *p)
{
	if (!bce_sb_key_is_wrapped(p->best))
		return 0;
	if (passphrase_key_is_there(p->best)) {
		passphrase_key_reach(p->best);	/* the kernel searches from our session keyring */
		return 0;
	}
	complain("set \"%s\" is encrypted and locked; unlock it first:\n  bcachectl unlock %s",
		 set_name(p), p->list.member[0].path);
	return -ENOKEY;
}

/* the first member that the kernel would not open for writing; NULL: none */
static const char *read_only_member(const struct plan *p)
{
	unsigned int i;
	int fd, ro;

	for (i = 0; i < p->list.nr; i++) {
		if (p->cand[i].verdict != SB_USE)
			continue;
		fd = open(p->list.member[i].path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, BLKROGET, &ro))
			ro = 0;
		close(fd);
		if (ro)
			return p->list.member[i].path;
	}
	return NULL;
}

static bool never_written(const struct assemble_opts *opts)
{
	return opts->read_only || opts->nochanges || opts->norecovery;
}

/* write-protected devices can at least be read */
static void judge_writable(const struct plan *p, struct assemble_opts *opts)
{
	const char *path = never_written(opts) ? NULL : read_only_member(p);

	if (!path)
		return;
	opts->read_only = true;
	complain("%s is write-protected: set \"%s\" is assembled read-only", path, set_name(p));
}

/* ---- create ---- */

static u64 raw_sectors(const struct bch_sb *sb, unsigned int nr_devices)
{
	u64 sectors = 0;
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		struct member_info m;

		bce_sb_member(sb, i, &m);
		if (m.exists)
			sectors += m.nbuckets * m.bucket_sectors;
	}
	return sectors;
}

static void add_feature(struct text_buf *out, unsigned int *nr, bool given, const char *name)
{
	if (!given)
		return;
	bce_text_printf(out, " %s", name);
	(*nr)++;
}

static void table_params(const struct plan *p, const struct assemble_opts *opts,
			 struct text_buf *out)
{
	struct text_buf devices = TEXT_BUF_INIT, features = TEXT_BUF_INIT;
	unsigned int nr_devices = 0, nr_features = 0, i;

	for (i = 0; i < p->list.nr; i++) {
		if (p->cand[i].verdict != SB_USE)
			continue;
		bce_text_printf(&devices, " %s", p->list.member[i].path);
		nr_devices++;
	}
	add_feature(&features, &nr_features, opts->read_only, "read_only");
	add_feature(&features, &nr_features, opts->degraded == BCE_DEGRADED_YES, "degraded");
	add_feature(&features, &nr_features, opts->degraded == BCE_DEGRADED_VERY, "very_degraded");
	add_feature(&features, &nr_features, opts->nochanges, "nochanges");
	add_feature(&features, &nr_features, opts->norecovery, "norecovery");
	add_feature(&features, &nr_features, opts->no_splitbrain_check, "no_splitbrain_check");
	bce_text_printf(out, "%s %u%s %u%s", p->uuid, nr_devices, bce_text_str(&devices),
			nr_features, bce_text_str(&features));
	bce_text_exit(&devices);
	bce_text_exit(&features);
}

static int create(const struct plan *p, const struct assemble_opts *opts, char *path,
		  unsigned int size)
{
	struct text_buf params = TEXT_BUF_INIT;
	const char *name = set_name(p);
	u64 sectors = raw_sectors(p->best, p->info.nr_devices);
	int ret;

	table_params(p, opts, &params);
	ret = dmset_create(name, p->uuid, sectors, bce_text_str(&params), never_written(opts));
	/* the label may be somebody else's device name */
	if (ret == -EBUSY && name != p->uuid) {
		name = p->uuid;
		ret = dmset_create(name, p->uuid, sectors, bce_text_str(&params), never_written(opts));
	}
	bce_text_exit(&params);
	if (ret) {
		complain("set \"%s\": the kernel refuses to assemble it: %s\n"
			 "  its reason is in the kernel log (dmesg); is the module loaded? modprobe dm-bcache",
			 set_name(p), strerror(-ret));
		return ret;
	}
	dmset_path(name, path, size);
	if (opts->no_wait)
		return 0;
	ret = dmset_wait_started(name);
	if (!ret)
		return 0;
	complain("set \"%s\" cannot be started: %s\n  its reason is in the kernel log (dmesg)",
		 set_name(p), strerror(-ret));
	dmset_remove(name);
	return ret;
}

static void plan_exit(struct plan *p)
{
	free(p->cand);
	scan_exit(&p->list);
}

static int assemble_new(char *const *what, unsigned int nr, const struct assemble_opts *asked,
			char *path, unsigned int size)
{
	struct assemble_opts opts = *asked;
	struct dmset running;
	struct plan p = { };
	int ret = resolve(&p.list, what, nr, opts.recorded);

	if (!ret)
		ret = judge_members(&p, &opts);
	if (!ret && !dmset_find(p.uuid, &running)) {
		dmset_path(running.name, path, size);
		goto exit;
	}
	if (!ret)
		ret = judge_presence(&p, opts.degraded);
	if (!ret)
		ret = judge_key(&p);
	if (!ret) {
		judge_writable(&p, &opts);
		ret = create(&p, &opts, path, size);
	}
exit:
	plan_exit(&p);
	return exit_code_of(ret);
}

int assemble(char *const *what, unsigned int nr, const struct assemble_opts *opts, char *path,
	     unsigned int size)
{
	const char *name = what[0];
	struct dmset running;

	if (!strncasecmp(name, "UUID=", 5))
		name += 5;
	else if (!strncasecmp(name, "LABEL=", 6))
		name += 6;
	if (nr == 1 && !dmset_find(name, &running)) {
		dmset_path(running.name, path, size);
		return EXIT_OK;
	}
	return assemble_new(what, nr, opts, path, size);
}
