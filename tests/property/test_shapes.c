/* Properties in the shapes of a convolution: what one problem says by dilation, stride, padding, groups or
 * the order of its axes, another says with more data and fewer rules. */
#include "harness.h"
#include "property.h"

#include <stdlib.h>
#include <string.h>

/* A volume (leading dimensions, then D, H, W). */
static int64_t volume_of(const int64_t extent[3])
{
    return extent[0] * extent[1] * extent[2];
}

static int64_t index_of(const int64_t extent[3], int64_t d, int64_t h, int64_t w)
{
    return (d * extent[1] + h) * extent[2] + w;
}

/* Copies `count` volumes: element (i * step) of the source to element (i) of the destination on each axis, or
 * the other way round. */
static void copy_strided(const double *from, const int64_t from_extent[3], const int64_t from_step[3],
                         double *to, const int64_t to_extent[3], const int64_t to_step[3],
                         const int64_t extent[3], int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        const double *source = from + n * volume_of(from_extent);
        double *target = to + n * volume_of(to_extent);
        for (int64_t d = 0; d < extent[0]; d++)
            for (int64_t h = 0; h < extent[1]; h++)
                for (int64_t w = 0; w < extent[2]; w++)
                    target[index_of(to_extent, d * to_step[0], h * to_step[1], w * to_step[2])] =
                        source[index_of(from_extent, d * from_step[0], h * from_step[1], w * from_step[2])];
    }
}

static const int64_t dense[3] = {1, 1, 1};

/* Dilation is a dense kernel with zeros between its taps. An axis whose output_padding needs its dilation
 * keeps it. */
static void check_dilation(const subject *s, random_state *r)
{
    (void)r;
    const clconv_problem *p = &s->problem;
    clconv_problem stuffed = *p;
    int64_t steps[3] = {1, 1, 1};
    for (int axis = 0; axis < 3; axis++) {
        if (p->output_padding[axis] > 0) continue;
        steps[axis] = p->dilation[axis];
        stuffed.kernel[axis] = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
        stuffed.dilation[axis] = 1;
    }
    int64_t filters = p->out_channels * s->geometry.group_in;
    test_data data = s->data;
    data.weight = property_allocate(filters * volume_of(stuffed.kernel));
    copy_strided(s->data.weight, p->kernel, dense, data.weight, stuffed.kernel, steps, p->kernel, filters);
    double *expected = property_output(s), *got = property_convolve(s, &stuffed, &data);
    property_expect(s, "dilation as a zero-stuffed kernel", got, expected);
    free(got);
    free(expected);
    free(data.weight);
}

static void test_dilation(void)
{
    property_for_all(check_dilation, false);
}

/* Stride takes every s-th output of stride 1. */
static void check_stride(const subject *s, random_state *r)
{
    (void)r;
    const clconv_problem *p = &s->problem;
    clconv_problem full = *p;
    geometry g;
    memcpy(full.stride, dense, sizeof dense);
    memset(full.output_padding, 0, sizeof full.output_padding);
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&full, &g, NULL), CLCONV_SUCCESS);
    double *expected = property_output(s), *whole = property_convolve(s, &full, &s->data);
    double *got = whole != NULL ? property_allocate(s->geometry.elements.output) : NULL;
    if (got != NULL)
        copy_strided(whole, g.output, p->stride, got, s->geometry.output, dense, s->geometry.output,
                     p->batch * p->out_channels);
    property_expect(s, "stride as subsampling", got, expected);
    free(got);
    free(whole);
    free(expected);
}

static void test_stride(void)
{
    property_for_all(check_stride, false);
}

/* One padded channel, by PyTorch's rule on each axis. */
static void pad_channel(const clconv_problem *p, const geometry *g, const double *from, double *to)
{
    for (int64_t i = 0; i < volume_of(g->padded); i++) {
        const int64_t at[3] = {i / (g->padded[1] * g->padded[2]), i / g->padded[2] % g->padded[1],
                               i % g->padded[2]};
        int64_t source[3];
        for (int axis = 0; axis < 3; axis++)
            source[axis] = geometry_source(p->padding_mode, at[axis] - p->pad_before[axis], p->input[axis]);
        bool is_zero = source[0] < 0 || source[1] < 0 || source[2] < 0;
        to[i] = is_zero ? 0 : from[index_of(p->input, source[0], source[1], source[2])];
    }
}

/* Padding of any mode is a larger input, then no padding. */
static void check_padding(const subject *s, random_state *r)
{
    (void)r;
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    clconv_problem valid = *p;
    int64_t channels = p->batch * p->in_channels;
    valid.padding_mode = CLCONV_PADDING_ZEROS;
    for (int axis = 0; axis < 3; axis++) {
        valid.input[axis] = g->padded[axis];
        valid.pad_before[axis] = valid.pad_after[axis] = 0;
    }
    test_data data = s->data;
    data.input = property_allocate(channels * volume_of(g->padded));
    for (int64_t c = 0; c < channels; c++)
        pad_channel(p, g, s->data.input + c * g->input_plane, data.input + c * volume_of(g->padded));
    double *expected = property_output(s), *got = property_convolve(s, &valid, &data);
    property_expect(s, "padding as a larger input", got, expected);
    free(got);
    free(expected);
    free(data.input);
}

static void test_padding(void)
{
    property_for_all(check_padding, false);
}

/* One group's blocks of input and output. */
static void convolve_group(const subject *s, int64_t group, double *got, bool *ok)
{
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    clconv_problem one = *p;
    one.groups = 1;
    one.in_channels = g->group_in;
    one.out_channels = g->group_out;
    int64_t in = g->group_in * g->input_plane, out = g->group_out * g->output_plane;
    test_data data = s->data;
    data.input = property_allocate(p->batch * in);
    for (int64_t n = 0; n < p->batch; n++)
        memcpy(data.input + n * in, s->data.input + (n * p->groups + group) * in,
               (size_t)in * sizeof(double));
    data.weight += group * g->group_out * g->reduction;
    if (p->has_bias) data.bias += group * g->group_out;
    double *part = property_convolve(s, &one, &data);
    for (int64_t n = 0; part != NULL && n < p->batch; n++)
        memcpy(got + (n * p->groups + group) * out, part + n * out, (size_t)out * sizeof(double));
    *ok = *ok && part != NULL;
    free(part);
    free(data.input);
}

/* Groups are convolutions side by side. */
static void check_groups(const subject *s, random_state *r)
{
    (void)r;
    bool ok = true;
    double *expected = property_output(s), *got = property_allocate(s->geometry.elements.output);
    for (int64_t group = 0; group < s->problem.groups; group++)
        convolve_group(s, group, got, &ok);
    property_expect(s, "groups as blocks", ok ? got : NULL, expected);
    free(got);
    free(expected);
}

static void test_groups(void)
{
    property_for_all(check_groups, false);
}

/* Axis i of the result is axis order[i] of the source. */
static void permute(const double *from, const int64_t extent[3], const int order[3], int64_t count,
                    double *to)
{
    const int64_t shape[3] = {extent[order[0]], extent[order[1]], extent[order[2]]};
    for (int64_t n = 0; n < count; n++) {
        for (int64_t i = 0; i < volume_of(extent); i++) {
            const int64_t at[3] = {i / (extent[1] * extent[2]), i / extent[2] % extent[1], i % extent[2]};
            to[n * volume_of(extent) + index_of(shape, at[order[0]], at[order[1]], at[order[2]])] =
                from[n * volume_of(extent) + i];
        }
    }
}

/* The axes in another order, everywhere, give the output in that order. */
static void check_axes(const subject *s, random_state *r)
{
    static const int orders[5][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int *order = orders[random_between(r, 0, 4)];
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    clconv_problem turned = *p;
    for (int axis = 0; axis < 3; axis++) {
        turned.input[axis] = p->input[order[axis]];
        turned.kernel[axis] = p->kernel[order[axis]];
        turned.stride[axis] = p->stride[order[axis]];
        turned.dilation[axis] = p->dilation[order[axis]];
        turned.pad_before[axis] = p->pad_before[order[axis]];
        turned.pad_after[axis] = p->pad_after[order[axis]];
        turned.output_padding[axis] = p->output_padding[order[axis]];
    }
    test_data data = s->data;
    data.input = property_allocate(g->elements.input);
    data.weight = property_allocate(g->elements.weight);
    permute(s->data.input, p->input, order, p->batch * p->in_channels, data.input);
    permute(s->data.weight, p->kernel, order, p->out_channels * g->group_in, data.weight);
    double *straight = property_output(s), *got = property_convolve(s, &turned, &data);
    double *expected = property_allocate(g->elements.output);
    if (straight != NULL) permute(straight, g->output, order, p->batch * p->out_channels, expected);
    if (straight != NULL) property_expect(s, "axes in another order", got, expected);
    free(expected);
    free(got);
    free(straight);
    free(data.weight);
    free(data.input);
}

static void test_axes(void)
{
    property_for_all(check_axes, false);
}

/* Conv2d as its definition says it, on a problem whose D is 1 throughout. Zero padding only. */
static void convolve_2d(const subject *s, double *out)
{
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    const int64_t *x = p->input, *k = p->kernel;
    for (int64_t i = 0; i < g->elements.output; i++) {
        int64_t ow = i % g->output[2], oh = i / g->output[2] % g->output[1];
        int64_t o = i / g->output_plane % p->out_channels, n = i / g->output_plane / p->out_channels;
        double sum = p->has_bias ? s->data.bias[o] : 0;
        for (int64_t c = 0; c < g->group_in; c++) {
            for (int64_t kh = 0; kh < k[1]; kh++) {
                for (int64_t kw = 0; kw < k[2]; kw++) {
                    int64_t h = oh * p->stride[1] + kh * p->dilation[1] - p->pad_before[1];
                    int64_t w = ow * p->stride[2] + kw * p->dilation[2] - p->pad_before[2];
                    if (h < 0 || h >= x[1] || w < 0 || w >= x[2]) continue;
                    int64_t channel = n * p->in_channels + o / g->group_out * g->group_in + c;
                    sum += s->data.weight[((o * g->group_in + c) * k[1] + kh) * k[2] + kw] *
                           s->data.input[(channel * x[1] + h) * x[2] + w];
                }
            }
        }
        out[i] = sum;
    }
}

/* Conv2d, and on every other problem Conv1d, are extents of 1. */
static void check_fewer_axes(const subject *s, random_state *r)
{
    subject flat = *s;
    flat.problem.padding_mode = CLCONV_PADDING_ZEROS;
    int ones = (int)random_between(r, 1, 2);
    for (int axis = 0; axis < ones; axis++) {
        flat.problem.input[axis] = flat.problem.kernel[axis] = flat.problem.stride[axis] = 1;
        flat.problem.dilation[axis] = 1;
        flat.problem.pad_before[axis] = flat.problem.pad_after[axis] = 0;
        flat.problem.output_padding[axis] = 0;
    }
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&flat.problem, &flat.geometry, NULL), CLCONV_SUCCESS);
    double *expected = property_allocate(flat.geometry.elements.output);
    convolve_2d(&flat, expected);
    double *got = property_output(&flat);
    property_expect(&flat, "Conv2d and Conv1d as extents of 1", got, expected);
    free(got);
    free(expected);
}

static void test_fewer_axes(void)
{
    property_for_all(check_fewer_axes, false);
}

const char test_suite_name[] = "shapes";
const test_entry test_suite[] = {
    {"the device is opened", property_open},
    {"dilation is a zero-stuffed kernel", test_dilation},
    {"stride is subsampling", test_stride},
    {"padding is a larger input", test_padding},
    {"groups are blocks", test_groups},
    {"axes in another order", test_axes},
    {"Conv2d and Conv1d are extents of 1", test_fewer_axes},
    {"the device is closed", property_close},
    {NULL, NULL},
};
