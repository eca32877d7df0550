/* Problem text, benchdnn's way (https://github.com/uxlfoundation/oneDNN, tests/benchdnn/doc/driver_conv.md):
 * keys of two letters, each followed by a number, in any order. */
#include "base/arith.h"
#include "base/error.h"
#include "base/text.h"
#include "problem/geometry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH,
    GROUPS,
    IN_CHANNELS,
    OUT_CHANNELS,
    INPUT,
    OUTPUT = INPUT + 3,
    KERNEL = OUTPUT + 3,
    STRIDE = KERNEL + 3,
    PADDING = STRIDE + 3,
    DILATION = PADDING + 3,
    KEYS = DILATION + 3
};

static const char *const keys[KEYS] = {"mb", "g",  "ic", "oc", "id", "ih", "iw", "od", "oh", "ow", "kd",
                                       "kh", "kw", "sd", "sh", "sw", "pd", "ph", "pw", "dd", "dh", "dw"};

typedef struct parsed_text {
    int64_t values[KEYS];
    bool given[KEYS];
} parsed_text;

static int find_key(const char *at)
{
    for (int i = 0; i < KEYS; i++)
        if (strncmp(at, keys[i], strlen(keys[i])) == 0) return i;
    return -1;
}

static clconv_status parse_text(const char *text, parsed_text *parsed, clconv_error *err)
{
    for (const char *at = text; *at != '\0';) {
        int key = find_key(at);
        if (key < 0)
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': no key is known at '%s'", text, at);
        const char *number = at + strlen(keys[key]);
        if (*number < '0' || *number > '9')
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': '%s' must be followed by a number",
                             text, keys[key]);
        if (parsed->given[key])
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': '%s' is given twice", text,
                             keys[key]);
        char *end;
        errno = 0;
        parsed->values[key] = strtoll(number, &end, 10);
        if (errno != 0)
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': the number of '%s' exceeds 2^63 - 1",
                             text, keys[key]);
        parsed->given[key] = true;
        at = end;
    }
    return CLCONV_SUCCESS;
}

/* Values of a D, H, W triple: each defaults to the one before it, the first to `otherwise`. */
static void take_triple(const parsed_text *parsed, int first, int64_t otherwise, int64_t out[3])
{
    for (int axis = 0; axis < 3; axis++) {
        out[axis] = parsed->given[first + axis] ? parsed->values[first + axis] : otherwise;
        otherwise = out[axis];
    }
}

static int64_t take(const parsed_text *parsed, int key, int64_t otherwise)
{
    return parsed->given[key] ? parsed->values[key] : otherwise;
}

static clconv_status check_required(const char *text, const parsed_text *parsed, clconv_error *err)
{
    static const int required[] = {IN_CHANNELS, OUT_CHANNELS, INPUT, KERNEL};
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (!parsed->given[required[i]])
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': '%s' is missing", text,
                             keys[required[i]]);
    return CLCONV_SUCCESS;
}

/* od, oh, ow say what follows from the rest; a text that contradicts itself is refused. */
static clconv_status check_output(const char *text, const parsed_text *parsed, const geometry *g,
                                  clconv_error *err)
{
    for (int axis = 0; axis < 3; axis++)
        if (parsed->given[OUTPUT + axis] && parsed->values[OUTPUT + axis] != g->output[axis])
            return error_set(
                err, CLCONV_INVALID_PROBLEM, "problem '%s': '%s' is %lld; the other keys make it %lld", text,
                keys[OUTPUT + axis], (long long)parsed->values[OUTPUT + axis], (long long)g->output[axis]);
    return CLCONV_SUCCESS;
}

clconv_status clconv_problem_parse(const char *text, clconv_problem *problem, clconv_error *err)
{
    if (text == NULL || problem == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", text == NULL ? "text" : "problem");
    parsed_text parsed = {0};
    clconv_status status = parse_text(text, &parsed, err);
    if (status == CLCONV_SUCCESS) status = check_required(text, &parsed, err);
    if (status != CLCONV_SUCCESS) return status;
    clconv_problem made;
    clconv_problem_init(&made);
    made.batch = take(&parsed, BATCH, 1);
    made.groups = take(&parsed, GROUPS, 1);
    made.in_channels = take(&parsed, IN_CHANNELS, 1);
    made.out_channels = take(&parsed, OUT_CHANNELS, 1);
    take_triple(&parsed, INPUT, 1, made.input);
    take_triple(&parsed, KERNEL, 1, made.kernel);
    take_triple(&parsed, STRIDE, 1, made.stride);
    take_triple(&parsed, PADDING, 0, made.pad_before);
    take_triple(&parsed, DILATION, 0, made.dilation);
    for (int axis = 0; axis < 3; axis++) {
        made.pad_after[axis] = made.pad_before[axis];
        if (!size_add(made.dilation[axis], 1, &made.dilation[axis]))
            return error_set(err, CLCONV_INVALID_PROBLEM, "problem '%s': the number of '%s' exceeds 2^63 - 2",
                             text, keys[DILATION + axis]);
    }
    geometry g;
    status = geometry_compute(&made, &g, err);
    if (status == CLCONV_SUCCESS) status = check_output(text, &parsed, &g, err);
    if (status == CLCONV_SUCCESS) *problem = made;
    return status;
}

static void format_triple(text *out, int first, const int64_t values[3], int64_t minus)
{
    for (int axis = 0; axis < 3; axis++)
        text_append(out, "%s%lld", keys[first + axis], (long long)(values[axis] - minus));
}

/* Whether an output_padding leaves out windows that the other members would give. */
static bool omits_windows(const clconv_problem *problem)
{
    clconv_problem whole = *problem;
    memset(whole.output_padding, 0, sizeof whole.output_padding);
    int64_t all[3], made[3];
    return clconv_output_size(&whole, all, NULL) == CLCONV_SUCCESS &&
           clconv_output_size(problem, made, NULL) == CLCONV_SUCCESS && memcmp(all, made, sizeof all) != 0;
}

clconv_status clconv_problem_format(const clconv_problem *problem, char buffer[CLCONV_PROBLEM_TEXT_SIZE],
                                    clconv_error *err)
{
    clconv_status status = clconv_problem_validate(problem, err);
    if (status != CLCONV_SUCCESS) return status;
    if (buffer == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "text is NULL");
    const clconv_problem *p = problem;
    text out = {0};
    text_append(&out, "mb%lldic%lld", (long long)p->batch, (long long)p->in_channels);
    format_triple(&out, INPUT, p->input, 0);
    text_append(&out, "oc%lld", (long long)p->out_channels);
    format_triple(&out, KERNEL, p->kernel, 0);
    format_triple(&out, STRIDE, p->stride, 0);
    format_triple(&out, PADDING, p->pad_before, 0);
    format_triple(&out, DILATION, p->dilation, 1);
    text_append(&out, "g%lld", (long long)p->groups);
    bool symmetric = memcmp(p->pad_before, p->pad_after, sizeof p->pad_before) == 0;
    text_append(&out, "%s", symmetric ? "" : "_asymmetric");
    if (omits_windows(p)) text_append(&out, "%s", "_output_padding");
    if (out.failed || out.length >= CLCONV_PROBLEM_TEXT_SIZE)
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a problem's text");
    else
        memcpy(buffer, out.data, out.length + 1);
    text_release(&out);
    return status;
}
