/* The product step: see product.h. */
#include "steps/product.h"

#include "arguments/direct.clh"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

typedef struct direct_arguments {
    DIRECT_ARGUMENTS(ARGUMENT_MEMBER)
} direct_arguments;

/* Wider kernels are looped over at run time: unrolled they gain nothing and compile for long. */
enum { MAX_UNROLLED_WIDTH = 8, MAX_OUT_CHANNELS = 16 };

/* Share of the output channels of a tile's blocks that exist. */
static double channel_use(int64_t group_out, int64_t out_channels)
{
    return (double)group_out / (double)round_up(group_out, out_channels);
}

/* Of equal tiles the larger is taken, and of those the one with more channels, which reads the input less
 * often. */
product_tile product_choose_tile(const device_traits *traits, int64_t element_size, int64_t group_out,
                                 int64_t max_vectors)
{
    product_tile tile = {.vector_width = traits_vector_width(traits, element_size),
                         .local_size = traits->local_size};
    int64_t budget = traits->registers * 3 / 4;
    double best = -1;
    for (int64_t o = 1; o <= min_i64(MAX_OUT_CHANNELS, group_out) && o <= budget; o++) {
        for (int64_t v = 1; v <= max_vectors && o * v <= budget; v++) {
            double use = machine_tile_share(traits->machine, o, v) * channel_use(group_out, o);
            if (use < best || (use == best && o * v < tile.out_channels * tile.vectors)) continue;
            best = use;
            tile.out_channels = o;
            tile.vectors = v;
        }
    }
    return tile;
}

int64_t product_slack(const product_tile *tile)
{
    return tile->local_size * tile->vectors * tile->vector_width;
}

/* What runs fastest is read again and again: the smaller of a group's weights and its scratch volume. */
static bool blocks_run_first(const product *w, const direct_arguments *a)
{
    double taps = (double)w->kernel[0] * (double)w->kernel[1] * (double)w->kernel[2];
    return (double)w->group_out * taps <= (double)w->samples * (double)a->channel_size;
}

/* A work-group takes several of what runs fastest, as long as there remain plenty of work-groups; where sums are
 * short, starting one takes as long as a part of its work. */
static void set_range(step *s, const direct_arguments *a, int64_t local_size)
{
    enum { SHARE = 8, PLENTY = 512, PLENTY_IF_SHORT = 128, SHORT_SUM = 256 };
    double summed = (double)a->group_in * (double)a->kernel_d * (double)a->kernel_h * (double)a->kernel_w;
    int64_t plenty = summed <= SHORT_SUM ? PLENTY_IF_SHORT : PLENTY;
    int64_t counts[] = {a->blocks, a->tiles, a->planes};
    if (!a->blocks_first) counts[0] = a->tiles, counts[1] = a->planes, counts[2] = a->blocks;
    int64_t shared = ceil_divide(counts[0], SHARE);
    if ((double)shared * (double)counts[1] * (double)counts[2] >= (double)plenty) counts[0] = shared;
    kernel_set_range(s, counts, (const int64_t[]){local_size, 1, 1});
}

/* Vectors that a tile of `rest` vectors computes: as many as cl/any/direct.cl has code for. */
static int64_t body_vectors(int64_t rest, int64_t vectors)
{
    int64_t body = 1;
    while (body < rest)
        body *= 2;
    return min_i64(body, vectors);
}

/* Sums over so many things are estimates beyond this many, of every n-th: planning costs the same for any kernel. */
enum { MOST_SUMMED = 512 };

static int64_t summed_stride(int64_t count)
{
    return ceil_divide(count, MOST_SUMMED);
}

/* Smaller tiles are worth it only if the sums are short. */
int64_t product_row_tiles(const product_tile *tile, int64_t pitch, int64_t width, double summed)
{
    enum { SHORT_SUM = 256 };
    int64_t lanes = product_slack(tile) / tile->vectors, vectors = ceil_divide(width, lanes);
    int64_t tiles = ceil_divide(vectors, tile->vectors), computed = 0, each = summed_stride(tiles);
    for (int64_t t = 0; t < tiles; t += each)
        computed += min_i64(each, tiles - t) * lanes *
                    body_vectors((t + 1) * vectors / tiles - t * vectors / tiles, tile->vectors);
    bool is_whole = vectors % tile->vectors == 0;
    return (summed <= SHORT_SUM || is_whole) && computed <= pitch + pitch / 32 ? tiles : 0;
}

static direct_arguments describe(const product *w, const product_tile *tile, const machine *m)
{
    const scratch_layout *l = w->layout;
    bool has_gutter = l->pitch != w->output[2] && !w->stores_gutter;
    int64_t row = w->stores_gutter ? l->pitch : w->output[2];
    direct_arguments a = {
        .blocks = ceil_divide(w->group_out, tile->out_channels),
        .planes = w->samples * w->groups * w->output[0],
        .groups = w->groups,
        .group_in = w->group_in,
        .group_out = w->group_out,
        .chunk_depth = w->output[0],
        .out_depth = w->output_depth,
        .out_plane = w->output[1] * row,
        .positions = (w->output[1] - 1) * l->pitch + w->output[2],
        .padded_depth = l->padded_depth,
        .channel_size = l->channel_size,
        .plane_size = l->plane_size,
        .phase_pitch = l->phase_pitch,
        .pitch = l->pitch,
        AXES(kernel, w->kernel),
        .stride_d = w->stride[0],
        .dilation_d = w->dilation[0],
        .dilation_h = w->dilation[1],
        .clip_depth = w->clip_depth,
        .has_bias = w->bias.role != BUFFER_NONE,
    };
    int64_t width = product_slack(tile);
    double summed = (double)w->group_in * (double)w->kernel[0] * (double)w->kernel[1] * (double)w->kernel[2];
    a.row_tiles = has_gutter ? product_row_tiles(tile, l->pitch, w->output[2], summed) : 0;
    a.tiles = a.row_tiles > 0 ? a.row_tiles * w->output[1] : ceil_divide(a.positions, width);
    a.ends_there = w->ends_there;
    a.blocks_first = blocks_run_first(w, &a);
    a.streams = kernel_output_streams(m, a.planes * w->group_out * a.out_plane *
                                             (w->dtype == CLCONV_FLOAT64 ? 8 : 4));
    a.store_pitch = has_gutter ? l->pitch : a.positions;
    a.store_width = has_gutter ? w->output[2] : a.positions;
    return a;
}

void product_define(step *s, const product_tile *tile, const int64_t kernel[3], const int64_t stride[3],
                    const int64_t dilation[3], const scratch_layout *layout)
{
    kernel_define(s, "OUT_CHANNELS", tile->out_channels);
    kernel_define(s, "VECTORS", tile->vectors);
    kernel_define(s, "VECTOR_WIDTH", tile->vector_width);
    kernel_define(s, "LOCAL_SIZE", tile->local_size);
    kernel_define(s, "KERNEL_W", kernel[2] <= MAX_UNROLLED_WIDTH ? kernel[2] : 0);
    kernel_define(s, "STRIDE_H", stride[1]);
    kernel_define(s, "STRIDE_W", stride[2]);
    kernel_define(s, "PHASES_W", layout->phases[2]);
    kernel_define(s, "DILATION_W", kernel[2] > 1 ? dilation[2] : 1);
}

static step program(const product *w, const product_tile *tile)
{
    step s = kernel_step(w->name, "any/direct.cl", "direct", w->dtype);
    product_define(&s, tile, w->kernel, w->stride, w->dilation, w->layout);
    partial_sums_define(&s, w->group_in * w->kernel[0] * w->kernel[1] * w->kernel[2]);
    return s;
}

/* Lanes that the tiles of a plane compute: the last one as many as there is code for in cl/any/direct.cl. */
static double plane_lanes(const direct_arguments *a, const product_tile *tile, const machine *m)
{
    int64_t width = product_slack(tile), lanes = width / tile->vectors;
    if (a->row_tiles > 0) return (double)(a->tiles / a->row_tiles * round_up(a->store_width, lanes));
    int64_t rest = ceil_divide(a->positions - (a->tiles - 1) * width, lanes);
    int64_t body = body_vectors(rest, tile->vectors);
    double longer = body < tile->vectors ? m->tiles.short_tile * (double)lanes : 0;
    return (double)((a->tiles - 1) * width + body * lanes) + longer;
}

double product_planes_summed(int64_t kernel_d, int64_t stride_d, int64_t dilation_d, int64_t clip_depth,
                             int64_t padded_depth, int64_t output_depth)
{
    double planes = 0;
    int64_t each = summed_stride(kernel_d);
    for (int64_t kd = 0; kd < kernel_d; kd += each) {
        int64_t before = clip_depth - kd * dilation_d, after = before + padded_depth;
        int64_t first = before > 0 ? ceil_divide(before, stride_d) : 0;
        int64_t last = after > 0 ? min_i64(ceil_divide(after, stride_d), output_depth) : 0;
        planes += (double)min_i64(each, kernel_d - kd) * (double)max_i64(last - first, 0);
    }
    return planes;
}

double product_axis_summed(const clconv_problem *problem, const geometry *g, int axis, bool clips)
{
    const clconv_problem *p = problem;
    int64_t outputs = g->output[axis];
    if (!clips) return (double)outputs * (double)p->kernel[axis];
    return product_planes_summed(p->kernel[axis], p->stride[axis], p->dilation[axis], p->pad_before[axis],
                                 p->input[axis], outputs);
}

int64_t product_taps_read(const clconv_problem *problem, const geometry *g, int axis, bool clips)
{
    const clconv_problem *p = problem;
    int64_t read = 0, each = summed_stride(p->kernel[axis]);
    if (!clips) return p->kernel[axis];
    for (int64_t k = 0; k < p->kernel[axis]; k += each) {
        int64_t start = k * p->dilation[axis] - p->pad_before[axis];
        int64_t first = start < 0 ? ceil_divide(-start, p->stride[axis]) : 0;
        if (first < g->output[axis] && first * p->stride[axis] + start < p->input[axis])
            read += min_i64(each, p->kernel[axis] - k);
    }
    return read;
}

/* Whether the channels of the input lie a multiple of a cache's ways apart, so that blocks do not find them where
 * the blocks before have left them. */
static bool shares_cache_sets(const product *w, const direct_arguments *a, int64_t element_size,
                              const machine *m)
{
    enum { MANY_BLOCKS = 8 };
    return w->input.role == BUFFER_INPUT && a->channel_size * element_size % m->cache_way == 0 &&
           a->blocks >= MANY_BLOCKS;
}

static double share_of(const product *w, const product_tile *tile, const direct_arguments *a,
                       int64_t element_size, const machine *m)
{
    bool is_deep = w->kernel[0] > 1 && w->kernel[2] == 1, is_strided = w->stride[1] * w->stride[2] > 1,
         has_one = w->kernel[0] * w->kernel[1] * w->kernel[2] == 1;
    double share = is_deep      ? m->tiles.deep_volume
                   : is_strided ? m->tiles.strided_volume
                   : has_one    ? m->tiles.one_tap
                                : m->tiles.volume;
    if (shares_cache_sets(w, a, element_size, m)) share *= m->tiles.conflict;
    return share * machine_tile_share(m, tile->out_channels, tile->vectors);
}

static void set_work(const product *w, const product_tile *tile, const direct_arguments *a, const machine *m,
                     step *s)
{
    double planes = product_planes_summed(w->kernel[0], w->stride[0], w->dilation[0], w->clip_depth,
                                          w->layout->padded_depth, w->output[0]);
    double outputs =
        (double)(a->blocks * tile->out_channels) * plane_lanes(a, tile, m) * (double)(w->groups * w->samples);
    double share = share_of(w, tile, a, s->element_size, m), channels = (double)(w->samples * w->groups);
    step_computes(s, (double)w->group_in * (double)w->kernel[1] * (double)w->kernel[2] * planes * outputs,
                  share);
    s->work.busy += m->tiles.start * (double)w->output[0] * outputs / share;
    step_moves(s,
               (double)s->element_size *
                   (channels * ((double)w->group_in * (double)w->layout->channel_size +
                                (double)w->group_out * (double)(w->output[0] * w->output[1] * w->output[2])) +
                    (double)(w->groups * w->group_in * w->kernel[0]) *
                        (double)(w->kernel[1] * w->kernel[2] * a->blocks * tile->out_channels)));
}

void product_append(recipe *r, const product *w, const product_tile *tile, const machine *m)
{
    step s = program(w, tile);
    direct_arguments a = describe(w, tile, m);
    kernel_add_buffer(&s, w->input.role, w->input.offset);
    kernel_add_buffer(&s, w->weight.role, w->weight.offset);
    kernel_add_buffer(&s, w->bias.role, w->bias.offset);
    kernel_add_buffer(&s, w->output_buffer.role, w->output_buffer.offset);
    kernel_set_scalars(&s, &a, sizeof a);
    if (w->epilogue != NULL) epilogue_fuse(&s, w->epilogue, w->output_buffer.offset);
    set_range(&s, &a, tile->local_size);
    set_work(w, tile, &a, m, &s);
    recipe_append_run(r, &s);
}
