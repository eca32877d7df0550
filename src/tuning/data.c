/* A table of entries: see data.h. */
#include "tuning/data.h"

#include "base/error.h"
#include "base/hash.h"
#include "opencl/sources.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value is a line: nothing in it ends one. */
static void set_text(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", *from != '\0' ? from : "-");
    for (char *c = to; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
}

/* Of the kernels and of what the host makes of them, as far as the version tells. */
static uint64_t hash_sources(void)
{
    uint64_t hash = HASH_START;
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++)
        hash = hash_bytes(hash_bytes(hash, s->name, strlen(s->name) + 1), s->bytes, s->size);
    return hash;
}

void tuning_place_of(const clconv_device_info *info, tuning_place *place)
{
    *place = (tuning_place){.platform = ""};
    set_text(place->platform, sizeof place->platform, info->platform_name);
    set_text(place->device, sizeof place->device, info->name);
    set_text(place->driver, sizeof place->driver, info->driver_version);
    snprintf(place->build, sizeof place->build, "%s %016" PRIx64, clconv_version(), hash_sources());
}

void tuning_release(tuning_data *data)
{
    free(data->entries);
    *data = (tuning_data){NULL};
}

static bool is_same_place(const tuning_place *a, const tuning_place *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->driver, b->driver) == 0 &&
           strcmp(a->platform, b->platform) == 0 && strcmp(a->build, b->build) == 0;
}

static bool is_same_candidate(const tuning_entry *a, const tuning_entry *b)
{
    return strcmp(a->algorithm, b->algorithm) == 0 && strcmp(a->parameters, b->parameters) == 0;
}

static bool is_same(const tuning_entry *a, const tuning_entry *b)
{
    return a->kind == b->kind && tuning_class_equals(&a->class, &b->class) &&
           is_same_place(&a->place, &b->place) && (a->kind == TUNING_BEST || is_same_candidate(a, b));
}

static void drop_trials(tuning_data *data, const tuning_entry *best)
{
    size_t kept = 0;
    for (size_t i = 0; i < data->count; i++) {
        tuning_entry *e = &data->entries[i];
        bool is_over = e->kind == TUNING_TRIAL && tuning_class_equals(&e->class, &best->class) &&
                       is_same_place(&e->place, &best->place) && e->tuned <= best->tuned;
        if (!is_over && kept++ != i) data->entries[kept - 1] = *e;
    }
    data->count = kept;
}

clconv_status tuning_add(tuning_data *data, const tuning_entry *entry, clconv_error *err)
{
    tuning_entry *at = NULL;
    for (size_t i = 0; i < data->count && at == NULL; i++)
        if (is_same(&data->entries[i], entry)) at = &data->entries[i];
    if (at == NULL && data->count == data->capacity) {
        size_t more = data->capacity > 0 ? 2 * data->capacity : 16;
        tuning_entry *grown = realloc(data->entries, more * sizeof *grown);
        if (grown == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for tuning data");
        data->entries = grown;
        data->capacity = more;
    }
    if (at == NULL)
        data->entries[data->count++] = *entry;
    else if (entry->tuned >= at->tuned)
        *at = *entry;
    if (entry->kind == TUNING_BEST && entry->reason[0] == '\0') drop_trials(data, entry);
    return CLCONV_SUCCESS;
}

clconv_status tuning_merge(tuning_data *data, const tuning_data *other, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < other->count && status == CLCONV_SUCCESS; i++)
        status = tuning_add(data, &other->entries[i], err);
    return status;
}

const tuning_entry *tuning_nearest(const tuning_data *data, const tuning_place *place, const tuning_class *c,
                                   double *distance)
{
    const tuning_entry *nearest = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < data->count; i++) {
        const tuning_entry *e = &data->entries[i];
        if (e->kind != TUNING_BEST || !is_same_place(&e->place, place)) continue;
        double d = tuning_distance(&e->class, c);
        /* Of equally near ones the first by name, whatever the order of the data. */
        bool is_nearer = d < least || (nearest != NULL && d == least &&
                                       strcmp(e->class.problem, nearest->class.problem) < 0);
        if (d > TUNING_REACH || !is_nearer) continue;
        nearest = e;
        least = d;
    }
    if (nearest != NULL) *distance = least;
    return nearest;
}

const tuning_entry *tuning_find(const tuning_data *data, const tuning_entry *like)
{
    for (size_t i = 0; i < data->count; i++) {
        const tuning_entry *e = &data->entries[i];
        if (e->kind != like->kind || !is_same_place(&e->place, &like->place)) continue;
        if (e->kind != TUNING_FAILED && !tuning_class_equals(&e->class, &like->class)) continue;
        if (e->kind == TUNING_BEST || is_same_candidate(e, like)) return e;
    }
    return NULL;
}
