// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events of dynamic probes tell what stands in the kernel's structures; here it becomes
 * what the canonical fields mean.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "p2ptrace/schema.h"

bool schema_is_device(const char *text, size_t length)
{
	if (length < 12 || text[length - 2] != '.' || text[length - 5] != ':' ||
	    text[length - 8] != ':')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isxdigit((unsigned char)text[i]) && text[i] != ':' && text[i] != '.')
			return false;
	return true;
}

void schema_set_pages(struct schema *schema, const char *text)
{
	uint32_t page_struct = 64, page_bytes = 4096;

	/* Only powers of two make keys whose ranges do not overlap without a base. */
	if (text && (sscanf(text, "%" SCNu32 " %" SCNu32, &page_struct, &page_bytes) != 2 ||
		     !page_struct || !page_bytes)) {
		page_struct = 64;
		page_bytes = 4096;
	}
	for (size_t i = 0; i < schema->layout_count; i++) {
		schema->layouts[i].page_struct = page_struct;
		schema->layouts[i].page_bytes = page_bytes;
	}
}

struct record {
	const unsigned char *bytes;
	uint32_t length;
	bool swapped;
};

static uint64_t number(const struct record *record, const struct event_field *field)
{
	return event_field_number(field, record->bytes, record->length, record->swapped);
}

void schema_derive(const struct event_layout *layout, const unsigned char *bytes, uint32_t length,
		   bool swapped, struct derived *derived)
{
	const struct probe_fields *probe = &layout->probe;
	struct record record = { bytes, length, swapped };

	*derived = (struct derived){ 0 };
	if (probe->page) {
		/* A scatterlist's link has flags in the lowest bits. */
		uint64_t page = number(&record, probe->page) & ~3ull;

		page -= number(&record, probe->base);
		derived->addr = page / layout->page_struct * layout->page_bytes +
				number(&record, probe->offset);
		derived->has_addr = true;
		derived->is_physical = probe->base != NULL;
	}
	if (probe->map && layout->fields[P2P_ADDR]) {
		uint64_t addr = number(&record, layout->fields[P2P_ADDR]);
		uint64_t map = number(&record, probe->map);

		/* NULL, and addresses of another map, stay what they are. */
		derived->addr = addr >= map ? addr - map : addr;
		derived->has_addr = true;
		derived->is_physical = addr >= map;
	}
	if (probe->page && layout->kind == KIND_FREE && !layout->size.present) {
		derived->size = layout->page_bytes;
		derived->has_size = true;
	}
	if (probe->vm_start && probe->vm_end) {
		derived->size = number(&record, probe->vm_end) - number(&record, probe->vm_start);
		derived->has_size = true;
		derived->left_out = probe->vm_addr && number(&record, probe->vm_addr) !=
							      number(&record, probe->vm_start);
	}
	if (probe->nents && probe->seen) {
		uint64_t all = number(&record, probe->nents), seen = number(&record, probe->seen);

		derived->unseen = all > seen ? all - seen : 0;
	}
}
