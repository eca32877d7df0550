#include "steps/channel_tiles.h"

#include "base/arith.h"

channel_tile channel_tile_choose(const device_traits *traits, int64_t element_size, int64_t group_out)
{
    int64_t width = traits_vector_width(traits, element_size);
    if (width > 2 && group_out <= width / 2) width /= 2;
    int64_t most = width * CHANNEL_TILE_VECTORS;
    int64_t vectors = round_up(group_out, most) > round_up(group_out, width) ? 1 : CHANNEL_TILE_VECTORS;
    int64_t fitting = (traits->registers - vectors - 1) / vectors;
    return (channel_tile){vectors, min_i64(fitting, CHANNEL_TILE_POSITIONS), width};
}

/* Of outputs [first, last) along an axis the first that reads the input at or past element `from` by a tap that is
 * `start` elements past an output's first. */
static int64_t first_past(int64_t first, int64_t last, int64_t stride, int64_t start, int64_t from)
{
    int64_t at = from > start ? ceil_divide(from - start, stride) : 0;
    return max_i64(min_i64(at, last), first);
}

static int64_t ranges_of_tile(const clconv_problem *p, int axis, int64_t first, int64_t last)
{
    /* Of a longer kernel so many taps are looked at: planning costs the same for any. */
    enum { MOST_TAPS = 512 };
    int64_t count = 0, begin = 0, end = 0, each = ceil_divide(p->kernel[axis], MOST_TAPS);
    for (int64_t k = 0; k < p->kernel[axis]; k += each) {
        int64_t start = k * p->dilation[axis] - p->pad_before[axis];
        int64_t inside = first_past(first, last, p->stride[axis], start, 0);
        int64_t outside = first_past(first, last, p->stride[axis], start, p->input[axis]);
        if (inside >= outside || (count > 0 && inside == begin && outside == end)) continue;
        begin = inside;
        end = outside;
        count++;
    }
    return max_i64(count * each, 1);
}

double channel_tile_ranges(const clconv_problem *problem, const geometry *g, int axis, int64_t tiles)
{
    int64_t outputs = g->output[axis];
    if (problem->padding_mode != CLCONV_PADDING_ZEROS || tiles < 1) return 1;
    int64_t first = ranges_of_tile(problem, axis, 0, outputs / tiles);
    if (tiles == 1) return (double)first;
    int64_t last = ranges_of_tile(problem, axis, outputs - outputs / tiles, outputs);
    return (double)(first + last + tiles - 2) / (double)tiles;
}
