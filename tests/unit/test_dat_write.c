// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The writer against the reader: what goes in comes out, in both versions, with one
 * buffer and with two.  trace-cmd reads the same files in tests/cli/test_record.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/trace_read.h"
#include "p2ptrace/trace_write.h"

#define PAGE 8192u
#define CPUS 2

static const char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				  "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				  "\tfield: char data;\toffset:16;\tsize:8176;\tsigned:0;\n";

static const struct write_format formats[] = {
	{ "ftrace", "name: print\nID: 5\nformat:\n" },
	{ "p2pdma", "name: p2p_dma_map\nID: 500\nformat:\n" },
	{ "p2pdma", "name: p2p_dma_unmap\nID: 501\nformat:\n" },
	{ "task", "name: task_rename\nID: 204\nformat:\n" },
};

static const char *const stats[CPUS] = {
	"CPU: 0\nentries: 0\noverrun: 12\ncommit overrun: 1\ndropped events: 3\n",
	"CPU: 1\nentries: 0\noverrun: 0\ncommit overrun: 0\ndropped events: 0\n",
};

static const char kallsyms[] = "ffffffff81000000 T _stext\nffffffffc0001000 t poll\t[nvme]\n";

static struct trace_metadata example(const struct write_buffer *buffers, size_t count)
{
	return (struct trace_metadata){
		.page_size = PAGE,
		.header_page = header_page,
		.header_event = "# compressed entry header\n",
		.formats = formats,
		.format_count = 4,
		.cmdlines = "1 init\n12 nvme-io\n",
		.clock_text = "local global [mono] boot",
		.clock = "mono",
		.uname = "Linux host 6.12.0 x86_64",
		.cpu_stats = stats,
		.cpu_stat_count = CPUS,
		.private_text = "format 1\nversion 0\n",
		.buffers = buffers,
		.buffer_count = count,
	};
}

static void write_pages(int fd, const struct write_lane *lane, unsigned char filler)
{
	unsigned char page[PAGE];

	memset(page, filler, sizeof(page));
	for (uint64_t done = 0; done < lane->bytes; done += PAGE)
		assert_int_equal(pwrite(fd, page, PAGE, (off_t)(lane->offset + done)), PAGE);
}

/* One, two, ... pages for the lanes of all buffers, from `at` on; returns the end. */
static uint64_t place(struct write_lane *lanes, size_t count, uint64_t at)
{
	for (size_t i = 0; i < count; i++) {
		lanes[i] = (struct write_lane){ i % CPUS, at, (i + 1) * PAGE };
		at += lanes[i].bytes;
	}
	return at;
}

static void check_lanes(const struct trace_file *file, size_t count, const char *second)
{
	struct p2p_error err;
	struct lane_reader reader;

	assert_int_equal(file->lane_count, count);
	lane_reader_init(&reader, file);
	for (size_t i = 0; i < count; i++) {
		const struct trace_lane *lane = NULL;
		const unsigned char *page;
		size_t bytes;

		/* Lanes may come in any order of buffers. */
		for (size_t k = 0; k < count; k++)
			if (file->lanes[k].cpu == i % CPUS &&
			    !strcmp(file->lanes[k].buffer, i < CPUS ? "" : second))
				lane = &file->lanes[k];
		assert_non_null(lane);
		assert_int_equal(lane->page_size, PAGE);
		assert_int_equal(lane->bytes, (i + 1) * PAGE);
		assert_int_equal(lane->offset % PAGE, 0);
		page = lane_read(&reader, lane, i, 1, &bytes, &err);
		assert_non_null(page);
		assert_int_equal(bytes, PAGE);
		assert_int_equal(page[0], 'a' + i);
		assert_int_equal(page[PAGE - 1], 'a' + i);
	}
	lane_reader_destroy(&reader);
}

static void check_file(const char *path, int version, size_t lanes, const char *symbols)
{
	struct p2p_error err = { .text = "" };
	struct trace_file *file = trace_file_open(path, &err);

	if (!file)
		fail_msg("%s", err.text);
	assert_int_equal(file->version, version);
	assert_false(file->truncated);
	assert_string_equal(file->clock, "mono");
	assert_string_equal(file->uname, "Linux host 6.12.0 x86_64");
	assert_string_equal(file->kallsyms, symbols ? symbols : "");
	assert_string_equal(file->cmdlines, "1 init\n12 nvme-io\n");
	assert_string_equal(file->private_text, "format 1\nversion 0\n");
	assert_string_equal(file->writer, "p2ptrace " P2PTRACE_VERSION);
	assert_int_equal(file->cpu_count, CPUS);
	assert_int_equal(file->format_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(file->formats[i].text, formats[i].text);
	assert_true(file->formats[0].ftrace);
	assert_string_equal(file->formats[2].system, "p2pdma");
	assert_string_equal(file->formats[3].system, "task");
	assert_int_equal(file->stats[0].overrun, 12);
	assert_int_equal(file->stats[0].commit_overrun, 1);
	assert_int_equal(file->stats[0].dropped, 3);
	check_lanes(file, lanes, "begins");
	trace_file_close(file);
}

static void write_and_check(int version, size_t buffer_count, const char *symbols)
{
	char path[] = "/tmp/p2ptrace-test-XXXXXX";
	size_t count = CPUS * buffer_count, size = 0;
	struct write_lane lanes[2 * CPUS] = { { 0 } };
	const struct write_buffer buffers[] = { { "", lanes, CPUS },
						{ "begins", lanes + CPUS, CPUS } };
	struct trace_metadata metadata = example(buffers, buffer_count);
	struct p2p_error err = { .text = "" };
	int fd = mkstemp(path);
	char *head = NULL;
	uint64_t end;

	metadata.kallsyms = symbols;
	assert_true(fd >= 0);
	if (version == 7) {
		end = place(lanes, count, trace_head_room(PAGE));
		assert_int_equal(trace_write7(fd, &metadata, end, &err), 0);
	} else {
		assert_int_equal(trace_build6(&metadata, &head, &size, &err), 0);
		free(head);
		place(lanes, count, (size + PAGE - 1) / PAGE * PAGE);
		end = size;
		assert_int_equal(trace_build6(&metadata, &head, &size, &err), 0);
		assert_int_equal(size, end);
		assert_int_equal(pwrite(fd, head, size, 0), size);
		free(head);
	}
	for (size_t i = 0; i < count; i++)
		write_pages(fd, &lanes[i], (unsigned char)('a' + i));
	close(fd);
	check_file(path, version, count, symbols);
	unlink(path);
}

static void test_version7(void **state)
{
	(void)state;
	write_and_check(7, 1, NULL);
	write_and_check(7, 2, kallsyms);
}

static void test_version6(void **state)
{
	(void)state;
	write_and_check(6, 1, NULL);
	write_and_check(6, 2, kallsyms);
}

static void test_full_disk(void **state)
{
	struct write_lane lanes[CPUS] = { { 0 } };
	const struct write_buffer buffer = { "", lanes, CPUS };
	struct trace_metadata metadata = example(&buffer, 1);
	struct p2p_error err = { .text = "" };
	FILE *full = fopen("/dev/full", "r+");

	(void)state;
	assert_non_null(full);
	assert_int_equal(trace_write7(fileno(full), &metadata, PAGE, &err), -1);
	assert_non_null(strstr(err.text, "No space left"));
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version7),
		cmocka_unit_test(test_version6),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
