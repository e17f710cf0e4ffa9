// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"

void *rows_add(void *table, size_t *count, size_t row_bytes)
{
	void *rows, *more;

	memcpy(&rows, table, sizeof(rows));
	if (!(*count & (*count - 1))) {
		more = reallocarray(rows, *count ? *count * 2 : 1, row_bytes);
		if (!more)
			return NULL;
		rows = more;
		memcpy(table, &rows, sizeof(rows));
	}
	return memset((char *)rows + row_bytes * (*count)++, 0, row_bytes);
}

void rows_sort(void *rows, size_t count, size_t row_bytes,
	       int (*compare)(const void *a, const void *b))
{
	if (count > 1)
		qsort(rows, count, row_bytes, compare);
}
