// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/atomic.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "inside.h"

static atomic_long_t entries[64];
static atomic_t count; /* most calls see zero and look no further */

/* Tasks are aligned: the low bits say how deep in interrupts. */
static long key(void)
{
	return (long)current | (in_nmi() ? 3 : in_hardirq() ? 2 : in_serving_softirq() ? 1 : 0);
}

static bool replace(long from, long to)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(entries); i++)
		if (atomic_long_read(&entries[i]) == from &&
		    atomic_long_cmpxchg(&entries[i], from, to) == from)
			return true;
	return false;
}

bool inside_enter(void)
{
	if (!replace(0, key()))
		return false;
	atomic_inc(&count);
	return true;
}

void inside_leave(void)
{
	if (replace(key(), 0))
		atomic_dec(&count);
}

bool inside(void)
{
	int i;

	if (likely(!atomic_read(&count)))
		return false;
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		if (atomic_long_read(&entries[i]) == key())
			return true;
	return false;
}
