/* The cache of programs on disk: where it lies, the keys of its entries, and what they hold.
 *
 * A key is a text of lines that names all that a binary depends on: platform, device, driver, clconv's version, the source
 * and its hash, the options. An entry of suffix "program" holds
 *
 *     NAME X Y Z   a line for each kernel that has been run, and its local size: a driver may compile for each
 *                  (an empty line)
 *     the binary
 *
 * One of suffix "wanted" holds the lines alone: a program that was built of its source by a driver that would have to
 * compile again for its binary, which is left to clconv_cache_fill(). */
#ifndef CLCONV_OPENCL_CACHE_H
#define CLCONV_OPENCL_CACHE_H

#include "base/store.h"
#include "base/text.h"
#include "clconv.h"

#define CACHE_PROGRAM "program"
#define CACHE_WANTED "wanted"

typedef struct program_cache {
    store *store; /* NULL: off */
    char *device; /* the first lines of each key; owned */
} program_cache;

/* Where it lies by the environment; NULL and the reason if it is off. To be freed. */
char *cache_folder(char why[STORE_WHY]);

/* The store in that folder, or in the one that the environment says. NULL if it is off, *is_unsafe if for a reason to be told. */
store *cache_open_folder(const char *folder, char why[STORE_WHY], bool *is_unsafe);
store *cache_open_store(char why[STORE_WHY], bool *is_unsafe);

/* The first lines of each key of a device, which say all of it that a binary depends on; NULL if memory is out. To be freed. */
char *cache_device(const clconv_device_info *info, const char *platform_options);

/* The cache of one device. */
void cache_open(const clconv_device_info *info, const char *platform_options, program_cache *cache,
                char why[STORE_WHY], bool *is_unsafe);
void cache_close(program_cache *cache);

/* The key of a program of this source, expanded, and these options; NULL if memory is out. To be freed. */
char *cache_key(const program_cache *cache, const char *source, const text *code, const char *options);

/* The source's name and the options in a key, to be freed; false if it is of another device. */
bool cache_key_parse(const program_cache *cache, byte_span key, char **source, char **options);

/* The lines of kernels of an entry's content, and the binary; false if there is no end of the lines. */
bool cache_content_parse(byte_span content, byte_span *kernels, byte_span *binary);

/* What is counted in the folder over all processes, by clconv_counters' members of these names. */
enum { CACHE_COUNTS = 6 };
extern const char *const cache_count_names[CACHE_COUNTS];
void cache_counts_of(const clconv_counters *counters, int64_t counts[CACHE_COUNTS]);

#endif
