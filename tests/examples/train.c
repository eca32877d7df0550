/* Learns a bank of 3D filters from a volume and its response: two Conv3d layers without anything between
 * them, 3x3x3 into six channels and 1x1x1 into four, trained by gradient descent from PyTorch's
 * initialisation until together they are the bank. The program trains twice and ends with 0 if the loss fell
 * by 10^4, the filters were found, and both times gave the same bits. */
#include <clconv.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 14, VOXELS = SIZE * SIZE * SIZE, TAPS = 27, HIDDEN = 6, FILTERS = 4, STEPS = 400 };

/* Both layers' weights. */
typedef struct network {
    float first[HIDDEN * TAPS], second[FILTERS * HIDDEN];
} network;

/* What one step computes. */
typedef struct activations {
    float hidden[HIDDEN * VOXELS], output[FILTERS * VOXELS];
    float grad_hidden[HIDDEN * VOXELS], grad_output[FILTERS * VOXELS];
} activations;

static clconv_problem layer(int in, int out, int kernel)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.in_channels = in;
    p.out_channels = out;
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = SIZE;
        p.kernel[axis] = kernel;
        p.pad_before[axis] = p.pad_after[axis] = kernel / 2;
    }
    p.padding_mode = CLCONV_PADDING_REFLECT;
    return p;
}

/* Gauss, and its slopes along the three axes. */
static void make_bank(float bank[FILTERS * TAPS])
{
    static const float smooth[3] = {0.25F, 0.5F, 0.25F}, slope[3] = {-0.5F, 0, 0.5F};
    for (int f = 0; f < FILTERS; f++)
        for (int t = 0; t < TAPS; t++) {
            const int at[3] = {t / 9, t / 3 % 3, t % 3};
            float value = 1;
            for (int axis = 0; axis < 3; axis++)
                value *= f == axis + 1 ? slope[at[axis]] : smooth[at[axis]];
            bank[f * TAPS + t] = value;
        }
}

static clconv_status forward(clconv_context *c, const float *volume, const network *n, activations *a,
                             clconv_error *err)
{
    const clconv_problem first = layer(1, HIDDEN, 3), second = layer(HIDDEN, FILTERS, 1);
    const clconv_host_tensors one = {.input = volume, .weight = n->first, .output = a->hidden};
    const clconv_host_tensors two = {.input = a->hidden, .weight = n->second, .output = a->output};
    clconv_status status = clconv_conv3d_host(c, &first, NULL, &one, err);
    return status ? status : clconv_conv3d_host(c, &second, NULL, &two, err);
}

/* Gradients of both weights, given that of the output. */
static clconv_status backward(clconv_context *c, const float *volume, const network *n, activations *a,
                              network *gradient, clconv_error *err)
{
    const clconv_problem first = layer(1, HIDDEN, 3), second = layer(HIDDEN, FILTERS, 1);
    const clconv_host_gradients two = {.input = a->hidden,
                                       .weight = n->second,
                                       .grad_output = a->grad_output,
                                       .grad_input = a->grad_hidden,
                                       .grad_weight = gradient->second};
    const clconv_host_gradients one = {
        .input = volume, .grad_output = a->grad_hidden, .grad_weight = gradient->first};
    clconv_status status = clconv_conv3d_grad_host(c, &second, NULL, &two, err);
    return status ? status : clconv_conv3d_grad_host(c, &first, NULL, &one, err);
}

/* Half the mean square of the error; its gradient goes to a->grad_output. */
static double compare(const float *target, activations *a)
{
    double loss = 0;
    for (int i = 0; i < FILTERS * VOXELS; i++) {
        float error = a->output[i] - target[i];
        loss += 0.5 * (double)error * (double)error / VOXELS;
        a->grad_output[i] = error / VOXELS;
    }
    return loss;
}

static void descend(float *weight, const float *gradient, int count)
{
    const float rate = 0.5F;
    for (int i = 0; i < count; i++)
        weight[i] -= rate * gradient[i];
}

static clconv_status train(clconv_context *c, const float *volume, const float *target, network *n,
                           double loss[2], clconv_error *err)
{
    static activations a;
    network gradient;
    const int64_t shape[2][5] = {{HIDDEN, 1, 3, 3, 3}, {FILTERS, HIDDEN, 1, 1, 1}};
    clconv_status status = clconv_init_uniform(shape[0], 1, n->first, NULL, err);
    if (!status) status = clconv_init_uniform(shape[1], 2, n->second, NULL, err);
    for (int step = 0; step <= STEPS && !status; step++) {
        status = forward(c, volume, n, &a, err);
        loss[step > 0] = compare(target, &a);
        if (!status) status = backward(c, volume, n, &a, &gradient, err);
        descend(n->first, gradient.first, HIDDEN * TAPS);
        descend(n->second, gradient.second, FILTERS * HIDDEN);
    }
    return status;
}

/* The largest difference between the bank and the two layers as one. */
static double distance(const network *n, const float bank[FILTERS * TAPS])
{
    double largest = 0;
    for (int f = 0; f < FILTERS; f++)
        for (int t = 0; t < TAPS; t++) {
            double sum = 0;
            for (int h = 0; h < HIDDEN; h++)
                sum += (double)n->second[f * HIDDEN + h] * (double)n->first[h * TAPS + t];
            largest = fmax(largest, fabs(sum - (double)bank[f * TAPS + t]));
        }
    return largest;
}

static clconv_status learn_twice(clconv_context *c, int *learned, clconv_error *err)
{
    static float volume[VOXELS], target[FILTERS * VOXELS], bank[FILTERS * TAPS];
    static network once, again;
    double loss[2] = {0, 0};
    unsigned state = 1;
    for (int i = 0; i < VOXELS; i++) {
        state = state * 1664525U + 1013904223U;
        volume[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    make_bank(bank);
    const clconv_problem whole = layer(1, FILTERS, 3);
    const clconv_host_tensors tensors = {.input = volume, .weight = bank, .output = target};
    clconv_status status = clconv_conv3d_host(c, &whole, NULL, &tensors, err);
    if (!status) status = train(c, volume, target, &once, loss, err);
    if (!status) status = train(c, volume, target, &again, loss, err);
    if (status) return status;
    int same = memcmp(&once, &again, sizeof once) == 0;
    printf("loss %.3g to %.3g, filters within %.2g, %s bits\n", loss[0], loss[1], distance(&once, bank),
           same ? "the same" : "other");
    *learned = same && loss[1] < 1e-4 * loss[0] && distance(&once, bank) < 1e-2;
    return status;
}

int main(void)
{
    clconv_error err;
    clconv_context *context = NULL;
    int learned = 0;
    clconv_status status = clconv_context_create_selected(NULL, NULL, &context, &err);
    if (!status) status = learn_twice(context, &learned, &err);
    if (status) fprintf(stderr, "%s\n", err.message);
    clconv_context_release(context);
    return status != CLCONV_SUCCESS || !learned;
}
