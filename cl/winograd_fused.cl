/* Winograd convolution F(m x m, r x r) over H and W, all of it in one kernel: for few channels, whose
 * transformed planes would cost more to write and to read than to compute. winograd.cl draws the transforms.
 *
 *     A work-group goes through the depth of a block of rows of tiles, in a slice of its own that stays in
 * cache:
 *
 *         input plane -> padded rows -> parts -> frequencies of plane k ---+
 *                                                frequencies of plane k-1 -+-> product -> output plane
 *                                                frequencies of plane k-2 -+
 *                                                (a ring of KERNEL_D planes)
 *
 * so each input plane is transformed once for a block, and each output is one sum in the fixed order kd, c.
 * Rows of tiles of a dilated kernel interlace in sets of dilation_h; a block is some sets, or a part of one.
 * Planes of a kernel that is dilated along the depth are independent unless they are dilation_d apart.
 *
 *   OUTPUT_TILE   2 or 4: m
 *   TAPS          3, or 5 with m = 2: r
 *   OUT_CHANNELS  1 to 16   output channels of the product's register tile
 *   VECTORS       1 to 4    panels of the register tile at most
 *   VECTOR_WIDTH  2 to 16   tiles of a panel
 *   DILATION_W    1 and more
 *   KERNEL_D      1 and more: depth of the kernel
 *
 * Index space: work-groups of one work-item (slices), each taking every so many units. Cost: n^2 / m^2
 * * 2 * group_in * KERNEL_D FLOPs an output and some 10 for each input and output; reads the input once for
 * each block of output channels' group, the rows that blocks share twice; writes the output once.
 */
#define LOCAL_SIZE 1
#include "arguments/winograd_fused.clh"
#include "common/pad_rows.clh"
#include "common/panels.clh"
#include "common/winograd_tiles.clh"

#define FREQUENCIES (INPUT_TILE * INPUT_TILE)

/* A block of a plane: `sets` sets from `first_set` on, of each the rows of tiles [first_phase, first_phase +
 * phases). */
typedef struct tile_block {
    long first_set, sets, first_phase, phases, tiles, panels;
} tile_block;

/* Pads the input rows under a block: its tiles then read rows `phases` apart. Zeros that are there already
 * stay; `next` is the plane that will be wanted next. */
static inline void pad_block(global const real *plane, global real *padded, const bool has_zeros,
                             const tile_block *b, const long dilation_h, const long pitch,
                             const long pad_height, const long pad_width, const long height, const long width,
                             const long mode, global const real *next)
{
    const long runs = b->sets * OUTPUT_TILE + TAPS - 1, first = b->first_set * OUTPUT_TILE * dilation_h;
    const long count = b->phases == dilation_h ? runs : 1, rows = b->phases * count;
    for (long run = 0; run < runs; run += count) {
        global real *to = padded + run * b->phases * pitch;
        const long above = pad_height - first - run * dilation_h - b->first_phase;
        pad_shape plain = PAD_PLAIN(rows, pitch, above, pad_width, height, width, mode);
        if (has_zeros) {
            plain.ahead = next - plane;
            refill_plane(&plain, plane, to);
        } else {
            pad_plane(&plain, plane, to, true);
        }
    }
}

/* One frequency of a plane's product: the sum over the kernel's planes that are inside, ring[kd] each; 0 for
 * one that is not. */
ALWAYS_INLINE void multiply(const int vectors, global const real *const *ring, const long at,
                            const long group_in, global const real *w, global real *to, const long channels,
                            const long to_channel)
{
    realv acc[OUT_CHANNELS][VECTORS];
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            acc[o][v] = (realv)0;
    for (long kd = 0; kd < KERNEL_D; kd++)
        if (ring[kd] != 0)
            add_rows(acc, vectors, ring[kd] + at, group_in * PANEL, w + kd * group_in * OUT_CHANNELS,
                     group_in);
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++) {
        if (o >= channels) continue;
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (v < vectors) vector_store(acc[o][v], to + o * to_channel + v * PANEL);
    }
}

/* The product of a block's plane, [frequency][o][tile]. */
static inline void multiply_block(global const real *const *ring, const tile_block *b, const long group_in,
                                  const long group_out, const long group_blocks, global const real *weight,
                                  const long weight_frequency, global real *product,
                                  const long frequency_size, const long product_size)
{
    const long tiles = (b->panels + VECTORS - 1) / VECTORS, plane = b->panels * PANEL;
    for (long f = 0; f < FREQUENCIES; f++) {
        for (long i = 0; i < tiles * group_blocks; i++) {
            const long block = i % group_blocks, tile = i / group_blocks;
            const long first = tile * b->panels / tiles, o = block * OUT_CHANNELS;
            const int vectors = (int)((tile + 1) * b->panels / tiles - first);
            const long at = f * frequency_size + first * group_in * PANEL;
            global const real *w = weight + f * weight_frequency + block * KERNEL_D * group_in * OUT_CHANNELS;
            global real *to = product + f * product_size + o * plane + first * PANEL;
            switch (vectors) {
            case 1:
                multiply(1, ring, at, group_in, w, to, group_out - o, plane);
                break;
#if VECTORS >= 2
            case 2:
                multiply(2, ring, at, group_in, w, to, group_out - o, plane);
                break;
#endif
#if VECTORS >= 3
            case 3:
                multiply(3, ring, at, group_in, w, to, group_out - o, plane);
                break;
#endif
#if VECTORS >= 4
            case 4:
                multiply(4, ring, at, group_in, w, to, group_out - o, plane);
                break;
#endif
            }
        }
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_fused(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
               TENSOR(real, output),
               TENSOR(real, slices) EPILOGUE_TENSOR WINOGRAD_FUSED_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *padded = TENSOR_START(slices) + get_group_id(0) * slice_size, *parts = padded + padded_size,
                *product = parts + parts_size, *frequencies = product + FREQUENCIES * product_size;
    const long plane_size = FREQUENCIES * frequency_size,
               matrix = group_blocks * KERNEL_D * group_in * OUT_CHANNELS;
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        long rest = unit;
        const long phase_block = rest % phase_blocks;
        rest /= phase_blocks;
        const long set_block = rest % set_blocks;
        rest /= set_blocks;
        const long residue = rest % dilation_d;
        rest /= dilation_d;
        const long first_k = rest % depth_chunks * chunk_depth, volume = rest / depth_chunks;
        const long group = volume % groups;
        tile_block b = {.first_set = set_block * block_sets, .first_phase = phase_block * block_phases};
        b.sets = min(block_sets, sets - b.first_set);
        b.phases = min(block_phases, dilation_h - b.first_phase);
        b.tiles = b.sets * b.phases * columns;
        b.panels = (b.tiles + PANEL - 1) / PANEL;
        const long planes = (out_depth - residue + dilation_d - 1) / dilation_d;
        const long last_k = min(first_k + chunk_depth, planes);
        global const real *ring[KERNEL_D];
        bool has_zeros = false;
        for (long k = first_k; k < last_k + KERNEL_D - 1 && first_k < last_k; k++) {
            /* Plane k of the residue joins the ring. */
            const long source = padding_source(mode, residue + k * dilation_d - pad_depth, depth);
            const bool is_inside = source >= 0 && source < depth;
            global real *to = frequencies + k % KERNEL_D * plane_size;
            for (long kd = 1; kd < KERNEL_D; kd++)
                ring[kd - 1] = ring[kd];
            ring[KERNEL_D - 1] = is_inside ? to : 0;
            for (long c = 0; c < group_in && is_inside; c++) {
                global const real *plane =
                    TENSOR_START(input) + ((volume * group_in + c) * depth + source) * height * width;
                const long step = c + 1 < group_in ? depth : dilation_d - (group_in - 1) * depth;
                pad_block(plane, padded, has_zeros, &b, dilation_h, pitch, pad_height, pad_width, height,
                          width, mode, plane + step * height * width);
                has_zeros = mode == PADDING_ZEROS;
                split_plane(padded, parts, (b.sets * OUTPUT_TILE + TAPS - 1) * b.phases, part, columns, pitch,
                            b.phases);
                for (long p = 0; p < b.panels; p++)
                    transform_tiles(parts + p * PANEL, part, columns * b.phases,
                                    to + (p * group_in + c) * PANEL, frequency_size);
            }
            const long z = residue + (k - KERNEL_D + 1) * dilation_d;
            if (k < first_k + KERNEL_D - 1) continue;
            multiply_block(ring, &b, group_in, group_out, group_blocks, TENSOR_START(weight) + group * matrix,
                           groups * matrix, product, frequency_size, product_size);
            for (long o = 0; o < group_out; o++) {
                const long at = ((volume * group_out + o) * out_depth + z) * out_height * out_width;
                const epilogue e = EPILOGUE_AT(at);
                const real start = has_bias ? TENSOR_START(bias)[group * group_out + o] : 0;
                for (long q = 0; q < b.tiles; q += PANEL) {
                    real rows[OUTPUT_TILE][OUTPUT_TILE * VECTOR_WIDTH];
                    transform_products(product + o * b.panels * PANEL + q, product_size, start, e, rows);
                    store_tiles(rows, TENSOR_START(output) + at, e, q,
                                b.first_set * OUTPUT_TILE * dilation_h + b.first_phase, b.tiles, columns,
                                b.phases, dilation_h, out_height, out_width, streams);
                }
            }
        }
    }
}
