// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main: the table of commands.  Errors are printed and the process is ended
 * here and nowhere else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/command.h"
#include "p2ptrace/pager.h"
#include "p2ptrace/text.h"

static const struct command *const commands[] = {
	&cmd_record, &cmd_recover, &cmd_report, &cmd_analyze, &cmd_leaks, &cmd_events,	&cmd_check,
	&cmd_info,   &cmd_live,	   &cmd_stat,	&cmd_doctor,  &cmd_topo,  &cmd_explain,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void print_commands(FILE *out)
{
	fprintf(out,
		"usage: p2ptrace COMMAND [OPTIONS]\n"
		"Record PCIe peer-to-peer DMA, and tell which path it took, who asked for it,\n"
		"how long mappings live and what leaks.\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\n'p2ptrace COMMAND -h' lists a command's options, 'p2ptrace help COMMAND'\n"
		     "opens its manual page.\n");
}

static void print_command_help(const struct command *command)
{
	printf("usage: p2ptrace %s %s\n%s\n\n", command->name, command->usage, command->summary);
	options_print_help(stdout, command->options);
	printf("  %-28s %s\n", "-h, --help", "this text");
}

/* What the shell completion asks for: --list-commands, --list-options COMMAND. */
static int list_words(int argc, char **argv)
{
	const struct command *command;

	if (!strcmp(argv[1], "--list-commands")) {
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			puts(commands[i]->name);
		return P2P_OK;
	}
	command = argc > 2 ? find_command(argv[2]) : NULL;
	if (command)
		options_print_words(stdout, command->options);
	return P2P_OK;
}

static int open_manual(const char *name, struct p2p_error *err)
{
	char page[64] = "p2ptrace";

	if (name && !find_command(name))
		return p2p_fail_usage(err, "no command '%s'; 'p2ptrace help' lists them", name);
	if (name)
		snprintf(page, sizeof(page), "p2ptrace-%s", name);
	fflush(stdout);
	execlp("man", "man", page, (char *)NULL);
	return p2p_fail_errno(err, "cannot start man (try 'p2ptrace %s -h')", name ? name : "");
}

static int run_command(const struct command *command, int argc, char **argv, struct p2p_error *err)
{
	int status;

	if (command->pager)
		pager_start();
	status = command->run(argc, argv, err);
	if (status < 0 && err->status == P2P_HELP) {
		print_command_help(command);
		status = P2P_OK;
	}
	return status;
}

static int dispatch(int argc, char **argv, struct p2p_error *err)
{
	const char *word = argc > 1 ? argv[1] : "--help";
	const struct command *command = find_command(word);

	if (command)
		return run_command(command, argc - 1, argv + 1, err);
	if (!strcmp(word, "help") && argc > 2)
		return open_manual(argv[2], err);
	if (!strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help")) {
		print_commands(argc > 1 ? stdout : stderr);
		return argc > 1 ? P2P_OK : P2P_USAGE;
	}
	if (!strcmp(word, "version") || !strcmp(word, "--version") || !strcmp(word, "-V")) {
		puts("p2ptrace " P2PTRACE_VERSION);
		return P2P_OK;
	}
	if (!strncmp(word, "--list-", 7))
		return list_words(argc, argv);
	return p2p_fail_usage(err, "no command '%s'; 'p2ptrace help' lists them", word);
}

/* A full disk behind stdout is an error; a reader that went away is not. */
static int finish_stdout(int status, struct p2p_error *err)
{
	int failed;

	errno = 0;
	failed = fflush(stdout) || ferror(stdout);
	if (!failed || errno == EPIPE)
		return status;
	return p2p_fail_errno(err, "cannot write to standard output");
}

int main(int argc, char **argv)
{
	struct p2p_error err = { .status = P2P_CANNOT };
	int status;

	/* Writes say EPIPE instead: a recorder must not die on a closed pipe. */
	signal(SIGPIPE, SIG_IGN);
	status = dispatch(argc, argv, &err);
	if (status >= 0)
		status = finish_stdout(status, &err);
	pager_finish();
	if (status >= 0)
		return status;
	fputs("p2ptrace: ", stderr);
	text_print_safe(stderr, err.text);
	fputc('\n', stderr);
	return (int)err.status;
}
