// SPDX-License-Identifier: GPL-2.0
/* Btrees in memory only. */
#include "mem_btrees.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/format/version.h"
#include "require.h"

#define NODE_SECTORS	512
#define BLOCK_SECTORS	8

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "%d (error %d): %s\n", level, error_id, line);
}

void mem_btrees_init(struct mem_btrees *m)
{
	*m = (struct mem_btrees) {
		.rules = {
			.btree_node_sectors = NODE_SECTORS,
			.block_sectors = BLOCK_SECTORS,
			.encoded_extent_max_sectors = 128,
		},
	};
	m->log = bce_log_alloc("test");
	require(m->log);
	bce_log_set_print(m->log, print_line, NULL);
}

void mem_btrees_open(struct mem_btrees *m, const struct btree_trigger_ops *triggers,
		     void *trigger_ctx)
{
	const struct btrees_config config = {
		.uuid_word = 1,
		.version = BCH_VERSION_CURRENT,
		.version_min = BCH_VERSION_CURRENT,
		.node_sectors = NODE_SECTORS,
		.block_sectors = BLOCK_SECTORS,
		.rules = &m->rules,
		.log = m->log,
	};
	const struct btrees_write_config writing = {
		.triggers = triggers,
		.trigger_ctx = trigger_ctx,
	};

	require(!bce_btrees_open(&m->b, &config));
	require(!bce_btrees_start_writing(m->b, &writing, 0));
}

void mem_btrees_exit(struct mem_btrees *m)
{
	bce_btrees_close(m->b);
	bce_log_free(m->log);
}
