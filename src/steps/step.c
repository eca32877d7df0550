/* Lists of steps: see step.h. */
#include "steps/step.h"

#include "base/arith.h"
#include "base/error.h"

#include <stdlib.h>

/* Makes room for one more; false if memory is out. */
static bool grow(step **list, size_t count, size_t *capacity)
{
    if (count < *capacity) return true;
    size_t larger = *capacity == 0 ? 4 : 2 * *capacity;
    step *grown = realloc(*list, larger * sizeof **list);
    if (grown == NULL) return false;
    *list = grown;
    *capacity = larger;
    return true;
}

static void append(recipe *r, step **list, size_t *count, size_t *capacity, const step *s)
{
    if (r->failed) return;
    if (s->overflows) r->overflowed = s->name;
    r->failed = s->overflows || !grow(list, *count, capacity);
    if (!r->failed) (*list)[(*count)++] = *s;
}

/* A run of hundreds of steps is rarely the cheapest, and storing them would take longer than all else of a plan. */
enum { MOST_COMPARED = 32 };

void recipe_append_run(recipe *r, const step *s)
{
    r->has_epilogue = r->has_epilogue || s->has_epilogue;
    r->run_steps++;
    if (r->compared != NULL) {
        r->run_seconds += machine_seconds(r->compared, r->speed, s->element_size, &s->work);
        r->is_cut = r->run_count >= MOST_COMPARED;
        if (r->is_cut && !s->overflows) return;
    }
    append(r, &r->run, &r->run_count, &r->run_capacity, s);
}

void recipe_append_pack(recipe *r, const step *s)
{
    append(r, &r->pack, &r->pack_count, &r->pack_capacity, s);
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

clconv_status recipe_check(const recipe *r, const char *owner, clconv_error *err)
{
    if (!r->failed) return CLCONV_SUCCESS;
    if (r->overflowed == NULL)
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the steps of %s", owner);
    return error_set(err, CLCONV_INTERNAL,
                     "step '%s' of %s has more than %d buffers, %d scalars or %d characters of options",
                     r->overflowed, owner, STEP_BUFFERS, STEP_SCALARS, STEP_OPTIONS - 1);
}

bool recipe_admits(const recipe *r, int64_t chunks, int64_t steps, text *why)
{
    int64_t room = RECIPE_MOST_STEPS - (int64_t)r->run_steps;
    if (chunks <= room / steps) return true;
    text_append(why, "it would take %lld chunks of %lld steps; a run has at most %d", (long long)chunks,
                (long long)steps, RECIPE_MOST_STEPS);
    return false;
}

int64_t recipe_reserve(recipe *r, int64_t bytes)
{
    int64_t offset = r->workspace_bytes;
    r->workspace_bytes = round_up(offset + bytes, WORKSPACE_ALIGNMENT);
    return offset;
}
