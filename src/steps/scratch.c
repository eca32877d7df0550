/* The scratch volume and its step: see scratch.h. */
#include "steps/scratch.h"

#include "arguments/pad.clh"
#include "base/arith.h"
#include "steps/kernel.h"

typedef struct pad_arguments {
    PAD_ARGUMENTS(ARGUMENT_MEMBER)
} pad_arguments;

/* Kernels count a plane in 32 bits. */
enum { MAX_STRIDE = INT32_MAX / 4 };

/* Cells of a phase row that some tap of some output reads. */
static int64_t cells_needed(const clconv_problem *p, const geometry *g, int axis)
{
    return g->output[axis] + (p->kernel[axis] - 1) * p->dilation[axis] / p->stride[axis];
}

/* Zeros on the right of a row may be the next row's zeros on the left; other modes store both. Rows of
 * positions must not overlap, so the pitch holds an output row at least. */
static int64_t row_pitch(const clconv_problem *p, const geometry *g)
{
    int64_t needed = cells_needed(p, g, 2);
    if (p->padding_mode != CLCONV_PADDING_ZEROS) return needed;
    int64_t data = ceil_divide(p->pad_before[2] + p->input[2], p->stride[2]);
    int64_t zeros = p->pad_before[2] / p->stride[2];
    return min_i64(needed, max_i64(max_i64(data, g->output[2]), needed - zeros));
}

bool scratch_layout_compute(const clconv_problem *problem, const geometry *g, bool store_zeros,
                            scratch_layout *layout)
{
    const clconv_problem *p = problem;
    bool clip = p->padding_mode == CLCONV_PADDING_ZEROS && !store_zeros;
    scratch_layout l = {
        .padded_depth = clip ? p->input[0] : g->padded[0],
        .clips_depth = clip,
        .rows = cells_needed(p, g, 1),
        .pitch = row_pitch(p, g),
    };
    if (p->stride[1] > MAX_STRIDE || p->stride[2] > MAX_STRIDE) return false;
    for (int axis = 0; axis < 3; axis++)
        l.phases[axis] = min_i64(p->stride[axis], (p->kernel[axis] - 1) * p->dilation[axis] + 1);
    int64_t cells;
    if (!size_multiply(l.rows, l.pitch, &cells)) return false;
    if (!size_add(cells, cells_needed(p, g, 2) - l.pitch, &l.phase_pitch)) return false;
    if (!size_product((const int64_t[]){l.phases[1], l.phases[2], l.phase_pitch}, 3, &l.plane_size))
        return false;
    if (l.plane_size > INT32_MAX) return false;
    if (!size_multiply(l.plane_size, l.padded_depth, &l.channel_size)) return false;
    if (!size_multiply(l.channel_size, p->in_channels, &l.sample_size)) return false;
    if (l.sample_size > INT64_MAX / 64) return false;
    *layout = l;
    return true;
}

void scratch_layout_widen(scratch_layout *layout, const clconv_problem *problem, int64_t elements)
{
    scratch_layout *l = layout;
    l->phase_pitch += elements;
    l->plane_size = l->phases[1] * l->phases[2] * l->phase_pitch;
    l->channel_size = l->padded_depth * l->plane_size;
    l->sample_size = l->channel_size * problem->in_channels;
}

scratch_part scratch_part_of(const clconv_problem *problem, const scratch_layout *whole, int64_t sample,
                             int64_t samples, depth_span span)
{
    scratch_part part = {
        .layout = *whole, .role = BUFFER_INPUT, .sample = sample, .samples = samples, .span = span};
    part.layout.padded_depth = span.last - span.first;
    part.layout.channel_size = part.layout.padded_depth * whole->plane_size;
    part.layout.sample_size = part.layout.channel_size * problem->in_channels;
    return part;
}

void scratch_append_pad(recipe *r, const clconv_problem *problem, const geometry *g, const scratch_part *part,
                        int64_t offset, const device_traits *traits)
{
    enum { ITEM_ELEMENTS = 4096 }; /* enough work to hide a work-group's start, little enough to share out */
    const clconv_problem *p = problem;
    const scratch_layout *layout = &part->layout;
    pad_arguments a = {
        .planes = part->samples * p->in_channels * layout->padded_depth,
        .padded_depth = layout->padded_depth,
        INPUT_EXTENTS(p),
        .pad_depth = -part->span.first,
        .pad_height = p->pad_before[1],
        .pad_width = p->pad_before[2],
        .mode = p->padding_mode,
        .first_depth = part->span.first + p->pad_before[0],
        .stride_d = p->stride[0],
        .phases_d = layout->phases[0],
        .stride_h = p->stride[1],
        .stride_w = p->stride[2],
        .phases_h = layout->phases[1],
        .phases_w = layout->phases[2],
        .rows = layout->rows,
        .pitch = layout->pitch,
        .phase_pitch = layout->phase_pitch,
        .rows_per_item = max_i64(1, ITEM_ELEMENTS / (layout->pitch * layout->phases[2])),
    };
    step s = kernel_step("pad", "any/pad.cl", "pad", p->dtype);
    kernel_define(&s, "VECTOR_WIDTH", traits_vector_width(traits, g->element_size));
    kernel_add_buffer(&s, part->role, part->sample * p->in_channels * g->input_plane * g->element_size);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    int64_t blocks = ceil_divide(layout->rows * layout->phases[1], a.rows_per_item);
    kernel_set_range(&s, (const int64_t[]){1, blocks, a.planes}, (const int64_t[]){traits->local_size, 1, 1});
    double planes = (double)a.planes * (double)a.phases_d / (double)a.stride_d;
    double rows_read = (double)a.height * (double)a.phases_h / (double)a.stride_h;
    double rows_made = (double)(layout->rows * a.phases_h);
    step_moves(&s,
               planes * (double)g->element_size * (rows_read * (double)a.width + (double)layout->plane_size));
    s.work.traffic += planes * traits->machine->plain.row_bytes * rows_made;
    recipe_append_run(r, &s);
}
