/* The product of weight matrices with panels: PANEL positions by `rows` values, row after row.
 *
 *     panels [volume][plane][panel][row][lane]     weight [matrix][block][kd][row][o]
 *
 *                 | panel 0 | panel 1 | panel 2 |      an output plane z sums over kd the rows of input plane
 *             o=0 |   acc   |   acc   |   acc   |      z * stride_d + kd * dilation_d - clip_depth:
 *             ... |   ...   |   ...   |   ...   |      OUT_CHANNELS + VECTORS loads, each stream contiguous,
 *             o=7 |   acc   |   acc   |   acc   |      and OUT_CHANNELS * VECTORS FMAs a row
 *
 * A plane's panels are shared out evenly over its tiles, so a tile has VECTORS panels or fewer. The whole
 * reduction stays in registers: every output is one sum in the fixed order kd, row.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 4    panels of a tile at most
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along a panel
 *
 * Index space: work-groups (blocks, tiles of all planes, volumes) or (tiles, blocks, volumes), where a
 * work-group may take several of what comes first. Cost: 2 * rows
 * * kernel_d FLOPs an output, ragged blocks and panels aside; reads the panels once for each block, and the
 * weights once for each tile, that does not find them in cache; writes the output once.
 */
#include "arguments/panels.clh"
#include "common/epilogue.clh"
#include "common/panels.clh"
#include "common/types.clh"

/* What a tile reads and writes; the pointers are at the work-item's first lane. */
typedef struct tile_of_panels {
    global const real *x, *w, *bias;
    global real *out;
    long panel_size, plane_size, rows, kd_count, channels, out_channel, count;
    int has_bias, streams;
    epilogue e;
} tile_of_panels;

/* Stores a tile whose panels lie inside the plane. */
ALWAYS_INLINE void store_whole(realv acc[OUT_CHANNELS][VECTORS], const int vectors, const tile_of_panels *t)
{
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++) {
        if (o >= t->channels) continue;
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
            const long at = o * t->out_channel + v * PANEL;
            if (v < vectors)
                vector_stream(epilogue_late(epilogue_early(acc[o][v], t->e), t->e, at), t->out + at,
                              t->streams);
        }
    }
}

/* Stores the lanes of a tile that are positions of the plane. */
ALWAYS_INLINE void store_part(realv acc[OUT_CHANNELS][VECTORS], const int vectors, const tile_of_panels *t)
{
    real lanes[OUT_CHANNELS][VECTORS][VECTOR_WIDTH];
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (v < vectors) lanes_store(epilogue_early(acc[o][v], t->e), lanes[o][v]);
    for (int o = 0; o < OUT_CHANNELS && o < t->channels; o++)
        for (int v = 0; v < vectors; v++)
            for (int i = 0; i < VECTOR_WIDTH && v * PANEL + i < t->count; i++) {
                const long at = o * t->out_channel + v * PANEL + i;
                t->out[at] = epilogue_late_one(lanes[o][v][i], t->e, at);
            }
}

/* Starts from a bias for each position. */
ALWAYS_INLINE void add_lane_bias(realv acc[OUT_CHANNELS][VECTORS], const int vectors, const tile_of_panels *t)
{
    real bias[VECTORS][VECTOR_WIDTH];
    for (int v = 0; v < vectors; v++)
        for (int i = 0; i < VECTOR_WIDTH; i++)
            bias[v][i] = v * PANEL + i < t->count ? t->bias[v * PANEL + i] : 0;
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
        if (v < vectors)
#pragma unroll
            for (int o = 0; o < OUT_CHANNELS; o++)
                acc[o][v] = lanes_load(bias[v]);
}

ALWAYS_INLINE void multiply(const tile_of_panels *t, const int vectors)
{
    realv acc[OUT_CHANNELS][VECTORS];
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            acc[o][v] = (realv)(t->has_bias == 1 && o < t->channels ? t->bias[o] : 0);
    if (t->has_bias == 2) add_lane_bias(acc, vectors, t);
    for (long kd = 0; kd < t->kd_count; kd++)
        add_rows(acc, vectors, t->x + kd * t->plane_size, t->panel_size, t->w + kd * t->rows * OUT_CHANNELS,
                 t->rows);
    if (t->count >= (vectors - 1) * PANEL + VECTOR_WIDTH)
        store_whole(acc, vectors, t);
    else
        store_part(acc, vectors, t);
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
panels(TENSOR(const real, panels), TENSOR(const real, weight), TENSOR(const real, bias),
       TENSOR(real, output) EPILOGUE_TENSOR PANELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const long lane = get_local_id(0) * VECTOR_WIDTH, panel_size = rows * PANEL;
    const long tiles = plane_tiles * out_depth, matrix_size = kernel_d * rows * OUT_CHANNELS;
    const long fast_count = blocks_first ? blocks : tiles, slow_count = blocks_first ? tiles : blocks;
    for (long volume = get_group_id(2); volume < volumes; volume += get_num_groups(2)) {
        const long matrix = volume % weights;
        for (long slow = get_group_id(1); slow < slow_count; slow += get_num_groups(1)) {
            tile_of_panels t = {.panel_size = panel_size,
                                .plane_size = dilation_d * plane_panels * panel_size,
                                .rows = rows,
                                .out_channel = out_channel,
                                .has_bias = (int)has_bias,
                                .streams = (int)streams};
            long kd_first = 0, first_position = 0, first_output = 0, current = -1;
            int vectors = 0;
            for (long fast = get_group_id(0); fast < fast_count; fast += get_num_groups(0)) {
                const long block = blocks_first ? fast : slow, tile = blocks_first ? slow : fast;
                if (tile != current) {
                    current = tile;
                    const long z = tile / plane_tiles, i = tile - z * plane_tiles;
                    const long first = i * plane_panels / plane_tiles;
                    vectors = (int)((i + 1) * plane_panels / plane_tiles - first);
                    const long start = z * stride_d - clip_depth; /* input plane under kd = 0 */
                    kd_first = start < 0 ? (-start + dilation_d - 1) / dilation_d : 0;
                    t.kd_count =
                        kernel_d == 1
                            ? start >= 0 && start < depth
                            : min(kernel_d, (depth - start + dilation_d - 1) / dilation_d) - kd_first;
                    t.x = TENSOR_START(panels) + volume * volume_size +
                          ((start + kd_first * dilation_d) * plane_panels + first) * panel_size + lane;
                    t.count = positions - first * PANEL - lane;
                    first_position = first * PANEL + lane;
                    first_output = volume * out_volume + z * out_plane + first_position;
                }
                const long first_out = block * OUT_CHANNELS;
                t.w = TENSOR_START(weight) + (matrix * blocks + block) * matrix_size +
                      kd_first * rows * OUT_CHANNELS;
                t.bias =
                    TENSOR_START(bias) + (has_bias == 1 ? matrix * out_channels + first_out : first_position);
                t.out = TENSOR_START(output) + first_output + first_out * out_channel;
                t.e = EPILOGUE_AT(first_output + first_out * out_channel);
                t.channels = out_channels - first_out;
                switch (vectors) {
                case 1:
                    multiply(&t, 1);
                    break;
#if VECTORS >= 2
                case 2:
                    multiply(&t, 2);
                    break;
#endif
#if VECTORS >= 3
                case 3:
                    multiply(&t, 3);
                    break;
#endif
#if VECTORS >= 4
                case 4:
                    multiply(&t, 4);
                    break;
#endif
                }
            }
        }
    }
}
