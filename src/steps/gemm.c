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

/* A size with offsets holds for any offset: CLBlast copies an operand that does not start its buffer. Without a queue
 * it stays 0. */
static clconv_status ask_temporary(cl_command_queue queue, clconv_dtype dtype, const gemm_call *call,
                                   size_t *bytes, clconv_error *err)
{
    size_t m = (size_t)call->m, n = (size_t)call->n, k = (size_t)call->k;
    size_t lda = (size_t)call->lda, ldb = (size_t)call->ldb, ldc = (size_t)call->ldc;
    *bytes = 0;
    CLBlastStatusCode code =
        queue == NULL ? CLBlastSuccess
        : dtype == CLCONV_FLOAT64
            ? CLBlastDGemmTempBufferSize(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n,
                                         k, 1, lda, 1, ldb, 1, ldc, &queue, bytes)
            : CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n,
                                         k, 1, lda, 1, ldb, 1, ldc, &queue, bytes);
    return check(code, "CLBlastGemmTempBufferSize", err);
}

static bool is_same(const gemm_call *a, const gemm_call *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb &&
           a->ldc == b->ldc;
}

static clconv_status find_temporary(gemm_products *products, clconv_dtype dtype, const gemm_call *call,
                                    int64_t *bytes, clconv_error *err)
{
    enum { KNOWN = sizeof products->known / sizeof products->known[0] };
    for (size_t i = 0; i < KNOWN && i < products->count; i++) {
        *bytes = products->known[i].temporary_bytes;
        if (is_same(&products->known[i], call)) return CLCONV_SUCCESS;
    }
    size_t asked;
    clconv_status status = ask_temporary(products->queue, dtype, call, &asked, err);
    if (status != CLCONV_SUCCESS) return status;
    gemm_call *known = &products->known[products->count++ % KNOWN];
    *known = *call;
    known->temporary_bytes = *bytes = (int64_t)asked;
    return CLCONV_SUCCESS;
}

clconv_status gemm_step(const machine *m, gemm_products *products, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err)
{
    double rows = (double)call->m, n = (double)call->n, k = (double)call->k;
    *s = (step){.kind = STEP_GEMM, .name = "gemm", .gemm = *call, .buffer_count = 4};
    s->element_size = dtype == CLCONV_FLOAT64 ? 8 : 4;
    clconv_status status = find_temporary(products, dtype, call, &s->gemm.temporary_bytes, err);
    if (status != CLCONV_SUCCESS) return status;
    step_computes(s, (double)round_up(call->m, PRODUCT_TILE) * (double)round_up(call->n, PRODUCT_TILE) * k,
                  m->plain.gemm_share);
    step_moves(s, (double)s->element_size * (rows * k + k * n + 2 * rows * n));
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

clconv_status gemm_step(const machine *m, gemm_products *products, clconv_dtype dtype, const gemm_call *call,
                        step *s, clconv_error *err)
{
    (void)m, (void)products, (void)dtype, (void)call, (void)s;
    return error_set(err, CLCONV_UNSUPPORTED, "this build has no CLBlast");
}

clconv_status gemm_enqueue(const step *s, cl_command_queue queue, const cl_mem memory[3],
                           const int64_t offset[3], cl_mem temporary, cl_event *done, clconv_error *err)
{
    (void)s, (void)queue, (void)memory, (void)offset, (void)temporary, (void)done;
    return error_set(err, CLCONV_UNSUPPORTED, "this build has no CLBlast");
}

#endif
