// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/sysroot.h"
#include "p2ptrace/text.h"
#include "sysroot_dir.h"

/* ---- opening ---- */

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
	fd = sysroot_dir_open(root, ".", O_PATH);
	if (fd >= 0)
		close(fd);
	else
		root->walk = captured; /* an older kernel, or a filter on system calls */
	return 0;
}

void sysroot_of_tree(struct sysroot *root, const struct tree *tree, const char *name)
{
	*root = (struct sysroot){ .fd = -1, .path = name, .captured = true, .tree = tree };
}

void sysroot_close(struct sysroot *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

/* ---- reading ---- */

/* A file's node in the tree; 0 with errno when it is no regular file. */
static uint32_t find_in_tree(const struct sysroot *root, const char *path)
{
	uint32_t node;

	if (tree_find(root->tree, path, true, &node))
		return 0;
	if (tree_mode(root->tree, node) & 0444 && S_ISREG(tree_mode(root->tree, node)))
		return node;
	errno = S_ISDIR(tree_mode(root->tree, node)) ? EISDIR : EACCES;
	return 0;
}

int sysroot_file_open(const struct sysroot *root, struct sysroot_file *file, const char *format,
		      ...)
{
	char path[PATH_MAX];
	struct stat what;

	*file = (struct sysroot_file){ .fd = -1 };
	if (MAKE_PATH(path, format))
		return -1;
	if (root->tree) {
		file->tree = root->tree;
		file->node = find_in_tree(root, path);
		file->stated = file->node ? tree_stated(root->tree, file->node) : 0;
		return file->node ? 0 : -1;
	}
	file->fd = sysroot_dir_file(root, path);
	if (file->fd >= 0 && !root->captured && !fstat(file->fd, &what))
		file->stated = (size_t)what.st_size;
	return file->fd < 0 ? -1 : 0;
}

bool sysroot_file_read(const struct sysroot_file *file, size_t at, void *to, size_t count)
{
	if (file->node)
		return tree_read(file->tree, file->node, at, to, count);
	return file->fd >= 0 && pread(file->fd, to, count, (off_t)at) == (ssize_t)count;
}

void sysroot_file_close(struct sysroot_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct sysroot_file){ .fd = -1 };
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

/* The bytes of a file in the tree, which stay there. */
static const char *bytes_in_tree(const struct sysroot *root, const char *path, size_t *size)
{
	uint32_t node = find_in_tree(root, path);

	return node ? tree_file(root->tree, node, size) : NULL;
}

static char *copy_from_tree(const struct sysroot *root, const char *path, size_t limit,
			    size_t *size)
{
	const char *bytes = bytes_in_tree(root, path, size);
	char *copy;

	if (!bytes)
		return NULL;
	if (*size > limit) {
		errno = EFBIG;
		return NULL;
	}
	copy = malloc(*size + 1);
	if (copy)
		memcpy(copy, bytes, *size + 1); /* the tree has a NUL behind it */
	return copy;
}

static char *copy_from_dir(const struct sysroot *root, const char *path, size_t limit, size_t *size)
{
	int fd = sysroot_dir_file(root, path), number;
	char *text;

	if (fd < 0)
		return NULL;
	text = read_all(fd, limit, size);
	number = errno;
	close(fd);
	errno = number;
	return text;
}

char *sysroot_read(const struct sysroot *root, size_t limit, size_t *size, const char *format, ...)
{
	char path[PATH_MAX], *text;
	size_t length = 0;

	if (MAKE_PATH(path, format))
		return NULL;
	text = root->tree ? copy_from_tree(root, path, limit, &length)
			  : copy_from_dir(root, path, limit, &length);
	if (size)
		*size = length;
	return text;
}

static ssize_t read_bytes(const struct sysroot *root, void *to, size_t room, const char *path)
{
	const char *bytes;
	int fd, number;
	size_t size;
	ssize_t got;

	if (root->tree) {
		bytes = bytes_in_tree(root, path, &size);
		if (!bytes)
			return -1;
		memcpy(to, bytes, size < room ? size : room);
		return (ssize_t)(size < room ? size : room);
	}
	fd = sysroot_dir_file(root, path);
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

static ssize_t read_link_in_tree(const struct sysroot *root, char *to, size_t room,
				 const char *path)
{
	const char *target;
	uint32_t node;
	size_t size;

	if (tree_find(root->tree, path, false, &node))
		return -1;
	target = tree_target(root->tree, node, &size);
	if (!target)
		return -1;
	if (size >= room) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to, target, size + 1);
	return (ssize_t)size;
}

static ssize_t read_link(const struct sysroot *root, char *to, size_t room, const char *path)
{
	ssize_t length;
	int fd, number;

	if (root->tree)
		return read_link_in_tree(root, to, room, path);
	fd = sysroot_dir_open(root, path, O_PATH | O_NOFOLLOW);
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
	uint32_t node;
	int fd;

	if (MAKE_PATH(path, format))
		return 0;
	if (root->tree)
		return tree_find(root->tree, path, true, &node) ? 0 : tree_mode(root->tree, node);
	fd = sysroot_dir_open(root, path, O_PATH);
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

static int list_dir(const struct sysroot *root, const char *path, struct name_list *list)
{
	int fd = sysroot_dir_open(root, path, O_RDONLY | O_DIRECTORY), result, number;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		number = errno;
		if (fd >= 0)
			close(fd);
		errno = number;
		return -1;
	}
	result = read_names(dir, list);
	number = errno;
	closedir(dir);
	errno = number;
	return result;
}

static int list_in_tree(const struct sysroot *root, const char *path, struct name_list *list)
{
	uint32_t node;

	if (tree_find(root->tree, path, true, &node))
		return -1;
	return tree_list(root->tree, node, list);
}

int sysroot_list(const struct sysroot *root, struct name_list *list, const char *format, ...)
{
	char path[PATH_MAX];
	int result, number;

	*list = (struct name_list){ NULL, 0 };
	if (MAKE_PATH(path, format))
		return -1;
	result = root->tree ? list_in_tree(root, path, list) : list_dir(root, path, list);
	number = errno;
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
