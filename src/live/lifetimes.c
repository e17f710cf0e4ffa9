// SPDX-License-Identifier: GPL-2.0-or-later
/* How long the mappings and allocations of one process lived. */
#include "parts.h"

static bool add(struct histogram *to, const struct group_totals *totals)
{
	return !totals->only_lifetimes || histogram_merge(to, totals->only_lifetimes);
}

int live_process_lifetimes(struct live *live, int64_t pid, struct histogram *maps,
			   struct histogram *allocs, struct p2p_error *err)
{
	const struct live_engine *engine = &live->engine;
	const struct details *details = &engine->by_process;
	bool known;

	histogram_free(maps);
	histogram_free(allocs);
	if (!engine->analysis || !engine->analysis->recording.ns)
		return 0;
	for (size_t i = 0; i < details->group_count; i++) {
		const struct group *group = &details->groups[i];

		/* What counted for a thread may belong to a process by now. */
		if (processes_tgid(details->processes, group->key.pid, &known) != (uint64_t)pid)
			continue;
		if (!add(maps, &group->maps) || !add(allocs, &group->allocs))
			return p2p_fail(err, "no memory for the lifetimes of a process");
	}
	return 0;
}
