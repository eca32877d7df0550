/* The matrix product by CLBlast (https://github.com/CNugteren/CLBlast): see gemm.h. */
#include "steps/gemm.h"

#include "base/arith.h"
#include "base/error.h"

#include <stdlib.h>

#ifdef CLCONV_WITH_CLBLAST
#include <clblast_c.h>

bool gemm_is_available(void)
{
    return true;
}

/* CLBlast pads an operand to whole tiles, of this size on most devices: what small products waste. */
enum { PRODUCT_TILE = 64 };

static clconv_status check(CLBlastStatusCode code, const char *call, clconv_error *err)
{
    if (code == CLBlastSuccess) return CLCONV_SUCCESS;
    if (code > -1000) return error_set_opencl(err, (cl_int)code, call); /* OpenCL's own codes are passed on */
    return error_set(err, CLCONV_OPENCL_FAILED, "%s: CLBlast status %d", call, (int)code);
}

clconv_status gemm_step(const machine *m, cl_command_queue queue, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err)
{
    size_t rows = (size_t)call->m, n = (size_t)call->n, k = (size_t)call->k;
    size_t lda = (size_t)call->lda, ldb = (size_t)call->ldb, ldc = (size_t)call->ldc, bytes = 0;
    /* A size with offsets holds for any offset: CLBlast copies an operand that does not start its buffer. Without a queue,
     * for a device that is not there, the size stays 0. */
    CLBlastStatusCode code =
        queue == NULL ? CLBlastSuccess
        : dtype == CLCONV_FLOAT64
            ? CLBlastDGemmTempBufferSize(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, rows,
                                         n, k, 1, lda, 1, ldb, 1, ldc, &queue, &bytes)
            : CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, rows,
                                         n, k, 1, lda, 1, ldb, 1, ldc, &queue, &bytes);
    clconv_status status = check(code, "CLBlastGemmTempBufferSize", err);
    if (status != CLCONV_SUCCESS) return status;
    *s = (step){.kind = STEP_GEMM, .name = "gemm", .gemm = *call, .buffer_count = 4};
    s->element_size = dtype == CLCONV_FLOAT64 ? 8 : 4;
    s->gemm.temporary_bytes = (int64_t)bytes;
    step_computes(
        s, (double)round_up(call->m, PRODUCT_TILE) * (double)round_up(call->n, PRODUCT_TILE) * (double)k,
        m->plain.gemm_share);
    step_moves(s, (double)s->element_size *
                      ((double)rows * (double)k + (double)k * (double)n + 2 * (double)rows * (double)n));
    return CLCONV_SUCCESS;
}

clconv_status gemm_enqueue(const step *s, cl_command_queue queue, const cl_mem memory[3],
                           const int64_t offset[3], cl_mem temporary, cl_event *done, clconv_error *err)
{
    const gemm_call *g = &s->gemm;
    size_t m = (size_t)g->m, n = (size_t)g->n, k = (size_t)g->k;
    size_t lda = (size_t)g->lda, ldb = (size_t)g->ldb, ldc = (size_t)g->ldc, start[3];
    const float beta = g->overwrites ? 0 : 1;
    for (int i = 0; i < 3; i++)
        start[i] = (size_t)(offset[i] / s->element_size);
    CLBlastStatusCode code =
        s->element_size == 8
            ? CLBlastDgemmWithTempBuffer(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n,
                                         k, 1, memory[0], start[0], lda, memory[1], start[1], ldb, beta,
                                         memory[2], start[2], ldc, &queue, done, temporary)
            : CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n,
                                         k, 1, memory[0], start[0], lda, memory[1], start[1], ldb, beta,
                                         memory[2], start[2], ldc, &queue, done, temporary);
    return check(code, "CLBlastGemm", err);
}

#else

bool gemm_is_available(void)
{
    return false;
}

clconv_status gemm_step(const machine *m, cl_command_queue queue, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err)
{
    (void)m, (void)queue, (void)dtype, (void)call, (void)s;
    return error_set(err, CLCONV_UNSUPPORTED, "this build has no CLBlast");
}

clconv_status gemm_enqueue(const step *s, cl_command_queue queue, const cl_mem memory[3],
                           const int64_t offset[3], cl_mem temporary, cl_event *done, clconv_error *err)
{
    (void)s, (void)queue, (void)memory, (void)offset, (void)temporary, (void)done;
    return error_set(err, CLCONV_UNSUPPORTED, "this build has no CLBlast");
}

#endif
