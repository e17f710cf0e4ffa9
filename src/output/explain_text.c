// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "p2ptrace/explain_print.h"
#include "p2ptrace/text.h"
#include "p2ptrace/topo_print.h"
#include "p2ptrace/wrap.h"

enum { LINE = 90 };

static void print_wrapped(const struct explanation *pair, FILE *out, const char *lead,
			  const char *text)
{
	fputs(lead, out);
	wrap_print(out, text, strlen(lead), pair->width ? pair->width : LINE);
}

/* ---- the two devices ---- */

static void print_device(const struct explanation *pair, const char *role,
			 const struct pci_device *device, FILE *out)
{
	char text[160];

	fprintf(out, "%-9s %s", role, device->name);
	if (*device->kernel_names) {
		fputs("  ", out);
		text_print_safe(out, device->kernel_names);
	}
	fprintf(out, "  %s\n", pci_names_device(pair->system->names, device, text, sizeof(text)));
	fprintf(out, "%9s driver ", "");
	text_print_safe(out, *device->driver ? device->driver : "none");
	if (device->numa >= 0)
		fprintf(out, ", NUMA node %lld", (long long)device->numa);
	if (*link_words(&device->link, text, sizeof(text)))
		fprintf(out, ", link %s", text);
	if (*pool_words(device, text, sizeof(text)))
		fprintf(out, ", p2p pool %s", text);
	else
		fputs(", no p2p pool", out);
	if (*device->iommu_group) {
		fputs(", IOMMU group ", out);
		text_print_safe(out, device->iommu_group);
		fputs(*device->iommu_type ? " of type " : "", out);
		text_print_safe(out, device->iommu_type);
	}
	if (device->physfn)
		fprintf(out, ", virtual function of %s", device->physfn->name);
	fputc('\n', out);
}

/* ---- the verdict ---- */

static const char *const meanings[P2P_TYPES] = {
	[P2P_TYPE_BUS_ADDR] = "directly, by bus address: the host bridge has no part in it",
	[P2P_TYPE_THRU_HOST_BRIDGE] = "through the host bridge: the root complex passes it on",
	[P2P_TYPE_NOT_SUPPORTED] =
		"the kernel refuses to map this provider's memory for this client",
	[P2P_TYPE_UNKNOWN] = "not known: what it hangs on stands below",
};

static void print_verdict(const struct explanation *pair, FILE *out)
{
	const struct verdict *verdict = &pair->verdict;
	char why[256], kernel[32];

	fprintf(out, "\nverdict   %s%s%s", type_colour(verdict->type, pair->colour),
		p2p_type_names[verdict->type], colour_off(pair->colour));
	if (verdict->distance >= 0)
		fprintf(out, ", distance %d", verdict->distance);
	fprintf(out, " (rule of kernel %s)\n", system_kernel(pair->system, kernel, sizeof(kernel)));
	print_wrapped(pair, out, "          ", meanings[verdict->type]);
	print_wrapped(pair, out, "          ",
		      verdict_why(&pair->system->rule, pair->provider, pair->client, verdict, why,
				  sizeof(why)));
}

/* ---- the walk ---- */

static const char *hop_mark(const struct explanation *pair, const struct hop *hop)
{
	if (!pair->verdict.common)
		return "";
	if (hop->counts && hop->redirects == ANSWER_YES)
		return "  <-- redirects";
	if (hop->counts && hop->redirects == ANSWER_UNKNOWN)
		return "  <-- the answer hangs on this";
	if (hop->device == pair->verdict.common)
		return "  <-- common bridge";
	return hop->counts ? "" : "  (above the common bridge: does not count)";
}

static void print_hop(const struct explanation *pair, const struct hop *hop, size_t distance,
		      FILE *out)
{
	static const enum p2p_type colours[] = {
		[ANSWER_NO] = P2P_TYPE_BUS_ADDR,
		[ANSWER_YES] = P2P_TYPE_NOT_SUPPORTED,
		[ANSWER_UNKNOWN] = P2P_TYPE_UNKNOWN,
	};
	bool colour = pair->colour && hop->counts;
	bool both = hop->counts && hop->device == pair->verdict.common && distance &&
		    hop->redirects != ANSWER_NO;
	char text[160];

	fprintf(out, "  %3zu  %-12s  %-22s  %s%s%s%s%s\n", distance, hop->device->name,
		port_type_name(hop->device->config.port),
		type_colour(colours[hop->redirects], colour),
		acs_words(hop->device, text, sizeof(text)), colour_off(colour), hop_mark(pair, hop),
		both ? ", common bridge" : "");
}

static void print_walk(const struct explanation *pair, const char *whose,
		       const struct pci_device *from, bool provider_side, FILE *out)
{
	struct hop hops[PCI_DEPTH_MAX];
	size_t count = rule_walk(from, &pair->verdict, provider_side, hops);
	char words[256];

	fprintf(out, "\nup from the %s\n", whose);
	for (size_t i = 0; i < count; i++)
		print_hop(pair, &hops[i], i, out);
	if (from->host)
		fprintf(out, "       %-12s  %s\n", from->host->name,
			host_words(&pair->system->rule, from->host, words, sizeof(words)));
}

/* ---- what to do ---- */

static void print_blockers(const struct explanation *pair, FILE *out)
{
	char lead[32];

	for (size_t i = 0; i < pair->blocker_count; i++) {
		const struct blocker *blocker = &pair->blockers[i];

		if (!i)
			fprintf(out, "\n%s\n",
				pair->verdict.type == P2P_TYPE_UNKNOWN
					? "what it hangs on"
					: "what blocks the direct path");
		snprintf(lead, sizeof(lead), "  %zu. ", i + 1);
		fprintf(out, "%s%s\n", lead, blocker->device);
		print_wrapped(pair, out, "     why: ", blocker->reason);
		if (i && !strcmp(blocker->fix, blocker[-1].fix))
			fputs("     fix: the same\n", out);
		else
			print_wrapped(pair, out, "     fix: ", blocker->fix);
		if (*blocker->trial)
			fprintf(out, "     try: %s\n     undo: %s\n", blocker->trial,
				blocker->undo);
	}
}

static void print_rebind(const struct explanation *pair, FILE *out)
{
	char lead[] = "  ";

	if (!*pair->provider->driver || strpbrk(pair->provider->driver, " ;'\"\\$`"))
		return;
	print_wrapped(pair, out, lead,
		      "The kernel keeps a pair's type once it was asked: after a trial with setpci "
		      "unbind and bind the provider's driver (its users must be gone):");
	fprintf(out, "    echo %s > /sys/bus/pci/drivers/", pair->provider->name);
	text_print_safe(out, pair->provider->driver);
	fprintf(out, "/unbind\n    echo %s > /sys/bus/pci/drivers/", pair->provider->name);
	text_print_safe(out, pair->provider->driver);
	fputs("/bind\n", out);
}

static void print_parameters(const struct explanation *pair, FILE *out)
{
	const struct rule *rule = &pair->system->rule;
	char text[1024];

	if (!*blocker_disable_acs_redir(rule, pair->provider, pair->client, &pair->verdict, text,
					sizeof(text)))
		return;
	fprintf(out, "\nkernel parameter for the whole way%s\n    %s\n",
		strchr(text, ';') ? " (quote the ';' in GRUB's files)" : "", text);
	if (*blocker_config_acs(rule, pair->provider, pair->client, &pair->verdict, text,
				sizeof(text)))
		fprintf(out, "    or, from kernel 6.11 on: %s\n", text);
	print_wrapped(pair, out, "  warning: ", blocker_isolation_warning);
	print_rebind(pair, out);
}

void explain_print_text(const struct explanation *pair, FILE *out)
{
	print_device(pair, "provider", pair->provider, out);
	print_device(pair, "client", pair->client, out);
	print_verdict(pair, out);
	print_walk(pair, "provider", pair->provider, true, out);
	print_walk(pair, "client", pair->client, false, out);
	print_blockers(pair, out);
	print_parameters(pair, out);
	if (pair->note_count)
		fputc('\n', out);
	for (size_t i = 0; i < pair->note_count; i++)
		print_wrapped(pair, out, "note: ", pair->notes[i].text);
}
