// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <unistd.h>

#include "p2ptrace/input.h"

int input_parse(int argc, char **argv, const struct option_spec *table, void *into,
		struct analysis_options *analysis, struct p2p_error *err)
{
	char **words;
	int count;

	if (options_parse(argc, argv, table, false, into, &words, &count, err))
		return -1;
	if (count > 1)
		return p2p_fail_usage(err, "one file at a time ('%s' and '%s' given)", words[0],
				      words[1]);
	if (count && analysis->path)
		return p2p_fail_usage(err, "'%s' and -i %s: one file at a time", words[0],
				      analysis->path);
	if (count)
		analysis->path = words[0];
	if (!analysis->path)
		analysis->path = INPUT_DEFAULT;
	return 0;
}

void input_warn(const struct analysis *analysis)
{
	if (analysis->truncated)
		p2p_warn("%s is cut off: the numbers are of what it still holds",
			 analysis->file->shown);
	if (analysis->lost)
		p2p_warn("%llu events were lost while recording",
			 (unsigned long long)analysis->lost);
}

struct analysis *input_analyse(struct analysis_options *options, bool machines,
			       struct p2p_error *err)
{
	struct analysis *analysis;

	options->progress = true;
	analysis = analysis_run(options, err);
	if (analysis && machines)
		input_warn(analysis);
	return analysis;
}

int inspect(struct inspection *inspection, struct analysis_options *options, uint64_t min_age,
	    bool machines, struct p2p_error *err)
{
	*inspection = (struct inspection){ .analysis = input_analyse(options, machines, err) };
	if (!inspection->analysis)
		return -1;
	if (!report_make(&inspection->report, inspection->analysis, err) &&
	    !leaks_find(&inspection->leaks, inspection->analysis, min_age, err))
		return 0;
	inspection_free(inspection);
	return -1;
}

void inspection_free(struct inspection *inspection)
{
	leaks_free(&inspection->leaks);
	report_free(&inspection->report);
	analysis_free(inspection->analysis);
}
