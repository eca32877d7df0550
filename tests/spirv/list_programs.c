/* Writes every program that clconv_check() may build, as a CPU and as a GPU: each once, its sources expanded, to
 * FOLDER/NUMBER.cl with its compile options in FOLDER/NUMBER.options. No driver is asked.
 *
 *     list_programs FOLDER [FAMILY]
 *
 * With a family of GPUs, the programs made for GPUs alone, by what such a device chooses for some layers of each kind: for
 * tools/gpu-report. */
#include "check/check.h"

#include "base/arith.h"
#include "base/text.h"
#include "opencl/sources.h"
#include "plan/imagine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const imagined_device devices[] = {
    {CL_DEVICE_TYPE_CPU, "cpu", "any", 512},
    {CL_DEVICE_TYPE_GPU, "gpu", "any", 32},
};

enum { MOST_PROGRAMS = 20000 };

typedef struct listing {
    const char *folder;
    char *programs[MOST_PROGRAMS]; /* source and options */
    size_t count;
    bool made_for_gpus; /* those alone */
} listing;

static void fail(const char *what)
{
    fprintf(stderr, "list_programs: %s\n", what);
    exit(1);
}

static void write_file(const char *folder, size_t number, const char *suffix, const char *content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%04zu.%s", folder, number, suffix);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(content, file) < 0 || fclose(file) != 0) fail(path);
}

static void add(listing *l, const kernel_launch *launch)
{
    text key = {0}, code = {0};
    text_append(&key, "%s %s", launch->source, launch->options);
    for (size_t i = 0; i < l->count && key.length > 0; i++)
        if (strcmp(l->programs[i], key.data) == 0) text_release(&key);
    if (key.length == 0) return;
    if (l->count == MOST_PROGRAMS || source_expand(launch->source, &code, NULL) != CLCONV_SUCCESS)
        fail(launch->source);
    write_file(l->folder, l->count, "cl", code.data);
    write_file(l->folder, l->count, "options", launch->options);
    l->programs[l->count++] = key.data;
    text_release(&code);
}

static void add_steps(listing *l, const step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_KERNEL &&
            (!l->made_for_gpus || strncmp(steps[i].launch.source, "gpu/", 4) == 0))
            add(l, &steps[i].launch);
}

/* The steps of every algorithm that can do the problem, with what packs its weights. */
static void add_plans(listing *l, clconv_context *context, clconv_op op, const clconv_problem *problem)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    clconv_plan plan = {.context = context, .op = op, .problem = *problem};
    if (geometry_compute(problem, &plan.geometry, NULL) != CLCONV_SUCCESS) return;
    if (plan_consider(&plan, &options, NULL) != CLCONV_SUCCESS) fail("a plan cannot be considered");
    for (size_t i = 0; i < plan.candidate_count; i++) {
        if (plan.candidates[i].rejection != NULL) continue;
        if (plan_adopt(&plan, &plan.candidates[i], &options, NULL) != CLCONV_SUCCESS)
            fail("a plan is refused");
        add_steps(l, plan.recipe.pack, plan.recipe.pack_count);
        add_steps(l, plan.recipe.run, plan.recipe.run_count);
        recipe_release(&plan.recipe);
        free(plan.parameters_text);
    }
    plan_drop_candidates(&plan);
}

static void list_checked(listing *l)
{
    for (size_t d = 0; d < sizeof devices / sizeof devices[0]; d++) {
        clconv_context context = imagine_context(&devices[d]);
        for (size_t i = 0; i < check_problem_count(); i++)
            for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++) {
                clconv_problem problem;
                if (check_problem(i, op, &problem, NULL) != CLCONV_SUCCESS) fail("a problem is not legal");
                problem.batch = max_i64(problem.batch, 1); /* as an empty one is planned */
                add_plans(l, &context, op, &problem);
            }
    }
}

/* Layers with many and few channels and positions, a pointwise one, a depthwise one, and one whose places need 64 bits. */
static const char *const layers[] = {
    "ic64id16ih56oc128kd3pd1",   "ic256id16ih56oc256kd1",     "ic32id16ih56oc48kd3pd1",
    "mb4ic512id2ih7oc512kd3pd1", "ic3id16ih112oc64kd3pd1",    "ic64id16ih56oc3kd3pd1",
    "ic64id16ih56oc64kd3pd1g64", "ic4id1024ih1024oc64kd3pd1",
};

static void list_family(listing *l, const char *family)
{
    clconv_context context = {.rt = {.traits = {0}}};
    if (imagine_family(family, &context.rt.info, NULL) != CLCONV_SUCCESS) fail("no such family");
    traits_derive(&context.rt.info, &context.rt.traits);
    context.rt.traits.max_allocation = INT64_MAX / 2;
    l->made_for_gpus = true;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_WEIGHT; op++) {
            clconv_problem problem;
            if (clconv_problem_parse(layers[i], &problem, NULL) != CLCONV_SUCCESS)
                fail("a layer is not legal");
            add_plans(l, &context, op, &problem);
        }
}

int main(int count, char **arguments)
{
    static listing l;
    if (count != 2 && count != 3) fail("usage: list_programs FOLDER [FAMILY]");
    l.folder = arguments[1];
    if (count == 3)
        list_family(&l, arguments[2]);
    else
        list_checked(&l);
    for (size_t i = 0; i < l.count; i++)
        free(l.programs[i]);
    printf("%zu\n", l.count);
    return 0;
}
