// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <tracefs/tracefs.h>

#include "p2ptrace/instance.h"

/* ---- tracefs itself ---- */

static bool is_tracefs(const char *path)
{
	struct statfs kind;

	return !statfs(path, &kind) && kind.f_type == TRACEFS_MAGIC;
}

/*
 * Where tracefs is mounted.  The usual places first: libtracefs would mount it
 * when it finds none, which is the administrator's to do.
 */
static const char *find_tracefs(void)
{
	static char path[4096];
	char line[4096], type[64];
	const char *found = NULL;
	FILE *mounts;

	if (is_tracefs("/sys/kernel/tracing"))
		return "/sys/kernel/tracing";
	if (is_tracefs("/sys/kernel/debug/tracing"))
		return "/sys/kernel/debug/tracing";
	mounts = fopen("/proc/self/mounts", "re");
	while (mounts && !found && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %4095s %63s", path, type) == 2 && !strcmp(type, "tracefs"))
			found = path;
	if (mounts)
		fclose(mounts);
	return found;
}

static int fail_permission(const char *path, struct p2p_error *err)
{
	if (errno != EACCES && errno != EPERM)
		return p2p_fail_errno(err, "cannot open %s", path);
	return p2p_fail(err,
			"%s: %s\n"
			"Recording needs access to tracefs: run it as root (sudo), or give it\n"
			"CAP_DAC_OVERRIDE and CAP_SYS_NICE (see p2ptrace-record(1), PRIVILEGES).",
			path, strerror(errno));
}

int tracefs_open(struct tracefs *tracefs, struct p2p_error *err)
{
	const char *path = find_tracefs();

	*tracefs = (struct tracefs){ -1, -1 };
	if (!path)
		return p2p_fail(err,
				"tracefs is not mounted; mount it with\n"
				"  mount -t tracefs nodev /sys/kernel/tracing\n"
				"(the kernel needs CONFIG_TRACING; in a container, mount it from "
				"the host)");
	tracefs->top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tracefs->top < 0)
		return fail_permission(path, err);
	tracefs->instances = openat(tracefs->top, "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tracefs->instances >= 0 && !faccessat(tracefs->top, "instances", W_OK, AT_EACCESS) &&
	    !tracefs_set_tracing_dir((char *)path))
		return 0;
	fail_permission(path, err);
	tracefs_close(tracefs);
	return -1;
}

void tracefs_close(struct tracefs *tracefs)
{
	if (tracefs->instances >= 0)
		close(tracefs->instances);
	if (tracefs->top >= 0)
		close(tracefs->top);
	*tracefs = (struct tracefs){ -1, -1 };
}

/* ---- names ---- */

static const char name_prefix[] = "p2ptrace-";

static int make_name(char *name, size_t room)
{
	unsigned int number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -1;
	snprintf(name, room, "%s%d-%08x", name_prefix, (int)getpid(), number);
	return 0;
}

/* Whether make_name() made it: no instance of anybody else's is ever touched. */
static bool is_our_name(const char *name)
{
	const char *at = name + strlen(name_prefix);
	size_t digits;

	if (strncmp(name, name_prefix, strlen(name_prefix)) != 0)
		return false;
	digits = strspn(at, "0123456789");
	if (!digits || at[digits] != '-')
		return false;
	at += digits + 1;
	return strspn(at, "0123456789abcdef") == 8 && !at[8];
}

unsigned int instance_remove_stale(const struct tracefs *tracefs)
{
	int copy = openat(tracefs->instances, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	unsigned int removed = 0;
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return 0;
	}
	while ((entry = readdir(dir)))
		if (is_our_name(entry->d_name))
			removed += !unlinkat(tracefs->instances, entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	return removed;
}

/* ---- one instance ---- */

static int create_once(struct instance *instance, struct p2p_error *err)
{
	struct tracefs_instance *made;

	if (make_name(instance->name, sizeof(instance->name)))
		return p2p_fail_errno(err, "no random number for an instance's name");
	made = tracefs_instance_create(instance->name);
	if (!made) {
		p2p_fail_errno(err, "cannot create a tracing instance");
		instance->name[0] = '\0';
		return -1;
	}
	tracefs_instance_free(made);
	instance->dir = openat(instance->tracefs->instances, instance->name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (instance->dir >= 0)
		instance->hold = openat(instance->dir, "tracing_on", O_RDWR | O_CLOEXEC);
	if (instance->hold >= 0)
		return 0;
	p2p_fail_errno(err, "cannot open the tracing instance %s", instance->name);
	instance_destroy(instance);
	return -1;
}

/* Between its mkdir and the open of a file an instance looks like a dead one's to
 * another recorder that is just starting: then it is made again. */
int instance_create(struct instance *instance, const struct tracefs *tracefs, struct p2p_error *err)
{
	int result = -1;

	for (int tries = 0; tries < 5 && result; tries++) {
		*instance = (struct instance){ .tracefs = tracefs, .dir = -1, .hold = -1 };
		result = create_once(instance, err);
	}
	return result;
}

void instance_destroy(struct instance *instance)
{
	static const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };

	if (!instance->name[0])
		return;
	if (instance->hold >= 0)
		close(instance->hold);
	if (instance->dir >= 0)
		close(instance->dir);
	/* Somebody may just be looking into it. */
	for (int tries = 0;
	     unlinkat(instance->tracefs->instances, instance->name, AT_REMOVEDIR) && errno == EBUSY;
	     tries++) {
		if (tries == 50) {
			p2p_warn("the tracing instance %s is in use by another program and stays",
				 instance->name);
			break;
		}
		nanosleep(&moment, NULL);
	}
	*instance = (struct instance){ .dir = -1, .hold = -1 };
}

int instance_open(const struct instance *instance, const char *file, int flags,
		  struct p2p_error *err)
{
	int fd = openat(instance->dir, file, flags | O_CLOEXEC);

	return fd >= 0 ? fd
		       : p2p_fail_errno(err, "cannot open instances/%s/%s", instance->name, file);
}

/* By the effective ids and capabilities: the real ones of who runs this may be nobody's. */
bool instance_has(const struct instance *instance, const char *file)
{
	return !faccessat(instance->dir, file, F_OK, AT_EACCESS);
}

int instance_try(const struct instance *instance, const char *file, const char *text)
{
	int fd = openat(instance->dir, file, O_WRONLY | O_CLOEXEC);
	ssize_t length = (ssize_t)strlen(text);
	int failed = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, (size_t)length) != length)
		failed = errno ? errno : EIO;
	close(fd);
	return failed;
}

int instance_write(const struct instance *instance, const char *file, const char *text,
		   struct p2p_error *err)
{
	int failed = instance_try(instance, file, text);

	if (!failed)
		return 0;
	errno = failed;
	return p2p_fail_errno(err, "cannot write '%s' to instances/%s/%s", text, instance->name,
			      file);
}

char *read_file_at(int dir, const char *file)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	size_t used = 0, room = 0;
	char *text = NULL;
	ssize_t got = -1;

	while (fd >= 0) {
		if (used + 1 >= room) {
			char *more = realloc(text, room = room ? 2 * room : 8192);

			if (!more)
				break;
			text = more;
		}
		got = read(fd, text + used, room - used - 1);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[used] = '\0';
	return text;
}

char *instance_read(const struct instance *instance, const char *file, struct p2p_error *err)
{
	char *text = read_file_at(instance->dir, file);

	if (!text && err)
		p2p_fail_errno(err, "cannot read instances/%s/%s", instance->name, file);
	return text;
}
