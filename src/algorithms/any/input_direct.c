/* The input gradient of a strided convolution: the output's gradient is padded once, and each residue of the
 * strides (steps/adjoint.h) is convolved from it by the kernel of `direct`, in a volume of its own; then the
 * volumes are gathered. This goes by so many samples that volumes stay in cache too, or by planes of one
 * sample, so that the padded gradient does. */
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/adjoint.h"
#include "steps/product.h"

enum { CHUNK_KIB = TILE_PARAMETERS };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PRODUCT_VECTORS),
    {"chunk_kib", 1, 1 << 22, false},
    {NULL, 0, 0, false},
};

typedef struct input_plan {
    product_tile tile;
    adjoint_volumes volumes;
    clconv_problem gradient; /* the output's gradient as the input of a problem, for pad and depth spans */
    geometry gradient_geometry;
    scratch_layout layout;
    int64_t origin[3];      /* the output that the padded gradient starts with; on the depth axis 0 */
    int64_t samples, depth; /* of a chunk */
    int64_t padded_at;
} input_plan;

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_in, PRODUCT_VECTORS), p);
    p->values[CHUNK_KIB] = 5 * q->traits->machine->between_steps / 2 >> 10;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    if (q->strict) {
        text_append(why, "strict numerics exclude it: it leaves out the padding's zeros on the depth axis");
        return false;
    }
    if (p->stride[0] == 1 && p->stride[1] == 1 && p->stride[2] == 1) {
        text_append(why, "stride is 1; it is for strides above 1");
        return false;
    }
    return adjoint_is_few(p, ADJOINT_MAX_CONVOLUTIONS, why);
}

/* Padding of H and W to what is read. Of D nothing is stored that does not exist: there the problem is given
 * the window, of all residues together, that a plane of cells reads, and its start may well be negative. */
static bool lay_out_gradient(const request *q, input_plan *w)
{
    const clconv_problem *p = q->problem;
    clconv_problem *c = &w->gradient;
    int64_t first[3], end[3];
    clconv_problem_init(c);
    c->batch = p->batch;
    c->in_channels = c->out_channels = p->out_channels;
    c->dtype = p->dtype;
    for (int axis = 0; axis < 3; axis++) {
        adjoint_reads(p, axis, &w->volumes.axis[axis], &first[axis], &end[axis]);
        c->input[axis] = q->geometry->output[axis];
        if (axis == 0) continue;
        w->origin[axis] = min_i64(first[axis], 0);
        c->pad_before[axis] = -w->origin[axis];
        c->pad_after[axis] = max_i64(end[axis] - c->input[axis], 0);
    }
    clconv_error unused;
    bool fits = geometry_compute(c, &w->gradient_geometry, &unused) == CLCONV_SUCCESS &&
                scratch_layout_compute(c, &w->gradient_geometry, false, &w->layout);
    c->kernel[0] = end[0] - first[0] - w->volumes.axis[0].count + 1;
    c->pad_before[0] = -first[0];
    return fits;
}

/* Volumes, of one sample, have the pitch of what is read for them, so that a product stores rows and what
 * lies between them without a gap. */
static bool lay_out(const request *q, input_plan *w, text *why)
{
    adjoint_volumes *v = &w->volumes;
    for (int axis = 0; axis < 3; axis++)
        v->axis[axis] = adjoint_span(q->problem, q->geometry, axis);
    if (!lay_out_gradient(q, w)) {
        text_append(why, "the padded gradient of the output is too large");
        return false;
    }
    v->pitch = w->layout.pitch;
    return adjoint_lay_out(q->problem, q->geometry, 1, v, why);
}

static void residues_of(const adjoint_volumes *v, int64_t volume, int64_t e[3])
{
    e[2] = volume % v->axis[2].residues;
    e[1] = volume / v->axis[2].residues % v->axis[1].residues;
    e[0] = volume / v->axis[2].residues / v->axis[1].residues;
}

/* Whole samples, or planes of cells of one whose padded gradient is larger than `wanted` bytes; 0 planes if
 * not one fits. */
static void choose_chunk(const request *q, int64_t plane_bytes, int64_t wanted, input_plan *w)
{
    int64_t batch = q->problem->batch, depth = w->volumes.axis[0].count;
    int64_t sample_bytes = w->layout.sample_size * q->geometry->element_size;
    w->samples = max_i64(wanted / (sample_bytes + w->volumes.bytes), 1);
    w->samples = ceil_divide(batch, ceil_divide(batch, w->samples));
    w->depth = depth;
    if (sample_bytes <= wanted) return;
    w->depth = min_i64(wanted / plane_bytes - w->gradient.kernel[0] + 1, depth);
    if (w->depth > 0) w->depth = ceil_divide(depth, ceil_divide(depth, w->depth));
}

/* The volumes are laid out for one sample until here. Several planes are wanted at least, since neighbouring
 * chunks both pad those that they share. */
static bool reserve(const request *q, int64_t chunk_bytes, input_plan *w, recipe *r, text *why)
{
    enum { FEW_PLANES = 4 };
    int64_t element = q->geometry->element_size, slack = product_slack(&w->tile) * element;
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available =
        q->workspace_limit - packed - w->volumes.bytes - slack - (int64_t)2 * WORKSPACE_ALIGNMENT;
    int64_t plane_bytes = w->layout.plane_size * q->problem->out_channels * element;
    int64_t few = geometry_planes_read(&w->gradient, FEW_PLANES, true) * plane_bytes;
    choose_chunk(q, plane_bytes, min_i64(available, max_i64(chunk_bytes, few)), w);
    if (w->depth <= 0) {
        text_append(why, "it needs %lld bytes of workspace for one plane of one sample; the limit is %lld",
                    (long long)(q->workspace_limit - available + w->gradient.kernel[0] * plane_bytes),
                    (long long)q->workspace_limit);
        return false;
    }
    w->volumes.volume *= w->samples;
    w->volumes.bytes *= w->samples;
    w->volumes.offset = recipe_reserve(r, w->volumes.bytes);
    int64_t planes = geometry_planes_read(&w->gradient, w->depth, true);
    w->padded_at = recipe_reserve(r, w->samples * planes * plane_bytes + slack);
    return true;
}

/* What is convolved at once: planes of cells [z, z + depth) of samples [sample, sample + samples). */
typedef struct chunk {
    int64_t sample, samples, z, depth;
} chunk;

static void append_residue(const request *q, const input_plan *w, const chunk *c, const scratch_part *part,
                           int64_t volume, recipe *r)
{
    const clconv_problem *p = q->problem;
    const adjoint_axis *axis = w->volumes.axis;
    int64_t element = q->geometry->element_size, e[3], start[3];
    int64_t plane = axis[1].count * w->volumes.pitch;
    residues_of(&w->volumes, volume, e);
    product what = {
        .name = "input_direct",
        .dtype = p->dtype,
        .samples = c->samples,
        .groups = p->groups,
        .group_in = q->geometry->group_out,
        .group_out = q->geometry->group_in,
        .stride = {1, 1, 1},
        .output = {c->depth, axis[1].count, axis[2].count},
        .output_depth = axis[0].count,
        .layout = &part->layout,
        .stores_gutter = true,
        .weight = {BUFFER_PACKED, adjoint_packed_at(p, q->geometry, &w->volumes, e, w->tile.out_channels)},
        .output_buffer = {BUFFER_WORKSPACE,
                          w->volumes.offset + (volume * w->volumes.volume + c->z * plane) * element},
    };
    for (int i = 0; i < 3; i++) {
        adjoint_taps t = adjoint_taps_of(p, i, &axis[i], e[i]);
        what.kernel[i] = t.count;
        what.dilation[i] = t.dilation;
        start[i] = t.first + t.start - w->origin[i];
    }
    what.clip_depth = part->span.first - c->z - start[0];
    what.input =
        (step_buffer){BUFFER_WORKSPACE, w->padded_at + (start[1] * part->layout.pitch + start[2]) * element};
    product_append(r, &what, &w->tile, q->traits->machine);
}

static void append_chunk(const request *q, const input_plan *w, const chunk *c, recipe *r)
{
    depth_span span = geometry_depth_span(&w->gradient, c->z, c->depth, true);
    scratch_part part = scratch_part_of(&w->gradient, &w->layout, c->sample, c->samples, span);
    if (span.last > span.first)
        scratch_append_pad(r, &w->gradient, &w->gradient_geometry, &part, w->padded_at, q->traits);
    for (int64_t volume = 0; volume < adjoint_volume_count(&w->volumes); volume++)
        append_residue(q, w, c, &part, volume, r);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    input_plan w = {.origin = {0}};
    if (!tile_from_parameters(p, &w.tile, why) || !is_applicable(q, why) || !lay_out(q, &w, why)) return;
    if (!adjoint_append_pack(r, q->problem, q->geometry, &w.volumes, w.tile.out_channels, q->traits, why))
        return;
    if (!reserve(q, p->values[CHUNK_KIB] << 10, &w, r, why)) return;
    int64_t parts = ceil_divide(w.volumes.axis[0].count, w.depth), chunks;
    if (!size_multiply(ceil_divide(q->problem->batch, w.samples), parts, &chunks)) chunks = INT64_MAX;
    if (!recipe_admits(r, chunks, 2 + adjoint_volume_count(&w.volumes), why)) return;
    bool has_bias = q->op == CLCONV_TRANSPOSED && q->problem->has_bias;
    for (int64_t n = 0; n < q->problem->batch; n += w.samples) {
        chunk c = {n, min_i64(w.samples, q->problem->batch - n), 0, 0};
        for (; c.z < w.volumes.axis[0].count; c.z += w.depth) {
            c.depth = min_i64(w.depth, w.volumes.axis[0].count - c.z);
            append_chunk(q, &w, &c, r);
        }
        adjoint_append_gather(r, q->problem, q->geometry, &w.volumes, c.sample, c.samples, has_bias,
                              q->traits);
    }
}

const algorithm algorithm_input_direct = {.name = "input_direct",
                                          .accumulates_directly = true,
                                          .ranges = ranges,
                                          .choose = choose,
                                          .emit = emit,
                                          .op = CLCONV_BACKWARD_INPUT};
