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
#include "plan/imagine.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE = 1024, MOST_NAME = 64, MOST_LAYERS = 8192 };

typedef struct layer {
    clconv_op op;
    clconv_problem problem;
} layer;

/* Fills the problem from the numbers of a row; false if there are too few. */
static bool read_problem(const char *text, clconv_problem *p)
{
    int64_t n[IMAGINED_NUMBERS];
    for (int i = 0; i < IMAGINED_NUMBERS; i++) {
        char *end;
        n[i] = strtoll(text, &end, 10);
        if (end == text) return false;
        text = end;
    }
    *p = imagine_problem(n);
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
    clconv_plan plan;
    bool is_chosen = imagine_choice(context, l->op, &l->problem, &plan);
    printf("%s", is_chosen ? plan.algorithm->name : "none");
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
/* All numbers of a family but its name, its caches and what GPUs have. */
_Static_assert(sizeof members / sizeof members[0] == (sizeof(machine) - sizeof(const char *) -
                                                      sizeof(const machine_gpu *) - 4 * sizeof(int64_t)) /
                                                         sizeof(double),
               "members.inc lacks a member");

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

/* The whole of a session. */
typedef struct session {
    clconv_context context;
    machine machine;
    layer layers[MOST_LAYERS];
    size_t count;
} session;

static void open_session(session *s, const char *const arguments[])
{
    const imagined_device device = {.type = strcmp(arguments[0], "gpu") == 0 ? CL_DEVICE_TYPE_GPU
                                                                             : CL_DEVICE_TYPE_CPU,
                                    .name = arguments[1],
                                    .vendor = arguments[2],
                                    .vector_bits = (int)strtol(arguments[3], NULL, 10)};
    s->context = imagine_context(&device);
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
