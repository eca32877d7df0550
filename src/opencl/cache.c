/* See cache.h. */
#include "opencl/cache.h"

#include "base/environment.h"
#include "base/process.h"
#include "opencl/pocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some hundred programs of PoCL, which are the largest. */
static const int64_t limit_bytes = INT64_C(256) << 20;

const char *const cache_count_names[CACHE_COUNTS] = {"loaded",  "absent", "damaged",
                                                     "refused", "wrong",  "saved"};

void cache_counts_of(const clconv_counters *c, int64_t counts[CACHE_COUNTS])
{
    const int64_t all[CACHE_COUNTS] = {c->programs_loaded, c->cache_absent, c->cache_damaged,
                                       c->cache_refused,   c->cache_wrong,  c->programs_saved};
    memcpy(counts, all, sizeof all);
}

static bool is_off(char why[STORE_WHY])
{
    const char *wish = environment_get("CLCONV_CACHE");
    why[0] = '\0';
    if (wish != NULL && strcmp(wish, "off") == 0) snprintf(why, STORE_WHY, "CLCONV_CACHE is off");
    if (process_is_privileged()) snprintf(why, STORE_WHY, "the process has privileges that its user has not");
    return why[0] != '\0';
}

char *cache_folder(char why[STORE_WHY])
{
    text folder = {0};
    if (is_off(why)) return NULL;
    const char *own = environment_get("CLCONV_CACHE_DIR"), *caches = environment_get("XDG_CACHE_HOME");
    const char *home = environment_get("HOME");
    if (own != NULL)
        text_append(&folder, "%s", own);
    else if (caches != NULL && caches[0] == '/') /* a relative one is to be ignored, says its specification */
        text_append(&folder, "%s/clconv", caches);
    else if (home != NULL)
        text_append(&folder, "%s/.cache/clconv", home);
    if (folder.length > 0 && !folder.failed) return folder.data;
    text_release(&folder);
    snprintf(why, STORE_WHY, "neither CLCONV_CACHE_DIR nor HOME is set");
    return NULL;
}

store *cache_open_folder(const char *folder, char why[STORE_WHY], bool *is_unsafe)
{
    return store_open(folder, limit_bytes, why, is_unsafe);
}

store *cache_open_store(char why[STORE_WHY], bool *is_unsafe)
{
    *is_unsafe = false;
    char *folder = cache_folder(why);
    store *opened = folder != NULL ? cache_open_folder(folder, why, is_unsafe) : NULL;
    free(folder);
    return opened;
}

/* A line each, without what would end it. */
static void append_line(text *to, const char *name, const char *value)
{
    text_append(to, "%s ", name);
    for (const char *c = value; *c != '\0'; c++)
        text_append_bytes(to, *c == '\n' ? " " : c, 1);
    text_append_bytes(to, "\n", 1);
}

char *cache_device(const clconv_device_info *info, const char *platform_options)
{
    text device = {0};
    char bits[32];
    snprintf(bits, sizeof bits, "%d", info->vector_bits);
    append_line(&device, "clconv", clconv_version());
    append_line(&device, "platform", info->platform_name);
    append_line(&device, "platform-version", info->platform_version);
    append_line(&device, "device", info->name);
    append_line(&device, "vendor", info->vendor);
    append_line(&device, "device-version", info->device_version);
    append_line(&device, "driver", info->driver_version);
    append_line(&device, "vector-bits", bits);
    append_line(&device, "platform-options", platform_options);
    append_line(&device, "environment", pocl_build_environment());
    if (!device.failed) return device.data;
    text_release(&device);
    return NULL;
}

void cache_open(const clconv_device_info *info, const char *platform_options, program_cache *cache,
                char why[STORE_WHY], bool *is_unsafe)
{
    *cache = (program_cache){.store = cache_open_store(why, is_unsafe)};
    if (cache->store == NULL) return;
    cache->device = cache_device(info, platform_options);
    if (cache->device != NULL) return;
    cache_close(cache);
    snprintf(why, STORE_WHY, "no memory");
}

void cache_close(program_cache *cache)
{
    store_close(cache->store);
    free(cache->device);
    *cache = (program_cache){NULL};
}

char *cache_key(const program_cache *cache, const char *source, const text *code, const char *options)
{
    text key = {0};
    char sum[CHECKSUM_TEXT];
    checksum_text(code->data, code->length, sum);
    text_append(&key, "%s", cache->device);
    append_line(&key, "source", source);
    append_line(&key, "source-hash", sum);
    append_line(&key, "options", options);
    if (!key.failed) return key.data;
    text_release(&key);
    return NULL;
}

/* The rest of the line that starts with the name, to be freed; NULL if there is none. */
static char *line_of(const char *key, const char *name)
{
    text value = {0};
    const char *found = text_line_value(key, name);
    if (found != NULL) text_append_bytes(&value, found, strcspn(found, "\n"));
    return value.failed ? NULL : value.data;
}

bool cache_key_parse(const program_cache *cache, byte_span key, char **source, char **options)
{
    size_t length = strlen(cache->device);
    if (key.size < length || memcmp(key.bytes, cache->device, length) != 0) return false;
    text rest = {0};
    text_append_bytes(&rest, key.bytes + length, key.size - length);
    *source = rest.failed ? NULL : line_of(rest.data, "source");
    *options = rest.failed ? NULL : line_of(rest.data, "options");
    text_release(&rest);
    if (*source != NULL && *options != NULL) return true;
    free(*source);
    free(*options);
    return false;
}

bool cache_content_parse(byte_span content, byte_span *kernels, byte_span *binary)
{
    for (size_t i = 1; i < content.size; i++) {
        if (content.bytes[i] != '\n' || content.bytes[i - 1] != '\n') continue;
        *kernels = (byte_span){content.bytes, i};
        *binary = (byte_span){content.bytes + i + 1, content.size - i - 1};
        return true;
    }
    return false;
}
