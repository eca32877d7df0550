/* NaN, infinities, values near the largest float and denormals, anywhere in any tensor: every algorithm of every op gives
 * the definition's answer in double precision, with PyTorch's rules for what is not finite.
 * The long form tries 5,000 problems. */
#include "harness.h"
#include "property.h"

#include "base/arith.h"
#include "problem/reference.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FULL_COUNT = 5000, MOST_REPORTS = 40 };

static int64_t compared, reported;
static bool is_full;

/* What programs are compiled for: a few, of which every algorithm takes some; in the long form any. */
static void random_class(random_state *r, clconv_problem *p)
{
    static const int64_t classes[][9] = {/* kernel, stride, dilation */
                                         {3, 3, 3, 1, 1, 1, 1, 1, 1}, {3, 3, 3, 1, 1, 1, 1, 1, 1},
                                         {3, 3, 3, 2, 2, 2, 1, 1, 1}, {3, 1, 1, 1, 1, 1, 1, 1, 1},
                                         {1, 1, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2, 1, 1, 1}};
    const int64_t *c = classes[random_between(r, 0, sizeof classes / sizeof classes[0] - 1)];
    for (int axis = 0; axis < 3; axis++) {
        p->kernel[axis] = is_full ? random_between(r, 1, axis == 0 ? 3 : 5) : c[axis];
        p->stride[axis] = is_full ? random_pick(r, (const int64_t[]){1, 1, 1, 2}, 4) : c[3 + axis];
        p->dilation[axis] = is_full ? random_pick(r, (const int64_t[]){1, 1, 1, 2}, 4) : c[6 + axis];
    }
    if (random_between(r, 0, 1) == 0) p->kernel[1] = p->kernel[2];
    p->in_channels = p->groups * random_pick(r, (const int64_t[]){16, 3, 1, 8}, is_full ? 4 : 2);
    p->out_channels = p->groups * random_pick(r, (const int64_t[]){16, 3, 1, 8}, is_full ? 4 : 2);
}

static void random_axis(random_state *r, int axis, clconv_problem *p)
{
    p->input[axis] = random_between(r, 1, axis == 2 ? 37 : axis == 1 ? 11 : 6);
    p->pad_before[axis] = random_pick(r, (const int64_t[]){0, 1, 1, 2, 4}, 5);
    p->pad_after[axis] = random_pick(r, (const int64_t[]){0, 1, 1, 2, 4}, 5);
}

static clconv_problem random_problem(random_state *r)
{
    clconv_problem p;
    do {
        clconv_problem_init(&p);
        p.batch = random_between(r, 1, 2);
        p.groups = random_pick(r, (const int64_t[]){1, 1, 2, 3}, 4);
        random_class(r, &p);
        p.padding_mode = (clconv_padding_mode)random_pick(r, (const int64_t[]){0, 0, 1, 2, 3, 4}, 6);
        for (int axis = 0; axis < 3; axis++)
            random_axis(r, axis, &p);
        p.has_bias = (int)random_between(r, 0, 1);
        p.has_residual = (int)random_between(r, 0, 1);
        p.activation =
            (clconv_activation)random_pick(r, (const int64_t[]){0, 0, 1, 0, 2, 3, 4, 5, 6}, is_full ? 9 : 3);
    } while (clconv_problem_validate(&p, NULL) != CLCONV_SUCCESS);
    return p;
}

typedef enum palette { NANS, INFINITE, BOTH, HUGE_VALUES, DENORMALS, ALL, PALETTES } palette;

static double special_value(random_state *r, palette of)
{
    double sign = random_between(r, 0, 1) ? 1 : -1;
    if (of == BOTH) of = (palette)random_between(r, NANS, INFINITE);
    if (of == ALL) of = (palette)random_between(r, NANS, DENORMALS);
    switch (of) {
    case NANS:
        return NAN;
    case INFINITE:
        return sign * INFINITY;
    case HUGE_VALUES:
        return sign * (double)(float)(1e37 * (double)random_between(r, 1, 34));
    default:
        return sign * ldexp((double)random_between(r, 1, 1 << 20), -149);
    }
}

/* Some of the values become special: one, or 0.01 to 30 percent. */
static void sprinkle(random_state *r, palette of, double *values, int64_t count)
{
    const int64_t share = random_pick(r, (const int64_t[]){1, 10, 100, 1000, 3000}, 5);
    if (values == NULL || count == 0) return;
    for (int64_t i = 0; i < count; i++)
        if (random_between(r, 0, 9999) < share) values[i] = special_value(r, of);
    values[random_between(r, 0, count - 1)] = special_value(r, of);
}

static void make_special(random_state *r, const geometry *g, test_data *d)
{
    const clconv_tensor_sizes *e = &g->elements;
    double *const tensors[] = {d->input, d->weight, d->bias, d->residual, d->grad_output};
    const int64_t counts[] = {e->input, e->weight, e->bias, e->residual, e->output};
    int64_t always = random_between(r, 0, 4);
    for (int i = 0; i < 5; i++)
        if (i == always || random_between(r, 0, 3) == 0)
            sprinkle(r, (palette)random_between(r, 0, PALETTES - 1), tensors[i], counts[i]);
}

/* The answer; and of the same data with zeros for what is not finite the magnitudes, which say what can overflow. Of
 * weights that are not finite a forward plan may leave out the products with padded zeros: `skipped` is the answer then. */
typedef struct expectation {
    clconv_op op;
    bool is_direct; /* of the algorithm at hand */
    const clconv_problem *problem;
    geometry geometry;
    int64_t count;
    double *exact, *magnitude, *skipped;
} expectation;

static void clear_special(double *values, int64_t count)
{
    for (int64_t i = 0; values != NULL && i < count; i++)
        if (!isfinite(values[i])) values[i] = 0;
}

/* A sum without the products of padded zeros. */
static double sum_inside(const clconv_problem *p, const geometry *g, const test_data *d, int64_t sample,
                         int64_t o, const int64_t at[3])
{
    double sum = 0;
    for (int64_t k = 0; k < g->reduction; k++) {
        const int64_t tap[3] = {k % g->taps / (p->kernel[1] * p->kernel[2]), k / p->kernel[2] % p->kernel[1],
                                k % p->kernel[2]};
        int64_t index = sample * p->in_channels + o / g->group_out * g->group_in + k / g->taps;
        for (int axis = 0; axis < 3 && index >= 0; axis++) {
            int64_t source = geometry_source(p->padding_mode,
                                             at[axis] * p->stride[axis] + tap[axis] * p->dilation[axis] -
                                                 p->pad_before[axis],
                                             p->input[axis]);
            index = source < 0 ? -1 : index * p->input[axis] + source;
        }
        if (index >= 0) sum += d->weight[o * g->reduction + k] * d->input[index];
    }
    return sum;
}

static void skip_zeros(const clconv_problem *p, const geometry *g, const test_data *d, double *output)
{
    for (int64_t i = 0; i < g->elements.output; i++) {
        const int64_t at[3] = {i / g->output[2] / g->output[1] % g->output[0],
                               i / g->output[2] % g->output[1], i % g->output[2]};
        int64_t o = i / g->output_plane % p->out_channels;
        output[i] = (d->bias != NULL ? d->bias[o] : 0) +
                    sum_inside(p, g, d, i / g->output_plane / p->out_channels, o, at);
    }
    reference_epilogue(p, g->elements.output, d->residual, output, NULL);
}

static void expect(const clconv_problem *p, clconv_op op, const test_data *d, expectation *x)
{
    *x = (expectation){.op = op, .problem = p};
    CU_ASSERT_EQUAL_FATAL(geometry_compute(p, &x->geometry, NULL), CLCONV_SUCCESS);
    x->count = geometry_made(p, &x->geometry, op);
    x->exact = property_allocate(3 * x->count);
    x->magnitude = x->exact + x->count;
    x->skipped = x->magnitude + x->count;
    const clconv_tensor_sizes *e = &x->geometry.elements;
    const reference_tensors t = {d->input, d->weight, d->bias, d->residual, d->grad_output};
    double *unused = property_allocate(x->count);
    reference_op(op, p, &x->geometry, &t, x->exact, unused);
    memcpy(x->skipped, x->exact, (size_t)x->count * sizeof(double));
    if (op == CLCONV_FORWARD && p->padding_mode == CLCONV_PADDING_ZEROS)
        skip_zeros(p, &x->geometry, d, x->skipped);
    int64_t all = d->grad_output - d->input + e->output;
    double *finite = property_allocate(all);
    memcpy(finite, d->input, (size_t)all * sizeof(double));
    clear_special(finite, all);
#define MOVED(tensor) (d->tensor != NULL ? finite + (d->tensor - d->input) : NULL)
    const reference_tensors f = {MOVED(input), MOVED(weight), MOVED(bias), MOVED(residual),
                                 MOVED(grad_output)};
    reference_op(op, p, &x->geometry, &f, unused, x->magnitude);
    free(finite);
    free(unused);
}

static bool agrees(double got, double exact, double bound)
{
    if (isnan(exact)) return isnan(got);
    if (isinf(exact)) return got == exact;
    return fabs(got - exact) <= bound;
}

/* Where finite products alone may overflow on the way, any answer is one that some order gives. */
static bool is_right(const expectation *x, bool strict, int64_t i, double got)
{
    if (x->magnitude[i] >= FLT_MAX * (1 - 0x1p-10)) return true;
    compared++;
    double bound = bound_op(x->op, x->problem, &x->geometry, x->is_direct, x->magnitude[i], x->exact[i]);
    if (agrees(got, x->exact[i], bound)) return true;
    return !strict && agrees(got, x->skipped[i], bound);
}

static void report(const expectation *x, const char *algorithm, uint64_t number, int64_t wrong, int64_t at,
                   double got)
{
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
    clconv_problem_format(x->problem, text, NULL);
    CU_FAIL("see above");
    if (reported++ > MOST_REPORTS) return;
    printf("\n  problem %" PRIu64 ", %s, %s, %s mode %d: %lld of %lld wrong, element %lld is %g, not %g",
           number, clconv_op_name(x->op), algorithm, text, (int)x->problem->padding_mode, (long long)wrong,
           (long long)x->count, (long long)at, got, x->exact[at]);
}

static void check_algorithm(expectation *x, const test_data *d, const char *algorithm, bool strict,
                            uint64_t number)
{
    test_plan plan;
    clconv_error err = {.message = ""};
    char why[TEST_WHY];
    x->is_direct = algorithm_is_direct(algorithm);
    bool packed = number % 2 == 1 && x->op != CLCONV_BACKWARD_WEIGHT && x->op != CLCONV_BACKWARD_BIAS;
    clconv_status status = test_plan_create_op(property_device(), x->op, x->problem, algorithm, strict,
                                               packed, CLCONV_WORKSPACE_UNLIMITED, &plan, &err);
    if (status != CLCONV_SUCCESS && status != CLCONV_UNSUPPORTED) CU_FAIL("no plan");
    if (status != CLCONV_SUCCESS) return;
    double *got = property_allocate(2 * x->count), *again = got + x->count;
    CU_ASSERT_TRUE(test_plan_run(property_device(), &plan, d, got, why));
    int64_t wrong = 0, first = 0;
    for (int64_t i = x->count - 1; i >= 0; i--)
        if (!is_right(x, strict, i, got[i])) wrong++, first = i;
    if (wrong > 0) report(x, algorithm, number, wrong, first, got[first]);
    CU_ASSERT_TRUE(test_plan_run(property_device(), &plan, d, again, why));
    CU_ASSERT_EQUAL(first_difference(got, again, x->count), x->count);
    free(got);
    test_plan_release(&plan);
}

static void check_op(const clconv_problem *problem, clconv_op op, const test_data *d, uint64_t number)
{
    clconv_problem p = test_problem_of(op, problem);
    expectation x;
    test_data own = *d;
    if (!p.has_bias) own.bias = NULL;
    if (!p.has_residual) own.residual = NULL;
    expect(&p, op, &own, &x);
    for (size_t a = 0; a < clconv_algorithm_count(); a++)
        if (clconv_algorithm_serves(a, op))
            check_algorithm(&x, &own, clconv_algorithm_name(a), number % 5 == 0, number);
    free(x.exact);
}

static void check_problem(uint64_t number)
{
    random_state r = {property_seed() + number};
    clconv_problem p = random_problem(&r);
    geometry g;
    test_data d;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_FATAL(test_data_reals(&p, random_next(&r), &d));
    make_special(&r, &g, &d);
    for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
        check_op(&p, op, &d, number);
    test_data_release(&d);
}

static void test_random_problems(void)
{
    is_full = getenv("CLCONV_FULL_TESTS") != NULL;
    uint64_t count = is_full ? FULL_COUNT : property_count();
    for (uint64_t number = 0; number < count; number++)
        check_problem(number);
    printf("%lld values compared; ", (long long)compared);
    CU_ASSERT(compared > (int64_t)count);
}

const char test_suite_name[] = "special values";
const test_entry test_suite[] = {
    {"the device is opened", property_open},
    {"NaN, infinities, huge values and denormals", test_random_problems},
    {"the device is closed", property_close},
    {NULL, NULL},
};
