/* The activations: see activation.h. Roundings are those of OpenCL's stated accuracies, of the embedded
 * profile where they are larger: exp 4 ulp, division 3, tanh 5, erf 16, each 2 unit roundoffs. */
#include "problem/activation.h"

#include "base/error.h"

#include <math.h>

typedef struct activation_entry {
    const char *name;
    activation_error error;
} activation_entry;

static const activation_entry entries[] = {
    [CLCONV_ACTIVATION_NONE] = {"none", {1, 0, false}},
    [CLCONV_ACTIVATION_RELU] = {"relu", {1, 0, false}},
    [CLCONV_ACTIVATION_LEAKY_RELU] = {"leaky_relu", {1, 1, false}}, /* and the slope itself */
    [CLCONV_ACTIVATION_SILU] = {"silu", {1.1, 16, false}},
    [CLCONV_ACTIVATION_SIGMOID] = {"sigmoid", {0.25, 16, false}},
    [CLCONV_ACTIVATION_TANH] = {"tanh", {1, 12, false}},
    [CLCONV_ACTIVATION_GELU] = {"gelu", {1.13, 20, true}},
};

const char *activation_name(clconv_activation activation)
{
    int index = (int)activation;
    return index >= 0 && index < (int)(sizeof entries / sizeof entries[0]) ? entries[index].name : NULL;
}

/* The slope that kernels use. */
static double slope_of(const clconv_problem *p)
{
    return p->dtype == CLCONV_FLOAT32 ? (double)(float)p->activation_slope : p->activation_slope;
}

clconv_status activation_check(const clconv_problem *problem, clconv_error *err)
{
    if (activation_name(problem->activation) == NULL)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "activation is %d; it must be none, relu, leaky_relu, silu, sigmoid, tanh or gelu",
                         (int)problem->activation);
    if (problem->activation == CLCONV_ACTIVATION_LEAKY_RELU && !isfinite(slope_of(problem)))
        return error_set(err, CLCONV_INVALID_PROBLEM, "activation_slope is %g; it must be finite in %s",
                         problem->activation_slope, problem->dtype == CLCONV_FLOAT32 ? "float32" : "float64");
    return CLCONV_SUCCESS;
}

double activation_apply(const clconv_problem *problem, double x)
{
    static const double half_root = 0.70710678118654752440;
    switch (problem->activation) {
    case CLCONV_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case CLCONV_ACTIVATION_LEAKY_RELU:
        return x < 0 ? slope_of(problem) * x : x;
    case CLCONV_ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case CLCONV_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case CLCONV_ACTIVATION_TANH:
        return tanh(x);
    case CLCONV_ACTIVATION_GELU:
        return 0.5 * x * (1 + erf(x * half_root));
    default:
        return x;
    }
}

activation_error activation_error_of(const clconv_problem *problem)
{
    activation_error e = entries[problem->activation].error;
    if (problem->activation == CLCONV_ACTIVATION_LEAKY_RELU) e.slope = fmax(1, fabs(slope_of(problem)));
    return e;
}
