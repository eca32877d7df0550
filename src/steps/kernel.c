/* Describing a kernel launch: see kernel.h. */
#include "steps/kernel.h"

#include "base/arith.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

enum { MAX_GROUPS = 65534, FURTHEST = 1 << 30 /* the stride of a part, in common/types.clh */ };

step kernel_step(const char *name, const char *source, const char *kernel, clconv_dtype dtype)
{
    step s = {.kind = STEP_KERNEL, .name = name};
    s.element_size = dtype == CLCONV_FLOAT64 ? 8 : 4;
    s.launch.source = source;
    s.launch.kernel = kernel;
    strcpy(s.launch.options,
           dtype == CLCONV_FLOAT64 ? "-cl-std=CL1.2 -DREAL_BITS=64" : "-cl-std=CL1.2 -DREAL_BITS=32");
    return s;
}

void kernel_add_buffer(step *s, buffer_role role, int64_t offset)
{
    if (s->buffer_count == STEP_BUFFERS)
        s->overflows = true;
    else
        s->buffers[s->buffer_count++] = (step_buffer){role, offset};
}

void kernel_add_tensors(step *s, const clconv_problem *problem, buffer_role weight)
{
    kernel_add_buffer(s, BUFFER_INPUT, 0);
    kernel_add_buffer(s, weight, 0);
    kernel_add_buffer(s, problem->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(s, BUFFER_OUTPUT, 0);
}

void kernel_define(step *s, const char *name, int64_t value)
{
    char *end = s->launch.options + strlen(s->launch.options), digits[TEXT_INTEGER_SIZE];
    const char *const parts[] = {" -D", name, "=", text_integer(value, digits)};
    if (text_join(end, sizeof s->launch.options - (size_t)(end - s->launch.options), parts, 4)) return;
    *end = '\0';
    s->overflows = true;
}

void kernel_set_scalars(step *s, const void *scalars, size_t size)
{
    assert(size % sizeof s->launch.scalars[0] == 0);
    if (size > sizeof s->launch.scalars) {
        s->overflows = true;
        return;
    }
    memcpy(s->launch.scalars, scalars, size);
    s->launch.scalar_count = (int)(size / sizeof s->launch.scalars[0]);
}

void kernel_add_scalar(step *s, int64_t scalar)
{
    if (s->launch.scalar_count == STEP_SCALARS)
        s->overflows = true;
    else
        s->launch.scalars[s->launch.scalar_count++] = scalar;
}

void kernel_set_range(step *s, const int64_t counts[3], const int64_t local[3])
{
    for (int axis = 0; axis < 3; axis++) {
        int64_t groups = min_i64(max_i64(counts[axis], 1), MAX_GROUPS);
        s->launch.global[axis] = (size_t)(groups * local[axis]);
        s->launch.local[axis] = (size_t)local[axis];
        s->launch.groups[axis] = counts[axis] < FURTHEST / local[axis] ? max_i64(counts[axis], 1) : 0;
    }
}

void kernel_share_out(step *s, int64_t groups, int64_t local)
{
    kernel_set_range(s, (const int64_t[]){groups, 1, 1}, (const int64_t[]){local, 1, 1});
    kernel_keep_whole(s);
}

void kernel_keep_whole(step *s)
{
    for (int axis = 0; axis < 3; axis++)
        s->launch.groups[axis] = 0;
}

bool launch_same_program(const kernel_launch *a, const kernel_launch *b)
{
    return strcmp(a->source, b->source) == 0 && strcmp(a->options, b->options) == 0;
}

/* The longest axis that can be cut; the last of equals, so that a part's memory is together. */
static int longest_axis(const kernel_launch *l)
{
    int longest = 0;
    for (int axis = 1; axis < 3; axis++)
        if (l->groups[axis] >= l->groups[longest]) longest = axis;
    return longest;
}

int64_t launch_parts(const kernel_launch *l, int64_t wanted)
{
    const int64_t groups = l->groups[longest_axis(l)];
    if (wanted <= 1 || groups <= 1) return 1;
    return min_i64(max_i64(wanted, ceil_divide(groups, MAX_GROUPS)), groups);
}

launch_part launch_part_at(const kernel_launch *l, int64_t parts, int64_t index)
{
    launch_part p = {.global = {l->global[0], l->global[1], l->global[2]}};
    if (parts == 1) return p;
    const int axis = longest_axis(l);
    const int64_t groups = l->groups[axis], first = groups * index / parts,
                  end = groups * (index + 1) / parts;
    p.offset[axis] = (size_t)(first + 1) * l->local[axis];
    p.global[axis] = (size_t)(end - first) * l->local[axis];
    return p;
}

int64_t kernel_output_streams(const machine *m, int64_t bytes)
{
    return bytes > m->shared_cache / 4;
}
