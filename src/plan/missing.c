/* See missing.h. */
#include "plan/missing.h"

#include "problem/activation.h"

#include <string.h>

const char *missing_padding_name(clconv_padding_mode mode)
{
    static const char *const names[] = {"zeros", "reflect", "replicate", "circular", "symmetric"};
    return names[mode];
}

/* The options of `clconv compile` that the text of a problem does not tell. */
static void append_options(const clconv_problem *p, text *out)
{
    if (p->padding_mode != CLCONV_PADDING_ZEROS)
        text_append(out, " --padding-mode %s", missing_padding_name(p->padding_mode));
    if (p->dtype == CLCONV_FLOAT64) text_append(out, " --dtype float64");
    if (p->has_bias != 0) text_append(out, " --bias");
    if (p->has_residual != 0) text_append(out, " --residual");
    if (p->activation == CLCONV_ACTIVATION_NONE) return;
    text_append(out, " --activation %s", activation_name(p->activation));
    if (p->activation == CLCONV_ACTIVATION_LEAKY_RELU) text_append(out, ":%g", p->activation_slope);
}

void missing_append_problem(clconv_op op, const clconv_problem *problem, text *out)
{
    char name[CLCONV_PROBLEM_TEXT_SIZE] = "";
    (void)clconv_problem_format(problem, name, NULL);
    text_append(out, "%s %s", clconv_op_name(op), name);
    append_options(problem, out);
}

/* A text that ends in a word, such as _asymmetric, cannot be read again: padding makes no other program. */
void missing_append_command(clconv_op op, const clconv_problem *problem, text *out)
{
    char name[CLCONV_PROBLEM_TEXT_SIZE] = "";
    (void)clconv_problem_format(problem, name, NULL);
    name[strcspn(name, "_")] = '\0';
    text_append(out, "clconv compile --problem %s", name);
    if (op != CLCONV_FORWARD) text_append(out, " --op %s", clconv_op_name(op));
    append_options(problem, out);
    text_append(out, " --output BUNDLE");
}
