/* The cache of programs on disk, for callers. */
#include "opencl/cache.h"
#include "base/error.h"
#include "opencl/fill.h"
#include "plan/context.h"

#include <stdio.h>
#include <stdlib.h>

static int add_entry(void *user, const store_item *item)
{
    clconv_cache_info *info = user;
    info->entries++;
    info->bytes += item->bytes;
    return 0;
}

static int add_wanted(void *user, const store_item *item)
{
    clconv_cache_info *info = user;
    info->wanted += item->result == STORE_FOUND;
    return 0;
}

clconv_status clconv_cache_get_info(clconv_cache_info *info, clconv_error *err)
{
    if (info == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "info is NULL");
    clconv_cache_info made = {.folder = ""};
    bool is_unsafe;
    int64_t counts[CACHE_COUNTS] = {0};
    char *folder = cache_folder(made.off);
    store *s = folder != NULL ? cache_open_folder(folder, made.off, &is_unsafe) : NULL;
    if (s != NULL) snprintf(made.folder, sizeof made.folder, "%s", folder);
    free(folder);
    if (s == NULL) {
        *info = made;
        return CLCONV_SUCCESS;
    }
    made.off[0] = '\0';
    made.limit_bytes = store_limit(s);
    store_count(s, cache_count_names, counts, CACHE_COUNTS);
    int64_t *const to[] = {&made.loaded,  &made.absent, &made.damaged,
                           &made.refused, &made.wrong,  &made.saved};
    for (int i = 0; i < CACHE_COUNTS; i++)
        *to[i] = counts[i];
    bool is_read =
        store_visit(s, CACHE_PROGRAM, add_entry, &made) && store_visit(s, CACHE_WANTED, add_wanted, &made);
    store_close(s);
    if (!is_read) return error_set(err, CLCONV_FILE_FAILED, "cannot read the folder '%.500s'", made.folder);
    *info = made;
    return CLCONV_SUCCESS;
}

typedef struct visiting {
    store *store;
    clconv_cache_callback visit;
    void *user;
    bool failed;
} visiting;

static int visit_one(void *user, const store_item *item)
{
    visiting *v = user;
    text key = {0};
    text_append_bytes(&key, item->key.bytes != NULL ? item->key.bytes : "", item->key.size);
    v->failed = v->failed || key.failed;
    const clconv_cache_entry entry = {.name = item->name,
                                      .key = key.data != NULL ? key.data : "",
                                      .bytes = item->bytes,
                                      .used = item->used,
                                      .is_sound = item->result == STORE_FOUND};
    if (!v->failed && v->visit(v->user, &entry) != 0) store_remove_name(v->store, item->name);
    text_release(&key);
    return v->failed;
}

clconv_status clconv_cache_visit(clconv_cache_callback visit, void *user, clconv_error *err)
{
    if (visit == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "visit is NULL");
    char why[STORE_WHY];
    bool is_unsafe;
    visiting v = {.store = cache_open_store(why, &is_unsafe), .visit = visit, .user = user};
    if (v.store == NULL) return CLCONV_SUCCESS;
    bool is_read = store_visit(v.store, CACHE_PROGRAM, visit_one, &v);
    store_close(v.store);
    if (!is_read) return error_set(err, CLCONV_FILE_FAILED, "the cache's folder cannot be read");
    return v.failed ? error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a key") : CLCONV_SUCCESS;
}

clconv_status clconv_cache_clear(int64_t *removed, clconv_error *err)
{
    if (removed == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "removed is NULL");
    char why[STORE_WHY];
    bool is_unsafe;
    store *s = cache_open_store(why, &is_unsafe);
    *removed = s != NULL ? store_clear(s) : 0;
    store_close(s);
    return CLCONV_SUCCESS;
}

clconv_status clconv_cache_fill(clconv_context *context, int64_t *saved, clconv_error *err)
{
    if (context == NULL || saved == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", context == NULL ? "context" : "saved");
    clconv_status status = runtime_check_process(err);
    return status == CLCONV_SUCCESS ? fill_wanted(&context->rt, saved, err) : status;
}
