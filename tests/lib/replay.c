// SPDX-License-Identifier: GPL-2.0-or-later
/* A fuzz target on stored inputs, without libFuzzer: NAME FILE-OR-FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX (64u << 20)

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = malloc(INPUT_MAX), *exact;
	size_t size;

	if (!file || !bytes) {
		perror(path);
		return -1;
	}
	size = fread(bytes, 1, INPUT_MAX, file);
	fclose(file);
	/* In memory of just this size, so that sanitizers see what is read behind it. */
	exact = malloc(size ? size : 1);
	if (!exact)
		return -1;
	memcpy(exact, bytes, size);
	free(bytes);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

static int replay(const char *path)
{
	DIR *folder = opendir(path);
	int result = 0;

	if (!folder)
		return replay_file(path);
	for (struct dirent *entry; !result && (entry = readdir(folder));) {
		char inner[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		result = replay_file(inner);
	}
	closedir(folder);
	return result;
}

int main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc && !result; i++)
		result = replay(argv[i]);
	return result ? 1 : 0;
}
