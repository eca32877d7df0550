/* A bundle: programs compiled beforehand, for a device without a compiler. A file in the format of base/entry.h, whose key is
 * a manifest and whose content are the binaries that it names, one after the other. The manifest is a text:
 *
 *     clconv-bundle 1
 *     platform NAME             and other lines of a device, as keys of the cache have them (cache.h):
 *     device NAME               each that is there must be the device's own
 *
 *     program any/direct.cl     for each program, after an empty line
 *     source-hash HEX           of its source, expanded
 *     options -D...             what it was compiled for
 *     problem OP TEXT           a problem that needs it; any number, for people
 *     kernel NAME X Y Z [NAME]  each kernel, the local size that plans run it at, and its name in the binary if that is another
 *     binary SIZE HEX           of its binary, and the checksum; programs of one binary have the same line
 *
 * One that people complete, to be packed into a bundle, has in the place of `binary` a line
 *
 *     file PATH                 relative to the manifest's folder
 *
 * and lines that start with # do not count. Nothing of a file is used before the checksum of the whole is right. */
#ifndef CLCONV_OPENCL_BUNDLE_H
#define CLCONV_OPENCL_BUNDLE_H

#include "base/entry.h"
#include "base/text.h"
#include "clconv.h"

enum { BUNDLE_WHY = 1024 };

/* Immutable: any number of threads may read it. */
typedef struct bundle bundle;

typedef struct bundled_program {
    const char *source, *hash, *options;
    text kernels;     /* lines: NAME X Y Z, or with a second name */
    const char *file; /* of a manifest to be packed; NULL in a bundle */
    const char *sum;  /* the binary's size and checksum, as its line has them */
    byte_span binary;
} bundled_program;

/* Reads and checks a file. NULL and a reason in a sentence if it is no sound bundle. */
bundle *bundle_open(const char *path, char why[BUNDLE_WHY]);

/* The same of bytes in memory, which it takes over. */
bundle *bundle_of_bytes(char *bytes, size_t size, char why[BUNDLE_WHY]);
void bundle_release(bundle *b);

/* Whether each line of a device that it has is among these (cache_device()). Else the line that is not, in `why`. */
bool bundle_is_for(const bundle *b, const char *device, char why[BUNDLE_WHY]);

/* A program of this source, of which `hash` is the checksum, and options; NULL if it has none. *is_stale: it has one of
 * another version of the source. */
const bundled_program *bundle_find(const bundle *b, const char *source, const char *hash, const char *options,
                                   bool *is_stale);

/* The name in the binary of a kernel, which is its own unless the bundle says another. To be freed; NULL if memory is out. */
char *bundle_kernel_name(const bundled_program *program, const char *kernel);

/* The bytes of a bundle from a manifest with `file` lines; `folder` is where they are looked for. To be freed; NULL and a
 * reason if the manifest is wrong or a file cannot be read. */
char *bundle_pack(const char *manifest, const char *folder, size_t *size, char why[BUNDLE_WHY]);

/* The lines that end the description of a program with this binary. */
void bundle_append_binary(text *manifest, byte_span binary);

#define BUNDLE_FIRST_LINE "clconv-bundle 1"

#endif
