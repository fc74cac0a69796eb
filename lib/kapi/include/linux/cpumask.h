/* SPDX-License-Identifier: GPL-2.0 */
/* Per-cpu slots stand for processors. */
#ifndef KAPI_LINUX_CPUMASK_H
#define KAPI_LINUX_CPUMASK_H

#include <linux/types.h>

/* A thread owns one slot while it lives; above this many threads, slots are shared. */
#define NR_CPUS			64
#define nr_cpu_ids		((unsigned int)NR_CPUS)
#define num_possible_cpus()	((unsigned int)NR_CPUS)
#define num_online_cpus()	kapi_online_cpus()
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < NR_CPUS; (cpu)++)
#define for_each_online_cpu(cpu)   for_each_possible_cpu(cpu)

unsigned int kapi_online_cpus(void);

#endif
