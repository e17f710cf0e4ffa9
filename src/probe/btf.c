// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/kernel_types.h"

#ifdef HAVE_LIBBPF
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static const char type_prefix[] = "PCI_P2PDMA_MAP_";

/* What a typedef, const or the like stands for. */
static const struct btf_type *resolve(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(btf, type->type);
	return type;
}

/* The member of this name, those of anonymous structs included; adds to *bits. */
static const struct btf_type *find_member(const struct btf *btf, const struct btf_type *in,
					  const char *name, size_t length, int64_t *bits)
{
	const struct btf_member *members = btf_members(in);

	for (unsigned int i = 0; i < btf_vlen(in); i++) {
		const char *member = btf__name_by_offset(btf, members[i].name_off);
		const struct btf_type *type = resolve(btf, members[i].type), *found = NULL;
		int64_t at = *bits + btf_member_bit_offset(in, i);

		if (member && strlen(member) == length && !memcmp(member, name, length))
			found = type;
		else if (type && (!member || !*member) && btf_is_composite(type))
			found = find_member(btf, type, name, length, &at);
		if (found) {
			*bits = at;
			return found;
		}
	}
	return NULL;
}

static const struct btf_type *find_struct(const struct btf *btf, const char *name, size_t length)
{
	char copy[128];
	int id;

	if (length >= sizeof(copy))
		return NULL;
	memcpy(copy, name, length);
	copy[length] = '\0';
	id = btf__find_by_name_kind(btf, copy, BTF_KIND_STRUCT);
	return id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
}

/* "STRUCT.MEMBER[.MEMBER...]" */
static bool get_offset(const struct btf *btf, const char *key, int64_t *value)
{
	size_t length = strcspn(key, ".");
	const struct btf_type *type = find_struct(btf, key, length);
	int64_t bits = 0;

	for (key += length; type && *key == '.'; key += length) {
		key++;
		length = strcspn(key, ".");
		if (!btf_is_composite(type))
			return false;
		type = find_member(btf, type, key, length, &bits);
	}
	*value = bits / 8;
	return type && bits % 8 == 0;
}

/* "FUNCTION.PARAMETER" */
static bool get_argument(const struct btf *btf, const char *key, int64_t *value)
{
	size_t length = strcspn(key, ".");
	const struct btf_type *function = NULL;
	const struct btf_param *params;
	char name[128];
	int id;

	if (length >= sizeof(name) || !key[length])
		return false;
	memcpy(name, key, length);
	name[length] = '\0';
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	if (id > 0)
		function = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	if (!function || !btf_is_func_proto(function))
		return false;
	params = btf_params(function);
	for (unsigned int i = 0; i < btf_vlen(function); i++) {
		const char *param = btf__name_by_offset(btf, params[i].name_off);

		if (param && !strcmp(param, key + length + 1)) {
			*value = i + 1;
			return true;
		}
	}
	return false;
}

bool btf_source_get(const struct btf *btf, const char *key, int64_t *value)
{
	if (!strncmp(key, "arg ", 4))
		return get_argument(btf, key + 4, value);
	if (!strncmp(key, "sizeof ", 7)) {
		const struct btf_type *type = find_struct(btf, key + 7, strlen(key + 7));

		*value = type ? type->size : 0;
		return type != NULL;
	}
	return get_offset(btf, key, value);
}

static void read_map_types(struct kernel_types *types)
{
	int id = btf__find_by_name_kind(types->btf, "pci_p2pdma_map_type", BTF_KIND_ENUM);
	const struct btf_type *type = id > 0 ? btf__type_by_id(types->btf, (uint32_t)id) : NULL;

	for (unsigned int i = 0; type && i < btf_vlen(type); i++) {
		const struct btf_enum *value = &btf_enum(type)[i];
		const char *name = btf__name_by_offset(types->btf, value->name_off);

		if (!name || value->val < 0 || value->val >= KERNEL_MAP_TYPES ||
		    strncmp(name, type_prefix, strlen(type_prefix)) != 0)
			continue;
		free(types->map_types[value->val]);
		types->map_types[value->val] = strdup(name + strlen(type_prefix));
	}
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int btf_source_open(struct kernel_types *types, const char *path, struct p2p_error *err)
{
	static const char vmlinux[] = "/sys/kernel/btf/vmlinux";

	/* It speaks on stderr itself otherwise. */
	libbpf_set_print(silent);
	types->btf = btf__parse(path ? path : vmlinux, NULL);
	if (types->btf) {
		read_map_types(types);
		return 0;
	}
	if (path || errno != ENOENT)
		return p2p_fail_errno(err, "cannot read the types in %s", path ? path : vmlinux);
	return p2p_fail(err,
			"this kernel does not describe its types (%s is missing: "
			"CONFIG_DEBUG_INFO_BTF)",
			vmlinux);
}

int btf_source_load(struct kernel_types *types, const void *bytes, size_t size,
		    struct p2p_error *err)
{
	libbpf_set_print(silent);
	types->btf = size <= UINT32_MAX ? btf__new(bytes, (uint32_t)size) : NULL;
	if (!types->btf)
		return p2p_fail(err, "the kernel's types (BTF) are not readable");
	read_map_types(types);
	return 0;
}

void btf_source_close(struct btf *btf)
{
	btf__free(btf);
}

#else

int btf_source_open(struct kernel_types *types, const char *path, struct p2p_error *err)
{
	(void)types;
	(void)path;
	return p2p_fail(err, "this p2ptrace was built without libbpf and cannot read the kernel's "
			     "types (BTF)");
}

int btf_source_load(struct kernel_types *types, const void *bytes, size_t size,
		    struct p2p_error *err)
{
	(void)bytes;
	(void)size;
	return btf_source_open(types, NULL, err);
}

void btf_source_close(struct btf *btf)
{
	(void)btf;
}

bool btf_source_get(const struct btf *btf, const char *key, int64_t *value)
{
	(void)btf;
	(void)key;
	(void)value;
	return false;
}

#endif
