/* Describing a kernel launch: compile options, scalar arguments and the index space, by one way for all
 * kernels. */
#ifndef CLCONV_STEPS_KERNEL_H
#define CLCONV_STEPS_KERNEL_H

#include "steps/step.h"

/* A kernel's scalar arguments are declared once, in cl/arguments/NAME.clh, as NAME_ARGUMENTS(X) with X(name)
 * for each. The host makes a struct of int64_t from the list, the kernel its parameters, so that the two
 * cannot disagree. */
#define ARGUMENT_MEMBER(name) int64_t name;

/* Members NAME_d, NAME_h, NAME_w of an argument struct from values in the order D, H, W. */
#define AXES(name, values) .name##_d = (values)[0], .name##_h = (values)[1], .name##_w = (values)[2]

/* Initialisers of an argument struct, from a problem and its geometry: what is read and what is made. */
#define INPUT_EXTENTS(problem) \
    .depth = (problem)->input[0], .height = (problem)->input[1], .width = (problem)->input[2]
#define OUTPUT_EXTENTS(g) \
    .out_depth = (g)->output[0], .out_height = (g)->output[1], .out_width = (g)->output[2]
#define KERNEL_EXTENTS(problem, g) INPUT_EXTENTS(problem), OUTPUT_EXTENTS(g)

/* Groups, and the channels of one. */
#define KERNEL_GROUPS(problem, g) \
    .groups = (problem)->groups, .group_in = (g)->group_in, .group_out = (g)->group_out

/* The padding before the input. */
#define PADDING_BEFORE(problem)                                                    \
    .pad_depth = (problem)->pad_before[0], .pad_height = (problem)->pad_before[1], \
    .pad_width = (problem)->pad_before[2]
#define KERNEL_PADDING(problem) PADDING_BEFORE(problem), .mode = (problem)->padding_mode

/* How the window moves over the padded input; without the padding's mode where a program is made for one. */
#define KERNEL_STEPS(problem)                                                                              \
    AXES(kernel, (problem)->kernel), AXES(stride, (problem)->stride), AXES(dilation, (problem)->dilation), \
        PADDING_BEFORE(problem)
#define KERNEL_WINDOW(problem) KERNEL_STEPS(problem), .mode = (problem)->padding_mode

/* What does not fit a step, buffers, options or scalars, is left out and marks the step, which then fails the
 * recipe that it is appended to. */

/* A step that runs `kernel` of cl/`source` on elements of the problem's dtype. */
step kernel_step(const char *name, const char *source, const char *kernel, clconv_dtype dtype);

void kernel_add_buffer(step *s, buffer_role role, int64_t offset);

/* The input, the weight as it is or packed, the bias if the problem has one, and the output. */
void kernel_add_tensors(step *s, const clconv_problem *problem, buffer_role weight);

/* Appends "-DNAME=value" to the compile options. */
void kernel_define(step *s, const char *name, int64_t value);

/* Copies a struct of int64_t members. */
void kernel_set_scalars(step *s, const void *scalars, size_t size);

/* One more, after those of the struct. */
void kernel_add_scalar(step *s, int64_t scalar);

/* A global size of `counts` work-groups of `local` work-items along each axis, each count clipped to a limit:
 * every kernel steps over what is left with a stride of the global size. The limit keeps to one compiled
 * variant on PoCL, which makes another for grids of 65,535 work-groups and more. */
void kernel_set_range(step *s, const int64_t counts[3], const int64_t local[3]);

/* So many work-groups that share out among themselves what there is: all must run. */
void kernel_share_out(step *s, int64_t groups, int64_t local);

/* The launch must be one, since its kernel does not ask which part it is. */
void kernel_keep_whole(step *s);

/* Whether both kernels are of one program. */
bool launch_same_program(const kernel_launch *a, const kernel_launch *b);

/* A part of a launch, and how its place in the index space is told to a kernel (common/types.clh). */
typedef struct launch_part {
    size_t offset[3], global[3];
} launch_part;

/* In how many parts a launch can be enqueued: some `wanted`, 1 if its work-groups depend on each other. The parts make
 * what the whole makes, since none of them adds to what another one has written. */
int64_t launch_parts(const kernel_launch *l, int64_t wanted);
launch_part launch_part_at(const kernel_launch *l, int64_t parts, int64_t index);

/* 1 if an output of so many bytes should go past the caches: it would push out what is still to be read, and
 * stores that miss read memory first. */
int64_t kernel_output_streams(const machine *m, int64_t bytes);

#endif
