// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/predictions.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/text.h"

#define FIELD(name) .offset = offsetof(struct system_options, name)

const struct option_spec prediction_option_table[] = {
	{ OPTION_STRING, 0, "root", "DIR", "predict from a captured tree: DIR/sys, DIR/proc",
	  FIELD(root) },
	{ OPTION_STRING, 0, "allow-list", "FILE",
	  "host bridges a patched kernel lets pass: VENDOR:DEVICE [same]", FIELD(allow_list) },
	{ .kind = OPTION_END },
};

#define PREDICTION(field) offsetof(struct prediction, field)

const struct column prediction_columns[] = {
	{ CELL_TEXT, "client", "CLIENT", PREDICTION(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", PREDICTION(provider), IN_ALL },
	{ CELL_TEXT, "type", "PREDICTED", PREDICTION(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", PREDICTION(dist), IN_ALL },
	{ CELL_CHARS, "observed", "OBSERVED", PREDICTION(observed), IN_ALL },
	{ CELL_TEXT, "result", "RESULT", PREDICTION(result_name), IN_ALL },
	{ .kind = CELL_END },
};

const char *const prediction_result_names[PREDICTION_RESULTS] = {
	[PREDICTION_STALE] = "stale cache",
	[PREDICTION_DIFFERS] = "differs",
	[PREDICTION_CHANGED] = "changed meanwhile",
	[PREDICTION_DISTANCE] = "distance differs",
	[PREDICTION_AGREES] = "agrees",
	[PREDICTION_UNKNOWN] = "not known",
	[PREDICTION_ABSENT] = "not in the PCI tree",
};

struct pci_device *predictions_device(const struct predictions *predictions, const char *name)
{
	struct p2p_error ignored;

	return *name ? topology_find(&predictions->system.topology, name, &ignored) : NULL;
}

/* ---- what was observed ---- */

static bool tells_type(const struct pair_row *row)
{
	return strcmp(row->type, "UNKNOWN") && strcmp(row->type, "NONE");
}

/* The types of a pair's rows in words; how many. */
static size_t describe_observed(const struct report *report, struct prediction *pair)
{
	const size_t room = sizeof(pair->observed);
	size_t used = 0, types = 0;
	char type[40];

	for (size_t i = pair->first; i < pair->end; i++)
		types += tells_type(&report->pairs[i]);
	for (size_t i = pair->first; i < pair->end; i++) {
		const struct pair_row *row = &report->pairs[i];

		pair->maps += row->maps;
		if (!tells_type(row) || used >= room)
			continue;
		used += (size_t)snprintf(pair->observed + used, room - used, "%s",
					 used ? ", " : "");
		if (types > 1 && used < room)
			used += (size_t)snprintf(pair->observed + used, room - used, "%" PRIu64 " ",
						 row->maps);
		if (used < room)
			used += (size_t)snprintf(pair->observed + used, room - used, "%s",
						 text_safe(type, sizeof(type), row->type));
	}
	return types;
}

static enum answer row_agrees(const struct prediction *pair, const struct pair_row *row)
{
	if (!pair->type || !tells_type(row))
		return ANSWER_UNKNOWN;
	return strcmp(pair->type, row->type) ? ANSWER_NO : ANSWER_YES;
}

/* Only ACS makes the difference between direct and not, and only below a common bridge. */
static bool acs_explains(const struct prediction *pair, const struct pair_row *row)
{
	return pair->verdict.common &&
	       (pair->verdict.type == P2P_TYPE_BUS_ADDR) != !strcmp(row->type, "BUS_ADDR");
}

static enum prediction_result compare(const struct report *report, const struct prediction *pair,
				      size_t types)
{
	enum prediction_result result = PREDICTION_UNKNOWN;

	if (!pair->client_device || !pair->provider_device)
		return PREDICTION_ABSENT;
	if (types > 1)
		return PREDICTION_CHANGED;
	for (size_t i = pair->first; i < pair->end; i++) {
		const struct pair_row *row = &report->pairs[i];
		enum answer agrees = row_agrees(pair, row);

		if (agrees == ANSWER_NO)
			return acs_explains(pair, row) ? PREDICTION_STALE : PREDICTION_DIFFERS;
		if (agrees == ANSWER_YES)
			result = row->dist != NUMBER_NOT_KNOWN && pair->dist != NUMBER_NOT_KNOWN &&
						 row->dist != pair->dist
					 ? PREDICTION_DISTANCE
					 : PREDICTION_AGREES;
	}
	return result;
}

/* ---- pairs ---- */

static void predict(const struct predictions *predictions, struct prediction *pair)
{
	pair->dist = NUMBER_NOT_KNOWN;
	if (!pair->client_device || !pair->provider_device)
		return;
	rule_decide(&predictions->system.rule, pair->provider_device, pair->client_device,
		    &pair->verdict);
	if (pair->verdict.type != P2P_TYPE_UNKNOWN)
		pair->type = p2p_type_names[pair->verdict.type];
	if (pair->verdict.distance >= 0)
		pair->dist = pair->verdict.distance;
}

/* Rows of one client stand together: it is looked up once. */
static int add_pairs(struct predictions *predictions, const struct report *report)
{
	const char *client = NULL;
	struct pci_device *client_device = NULL;

	for (size_t first = 0, end; first < report->pair_count; first = end) {
		const struct pair_row *row = &report->pairs[first];
		struct prediction *pair = ROWS_ADD(predictions->pairs, predictions->count);

		if (!pair)
			return -1;
		for (end = first; end < report->pair_count &&
				  !strcmp(report->pairs[end].client, row->client) &&
				  !strcmp(report->pairs[end].provider, row->provider);)
			end++;
		if (!client || strcmp(client, row->client) != 0)
			client_device = predictions_device(predictions, row->client);
		client = row->client;
		*pair = (struct prediction){ .client = row->client,
					     .provider = row->provider,
					     .client_device = client_device,
					     .first = first,
					     .end = end };
		pair->provider_device = predictions_device(predictions, row->provider);
		predict(predictions, pair);
		pair->result = compare(report, pair, describe_observed(report, pair));
		pair->result_name = prediction_result_names[pair->result];
		predictions->absent += pair->result == PREDICTION_ABSENT;
	}
	return 0;
}

/* What asks for attention first. */
static int compare_pairs(const void *a, const void *b)
{
	const struct prediction *left = a, *right = b;

	if (left->result != right->result)
		return left->result < right->result ? -1 : 1;
	return left->first < right->first ? -1 : left->first > right->first;
}

static void print_row(struct json *json, const char *key, const struct cell_object *object)
{
	const struct predicted_row *row = (const struct predicted_row *)object;
	const struct prediction *pair = row->prediction;

	json_object(json, key);
	json_text(json, "type", pair->type);
	if (pair->dist == NUMBER_NOT_KNOWN)
		json_null(json, "dist");
	else
		json_i64(json, "dist", pair->dist);
	if (row->agrees == ANSWER_UNKNOWN)
		json_null(json, "agrees");
	else
		json_bool(json, "agrees", row->agrees == ANSWER_YES);
	json_text(json, "result", pair->result_name);
	json_end_object(json);
}

static int add_rows(struct predictions *predictions, struct report *report)
{
	predictions->rows = calloc(report->pair_count + 1, sizeof(*predictions->rows));
	if (!predictions->rows)
		return -1;
	for (size_t i = 0; i < predictions->count; i++) {
		const struct prediction *pair = &predictions->pairs[i];

		for (size_t k = pair->first; k < pair->end; k++) {
			predictions->rows[k] = (struct predicted_row){
				{ print_row }, pair, row_agrees(pair, &report->pairs[k])
			};
			report->pairs[k].predicted = &predictions->rows[k].object;
		}
	}
	return 0;
}

static void add_pool_sizes(struct predictions *predictions, struct report *report)
{
	for (size_t i = 0; i < report->pool_count; i++) {
		struct pci_device *device =
			predictions_device(predictions, report->pools[i].provider);

		if (!device)
			continue;
		topology_details(&predictions->system.topology, device);
		if (device->has_pool)
			report->pools[i].pool_bytes = device->pool_size;
	}
}

/* ---- the whole ---- */

/* A wrong list is a wrong command line, not a damaged tree. */
static int check_allow_list(const char *path, struct p2p_error *err)
{
	struct allow_list list = { 0 };
	int result = path ? allow_list_add_file(&list, path, err) : 0;

	allow_list_free(&list);
	return result;
}

/* 1: there is nothing to predict from. */
static int open_system(struct predictions *predictions, const struct analysis *analysis,
		       const struct system_options *given, struct p2p_error *err)
{
	struct system_options options = *given;
	struct tree *tree;

	options.numeric = true;
	if (check_allow_list(given->allow_list, err))
		return -1;
	if (given->root) {
		options.kernel = analysis->recording.values[PRIVATE_KERNEL];
		if (options.kernel && kernel_version_parse(options.kernel) == KERNEL_NOT_KNOWN)
			options.kernel = NULL;
		return system_open(&predictions->system, &options, err);
	}
	if (!analysis->file->captures[CAPTURE_START].bytes)
		return 1;
	tree = captured_tree(analysis->file, CAPTURE_START, err);
	if (tree &&
	    !system_open_tree(&predictions->system, &options, tree, analysis->file->shown, err))
		return 0;
	p2p_warn("no predictions: %s", err->text);
	return 1;
}

static int fill(struct report *report, struct predictions *predictions, struct p2p_error *err)
{
	report->predictions = predictions;
	if (add_pairs(predictions, report))
		return p2p_fail(err, "no memory for the predictions");
	rows_sort(predictions->pairs, predictions->count, sizeof(*predictions->pairs),
		  compare_pairs);
	if (add_rows(predictions, report))
		return p2p_fail(err, "no memory for the predictions");
	add_pool_sizes(predictions, report);
	return 0;
}

int predictions_add(struct report *report, const struct system_options *given,
		    struct p2p_error *err)
{
	struct predictions *predictions = calloc(1, sizeof(*predictions));
	int result = predictions ? open_system(predictions, report->analysis, given, err)
				 : p2p_fail(err, "no memory for the predictions");

	if (result) {
		free(predictions);
		return result < 0 ? -1 : 0;
	}
	return fill(report, predictions, err);
}

int predictions_borrow(struct report *report, const struct pci_system *system,
		       struct p2p_error *err)
{
	struct predictions *predictions = calloc(1, sizeof(*predictions));

	if (!predictions)
		return p2p_fail(err, "no memory for the predictions");
	predictions->system = *system;
	predictions->borrowed = true;
	return fill(report, predictions, err);
}

void predictions_free(struct predictions *predictions)
{
	if (!predictions)
		return;
	if (!predictions->borrowed)
		system_close(&predictions->system);
	free(predictions->pairs);
	free(predictions->rows);
	free(predictions);
}
