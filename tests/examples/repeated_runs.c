/* The same convolution on one volume after the other, as they come: one plan, arrays in host memory, nothing copied on a
 * device that shares it, and the weight packed once. Each volume is a ramp, whose slope is known. */
#include <clconv.h>
#include <stdio.h>

enum { SIZE = 24, INNER = SIZE - 2, VOLUMES = 4 };

static float volume[SIZE][SIZE][SIZE];
static float weight[3][3][3];
static float output[INNER][INNER][INNER];

static void acquire(int number)
{
    for (int i = 0; i < SIZE * SIZE * SIZE; i++)
        volume[i / (SIZE * SIZE)][i / SIZE % SIZE][i % SIZE] = (float)(number * (i % SIZE));
}

static int count_wrong(int number)
{
    int wrong = 0;
    for (int i = 0; i < INNER * INNER * INNER; i++)
        wrong += output[i / (INNER * INNER)][i / INNER % INNER][i % INNER] != (float)number;
    return wrong;
}

/* Once: this may compile. */
static clconv_status make_plan(clconv_context *context, clconv_plan **plan, clconv_error *err)
{
    clconv_problem problem;
    clconv_problem_init(&problem);
    for (int axis = 0; axis < 3; axis++) {
        problem.input[axis] = SIZE;
        problem.kernel[axis] = 3;
    }
    weight[1][1][0] = -0.5F;
    weight[1][1][2] = 0.5F;
    return clconv_plan_create(context, CLCONV_FORWARD, &problem, NULL, plan, err);
}

/* For each volume. */
static clconv_status filter(clconv_plan *plan, clconv_error *err)
{
    const clconv_host_tensors tensors = {
        .input = volume,
        .weight = weight,
        .output = output,
        .weight_version = 1, /* the same weight as in the run before */
    };
    return clconv_plan_run_host(plan, &tensors, err);
}

int main(void)
{
    clconv_context *context = NULL;
    clconv_plan *plan = NULL;
    clconv_error err;
    int wrong = 0;

    clconv_status status = clconv_context_create_selected(NULL, NULL, &context, &err);
    if (!status) status = make_plan(context, &plan, &err);
    for (int number = 1; number <= VOLUMES && !status; number++) {
        acquire(number);
        status = filter(plan, &err);
        wrong += count_wrong(number);
    }
    if (status)
        fprintf(stderr, "%s: %s\n", clconv_status_name(status), err.message);
    else
        printf("wrong outputs: %d\n", wrong);
    clconv_plan_release(plan);
    clconv_context_release(context);
    return status || wrong != 0;
}
