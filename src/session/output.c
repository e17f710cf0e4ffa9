// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/output.h"

/* Names are ".NAME.STEM.PART". */
static int part_name(const struct output *output, const char *part, char name[NAME_MAX + 1])
{
	int length = snprintf(name, NAME_MAX + 1, ".%s.%s.%s", output->hidden, output->stem, part);

	if (length > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int check_replaceable(const struct output *output, struct p2p_error *err)
{
	struct stat there;

	if (fstatat(output->dir, output->name, &there, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : p2p_fail_errno(err, "-o %s", output->path);
	if (S_ISREG(there.st_mode))
		return 0;
	return p2p_fail(err, "-o %s: is %s, not a regular file; a recording does not replace it",
			output->path,
			S_ISLNK(there.st_mode)	 ? "a symbolic link"
			: S_ISDIR(there.st_mode) ? "a directory"
						 : "a special file");
}

/* Files there go when they are closed, or with the process. */
static int open_unnamed(struct output *output, struct p2p_error *err)
{
	const char *folder = getenv("TMPDIR");

	if (isatty(STDOUT_FILENO))
		return p2p_fail_usage(err, "-o -: standard output is a terminal");
	if (!folder || !*folder)
		folder = "/var/tmp";
	output->unnamed = true;
	output->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return output->dir < 0 ? p2p_fail_errno(err, "-o -: cannot open the directory %s", folder)
			       : 0;
}

static int open_directory(struct output *output, struct p2p_error *err)
{
	size_t length = (size_t)(output->name - output->path);
	char *directory = length ? strndup(output->path, length) : strdup(".");

	if (!directory)
		return p2p_fail(err, "no memory");
	output->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (output->dir < 0)
		p2p_fail_errno(err, "-o %s: cannot open the directory %s", output->path, directory);
	free(directory);
	return output->dir < 0 ? -1 : 0;
}

/* Numbers of processes come again, and what a killed recorder left stays. */
static int make_stem(struct output *output)
{
	unsigned int number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -1;
	snprintf(output->stem, sizeof(output->stem), "%d-%08x", (int)getpid(), number);
	return 0;
}

int output_locate(struct output *output, const char *path, struct p2p_error *err)
{
	const char *slash = strrchr(path, '/');

	*output = (struct output){ .path = path, .name = slash ? slash + 1 : path, .dir = -1 };
	output->hidden = output->name;
	if (!*output->name || !strcmp(output->name, ".") || !strcmp(output->name, ".."))
		return p2p_fail_usage(err, "-o %s: no file name", path);
	return open_directory(output, err);
}

/* The names of its files before it has its own. */
static int prepare_names(struct output *output, struct p2p_error *err)
{
	char name[NAME_MAX + 1];

	if (output->unnamed)
		return 0;
	if (make_stem(output))
		return p2p_fail_errno(err, "no random number for a file's name");
	return part_name(output, "cpu999999-1", name) ? p2p_fail_errno(err, "-o %s", output->path)
						      : 0;
}

int output_open(struct output *output, const char *path, struct p2p_error *err)
{
	if (!strcmp(path, "-")) {
		*output = (struct output){ .path = path, .name = path, .hidden = path, .dir = -1 };
		return open_unnamed(output, err);
	}
	if (output_locate(output, path, err))
		return -1;
	if (!prepare_names(output, err) && !check_replaceable(output, err))
		return 0;
	output_close(output);
	return -1;
}

void output_close(struct output *output)
{
	if (output->dir >= 0)
		close(output->dir);
	output->dir = -1;
	free(output->own_path);
	output->own_path = NULL;
}

int output_open_again(struct output *output, const struct output *first, struct p2p_error *err)
{
	*output = *first;
	output->own_path = NULL;
	output->dir = fcntl(first->dir, F_DUPFD_CLOEXEC, 0);
	if (output->dir < 0)
		return p2p_fail_errno(err, "-o %s", first->path);
	if (!prepare_names(output, err))
		return 0;
	output_close(output);
	return -1;
}

/* PATH.YYYYMMDDHHMMSSNN of the local time and so many hundredths later. */
static char *dated_path(const char *path, unsigned int later)
{
	struct timespec now;
	struct tm parts;
	char date[32];
	char *dated;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += later % 100 * 10000000L;
	now.tv_sec += later / 100 + now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	if (!localtime_r(&now.tv_sec, &parts) ||
	    !strftime(date, sizeof(date), "%Y%m%d%H%M%S", &parts) ||
	    asprintf(&dated, "%s.%s%02d", path, date, (int)(now.tv_nsec / 10000000)) < 0)
		return NULL;
	return dated;
}

int output_date(struct output *output, struct p2p_error *err)
{
	const char *path = output->path;
	struct stat there;

	for (unsigned int later = 0;; later++) {
		char *dated = dated_path(path, later);
		const char *slash = dated ? strrchr(dated, '/') : NULL;

		if (!dated)
			return p2p_fail(err, "no memory");
		output->name = slash ? slash + 1 : dated;
		output->path = dated;
		free(output->own_path);
		output->own_path = dated;
		if (fstatat(output->dir, output->name, &there, AT_SYMLINK_NOFOLLOW))
			return 0;
	}
}

int output_open_dated(struct output *output, const struct output *first, struct p2p_error *err)
{
	if (output_open_again(output, first, err))
		return -1;
	if (!output_date(output, err)) {
		output->hidden = output->name;
		if (!prepare_names(output, err))
			return 0;
	}
	output_close(output);
	return -1;
}

bool output_parse_part(const struct output *output, const char *file, char stem[64],
		       const char **part)
{
	size_t length = strlen(output->name), digits;
	const char *at = file + 1 + length;

	if (file[0] != '.' || strncmp(file + 1, output->name, length) || *at++ != '.')
		return false;
	digits = strspn(at, "0123456789");
	if (!digits || digits > 20 || at[digits] != '-' ||
	    strspn(at + digits + 1, "0123456789abcdef") != 8 || at[digits + 9] != '.')
		return false;
	snprintf(stem, 64, "%.*s", (int)digits + 9, at);
	*part = at + digits + 10;
	return **part != '\0';
}

/* Under sudo the user who called it owns what is made. */
static int give_to_caller(int fd)
{
	const char *user = getenv("SUDO_UID"), *group = getenv("SUDO_GID");
	char *user_end, *group_end;
	unsigned long uid, gid;

	if (geteuid() || !user || !group || !*user || !*group)
		return 0;
	uid = strtoul(user, &user_end, 10);
	gid = strtoul(group, &group_end, 10);
	if (*user_end || *group_end)
		return 0;
	return fchown(fd, (uid_t)uid, (gid_t)gid);
}

int output_create(const struct output *output, const char *part, struct p2p_error *err)
{
	char name[NAME_MAX + 1];
	int fd = -1;

	if (output->unnamed) {
		fd = openat(output->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		return fd >= 0 ? fd
			       : p2p_fail_errno(err, "-o -: cannot make a file without a name "
						     "(set TMPDIR to another directory)");
	}
	if (!part_name(output, part, name))
		fd = openat(output->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (fd < 0)
		return p2p_fail_errno(err, "-o %s: cannot create %s beside it", output->path, name);
	return fd;
}

int output_reopen(const struct output *output, const char *part)
{
	char name[NAME_MAX + 1];

	if (part_name(output, part, name))
		return -1;
	return openat(output->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

int output_replace(const struct output *output, const char *part, const char *replaced)
{
	char name[NAME_MAX + 1], old[NAME_MAX + 1];

	if (part_name(output, part, name) || part_name(output, replaced, old))
		return -1;
	return renameat(output->dir, name, output->dir, old);
}

int output_move(const struct output *output, const char *part, const struct output *to)
{
	char name[NAME_MAX + 1], new_name[NAME_MAX + 1];

	if (part_name(output, part, name) || part_name(to, part, new_name))
		return -1;
	return renameat(output->dir, name, to->dir, new_name);
}

static int write_to_stdout(int fd, struct p2p_error *err)
{
	static char buffer[1 << 16];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		for (ssize_t done = 0, written; done < got; done += written) {
			written = write(STDOUT_FILENO, buffer + done, (size_t)(got - done));
			if (written < 0 && errno == EINTR)
				written = 0;
			else if (written <= 0)
				return p2p_fail_errno(err, "cannot write to standard output");
		}
		at += got;
	}
	return got < 0 ? p2p_fail_errno(err, "cannot read the recording back") : 0;
}

int output_publish(const struct output *output, const char *part, int fd, struct p2p_error *err)
{
	char name[NAME_MAX + 1], old[NAME_MAX + 5];
	struct stat there;

	if (output->unnamed)
		return write_to_stdout(fd, err);
	if (part_name(output, part, name))
		return p2p_fail_errno(err, "-o %s", output->path);
	if (give_to_caller(fd))
		p2p_warn("%s stays root's: %s", output->path, strerror(errno));
	snprintf(old, sizeof(old), "%s.old", output->name);
	if (!fstatat(output->dir, output->name, &there, AT_SYMLINK_NOFOLLOW) &&
	    S_ISREG(there.st_mode) && renameat(output->dir, output->name, output->dir, old))
		return p2p_fail_errno(err,
				      "cannot keep the former %s as %s (the recording is in %s)",
				      output->path, old, name);
	if (renameat(output->dir, name, output->dir, output->name))
		return p2p_fail_errno(err, "cannot rename the recording, %s, to %s", name,
				      output->path);
	return 0;
}

void output_remove(const struct output *output, const char *part)
{
	char name[NAME_MAX + 1];

	if (output->dir >= 0 && !output->unnamed && !part_name(output, part, name))
		unlinkat(output->dir, name, 0);
}
