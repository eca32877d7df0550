/* What the library would choose on a device that need not be there, and the times by which it does: bench/fit.py's view of
 * the choice.
 *
 *     estimate TYPE NAME VENDOR VECTOR_BITS < lines         TYPE is cpu or gpu
 *
 *     OP N Cin D H W Cout kD ... groups   a layer, the numbers as in a suite
 *     set MEMBER VALUE                    changes a number of the device's family (members.inc)
 *     go                                  prints a line for each layer so far: the chosen algorithm, and for each that can
 *                                         do it " NAME=SECONDS"; then an empty line
 *     show                                prints all members of the family; then an empty line
 *
 * Weights are packed beforehand. */
#include "plan/plan.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE = 1024, MOST_NAME = 64, MOST_LAYERS = 8192 };

typedef struct layer {
    clconv_op op;
    clconv_problem problem;
} layer;

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

static void print_choice(clconv_context *context, const layer *l)
{
    clconv_plan plan = {.context = context,
                        .op = l->op,
                        .problem = l->problem,
                        .packed_weights = l->op != CLCONV_BACKWARD_WEIGHT && l->op != CLCONV_BACKWARD_BIAS};
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    bool is_considered = geometry_compute(&l->problem, &plan.geometry, NULL) == CLCONV_SUCCESS &&
                         plan_consider(&plan, &options, NULL) == CLCONV_SUCCESS;
    const candidate *best = is_considered ? plan_cheapest(&plan, &options) : NULL;
    printf("%s", best != NULL ? best->algorithm->name : "none");
    for (size_t i = 0; i < plan.candidate_count; i++) {
        const candidate *c = &plan.candidates[i];
        if (c->rejection == NULL) printf(" %s=%.9g", c->algorithm->name, c->seconds);
    }
    printf("\n");
    plan_drop_candidates(&plan);
}

typedef struct member {
    const char *name;
    size_t offset;
} member;

#define MEMBER(name) {#name, offsetof(machine, name)},
static const member members[] = {
#include "members.inc"
};

static double *member_at(machine *m, size_t i)
{
    return (double *)(void *)((char *)m + members[i].offset);
}

static bool set_member(machine *m, const char *name, double value)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(members[i].name, name) == 0) {
            *member_at(m, i) = value;
            return true;
        }
    return false;
}

static void show(machine *m)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        printf("%s %.9g\n", members[i].name, *member_at(m, i));
    printf("\n");
}

static clconv_device_info device(const char *const arguments[])
{
    clconv_device_info info = {.vector_bits = (int)strtol(arguments[3], NULL, 10),
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

/* The whole of a session. */
typedef struct session {
    clconv_context context;
    machine machine;
    layer layers[MOST_LAYERS];
    size_t count;
} session;

static void open_session(session *s, const char *const arguments[])
{
    const clconv_device_info info = device(arguments);
    traits_derive(&info, &s->context.rt.traits);
    s->machine = *s->context.rt.traits.machine;
    s->context.rt.traits.machine = &s->machine;
}

static bool read_pair(const char *text, char name[MOST_NAME], double *value)
{
    int length = 0;
    if (sscanf(text, "%63s%n", name, &length) != 1) return false;
    char *end;
    *value = strtod(text + length, &end);
    return end != text + length;
}

/* False if the line says nothing. */
static bool obey(session *s, const char *line)
{
    char word[MOST_NAME], name[MOST_NAME];
    double value;
    int length = 0;
    if (sscanf(line, "%63s%n", word, &length) != 1) return false;
    if (strcmp(word, "go") == 0) {
        for (size_t i = 0; i < s->count; i++)
            print_choice(&s->context, &s->layers[i]);
        printf("\n");
        return true;
    }
    if (strcmp(word, "show") == 0) {
        show(&s->machine);
        return true;
    }
    if (strcmp(word, "set") == 0)
        return read_pair(line + length, name, &value) && set_member(&s->machine, name, value);
    layer *l = &s->layers[s->count];
    if (s->count == MOST_LAYERS || !find_op(word, &l->op) || !read_problem(line + length, &l->problem))
        return false;
    s->count++;
    return true;
}

int main(int count, char **arguments)
{
    static session s;
    char line[MOST_LINE];
    if (count != 5) {
        fprintf(stderr, "usage: estimate TYPE NAME VENDOR VECTOR_BITS < lines\n");
        return 2;
    }
    open_session(&s, (const char *const *)arguments + 1);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (!obey(&s, line)) {
            fprintf(stderr, "estimate: it means nothing: %s", line);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
