// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2pgen: recordings of any size whose contents are known.
 *
 * A seeded model of traffic runs twice: once to learn how many pages each CPU fills,
 * once to write them where they belong.  So memory is a page for each CPU and what
 * is open, however long the recording is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gen_file.h"
#include "p2ptrace/text.h"
#include "p2ptrace/trace_read.h"
#include "traffic.h"

struct generator {
	struct gen_options options;
	struct records *records;
	struct pages pages;
	struct truth truth;
	struct gen_file file;
	struct traffic *traffic;
	int fd;
};

static int restart_truth(struct generator *generator, struct p2p_error *err)
{
	truth_destroy(&generator->truth);
	if (truth_init(&generator->truth, &generator->options, generator->records, err))
		return -1;
	generator->truth.ns = trace_clock_in_ns(generator->options.clock);
	return 0;
}

static int write_truth(struct generator *generator, struct p2p_error *err)
{
	const char *path = generator->options.truth;
	bool to_stdout = path && !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : path ? fopen(path, "we") : NULL;
	bool failed;

	if (!path)
		return 0;
	if (!out)
		return p2p_fail_errno(err, "cannot write %s", path);
	truth_write(&generator->truth, &generator->pages, out);
	failed = fflush(out) || ferror(out);
	if ((!to_stdout && fclose(out)) || failed)
		return p2p_fail_errno(err, "cannot write %s", path);
	return 0;
}

static int write_file(struct generator *generator, struct p2p_error *err)
{
	const char *path = generator->options.output;

	generator->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (generator->fd < 0)
		return p2p_fail_errno(err, "cannot write %s", path);
	/* Readers find the end of the last CPU's pages inside the file. */
	if (ftruncate(generator->fd, (off_t)generator->file.end))
		return p2p_fail_errno(err, "cannot write %s", path);
	pages_restart(&generator->pages, generator->fd);
	if (restart_truth(generator, err) || traffic_run(generator->traffic, err) ||
	    gen_file_write(&generator->file, generator->fd, err))
		return -1;
	return 0;
}

static int generate(struct generator *generator, struct p2p_error *err)
{
	const struct gen_options *options = &generator->options;

	generator->records = records_new(options);
	if (!generator->records)
		return p2p_fail(err, "no memory");
	if (pages_init(&generator->pages, options, err) || restart_truth(generator, err))
		return -1;
	generator->traffic =
		traffic_new(options, generator->records, &generator->pages, &generator->truth, err);
	if (!generator->traffic || traffic_run(generator->traffic, err) ||
	    gen_file_init(&generator->file, options, generator->records, &generator->pages,
			  &generator->truth, err))
		return -1;
	return write_file(generator, err) || write_truth(generator, err) ? -1 : P2P_OK;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct generator generator = { .fd = -1 };
	int status = gen_options_read(argc, argv, &generator.options, err);

	if (status && err->status == P2P_HELP) {
		puts("p2pgen -o FILE [OPTIONS]: a recording, and the truth about it\n");
		options_print_help(stdout, gen_option_table);
		return P2P_OK;
	}
	if (!status)
		status = generate(&generator, err);
	traffic_free(generator.traffic);
	gen_file_free(&generator.file);
	truth_destroy(&generator.truth);
	pages_destroy(&generator.pages);
	records_free(generator.records);
	if (generator.fd >= 0 && close(generator.fd) && !status)
		status = p2p_fail_errno(err, "cannot write %s", generator.options.output);
	return status;
}

int main(int argc, char **argv)
{
	struct p2p_error err = { .status = P2P_CANNOT };
	int status = run(argc, argv, &err);

	if (status >= 0)
		return status;
	fputs("p2pgen: ", stderr);
	text_print_safe(stderr, err.text);
	fputc('\n', stderr);
	return (int)err.status;
}
