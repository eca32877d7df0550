/* What estimates count of taps along an axis, against counting them one by one. */
#include "harness.h"

#include "random.h"
#include "steps/channel_tiles.h"
#include "steps/product.h"

enum { PROBLEMS = 2000, AXIS = 1, MAX_KERNEL = 7 };

/* A problem whose axis has some stride, dilation and padding, before and after, that may be beyond the kernel. */
static bool draw_problem(random_state *r, clconv_problem *p, geometry *g)
{
    clconv_problem_init(p);
    p->input[AXIS] = random_between(r, 1, 12);
    p->kernel[AXIS] = random_between(r, 1, MAX_KERNEL);
    p->stride[AXIS] = random_between(r, 1, 4);
    p->dilation[AXIS] = random_between(r, 1, 3);
    p->pad_before[AXIS] = random_between(r, 0, 9);
    p->pad_after[AXIS] = random_between(r, 0, 9);
    return geometry_compute(p, g, NULL) == CLCONV_SUCCESS;
}

static bool is_inside(const clconv_problem *p, int64_t output, int64_t tap)
{
    int64_t at = output * p->stride[AXIS] + tap * p->dilation[AXIS] - p->pad_before[AXIS];
    return at >= 0 && at < p->input[AXIS];
}

/* The outputs of [first, last) that a tap has inside, as a first one and a number; they are neighbours. */
static int64_t outputs_inside(const clconv_problem *p, int64_t first, int64_t last, int64_t tap,
                              int64_t *begin)
{
    int64_t count = 0;
    for (int64_t o = first; o < last; o++) {
        if (!is_inside(p, o, tap)) continue;
        if (count == 0) *begin = o;
        CU_ASSERT_EQUAL(o, *begin + count);
        count++;
    }
    return count;
}

static void test_counts(void)
{
    random_state r = {1};
    for (int i = 0; i < PROBLEMS; i++) {
        clconv_problem p;
        geometry g;
        if (!draw_problem(&r, &p, &g)) continue;
        int64_t outputs = g.output[AXIS], summed = 0, read = 0, begin = 0;
        for (int64_t k = 0; k < p.kernel[AXIS]; k++) {
            int64_t count = outputs_inside(&p, 0, outputs, k, &begin);
            summed += count;
            read += count > 0;
        }
        CU_ASSERT_EQUAL(product_axis_summed(&p, &g, AXIS, true), (double)summed);
        CU_ASSERT_EQUAL(product_axis_summed(&p, &g, AXIS, false), (double)(outputs * p.kernel[AXIS]));
        CU_ASSERT_EQUAL(product_taps_read(&p, &g, AXIS, true), read);
        CU_ASSERT_EQUAL(product_taps_read(&p, &g, AXIS, false), p.kernel[AXIS]);
    }
}

/* Ranges of a tile: taps one after the other that have the same outputs inside share one. */
static int64_t ranges_of(const clconv_problem *p, int64_t first, int64_t last)
{
    int64_t ranges = 0, count_before = 0, begin_before = 0;
    for (int64_t k = 0; k < p->kernel[AXIS]; k++) {
        int64_t begin = 0, count = outputs_inside(p, first, last, k, &begin);
        if (count == 0 || (count == count_before && begin == begin_before)) continue;
        ranges++;
        count_before = count;
        begin_before = begin;
    }
    return ranges > 0 ? ranges : 1;
}

static void test_ranges(void)
{
    random_state r = {2};
    for (int i = 0; i < PROBLEMS; i++) {
        clconv_problem p;
        geometry g;
        if (!draw_problem(&r, &p, &g)) continue;
        int64_t outputs = g.output[AXIS], half = outputs / 2;
        CU_ASSERT_EQUAL(channel_tile_ranges(&p, &g, AXIS, 1), (double)ranges_of(&p, 0, outputs));
        if (outputs % 2 == 0)
            CU_ASSERT_EQUAL(channel_tile_ranges(&p, &g, AXIS, 2),
                            (double)(ranges_of(&p, 0, half) + ranges_of(&p, half, outputs)) / 2);
        p.padding_mode = CLCONV_PADDING_REPLICATE;
        CU_ASSERT_EQUAL(channel_tile_ranges(&p, &g, AXIS, 1), 1);
    }
}

/* Tiles fit the registers, and leave no vector empty. */
static void test_tiles(void)
{
    for (int registers = 8; registers <= 64; registers *= 2)
        for (int64_t channels = 1; channels <= 100; channels++) {
            device_traits traits = {.registers = registers, .vector_bits = 512};
            channel_tile t = channel_tile_choose(&traits, 4, channels);
            CU_ASSERT(t.vectors * t.positions + t.vectors + 1 <= registers);
            CU_ASSERT(t.positions >= 1 && t.positions <= CHANNEL_TILE_POSITIONS);
            int64_t block = t.vectors * t.vector_width, whole = (channels + block - 1) / block * block;
            CU_ASSERT(whole - channels < t.vector_width);
        }
}

const char test_suite_name[] = "taps";
const test_entry test_suite[] = {
    {"taps inside the input", test_counts},
    {"ranges of a tile", test_ranges},
    {"tiles of channels", test_tiles},
    {NULL, NULL},
};
