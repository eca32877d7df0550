/* Gradients, by every algorithm that makes them: equal to the reference (exactly on integers, within the
 * bounds on reals), the same bits again, and adjoint to the forward pass, <conv(x), g> = <x, grad_input(g)> =
 * <w, grad_weight(x, g)>. CLCONV_PROPERTY_COUNT problems, and a table of those that a random one rarely is.
 */
#include "harness.h"
#include "problem/reference.h"
#include "property.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arrays of one gradient: what the device is given and makes, in float, and the exact answer. */
typedef struct trial {
    const subject *s;
    const double *grad_output;
    float *tensors[3]; /* input, weight, grad_output */
    int64_t sizes[3];
} trial;

static clconv_context *context(void)
{
    static clconv_context *shared;
    if (shared == NULL)
        CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected(NULL, NULL, &shared, NULL), CLCONV_SUCCESS);
    return shared;
}

static float *to_floats(const double *values, int64_t count)
{
    float *floats = malloc(((size_t)count + 1) * sizeof *floats);
    CU_ASSERT_PTR_NOT_NULL_FATAL(floats);
    for (int64_t i = 0; i < count; i++)
        floats[i] = (float)values[i];
    return floats;
}

/* Elements of what the op makes. */
static int64_t made_size(const subject *s, clconv_op op)
{
    const clconv_tensor_sizes *n = &s->geometry.elements;
    return op == CLCONV_BACKWARD_INPUT    ? n->input
           : op == CLCONV_BACKWARD_WEIGHT ? n->weight
                                          : s->problem.out_channels;
}

static clconv_status make(const trial *t, clconv_op op, float *made, clconv_error *err)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = op == CLCONV_BACKWARD_BIAS ? NULL : t->s->algorithm;
    clconv_problem p = t->s->problem;
    p.has_bias = 0;
    const clconv_host_gradients gradients = {
        .input = t->tensors[0],
        .weight = t->tensors[1],
        .grad_output = t->tensors[2],
        .grad_input = op == CLCONV_BACKWARD_INPUT ? made : NULL,
        .grad_weight = op == CLCONV_BACKWARD_WEIGHT ? made : NULL,
        .grad_bias = op == CLCONV_BACKWARD_BIAS ? made : NULL,
    };
    return clconv_conv3d_grad_host(context(), &p, &options, &gradients, err);
}

static void report(const subject *s, clconv_op op, int64_t at, double got, double expected)
{
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
    clconv_problem_format(&s->problem, text, NULL);
    printf("\n  %s, op %d, %s mode %d, pad_after %lld,%lld,%lld: element %lld is %.9g, not %.9g",
           s->algorithm, (int)op, text, (int)s->problem.padding_mode, (long long)s->problem.pad_after[0],
           (long long)s->problem.pad_after[1], (long long)s->problem.pad_after[2], (long long)at, got,
           expected);
    CU_FAIL("see above");
}

static double inner(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Compares with the exact answer; false after a failure. */
static bool is_right(const trial *t, clconv_op op, bool exact, const float *made, const double *expected,
                     const double *magnitude)
{
    const subject *s = t->s;
    bool direct = algorithm_is_direct(s->algorithm) || op == CLCONV_BACKWARD_BIAS;
    int64_t terms = reference_backward_terms(&s->problem, &s->geometry, op);
    for (int64_t i = 0; i < made_size(s, op); i++) {
        double bound = direct ? bound_direct(CLCONV_FLOAT32, terms, magnitude[i])
                              : bound_default(CLCONV_FLOAT32, terms, magnitude[i]);
        if (exact && direct) bound = 0;
        if (fabs((double)made[i] - expected[i]) <= bound) continue;
        report(s, op, i, (double)made[i], expected[i]);
        return false;
    }
    return true;
}

/* One op: against the reference, twice, and as an adjoint. */
static void check_op(const trial *t, clconv_op op, bool exact, double product)
{
    const subject *s = t->s;
    int64_t count = made_size(s, op);
    float *made = malloc(2 * ((size_t)count + 1) * sizeof *made), *again = made + count;
    double *expected = property_allocate(2 * count + 1), *magnitude = expected + count;
    const reference_gradient answer = {op == CLCONV_BACKWARD_INPUT ? expected : NULL,
                                       op == CLCONV_BACKWARD_WEIGHT ? expected : NULL,
                                       op == CLCONV_BACKWARD_BIAS ? expected : NULL};
    const reference_gradient bound = {op == CLCONV_BACKWARD_INPUT ? magnitude : NULL,
                                      op == CLCONV_BACKWARD_WEIGHT ? magnitude : NULL,
                                      op == CLCONV_BACKWARD_BIAS ? magnitude : NULL};
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    reference_backward(&s->problem, &s->geometry, s->data.input, s->data.weight, t->grad_output, &answer,
                       &bound);
    clconv_error err = {.message = ""};
    clconv_status status = make(t, op, made, &err);
    CU_ASSERT(status == CLCONV_SUCCESS || (status == CLCONV_UNSUPPORTED && err.message[0] != '\0'));
    if (status != CLCONV_SUCCESS && status != CLCONV_UNSUPPORTED)
        printf("\n  %s: %s", s->algorithm, err.message);
    if (status == CLCONV_SUCCESS && is_right(t, op, exact, made, expected, magnitude)) {
        CU_ASSERT_EQUAL(make(t, op, again, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(memcmp(made, again, (size_t)count * sizeof *made), 0);
        if (exact && op != CLCONV_BACKWARD_BIAS)
            CU_ASSERT_EQUAL(
                inner(expected, op == CLCONV_BACKWARD_INPUT ? s->data.input : s->data.weight, count),
                product);
        property_expect_bits(s, "gradient", expected, expected, count);
    }
    free(expected);
    free(made);
}

static void check_gradients(const subject *s, random_state *r, bool exact)
{
    const clconv_tensor_sizes *n = &s->geometry.elements;
    double *grad_output = property_allocate(2 * n->output), *output = grad_output + n->output;
    if (exact)
        random_integers(r, grad_output, n->output, 7);
    else
        random_reals(r, grad_output, n->output);
    trial t = {s,
               grad_output,
               {to_floats(s->data.input, n->input), to_floats(s->data.weight, n->weight),
                to_floats(grad_output, n->output)},
               {0}};
    reference_forward(&s->problem, &s->geometry, s->data.input, s->data.weight, NULL, output, NULL);
    double product = inner(output, grad_output, n->output);
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        if (strcmp(clconv_algorithm_name(a), s->algorithm) != 0) continue;
        for (clconv_op op = CLCONV_BACKWARD_INPUT; op <= CLCONV_BACKWARD_BIAS; op++)
            if (clconv_algorithm_serves(a, op)) check_op(&t, op, exact, product);
    }
    for (int i = 0; i < 3; i++)
        free(t.tensors[i]);
    free(grad_output);
}

static void check_exactly(const subject *s, random_state *r)
{
    check_gradients(s, r, true);
}

static void check_reals(const subject *s, random_state *r)
{
    check_gradients(s, r, false);
}

static void small_integers(subject *s, uint64_t seed)
{
    random_state r = {seed};
    random_integers(&r, s->data.input, s->geometry.elements.input, 7);
    random_integers(&r, s->data.weight, s->geometry.elements.weight, 7);
}

static void check_small(const subject *s, random_state *r)
{
    subject small = *s;
    small_integers(&small, s->number);
    check_exactly(&small, r);
}

static void test_integers(void)
{
    property_for_all(check_small, false);
}

static void test_reals(void)
{
    property_for_all(check_reals, true);
}

/* Kernels like strides, strides that share a divisor with the dilation, strides beyond the kernel, borders
 * wider than the kernel, sums over many planes. */
static const struct {
    const char *text;
    clconv_padding_mode mode;
} table[] = {
    {"mb2ic3id4ih6iw12oc5kd2sd2", CLCONV_PADDING_ZEROS},
    {"ic4id5ih7iw20oc3kd3sd3pd1", CLCONV_PADDING_ZEROS},
    {"ic2id6ih8iw21oc3kd2sd3", CLCONV_PADDING_ZEROS},
    {"ic2id9ih9iw19oc3kd3sd4dd1pd2", CLCONV_PADDING_REFLECT},
    {"ic2id6ih6iw9oc2kd1pd2", CLCONV_PADDING_ZEROS},
    {"ic2id4ih5iw9oc2kd2sd2pd1", CLCONV_PADDING_CIRCULAR},
    {"ic3id1ih1iw1oc2kd3pd4", CLCONV_PADDING_REPLICATE},
    {"ic20id2ih7iw7oc24kd3pd1", CLCONV_PADDING_ZEROS},
    {"mb20ic3id2ih4iw4oc8kd2kh4sd2sh4", CLCONV_PADDING_ZEROS},
    {"ic6id5ih6iw16oc6kd3pd1g6", CLCONV_PADDING_ZEROS},
    {"ic2id1ih1iw40oc3kd1kh1kw11pd0ph0pw5", CLCONV_PADDING_REPLICATE},
    {"ic5id12ih4iw8oc7kd3kh1pd1ph0", CLCONV_PADDING_ZEROS},
    {"ic2id20ih20iw40oc2kd3pd1", CLCONV_PADDING_ZEROS},
};

static void test_table(void)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        subject s = {.number = i};
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(table[i].text, &s.problem, NULL), CLCONV_SUCCESS);
        s.problem.padding_mode = table[i].mode;
        CU_ASSERT_EQUAL_FATAL(geometry_compute(&s.problem, &s.geometry, NULL), CLCONV_SUCCESS);
        CU_ASSERT_FATAL(test_data_integers(&s.problem, i, &s.data));
        for (size_t a = 0; a < clconv_algorithm_count(); a++) {
            random_state r = {i};
            s.algorithm = clconv_algorithm_name(a);
            check_small(&s, &r);
        }
        test_data_release(&s.data);
    }
}

static void close_all(void)
{
    clconv_context_release(context());
    property_close();
}

const char test_suite_name[] = "adjoint";
const test_entry test_suite[] = {
    {"open", property_open},
    {"gradients of the table", test_table},
    {"gradients of integers", test_integers},
    {"gradients of reals", test_reals},
    {"close", close_all},
    {NULL, NULL},
};
