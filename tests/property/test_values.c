/* Properties in the values of a convolution: scaling by powers of two, linearity, delta kernels, and outputs
 * that depend on their own sample and channel alone. */
#include "harness.h"
#include "property.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void copy_values(double *to, const double *from, int64_t count)
{
    memcpy(to, from, (size_t)count * sizeof *to);
}

/* A copy of the subject's data in one block, to be freed by test_data_release(). */
static test_data copy_data(const subject *s)
{
    const clconv_tensor_sizes *e = &s->geometry.elements;
    test_data copy = {.input = property_allocate(e->input + e->weight + e->bias)};
    copy.weight = copy.input + e->input;
    copy.bias = s->problem.has_bias ? copy.weight + e->weight : NULL;
    copy_values(copy.input, s->data.input, e->input + e->weight + e->bias);
    return copy;
}

/* Weights and bias times 2^k give outputs times 2^k, in every bit. */
static void check_scaling(const subject *s, random_state *r)
{
    const clconv_tensor_sizes *e = &s->geometry.elements;
    int k = (int)random_between(r, -20, 20);
    test_data scaled = copy_data(s);
    for (int64_t i = 0; i < e->weight + e->bias; i++)
        scaled.weight[i] = ldexp(scaled.weight[i], k);
    double *expected = property_output(s), *got = property_convolve(s, &s->problem, &scaled);
    for (int64_t i = 0; expected != NULL && i < e->output; i++)
        expected[i] = ldexp(expected[i], k);
    property_expect_bits(s, "weights times 2^k", got, expected, e->output);
    free(got);
    free(expected);
    test_data_release(&scaled);
}

static void test_scaling(void)
{
    property_for_all(check_scaling, true);
}

/* The tensor at `part` of the data is the sum of two others; the other tensors are the same, and what does
 * not depend on `part` is in one of the two only. */
static void expect_linear(const subject *s, random_state *r, int part, const char *property)
{
    const clconv_tensor_sizes *e = &s->geometry.elements;
    test_data one = copy_data(s), two = copy_data(s);
    double *parts[] = {one.input, one.weight, one.bias}, *others[] = {two.input, two.weight, two.bias};
    int64_t counts[] = {e->input, e->weight, e->bias};
    for (int64_t i = 0; i < counts[part]; i++) {
        parts[part][i] = trunc(parts[part][i] * (double)random_between(r, 0, 8) / 8);
        others[part][i] -= parts[part][i];
    }
    if (part != 2) memset(two.weight + e->weight, 0, (size_t)e->bias * sizeof(double));
    if (part == 2) memset(two.weight, 0, (size_t)e->weight * sizeof(double));
    double *whole = property_output(s);
    double *first = property_convolve(s, &s->problem, &one),
           *second = property_convolve(s, &s->problem, &two);
    if (first != NULL && second != NULL) {
        for (int64_t i = 0; i < e->output; i++)
            first[i] += second[i];
        property_expect(s, property, first, whole);
    }
    free(second);
    free(first);
    free(whole);
    test_data_release(&two);
    test_data_release(&one);
}

static void check_linearity(const subject *s, random_state *r)
{
    expect_linear(s, r, 0, "linear in the input");
    expect_linear(s, r, 1, "linear in the weight");
    if (s->problem.has_bias) expect_linear(s, r, 2, "linear in the bias");
}

static void test_linearity(void)
{
    property_for_all(check_linearity, false);
}

/* What a tap reads for each output of a channel: PyTorch's rule, straight. */
static void shift(const clconv_problem *p, const geometry *g, const double *channel, const int64_t tap[3],
                  double bias, double *out)
{
    for (int64_t i = 0; i < g->output_plane; i++) {
        const int64_t at[3] = {i / (g->output[1] * g->output[2]), i / g->output[2] % g->output[1],
                               i % g->output[2]};
        int64_t from[3];
        bool is_zero = false;
        for (int axis = 0; axis < 3; axis++) {
            from[axis] = geometry_source(p->padding_mode,
                                         at[axis] * p->stride[axis] + tap[axis] * p->dilation[axis] -
                                             p->pad_before[axis],
                                         p->input[axis]);
            is_zero |= from[axis] < 0;
        }
        out[i] = bias + (is_zero ? 0 : channel[(from[0] * p->input[1] + from[1]) * p->input[2] + from[2]]);
    }
}

/* A filter that is 1 at one tap of one channel shifts that channel. */
static void check_delta(const subject *s, random_state *r)
{
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    test_data delta = copy_data(s);
    memset(delta.weight, 0, (size_t)g->elements.weight * sizeof(double));
    double *expected = property_allocate(g->elements.output);
    for (int64_t o = 0; o < p->out_channels; o++) {
        const int64_t tap[3] = {random_between(r, 0, p->kernel[0] - 1),
                                random_between(r, 0, p->kernel[1] - 1),
                                random_between(r, 0, p->kernel[2] - 1)};
        int64_t c = random_between(r, 0, g->group_in - 1);
        delta.weight[o * g->reduction + c * g->taps + (tap[0] * p->kernel[1] + tap[1]) * p->kernel[2] +
                     tap[2]] = 1;
        for (int64_t n = 0; n < p->batch; n++)
            shift(p, g,
                  delta.input + (n * p->in_channels + o / g->group_out * g->group_in + c) * g->input_plane,
                  tap, p->has_bias ? delta.bias[o] : 0,
                  expected + (n * p->out_channels + o) * g->output_plane);
    }
    double *got = property_convolve(s, p, &delta);
    property_expect(s, "delta kernels shift", got, expected);
    free(got);
    free(expected);
    test_data_release(&delta);
}

static void test_delta(void)
{
    property_for_all(check_delta, false);
}

/* The samples in reverse order give the outputs in reverse order; one alone gives its own. Bit for bit. */
static void check_batch(const subject *s, random_state *r)
{
    const clconv_problem *p = &s->problem;
    int64_t in = s->geometry.elements.input / p->batch, out = s->geometry.elements.output / p->batch;
    test_data reversed = copy_data(s);
    for (int64_t n = 0; n < p->batch; n++)
        copy_values(reversed.input + n * in, s->data.input + (p->batch - 1 - n) * in, in);
    double *whole = property_output(s), *got = property_convolve(s, p, &reversed);
    for (int64_t n = 0; whole != NULL && got != NULL && n < p->batch; n++)
        property_expect_bits(s, "reversed batch", got + n * out, whole + (p->batch - 1 - n) * out, out);
    free(got);

    int64_t n = random_between(r, 0, p->batch - 1);
    clconv_problem one = *p;
    one.batch = 1;
    test_data sample = s->data;
    sample.input += n * in;
    got = property_convolve(s, &one, &sample);
    property_expect_bits(s, "a slice of the batch", got, whole != NULL ? whole + n * out : NULL, out);
    free(got);
    free(whole);
    test_data_release(&reversed);
}

static void test_batch(void)
{
    property_for_all(check_batch, true);
}

/* Filters and biases in reverse order within each group give the channels in that order. Bit for bit. */
static void check_channels(const subject *s, random_state *r)
{
    (void)r;
    const clconv_problem *p = &s->problem;
    const geometry *g = &s->geometry;
    test_data reversed = copy_data(s);
    double *expected = property_allocate(g->elements.output), *whole = property_output(s);
    for (int64_t o = 0; o < p->out_channels; o++) {
        int64_t from = o / g->group_out * g->group_out + g->group_out - 1 - o % g->group_out;
        copy_values(reversed.weight + o * g->reduction, s->data.weight + from * g->reduction, g->reduction);
        if (p->has_bias) reversed.bias[o] = s->data.bias[from];
        for (int64_t n = 0; whole != NULL && n < p->batch; n++)
            copy_values(expected + (n * p->out_channels + o) * g->output_plane,
                        whole + (n * p->out_channels + from) * g->output_plane, g->output_plane);
    }
    double *got = property_convolve(s, p, &reversed);
    property_expect_bits(s, "permuted output channels", got, expected, g->elements.output);
    free(got);
    free(whole);
    free(expected);
    test_data_release(&reversed);
}

static void test_channels(void)
{
    property_for_all(check_channels, true);
}

const char test_suite_name[] = "values";
const test_entry test_suite[] = {
    {"the device is opened", property_open},
    {"weights times 2^k", test_scaling},
    {"linearity in input, weight and bias", test_linearity},
    {"delta kernels shift", test_delta},
    {"samples are independent", test_batch},
    {"output channels are independent", test_channels},
    {"the device is closed", property_close},
    {NULL, NULL},
};
