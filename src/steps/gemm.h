/* The matrix product by CLBlast: the only place that knows it. Built without CLBlast, gemm_is_available() is
 * false and nothing else is called. */
#ifndef CLCONV_STEPS_GEMM_H
#define CLCONV_STEPS_GEMM_H

#include "steps/step.h"

bool gemm_is_available(void);

/* A step C = A * B + C, or A * B; the temporary's size, which needs a queue to ask CLBlast, is filled in. buffers[0 ..
 * 2] are A, B, C and buffers[3] the temporary, which CLBlast takes without an offset: so it must lie at the
 * start of the workspace. */
clconv_status gemm_step(const machine *m, cl_command_queue queue, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err);

/* `memory` and `offset` (in bytes) of A, B, C; `temporary` may be NULL if temporary_bytes is 0. CLBlast takes
 * no wait list: the caller puts a barrier before it. */
clconv_status gemm_enqueue(const step *s, cl_command_queue queue, const cl_mem memory[3],
                           const int64_t offset[3], cl_mem temporary, cl_event *done, clconv_error *err);

#endif
