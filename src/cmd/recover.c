// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/command.h"
#include "p2ptrace/input.h"
#include "p2ptrace/recover.h"
#include "p2ptrace/remains.h"
#include "p2ptrace/text.h"

struct recover_options {
	const char *output;
};

static const struct option_spec recover_options[] = {
	{ OPTION_STRING, 'o', "output", "FILE", "the file to write (default: the recording's name)",
	  .offset = offsetof(struct recover_options, output) },
	{ .kind = OPTION_END },
};

static void tell(const char *path, const struct recovery *recovery)
{
	char name[4096], bytes[16];

	text_safe(name, sizeof(name), path);
	if (recovery->complete)
		fprintf(stderr, "p2ptrace: %s was complete; what was left beside it is removed\n",
			name);
	else
		fprintf(stderr,
			"p2ptrace: recovered %s of %zu CPU%s to %s; what was lost at its end is "
			"not known\n",
			text_bytes(bytes, sizeof(bytes), recovery->bytes), recovery->cpus,
			recovery->cpus == 1 ? "" : "s", name);
	if (recovery->others)
		fprintf(stderr,
			"p2ptrace: %zu older recording%s to that name can be recovered too\n",
			recovery->others, recovery->others == 1 ? "" : "s");
}

static int recover_one(const char *path, const char *output, bool piece, struct p2p_error *err)
{
	struct recovery recovery;

	if (recover(path, output, piece, &recovery, err))
		return -1;
	if (!recovery.empty)
		tell(output, &recovery);
	return 0;
}

/* Of a recording in several files, those that were cut off. */
static int recover_pieces(const char *path, const char *output, int *found, struct p2p_error *err)
{
	char **pieces;
	size_t count = remains_are_dead(path) ? 0 : remains_pieces(path, &pieces);
	int result = 0;

	*found = (int)count;
	if (!count)
		return 0;
	if (count > 1 && output)
		result = p2p_fail_usage(err,
					"-o: %zu files of this recording were cut off (%s ...)",
					count, pieces[0]);
	for (size_t i = 0; i < count; i++) {
		if (!result)
			result = recover_one(pieces[i], output ? output : pieces[i], true, err);
		free(pieces[i]);
	}
	free(pieces);
	return result;
}

static int run_recover(int argc, char **argv, struct p2p_error *err)
{
	struct recover_options options = { NULL };
	const char *path;
	int count, result;
	char **words;

	if (options_parse(argc, argv, recover_options, false, &options, &words, &count, err))
		return -1;
	if (count > 1)
		return p2p_fail_usage(err, "one file at a time ('%s' and '%s' given)", words[0],
				      words[1]);
	if (options.output && !strcmp(options.output, "-"))
		return p2p_fail_usage(err, "-o -: what is recovered goes to a file");
	path = count ? words[0] : INPUT_DEFAULT;
	remains_remove_piece_litter(path);
	result = recover_pieces(path, options.output, &count, err);
	if (!count)
		result = recover_one(path, options.output ? options.output : path, false, err);
	return result ? -1 : P2P_OK;
}

const struct command cmd_recover = {
	.name = "recover",
	.summary = "Finishes a recording that was cut off.",
	.usage = "[-o FILE] [FILE]",
	.options = recover_options,
	.run = run_recover,
};
