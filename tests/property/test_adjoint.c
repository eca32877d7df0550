/* Gradients, by every algorithm that makes them: equal to the reference (exactly on integers, within the
 * bounds on reals), the same bits again, and adjoint to the forward pass, <conv(x), g> = <x, grad_input(g)> =
 * <w, grad_weight(x, g)>. CLCONV_PROPERTY_COUNT problems, and a table of those that a random one rarely is.
 */
#include "harness.h"
#include "problem/reference.h"
#include "property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report(const subject *s, clconv_op op, const char *why)
{
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
    clconv_problem_format(&s->problem, text, NULL);
    printf("\n  %s by %s, %s mode %d, pad_after %lld,%lld,%lld: %s", clconv_op_name(op), s->algorithm, text,
           (int)s->problem.padding_mode, (long long)s->problem.pad_after[0],
           (long long)s->problem.pad_after[1], (long long)s->problem.pad_after[2], why);
    CU_FAIL("see above");
}

static double inner(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The tensor that the op's gradient belongs to. */
static const double *primal(const subject *s, clconv_op op)
{
    return op == CLCONV_BACKWARD_INPUT ? s->data.input : op == CLCONV_BACKWARD_WEIGHT ? s->data.weight : NULL;
}

/* What the device made: against the reference, and on integers as an adjoint, the products summed in double
 * precision without rounding. */
static void expect_right(const subject *s, clconv_op op, bool exact, double product, const double *made)
{
    test_reference expected;
    clconv_problem p = test_problem_of(op, &s->problem);
    CU_ASSERT_FATAL(test_reference_compute_op(op, &p, &s->data, &expected));
    property_compared();
    bool is_exact = exact && algorithm_is_direct(s->algorithm);
    int64_t at = is_exact ? first_difference(made, expected.output, expected.count)
                          : first_outside_bound(s->algorithm, &p, made, &expected);
    if (at < expected.count) {
        char why[128];
        snprintf(why, sizeof why, "element %lld is %.9g, not %.9g", (long long)at, made[at],
                 expected.output[at]);
        report(s, op, why);
    }
    if (is_exact && primal(s, op) != NULL && inner(made, primal(s, op), expected.count) != product)
        report(s, op, "not the adjoint of the forward pass");
    free(expected.output);
}

/* Two runs of one plan, in guarded buffers. */
static void check_op(const subject *s, clconv_op op, bool exact, double product)
{
    test_plan plan;
    char why[TEST_WHY] = "";
    clconv_error err = {.message = ""};
    clconv_problem p = test_problem_of(op, &s->problem);
    clconv_status status = test_plan_create_op(property_device(), op, &p, s->algorithm, false, false,
                                               CLCONV_WORKSPACE_UNLIMITED, &plan, &err);
    if (status != CLCONV_SUCCESS && (status != CLCONV_UNSUPPORTED || err.message[0] == '\0'))
        report(s, op, err.message);
    if (status != CLCONV_SUCCESS) return;
    int64_t count = geometry_made(&p, &s->geometry, op);
    double *made = property_allocate(2 * count), *again = made + count;
    if (!test_plan_run(property_device(), &plan, &s->data, made, why) ||
        !test_plan_run(property_device(), &plan, &s->data, again, why))
        report(s, op, why);
    else if (memcmp(made, again, (size_t)count * sizeof *made) != 0)
        report(s, op, "other bits in a second run");
    else
        expect_right(s, op, exact, product, made);
    free(made);
    test_plan_release(&plan);
}

/* `product` is <conv(x), g>, which every gradient's inner product with its own tensor is too. */
static void check_gradients(const subject *s, bool exact)
{
    const clconv_tensor_sizes *n = &s->geometry.elements;
    double *output = property_allocate(n->output);
    reference_forward(&s->problem, &s->geometry, s->data.input, s->data.weight, NULL, output, NULL);
    double product = inner(output, s->data.grad_output, n->output);
    for (clconv_op op = CLCONV_BACKWARD_INPUT; op <= CLCONV_BACKWARD_BIAS; op++)
        if (algorithm_serves(s->algorithm, op)) check_op(s, op, exact, product);
    free(output);
}

static void check_reals(const subject *s, random_state *r)
{
    (void)r;
    check_gradients(s, false);
}

static void check_integers(const subject *s, random_state *r)
{
    subject small = *s;
    (void)r;
    CU_ASSERT_FATAL(test_data_small_integers(&s->problem, s->number, &small.data));
    check_gradients(&small, true);
    test_data_release(&small.data);
}

static void test_integers(void)
{
    property_for_all(check_integers, false);
}

static void test_reals(void)
{
    property_for_all(check_reals, true);
}

/* Kernels like strides, strides that share a divisor with the dilation, strides beyond the kernel, borders
 * wider than the kernel, sums over many planes, kernels of one element whose outputs are as many as the inputs
 * but not theirs, or fewer by an output_padding. */
static const struct {
    const char *text;
    clconv_padding_mode mode;
    int64_t output_padding[3], pad_after[3];
} table[] = {
    {"mb2ic3id4ih6iw12oc5kd2sd2", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic4id5ih7iw20oc3kd3sd3pd1", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic2id6ih8iw21oc3kd2sd3", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic2id9ih9iw19oc3kd3sd4dd1pd2", CLCONV_PADDING_REFLECT, {0}, {0}},
    {"ic2id6ih6iw9oc2kd1pd2", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic2id4ih5iw9oc2kd2sd2pd1", CLCONV_PADDING_CIRCULAR, {0}, {0}},
    {"ic2id4ih5iw9oc2kd2sd2pd1", CLCONV_PADDING_SYMMETRIC, {0}, {0}},
    {"ic2id3ih3iw1oc2kd3pd3ph3pw1", CLCONV_PADDING_SYMMETRIC, {0}, {0}},
    {"ic3id1ih1iw1oc2kd3pd4", CLCONV_PADDING_REPLICATE, {0}, {0}},
    {"ic20id2ih7iw7oc24kd3pd1", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"mb20ic3id2ih4iw4oc8kd2kh4sd2sh4", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic6id5ih6iw16oc6kd3pd1g6", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic2id1ih1iw40oc3kd1kh1kw11pd0ph0pw5", CLCONV_PADDING_REPLICATE, {0}, {0}},
    {"ic5id12ih4iw8oc7kd3kh1pd1ph0", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"ic2id20ih20iw40oc2kd3pd1", CLCONV_PADDING_ZEROS, {0}, {0}},
    {"mb2ic9id5ih6iw8oc24kd1dd1g3", CLCONV_PADDING_ZEROS, {0, 0, 1}, {0}},
    {"ic9id5ih6iw8oc24kd1dd1", CLCONV_PADDING_ZEROS, {1, 0, 0}, {0}},
    {"ic9id7ih6iw8oc24kd3kh1kw1dd1dh0dw1", CLCONV_PADDING_ZEROS, {0, 0, 1}, {0}},
    {"ic4id5ih2iw19oc3kd2kh1kw1sd1sh2sw1", CLCONV_PADDING_CIRCULAR, {0}, {0, 2, 0}},
    {"ic4id2ih2iw2oc20kd1sd2", CLCONV_PADDING_ZEROS, {0}, {2, 2, 2}},
};

static void test_table(void)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        subject s = {.number = i};
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(table[i].text, &s.problem, NULL), CLCONV_SUCCESS);
        s.problem.padding_mode = table[i].mode;
        for (int axis = 0; axis < 3; axis++)
            s.problem.pad_after[axis] += table[i].pad_after[axis];
        memcpy(s.problem.output_padding, table[i].output_padding, sizeof table[i].output_padding);
        CU_ASSERT_EQUAL_FATAL(geometry_compute(&s.problem, &s.geometry, NULL), CLCONV_SUCCESS);
        for (size_t a = 0; a < clconv_algorithm_count(); a++) {
            random_state r = {i};
            s.algorithm = clconv_algorithm_name(a);
            check_integers(&s, &r);
        }
    }
}

const char test_suite_name[] = "adjoint";
const test_entry test_suite[] = {
    {"open", property_open},
    {"gradients of the table", test_table},
    {"gradients of integers", test_integers},
    {"gradients of reals", test_reals},
    {"close", property_close},
    {NULL, NULL},
};
