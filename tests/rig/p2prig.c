// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2prig: P2PDMA events without P2PDMA hardware.  See tests/rig/README.md.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "define.h"
#include "p2ptrace/text.h"
#include "truth.h"
#include "workload.h"

struct subcommand {
	const char *name;
	const char *usage;
	const struct option_spec *options;
	int (*run)(int argc, char **argv, struct p2p_error *err);
};

static int no_words(char **rest, int count, struct p2p_error *err)
{
	return count ? p2p_fail_usage(err, "'%s' is no option", rest[0]) : 0;
}

static int run_define(int argc, char **argv, struct p2p_error *err)
{
	struct rig_define define = { 0 };
	char **rest;
	int count;

	if (options_parse(argc, argv, rig_define_options, false, &define, &rest, &count, err) ||
	    no_words(rest, count, err))
		return -1;
	return rig_define_events(&define, err);
}

static int run_remove(int argc, char **argv, struct p2p_error *err)
{
	struct rig_define define = { 0 };
	char **rest;
	int count;

	if (options_parse(argc, argv, rig_group_options, false, &define, &rest, &count, err) ||
	    no_words(rest, count, err))
		return -1;
	return rig_remove_events(define.group, err);
}

static int run_workload(int argc, char **argv, struct p2p_error *err)
{
	struct rig_options options;
	struct rig_shared *shared;

	if (rig_read_options(argc, argv, &options, err))
		return -1;
	shared = rig_run(&options, err);
	if (!shared || rig_write_truth(shared, err))
		return -1;
	rig_hold(shared);
	return P2P_OK;
}

/* Runs the command; its status as a shell would say it. */
static int run_and_wait(char **command, struct p2p_error *err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return p2p_fail_errno(err, "fork");
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		execvp(command[0], command);
		fprintf(stderr, "p2prig: cannot start %s: %s\n", command[0], strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return p2p_fail_errno(err, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_with(int argc, char **argv, struct p2p_error *err)
{
	struct rig_define define = { 0 };
	struct p2p_error second;
	char **rest;
	int count, status;

	if (options_parse(argc, argv, rig_define_options, true, &define, &rest, &count, err))
		return -1;
	if (!count)
		return p2p_fail_usage(err, "with: no command");
	/* A terminal's Ctrl-C reaches the command by itself; the group outlives it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (rig_define_events(&define, err))
		return -1;
	rest[count] = NULL;
	status = run_and_wait(rest, err);
	if (!rig_remove_events(define.group, &second))
		return status;
	if (status >= 0)
		*err = second;
	return -1;
}

static const struct subcommand subcommands[] = {
	{ "define", "--group NAME [OPTIONS]: create the uprobe events", rig_define_options,
	  run_define },
	{ "remove", "--group NAME: remove them", rig_group_options, run_remove },
	{ "with", "--group NAME [OPTIONS] -- CMD: create, run CMD, remove", rig_define_options,
	  run_with },
	{ "run", "[OPTIONS]: do the work and print the ground truth as JSON", rig_run_options,
	  run_workload },
};

#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(FILE *out)
{
	fputs("P2PDMA events without P2PDMA hardware (tests/rig/README.md)\n\n", out);
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		fprintf(out, "  p2prig %s %s\n", subcommands[i].name, subcommands[i].usage);
}

static int dispatch(int argc, char **argv, struct p2p_error *err)
{
	const char *word = argc > 1 ? argv[1] : "-h";
	int status;

	for (size_t i = 0; i < SUBCOMMANDS; i++) {
		if (strcmp(subcommands[i].name, word))
			continue;
		status = subcommands[i].run(argc - 1, argv + 1, err);
		if (status < 0 && err->status == P2P_HELP) {
			printf("p2prig %s %s\n\n", word, subcommands[i].usage);
			options_print_help(stdout, subcommands[i].options);
			return P2P_OK;
		}
		return status;
	}
	if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		print_help(argc > 1 ? stdout : stderr);
		return argc > 1 ? P2P_OK : P2P_USAGE;
	}
	return p2p_fail_usage(err, "no sub-command '%s'; 'p2prig -h' lists them", word);
}

int main(int argc, char **argv)
{
	struct p2p_error err = { .status = P2P_CANNOT };
	int status = dispatch(argc, argv, &err);

	if (status >= 0)
		return status;
	fputs("p2prig: ", stderr);
	text_print_safe(stderr, err.text);
	fputc('\n', stderr);
	return (int)err.status;
}
