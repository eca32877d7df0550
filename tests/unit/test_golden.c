/* The reference and the initialisation against PyTorch: tests/golden/ holds what PyTorch 1.13.1 gave, and the
 * script that made it. The reference may differ by the rounding of both; the initialisation by no bit. */
#include "harness.h"

#include "base/hash.h"
#include "cases.h"
#include "problem/reference.h"
#include "random.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct tensors {
    double *input, *weight, *bias, *output, *magnitude;
} tensors;

static double *allocate(int64_t count)
{
    double *values = calloc((size_t)count + 1, sizeof *values);
    if (values == NULL) abort();
    return values;
}

static void tensors_release(tensors *t)
{
    free(t->input);
    free(t->weight);
    free(t->bias);
    free(t->output);
    free(t->magnitude);
}

static tensors compute(const clconv_problem *p, const geometry *g, uint64_t seed)
{
    const clconv_tensor_sizes *n = &g->elements;
    tensors t = {allocate(n->input), allocate(n->weight), p->has_bias ? allocate(n->bias) : NULL,
                 allocate(n->output), allocate(n->output)};
    random_state r = {seed};
    random_reals(&r, t.input, n->input);
    random_reals(&r, t.weight, n->weight);
    if (t.bias != NULL) random_reals(&r, t.bias, n->bias);
    reference_forward(p, g, t.input, t.weight, t.bias, t.output, t.magnitude);
    return t;
}

/* The case's head in outputs.txt: the number of values and Do, Ho, Wo. */
static int matches_head(FILE *golden, const geometry *g)
{
    long long n, d, h, w;
    if (fscanf(golden, "%lld %lldx%lldx%lld", &n, &d, &h, &w) != 4) return 0;
    return n == g->elements.output && d == g->output[0] && h == g->output[1] && w == g->output[2];
}

static int64_t count_wrong(FILE *golden, const geometry *g, const tensors *t)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < g->elements.output; i++) {
        double right;
        int read = fscanf(golden, "%la", &right);
        double allowed = 2 * bound_direct(CLCONV_FLOAT64, g->reduction, t->magnitude[i]);
        wrong += read != 1 || !(fabs(t->output[i] - right) <= allowed);
    }
    return wrong;
}

static void test_outputs(void)
{
    size_t count = 0;
    test_case *cases = cases_read(SOURCE_DIR "/tests/golden/cases.txt", &count);
    FILE *golden = fopen(SOURCE_DIR "/tests/golden/outputs.txt", "r");
    CU_ASSERT_FATAL(cases != NULL && golden != NULL);
    CU_ASSERT_EQUAL(count, 40);
    for (size_t i = 0; i < count; i++) {
        geometry g;
        CU_ASSERT_EQUAL_FATAL(geometry_compute(&cases[i].problem, &g, NULL), CLCONV_SUCCESS);
        int same_shape = matches_head(golden, &g);
        if (!same_shape) printf("%s: not PyTorch's shape\n", cases[i].text);
        CU_ASSERT_FATAL(same_shape);
        tensors t = compute(&cases[i].problem, &g, i + 1);
        int64_t wrong = count_wrong(golden, &g, &t);
        if (wrong != 0) printf("%s: %" PRId64 " values are not PyTorch's\n", cases[i].text, wrong);
        CU_ASSERT_EQUAL(wrong, 0);
        tensors_release(&t);
    }
    char rest;
    CU_ASSERT_EQUAL(fscanf(golden, " %c", &rest), EOF);
    fclose(golden);
    free(cases);
}

typedef struct initial {
    int64_t shape[5];
    uint64_t seed, hash;
    double first_weight, last_bias;
} initial;

static int read_initial(FILE *golden, initial *c)
{
    return fscanf(golden,
                  "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNu64 " %la %la %" SCNx64,
                  &c->shape[0], &c->shape[1], &c->shape[2], &c->shape[3], &c->shape[4], &c->seed,
                  &c->first_weight, &c->last_bias, &c->hash) == 9;
}

static void check_initial(const initial *c)
{
    size_t outputs = (size_t)c->shape[0], count = outputs;
    for (int i = 1; i < 5; i++)
        count *= (size_t)c->shape[i];
    float *values = malloc((count + outputs) * sizeof *values);
    CU_ASSERT_FATAL(values != NULL);
    CU_ASSERT_EQUAL(clconv_init_uniform(c->shape, c->seed, values, values + count, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL((double)values[0], c->first_weight);
    CU_ASSERT_EQUAL((double)values[count + outputs - 1], c->last_bias);
    CU_ASSERT_EQUAL(hash_bytes(HASH_START, values, (count + outputs) * sizeof *values), c->hash);
    free(values);
}

static void test_initial(void)
{
    FILE *golden = fopen(SOURCE_DIR "/tests/golden/initial.txt", "r");
    CU_ASSERT_FATAL(golden != NULL);
    initial c;
    int count = 0;
    for (; read_initial(golden, &c); count++)
        check_initial(&c);
    CU_ASSERT_EQUAL(count, 20);
    fclose(golden);
}

const char test_suite_name[] = "golden";
const test_entry test_suite[] = {
    {"the reference agrees with PyTorch", test_outputs},
    {"initial parameters have PyTorch's bits", test_initial},
    {NULL, NULL},
};
