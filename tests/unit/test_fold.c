/* A problem with H and W as one axis gives the same output on the same tensors, and only where it can. */
#include "harness.h"

#include "problem/fold.h"
#include "problem/reference.h"
#include "random.h"

#include <string.h>

enum { PROBLEMS = 2000, MOST = 20000 };

static double input[MOST], weight[MOST], output[MOST], folded_output[MOST];

static void draw_problem(random_state *r, clconv_problem *p)
{
    clconv_problem_init(p);
    p->batch = random_between(r, 1, 2);
    p->in_channels = p->groups = random_between(r, 1, 2);
    p->out_channels = 2;
    p->padding_mode = (clconv_padding_mode)random_between(r, 0, CLCONV_PADDING_SYMMETRIC);
    for (int axis = 0; axis < 3; axis++) {
        bool is_plain = random_between(r, 0, 3) > 0;
        p->input[axis] = random_between(r, 1, 6);
        p->kernel[axis] = axis == 2 && is_plain ? 1 : random_between(r, 1, 3);
        p->dilation[axis] = random_between(r, 1, 3);
        p->stride[axis] = axis > 0 && is_plain ? 1 : random_between(r, 1, 2);
        p->pad_before[axis] = axis == 2 && is_plain ? 0 : random_between(r, 0, 2);
        p->pad_after[axis] = axis == 2 && is_plain ? 0 : random_between(r, 0, 2);
    }
}

/* What keeps the axes apart, said the other way round than problem_fold() asks. */
static bool must_not_fold(const clconv_problem *p)
{
    bool moves_columns = p->kernel[2] != 1 || p->pad_before[2] != 0 || p->pad_after[2] != 0,
         mirrors_rows = p->padding_mode != CLCONV_PADDING_ZEROS && p->input[2] > 1 &&
                        (p->pad_before[1] != 0 || p->pad_after[1] != 0);
    return moves_columns || p->stride[1] != 1 || p->stride[2] != 1 || p->kernel[1] == 1 || mirrors_rows;
}

static void check_output(random_state *r, const clconv_problem *p, const geometry *g,
                         const clconv_problem *folded)
{
    geometry f;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(folded, &f, NULL), CLCONV_SUCCESS);
    CU_ASSERT(memcmp(&f.elements, &g->elements, sizeof f.elements) == 0);
    CU_ASSERT_FATAL(g->elements.input <= MOST && g->elements.output <= MOST && g->elements.weight <= MOST);
    random_reals(r, input, g->elements.input);
    random_reals(r, weight, g->elements.weight);
    reference_forward(p, g, input, weight, NULL, output, NULL);
    reference_forward(folded, &f, input, weight, NULL, folded_output, NULL);
    CU_ASSERT(memcmp(output, folded_output, (size_t)g->elements.output * sizeof output[0]) == 0);
}

static void test_outputs(void)
{
    random_state r = {1};
    int count = 0;
    for (int i = 0; i < PROBLEMS; i++) {
        clconv_problem p, folded;
        geometry g;
        draw_problem(&r, &p);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        bool folds = problem_fold(&p, &folded);
        CU_ASSERT_EQUAL(folds, !must_not_fold(&p));
        if (!folds) continue;
        check_output(&r, &p, &g, &folded);
        count++;
    }
    CU_ASSERT(count > PROBLEMS / 20);
}

static void test_overflow(void)
{
    clconv_problem p, folded;
    clconv_problem_init(&p);
    p.kernel[1] = 2;
    p.input[1] = INT64_MAX / 2;
    p.input[2] = 4;
    CU_ASSERT_FALSE(problem_fold(&p, &folded));
}

const char test_suite_name[] = "fold";
const test_entry test_suite[] = {
    {"the same output", test_outputs},
    {"extents that overflow", test_overflow},
    {NULL, NULL},
};
