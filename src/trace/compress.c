// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "p2ptrace/compress.h"

int compression_by_name(const char *name, enum compression *compression, struct p2p_error *err)
{
	*compression = COMPRESSION_NONE;
	if (!strcmp(name, "none") || !*name)
		return 0;
	if (!strcmp(name, "zstd")) {
#ifdef HAVE_ZSTD
		*compression = COMPRESSION_ZSTD;
		return 0;
#else
		return p2p_fail(err, "compressed with zstd, and this p2ptrace was built without it "
				     "(install libzstd-dev and build again)");
#endif
	}
	if (!strcmp(name, "zlib")) {
#ifdef HAVE_ZLIB
		*compression = COMPRESSION_ZLIB;
		return 0;
#else
		return p2p_fail(err, "compressed with zlib, and this p2ptrace was built without it "
				     "(install zlib1g-dev and build again)");
#endif
	}
	return p2p_fail(err, "compressed with '%s', which p2ptrace does not know", name);
}

#ifdef HAVE_ZSTD
static int unpack_zstd(const void *packed, size_t packed_bytes, void *plain, size_t plain_bytes,
		       struct p2p_error *err)
{
	size_t got = ZSTD_decompress(plain, plain_bytes, packed, packed_bytes);

	if (ZSTD_isError(got))
		return p2p_fail(err, "damaged zstd data: %s", ZSTD_getErrorName(got));
	if (got != plain_bytes)
		return p2p_fail(err, "zstd data of %zu bytes where %zu were announced", got,
				plain_bytes);
	return 0;
}
#endif

#ifdef HAVE_ZLIB
static int unpack_zlib(const void *packed, size_t packed_bytes, void *plain, size_t plain_bytes,
		       struct p2p_error *err)
{
	uLongf got = plain_bytes;
	int result = uncompress(plain, &got, packed, packed_bytes);

	if (result != Z_OK)
		return p2p_fail(err, "damaged zlib data: %s", zError(result));
	if (got != plain_bytes)
		return p2p_fail(err, "zlib data of %lu bytes where %zu were announced", got,
				plain_bytes);
	return 0;
}
#endif

int decompress(enum compression compression, const void *packed, size_t packed_bytes, void *plain,
	       size_t plain_bytes, struct p2p_error *err)
{
	switch (compression) {
#ifdef HAVE_ZSTD
	case COMPRESSION_ZSTD:
		return unpack_zstd(packed, packed_bytes, plain, plain_bytes, err);
#endif
#ifdef HAVE_ZLIB
	case COMPRESSION_ZLIB:
		return unpack_zlib(packed, packed_bytes, plain, plain_bytes, err);
#endif
	default:
		(void)packed, (void)packed_bytes, (void)plain, (void)plain_bytes;
		return p2p_fail(err, "marked as compressed in a file that names no compression");
	}
}

/* ---- writing ---- */

const char compressor_name[] = "zstd";

#ifdef HAVE_ZSTD
struct compressor {
	ZSTD_CCtx *context;
	int level;
	void *room;
	size_t room_bytes;
};

const char *compressor_version(void)
{
	return ZSTD_versionString();
}

struct compressor *compressor_open(int level, struct p2p_error *err)
{
	struct compressor *compressor = calloc(1, sizeof(*compressor));

	if (compressor) {
		compressor->level = level;
		compressor->context = ZSTD_createCCtx();
		if (compressor->context)
			return compressor;
	}
	free(compressor);
	p2p_fail(err, "no memory to compress");
	return NULL;
}

void compressor_close(struct compressor *compressor)
{
	if (!compressor)
		return;
	ZSTD_freeCCtx(compressor->context);
	free(compressor->room);
	free(compressor);
}

int compressor_pack(struct compressor *compressor, const void *plain, size_t plain_bytes,
		    void **packed, size_t *packed_bytes, struct p2p_error *err)
{
	size_t bound = ZSTD_compressBound(plain_bytes);

	if (compressor->room_bytes < bound) {
		free(compressor->room);
		compressor->room = malloc(bound);
		compressor->room_bytes = compressor->room ? bound : 0;
		if (!compressor->room)
			return p2p_fail(err, "no memory to compress");
	}
	*packed = compressor->room;
	*packed_bytes = ZSTD_compressCCtx(compressor->context, compressor->room, bound, plain,
					  plain_bytes, compressor->level);
	if (ZSTD_isError(*packed_bytes))
		return p2p_fail(err, "cannot compress: %s", ZSTD_getErrorName(*packed_bytes));
	return 0;
}
#else
const char *compressor_version(void)
{
	return "";
}

struct compressor *compressor_open(int level, struct p2p_error *err)
{
	(void)level;
	p2p_fail(err, "this p2ptrace was built without zstd (install libzstd-dev and build again)");
	return NULL;
}

void compressor_close(struct compressor *compressor)
{
	(void)compressor;
}

int compressor_pack(struct compressor *compressor, const void *plain, size_t plain_bytes,
		    void **packed, size_t *packed_bytes, struct p2p_error *err)
{
	(void)compressor, (void)plain, (void)plain_bytes, (void)packed, (void)packed_bytes;
	return p2p_fail(err, "cannot compress");
}
#endif
