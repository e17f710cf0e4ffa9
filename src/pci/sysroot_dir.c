// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening files below a directory that stands for "/". */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sysroot_dir.h"

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

int sysroot_dir_open(const struct sysroot *root, const char *path, int flags)
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

int sysroot_dir_file(const struct sysroot *root, const char *path)
{
	int fd;

	if (root->captured) {
		fd = sysroot_dir_open(root, path, O_PATH);
		if (fd < 0 || check_regular(fd) < 0)
			return -1;
		close(fd);
	}
	fd = sysroot_dir_open(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -1 : check_regular(fd);
}
