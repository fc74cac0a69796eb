/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_VARLINK_H
#define BCACHECTL_VARLINK_H

#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>

/*
 * Varlink (https://varlink.org): methods called over a socket with JSON messages that end with a
 * zero byte. A service describes itself, so that others need no documents.
 */

struct varlink_server;
struct varlink_call;

/**
 * struct varlink_method - one method of the interface
 * @name:    without the interface
 * @writes:  for root only; everyone else who may open the socket may call the others
 * @run:     answers by one of the calls below
 */
struct varlink_method {
	const char	*name;
	bool		writes;
	void		(*run)(struct varlink_call *call, json_object *parameters, void *ctx);
};

struct varlink_interface {
	const char			*name;		/* "org.example.Thing" */
	const char			*description;	/* in varlink's language */
	const struct varlink_method	*methods;	/* ends with an empty one */
};

/* @group: may connect too, if there is such a group. Return: NULL with errno */
struct varlink_server *varlink_listen(const char *path, const char *group,
				      const struct varlink_interface *interface, void *ctx);
void varlink_close(struct varlink_server *s);

#define VARLINK_CLIENTS_MAX	32
/* what is to be waited for. Return: how many of the VARLINK_CLIENTS_MAX + 1 */
unsigned int varlink_poll_fds(const struct varlink_server *s, struct pollfd *fds);
/* accept, read, answer, as far as that goes without waiting */
void varlink_serve(struct varlink_server *s, const struct pollfd *fds, unsigned int nr);

/* answers; @parameters is taken (NULL: none) */
void varlink_reply(struct varlink_call *call, json_object *parameters);
/* @error: of our interface, without its name */
void varlink_error(struct varlink_call *call, const char *error, json_object *parameters);
/* the caller wants more than one answer: it gets each varlink_tell(). false: it did not ask for that */
bool varlink_subscribe(struct varlink_call *call);
/* one more answer to all who subscribed; @parameters stays the caller's */
void varlink_tell(struct varlink_server *s, json_object *parameters);

/**
 * varlink_call_method() - call a method that takes no parameters as client, and wait for the answer
 * Return: its parameters; NULL: nobody listens, or an error was answered
 */
json_object *varlink_call_method(const char *path, const char *method);

#endif
