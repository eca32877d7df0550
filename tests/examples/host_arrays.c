/* Conv3d on arrays in host memory, in one call: central differences of a ramp along D, H and W. The ramp's
 * slopes are known, so every output can be checked. */
#include <clconv.h>
#include <stdio.h>

enum { SIZE = 16, SLOPES = 3, OUTPUTS = (SIZE - 2) * (SIZE - 2) * (SIZE - 2) };

static float input[SIZE][SIZE][SIZE];
static float weight[SLOPES][3][3][3];
static float output[SLOPES][OUTPUTS];
static const float slopes[SLOPES] = {100, 10, 1};

static void fill(void)
{
    for (int i = 0; i < SIZE * SIZE * SIZE; i++) {
        int d = i / (SIZE * SIZE), h = i / SIZE % SIZE, w = i % SIZE;
        input[d][h][w] = slopes[0] * (float)d + slopes[1] * (float)h + slopes[2] * (float)w;
    }
    weight[0][0][1][1] = weight[1][1][0][1] = weight[2][1][1][0] = -0.5F;
    weight[0][2][1][1] = weight[1][1][2][1] = weight[2][1][1][2] = 0.5F;
}

static clconv_status convolve(clconv_context *context, clconv_error *err)
{
    clconv_problem problem;
    clconv_problem_init(&problem); /* one channel, stride 1, no padding, float32, ... */
    problem.out_channels = SLOPES;
    for (int axis = 0; axis < 3; axis++) {
        problem.input[axis] = SIZE;
        problem.kernel[axis] = 3;
    }
    const clconv_host_tensors tensors = {.input = input, .weight = weight, .output = output};
    return clconv_conv3d_host(context, &problem, NULL, &tensors, err);
}

static int count_wrong(void)
{
    int wrong = 0;
    for (int slope = 0; slope < SLOPES; slope++) {
        for (int i = 0; i < OUTPUTS; i++) {
            wrong += output[slope][i] != slopes[slope];
        }
    }
    return wrong;
}

int main(void)
{
    clconv_context *context = NULL;
    clconv_error err;
    int wrong = 1;

    fill();
    clconv_status status = clconv_context_create_selected(NULL, NULL, &context, &err);
    if (!status) status = convolve(context, &err);
    if (status) {
        fprintf(stderr, "%s: %s\n", clconv_status_name(status), err.message);
    } else {
        wrong = count_wrong();
        printf("slopes along D, H, W: %g, %g, %g\n", output[0][0], output[1][0], output[2][0]);
        printf("wrong outputs: %d\n", wrong);
    }
    clconv_context_release(context);
    return wrong != 0;
}
