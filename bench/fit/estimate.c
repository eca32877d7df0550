/* What the library would choose on a device that need not be there, and the times by which it does: bench/fit.py's view of
 * the choice.
 *
 *     estimate TYPE NAME VENDOR VECTOR_BITS < layers        TYPE is cpu or gpu
 *
 * A line of the input is an op and the numbers of a suite's row from N to groups. A line of the output is the family, the
 * chosen algorithm and, for each that can do it, " NAME=KERNEL:SECONDS:FACTOR,...": its steps, without their launches, of
 * which each takes the seconds of the first line's last word. Weights are packed beforehand. */
#include "plan/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE = 1024 };

enum { NUMBERS = 19 };

/* Fills the problem from the numbers of a row; false if there are too few. */
static bool read_problem(const char *text, clconv_problem *p)
{
    int64_t n[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        char *end;
        n[i] = strtoll(text, &end, 10);
        if (end == text) return false;
        text = end;
    }
    clconv_problem_init(p);
    p->batch = n[0];
    p->in_channels = n[1];
    p->out_channels = n[5];
    p->groups = n[18];
    for (int axis = 0; axis < 3; axis++) {
        p->input[axis] = n[2 + axis];
        p->kernel[axis] = n[6 + axis];
        p->stride[axis] = n[9 + axis];
        p->pad_before[axis] = p->pad_after[axis] = n[12 + axis];
        p->dilation[axis] = n[15 + axis];
    }
    return true;
}

static bool find_op(const char *name, clconv_op *op)
{
    for (int i = 0; clconv_op_name((clconv_op)i) != NULL; i++)
        if (strcmp(clconv_op_name((clconv_op)i), name) == 0) {
            *op = (clconv_op)i;
            return true;
        }
    return false;
}

/* Releases what choosing has filled. */
static void release(clconv_plan *plan)
{
    for (size_t i = 0; i < plan->candidate_count; i++)
        free(plan->candidates[i].rejection);
    free(plan->candidates);
    free(plan->parameters_text);
    recipe_release(&plan->recipe);
}

/* Fills a plan by one algorithm, or by the cheapest if `algorithm` is NULL. */
static bool choose(clconv_context *context, clconv_op op, const clconv_problem *problem,
                   const char *algorithm, clconv_plan *plan)
{
    clconv_plan_options options;
    *plan = (clconv_plan){
        .context = context, .op = op, .problem = *problem, .packed_weights = op != CLCONV_BACKWARD_WEIGHT};
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    return geometry_compute(problem, &plan->geometry, NULL) == CLCONV_SUCCESS &&
           plan_choose(plan, &options, NULL) == CLCONV_SUCCESS;
}

static void print_steps(const machine *m, const clconv_plan *plan)
{
    for (size_t i = 0; i < plan->recipe.run_count; i++) {
        const step *s = &plan->recipe.run[i];
        const char *name = cost_name_of(s);
        double factor = machine_factor_of(m, name),
               seconds = (machine_seconds(m, name, s->element_size, &s->work) - m->launch_seconds) / factor;
        printf("%c%s:%.9g:%g", i == 0 ? '=' : ',', name, seconds, factor);
    }
}

static void print_choice(clconv_context *context, clconv_op op, const clconv_problem *problem)
{
    const machine *m = context->rt.traits.machine;
    clconv_plan plan, one;
    bool is_planned = choose(context, op, problem, NULL, &plan);
    printf("%s %s %g", m->name, is_planned ? plan.algorithm->name : "none", m->launch_seconds);
    for (size_t i = 0; i < plan.candidate_count; i++) {
        const candidate *c = &plan.candidates[i];
        if (c->rejection != NULL) continue;
        printf(" %s", c->algorithm->name);
        if (choose(context, op, problem, c->algorithm->name, &one)) print_steps(m, &one);
        release(&one);
    }
    printf("\n");
    release(&plan);
}

static clconv_device_info device(const char *const arguments[])
{
    clconv_device_info info = {.vector_bits = atoi(arguments[3]),
                               .has_fp64 = 1,
                               .type =
                                   strcmp(arguments[0], "gpu") == 0 ? CL_DEVICE_TYPE_GPU : CL_DEVICE_TYPE_CPU,
                               .max_work_group_size = 1024,
                               .max_allocation_bytes = INT64_C(8) << 30,
                               .address_alignment_bits = 1024,
                               .compute_units = 2};
    snprintf(info.name, sizeof info.name, "%s", arguments[1]);
    snprintf(info.vendor, sizeof info.vendor, "%s", arguments[2]);
    return info;
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "usage: estimate TYPE NAME VENDOR VECTOR_BITS < layers\n");
        return 2;
    }
    const clconv_device_info info = device((const char *const *)arguments + 1);
    clconv_context context = {.rt = {.queue = NULL}};
    traits_derive(&info, &context.rt.traits);
    char line[MOST_LINE], name[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        clconv_problem problem;
        clconv_op op;
        int length = 0;
        if (sscanf(line, "%63s%n", name, &length) != 1 || !find_op(name, &op) ||
            !read_problem(line + length, &problem)) {
            fprintf(stderr, "estimate: not a layer: %s", line);
            return 2;
        }
        print_choice(&context, op, &problem);
    }
    return 0;
}
