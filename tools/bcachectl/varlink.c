// SPDX-License-Identifier: GPL-2.0
/*
 * A small Varlink server and client.
 *
 *   -> {"method": "org.example.Thing.List", "parameters": {...}, "more": true}\0
 *   <- {"parameters": {...}, "continues": true}\0
 *   <- {"error": "org.example.Thing.NotThere", "parameters": {...}}\0
 *
 * One thread, no waiting: a client's bytes are gathered until a message is whole, answers are
 * gathered until the client takes them. Who sends a message that is too long or is no message, or
 * takes no answers, is hung up on.
 *
 * Who may connect is decided by the socket's mode; what he may call by the credentials that the
 * kernel tells of the other end.
 */
#include "varlink.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "json_out.h"

#define MESSAGE_MAX	(64U << 10)	/* nobody has that much to ask */
#define ANSWERS_MAX	(8U << 20)

struct bytes {
	char	*p;
	size_t	len;
};

struct client {
	int		fd;		/* -1: free */
	bool		root;
	bool		subscribed;
	struct bytes	in, out;
};

struct varlink_server {
	int				fd;
	char				path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const struct varlink_interface	*interface;
	void				*ctx;
	struct client			client[VARLINK_CLIENTS_MAX];
};

struct varlink_call {
	struct varlink_server	*server;
	struct client		*client;
	bool			more, oneway;
};

/* ---- bytes ---- */

static bool bytes_add(struct bytes *b, const void *p, size_t len, size_t max)
{
	char *grown;

	if (b->len + len > max)
		return false;
	grown = realloc(b->p, b->len + len);
	if (!grown)
		return false;
	b->p = grown;
	memcpy(b->p + b->len, p, len);
	b->len += len;
	return true;
}

static void bytes_drop(struct bytes *b, size_t len)
{
	b->len -= len;
	memmove(b->p, b->p + len, b->len);
	if (!b->len) {
		free(b->p);
		b->p = NULL;
	}
}

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->in.p);
	free(c->out.p);
	*c = (struct client) { .fd = -1 };
}

/* ---- answers ---- */

static void send_what_goes(struct client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			hang_up(c);
			return;
		}
		bytes_drop(&c->out, n);
	}
}

static void send_object(struct client *c, json_object *message)
{
	const char *text = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!bytes_add(&c->out, text, strlen(text) + 1, ANSWERS_MAX))
		hang_up(c);
	else
		send_what_goes(c);
}

static void answer(struct varlink_call *call, const char *error, json_object *parameters,
		   bool continues)
{
	json_object *o = json_object_new_object();

	if (error)
		json_add_string(o, "error", error);
	json_object_object_add(o, "parameters", parameters ?: json_object_new_object());
	if (continues)
		json_add_bool(o, "continues", true);
	if (!call->oneway && call->client->fd >= 0)
		send_object(call->client, o);
	json_object_put(o);
}

void varlink_reply(struct varlink_call *call, json_object *parameters)
{
	answer(call, NULL, parameters, call->client->subscribed);
}

void varlink_error(struct varlink_call *call, const char *error, json_object *parameters)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", call->server->interface->name, error);
	answer(call, name, parameters, false);
}

static void service_error(struct varlink_call *call, const char *error, const char *field,
			  const char *value)
{
	json_object *o = json_object_new_object();
	char name[128];

	snprintf(name, sizeof(name), "org.varlink.service.%s", error);
	json_add_string(o, field, value);
	answer(call, name, o, false);
}

bool varlink_subscribe(struct varlink_call *call)
{
	call->client->subscribed = call->more;
	return call->more;
}

void varlink_tell(struct varlink_server *s, json_object *parameters)
{
	unsigned int i;

	for (i = 0; i < VARLINK_CLIENTS_MAX; i++) {
		struct varlink_call call = { .server = s, .client = &s->client[i] };

		if (s->client[i].fd >= 0 && s->client[i].subscribed)
			answer(&call, NULL, json_object_get(parameters), true);
	}
}

/* ---- the methods that every service has ---- */

static const char service_description[] =
	"# The Varlink Service Interface is provided by every varlink service. It\n"
	"# describes the service and the interfaces it implements.\n"
	"interface org.varlink.service\n\n"
	"# Get a list of all the interfaces a service provides and information\n"
	"# about the implementation.\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n  product: string,\n  version: string,\n  url: string,\n"
	"  interfaces: []string\n)\n\n"
	"# Get the description of an interface that is implemented by this service.\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n";

static void get_info(struct varlink_call *call)
{
	json_object *o = json_object_new_object(), *interfaces = json_object_new_array();

	json_add_string(o, "vendor", "bcachectl");
	json_add_string(o, "product", "bcachectl daemon");
	json_add_string(o, "version", "1");
	json_add_string(o, "url", "");
	json_object_array_add(interfaces, json_object_new_string("org.varlink.service"));
	json_object_array_add(interfaces, json_object_new_string(call->server->interface->name));
	json_object_object_add(o, "interfaces", interfaces);
	varlink_reply(call, o);
}

static void get_description(struct varlink_call *call, json_object *parameters)
{
	const struct varlink_interface *i = call->server->interface;
	const char *name = json_object_get_string(json_object_object_get(parameters, "interface"));
	json_object *o;

	if (!name || (strcmp(name, i->name) && strcmp(name, "org.varlink.service"))) {
		service_error(call, "InterfaceNotFound", "interface", name ?: "");
		return;
	}
	o = json_object_new_object();
	json_add_string(o, "description",
			strcmp(name, i->name) ? service_description : i->description);
	varlink_reply(call, o);
}

/* ---- calls ---- */

static void run_method(struct varlink_call *call, const char *method, json_object *parameters)
{
	const struct varlink_interface *i = call->server->interface;
	size_t prefix = strlen(i->name);
	const struct varlink_method *m;

	if (!strcmp(method, "org.varlink.service.GetInfo")) {
		get_info(call);
		return;
	}
	if (!strcmp(method, "org.varlink.service.GetInterfaceDescription")) {
		get_description(call, parameters);
		return;
	}
	for (m = i->methods; m->name; m++)
		if (!strncmp(method, i->name, prefix) && method[prefix] == '.' &&
		    !strcmp(method + prefix + 1, m->name))
			break;
	if (!m->name)
		service_error(call, "MethodNotFound", "method", method);
	else if (m->writes && !call->client->root)
		varlink_error(call, "NotPermitted", NULL);
	else
		m->run(call, parameters, call->server->ctx);
}

static bool is_true(json_object *o, const char *name)
{
	return json_object_get_boolean(json_object_object_get(o, name));
}

static void take_message(struct varlink_server *s, struct client *c, const char *text)
{
	json_object *o = json_tokener_parse(text), *parameters;
	struct varlink_call call = { .server = s, .client = c };
	const char *method = NULL;

	if (json_object_is_type(o, json_type_object))
		method = json_object_get_string(json_object_object_get(o, "method"));
	if (!method) {
		json_object_put(o);
		hang_up(c);
		return;
	}
	call.more = is_true(o, "more");
	call.oneway = is_true(o, "oneway");
	parameters = json_object_object_get(o, "parameters");
	if (!json_object_is_type(parameters, json_type_object))
		parameters = NULL;
	run_method(&call, method, parameters);
	json_object_put(o);
}

static void take_messages(struct varlink_server *s, struct client *c)
{
	char *end;

	while (c->fd >= 0 && c->in.len && (end = memchr(c->in.p, '\0', c->in.len))) {
		size_t len = end + 1 - c->in.p;
		char *text = strdup(c->in.p);

		bytes_drop(&c->in, len);
		if (text)
			take_message(s, c, text);
		free(text);
	}
}

static void read_client(struct varlink_server *s, struct client *c)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !bytes_add(&c->in, buf, n, MESSAGE_MAX))
		hang_up(c);
	else
		take_messages(s, c);
}

static void accept_client(struct varlink_server *s)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who;
	socklen_t len = sizeof(who);
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < VARLINK_CLIENTS_MAX; i++) {
		if (s->client[i].fd >= 0)
			continue;
		s->client[i] = (struct client) { .fd = fd };
		s->client[i].root = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) && !who.uid;
		return;
	}
	close(fd);
}

/* ---- outside ---- */

static int open_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* what a predecessor has left */
	unlink(path);
	if (fd >= 0 && (fchmod(fd, 0600) || bind(fd, (void *)&at, sizeof(at)) || listen(fd, 16))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void open_to_group(const char *path, const char *group)
{
	struct group *g = group ? getgrnam(group) : NULL;

	if (g && !chown(path, -1, g->gr_gid))
		chmod(path, 0660);
}

struct varlink_server *varlink_listen(const char *path, const char *group,
				      const struct varlink_interface *interface, void *ctx)
{
	struct varlink_server *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		return NULL;
	s->interface = interface;
	s->ctx = ctx;
	s->fd = open_socket(path);
	if (s->fd < 0) {
		free(s);
		return NULL;
	}
	snprintf(s->path, sizeof(s->path), "%s", path);
	open_to_group(path, group);
	for (i = 0; i < VARLINK_CLIENTS_MAX; i++)
		s->client[i].fd = -1;
	return s;
}

void varlink_close(struct varlink_server *s)
{
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < VARLINK_CLIENTS_MAX; i++)
		hang_up(&s->client[i]);
	close(s->fd);
	unlink(s->path);
	free(s);
}

unsigned int varlink_poll_fds(const struct varlink_server *s, struct pollfd *fds)
{
	unsigned int nr = 0, i;

	fds[nr++] = (struct pollfd) { .fd = s->fd, .events = POLLIN };
	for (i = 0; i < VARLINK_CLIENTS_MAX; i++) {
		const struct client *c = &s->client[i];

		if (c->fd >= 0)
			fds[nr++] = (struct pollfd) {
				.fd = c->fd, .events = POLLIN | (c->out.len ? POLLOUT : 0),
			};
	}
	return nr;
}

void varlink_serve(struct varlink_server *s, const struct pollfd *fds, unsigned int nr)
{
	unsigned int i, j;

	for (i = 1; i < nr; i++)
		for (j = 0; j < VARLINK_CLIENTS_MAX; j++) {
			struct client *c = &s->client[j];

			if (c->fd != fds[i].fd)
				continue;
			if (fds[i].revents & POLLOUT)
				send_what_goes(c);
			if (c->fd >= 0 && fds[i].revents & (POLLIN | POLLHUP | POLLERR))
				read_client(s, c);
			break;
		}
	if (nr && fds[0].revents & POLLIN)
		accept_client(s);
}

/* ---- client ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		return fd;
	strcpy(at.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (void *)&at, sizeof(at)))
		return fd;
	close(fd);
	return -1;
}

static json_object *read_answer(int fd)
{
	struct bytes in = { };
	json_object *o = NULL;
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 && bytes_add(&in, buf, n, ANSWERS_MAX))
		if (!in.p[in.len - 1]) {
			o = json_tokener_parse(in.p);
			break;
		}
	free(in.p);
	return o;
}

json_object *varlink_call_method(const char *path, const char *method)
{
	json_object *o = json_object_new_object(), *got = NULL, *result = NULL;
	int fd = connect_to(path);
	const char *text;

	json_add_string(o, "method", method);
	json_object_object_add(o, "parameters", json_object_new_object());
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	if (fd >= 0 && send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) == (ssize_t)strlen(text) + 1)
		got = read_answer(fd);
	if (json_object_is_type(got, json_type_object) &&
	    !json_object_object_get_ex(got, "error", NULL))
		result = json_object_get(json_object_object_get(got, "parameters"));
	json_object_put(got);
	json_object_put(o);
	if (fd >= 0)
		close(fd);
	return result;
}
