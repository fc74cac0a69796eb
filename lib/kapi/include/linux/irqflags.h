/* SPDX-License-Identifier: GPL-2.0 */
/* There are no interrupts. */
#ifndef KAPI_LINUX_IRQFLAGS_H
#define KAPI_LINUX_IRQFLAGS_H

#define local_irq_save(f)	((f) = 0)
#define local_irq_restore(f)	((void)(f))
#define local_irq_disable()	((void)0)
#define local_irq_enable()	((void)0)
#define irqs_disabled()		0

#endif
