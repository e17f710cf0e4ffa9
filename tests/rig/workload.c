// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

/* Addresses of all workers together must stay within the bases' distance. */
#define ADDRESS_ROOM (1ull << 44)
#define MAX_WORKERS 1024

/* --- laying out: everything before the first fork --- */

/* Zeroed memory that children share; never given back. */
static void *shared_array(uint64_t count, size_t size, struct p2p_error *err)
{
	size_t bytes = count ? count * size : 1;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory != MAP_FAILED)
		return memory;
	p2p_fail_errno(err, "%zu bytes of shared memory", bytes);
	return NULL;
}

static uint64_t power_of_two(uint64_t least)
{
	uint64_t power = 1;

	while (power < least)
		power *= 2;
	return power;
}

/* How many of `total` fall to part `number` of `parts`. */
static uint64_t share_of(uint64_t total, uint64_t number, uint64_t parts)
{
	return total / parts + (number < total % parts);
}

static int plan_sizes(struct rig_shared *shared, struct p2p_error *err)
{
	const struct rig_options *options = shared->options;
	uint64_t largest = RIG_MAX_PARTS * RIG_PAGE, specials = 0;

	for (size_t i = 0; i < options->sizes.count; i++)
		if (options->sizes.bytes[i] > largest)
			largest = options->sizes.bytes[i];
	for (size_t i = RIG_FIRST_FAULT; i < RIG_SHAPES; i++)
		specials += options->counts[i];
	shared->worker_count = options->processes * options->threads;
	shared->pair_count = options->clients * options->providers;
	shared->slot_count = power_of_two(4 * options->window);
	if (shared->worker_count > MAX_WORKERS)
		return p2p_fail_usage(err, "more than %d threads in all", MAX_WORKERS);
	if ((double)(shared->slot_count + specials) * (double)largest * 2 *
		    (double)shared->worker_count >
	    (double)ADDRESS_ROOM)
		return p2p_fail_usage(err, "addresses run out: fewer threads, faults, open items "
					   "(--window) or smaller --sizes");
	shared->stride = power_of_two(largest);
	shared->span = (shared->slot_count + specials) * shared->stride;
	return 0;
}

static void name_pairs(struct rig_shared *shared)
{
	const struct rig_options *options = shared->options;

	for (uint64_t i = 0; i < shared->pair_count; i++) {
		struct rig_pair *pair = &shared->pairs[i];
		/* As evenly over the pairs as the percentage allows. */
		bool direct = ((i + 1) * options->bus_addr + 50) / 100 !=
			      (i * options->bus_addr + 50) / 100;

		snprintf(pair->client, sizeof(pair->client), "0000:%02x:00.0",
			 (unsigned)(i % options->clients) + 1);
		snprintf(pair->provider, sizeof(pair->provider), "0000:%02x:00.0",
			 (unsigned)(i / options->clients) + 0x80);
		pair->type = direct ? RIG_BUS_ADDR : RIG_THRU_HOST_BRIDGE;
		pair->dist = (direct ? 4 : 8) + (int32_t)(i % 2);
	}
}

static void give_work(struct rig_shared *shared, struct rig_worker *w, uint64_t number)
{
	const struct rig_options *options = shared->options;

	w->shared = shared;
	w->number = number;
	w->process = number / options->threads;
	w->random = options->seed * 0x2545f4914f6cdd1dull + number;
	for (size_t i = RIG_FIRST_FAULT; i < RIG_SHAPES; i++) {
		w->faults[i] = share_of(options->counts[i], number, shared->worker_count);
		w->faults_left += w->faults[i];
		w->leak_room += w->faults[i] * rig_shapes[i].left;
	}
	w->reserved = rig_fault_events(w);
	w->budget = options->duration ? UINT64_MAX / 2
				      : share_of(options->events, number, shared->worker_count);
}

static int set_up_worker(struct rig_shared *shared, uint64_t number, struct p2p_error *err)
{
	struct rig_worker *w = &shared->workers[number];

	give_work(shared, w, number);
	if (w->reserved > w->budget)
		return p2p_fail_usage(err,
				      "--events: a thread's share of %llu has no room for "
				      "faults of %llu events",
				      (unsigned long long)w->budget,
				      (unsigned long long)w->reserved);
	w->open = shared_array(shared->options->window, sizeof(*w->open), err);
	w->slots = shared_array(shared->slot_count, sizeof(*w->slots), err);
	w->announced = shared_array(shared->pair_count, sizeof(*w->announced), err);
	w->mapped = shared_array(shared->pair_count, sizeof(*w->mapped), err);
	w->pairs = shared_array(shared->pair_count, sizeof(*w->pairs), err);
	w->leaks = shared_array(w->leak_room, sizeof(*w->leaks), err);
	return w->open && w->slots && w->announced && w->mapped && w->pairs && w->leaks ? 0 : -1;
}

/* With --cross every worker's ends go to one other worker. */
static int connect_workers(struct rig_shared *shared, struct p2p_error *err)
{
	const struct rig_options *options = shared->options;
	uint64_t apart = options->cross == RIG_CROSS_PROCESS ? options->threads : 1;
	uint64_t room = power_of_two(options->window);

	for (uint64_t i = 0; options->cross != RIG_CROSS_NONE && i < shared->worker_count; i++) {
		uint64_t to = (i + apart) % shared->worker_count;
		struct rig_queue *queue = &shared->queues[to];

		queue->mask = room - 1;
		queue->items = shared_array(room, sizeof(*queue->items), err);
		if (!queue->items)
			return -1;
		shared->workers[i].outbox = queue;
		shared->workers[to].inbox = queue;
	}
	return 0;
}

static struct rig_shared *lay_out(const struct rig_options *options, struct p2p_error *err)
{
	struct rig_shared *shared = shared_array(1, sizeof(*shared), err);

	if (!shared)
		return NULL;
	shared->options = options;
	if (plan_sizes(shared, err))
		return NULL;
	shared->pairs = shared_array(shared->pair_count, sizeof(*shared->pairs), err);
	shared->processes = shared_array(options->processes, sizeof(*shared->processes), err);
	shared->workers = shared_array(shared->worker_count, sizeof(*shared->workers), err);
	shared->queues = shared_array(shared->worker_count, sizeof(*shared->queues), err);
	if (!shared->pairs || !shared->processes || !shared->workers || !shared->queues)
		return NULL;
	name_pairs(shared);
	for (uint64_t i = 0; i < shared->worker_count; i++)
		if (set_up_worker(shared, i, err))
			return NULL;
	return connect_workers(shared, err) ? NULL : shared;
}

/* --- running --- */

static _Atomic bool *stop_flag; /* in the shared mapping: one signal stops all processes */

static void on_signal(int number)
{
	(void)number;
	if (stop_flag)
		atomic_store(stop_flag, true);
}

static void pin(const struct rig_worker *w)
{
	cpu_set_t allowed, one;
	int number;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	number = (int)(w->number % (uint64_t)CPU_COUNT(&allowed));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || number-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		/* Not being pinned changes no number. */
		(void)sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void *worker_thread(void *data)
{
	struct rig_worker *w = data;

	if (!w->shared->options->no_pin)
		pin(w);
	rig_work(w);
	return NULL;
}

static void introduce(struct rig_shared *shared, uint64_t number)
{
	const struct rig_comms *comms = &shared->options->comms;
	struct rig_process *process = &shared->processes[number];

	if (comms->count)
		prctl(PR_SET_NAME, comms->name[number % comms->count]);
	prctl(PR_GET_NAME, process->comm);
	process->pid = getpid();
	process->held = number < shared->options->hold;
}

/* All threads of one process; threads inherit its name. */
static int run_process(struct rig_shared *shared, uint64_t number, struct p2p_error *err)
{
	uint64_t count = shared->options->threads;
	pthread_t threads[RIG_MAX_THREADS];
	uint64_t started;

	introduce(shared, number);
	for (started = 0; started < count; started++) {
		struct rig_worker *w = &shared->workers[number * count + started];

		errno = pthread_create(&threads[started], NULL, worker_thread, w);
		if (errno) {
			atomic_store(&shared->stop, true);
			p2p_fail_errno(err, "cannot start a thread");
			break;
		}
	}
	for (uint64_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return started == count ? 0 : -1;
}

/* A child works, says so through `done`, and when held lives until `release` ends. */
static int child(struct rig_shared *shared, uint64_t number, int done, int release)
{
	struct p2p_error err;
	char byte = 0;

	if (run_process(shared, number, &err)) {
		p2p_warn("%s", err.text);
		return P2P_CANNOT;
	}
	if (write(done, &byte, 1) != 1)
		return P2P_CANNOT;
	close(done);
	while (shared->processes[number].held && read(release, &byte, 1) < 0 && errno == EINTR)
		continue;
	return P2P_OK;
}

/* The parent's view: everybody has worked, those not held are gone. */
static int await_children(struct rig_shared *shared, int done, struct p2p_error *err)
{
	uint64_t count = shared->options->processes, finished = 0;
	char bytes[256];
	ssize_t got;

	while ((got = read(done, bytes, sizeof(bytes))) > 0 || (got < 0 && errno == EINTR))
		finished += got > 0 ? (uint64_t)got : 0;
	for (uint64_t i = 0; i < count; i++)
		while (!shared->processes[i].held &&
		       waitpid(shared->processes[i].pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	if (finished < count)
		return p2p_fail(err, "%llu of %llu processes died at work",
				(unsigned long long)(count - finished), (unsigned long long)count);
	return 0;
}

static int run_children(struct rig_shared *shared, struct p2p_error *err)
{
	int done[2], release[2];

	if (pipe2(done, O_CLOEXEC) || pipe2(release, O_CLOEXEC))
		return p2p_fail_errno(err, "pipe");
	for (uint64_t i = 0; i < shared->options->processes; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			atomic_store(&shared->stop, true);
			return p2p_fail_errno(err, "fork");
		}
		if (!pid) {
			close(release[1]);
			_exit(child(shared, i, done[1], release[0]));
		}
		shared->processes[i].pid = pid;
	}
	close(done[1]);
	close(release[0]);
	shared->release = release[1];
	return await_children(shared, done[0], err);
}

struct rig_shared *rig_run(const struct rig_options *options, struct p2p_error *err)
{
	struct rig_shared *shared = lay_out(options, err);
	struct sigaction action = { .sa_handler = on_signal };
	int status;

	if (!shared)
		return NULL;
	shared->release = -1;
	stop_flag = &shared->stop;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	status = options->processes == 1 ? run_process(shared, 0, err) : run_children(shared, err);
	shared->finished = rig_now();
	return status ? NULL : shared;
}

/* --- holding --- */

static void wait_for_end(const struct rig_shared *shared)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t blocked, open;
	char bytes[256];

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	/* Blocked between the look at `stop` and ppoll(): no signal falls in between. */
	sigprocmask(SIG_BLOCK, &blocked, &open);
	while (!atomic_load(&shared->stop) &&
	       (ppoll(&input, 1, NULL, &open) < 0 || read(input.fd, bytes, sizeof(bytes)) > 0))
		continue;
	sigprocmask(SIG_SETMASK, &open, NULL);
}

void rig_hold(struct rig_shared *shared)
{
	if (shared->options->hold)
		wait_for_end(shared);
	if (shared->release < 0)
		return;
	close(shared->release);
	for (uint64_t i = 0; i < shared->options->processes; i++)
		while (shared->processes[i].held &&
		       waitpid(shared->processes[i].pid, NULL, 0) < 0 && errno == EINTR)
			continue;
}
