/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symbols: kernel addresses to function names, by the kallsyms saved in a file.
 * Source: src/event/symbols.c
 */
#ifndef P2PTRACE_SYMBOLS_H
#define P2PTRACE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbol {
	uint64_t address;
	const char *name; /* in `text` */
};

struct symbols {
	struct symbol *rows; /* functions, by address */
	size_t count;
	char *text;
};

/* `kallsyms` as in /proc/kallsyms, NULL: none.  -1 without memory. */
int symbols_parse(struct symbols *symbols, const char *kallsyms);
void symbols_free(struct symbols *symbols);

/* "dma_map_sg+0x1c", or "0xffffffff81234567" when no function is known there. */
char *symbols_name(const struct symbols *symbols, uint64_t address, char *to, size_t room);

#endif
