/* Building and finding programs: see program.h. */
#include "opencl/program.h"

#include "base/error.h"
#include "opencl/build.h"
#include "opencl/bundled.h"
#include "opencl/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kernel_record {
    char *name;
    program_entry *program;
    bool is_warm;
    kernel_record *next;
};

/* The runtime's lock guards the list and the records; `building` is held by the thread that builds the program,
 * and guards that. Whoever takes both takes `building` first. */
struct program_entry {
    char *key;              /* source and options */
    kernel_record *kernels; /* those that have been asked for */
    program_entry *next;
    lock *building;
    cl_program program;             /* NULL until it is built */
    char *stored_as;                /* its key in the cache on disk; NULL without one */
    text warmed;                    /* lines of its kernels, as an entry of the cache holds them */
    bool is_saved;                  /* the cache has its binary */
    bool is_unproven;               /* it came from there, and nothing has been computed with it */
    bool is_distrusted;             /* what the cache had was wrong */
    const bundled_program *bundled; /* it came from the bundle; NULL if not */
    int64_t failures;               /* builds that failed; changed under both locks */
    clconv_error failure;           /* of the last of them */
};

/* An entry as a caller finds it. */
typedef struct program_request {
    program_entry *entry;
    kernel_record *record;
    int64_t failures;
    bool is_warm;
} program_request;

static void entry_release(program_entry *entry)
{
    while (entry->kernels != NULL) {
        kernel_record *next = entry->kernels->next;
        free(entry->kernels->name);
        free(entry->kernels);
        entry->kernels = next;
    }
    if (entry->program != NULL && runtime_is_usable()) clReleaseProgram(entry->program);
    lock_release(entry->building);
    text_release(&entry->warmed);
    free(entry->stored_as);
    free(entry->key);
    free(entry);
}

void program_release_all(program_entry *first)
{
    while (first != NULL) {
        program_entry *next = first->next;
        entry_release(first);
        first = next;
    }
}

static void tell_build(const runtime *rt, const char *verb, const char *source, const char *options,
                       double seconds)
{
    text line = {0};
    text_append(&line, "%s cl/%s %s%s in %.0f ms", verb, source, options, rt->platform->options,
                1e3 * seconds);
    if (!line.failed) runtime_message(rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

/* Takes over the key; NULL if memory is out. */
static program_entry *add_entry(runtime *rt, char *key)
{
    program_entry *entry = calloc(1, sizeof *entry);
    lock *building = lock_create();
    if (entry == NULL || building == NULL) {
        lock_release(building);
        free(entry);
        free(key);
        return NULL;
    }
    *entry = (program_entry){.key = key, .building = building, .next = rt->programs};
    rt->programs = entry;
    return entry;
}

/* NULL if memory is out. */
static program_entry *find_or_add_entry(runtime *rt, const char *source, const char *options)
{
    text key = {0};
    text_append(&key, "%s|%s", source, options);
    program_entry *entry = key.failed ? NULL : rt->programs;
    while (entry != NULL && strcmp(entry->key, key.data) != 0)
        entry = entry->next;
    if (entry == NULL && !key.failed) return add_entry(rt, key.data);
    text_release(&key);
    return entry;
}

/* NULL if memory is out. */
static kernel_record *find_or_add_record(program_entry *entry, const char *name)
{
    kernel_record *record = entry->kernels;
    while (record != NULL && strcmp(record->name, name) != 0)
        record = record->next;
    if (record != NULL) return record;
    text copy = {0};
    text_append(&copy, "%s", name);
    record = copy.failed ? NULL : calloc(1, sizeof *record);
    if (record == NULL) {
        text_release(&copy);
        return NULL;
    }
    *record = (kernel_record){.name = copy.data, .program = entry, .next = entry->kernels};
    entry->kernels = record;
    return record;
}

/* False if memory is out. */
static bool find_or_add(runtime *rt, const char *source, const char *name, const char *options,
                        program_request *request)
{
    *request = (program_request){NULL};
    lock_acquire(rt->guard);
    request->entry = find_or_add_entry(rt, source, options);
    if (request->entry != NULL) request->record = find_or_add_record(request->entry, name);
    if (request->record != NULL) {
        request->failures = request->entry->failures;
        request->is_warm = request->record->is_warm;
    }
    lock_leave(rt->guard);
    return request->record != NULL;
}

static void count(runtime *rt, int64_t *counter)
{
    lock_acquire(rt->guard);
    ++*counter;
    lock_leave(rt->guard);
}

/* Takes the program that an entry of the cache holds; false if that is of no use. */
static bool take_stored(runtime *rt, program_entry *entry, const stored *found, const char *options,
                        const char *kernel)
{
    byte_span kernels, binary;
    if (!cache_content_parse(found->content, &kernels, &binary)) return false;
    text_append_bytes(&entry->warmed, kernels.bytes, kernels.size);
    entry->program = entry->warmed.failed ? NULL : build_from_binary(rt, binary, options, kernel);
    if (entry->program == NULL) text_release(&entry->warmed);
    entry->is_saved = entry->is_unproven = entry->program != NULL;
    return entry->program != NULL;
}

/* From the cache on disk; false if it is to be built. */
static bool load_entry(runtime *rt, program_entry *entry, const char *options, const char *kernel)
{
    stored found = {NULL};
    if (entry->stored_as == NULL || entry->is_distrusted) return false;
    const byte_span key = byte_span_of(entry->stored_as);
    store_result result = store_load(rt->cache.store, CACHE_PROGRAM, key, &found);
    if (result == STORE_FOUND && take_stored(rt, entry, &found, options, kernel)) {
        count(rt, &rt->counters.programs_loaded);
    } else if (result == STORE_ABSENT) {
        count(rt, &rt->counters.cache_absent);
    } else {
        count(rt, result == STORE_FOUND ? &rt->counters.cache_refused : &rt->counters.cache_damaged);
        store_remove(rt->cache.store, CACHE_PROGRAM, key);
    }
    stored_release(&found);
    return entry->program != NULL;
}

/* From the bundle; false in *is_there if it is to be had otherwise. */
static clconv_status take_bundled(runtime *rt, program_entry *entry, const bundled_request *request,
                                  bool *is_there)
{
    clconv_status status = bundled_take(rt, request, &entry->program, &entry->bundled, &entry->failure);
    *is_there = entry->program != NULL;
    if (*is_there) {
        entry->is_unproven = true;
        count(rt, &rt->counters.programs_bundled);
    }
    return status;
}

static clconv_status make_program(runtime *rt, program_entry *entry, const char *source, const char *options,
                                  const char *kernel)
{
    text code = {0};
    double started = clock_seconds();
    clconv_status status = source_expand(source, &code, &entry->failure);
    const bundled_request request = {source, options, kernel, &code, entry->is_distrusted};
    bool is_loaded = false;
    if (status == CLCONV_SUCCESS) status = take_bundled(rt, entry, &request, &is_loaded);
    if (status == CLCONV_SUCCESS && !is_loaded && rt->cache.store != NULL && entry->stored_as == NULL)
        entry->stored_as = cache_key(&rt->cache, source, &code, options);
    if (status == CLCONV_SUCCESS && !is_loaded) is_loaded = load_entry(rt, entry, options, kernel);
    if (status == CLCONV_SUCCESS && !is_loaded)
        status = build_from_source(rt, source, &code, options, &entry->program, &entry->failure);
    text_release(&code);
    if (status == CLCONV_SUCCESS)
        tell_build(rt, is_loaded ? "loaded" : "built", source, options, clock_seconds() - started);
    if (!is_loaded) count(rt, status == CLCONV_SUCCESS ? &rt->counters.programs_built : &entry->failures);
    return status;
}

/* A kernel of the caller's own of the program, which is made if it is not there. Of those that ask while it is made, all
 * get what comes of it. A failure is not kept: who asks later tries again. */
static clconv_status get_kernel(runtime *rt, const program_request *request, const char *source,
                                const char *options, cl_kernel *kernel, clconv_error *err)
{
    program_entry *entry = request->entry;
    clconv_status status = CLCONV_SUCCESS;
    lock_acquire(entry->building);
    if (entry->program != NULL)
        count(rt, &rt->counters.programs_reused);
    else if (entry->failures > request->failures)
        status = entry->failure.status;
    else
        status = make_program(rt, entry, source, options, request->record->name);
    if (status != CLCONV_SUCCESS) {
        if (err != NULL) *err = entry->failure;
    } else {
        status = bundled_create_kernel(entry->program, entry->bundled, request->record->name, kernel, err);
    }
    lock_leave(entry->building);
    return status;
}

clconv_status program_get_kernel(runtime *rt, const char *source, const char *name, const char *options,
                                 cl_kernel *kernel, kernel_record **cold, clconv_error *err)
{
    program_request request;
    if (!find_or_add(rt, source, name, options, &request))
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
    clconv_status status = get_kernel(rt, &request, source, options, kernel, err);
    if (status == CLCONV_SUCCESS) *cold = request.is_warm ? NULL : request.record;
    return status;
}

/* Writes the program's binary and the lines of its kernels into the cache. */
static void save_entry(runtime *rt, program_entry *entry)
{
    char why[STORE_WHY] = "the driver gives no binary";
    text content = {0};
    const byte_span key = byte_span_of(entry->stored_as);
    text_append(&content, "%s\n", entry->warmed.data);
    if (build_binary_of(rt, entry->program, &content))
        entry->is_saved = store_save(rt->cache.store, CACHE_PROGRAM, key,
                                     (byte_span){content.data, content.length}, true, why);
    text_release(&content);
    if (entry->is_saved) {
        store_remove(rt->cache.store, CACHE_WANTED, key);
        count(rt, &rt->counters.programs_saved);
        return;
    }
    text line = {0};
    text_append(&line, "a program is not kept on disk: %s", why);
    if (!line.failed) runtime_message(rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

static void want_entry(runtime *rt, const program_entry *entry, bool is_first)
{
    char why[STORE_WHY];
    const byte_span key = byte_span_of(entry->stored_as);
    bool is_wanted = store_has(rt->cache.store, CACHE_WANTED, key);
    bool is_noted = store_save(rt->cache.store, CACHE_WANTED, key,
                               (byte_span){entry->warmed.data, entry->warmed.length}, false, why);
    if (!is_noted || !is_first) return;
    count(rt, &rt->counters.programs_wanted);
    if (is_wanted) count(rt, &rt->counters.programs_wanted_again);
}

/* Once a kernel has run the driver has compiled all that a binary can hold of it. */
static void keep_entry(runtime *rt, program_entry *entry, const char *name, const size_t local[3])
{
    char line[256];
    snprintf(line, sizeof line, "%.127s %zu %zu %zu\n", name, local[0], local[1], local[2]);
    bool is_first = entry->warmed.length == 0;
    const char *at = is_first ? NULL : strstr(entry->warmed.data, line);
    if (at != NULL && (at == entry->warmed.data || at[-1] == '\n')) return;
    text_append(&entry->warmed, "%s", line);
    if (entry->warmed.failed || rt->is_filling) return;
    if (rt->platform->compiles_for_binaries)
        want_entry(rt, entry, is_first || entry->is_saved);
    else if (!entry->is_saved)
        save_entry(rt, entry);
}

void program_set_warm(runtime *rt, kernel_record *cold, const size_t local[3])
{
    program_entry *entry = cold->program;
    lock_acquire(rt->guard);
    if (!cold->is_warm) rt->counters.kernels_warmed++;
    cold->is_warm = true;
    lock_leave(rt->guard);
    lock_acquire(entry->building);
    if (entry->stored_as != NULL && entry->program != NULL) keep_entry(rt, entry, cold->name, local);
    lock_leave(entry->building);
}

static program_entry *find_entry(runtime *rt, const char *source, const char *options)
{
    lock_acquire(rt->guard);
    program_entry *entry = find_or_add_entry(rt, source, options);
    lock_leave(rt->guard);
    return entry;
}

bool program_is_there(runtime *rt, const char *source, const char *options)
{
    program_entry *entry = find_entry(rt, source, options);
    if (entry == NULL) return false;
    lock_acquire(entry->building);
    bool is_there = entry->program != NULL;
    lock_leave(entry->building);
    return is_there;
}

bool program_is_warm(runtime *rt, const char *source, const char *name, const char *options)
{
    program_request request;
    return find_or_add(rt, source, name, options, &request) && request.is_warm;
}

bool program_is_unproven(runtime *rt, const char *source, const char *options)
{
    program_entry *entry = find_entry(rt, source, options);
    if (entry == NULL) return false;
    lock_acquire(entry->building);
    bool is_unproven = entry->is_unproven;
    lock_leave(entry->building);
    return is_unproven;
}

void program_prove(runtime *rt, const char *source, const char *options, bool is_right)
{
    program_entry *entry = find_entry(rt, source, options);
    if (entry == NULL) return;
    lock_acquire(entry->building);
    if (entry->is_unproven && !is_right) {
        clReleaseProgram(entry->program);
        entry->program = NULL;
        entry->is_distrusted = true;
        entry->is_saved = false;
        text_release(&entry->warmed);
        if (entry->bundled == NULL)
            store_remove(rt->cache.store, CACHE_PROGRAM, byte_span_of(entry->stored_as));
        entry->bundled = NULL;
        lock_acquire(rt->guard);
        rt->counters.cache_wrong++;
        for (kernel_record *k = entry->kernels; k != NULL; k = k->next)
            k->is_warm = false;
        lock_leave(rt->guard);
    }
    entry->is_unproven = false;
    lock_leave(entry->building);
}

bool program_binary(runtime *rt, const char *source, const char *options, text *binary)
{
    program_entry *entry = find_entry(rt, source, options);
    if (entry == NULL) return false;
    lock_acquire(entry->building);
    bool is_there = entry->program != NULL && build_binary_of(rt, entry->program, binary);
    lock_leave(entry->building);
    return is_there;
}

bool program_save(runtime *rt, const char *source, const char *options)
{
    program_entry *entry = find_entry(rt, source, options);
    if (entry == NULL) return false;
    lock_acquire(entry->building);
    bool can_save = entry->program != NULL && entry->stored_as != NULL && entry->warmed.length > 0;
    if (can_save) {
        entry->is_saved = false;
        save_entry(rt, entry);
    }
    bool is_saved = can_save && entry->is_saved;
    lock_leave(entry->building);
    return is_saved;
}
