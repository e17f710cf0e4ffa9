// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2ptrace/file_map.h"

/* Linux 5.14; older headers do not know it. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

struct file_map {
	unsigned char *at;
	size_t bytes; /* of the file */
	atomic_bool broken, useless;
};

/* As many files as are open at a time; what is beyond is read. */
#define MAPS 16

static _Atomic(struct file_map *) maps[MAPS];
static size_t page_bytes;

/* ---- the signal ---- */

static struct file_map *map_around(const unsigned char *address)
{
	for (int i = 0; i < MAPS; i++) {
		struct file_map *map = atomic_load(&maps[i]);

		if (map && address >= map->at && address - map->at < (ptrdiff_t)map->bytes)
			return map;
	}
	return NULL;
}

/* mmap(2) is not on the list of what may be called here, but is a system call alone. */
static void replace_page(int number, siginfo_t *info, void *context)
{
	unsigned char *address = info->si_addr;
	struct file_map *map = map_around(address);

	(void)context;
	if (map) {
		atomic_store(&map->broken, true);
		address = map->at + (size_t)(address - map->at) / page_bytes * page_bytes;
		if (mmap(address, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) != MAP_FAILED)
			return;
	}
	/* The same touch comes again, and now ends us. */
	signal(number, SIG_DFL);
}

static void catch_signal(void)
{
	struct sigaction action = { .sa_sigaction = replace_page, .sa_flags = SA_SIGINFO };

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

/* ---- maps ---- */

static bool enlist(struct file_map *map)
{
	for (int i = 0; i < MAPS; i++) {
		struct file_map *none = NULL;

		if (atomic_compare_exchange_strong(&maps[i], &none, map))
			return true;
	}
	return false;
}

static void strike(struct file_map *map)
{
	for (int i = 0; i < MAPS; i++) {
		struct file_map *own = map;

		atomic_compare_exchange_strong(&maps[i], &own, NULL);
	}
}

struct file_map *file_map_open(int fd, uint64_t bytes)
{
	struct file_map *map = bytes && bytes <= PTRDIFF_MAX ? calloc(1, sizeof(*map)) : NULL;

	if (!map)
		return NULL;
	catch_signal();
	map->bytes = (size_t)bytes;
	map->at = mmap(NULL, map->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map->at == MAP_FAILED) {
		free(map);
		return NULL;
	}
	if (!enlist(map)) {
		munmap(map->at, map->bytes);
		free(map);
		return NULL;
	}
	return map;
}

void file_map_close(struct file_map *map)
{
	if (!map)
		return;
	strike(map);
	munmap(map->at, map->bytes);
	free(map);
}

const unsigned char *file_map_bring(struct file_map *map, uint64_t offset, size_t bytes)
{
	size_t within = offset % page_bytes;

	if (offset > map->bytes || bytes > map->bytes - offset || atomic_load(&map->useless) ||
	    atomic_load(&map->broken))
		return NULL;
	if (madvise(map->at + offset - within, bytes + within, MADV_POPULATE_READ)) {
		atomic_store(&map->useless, true);
		return NULL;
	}
	return map->at + offset;
}

void file_map_let_go(struct file_map *map, uint64_t offset, size_t bytes)
{
	size_t within = offset % page_bytes;

	madvise(map->at + offset - within, bytes + within, MADV_DONTNEED);
}

bool file_map_broken(const struct file_map *map)
{
	return atomic_load(&map->broken);
}
