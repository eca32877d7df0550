/* weight_direct: the gradient of the weight as sums over positions of the padded input and the output
 * gradient, both in a scratch volume of one pitch (cl/any/weight_direct.cl). Samples and depth go in chunks that
 * stay in cache; slices of a chunk are summed apart and then added in their order. */
#include "arguments/weight_direct.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/scratch.h"
#include "steps/weights.h"

typedef struct weight_direct_arguments {
    WEIGHT_DIRECT_ARGUMENTS(ARGUMENT_MEMBER)
} weight_direct_arguments;

enum { OUT_CHANNELS, ROWS, VECTOR_WIDTH, LOCAL_SIZE, CHUNK_KIB, SLICE_POSITIONS };

static const parameter_range ranges[] = {
    [OUT_CHANNELS] = {"out_channels", 1, 16, false},
    [ROWS] = {"rows", 1, 16, false},
    [VECTOR_WIDTH] = {"vector_width", 1, 16, true},
    [LOCAL_SIZE] = {"local_size", 1, 256, true},
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 30, false}, /* both volumes' size at most, or one plane's */
    [SLICE_POSITIONS] = {"slice_positions", 1, 1 << 30,
                         false}, /* summed in registers at least, if there are */
    {NULL, 0, 0, false},
};

enum { MAX_SUMS_MIB = 64 };

static void choose(const request *q, parameter_set *p)
{
    weight_tile tile = weights_choose_tile(q->traits, q->problem, q->geometry);
    p->values[OUT_CHANNELS] = tile.out_channels;
    p->values[ROWS] = tile.rows;
    p->values[VECTOR_WIDTH] = tile.vector_width;
    p->values[LOCAL_SIZE] = tile.local_size;
    /* These decide the order of sums, so they are no machine's. */
    p->values[CHUNK_KIB] = q->traits->is_cpu ? 8192 : 1 << 20;
    p->values[SLICE_POSITIONS] = q->traits->is_cpu ? 4096 : 1 << 16;
}

static weight_tile tile_of(const parameter_set *p)
{
    return (weight_tile){p->values[OUT_CHANNELS], p->values[ROWS], p->values[VECTOR_WIDTH],
                         p->values[LOCAL_SIZE]};
}

/* The two volumes of a chunk of output planes of one sample, and where they lie. */
typedef struct volumes {
    clconv_problem gradient; /* the output gradient as the input of a problem, for pad */
    geometry gradient_geometry;
    scratch_layout input, output; /* of all planes */
    int64_t depth;                /* output planes of a chunk */
    int64_t slice_planes, slices; /* of a chunk */
    bool in_place;                /* both tensors are read where they are, */
    bool gradient_in_place;       /* or the output gradient, whose rows are whole vectors */
    int64_t chunks;               /* of all samples */
    int64_t input_offset, output_offset;
    weight_sums sums;
} volumes;

/* A kernel of one row and column needs no copy if planes are whole vectors, so that none runs into the next
 * plane. */
static bool reads_in_place(const request *q, const parameter_set *p, const scratch_layout *l)
{
    const clconv_problem *problem = q->problem;
    for (int axis = 1; axis < 3; axis++)
        if (!geometry_is_identity(problem, q->geometry, axis)) return false;
    if (problem->pad_before[0] + problem->pad_after[0] > 0 && !l->clips_depth) return false;
    return problem->input[1] * problem->input[2] % (p->values[VECTOR_WIDTH] * p->values[LOCAL_SIZE]) == 0;
}

static bool lay_out(const request *q, const parameter_set *p, volumes *v)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t lanes = p->values[VECTOR_WIDTH] * p->values[LOCAL_SIZE], plane;
    if (!scratch_layout_compute(problem, g, false, &v->input)) return false;
    v->in_place = reads_in_place(q, p, &v->input);
    /* Every vector stays inside its plane, whose end is zero. */
    if (!v->in_place) scratch_layout_widen(&v->input, problem, lanes);
    v->gradient_in_place = v->in_place || g->output[2] % lanes == 0;
    int64_t pitch = v->gradient_in_place ? g->output[2] : v->input.pitch;
    if (!size_multiply(g->output[1] - 1, pitch, &plane)) return false;
    plane = round_up(plane + g->output[2], lanes);
    if (plane > INT32_MAX || v->input.plane_size > INT32_MAX) return false;
    clconv_problem_init(&v->gradient);
    v->gradient.batch = problem->batch;
    v->gradient.in_channels = v->gradient.out_channels = problem->out_channels;
    v->gradient.dtype = problem->dtype;
    for (int axis = 0; axis < 3; axis++)
        v->gradient.input[axis] = g->output[axis];
    if (geometry_compute(&v->gradient, &v->gradient_geometry, NULL) != CLCONV_SUCCESS) return false;
    v->output = (scratch_layout){
        .padded_depth = g->output[0],
        .phases = {1, 1, 1},
        .rows = g->output[1],
        .pitch = pitch,
        .phase_pitch = plane,
        .plane_size = plane,
    };
    int64_t elements;
    return size_product((const int64_t[]){problem->out_channels, g->output[0], plane}, 3, &elements) &&
           elements <= INT64_MAX / 64;
}

/* Planes of a chunk and of its slices: as long sums as slice_positions asks for, as few slices as their sums'
 * memory asks for. */
static void divide(const request *q, const parameter_set *p, volumes *v)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t depth = g->output[0], chunk = p->values[CHUNK_KIB] << 10;
    for (v->depth = depth; v->depth > 1 && !v->in_place; v->depth = ceil_divide(v->depth, 2)) {
        int64_t planes = geometry_planes_read(problem, v->depth, v->input.clips_depth);
        double bytes = (double)g->element_size *
                       ((double)planes * (double)problem->in_channels * (double)v->input.plane_size +
                        (double)v->depth * (double)problem->out_channels * (double)v->output.plane_size);
        if (bytes <= (double)chunk) break;
    }
    int64_t most = max_i64(((int64_t)MAX_SUMS_MIB << 20) / (g->elements.weight * g->element_size), 1);
    int64_t wanted = max_i64(v->depth * v->output.plane_size / p->values[SLICE_POSITIONS], 1);
    v->slice_planes = ceil_divide(v->depth, min_i64(wanted, most));
    v->slices = ceil_divide(v->depth, v->slice_planes);
    v->chunks = problem->batch * ceil_divide(depth, v->depth);
    v->sums.levels = weights_levels(v->chunks);
}

static bool reserve(const request *q, const parameter_set *p, volumes *v, recipe *r)
{
    const geometry *g = q->geometry;
    int64_t planes = geometry_planes_read(q->problem, v->depth, v->input.clips_depth), input, output;
    weight_sums *w = &v->sums;
    int64_t slack = p->values[VECTOR_WIDTH] * p->values[LOCAL_SIZE];
    if (!size_product((const int64_t[]){planes, q->problem->in_channels, v->input.plane_size}, 3, &input) ||
        !size_product((const int64_t[]){v->depth, q->problem->out_channels, v->output.plane_size}, 3,
                      &output) ||
        !size_multiply(v->slices, g->elements.weight, &w->count) || input > INT64_MAX / 64 ||
        output > INT64_MAX / 64 || w->count > INT64_MAX / 64 / (1 + w->levels))
        return false;
    if (!v->in_place) v->input_offset = recipe_reserve(r, (input + slack) * g->element_size);
    if (!v->gradient_in_place) v->output_offset = recipe_reserve(r, output * g->element_size);
    w->sums = (step_buffer){BUFFER_OUTPUT, 0};
    if (v->slices > 1)
        w->sums = (step_buffer){BUFFER_WORKSPACE, recipe_reserve(r, w->count * g->element_size)};
    if (w->levels > 0) w->totals = recipe_reserve(r, w->levels * w->count * g->element_size);
    return true;
}

/* What one run of the kernel sums: output planes [z, z + planes) of a sample. */
typedef struct chunk {
    int64_t sample, z, planes;
    depth_span span; /* input planes that are read and stored */
} chunk;

static weight_direct_arguments describe(const request *q, const parameter_set *p, const volumes *v,
                                        const chunk *c)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    weight_direct_arguments a = {
        .plane_blocks = ceil_divide(weights_rows(problem, g->group_in), p->values[ROWS]),
        .group_blocks = ceil_divide(g->group_out, p->values[OUT_CHANNELS]),
        .slices = v->slices,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .rows = weights_rows(problem, g->group_in),
        .kernel_d = problem->kernel[0],
        .kernel_h = problem->kernel[1],
        .kernel_w = problem->kernel[2] / weights_row_taps(problem),
        .stride_d = problem->stride[0],
        AXES(dilation, problem->dilation),
        .planes = c->planes,
        .slice_planes = v->slice_planes,
        .padded_depth = c->span.last - c->span.first,
        .clip_depth = c->span.first + problem->pad_before[0] - c->z * problem->stride[0],
        .plane_size = v->input.plane_size,
        .phase_pitch = v->input.phase_pitch,
        .pitch = v->input.pitch,
        .out_plane = v->output.plane_size,
        .lines = 1,
        .line_size = v->output.plane_size,
        .weights = g->elements.weight,
        .accumulate = c->sample > 0 || c->z > 0,
    };
    a.channel_size = a.padded_depth * a.plane_size;
    a.out_channel = (v->gradient_in_place ? g->output[0] : a.planes) * a.out_plane;
    if (v->gradient_in_place && !v->in_place) {
        a.lines = g->output[1];
        a.line_size = g->output[2];
        a.line_pitch = v->input.pitch;
    }
    a.row_blocks = a.plane_blocks * problem->kernel[0];
    a.out_blocks = a.group_blocks * problem->groups;
    return a;
}

static void append_product(const request *q, const parameter_set *p, const volumes *v, const chunk *c,
                           recipe *r)
{
    const clconv_problem *problem = q->problem;
    int64_t element = q->geometry->element_size;
    weight_direct_arguments a = describe(q, p, v, c);
    weight_tile tile = tile_of(p);
    step s = kernel_step("weight_direct", "any/weight_direct.cl", "weight_direct", problem->dtype);
    weights_define(&s, &tile, problem, &v->input);
    if (v->in_place)
        kernel_add_buffer(&s, BUFFER_INPUT, c->sample * problem->in_channels * a.channel_size * element);
    else
        kernel_add_buffer(&s, BUFFER_WORKSPACE, v->input_offset);
    if (v->gradient_in_place)
        kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT,
                          (c->sample * problem->out_channels * a.out_channel + c->z * a.out_plane) * element);
    else
        kernel_add_buffer(&s, BUFFER_WORKSPACE, v->output_offset);
    kernel_add_buffer(&s, v->sums.sums.role, v->sums.sums.offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.row_blocks, a.out_blocks, a.slices},
                     (const int64_t[]){p->values[LOCAL_SIZE], 1, 1});
    double tiles = (double)(a.row_blocks * tile.rows * weights_row_taps(problem)) *
                   (double)(a.out_blocks * tile.out_channels);
    double positions = (double)(a.planes * a.out_plane);
    const machine *m = q->traits->machine;
    double share = weights_share(m, &tile, problem);
    step_computes(&s, tiles * positions, share);
    s.work.busy += tiles * (double)a.slices * weights_lanes_added(m, &tile) / share;
    step_moves(&s, (double)element * ((double)problem->in_channels * (double)a.channel_size +
                                      (double)problem->out_channels * positions));
    recipe_append_run(r, &s);
}

static void append_chunk(const request *q, const parameter_set *p, const volumes *v, int64_t sample,
                         int64_t z, int64_t planes, recipe *r)
{
    const clconv_problem *problem = q->problem;
    chunk c = {sample, z, planes, geometry_depth_span(problem, z, planes, v->input.clips_depth)};
    if (v->in_place) c.span = (depth_span){0, problem->input[0]};
    if (!v->in_place && c.span.last > c.span.first) {
        scratch_part input = scratch_part_of(problem, &v->input, sample, 1, c.span);
        scratch_append_pad(r, problem, q->geometry, &input, v->input_offset, q->traits);
    }
    if (!v->gradient_in_place) {
        scratch_part output =
            scratch_part_of(&v->gradient, &v->output, sample, 1, (depth_span){z, z + planes});
        output.role = BUFFER_GRAD_OUTPUT;
        scratch_append_pad(r, &v->gradient, &v->gradient_geometry, &output, v->output_offset, q->traits);
    }
    append_product(q, p, v, &c, r);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const product_tile tile = {p->values[OUT_CHANNELS], p->values[ROWS], p->values[VECTOR_WIDTH],
                               p->values[LOCAL_SIZE]};
    if (!tile_is_legal(&tile, why)) return;
    volumes v = {0};
    if (!lay_out(q, p, &v)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    divide(q, p, &v);
    if (!reserve(q, p, &v, r)) {
        text_append(why, "its volumes would overflow");
        return;
    }
    if (!recipe_admits(r, v.chunks, 4, why)) return;
    int64_t depth = q->geometry->output[0], chunk = 0;
    for (int64_t n = 0; n < q->problem->batch; n++)
        for (int64_t z = 0; z < depth; z += v.depth) {
            weights_before_chunk(r, q->problem, &v.sums, chunk++, q->traits);
            append_chunk(q, p, &v, n, z, min_i64(v.depth, depth - z), r);
        }
    weights_after_chunks(r, q->problem, &v.sums, v.chunks, q->traits);
    if (v.slices > 1)
        weights_append_reduce(r, q->problem, q->geometry, v.sums.sums.offset, v.slices, q->traits);
}

const algorithm algorithm_weight_direct = {.name = "weight_direct",
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit,
                                           .op = CLCONV_BACKWARD_WEIGHT};
