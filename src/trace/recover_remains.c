// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/remains.h"
#include "p2ptrace/rows.h"

const char *const remains_key_names[REMAINS_KEYS] = {
	[REMAINS_PAGE_SIZE] = "page_size",
	[REMAINS_HEAD_ROOM] = "head_room",
	[REMAINS_HEADER_PAGE] = "header_page",
	[REMAINS_HEADER_EVENT] = "header_event",
	[REMAINS_FORMAT] = "format",
	[REMAINS_CLOCK_TEXT] = "clock_text",
	[REMAINS_CLOCK] = "clock",
	[REMAINS_UNAME] = "uname",
	[REMAINS_KALLSYMS] = "kallsyms",
	[REMAINS_CAPTURE] = "capture",
	[REMAINS_BUFFER] = "buffer",
	[REMAINS_LANE] = "lane",
	[REMAINS_PRIVATE] = "private",
	[REMAINS_CMDLINES] = "cmdlines",
	[REMAINS_STATS] = "stats",
	[REMAINS_PLAN] = "plan",
	[REMAINS_END] = "end",
};

/* ---- finding ---- */

/* Calls `each` for every file beside the recording that is one of its parts. */
static int scan(const struct output *output,
		bool (*each)(void *context, const char *stem, const char *part), void *context)
{
	int copy = openat(output->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	bool good = true;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	while (good && (entry = readdir(dir))) {
		const char *part;
		char stem[64];

		if (output_parse_part(output, entry->d_name, stem, &part))
			good = each(context, stem, part);
	}
	closedir(dir);
	return good ? 0 : -1;
}

/* Metas of recorders that are gone, and how many still run. */
struct search {
	struct output output; /* its stem: the one at hand, at last the newest dead one */
	char newest[64];
	struct timespec changed; /* of that one */
	size_t dead, live;
};

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static bool look_at(void *context, const char *stem, const char *part)
{
	struct search *search = context;
	struct stat info;
	int fd;

	if (strcmp(part, REMAINS_META) != 0)
		return true;
	snprintf(search->output.stem, sizeof(search->output.stem), "%s", stem);
	fd = output_reopen(&search->output, part);
	if (fd < 0)
		return true;
	if (flock(fd, LOCK_SH | LOCK_NB)) {
		search->live++;
	} else if (!fstat(fd, &info)) {
		if (!search->dead++ || later(&info.st_mtim, &search->changed)) {
			search->changed = info.st_mtim;
			snprintf(search->newest, sizeof(search->newest), "%s", stem);
		}
	}
	close(fd);
	return true;
}

static int search_all(struct search *search, const char *path, struct p2p_error *err)
{
	*search = (struct search){ .output = { .dir = -1 } };
	if (output_locate(&search->output, path, err))
		return -1;
	if (!scan(&search->output, look_at, search))
		return 0;
	p2p_fail_errno(err, "cannot list the directory of %s", path);
	output_close(&search->output);
	return -1;
}

bool remains_are_dead(const char *path)
{
	struct p2p_error ignored;
	struct search search;

	if (search_all(&search, path, &ignored))
		return false;
	output_close(&search.output);
	return search.dead;
}

enum remains_found remains_look(const char *path)
{
	enum remains_found found = REMAINS_NONE;
	struct p2p_error ignored;
	struct search search;
	struct stat file;

	if (search_all(&search, path, &ignored))
		return found;
	if (fstatat(search.output.dir, search.output.name, &file, 0))
		found = search.dead ? REMAINS_DEAD : search.live ? REMAINS_LIVE : REMAINS_NONE;
	else if (search.dead && later(&search.changed, &file.st_mtim))
		found = REMAINS_DEAD;
	output_close(&search.output);
	return found;
}

/* ---- reading ---- */

#define TEXT_MAX (256u << 20)

/* The whole file with a NUL behind it. */
static char *read_text(int fd, size_t *size)
{
	struct stat info;
	char *text;

	if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode) || info.st_size > TEXT_MAX)
		return NULL;
	text = malloc((size_t)info.st_size + 1);
	if (!text)
		return NULL;
	*size = 0;
	while (*size < (size_t)info.st_size) {
		ssize_t got = pread(fd, text + *size, (size_t)info.st_size - *size, (off_t)*size);

		if (got <= 0)
			break;
		*size += (size_t)got;
	}
	text[*size] = '\0';
	return text;
}

static int damaged(const struct remains *remains, const char *what, struct p2p_error *err)
{
	return p2p_fail(err, "%s: what is left of the recording (%s) is damaged: %s",
			remains->output.path, remains->output.stem, what);
}

static bool safe_part(const char *part)
{
	return *part && strlen(part) < sizeof(((struct remains_lane *)0)->part) &&
	       !part[strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static bool add_format(struct remains *remains, const char *system, const char *text)
{
	struct write_format *format = ROWS_ADD(remains->formats, remains->metadata.format_count);

	if (format)
		*format = (struct write_format){ system, text };
	return format;
}

static bool add_buffer(struct remains *remains, const char *name)
{
	struct write_buffer *buffer = ROWS_ADD(remains->buffers, remains->metadata.buffer_count);

	if (buffer)
		buffer->name = name;
	return buffer;
}

static bool add_lane(struct remains *remains, const char *part, const char *cpu)
{
	struct remains_lane *lane = safe_part(part) ? ROWS_ADD(remains->lanes, remains->lane_count)
						    : NULL;

	if (!lane)
		return false;
	lane->cpu = (unsigned int)strtoul(cpu, NULL, 10);
	strcpy(lane->part, part);
	return true;
}

static bool add_stats(struct remains *remains, const char *text)
{
	const char **stats = ROWS_ADD(remains->stats, remains->metadata.cpu_stat_count);

	if (stats)
		*stats = text;
	return stats;
}

static bool read_plan(struct remains *remains, const char *part, const char *lines)
{
	if (!safe_part(part))
		return false;
	for (size_t i = 0; i < remains->lane_count; i++) {
		struct remains_lane *lane = &remains->lanes[i];
		unsigned long long offset, bytes;

		if (!lines || sscanf(lines, "%llu %llu", &offset, &bytes) != 2)
			return false;
		lane->offset = offset;
		lane->bytes = bytes;
		lines = strchr(lines, '\n');
		lines += lines != NULL;
	}
	remains->plan = part;
	return true;
}

/* Its bytes stay in the text, as all others do. */
static bool take_capture(struct remains *remains, const char *word, char *bytes, size_t size)
{
	unsigned long moment = strtoul(word, NULL, 10);

	if (moment < CAPTURES)
		remains->captures[moment] = (struct capture_data){ bytes, size };
	return true;
}

static bool take(struct remains *remains, enum remains_key key, const char *word, char *text,
		 size_t size)
{
	struct trace_metadata *metadata = &remains->metadata;

	switch (key) {
	case REMAINS_PAGE_SIZE:
		metadata->page_size = (uint32_t)strtoul(text, NULL, 10);
		return true;
	case REMAINS_HEAD_ROOM:
		remains->head_room = strtoull(text, NULL, 10);
		return true;
	case REMAINS_HEADER_PAGE:
		metadata->header_page = text;
		return true;
	case REMAINS_HEADER_EVENT:
		metadata->header_event = text;
		return true;
	case REMAINS_FORMAT:
		return add_format(remains, word, text);
	case REMAINS_CLOCK_TEXT:
		metadata->clock_text = text;
		return true;
	case REMAINS_CLOCK:
		metadata->clock = text;
		return true;
	case REMAINS_UNAME:
		metadata->uname = text;
		return true;
	case REMAINS_KALLSYMS:
		metadata->kallsyms = text;
		return true;
	case REMAINS_CAPTURE:
		return take_capture(remains, word, text, size);
	case REMAINS_BUFFER:
		return add_buffer(remains, text);
	case REMAINS_LANE:
		return add_lane(remains, word, text);
	case REMAINS_PRIVATE:
		metadata->private_text = text;
		return true;
	case REMAINS_CMDLINES:
		metadata->cmdlines = text;
		return true;
	case REMAINS_STATS:
		return add_stats(remains, text);
	case REMAINS_PLAN:
		return read_plan(remains, word, text);
	case REMAINS_END:
	case REMAINS_KEYS:
		break;
	}
	return true;
}

static enum remains_key key_of(const char *name)
{
	enum remains_key key = 0;

	while (key < REMAINS_KEYS && strcmp(remains_key_names[key], name) != 0)
		key++;
	return key;
}

/* Cuts the text into its blocks, in place.  False unless the last one is "end". */
static bool parse(struct remains *remains, char *text, size_t size)
{
	const size_t magic = strlen(REMAINS_MAGIC);
	char *at = text + magic, *end = text + size;

	if (size < magic || memcmp(text, REMAINS_MAGIC, magic) != 0)
		return false;
	for (;;) {
		char *line_end = memchr(at, '\n', (size_t)(end - at)), *save, *number;
		const char *name, *word;
		unsigned long long bytes;

		if (!line_end)
			return false;
		*line_end = '\0';
		name = strtok_r(at, " ", &save);
		word = strtok_r(NULL, " ", &save);
		number = strtok_r(NULL, " ", &save);
		bytes = number ? strtoull(number, NULL, 10) : 0;
		at = line_end + 1;
		if (!number || bytes >= (size_t)(end - at) || at[bytes] != '\n')
			return false;
		at[bytes] = '\0';
		if (key_of(name) == REMAINS_END)
			return true;
		if (!take(remains, key_of(name), word, at, bytes))
			return false;
		at += bytes + 1;
	}
}

/* What every recorder writes, so that nothing below need ask. */
static int check_meta(const struct remains *remains, struct p2p_error *err)
{
	const struct trace_metadata *metadata = &remains->metadata;
	uint32_t page = metadata->page_size;

	if (!metadata->header_page || !metadata->header_event || !metadata->clock_text ||
	    !metadata->clock || !metadata->uname)
		return damaged(remains, "something of the kernel's description is missing", err);
	if (page < 4096 || page > 64u << 20 || page & (page - 1))
		return damaged(remains, "no possible size of sub-buffers", err);
	if (!remains->lane_count || !metadata->buffer_count || metadata->buffer_count > 8 ||
	    remains->lane_count % metadata->buffer_count)
		return damaged(remains, "CPUs and buffers do not fit", err);
	return 0;
}

static int read_both(struct remains *remains, struct p2p_error *err)
{
	int state = output_reopen(&remains->output, REMAINS_STATE);
	size_t meta_size = 0, state_size = 0;

	remains->meta = read_text(remains->lock, &meta_size);
	remains->state = read_text(state, &state_size);
	if (state >= 0)
		close(state);
	if (!remains->meta || !parse(remains, remains->meta, meta_size))
		return damaged(remains, "meta ends too early: nothing was recorded yet", err);
	/* Without state the recorder had not come to its first event. */
	if (remains->state && !parse(remains, remains->state, state_size))
		return damaged(remains, "state ends too early", err);
	return check_meta(remains, err);
}

static int fail_none(const struct search *search, const char *path, struct p2p_error *err)
{
	if (search->live || remains_look_for_pieces(path) == REMAINS_LIVE)
		return p2p_fail(err, "%s: is being recorded; end the recorder (SIGINT) instead",
				path);
	return p2p_fail(err, "%s: nothing is left of a recording to that name", path);
}

int remains_open(struct remains *remains, const char *path, size_t *others, struct p2p_error *err)
{
	struct search search;

	*remains = (struct remains){ .output = { .dir = -1 }, .lock = -1 };
	if (search_all(&search, path, err))
		return -1;
	if (!search.dead) {
		output_close(&search.output);
		return fail_none(&search, path, err);
	}
	*others = search.dead - 1;
	remains->output = search.output;
	strcpy(remains->output.stem, search.newest);
	remains->lock = output_reopen(&remains->output, REMAINS_META);
	if (remains->lock < 0 || flock(remains->lock, LOCK_EX | LOCK_NB))
		p2p_fail_errno(err, "%s: another is just recovering it", path);
	else if (!read_both(remains, err))
		return 0;
	remains_close(remains);
	return -1;
}

void remains_close(struct remains *remains)
{
	free(remains->meta);
	free(remains->state);
	free(remains->formats);
	free(remains->buffers);
	free(remains->lanes);
	free(remains->stats);
	if (remains->lock >= 0)
		close(remains->lock);
	output_close(&remains->output);
	*remains = (struct remains){ .output = { .dir = -1 }, .lock = -1 };
}

int remains_file(const struct remains *remains, const char *part)
{
	int fd = output_reopen(&remains->output, part);
	struct stat info;

	if (fd >= 0 && (fstat(fd, &info) || !S_ISREG(info.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- removing ---- */

static bool remove_of_stem(void *context, const char *stem, const char *part)
{
	const struct output *output = context;

	if (!strcmp(stem, output->stem) && strcmp(part, REMAINS_META) != 0)
		output_remove(output, part);
	return true;
}

/* Meta first: what is left after that is litter, never half a recording. */
void remains_remove(const struct remains *remains)
{
	output_remove(&remains->output, REMAINS_META);
	scan(&remains->output, remove_of_stem, (void *)&remains->output);
}

static bool remove_litter(void *context, const char *stem, const char *part)
{
	struct output *output = context;
	int meta;

	snprintf(output->stem, sizeof(output->stem), "%s", stem);
	meta = output_reopen(output, REMAINS_META);
	if (meta >= 0)
		close(meta);
	else if (errno == ENOENT)
		output_remove(output, part);
	return true;
}

void remains_remove_litter(const char *path)
{
	struct p2p_error ignored;
	struct output output;

	if (output_locate(&output, path, &ignored))
		return;
	scan(&output, remove_litter, &output);
	output_close(&output);
}
