/* unfold: writes the input as panels of neighbouring output positions (cl/any/unfold.cl), in chunks that stay in
 * cache, and multiplies them with the weights (cl/any/panels.cl). A panel's rows are all taps of all channels; of
 * a kernel that is 1 on H and W only the channels, and kd takes neighbouring planes instead of more rows. */
#include "arguments/unfold.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/panels.h"

typedef struct unfold_arguments {
    UNFOLD_ARGUMENTS(ARGUMENT_MEMBER)
} unfold_arguments;

enum { CHUNK_KIB = TILE_PARAMETERS };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PANEL_VECTORS),
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 30, false}, /* the panels' size at most, unless one panel is larger */
    {NULL, 0, 0, false},
};

enum { GROUP_PANELS = 4, BLOCK_CHANNELS = 64, MAX_CHUNKS = 2048 };

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(panels_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out), p);
    p->values[CHUNK_KIB] = q->traits->machine->between_steps >> 10;
}

/* Extents of one plan; sizes in elements. */
typedef struct unfold_plan {
    product_tile tile;
    bool by_depth;           /* panels hold a plane, and the product sums over kd */
    int64_t planes;          /* of a sample */
    int64_t clip_depth;      /* planes of padding before the first */
    int64_t rows, positions; /* of a panel; of a plane */
    int64_t panels;          /* of a plane in a chunk */
    int64_t samples;         /* in a chunk */
    int64_t offset;          /* of the panels in the workspace, in bytes */
} unfold_plan;

static void lay_out(const request *q, unfold_plan *u)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    u->by_depth = p->kernel[0] > 1 && p->kernel[1] == 1 && p->kernel[2] == 1;
    bool clip = p->padding_mode == CLCONV_PADDING_ZEROS && !q->strict;
    u->planes = !u->by_depth ? 1 : clip ? p->input[0] : g->padded[0];
    u->clip_depth = u->by_depth && clip ? p->pad_before[0] : 0;
    u->rows = u->by_depth ? g->group_in : g->reduction;
    u->positions = g->output[1] * g->output[2] * (u->by_depth ? 1 : g->output[0]);
}

/* Panels of a plane and samples in a chunk: whole samples if one fits, else a part of one. */
static bool reserve(const request *q, const parameter_set *p, unfold_plan *u, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    int64_t all = ceil_divide(u->positions, panel_width(&u->tile)), column, sample;
    const int64_t extents[] = {u->planes, u->rows, q->problem->groups, panel_width(&u->tile),
                               g->element_size};
    if (!size_product(extents, 5, &column) || !size_multiply(column, all, &sample) ||
        sample > INT64_MAX / 64) {
        text_append(why, "its panels would overflow");
        return false;
    }
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available = (q->workspace_limit - packed) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
    int64_t wanted = min_i64(available, p->values[CHUNK_KIB] << 10);
    u->panels = max_i64(min_i64(all, wanted / column), 1);
    u->panels = ceil_divide(all, ceil_divide(all, u->panels));
    u->samples = min_i64(q->problem->batch, max_i64(wanted / sample, 1));
    u->offset = recipe_reserve(r, u->samples * u->panels * column);
    int64_t chunks = ceil_divide(q->problem->batch, u->samples) * ceil_divide(all, u->panels);
    if (chunks <= MAX_CHUNKS && !recipe_admits(r, chunks, 2, why)) return false;
    if (available >= r->workspace_bytes && chunks <= MAX_CHUNKS) return true;
    if (available < r->workspace_bytes)
        text_append(why, "it needs %lld bytes of workspace; the limit is %lld",
                    (long long)(r->workspace_bytes + packed), (long long)q->workspace_limit);
    else
        text_append(why, "it would take %lld chunks; it takes %d at most", (long long)chunks, MAX_CHUNKS);
    return false;
}

/* A chunk: samples [sample, sample + samples), of each plane `positions` from `first` on. */
typedef struct chunk {
    int64_t sample, samples, first, positions, panels, volume_size;
} chunk;

/* A copy of neighbours is as fast as memory, but rows of several taps are written far apart and by runs, a stride picks
 * elements, and each tap of each position must be found once for a block of channels. */
static void set_work(step *s, const unfold_arguments *a, const clconv_problem *p, const chunk *c,
                     const machine_plain *m)
{
    double taps = (double)(a->kernel_d * a->kernel_h * a->kernel_w), lanes = (double)(c->panels * a->planes);
    double bytes = 2 * (double)s->element_size * (double)a->volumes * (double)c->volume_size;
    step_moves(s, bytes);
    if (p->stride[2] > 1 || taps > 1) s->work.traffic = m->unfold_far * bytes;
    s->work.busy = m->unfold * taps * lanes * (double)(a->volumes * a->channel_blocks);
}

static void append_unfold(const request *q, const unfold_plan *u, const chunk *c, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    unfold_arguments a = {
        .volumes = c->samples * p->groups,
        .planes = u->planes,
        .panel_groups = ceil_divide(c->panels, GROUP_PANELS),
        .channel_blocks = ceil_divide(g->group_in, BLOCK_CHANNELS),
        .group_in = g->group_in,
        .first = c->first,
        .positions = c->positions,
        .plane_panels = c->panels,
        .volume_size = c->volume_size,
        INPUT_EXTENTS(p),
        .out_plane = g->output[1] * g->output[2],
        .out_width = g->output[2],
        .kernel_d = u->by_depth ? 1 : p->kernel[0],
        .kernel_h = p->kernel[1],
        .kernel_w = p->kernel[2],
        .stride_d = u->by_depth ? 1 : p->stride[0],
        .stride_h = p->stride[1],
        .stride_w = p->stride[2],
        AXES(dilation, p->dilation),
        .pad_depth = p->pad_before[0] - u->clip_depth,
        .pad_height = p->pad_before[1],
        .pad_width = p->pad_before[2],
        .mode = p->padding_mode,
    };
    a.block_channels = ceil_divide(g->group_in, a.channel_blocks);
    step s = kernel_step("unfold", "any/unfold.cl", "unfold", p->dtype);
    kernel_define(&s, "GROUP_PANELS", GROUP_PANELS);
    kernel_define(&s, "VECTOR_WIDTH", u->tile.vector_width);
    kernel_define(&s, "LOCAL_SIZE", u->tile.local_size);
    kernel_add_buffer(&s, BUFFER_INPUT, c->sample * p->in_channels * g->input_plane * g->element_size);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, u->offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.panel_groups, a.channel_blocks, a.planes * a.volumes},
                     (const int64_t[]){u->tile.local_size, 1, 1});
    set_work(&s, &a, q->problem, c, &q->traits->machine->plain);
    recipe_append_run(r, &s);
}

static void append_product(const request *q, const unfold_plan *u, const chunk *c, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    panel_product what = {
        .name = "product",
        .dtype = p->dtype,
        .volumes = c->samples * p->groups,
        .weights = p->groups,
        .out_channels = g->group_out,
        .out_depth = u->by_depth ? g->output[0] : 1,
        .positions = c->positions,
        .rows = u->rows,
        .depth = u->planes,
        .kernel_d = u->by_depth ? p->kernel[0] : 1,
        .stride_d = u->by_depth ? p->stride[0] : 1,
        .dilation_d = u->by_depth ? p->dilation[0] : 1,
        .clip_depth = u->clip_depth,
        .volume_size = c->volume_size,
        .out_plane = u->positions,
        .out_channel = g->output_plane,
        .out_volume = g->group_out * g->output_plane,
        .panels = {BUFFER_WORKSPACE, u->offset},
        .weight = {BUFFER_PACKED, 0},
        .bias = {p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0},
        .output = {BUFFER_OUTPUT,
                   (c->sample * p->out_channels * g->output_plane + c->first) * g->element_size},
        .taps = g->taps,
        .epilogue = p,
    };
    panels_append(r, &what, &u->tile, q->traits->machine);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    unfold_plan u = {0};
    if (!tile_from_parameters(p, &u.tile, why)) return;
    lay_out(q, &u);
    if (!pack_append(r, q->problem, q->geometry, u.tile.out_channels, u.by_depth, q->traits->local_size, why))
        return;
    if (!reserve(q, p, &u, r, why)) return;
    int64_t width = panel_width(&u.tile);
    for (int64_t n = 0; n < q->problem->batch; n += u.samples) {
        for (int64_t first = 0; first < u.positions; first += u.panels * width) {
            chunk c = {.sample = n,
                       .samples = min_i64(u.samples, q->problem->batch - n),
                       .first = first,
                       .positions = min_i64(u.panels * width, u.positions - first)};
            c.panels = ceil_divide(c.positions, width);
            c.volume_size = u.planes * c.panels * u.rows * width;
            append_unfold(q, &u, &c, r);
            append_product(q, &u, &c, r);
        }
    }
}

const algorithm algorithm_unfold = {.name = "unfold",
                                    .accumulates_directly = true,
                                    .ranges = ranges,
                                    .choose = choose,
                                    .emit = emit,
                                    .op = CLCONV_FORWARD};
