/* Planning blocks: see blocks.h. */
#include "blocks/blocks.h"

#include "base/arith.h"
#include "base/error.h"

/* Input elements of an axis that so many of its outputs read; of all outputs all. */
static int64_t elements_read(const clconv_problem *p, const geometry *g, int axis, int64_t outputs)
{
    if (outputs == g->output[axis]) return p->input[axis];
    int64_t span = (outputs - 1) * p->stride[axis] + (p->kernel[axis] - 1) * p->dilation[axis] + 1;
    return p->padding_mode == CLCONV_PADDING_ZEROS ? min_i64(span, p->input[axis]) : span;
}

/* Groups of a block, whole or one that is divided. */
static int64_t groups_of(const geometry *g, int64_t channels)
{
    return max_i64(channels / g->group_out, 1);
}

int64_t blocks_bytes(const clconv_problem *problem, const geometry *g, const block_size *size,
                     int64_t *largest)
{
    const clconv_problem *p = problem;
    int64_t element = g->element_size, in_channels = groups_of(g, size->channels) * g->group_in;
    int64_t bytes[5] = {0}, total = 0;
    const int64_t input[] = {
        size->samples, in_channels, elements_read(p, g, 0, size->depth), elements_read(p, g, 1, size->rows),
        p->input[2],   element};
    const int64_t weight[] = {size->channels, g->group_in, g->taps, element};
    const int64_t output[] = {size->samples, size->channels, size->depth, size->rows, g->output[2], element};
    *largest = INT64_MAX;
    if (!size_product(input, 6, &bytes[0]) || !size_product(weight, 4, &bytes[1]) ||
        !size_product(output, 6, &bytes[2]))
        return INT64_MAX;
    bytes[3] = p->has_residual ? bytes[2] : 0;
    bytes[4] = p->has_bias ? size->channels * element : 0;
    *largest = 0;
    for (int i = 0; i < 5; i++) {
        *largest = max_i64(*largest, bytes[i]);
        if (!size_add(total, bytes[i], &total)) return INT64_MAX;
    }
    return total;
}

static bool fits(const clconv_problem *p, const geometry *g, const block_limits *limits,
                 const block_size *size)
{
    int64_t largest;
    return blocks_bytes(p, g, size, &largest) <= limits->total && largest <= limits->tensor;
}

/* The most of an extent of the block that fits, up to `whole`; 0 if not even one does. */
static int64_t most_of(const clconv_problem *p, const geometry *g, const block_limits *limits,
                       block_size *size, int64_t *extent, int64_t whole)
{
    int64_t low = 0, high = whole;
    while (low < high) {
        *extent = low + (high - low + 1) / 2;
        if (fits(p, g, limits, size))
            low = *extent;
        else
            high = *extent - 1;
    }
    /* Shared out evenly, so that there are few shapes. */
    *extent = low == 0 ? 1 : ceil_divide(whole, ceil_divide(whole, low));
    return low;
}

/* The largest block of so many channels: whole samples, else planes of one, else rows of one; false if none fits. */
static bool choose_extents(const clconv_problem *p, const geometry *g, const block_limits *limits,
                           block_size *size)
{
    *size = (block_size){1, size->channels, g->output[0], g->output[1]};
    if (most_of(p, g, limits, size, &size->samples, max_i64(p->batch, 1)) > 0) return true;
    return most_of(p, g, limits, size, &size->depth, g->output[0]) > 0 ||
           most_of(p, g, limits, size, &size->rows, g->output[1]) > 0;
}

/* Bytes that all blocks read and write. */
static double traffic(const clconv_problem *p, const geometry *g, const block_size *size)
{
    int64_t largest;
    return (double)blocks_bytes(p, g, size, &largest) * (double)blocks_count(p, g, size);
}

/* Half as many channels, but whole groups while there are some; 0 after one. */
static int64_t fewer_channels(const geometry *g, int64_t channels)
{
    if (channels > g->group_out) return ceil_divide(channels / g->group_out, 2) * g->group_out;
    return channels == 1 ? 0 : ceil_divide(channels, 2);
}

clconv_status blocks_choose(const clconv_problem *problem, const geometry *g, const block_limits *limits,
                            block_size *size, clconv_error *err)
{
    double least = -1;
    for (int64_t channels = problem->out_channels; channels > 0; channels = fewer_channels(g, channels)) {
        block_size s = {.channels = channels};
        if (!choose_extents(problem, g, limits, &s)) continue;
        double moved = traffic(problem, g, &s);
        if (least >= 0 && moved >= least) continue;
        least = moved;
        *size = s;
    }
    if (least >= 0) return CLCONV_SUCCESS;
    const block_size smallest = {1, 1, 1, 1};
    int64_t largest, needed = blocks_bytes(problem, g, &smallest, &largest);
    return error_set(
        err, CLCONV_OUT_OF_DEVICE_MEMORY,
        "a block of one row of one channel has tensors of %lld bytes, of %lld the largest; there is room "
        "for %lld, and for %lld in one",
        (long long)needed, (long long)largest, (long long)limits->total, (long long)limits->tensor);
}

/* Parts of the output channels. */
static int64_t channel_parts(const clconv_problem *p, const geometry *g, int64_t channels)
{
    if (channels >= g->group_out) return ceil_divide(p->groups, channels / g->group_out);
    return p->groups * ceil_divide(g->group_out, channels);
}

int64_t blocks_count(const clconv_problem *problem, const geometry *g, const block_size *size)
{
    int64_t count = INT64_MAX;
    const int64_t counts[] = {channel_parts(problem, g, size->channels),
                              ceil_divide(max_i64(problem->batch, 1), size->samples),
                              ceil_divide(g->output[0], size->depth), ceil_divide(g->output[1], size->rows)};
    return size_product(counts, 4, &count) ? count : INT64_MAX;
}

static void take_channels(const clconv_problem *p, const geometry *g, int64_t channels, int64_t part,
                          block *b)
{
    if (channels >= g->group_out) {
        int64_t groups = channels / g->group_out, first = part * groups;
        b->problem.groups = min_i64(groups, p->groups - first);
        b->problem.in_channels = b->problem.groups * g->group_in;
        b->problem.out_channels = b->problem.groups * g->group_out;
        b->channel = first * g->group_out;
        b->in_channel = first * g->group_in;
        return;
    }
    int64_t parts = ceil_divide(g->group_out, channels), group = part / parts,
            first = part % parts * channels;
    b->problem.groups = 1;
    b->problem.in_channels = g->group_in;
    b->problem.out_channels = min_i64(channels, g->group_out - first);
    b->channel = group * g->group_out + first;
    b->in_channel = group * g->group_in;
}

/* Zeros are left to the problem's padding, as in the whole; what other modes pad is given to it. */
static void take_axis(const clconv_problem *p, const geometry *g, int axis, int64_t at, int64_t count,
                      block *b)
{
    b->at[axis] = at;
    b->output[axis] = count;
    b->first[axis] = 0;
    if (count == g->output[axis]) return;
    int64_t first = at * p->stride[axis] - p->pad_before[axis];
    int64_t last = first + (count - 1) * p->stride[axis] + (p->kernel[axis] - 1) * p->dilation[axis] + 1;
    int64_t low = first, high = last;
    if (p->padding_mode == CLCONV_PADDING_ZEROS) {
        low = max_i64(first, 0);
        high = min_i64(last, p->input[axis]);
        if (high <= low) low = last - 1, high = last; /* padding alone, of which one zero is given */
    }
    b->first[axis] = low;
    b->problem.input[axis] = high - low;
    b->problem.pad_before[axis] = low - first;
    b->problem.pad_after[axis] = last - high;
    b->problem.output_padding[axis] = 0;
}

block blocks_at(const clconv_problem *problem, const geometry *g, const block_size *size, int64_t index)
{
    const clconv_problem *p = problem;
    block b = {.problem = *problem};
    int64_t row_parts = ceil_divide(g->output[1], size->rows),
            depths = ceil_divide(g->output[0], size->depth);
    int64_t samples = ceil_divide(max_i64(p->batch, 1), size->samples);
    int64_t y = index % row_parts * size->rows, z = index / row_parts % depths * size->depth;
    index /= row_parts * depths;
    b.sample = index % samples * size->samples;
    b.problem.batch = min_i64(size->samples, p->batch - b.sample);
    take_channels(p, g, size->channels, index / samples, &b);
    take_axis(p, g, 0, z, min_i64(size->depth, g->output[0] - z), &b);
    take_axis(p, g, 1, y, min_i64(size->rows, g->output[1] - y), &b);
    return b;
}
