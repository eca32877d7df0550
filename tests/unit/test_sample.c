/* Elements that the tuner checks are those of the reference, in every op and padding mode; and what differs from them by more than
 * the bound, or was not written, shows. */
#include "harness.h"
#include "problem/reference.h"
#include "search/sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double *values_of(sample_tensor which, int64_t count)
{
    double *values = calloc((size_t)count + 1, sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (int64_t i = 0; i < count; i++) {
        values[i] = sample_value(which, i);
        CU_ASSERT(fabs(values[i]) <= 1 && (double)(float)values[i] == values[i]);
    }
    return values;
}

/* All that the op makes, by the reference. */
static double *reference_of(clconv_op op, const clconv_problem *p, const geometry *g)
{
    const clconv_tensor_sizes *n = &g->elements;
    const clconv_op own = op == CLCONV_TRANSPOSED ? CLCONV_BACKWARD_INPUT : op;
    const int64_t made = geometry_made(p, g, op);
    double *input = values_of(SAMPLE_INPUT, n->input), *weight = values_of(SAMPLE_WEIGHT, n->weight),
           *bias = values_of(SAMPLE_BIAS, p->in_channels + p->out_channels),
           *residual = values_of(SAMPLE_RESIDUAL, n->output), *out = values_of(SAMPLE_OUTPUT_LIKE, n->output),
           *exact = calloc((size_t)made, sizeof *exact), *magnitude = calloc((size_t)made, sizeof *magnitude);
    CU_ASSERT_FATAL(exact != NULL && magnitude != NULL);
    const reference_tensors t = {input, weight, p->has_bias ? bias : NULL, p->has_residual ? residual : NULL,
                                 out};
    reference_op(own, p, g, &t, exact, magnitude);
    for (int64_t i = 0; op == CLCONV_TRANSPOSED && p->has_bias && i < made; i++)
        exact[i] += bias[i / g->input_plane % p->in_channels];
    free(input), free(weight), free(bias), free(residual), free(out), free(magnitude);
    return exact;
}

static void compare(clconv_op op, const clconv_problem *p)
{
    static sample s;
    CU_ASSERT_EQUAL_FATAL(sample_create(op, p, &s, NULL), CLCONV_SUCCESS);
    double *exact = reference_of(op, p, &s.g);
    const int64_t made = geometry_made(p, &s.g, op);
    CU_ASSERT(s.count > 2 && s.index[0] == 0 && s.index[1] == made - 1);
    for (int i = 0; i < s.count; i++)
        CU_ASSERT_DOUBLE_EQUAL(s.exact[i], exact[s.index[i]], 1e-12);
    float *got = calloc((size_t)made, sizeof *got);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    for (int64_t i = 0; i < made; i++)
        got[i] = (float)exact[i];
    CU_ASSERT(sample_worst(&s, got, true) <= 1);
    got[made - 1] += 0.01F;
    CU_ASSERT(sample_worst(&s, got, true) > 1);
    got[made - 1] = NAN;
    CU_ASSERT(isinf(sample_worst(&s, got, true)));
    free(got);
    free(exact);
}

static void test_every_op(void)
{
    static const char *const texts[] = {"mb2ic4id3ih5iw7oc6kd3kh2kw3pd2ph1pw1sd1sh2sw1g2",
                                        "mb1ic6id4ih6iw5oc6kd2kh3kw2pd1dd1dh0dw1g6", "mb3ic2id2ih3iw4oc3kd1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int mode = CLCONV_PADDING_ZEROS; mode <= CLCONV_PADDING_SYMMETRIC; mode++)
            for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_TRANSPOSED; op++) {
                clconv_problem p;
                CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(texts[i], &p, NULL), CLCONV_SUCCESS);
                if (op == CLCONV_TRANSPOSED && mode != CLCONV_PADDING_ZEROS) continue;
                p.padding_mode = (clconv_padding_mode)mode;
                p.has_bias = op == CLCONV_FORWARD || op == CLCONV_TRANSPOSED;
                p.has_residual = op == CLCONV_FORWARD && mode % 2 == 0;
                if (op == CLCONV_FORWARD && mode > 0) p.activation = CLCONV_ACTIVATION_SILU;
                compare(op, &p);
            }
}

const char test_suite_name[] = "sample";
const test_entry test_suite[] = {
    {"every op and padding mode", test_every_op},
    {NULL, NULL},
};
