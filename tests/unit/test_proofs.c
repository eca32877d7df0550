/* Which programs the known-answer test tries: for most plans of the suite's layers, by whatever algorithm, a small problem needs
 * the same programs; and for some plan of every algorithm. On devices that are not there. */
#include "algorithms/registry.h"
#include "harness.h"
#include "plan/prove.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 19, MOST_ALGORITHMS = 64 };

typedef struct tally {
    int plans, tried;
    int plans_of[MOST_ALGORITHMS], tried_of[MOST_ALGORITHMS];
} tally;

/* N,Cin,D,H,W,Cout,kD,...,groups after the two names of a line. */
static bool read_problem(const char *line, clconv_problem *p)
{
    int64_t v[COLUMNS];
    const char *at = strchr(strchr(line, ',') + 1, ',');
    for (int i = 0; i < COLUMNS; i++) {
        char *end = NULL;
        if (at == NULL || *at != ',') return false;
        v[i] = strtoll(at + 1, &end, 10);
        at = end;
    }
    clconv_problem_init(p);
    p->batch = v[0], p->in_channels = v[1], p->out_channels = v[5], p->groups = v[18];
    for (int axis = 0; axis < 3; axis++) {
        p->input[axis] = v[2 + axis];
        p->kernel[axis] = v[6 + axis];
        p->stride[axis] = v[9 + axis];
        p->pad_before[axis] = p->pad_after[axis] = v[12 + axis];
        p->dilation[axis] = v[15 + axis];
    }
    return true;
}

static void count_plan(clconv_context *context, const clconv_problem *p, clconv_op op, size_t algorithm,
                       tally *t)
{
    clconv_plan_options options;
    clconv_plan *plan = NULL;
    clconv_plan_options_init(&options);
    options.algorithm = clconv_algorithm_name(algorithm);
    if (!clconv_algorithm_serves(algorithm, op) ||
        clconv_plan_create(context, op, p, &options, &plan, NULL) != CLCONV_SUCCESS)
        return;
    bool is_tried = prove_count_untried(plan, &options) == 0;
    t->plans++, t->plans_of[algorithm]++;
    t->tried += is_tried, t->tried_of[algorithm] += is_tried;
    clconv_plan_release(plan);
}

static void count_suite(const char *family, tally *t)
{
    char line[512];
    clconv_context *context = NULL;
    clconv_problem p;
    FILE *suite = fopen(SOURCE_DIR "/bench/suite.csv", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(suite);
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_imagined(family, &context, NULL), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, suite)); /* the header */
    while (fgets(line, sizeof line, suite) != NULL) {
        CU_ASSERT_FATAL(read_problem(line, &p));
        for (int op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
            for (size_t a = 0; a < clconv_algorithm_count(); a++)
                count_plan(context, &p, (clconv_op)op, a, t);
    }
    fclose(suite);
    clconv_context_release(context);
}

static void test_suite_layers(void)
{
    static tally t;
    count_suite("xeon", &t);
    count_suite("cpu-256", &t);
    count_suite("nvidia", &t);
    printf("%d of %d plans; ", t.tried, t.plans);
    CU_ASSERT(t.plans > 1000);
    CU_ASSERT(t.tried > t.plans * 9 / 10);
    CU_ASSERT_FATAL(clconv_algorithm_count() <= MOST_ALGORITHMS);
    for (size_t a = 0; a < clconv_algorithm_count(); a++)
        if (t.plans_of[a] > 0 && t.tried_of[a] == 0) {
            printf("%s: none of %d; ", clconv_algorithm_name(a), t.plans_of[a]);
            CU_FAIL("an algorithm that is never tried");
        }
}

const char test_suite_name[] = "proofs";
const test_entry test_suite[] = {
    {"small problems need the programs of the suite's layers", test_suite_layers},
    {NULL, NULL},
};
