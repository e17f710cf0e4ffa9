// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2ptraffic: real peer-to-peer DMA between NVMe drives, for the VM lab.
 *
 *   p2ptraffic io --provider BDF --device /dev/nvmeXn1 [options]
 *       maps p2pmem/allocate and lets the drive read into and write from it
 *   p2ptraffic exhaust --provider BDF [--size BYTES]
 *       allocates until the pool is empty
 *   p2ptraffic acs BDF on|off
 *       switches ACS redirect of a port
 *
 * It prints what it did itself as one JSON object, so that a recording can be
 * checked against it.  Linked statically: it runs in a bare initramfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define PROCESSES_MAX 64
#define SEGMENTS_MAX 64

struct job {
	const char *provider;
	const char *device;
	const char *hold_until; /* keep the memory until this file exists */
	size_t size; /* bytes of a segment */
	unsigned long segments; /* of one I/O */
	unsigned long count; /* I/Os of each process */
	unsigned long processes;
	bool write; /* every second I/O goes from the memory to the drive */
	bool keep; /* exit without unmapping */
};

/* What one process did; shared with the parent. */
struct deed {
	int pid;
	int map_error; /* errno of mmap, 0 if it worked */
	int io_error; /* errno of the last I/O that failed */
	unsigned long allocs, alloc_bytes;
	unsigned long ios, io_bytes, segments, failed_ios, wrong_data;
};

static int fail(const char *what)
{
	fprintf(stderr, "p2ptraffic: %s: %s\n", what, strerror(errno));
	return 1;
}

static void *allocate(const char *provider, size_t bytes)
{
	char path[256];
	void *memory;
	int fd, error;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", provider);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return MAP_FAILED;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	error = errno;
	close(fd);
	errno = error;
	return memory;
}

/* Every process has its own place on the drive and its own pattern. */
static uint64_t pattern(unsigned long process, size_t offset)
{
	return (process + 1) << 48 ^ offset * 0x9e3779b97f4a7c15ULL;
}

static void fill(uint64_t *words, size_t bytes, unsigned long process)
{
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern(process, i * sizeof(*words));
}

/* Segment i of the I/O stands at 2 * i * size, so that neighbours are never merged. */
static void place_segments(struct iovec *vector, char *memory, const struct job *job)
{
	for (unsigned long i = 0; i < job->segments; i++) {
		vector[i].iov_base = memory + 2 * i * job->size;
		vector[i].iov_len = job->size;
	}
}

static bool same_data(const struct iovec *vector, const struct job *job, unsigned long process)
{
	for (unsigned long i = 0; i < job->segments; i++) {
		const volatile uint64_t *words = vector[i].iov_base;

		for (size_t at = 0; at < job->size; at += 512)
			if (words[at / sizeof(*words)] != pattern(process, i * job->size + at))
				return false;
	}
	return true;
}

static void one_io(const struct job *job, int fd, const struct iovec *vector, off_t place,
		   bool writes, struct deed *deed)
{
	int count = (int)job->segments;
	ssize_t done;

	done = writes ? pwritev(fd, vector, count, place) : preadv(fd, vector, count, place);
	if (done < 0) {
		deed->failed_ios++;
		deed->io_error = errno;
		return;
	}
	deed->ios++;
	deed->io_bytes += (unsigned long)done;
	deed->segments += job->segments;
}

static int prepare_drive(int fd, const struct job *job, unsigned long process, off_t place)
{
	size_t bytes = job->segments * job->size;
	void *ram;
	int status = 0;

	if (posix_memalign(&ram, PAGE, bytes))
		return fail("posix_memalign");
	fill(ram, bytes, process);
	if (pwrite(fd, ram, bytes, place) != (ssize_t)bytes)
		status = fail("cannot write the pattern");
	free(ram);
	return status;
}

static void wait_for(const char *path)
{
	while (path && access(path, F_OK))
		usleep(20000);
}

static int run_process(const struct job *job, unsigned long process, struct deed *deed)
{
	size_t bytes = 2 * job->segments * job->size;
	off_t place = (off_t)(process * job->segments * job->size);
	struct iovec vector[SEGMENTS_MAX];
	char *memory;
	int fd;

	deed->pid = getpid();
	fd = open(job->device, O_RDWR | O_DIRECT);
	if (fd < 0)
		return fail(job->device);
	if (prepare_drive(fd, job, process, place))
		return 1;
	memory = allocate(job->provider, bytes);
	if (memory == MAP_FAILED) {
		deed->map_error = errno;
		return 0;
	}
	deed->allocs = 1;
	deed->alloc_bytes = bytes;
	place_segments(vector, memory, job);
	for (unsigned long i = 0; i < job->count; i++)
		one_io(job, fd, vector, place, job->write && i % 2, deed);
	if (deed->ios && !same_data(vector, job, process))
		deed->wrong_data = 1;
	wait_for(job->hold_until);
	if (!job->keep)
		munmap(memory, bytes);
	close(fd);
	return 0;
}

static void print_deeds(const struct job *job, const struct deed *deeds)
{
	struct deed sum = { 0 };

	printf("{\"provider\":\"%s\",\"device\":\"%s\",\"processes\":[", job->provider,
	       job->device);
	for (unsigned long i = 0; i < job->processes; i++) {
		const struct deed *deed = &deeds[i];

		printf("%s{\"pid\":%d,\"map_error\":%d,\"io_error\":%d,\"allocs\":%lu,"
		       "\"alloc_bytes\":%lu,\"ios\":%lu,\"segments\":%lu,\"bytes\":%lu,"
		       "\"failed_ios\":%lu}",
		       i ? "," : "", deed->pid, deed->map_error, deed->io_error, deed->allocs,
		       deed->alloc_bytes, deed->ios, deed->segments, deed->io_bytes,
		       deed->failed_ios);
		sum.allocs += deed->allocs;
		sum.alloc_bytes += deed->alloc_bytes;
		sum.ios += deed->ios;
		sum.segments += deed->segments;
		sum.io_bytes += deed->io_bytes;
		sum.failed_ios += deed->failed_ios;
		sum.wrong_data += deed->wrong_data;
	}
	printf("],\"allocs\":%lu,\"alloc_bytes\":%lu,\"ios\":%lu,\"segments\":%lu,"
	       "\"bytes\":%lu,\"failed_ios\":%lu,\"wrong_data\":%lu}\n",
	       sum.allocs, sum.alloc_bytes, sum.ios, sum.segments, sum.io_bytes, sum.failed_ios,
	       sum.wrong_data);
	fflush(stdout);
}

/* Always forks: the pid in the output is the one that moved the data. */
static int run_io(const struct job *job)
{
	struct deed *deeds = mmap(NULL, PROCESSES_MAX * sizeof(*deeds), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, bad = 0;

	if (deeds == MAP_FAILED)
		return fail("mmap");
	for (unsigned long i = 0; i < job->processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return fail("fork");
		if (!pid)
			_exit(run_process(job, i, &deeds[i]));
	}
	while (wait(&status) > 0)
		bad |= !WIFEXITED(status) || WEXITSTATUS(status);
	print_deeds(job, deeds);
	return bad;
}

static int run_exhaust(const struct job *job)
{
	unsigned long allocs = 0;
	int error = 0;

	while (!error) {
		if (allocate(job->provider, job->size) == MAP_FAILED)
			error = errno;
		else
			allocs++;
	}
	printf("{\"pid\":%d,\"provider\":\"%s\",\"allocs\":%lu,\"alloc_bytes\":%lu,"
	       "\"failed_allocs\":1,\"error\":%d}\n",
	       getpid(), job->provider, allocs, allocs * job->size, error);
	return 0;
}

/* Extended capability 0x000d; its control word is at +6: RR 0x04, CR 0x08. */
static int run_acs(const char *device, bool on)
{
	char path[256];
	uint32_t header;
	uint16_t control;
	off_t at = 0x100;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return fail(path);
	while (at && pread(fd, &header, sizeof(header), at) == sizeof(header) &&
	       (header & 0xffff) != 0x000d)
		at = header >> 20;
	if (!at || pread(fd, &control, sizeof(control), at + 6) != sizeof(control)) {
		fprintf(stderr, "p2ptraffic: %s has no ACS capability\n", device);
		return 1;
	}
	control = (uint16_t)(on ? control | 0x0c : control & ~0x0c);
	if (pwrite(fd, &control, sizeof(control), at + 6) != sizeof(control))
		return fail(path);
	pread(fd, &control, sizeof(control), at + 6);
	printf("{\"device\":\"%s\",\"acs_control\":%u}\n", device, control);
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: p2ptraffic io --provider BDF --device DEV [--size N] [--segments N]\n"
		"           [--count N] [--processes N] [--write] [--keep] [--hold-until FILE]\n"
		"       p2ptraffic exhaust --provider BDF [--size N]\n"
		"       p2ptraffic acs BDF on|off\n");
	return 2;
}

static int parse(int argc, char **argv, struct job *job)
{
	static const struct option table[] = {
		{ "provider", required_argument, NULL, 'p' },
		{ "device", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "segments", required_argument, NULL, 'n' },
		{ "count", required_argument, NULL, 'c' },
		{ "processes", required_argument, NULL, 'j' },
		{ "hold-until", required_argument, NULL, 'h' },
		{ "write", no_argument, NULL, 'w' },
		{ "keep", no_argument, NULL, 'k' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (option) {
		case 'p':
			job->provider = optarg;
			break;
		case 'd':
			job->device = optarg;
			break;
		case 's':
			job->size = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			job->segments = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			job->count = strtoul(optarg, NULL, 0);
			break;
		case 'j':
			job->processes = strtoul(optarg, NULL, 0);
			break;
		case 'h':
			job->hold_until = optarg;
			break;
		case 'w':
			job->write = true;
			break;
		case 'k':
			job->keep = true;
			break;
		default:
			return -1;
		}
	}
	if (!job->provider || !job->size || job->size % PAGE || !job->segments ||
	    job->segments > SEGMENTS_MAX || !job->processes || job->processes > PROCESSES_MAX)
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct job job = { .size = PAGE, .segments = 1, .count = 1, .processes = 1 };

	if (argc < 2)
		return usage();
	if (!strcmp(argv[1], "acs"))
		return argc == 4 ? run_acs(argv[2], !strcmp(argv[3], "on")) : usage();
	if (parse(argc - 1, argv + 1, &job))
		return usage();
	if (!strcmp(argv[1], "io") && job.device)
		return run_io(&job);
	if (!strcmp(argv[1], "exhaust"))
		return run_exhaust(&job);
	return usage();
}
