/* The matrix product by CLBlast: the only place that knows it. Built without CLBlast, gemm_is_available() is
 * false and nothing else is called. */
#ifndef CLCONV_STEPS_GEMM_H
#define CLCONV_STEPS_GEMM_H

#include "steps/step.h"

bool gemm_is_available(void);

/* How large the temporaries of the last products are that CLBlast was asked for, since it takes a microsecond to answer
 * and a layer may be hundreds of products of few sizes. For one dtype. */
typedef struct gemm_products {
    cl_command_queue queue; /* to ask CLBlast; nothing is enqueued on it. NULL: a device that is not there */
    gemm_call known[4];
    size_t count; /* that were asked for; the next takes the place of the oldest */
} gemm_products;

/* A step C = A * B + C, or A * B; the temporary's size is filled in. buffers[0 .. 2] are A, B, C and buffers[3] the
 * temporary, which CLBlast takes without an offset: so it must lie at the start of the workspace. */
clconv_status gemm_step(const machine *m, gemm_products *products, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err);

/* `memory` and `offset` (in bytes) of A, B, C; `temporary` may be NULL if temporary_bytes is 0. CLBlast takes
 * no wait list: the caller puts a barrier before it. */
clconv_status gemm_enqueue(const step *s, cl_command_queue queue, const cl_mem memory[3],
                           const int64_t offset[3], cl_mem temporary, cl_event *done, clconv_error *err);

#endif
