/* SPDX-License-Identifier: GPL-2.0 */
/* Processor numbers: the slot of the thread. */
#ifndef KAPI_LINUX_SMP_H
#define KAPI_LINUX_SMP_H

#include <linux/cpumask.h>

unsigned int kapi_smp_processor_id(void);
#define smp_processor_id()	kapi_smp_processor_id()
#define raw_smp_processor_id()	kapi_smp_processor_id()
#define get_cpu()		kapi_smp_processor_id()
#define put_cpu()		((void)0)

#endif
