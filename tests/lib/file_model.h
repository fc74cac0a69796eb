/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_FILE_MODEL_H
#define TESTS_FILE_MODEL_H

#include <bcachefs/ops.h>
#include <bcachefs/set.h>

/*
 * Random operations on a set, and what they must have come to.
 *
 * The model is the plainest thing that could hold files: trees of nodes with their bytes in arrays.
 * An operation is done to both, and model_compare() looks whether all names, attributes and bytes
 * of the set are those of the model. Operations are chosen so that they must succeed, or so that
 * the error is known; -ENOSPC is always allowed, and leaves the model as it was.
 */
struct file_model;

struct model_opts {
	u64	seed;
	u32	block_bytes;
	u32	file_bytes_max;		/* of one file */
	u64	total_bytes_max;	/* of all files of all subvolumes, roughly */
	unsigned int nr_files_max;
	bool	subvolumes;		/* make and delete subvolumes and snapshots */
	bool	verbose;		/* say each operation */
	u8	nr_targets;		/* members, for options that name them; 0: none */
};

struct file_model *model_new(const struct model_opts *opts);
void model_free(struct file_model *m);

/* what the set holds now becomes the model: it may have been written by somebody else */
int model_load(struct file_model *m, struct bce_set *set);
/* @nr random operations. Return: 0; -1: the set did what it should not (said on stderr) */
int model_run(struct file_model *m, struct bce_set *set, unsigned int nr);
/* the operations of these numbers (the first that model_run() makes is 1) */
int model_run_these(struct file_model *m, struct bce_set *set, const u32 *number, unsigned int nr);
/* Return: 0, or -1 where set and model differ (said on stderr) */
int model_compare(struct file_model *m, struct bce_set *set);

/* the model as it is now, kept beside: for crashes, after which one of several must hold */
struct file_model *model_copy(struct file_model *m);
u64 model_total_bytes(const struct file_model *m);
unsigned int model_nr_files(const struct file_model *m);

#endif
