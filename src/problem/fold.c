/* Axes taken together: see fold.h. */
#include "problem/fold.h"

#include "base/arith.h"

static bool is_foldable(const clconv_problem *p)
{
    bool pads_rows = p->pad_before[1] + p->pad_after[1] > 0,
         pads_columns = p->pad_before[2] + p->pad_after[2] + p->output_padding[2] > 0;
    /* Other padding than zeros would read the wrong rows of the one axis. */
    return p->kernel[1] > 1 && p->kernel[2] == 1 && p->stride[1] == 1 && p->stride[2] == 1 && !pads_columns &&
           (!pads_rows || p->padding_mode == CLCONV_PADDING_ZEROS || p->input[2] == 1);
}

static bool move_axes(const int64_t from[3], int64_t none, int64_t width, int64_t to[3])
{
    to[0] = none;
    to[1] = from[0];
    return size_multiply(from[1], width, &to[2]);
}

bool problem_fold(const clconv_problem *p, clconv_problem *folded)
{
    clconv_problem f = *p;
    int64_t width = p->input[2];
    if (!is_foldable(p) || !move_axes(p->input, 1, width, f.input) || !move_axes(p->kernel, 1, 1, f.kernel) ||
        !move_axes(p->stride, 1, 1, f.stride) || !move_axes(p->dilation, 1, width, f.dilation) ||
        !move_axes(p->pad_before, 0, width, f.pad_before) ||
        !move_axes(p->pad_after, 0, width, f.pad_after) ||
        !move_axes(p->output_padding, 0, width, f.output_padding))
        return false;
    *folded = f;
    return true;
}
