// SPDX-License-Identifier: GPL-2.0-or-later
/* What a recording keeps of the system it was made on. */
#include <stdlib.h>

#include "p2ptrace/capture.h"
#include "p2ptrace/recorder.h"

static int capture(enum capture_moment moment, struct capture_data *data, struct p2p_error *err)
{
	struct sysroot root;
	struct tree *tree;
	char *packed = NULL;
	size_t size;
	int result = -1;

	if (sysroot_open(&root, NULL, err))
		return -1;
	tree = moment == CAPTURE_START ? capture_system(&root, err) : capture_counters(&root, err);
	sysroot_close(&root);
	if (tree && !tree_pack(tree, &packed, &size, err))
		result = capture_wrap(packed, size, data, err);
	free(packed);
	tree_free(tree);
	return result;
}

void system_capture(struct piece *piece, enum capture_moment moment)
{
	struct p2p_error err;

	if (piece->recorder->options->no_capture)
		return;
	if (capture(moment, &piece->captures[moment], &err) && piece->number <= 1)
		p2p_warn("the recording will not tell what the system was like: %s", err.text);
}
