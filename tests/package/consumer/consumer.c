/* A program outside the project, C as well as C++: eight ones summed by a kernel of eight ones. */
#include <clconv.h>
#include <stdio.h>
#include <string.h>

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

int main(void)
{
    const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    float sum = 0;
    clconv_context *context = NULL;
    clconv_problem problem;
    clconv_host_tensors tensors;
    clconv_error err;
    int axis;

    if (strcmp(clconv_version(), VERSION(CLCONV_VERSION_MAJOR, CLCONV_VERSION_MINOR, CLCONV_VERSION_PATCH))) {
        fprintf(stderr, "the library is %s, the header is not\n", clconv_version());
        return 1;
    }
    tensors.input = tensors.weight = ones;
    tensors.bias = tensors.residual = NULL; /* the problem has none */
    tensors.output = &sum;
    clconv_problem_init(&problem);
    for (axis = 0; axis < 3; axis++) {
        problem.input[axis] = 2;
        problem.kernel[axis] = 2;
    }
    if (clconv_context_create_selected(NULL, NULL, &context, &err) ||
        clconv_conv3d_host(context, &problem, NULL, &tensors, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    clconv_context_release(context);
    printf("sum %g\n", (double)sum);
    return sum != 8;
}
