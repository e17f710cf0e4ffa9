// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/sysroot.h"
#include "p2ptrace/text.h"

/* ---- opening ---- */

static int close_with(int fd, int number)
{
	close(fd);
	errno = number;
	return -1;
}

/*
 * openat2(2) with RESOLVE_IN_ROOT, for kernels before 5.6: every component is looked at
 * by itself, and a link's target takes its place.  `done` is what is known to hold no
 * link, `rest` what is still to be walked.  Good for a tree that nobody changes
 * meanwhile.
 */
struct walk {
	char done[PATH_MAX], rest[PATH_MAX];
	unsigned int links;
};

static int walk_into_link(struct walk *walk, const char *target, const char *behind)
{
	char rest[PATH_MAX];

	if (++walk->links > 40) {
		errno = ELOOP;
		return -1;
	}
	if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, behind) >= sizeof(rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(walk->rest, rest, sizeof(rest));
	if (target[0] == '/')
		walk->done[0] = '\0';
	return 0;
}

static void walk_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	*(slash ? slash : walk->done) = '\0';
}

/* One component; with `follow` a link is gone into. */
static int walk_step(const struct sysroot *root, struct walk *walk, const char *name,
		     const char *behind, bool follow)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t length = -1;

	if (!strcmp(name, "..")) {
		walk_up(walk);
	} else {
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", walk->done,
				     walk->done[0] ? "/" : "", name) >= sizeof(path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (follow)
			length = readlinkat(root->fd, path, target, sizeof(target) - 1);
		if (length >= 0) {
			target[length] = '\0';
			return walk_into_link(walk, target, behind);
		}
		memcpy(walk->done, path, sizeof(path));
	}
	memmove(walk->rest, behind, strlen(behind) + 1);
	return 0;
}

static int open_walking(const struct sysroot *root, const char *path, int flags)
{
	struct walk walk = { .links = 0 };

	if (strlen(path) >= sizeof(walk.rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(walk.rest, path);
	while (walk.rest[0]) {
		size_t slashes = strspn(walk.rest, "/");
		size_t length = strcspn(walk.rest + slashes, "/");
		char *behind = walk.rest + slashes + length;
		bool last = !behind[strspn(behind, "/")];
		char name[PATH_MAX];

		memcpy(name, walk.rest + slashes, length);
		name[length] = '\0';
		if (!length || !strcmp(name, "."))
			memmove(walk.rest, behind, strlen(behind) + 1);
		else if (walk_step(root, &walk, name, behind, !last || !(flags & O_NOFOLLOW)))
			return -1;
	}
	return openat(root->fd, walk.done[0] ? walk.done : ".", flags | O_NOFOLLOW | O_CLOEXEC);
}

/* openat(2) for the running system; for a captured tree as if its root were "/". */
static int open_at(const struct sysroot *root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = -1;

	if (!root->captured)
		return openat(root->fd, path, flags | O_CLOEXEC);
	if (root->walk)
		return open_walking(root, path, flags);
	/* EAGAIN: somebody on this machine renamed something while a ".." was followed. */
	for (int tries = 0; tries < 1000; tries++) {
		fd = (int)syscall(SYS_openat2, root->fd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

static int check_regular(int fd)
{
	struct stat what;

	if (fstat(fd, &what))
		return close_with(fd, errno);
	if (!S_ISREG(what.st_mode))
		return close_with(fd, S_ISDIR(what.st_mode) ? EISDIR : EINVAL);
	return fd;
}

/* For reading; regular files only, and opening must have no effect on others. */
static int open_file(const struct sysroot *root, const char *path)
{
	int fd;

	if (root->captured) {
		fd = open_at(root, path, O_PATH);
		if (fd < 0 || check_regular(fd) < 0)
			return -1;
		close(fd);
	}
	fd = open_at(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -1 : check_regular(fd);
}

/* A format's path into `path`: 0, or -1 with errno. */
static int make_path(char path[PATH_MAX], const char *format, va_list args)
{
	int length = vsnprintf(path, PATH_MAX, format, args);

	if (length >= 0 && length < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* From a format's arguments to `path`, and 0 or -1. */
#define MAKE_PATH(path, format)                           \
	({                                                \
		va_list args_;                            \
		int made_;                                \
                                                          \
		va_start(args_, format);                  \
		made_ = make_path((path), format, args_); \
		va_end(args_);                            \
		made_;                                    \
	})

int sysroot_open(struct sysroot *root, const char *dir, struct p2p_error *err)
{
	bool captured = dir && strcmp(dir, "/") != 0;
	int fd;

	*root = (struct sysroot){ .fd = -1, .path = captured ? dir : "/", .captured = captured };
	root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0)
		return p2p_fail_errno(err, "cannot open the directory %s", root->path);
	fd = open_at(root, ".", O_PATH);
	if (fd >= 0)
		close(fd);
	else
		root->walk = captured; /* an older kernel, or a filter on system calls */
	return 0;
}

void sysroot_close(struct sysroot *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

/* ---- reading ---- */

int sysroot_file(const struct sysroot *root, const char *format, ...)
{
	char path[PATH_MAX];

	return MAKE_PATH(path, format) ? -1 : open_file(root, path);
}

/* Up to `room` bytes from the file's beginning. */
static ssize_t read_up_to(int fd, char *to, size_t room)
{
	size_t used = 0;

	while (used < room) {
		ssize_t got = read(fd, to + used, room - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

/* All of it: files of sysfs and proc do not tell their size before. */
static char *read_all(int fd, size_t limit, size_t *size)
{
	size_t used = 0, room = 1024;
	char *text = malloc(room + 1), *more;

	while (text) {
		ssize_t got = read_up_to(fd, text + used, room - used);

		if (got < 0)
			break;
		used += (size_t)got;
		if (used > limit) {
			errno = EFBIG;
			break;
		}
		if (used < room) {
			text[used] = '\0';
			*size = used;
			return text;
		}
		room *= 4;
		more = realloc(text, room + 1);
		if (!more)
			break;
		text = more;
	}
	free(text);
	return NULL;
}

char *sysroot_read(const struct sysroot *root, size_t limit, size_t *size, const char *format, ...)
{
	char path[PATH_MAX], *text;
	size_t length = 0;
	int fd, number;

	if (MAKE_PATH(path, format))
		return NULL;
	fd = open_file(root, path);
	if (fd < 0)
		return NULL;
	text = read_all(fd, limit, &length);
	number = errno;
	close(fd);
	errno = number;
	if (size)
		*size = length;
	return text;
}

static ssize_t read_bytes(const struct sysroot *root, void *to, size_t room, const char *path)
{
	int fd = open_file(root, path), number;
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read_up_to(fd, to, room);
	number = errno;
	close(fd);
	errno = number;
	return got;
}

ssize_t sysroot_bytes(const struct sysroot *root, void *to, size_t room, const char *format, ...)
{
	char path[PATH_MAX];

	return MAKE_PATH(path, format) ? -1 : read_bytes(root, to, room, path);
}

/* ---- one value ---- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Leaves the first line without white space around it; returns its length. */
static size_t trim(char *text)
{
	size_t end = strcspn(text, "\n"), begin = 0;

	while (begin < end && is_space(text[begin]))
		begin++;
	while (end > begin && is_space(text[end - 1]))
		end--;
	memmove(text, text + begin, end - begin);
	text[end - begin] = '\0';
	return end - begin;
}

static ssize_t read_line(const struct sysroot *root, char *to, size_t room, const char *path)
{
	ssize_t got = read_bytes(root, to, room - 1, path);

	to[got < 0 ? 0 : got] = '\0';
	return got < 0 ? -1 : (ssize_t)trim(to);
}

ssize_t sysroot_line(const struct sysroot *root, char *to, size_t room, const char *format, ...)
{
	char path[PATH_MAX];

	to[0] = '\0';
	return MAKE_PATH(path, format) ? -1 : read_line(root, to, room, path);
}

static int parse_number(const char *text, uint64_t *value)
{
	struct p2p_error unused;

	if (!text_parse_u64(text, value, &unused))
		return 0;
	errno = ENODATA;
	return -1;
}

int sysroot_u64(const struct sysroot *root, uint64_t *value, const char *format, ...)
{
	char path[PATH_MAX], text[64];

	if (MAKE_PATH(path, format) || read_line(root, text, sizeof(text), path) < 0)
		return -1;
	return parse_number(text, value);
}

int sysroot_i64(const struct sysroot *root, int64_t *value, const char *format, ...)
{
	char path[PATH_MAX], text[64];
	uint64_t number;
	bool negative;

	if (MAKE_PATH(path, format) || read_line(root, text, sizeof(text), path) < 0)
		return -1;
	negative = text[0] == '-';
	if (parse_number(text + negative, &number))
		return -1;
	if (number > INT64_MAX) {
		errno = ENODATA;
		return -1;
	}
	*value = negative ? -(int64_t)number : (int64_t)number;
	return 0;
}

/* ---- links ---- */

static ssize_t read_link(const struct sysroot *root, char *to, size_t room, const char *path)
{
	int fd = open_at(root, path, O_PATH | O_NOFOLLOW), number;
	ssize_t length;

	if (fd < 0)
		return -1;
	length = readlinkat(fd, "", to, room);
	/* ENOENT is what readlinkat says of an empty path that is no link. */
	number = length < 0 && errno == ENOENT ? EINVAL : errno;
	if (length >= (ssize_t)room) {
		number = ENAMETOOLONG;
		length = -1;
	}
	close(fd);
	errno = number;
	if (length >= 0)
		to[length] = '\0';
	return length;
}

ssize_t sysroot_link(const struct sysroot *root, char *to, size_t room, const char *format, ...)
{
	char path[PATH_MAX];

	return MAKE_PATH(path, format) ? -1 : read_link(root, to, room, path);
}

int sysroot_link_name(const struct sysroot *root, char *to, size_t room, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX], *slash;

	if (MAKE_PATH(path, format) || read_link(root, target, sizeof(target), path) < 0)
		return -1;
	slash = strrchr(target, '/');
	if ((size_t)snprintf(to, room, "%s", slash ? slash + 1 : target) < room)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

mode_t sysroot_mode(const struct sysroot *root, const char *format, ...)
{
	char path[PATH_MAX];
	struct stat what;
	int fd;

	if (MAKE_PATH(path, format))
		return 0;
	fd = open_at(root, path, O_PATH);
	if (fd < 0)
		return 0;
	if (fstat(fd, &what))
		what.st_mode = 0;
	close(fd);
	return what.st_mode;
}

int sysroot_writable(const struct sysroot *root, const char *format, ...)
{
	char path[PATH_MAX];

	if (MAKE_PATH(path, format))
		return -1;
	if (!root->captured)
		return faccessat(root->fd, path, W_OK, AT_EACCESS);
	errno = EOPNOTSUPP;
	return -1;
}

/* ---- directories ---- */

#define NAMES_MAX (1u << 20)

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(DIR *dir, struct name_list *list)
{
	struct dirent *entry;
	char **row;

	while (errno = 0, (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (list->count >= NAMES_MAX) {
			errno = EFBIG;
			return -1;
		}
		row = ROWS_ADD(list->names, list->count);
		if (!row)
			return -1;
		*row = strdup(entry->d_name);
		if (!*row)
			return -1;
	}
	return errno ? -1 : 0;
}

int sysroot_list(const struct sysroot *root, struct name_list *list, const char *format, ...)
{
	char path[PATH_MAX];
	int fd, result, number;
	DIR *dir;

	*list = (struct name_list){ NULL, 0 };
	if (MAKE_PATH(path, format))
		return -1;
	fd = open_at(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return -1;
	dir = fdopendir(fd);
	if (!dir)
		return close_with(fd, errno);
	result = read_names(dir, list);
	number = errno;
	closedir(dir);
	if (result)
		name_list_free(list);
	rows_sort(list->names, list->count, sizeof(*list->names), compare_names);
	errno = number;
	return result;
}

void name_list_free(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct name_list){ NULL, 0 };
}
