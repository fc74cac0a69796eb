// SPDX-License-Identifier: GPL-2.0
/*
 * daemon: watches sets while they are assembled.
 *
 *   udev           a member came: is a running set short of it? A member went: let go of it
 *   device-mapper  something happened to a device: look at all sets again
 *   a timer        counters of errors have no events: look every few seconds; room on members, less often
 *   the socket     who asks gets what "bcachectl status --json" shows, or each event as it comes
 *
 * One thread and one loop. Nothing depends on it: sets are assembled by units and rules, and it can
 * be killed at any moment. What it knows is in the kernel, in the records of members, and in one
 * file of what it last saw, so that what happened while it was away is told when it is back.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libudev.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "dmset.h"
#include "events.h"
#include "json_out.h"
#include "notify.h"
#include "records.h"
#include "rejoin.h"
#include "status_json.h"
#include "tiers.h"
#include "varlink.h"
#include "watch.h"

#define LOOK_EVERY_MS	5000
#define TIERS_EVERY_MS	30000
#define SEEN_FILE	RECORDS_DIR "/seen-by-daemon"
#define GROUP		"bcachefs"
#define HOOK		"/etc/bcachefs/hook"

struct daemon_opts {
	const char	*socket;
	const char	*hook;
	const char	*group;
};

struct daemon {
	struct daemon_opts	opts;
	struct udev		*udev;
	struct udev_monitor	*monitor;
	int			signals;	/* signalfd */
	int			dm;		/* /dev/mapper/control, or -1 */
	struct varlink_server	*server;
	struct watch		*watch;
	struct tiers		*tiers;
	bool			stop;
};

/* ---- events ---- */

static json_object *event_json(const struct event *e)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "event", event_name(e->kind));
	json_add_string(o, "uuid", e->uuid);
	json_add_string(o, "name", e->name);
	if (e->index >= 0) {
		json_add_int(o, "index", e->index);
		json_add_string(o, "device", e->device);
	}
	json_add_string(o, "message", e->text);
	return o;
}

static void on_event(const struct event *e, void *ctx)
{
	struct daemon *d = ctx;
	json_object *o, *wrapped;

	event_log(e);
	event_run_hook(e, d->opts.hook);
	o = event_json(e);
	wrapped = json_object_new_object();
	json_object_object_add(wrapped, "event", o);
	varlink_tell(d->server, wrapped);
	json_object_put(wrapped);
}

static void look(struct daemon *d)
{
	int ret = watch_look(d->watch);

	if (ret)
		complain("looking at the sets: %s", strerror(-ret));
}

/* ---- device-mapper ---- */

/*
 * The control device becomes readable once something has happened after it was armed. Opening it
 * would load device-mapper, so that waits until somebody else has.
 */
static void dm_arm(struct daemon *d)
{
	struct dm_ioctl arg = {
		.version = { DM_VERSION_MAJOR, 0, 0 }, .data_size = sizeof(arg),
	};

	if (d->dm < 0 && !access("/sys/module/dm_mod", F_OK))
		d->dm = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (d->dm >= 0 && ioctl(d->dm, DM_DEV_ARM_POLL, &arg)) {
		close(d->dm);
		d->dm = -1;
	}
}

/* ---- udev ---- */

static bool set_udev(struct daemon *d)
{
	d->udev = udev_new();
	if (d->udev)
		d->monitor = udev_monitor_new_from_netlink(d->udev, "udev");
	if (!d->monitor)
		return false;
	udev_monitor_filter_add_match_subsystem_devtype(d->monitor, "block", NULL);
	/* many members may come at once; what is lost is found by the next look all the same */
	udev_monitor_set_receive_buffer_size(d->monitor, 4 << 20);
	return !udev_monitor_enable_receiving(d->monitor);
}

static void on_device(struct daemon *d, struct udev_device *dev)
{
	const char *action = udev_device_get_action(dev) ?: "";
	const char *set = udev_device_get_property_value(dev, "BCACHE_SET_UUID");
	const char *major = udev_device_get_property_value(dev, "MAJOR");
	const char *minor = udev_device_get_property_value(dev, "MINOR");
	char id[32];

	if (!strcmp(action, "remove") && major && minor) {
		snprintf(id, sizeof(id), "%s:%s", major, minor);
		rejoin_without(id, on_event, d);
	} else if (set && udev_device_get_property_value(dev, "BCACHE_MEMBER_INDEX")) {
		rejoin_late_members(set, on_event, d);
	}
}

static void on_udev(struct daemon *d)
{
	struct udev_device *dev;

	while ((dev = udev_monitor_receive_device(d->monitor))) {
		on_device(d, dev);
		udev_device_unref(dev);
	}
}

/* ---- what is served ---- */

static const char interface_description[] =
	"# Sets of bcachefs on this machine\n"
	"interface " DAEMON_INTERFACE "\n\n"
	"type Member (\n"
	"  index: int,\n"
	"  present: bool,\n"
	"  device: string,\n"
	"  state: string,\n"
	"  reads: int,\n"
	"  io_errors: int,\n"
	"  checksum_errors: int\n"
	")\n\n"
	"# A member that an assembled set does without, as it came late\n"
	"type Late (\n"
	"  index: int,\n"
	"  device: string\n"
	")\n\n"
	"# An assembled set; sizes and counts are those of bcachectl status\n"
	"type Set (\n"
	"  device: string,\n"
	"  name: string,\n"
	"  uuid: string,\n"
	"  state: string,\n"
	"  start_error: int,\n"
	"  suspended: bool,\n"
	"  in_use: bool,\n"
	"  clean: bool,\n"
	"  read_only: bool,\n"
	"  degraded: bool,\n"
	"  members_present: int,\n"
	"  members_total: int,\n"
	"  errors: int,\n"
	"  members: []Member,\n"
	"  late: []Late\n"
	")\n\n"
	"type Device (\n"
	"  device: string,\n"
	"  index: ?int,\n"
	"  state: string,\n"
	"  why: string\n"
	")\n\n"
	"# A set of which members were met and that is not assembled\n"
	"type Waiting (\n"
	"  uuid: string,\n"
	"  label: string,\n"
	"  state: string,\n"
	"  members_present: int,\n"
	"  members_total: int,\n"
	"  why: string,\n"
	"  members: []Device\n"
	")\n\n"
	"type Event (\n"
	"  event: string,\n"
	"  uuid: string,\n"
	"  name: string,\n"
	"  index: ?int,\n"
	"  device: ?string,\n"
	"  message: string\n"
	")\n\n"
	"method List() -> (sets: []Set, waiting: []Waiting)\n\n"
	"# Called with \"more\": the first answer comes at once and is empty, then one for each event\n"
	"method Watch() -> (event: ?Event)\n\n"
	"# Look at all sets and members now (root)\n"
	"method Rescan() -> ()\n\n"
	"# Take away a set's device (root)\n"
	"method Stop(set: string) -> ()\n\n"
	"error NoSuchSet (set: string)\n"
	"error InUse (set: string)\n"
	"error Failed (message: string)\n"
	"error NotPermitted ()\n"
	"error NeedsMore ()\n";

static void fail(struct varlink_call *call, int error)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "message", strerror(-error));
	varlink_error(call, "Failed", o);
}

static void serve_list(struct varlink_call *call, json_object *parameters, void *ctx)
{
	json_object *o;
	int error;

	o = status_json(&error);
	if (o)
		varlink_reply(call, o);
	else
		fail(call, error);
}

static void serve_watch(struct varlink_call *call, json_object *parameters, void *ctx)
{
	if (varlink_subscribe(call))
		varlink_reply(call, NULL);
	else
		varlink_error(call, "NeedsMore", NULL);
}

static void serve_rescan(struct varlink_call *call, json_object *parameters, void *ctx)
{
	struct daemon *d = ctx;

	rejoin_all(on_event, d);
	look(d);
	tiers_look(d->tiers);
	varlink_reply(call, NULL);
}

static void serve_stop(struct varlink_call *call, json_object *parameters, void *ctx)
{
	const char *name = json_object_get_string(json_object_object_get(parameters, "set"));
	struct dmset *set = malloc(sizeof(*set));
	json_object *o = json_object_new_object();
	int ret = !name || !set ? -ENODEV : dmset_find(name, set);

	json_add_string(o, "set", name ?: "");
	if (!ret)
		ret = dmset_remove(set->name);
	free(set);
	if (ret == -ENODEV) {
		varlink_error(call, "NoSuchSet", o);
	} else if (ret == -EBUSY) {
		varlink_error(call, "InUse", o);
	} else {
		json_object_put(o);
		if (ret)
			fail(call, ret);
		else
			varlink_reply(call, NULL);
	}
	look(ctx);
}

static const struct varlink_method methods[] = {
	{ "List",	false,	serve_list },
	{ "Watch",	false,	serve_watch },
	{ "Rescan",	true,	serve_rescan },
	{ "Stop",	true,	serve_stop },
	{ }
};

static const struct varlink_interface interface = {
	DAEMON_INTERFACE, interface_description, methods,
};

/* ---- the loop ---- */

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void on_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		else if (info.ssi_signo == SIGHUP)
			rejoin_all(on_event, d);
		else
			d->stop = true;
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* half of what the service manager has patience for, and no longer than between two looks */
static int patience_ms(void)
{
	uint64_t half = notify_watchdog_us() / 2000;

	return half && half < LOOK_EVERY_MS ? half : LOOK_EVERY_MS;
}

static void loop(struct daemon *d)
{
	enum { SIGNALS, UDEV, DM, OWN };
	struct pollfd fds[OWN + VARLINK_CLIENTS_MAX + 1];
	uint64_t looked = 0, looked_at_tiers = now_ms();

	while (!d->stop) {
		unsigned int nr;
		bool news;

		dm_arm(d);
		fds[SIGNALS] = (struct pollfd) { .fd = d->signals, .events = POLLIN };
		fds[UDEV] = (struct pollfd) {
			.fd = udev_monitor_get_fd(d->monitor), .events = POLLIN,
		};
		fds[DM] = (struct pollfd) { .fd = d->dm, .events = POLLIN };
		nr = varlink_poll_fds(d->server, fds + OWN);
		if (poll(fds, OWN + nr, patience_ms()) < 0 && errno != EINTR)
			break;
		notify_service_manager("WATCHDOG=1");
		news = fds[DM].revents || fds[UDEV].revents;
		if (fds[SIGNALS].revents)
			on_signal(d);
		if (fds[UDEV].revents)
			on_udev(d);
		if (news || now_ms() - looked >= LOOK_EVERY_MS) {
			look(d);
			looked = now_ms();
		}
		if (now_ms() - looked_at_tiers >= TIERS_EVERY_MS) {
			tiers_look(d->tiers);
			looked_at_tiers = now_ms();
		}
		varlink_serve(d->server, fds + OWN, nr);
	}
}

static int start(struct daemon *d)
{
	mkdir(RECORDS_DIR, 0700);
	d->dm = -1;
	d->signals = block_signals();
	if (d->signals < 0 || !set_udev(d)) {
		complain("listening to udev: %s", strerror(errno));
		return -EIO;
	}
	d->server = varlink_listen(d->opts.socket, d->opts.group, &interface, d);
	if (!d->server) {
		complain("%s: %s", d->opts.socket, strerror(errno));
		return -errno;
	}
	d->watch = watch_new(SEEN_FILE, on_event, d);
	d->tiers = tiers_new(on_event, d);
	return d->watch && d->tiers ? 0 : -ENOMEM;
}

static int serve(const struct daemon_opts *opts)
{
	struct daemon d = { .opts = *opts };
	int ret = start(&d);

	if (!ret) {
		/* what came while nobody watched */
		rejoin_all(on_event, &d);
		look(&d);
		notify_service_manager("READY=1");
		loop(&d);
		notify_service_manager("STOPPING=1");
	}
	tiers_free(d.tiers);
	watch_free(d.watch);
	varlink_close(d.server);
	if (d.monitor)
		udev_monitor_unref(d.monitor);
	if (d.udev)
		udev_unref(d.udev);
	return exit_code_of(ret);
}

static int run(int argc, char **argv)
{
	enum { OPT_SOCKET = 256, OPT_HOOK, OPT_GROUP };
	static const struct option longopts[] = {
		{ "socket",	required_argument, NULL, OPT_SOCKET },
		{ "hook",	required_argument, NULL, OPT_HOOK },
		{ "group",	required_argument, NULL, OPT_GROUP },
		{ }
	};
	struct daemon_opts opts = { DAEMON_SOCKET, HOOK, GROUP };
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_SOCKET:
			opts.socket = optarg;
			break;
		case OPT_HOOK:
			opts.hook = optarg;
			break;
		case OPT_GROUP:
			opts.group = optarg;
			break;
		default:
			return usage_error(&cmd_daemon, "unknown option");
		}
	}
	if (optind < argc)
		return usage_error(&cmd_daemon, "nothing can be named");
	return serve(&opts);
}

const struct command cmd_daemon = {
	.name		= "daemon",
	.args		= "[--socket PATH] [--hook PROGRAM] [--group NAME]",
	.summary	= "watch sets: members that come and go, errors (a service)",
	.help		=
		"Started by bcachectl-daemon.service; bcachectl-daemon(8) tells what it does.\n\n"
		"      --socket PATH   where it answers, instead of " DAEMON_SOCKET "\n"
		"      --hook PROGRAM  run for each event, instead of " HOOK "\n"
		"      --group NAME    whose users may read from the socket, instead of " GROUP "\n",
	.run		= run,
};
