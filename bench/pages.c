// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/page_walk.h"
#include "pages.h"

/* Stamp and commit word. */
#define HEAD_BYTES 16
#define TYPE_PADDING 29
#define TYPE_EXTEND 30
#define TYPE_ABSOLUTE 31
#define SMALL_BYTES 112 /* data up to this has its length in the type */
#define DELTA_LIMIT (1u << 27)
#define ABSOLUTE_MASK ((1ull << 59) - 1)
#define GAP_MEAN 20

static uint32_t room(const struct pages *pages)
{
	return (uint32_t)pages->options->sub_buffer - HEAD_BYTES;
}

static void put_u32(struct cpu_pages *cpu, uint32_t value)
{
	memcpy(cpu->page + HEAD_BYTES + cpu->used, &value, 4);
	cpu->used += 4;
}

/* ---- pages ---- */

/* The rest of a page may be a discarded record: then the page counts as full, and the
 * number of a mark finds no room. */
static void pad(struct pages *pages, struct cpu_pages *cpu)
{
	uint32_t left = room(pages) - cpu->used;

	if (left < 8 || random_next(&pages->random) % 8)
		return;
	put_u32(cpu, TYPE_PADDING | 1 << 5);
	put_u32(cpu, left - 4);
	cpu->used += left - 8;
}

static void mark(struct pages *pages, struct cpu_pages *cpu, uint64_t *commit)
{
	*commit |= 0xffffffff00000000ull | PAGE_MISSED; /* an int, sign-extended */
	if (room(pages) - cpu->used >= 8) {
		memcpy(cpu->page + HEAD_BYTES + cpu->used, &cpu->missed, 8);
		*commit |= PAGE_MISSED_STORED;
		cpu->marked += cpu->missed;
	} else {
		cpu->uncounted++;
	}
	cpu->overrun += cpu->missed;
	cpu->missed = 0;
}

static void write_page(struct pages *pages, const struct cpu_pages *cpu)
{
	uint64_t size = pages->options->sub_buffer;

	if (pages->fd < 0 || pages->failed)
		return;
	if (pwrite(pages->fd, cpu->page, size, (off_t)(cpu->offset + cpu->count * size)) ==
	    (ssize_t)size)
		return;
	pages->failed = true;
	p2p_fail_errno(pages->err, "cannot write %s", pages->options->output);
}

static void finish_page(struct pages *pages, struct cpu_pages *cpu)
{
	uint64_t commit;

	if (!cpu->used)
		return;
	pad(pages, cpu);
	commit = cpu->used;
	if (cpu->missed)
		mark(pages, cpu, &commit);
	memcpy(cpu->page + 8, &commit, 8);
	write_page(pages, cpu);
	memset(cpu->page, 0, pages->options->sub_buffer);
	cpu->used = 0;
	cpu->count++;
}

/* ---- records ---- */

/* How far a record is from the one before; what a delta cannot hold stands in a record
 * of its own.  Both forms mean the same, and a part may be left to the delta. */
static uint32_t put_time(struct pages *pages, struct cpu_pages *cpu, uint64_t stamp)
{
	uint64_t delta = stamp - cpu->last, draw = random_next(&pages->random) % 64;

	/* The first on a page has the page's stamp. */
	if (!cpu->used || (delta < DELTA_LIMIT && draw))
		return (uint32_t)delta;
	if (draw < 16) {
		uint64_t absolute = stamp & ABSOLUTE_MASK;

		/* The five bits at the top come from the stamp before. */
		if ((stamp ^ cpu->last) >> 59 == 0) {
			put_u32(cpu, (uint32_t)(TYPE_ABSOLUTE | (absolute & 0x07ffffff) << 5));
			put_u32(cpu, (uint32_t)(absolute >> 27));
			return 0;
		}
	}
	/* An extension of 59 bits. */
	draw = draw < 32 && delta > 7 ? 7 : 0;
	delta -= draw;
	put_u32(cpu, (uint32_t)(TYPE_EXTEND | (delta & 0x07ffffff) << 5));
	put_u32(cpu, (uint32_t)(delta >> 27));
	return (uint32_t)draw;
}

/* A record that was taken back by its writer: readers pass over it. */
static void put_discarded(struct pages *pages, struct cpu_pages *cpu)
{
	uint32_t bytes = 4 + 4 * (uint32_t)random_below(&pages->random, 8);

	put_u32(cpu, TYPE_PADDING | 1 << 5);
	put_u32(cpu, bytes);
	memset(cpu->page + HEAD_BYTES + cpu->used, 0xa5, bytes - 4);
	cpu->used += bytes - 4;
	cpu->last++;
}

static void put_record(struct pages *pages, struct cpu_pages *cpu, uint64_t stamp,
		       const void *record, uint32_t length)
{
	uint32_t delta;

	if (!cpu->used) {
		memcpy(cpu->page, &stamp, 8);
		cpu->last = stamp;
	}
	if (stamp > cpu->last && random_one_in(&pages->random, 1024))
		put_discarded(pages, cpu);
	delta = put_time(pages, cpu, stamp);
	if (length <= SMALL_BYTES) {
		put_u32(cpu, length / 4 | delta << 5);
	} else {
		put_u32(cpu, delta << 5);
		put_u32(cpu, length + 4);
	}
	memcpy(cpu->page + HEAD_BYTES + cpu->used, record, length);
	cpu->used += length;
	cpu->last = stamp;
	cpu->entries++;
}

enum put pages_next(const struct pages *pages, uint32_t cpu)
{
	const struct cpu_pages *at = &pages->cpus[cpu];

	if (at->in_gap && at->gap)
		return PUT_LOST;
	return at->in_gap && at->gap_lost ? PUT_STORED_AFTER_GAP : PUT_STORED;
}

void pages_end_gap(struct pages *pages, uint32_t cpu)
{
	pages->cpus[cpu].gap = 0;
}

/* A gap, or a page that the reader took before it was full. */
static void maybe_break(struct pages *pages, struct cpu_pages *cpu)
{
	if (pages->gap_chance > 0 && random_chance(&pages->random, pages->gap_chance)) {
		finish_page(pages, cpu);
		cpu->in_gap = true;
		cpu->gap = 1 + random_below(&pages->random, 2 * GAP_MEAN - 1);
	} else if (random_one_in(&pages->random, 4096)) {
		finish_page(pages, cpu);
	}
}

enum put pages_put(struct pages *pages, uint32_t number, uint64_t stamp, const void *record,
		   uint32_t length)
{
	struct cpu_pages *cpu = &pages->cpus[number];
	enum put result = pages_next(pages, number);

	if (result == PUT_LOST) {
		cpu->gap--;
		cpu->gap_lost++;
		return result;
	}
	if (result == PUT_STORED_AFTER_GAP) {
		cpu->missed = cpu->gap_lost;
		cpu->gap_lost = 0;
	}
	cpu->in_gap = false;
	/* A record, its two words, its time in two more, a discarded one in front. */
	if (cpu->used + length + 16 + 40 > room(pages))
		finish_page(pages, cpu);
	put_record(pages, cpu, stamp, record, length);
	maybe_break(pages, cpu);
	return result;
}

/* ---- life ---- */

int pages_finish(struct pages *pages)
{
	for (uint64_t i = 0; i < pages->options->cpus; i++) {
		struct cpu_pages *cpu = &pages->cpus[i];

		finish_page(pages, cpu);
		cpu->dropped = cpu->gap_lost;
	}
	return pages->failed ? -1 : 0;
}

void pages_restart(struct pages *pages, int fd)
{
	double loss = pages->options->loss / 100;

	pages->fd = fd;
	pages->random.state = pages->options->seed * 0x9e3779b97f4a7c15ull + 77;
	pages->gap_chance = loss / (1 - loss) / GAP_MEAN;
	for (uint64_t i = 0; i < pages->options->cpus; i++) {
		struct cpu_pages kept = pages->cpus[i];

		pages->cpus[i] = (struct cpu_pages){ .page = kept.page, .offset = kept.offset };
	}
}

int pages_init(struct pages *pages, const struct gen_options *options, struct p2p_error *err)
{
	*pages = (struct pages){ .options = options, .err = err };
	pages->cpus = calloc(options->cpus, sizeof(*pages->cpus));
	for (uint64_t i = 0; pages->cpus && i < options->cpus; i++) {
		pages->cpus[i].page = calloc(1, options->sub_buffer);
		if (!pages->cpus[i].page)
			return p2p_fail(err, "no memory for the pages");
	}
	if (!pages->cpus)
		return p2p_fail(err, "no memory for the pages");
	pages_restart(pages, -1);
	return 0;
}

void pages_destroy(struct pages *pages)
{
	for (uint64_t i = 0; pages->cpus && i < pages->options->cpus; i++)
		free(pages->cpus[i].page);
	free(pages->cpus);
	pages->cpus = NULL;
}
