/* Classes of problems: see class.h. */
#include "tuning/class.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool read_sizes(tuning_class *c)
{
    if (clconv_problem_parse(c->problem, &c->sizes, NULL) != CLCONV_SUCCESS) return false;
    const clconv_problem *p = &c->sizes;
    bool is_sound =
        p->batch > 0 && p->groups > 0 && p->in_channels >= p->groups && p->out_channels >= p->groups;
    for (int axis = 0; axis < 3; axis++)
        is_sound = is_sound && p->input[axis] > 0;
    return is_sound;
}

clconv_status tuning_class_of(clconv_op op, const clconv_problem *problem, bool packed, bool strict,
                              tuning_class *c, clconv_error *err)
{
    *c = (tuning_class){.op = op,
                        .dtype = problem->dtype,
                        .pads_zeros = problem->padding_mode == CLCONV_PADDING_ZEROS,
                        .packed = packed,
                        .strict = strict};
    clconv_status status = clconv_problem_format(problem, c->problem, err);
    if (status != CLCONV_SUCCESS) return status;
    c->problem[strcspn(c->problem, "_")] = '\0'; /* what the sizes do not say */
    return read_sizes(c) ? status
                         : error_set(err, CLCONV_UNSUPPORTED, "no tuning data are of an empty batch");
}

void tuning_manner_format(const tuning_class *c, char manner[TUNING_MANNER])
{
    snprintf(manner, TUNING_MANNER, "%s %s %s%s", c->dtype == CLCONV_FLOAT64 ? "float64" : "float32",
             c->pads_zeros ? "zeros" : "repeats", c->packed ? "packed" : "unpacked",
             c->strict ? " strict" : "");
}

static bool parse_op(const char *text, clconv_op *op)
{
    for (int i = 0; clconv_op_name((clconv_op)i) != NULL; i++) {
        if (strcmp(clconv_op_name((clconv_op)i), text) != 0) continue;
        *op = (clconv_op)i;
        return true;
    }
    return false;
}

/* By trying all that there are. */
static bool parse_manner(const char *text, tuning_class *c)
{
    char manner[TUNING_MANNER];
    for (unsigned bits = 0; bits < 16; bits++) {
        c->dtype = (bits & 1) != 0 ? CLCONV_FLOAT64 : CLCONV_FLOAT32;
        c->pads_zeros = (bits & 2) != 0;
        c->packed = (bits & 4) != 0;
        c->strict = (bits & 8) != 0;
        tuning_manner_format(c, manner);
        if (strcmp(manner, text) == 0) return true;
    }
    return false;
}

bool tuning_class_parse(const char *op, const char *manner, const char *problem, tuning_class *c)
{
    *c = (tuning_class){.op = CLCONV_FORWARD};
    if (!parse_op(op, &c->op) || !parse_manner(manner, c) || strlen(problem) >= sizeof c->problem)
        return false;
    memcpy(c->problem, problem, strlen(problem) + 1);
    return read_sizes(c);
}

static bool is_depthwise(const clconv_problem *p)
{
    return p->groups > 1 && p->groups == p->in_channels;
}

static bool is_same_class(const tuning_class *a, const tuning_class *b)
{
    const clconv_problem *p = &a->sizes, *q = &b->sizes;
    for (int axis = 0; axis < 3; axis++)
        if ((p->pad_before[axis] > 0) != (q->pad_before[axis] > 0)) return false;
    return a->op == b->op && a->dtype == b->dtype && a->pads_zeros == b->pads_zeros &&
           a->packed == b->packed && a->strict == b->strict &&
           memcmp(p->kernel, q->kernel, sizeof p->kernel) == 0 &&
           memcmp(p->stride, q->stride, sizeof p->stride) == 0 &&
           memcmp(p->dilation, q->dilation, sizeof p->dilation) == 0 && is_depthwise(p) == is_depthwise(q);
}

static double doublings(int64_t a, int64_t b)
{
    return a == b ? 0 : fabs(log2((double)a / (double)b));
}

double tuning_distance(const tuning_class *a, const tuning_class *b)
{
    if (!is_same_class(a, b)) return INFINITY;
    const clconv_problem *p = &a->sizes, *q = &b->sizes;
    double distance = doublings(p->batch, q->batch) + doublings(p->groups, q->groups) +
                      doublings(p->in_channels / p->groups, q->in_channels / q->groups) +
                      doublings(p->out_channels / p->groups, q->out_channels / q->groups);
    for (int axis = 0; axis < 3; axis++)
        distance += doublings(p->input[axis], q->input[axis]);
    return distance;
}

bool tuning_class_equals(const tuning_class *a, const tuning_class *b)
{
    return a->op == b->op && a->dtype == b->dtype && a->pads_zeros == b->pads_zeros &&
           a->packed == b->packed && a->strict == b->strict && strcmp(a->problem, b->problem) == 0;
}
