// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/table.h"
#include "p2ptrace/text.h"
#include "p2ptrace/topo_print.h"

enum { CELL = 8, LABEL = 40, CELL_ROOM = LABEL + 24 };

static const struct {
	const char *code, *words;
} codes[P2P_TYPES] = {
	[P2P_TYPE_BUS_ADDR] = { "BUS",
				"BUS_ADDR: below a common bridge, the host bridge has no part" },
	[P2P_TYPE_THRU_HOST_BRIDGE] = { "HOST", "THRU_HOST_BRIDGE: through the root complex" },
	[P2P_TYPE_NOT_SUPPORTED] = { "NO", "NOT_SUPPORTED: the kernel refuses" },
	[P2P_TYPE_UNKNOWN] = { "?", "not known; 'p2ptrace explain' says what it hangs on" },
};

static size_t label_width(const struct pci_device *device, size_t least)
{
	char label[LABEL];
	size_t width = strlen(device_label(device, label, sizeof(label)));

	return width > least ? width : least;
}

/* The columns that fit, and their widths: at least one. */
static size_t fit_columns(const struct topo_view *view, size_t left, size_t *widths)
{
	size_t used = left, count = 0;

	while (count < view->client_count) {
		widths[count] = label_width(view->clients[count], CELL - 1);
		used += widths[count] + 1;
		if (view->width && used > view->width && count)
			break;
		count++;
	}
	/* Nothing stands behind the last one. */
	widths[count - 1] = 0;
	return count;
}

/* "BUS 4" and blanks up to `width`: its length.  By hand, for there may be millions. */
static size_t cell_text(char cell[CELL_ROOM], const struct verdict *verdict, size_t width)
{
	size_t length = strlen(codes[verdict->type].code), digits = 0;
	char number[12];

	memcpy(cell, codes[verdict->type].code, length);
	for (int rest = verdict->distance; rest > 0 || (rest == 0 && !digits); rest /= 10)
		number[digits++] = (char)('0' + rest % 10);
	if (digits)
		cell[length++] = ' ';
	while (digits)
		cell[length++] = number[--digits];
	while (length < width && length < CELL_ROOM)
		cell[length++] = ' ';
	return length;
}

static void print_cell(const struct topo_view *view, const struct pci_device *provider,
		       const struct pci_device *client, size_t width, bool used[P2P_TYPES],
		       FILE *out)
{
	struct verdict verdict;
	char cell[CELL_ROOM];
	size_t length;

	rule_decide(&view->system->rule, provider, client, &verdict);
	used[verdict.type] = true;
	fputc(' ', out);
	length = cell_text(cell, &verdict, width);
	fputs(type_colour(verdict.type, view->colour), out);
	fwrite(cell, 1, length, out);
	fputs(colour_off(view->colour), out);
}

static void print_heading(const struct topo_view *view, size_t left, const size_t *widths,
			  size_t columns, FILE *out)
{
	char label[LABEL];

	fprintf(out, "%*s", (int)left, "");
	for (size_t c = 0; c < columns; c++)
		fprintf(out, " %-*s", (int)widths[c],
			device_label(view->clients[c], label, sizeof(label)));
	fputc('\n', out);
}

static void print_legend(const struct topo_view *view, const bool used[P2P_TYPES], FILE *out)
{
	static const enum p2p_type order[] = { P2P_TYPE_BUS_ADDR, P2P_TYPE_THRU_HOST_BRIDGE,
					       P2P_TYPE_NOT_SUPPORTED, P2P_TYPE_UNKNOWN };

	fputc('\n', out);
	for (size_t i = 0; i < P2P_TYPES; i++)
		if (used[order[i]])
			fprintf(out, "  %-4s  %s\n", codes[order[i]].code, codes[order[i]].words);
	fputs("  Rows are providers, columns clients; numbers are the kernel's distance.\n", out);
	if (used[P2P_TYPE_UNKNOWN] && !view->system->topology.root.captured && geteuid())
		fputs("  Run as root: ACS, on which most answers hang, cannot be read without.\n",
		      out);
	if (view->nobody_provides)
		fputs("  No device here has memory to offer to peers: the rows are all devices.\n",
		      out);
}

static void print_grid(const struct topo_view *view, size_t *widths, FILE *out)
{
	bool used[P2P_TYPES] = { false };
	size_t left = 4, columns;
	char label[LABEL];

	for (size_t r = 0; r < view->provider_count; r++)
		left = label_width(view->providers[r], left);
	columns = fit_columns(view, left, widths);
	print_heading(view, left, widths, columns, out);
	for (size_t r = 0; r < view->provider_count; r++) {
		fprintf(out, "%-*s", (int)left,
			device_label(view->providers[r], label, sizeof(label)));
		for (size_t c = 0; c < columns; c++)
			print_cell(view, view->providers[r], view->clients[c], widths[c], used,
				   out);
		fputc('\n', out);
	}
	if (columns < view->client_count)
		fprintf(out,
			"... %zu of %zu clients cut off: --client PATTERN picks some, --width 0 "
			"shows all\n",
			view->client_count - columns, view->client_count);
	print_legend(view, used, out);
}

/* ---- the devices ---- */

struct device_row {
	const char *label, *address, *role, *driver, *link, *name;
	int64_t numa;
	uint64_t pool, available;
	char texts[3][128];
};

static const struct column device_columns[] = {
	{ CELL_TEXT, "label", "device", offsetof(struct device_row, label), IN_ALL },
	{ CELL_TEXT, "address", "address", offsetof(struct device_row, address), IN_ALL },
	{ CELL_TEXT, "role", "role", offsetof(struct device_row, role), IN_ALL },
	{ CELL_NUMBER, "numa", "numa", offsetof(struct device_row, numa), IN_ALL },
	{ CELL_TEXT, "driver", "driver", offsetof(struct device_row, driver), IN_ALL },
	{ CELL_BYTES, "pool", "p2p pool", offsetof(struct device_row, pool), IN_ALL },
	{ CELL_BYTES, "available", "available", offsetof(struct device_row, available), IN_ALL },
	{ CELL_TEXT, "link", "link (< can do)", offsetof(struct device_row, link), IN_ALL },
	{ CELL_TEXT, "name", "name", offsetof(struct device_row, name), IN_ALL },
	{ .kind = CELL_END },
};

static void fill_row(const struct topo_view *view, const struct pci_device *device,
		     struct device_row *row)
{
	row->label = device_label(device, row->texts[0], sizeof(row->texts[0]));
	row->address = device->name;
	row->role = pci_role(device);
	row->numa = device->numa >= 0 ? device->numa : NUMBER_NOT_KNOWN;
	row->driver = *device->driver ? device->driver : NULL;
	row->pool = device->pool_size;
	row->available = device->pool_available;
	link_words(&device->link, row->texts[1], sizeof(row->texts[1]));
	row->link = *row->texts[1] ? row->texts[1] : NULL;
	row->name =
		pci_names_device(view->system->names, device, row->texts[2], sizeof(row->texts[2]));
}

static int compare_pointers(const void *a, const void *b)
{
	const struct pci_device *one = *(struct pci_device *const *)a;
	const struct pci_device *other = *(struct pci_device *const *)b;

	return one < other ? -1 : one > other;
}

/* Rows and columns together, each device once. */
static void print_devices(const struct topo_view *view, FILE *out)
{
	size_t room = view->provider_count + view->client_count, count = 0;
	struct pci_device **all = calloc(room ? room : 1, sizeof(struct pci_device *));
	struct device_row *rows = calloc(room ? room : 1, sizeof(*rows));
	struct table table = { device_columns, rows, 0, sizeof(*rows), NULL };

	for (size_t i = 0; all && rows && i < room; i++)
		all[i] = i < view->provider_count ? view->providers[i]
						  : view->clients[i - view->provider_count];
	if (all && rows) {
		rows_sort(all, room, sizeof(struct pci_device *), compare_pointers);
		for (size_t i = 0; i < room; i++)
			if (!i || all[i] != all[i - 1])
				fill_row(view, all[i], &rows[count++]);
		table.row_count = count;
		table_print_text(&table, out, 0);
	}
	free(all);
	free(rows);
}

static void print_system(const struct topo_view *view, FILE *out)
{
	static const char *const iommu[] = {
		[ANSWER_NO] = "no IOMMU in use",
		[ANSWER_YES] = "IOMMU in use",
		[ANSWER_UNKNOWN] = "IOMMU not known",
	};
	const struct topology *topology = &view->system->topology;
	char kernel[32];

	fprintf(out, "kernel %s, CPU ", system_kernel(view->system, kernel, sizeof(kernel)));
	text_print_safe(out, *topology->cpu ? topology->cpu : "not known");
	fprintf(out, ", %s\n\n", iommu[topology->iommu]);
}

int topo_print_matrix(const struct topo_view *view, FILE *out, struct p2p_error *err)
{
	size_t *widths = calloc(view->client_count + 1, sizeof(*widths));

	if (!widths)
		return p2p_fail(err, "out of memory");
	print_system(view, out);
	print_grid(view, widths, out);
	free(widths);
	fputc('\n', out);
	print_devices(view, out);
	for (size_t i = 0; i < view->note_count; i++) {
		fputs(i ? "note: " : "\nnote: ", out);
		text_print_safe(out, view->notes[i].text);
		fputc('\n', out);
	}
	return 0;
}
