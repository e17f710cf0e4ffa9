// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gen_file.h"
#include "p2ptrace/trace_read.h"
#include "p2ptrace/trace_write.h"

/* What `uname -a` would say; its release decides nothing here. */
#define UNAME "Linux p2pgen 6.12.0 x86_64"

static const char header_event[] = "# compressed entry header\n"
				   "\ttype_len    :    5 bits\n"
				   "\ttime_delta  :   27 bits\n"
				   "\tarray       :   32 bits\n\n"
				   "\tpadding     : type == 29\n"
				   "\ttime_extend : type == 30\n"
				   "\ttime_stamp : type == 31\n"
				   "\tdata max type_len  == 28\n";

static char *make_header_page(const struct gen_options *options)
{
	char *text;

	if (asprintf(&text,
		     "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		     "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		     "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		     "\tfield: char data;\toffset:16;\tsize:%" PRIu64 ";\tsigned:0;\n",
		     options->sub_buffer - 16) < 0)
		return NULL;
	return text;
}

static char *make_cmdlines(const struct gen_options *options)
{
	uint64_t threads = options->pids * options->threads;
	char *text = NULL, comm[16];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	for (uint32_t i = 0; i < threads; i++) {
		truth_comm((uint32_t)(i / options->threads), comm);
		fprintf(out, "%u %s\n", 1000 + i, comm);
	}
	return fclose(out) ? NULL : text;
}

static char *make_clock_text(const struct gen_options *options)
{
	char *text;

	return asprintf(&text, "local global [%s] boot", options->clock) < 0 ? NULL : text;
}

/* ---- p2ptrace's own option ---- */

static void put_living(FILE *out, const struct gen_options *options, const struct truth *truth)
{
	private_add(out, PRIVATE_LIVENESS, "1");
	for (uint32_t i = 0; i < options->pids; i++) {
		enum fate fate = truth_fate(options, i);
		uint32_t pid = truth_pid(options, i);

		if (fate == FATE_ALIVE && i % 3 == 0)
			private_add(out, PRIVATE_ALIVE, "%u -", pid);
		else if (fate == FATE_ALIVE)
			private_add(out, PRIVATE_ALIVE, "%u %" PRId64, pid,
				    (int64_t)truth->start - 5000000000);
		else if (fate == FATE_REPLACED)
			private_add(out, PRIVATE_ALIVE, "%u %" PRIu64, pid, truth->stop);
	}
}

static char *make_private(const struct gen_options *options, const struct truth *truth)
{
	uint64_t threads = options->pids * options->threads;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	private_add(out, PRIVATE_FORMAT, "%d", PRIVATE_OPTION_FORMAT);
	private_add(out, PRIVATE_VERSION, "%s", P2PTRACE_VERSION);
	private_add(out, PRIVATE_CLOCK, "%s", options->clock);
	private_add(out, PRIVATE_CLOCK_NS, "%d", truth->ns);
	private_add(out, PRIVATE_START, "%" PRIu64, truth->start);
	private_add(out, PRIVATE_STOP, "%" PRIu64, truth->stop);
	private_add(out, PRIVATE_SOURCE, "tracepoint");
	private_add(out, PRIVATE_SYSTEM, "%s", records_system(GEN_ALLOC));
	if (options->missed)
		private_add(out, PRIVATE_MISSED, "%" PRIu64, options->missed);
	if (options->unsaved)
		private_add(out, PRIVATE_UNSAVED, "0 %" PRIu64, options->unsaved);
	for (uint32_t i = 0; i < threads; i++)
		private_add(out, PRIVATE_TGID, "%u %u", 1000 + i,
			    truth_pid(options, (uint32_t)(i / options->threads)));
	if (options->liveness == LIVES_SAVED)
		put_living(out, options, truth);
	return fclose(out) ? NULL : text;
}

/* ---- lanes and statistics ---- */

static char *make_stats(uint64_t number, const struct cpu_pages *cpu)
{
	char *text;

	if (asprintf(&text,
		     "CPU: %" PRIu64 "\nentries: 0\noverrun: %" PRIu64
		     "\ncommit overrun: 0\nbytes: 0\noldest event ts: 0.000000\n"
		     "now ts: 0.000000\ndropped events: %" PRIu64 "\nread events: %" PRIu64 "\n",
		     number, cpu->overrun, cpu->dropped, cpu->entries) < 0)
		return NULL;
	return text;
}

static int build_front(struct gen_file *file, struct p2p_error *err)
{
	free(file->front);
	file->front = NULL;
	return trace_build6(file->metadata, &file->front, &file->front_bytes, err);
}

static int place_pages(struct gen_file *file, struct pages *pages, struct p2p_error *err)
{
	uint64_t size = file->options->sub_buffer, at = trace_head_room((uint32_t)size);

	if (file->options->version == 6) {
		if (build_front(file, err))
			return -1;
		at = (file->front_bytes + size - 1) & ~(size - 1);
	}
	for (uint64_t i = 0; i < file->options->cpus; i++) {
		file->lanes[i] = (struct write_lane){ .cpu = (uint32_t)i,
						      .offset = at,
						      .bytes = pages->cpus[i].count * size };
		pages->cpus[i].offset = at;
		at += file->lanes[i].bytes;
	}
	file->end = at;
	return file->options->version == 6 ? build_front(file, err) : 0;
}

/* ---- the whole ---- */

static bool make_texts(struct gen_file *file, const struct records *records,
		       const struct pages *pages, const struct truth *truth)
{
	const struct gen_options *options = file->options;

	file->header_page = make_header_page(options);
	file->cmdlines = make_cmdlines(options);
	file->clock_text = make_clock_text(options);
	if (!options->foreign)
		file->private_text = make_private(options, truth);
	for (uint64_t i = 0; i < options->cpus && !options->no_stats; i++) {
		file->stats[i] = make_stats(i, &pages->cpus[i]);
		if (!file->stats[i])
			return false;
	}
	for (enum gen_kind kind = 0; kind < GEN_KINDS; kind++)
		file->formats[kind] = (struct write_format){ records_system(kind),
							     records_format(records, kind) };
	return file->header_page && file->cmdlines && file->clock_text &&
	       (file->private_text || options->foreign);
}

static void fill_metadata(struct gen_file *file)
{
	const struct gen_options *options = file->options;

	*file->buffer = (struct write_buffer){ "", file->lanes, options->cpus };
	*file->metadata = (struct trace_metadata){
		.page_size = (uint32_t)options->sub_buffer,
		.header_page = file->header_page,
		.header_event = header_event,
		.formats = file->formats,
		.format_count = GEN_KINDS,
		.cmdlines = file->cmdlines,
		.clock_text = file->clock_text,
		.clock = options->clock,
		.uname = UNAME,
		.cpu_stats = (const char *const *)file->stats,
		.cpu_stat_count = options->no_stats ? 0 : options->cpus,
		.private_text = file->private_text,
		.buffers = file->buffer,
		.buffer_count = 1,
	};
}

int gen_file_init(struct gen_file *file, const struct gen_options *options,
		  const struct records *records, struct pages *pages, const struct truth *truth,
		  struct p2p_error *err)
{
	*file = (struct gen_file){ .options = options };
	file->metadata = calloc(1, sizeof(*file->metadata));
	file->buffer = calloc(1, sizeof(*file->buffer));
	file->formats = calloc(GEN_KINDS, sizeof(*file->formats));
	file->lanes = calloc(options->cpus, sizeof(*file->lanes));
	file->stats = calloc(options->cpus, sizeof(*file->stats));
	if (!file->metadata || !file->buffer || !file->formats || !file->lanes || !file->stats ||
	    !make_texts(file, records, pages, truth))
		return p2p_fail(err, "no memory for the file's metadata");
	fill_metadata(file);
	return place_pages(file, pages, err);
}

int gen_file_write(struct gen_file *file, int fd, struct p2p_error *err)
{
	if (file->options->version == 7)
		return trace_write7(fd, file->metadata, file->end, err);
	if (pwrite(fd, file->front, file->front_bytes, 0) != (ssize_t)file->front_bytes)
		return p2p_fail_errno(err, "cannot write %s", file->options->output);
	return 0;
}

void gen_file_free(struct gen_file *file)
{
	for (uint64_t i = 0; file->stats && i < file->options->cpus; i++)
		free(file->stats[i]);
	free(file->stats);
	free(file->metadata);
	free(file->buffer);
	free(file->formats);
	free(file->lanes);
	free(file->header_page);
	free(file->cmdlines);
	free(file->private_text);
	free(file->clock_text);
	free(file->front);
}
