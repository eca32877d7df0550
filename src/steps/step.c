/* Lists of steps: see step.h. */
#include "steps/step.h"

#include "base/arith.h"

#include <stdlib.h>

static void append(step **list, size_t *count, size_t *capacity, const step *s, bool *failed)
{
    if (*failed) return;
    if (*count == *capacity) {
        size_t larger = *capacity == 0 ? 4 : 2 * *capacity;
        step *grown = realloc(*list, larger * sizeof **list);
        if (grown == NULL) {
            *failed = true;
            return;
        }
        *list = grown;
        *capacity = larger;
    }
    (*list)[(*count)++] = *s;
}

void recipe_append_run(recipe *r, const step *s)
{
    append(&r->run, &r->run_count, &r->run_capacity, s, &r->failed);
}

void recipe_append_pack(recipe *r, const step *s)
{
    append(&r->pack, &r->pack_count, &r->pack_capacity, s, &r->failed);
}

void recipe_append_copy(recipe *r, step_buffer from, step_buffer to, int64_t bytes, int64_t element_size)
{
    step s = {.kind = STEP_COPY,
              .name = "copy",
              .element_size = element_size,
              .buffers = {from, to},
              .buffer_count = 2,
              .copy_bytes = bytes};
    step_moves(&s, 2 * (double)bytes);
    recipe_append_pack(r, &s);
}

void recipe_release(recipe *r)
{
    free(r->pack);
    free(r->run);
    *r = (recipe){0};
}

int64_t recipe_reserve(recipe *r, int64_t bytes)
{
    int64_t offset = r->workspace_bytes;
    r->workspace_bytes = round_up(offset + bytes, WORKSPACE_ALIGNMENT);
    return offset;
}
