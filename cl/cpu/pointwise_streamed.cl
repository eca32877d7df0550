/* Pointwise convolution (1 x 1 x 1, without padding or strides) to few output channels, which memory bounds: a head
 * that makes classes of features.
 *
 *     A work-group takes a block of positions, whose sums lie in a slice of its own that its core's cache holds, and
 * goes through the input a few channels at a time, each read in one run as long as the block:
 *
 *         sums [o][position] += weight [c][o] * input [c][position]      for CHANNELS channels c at once
 *
 * Channels that lie a power of two apart share their sets in every cache: a tile that sums all of them in registers reads
 * more lines of a set than it has ways, and fetches them again.
 *
 * Every output is one sum in the order of the channels.
 *   OUT_CHANNELS  1 to 8    of a group, all of them
 *   VECTORS       1 to 4    vectors of positions at a time
 *   VECTOR_WIDTH  2 to 16
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 * group_in FLOPs an
 * output; reads the input once and writes the output once.
 */
#include "arguments/pointwise_streamed.clh"
#include "common/epilogue.clh"
#include "common/partial_sums.clh"

#define CHANNELS 4
#define AHEAD (2048 / (int)sizeof(real))

/* What is summed: `count` positions of `channels` channels, `step` elements apart. */
typedef struct channel_runs {
    global const real *input, *weight; /* of the first channel */
    long step, channels, count;
} channel_runs;

/* sums += the first `channels` channels for `vectors` vectors of positions from `q` on; `ahead` is where, from there, what
 * will be read next lies. */
ALWAYS_INLINE void add_vectors(global real *sums, const long block, const channel_runs *r, const int channels,
                               const int vectors, const long q, const long ahead)
{
    realv acc[OUT_CHANNELS][VECTORS];
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (v < vectors) acc[o][v] = vector_load(sums + o * block + q + v * VECTOR_WIDTH);
#pragma unroll
    for (int c = 0; c < CHANNELS; c++) {
        if (c >= channels) continue;
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
            if (v >= vectors) continue;
            global const real *from = r->input + c * r->step + q + v * VECTOR_WIDTH;
            const realv x = vector_load(from);
            vector_prefetch(from + ahead);
#pragma unroll
            for (int o = 0; o < OUT_CHANNELS; o++)
                acc[o][v] = (realv)r->weight[c * OUT_CHANNELS + o] * x + acc[o][v];
        }
    }
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (v < vectors) vector_store(acc[o][v], sums + o * block + q + v * VECTOR_WIDTH);
}

/* The same for all whole vectors of a block. Near the end of the run the next channels' are prefetched. */
ALWAYS_INLINE void add_runs(global real *sums, const long block, const channel_runs *r, const int channels)
{
    const long next = channels * r->step - r->count / VECTOR_WIDTH * VECTOR_WIDTH;
    long q = 0;
    for (; q + VECTORS * VECTOR_WIDTH <= r->count; q += VECTORS * VECTOR_WIDTH)
        add_vectors(sums, block, r, channels, VECTORS, q, q + AHEAD < r->count ? AHEAD : next + AHEAD);
    for (; q + VECTOR_WIDTH <= r->count; q += VECTOR_WIDTH)
        add_vectors(sums, block, r, channels, 1, q, next + AHEAD);
}

static inline void start_sums(global real *sums, const long block, const channel_runs *r,
                              const real bias[OUT_CHANNELS])
{
    for (int o = 0; o < OUT_CHANNELS; o++)
        for (long q = 0; q + VECTOR_WIDTH <= r->count; q += VECTOR_WIDTH)
            vector_store((realv)bias[o], sums + o * block + q);
}

/* Continues the sums of a block's whole vectors. */
static inline void sum_channels(global real *sums, const long block, const channel_runs *r)
{
    channel_runs some = *r;
    long c = 0;
    for (; c + CHANNELS <= r->channels; c += CHANNELS) {
        add_runs(sums, block, &some, CHANNELS);
        some.input += CHANNELS * r->step;
        some.weight += CHANNELS * OUT_CHANNELS;
    }
    for (; c < r->channels; c++) {
        add_runs(sums, block, &some, 1);
        some.input += r->step;
        some.weight += OUT_CHANNELS;
    }
}

/* The same by runs of channels. */
static inline void sum_runs(global real *sums, const long block, const channel_runs *r, const long levels)
{
    const long size = block * OUT_CHANNELS;
    channel_runs run = *r;
    for (long c = 0; c < r->channels; c += SUM_RUN) {
        run.channels = min((long)SUM_RUN, r->channels - c);
        if (c > 0) end_run_of_sums(sums, sums + size, size, size, levels, c / SUM_RUN - 1);
        sum_channels(sums, block, &run);
        run.input += SUM_RUN * r->step;
        run.weight += SUM_RUN * OUT_CHANNELS;
    }
    if (levels > 0) add_totals_of_sums(sums, sums + size, size, size, levels, (r->channels - 1) / SUM_RUN);
}

/* The sum of one output. */
static inline real sum_one(const channel_runs *r, const long q, const int o, const real bias)
{
    real sum = bias;
    total_sum total = {.runs = 0};
    for (long c = 0; c < r->channels; c++) {
        if (c > 0 && c % SUM_RUN == 0) {
            total_add(&total, sum);
            sum = 0;
        }
        sum = r->weight[c * OUT_CHANNELS + o] * r->input[c * r->step + q] + sum;
    }
    return r->channels > SUM_RUN ? total_of(&total) + sum : sum;
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void pointwise_streamed(
    TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias), TENSOR(real, output),
    TENSOR(real, slices) EPILOGUE_TENSOR POINTWISE_STREAMED_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *sums = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long volume = unit / position_blocks, group = volume % groups;
        const long first = unit % position_blocks * block, count = min(block, positions - first);
        const channel_runs runs = {
            .input = TENSOR_START(input) + volume * group_in * positions + first,
            .weight = TENSOR_START(weight) + group * group_in * OUT_CHANNELS,
            .step = positions,
            .channels = group_in,
            .count = count,
        };
        real start[OUT_CHANNELS];
        for (int o = 0; o < OUT_CHANNELS; o++)
            start[o] = has_bias ? TENSOR_START(bias)[group * OUT_CHANNELS + o] : 0;
        start_sums(sums, block, &runs, start);
        sum_runs(sums, block, &runs, levels);
        for (int o = 0; o < OUT_CHANNELS; o++) {
            const long at = (volume * OUT_CHANNELS + o) * positions + first;
            global real *out = TENSOR_START(output) + at;
            const epilogue e = EPILOGUE_AT(at);
            long q = 0;
            for (; q + VECTOR_WIDTH <= count; q += VECTOR_WIDTH)
                vector_stream(epilogue_late(epilogue_early(vector_load(sums + o * block + q), e), e, q),
                              out + q, streams);
            for (; q < count; q++)
                out[q] = epilogue_late_one(epilogue_early_one(sum_one(&runs, q, o, start[o]), e), e, q);
        }
    }
}
