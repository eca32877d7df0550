/* A plan's steps as data: a kernel launch, a GEMM or a copy, on named buffers. Nothing here touches a device:
 * an algorithm emits steps, the plan builds their kernels, and one loop enqueues them. */
#ifndef CLCONV_STEPS_STEP_H
#define CLCONV_STEPS_STEP_H

#include "base/text.h"
#include "machine/machine.h"

#include <stdbool.h>

/* What a buffer is to the plan. BUFFER_OUTPUT is whatever the op writes. To backward-input and transposed,
 * which are made of forward convolutions, BUFFER_INPUT is the output gradient. BUFFER_PACKED is the caller's
 * packed weight, or a part of the workspace. */
typedef enum buffer_role {
    BUFFER_NONE,
    BUFFER_INPUT,
    BUFFER_WEIGHT,
    BUFFER_BIAS,
    BUFFER_RESIDUAL,
    BUFFER_OUTPUT,
    BUFFER_GRAD_OUTPUT,
    BUFFER_PACKED,
    BUFFER_WORKSPACE,
    BUFFER_ROLES
} buffer_role;

typedef struct step_buffer {
    buffer_role role;
    int64_t offset; /* bytes from where the role's buffer starts */
} step_buffer;

enum { STEP_BUFFERS = 7, STEP_SCALARS = 64, STEP_OPTIONS = 384 };

/* Arguments of a kernel: for each buffer the cl_mem and its offset in elements, then the scalars, all of them
 * `long`. A kernel given zero for every scalar does nothing: so it is warmed. */
typedef struct kernel_launch {
    const char *source; /* "any/direct.cl" */
    const char *kernel;
    char options[STEP_OPTIONS];
    size_t global[3], local[3];
    int64_t parts; /* in which it is enqueued, one after the other; 0 is 1 */
    /* Work-groups along an axis, beyond any limit, of which each does its own whatever others there are; 0: they share
     * out among themselves what there is. */
    int64_t groups[3];
    int scalar_count;
    int64_t scalars[STEP_SCALARS];
} kernel_launch;

/* C = A * B + C, or A * B if it `overwrites`, row-major: A (m, k) with rows lda apart, B (k, n), C (m, n), in buffers
 * 0, 1, 2; buffer 3 is the temporary. */
typedef struct gemm_call {
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
    int64_t temporary_bytes; /* 0: none */
    bool overwrites;
} gemm_call;

typedef enum step_kind { STEP_KERNEL, STEP_GEMM, STEP_COPY } step_kind;

typedef struct step {
    step_kind kind;
    const char *name; /* a literal */
    int64_t element_size;
    step_buffer buffers[STEP_BUFFERS];
    int buffer_count;
    kernel_launch launch; /* STEP_KERNEL */
    gemm_call gemm;       /* STEP_GEMM */
    int64_t copy_bytes;   /* STEP_COPY: buffer 0 to buffer 1 */
    bool has_epilogue;    /* adds the residual and activates what it stores */
    bool overflows;       /* something of it did not fit and was left out */
    work work;
} step;

/* Adds multiply-adds of a lane to a step's work, at such a share of the peak. */
static inline void step_computes(step *s, double multiply_adds, double share)
{
    s->work.flops += 2 * multiply_adds;
    s->work.busy += multiply_adds / share;
}

/* Adds bytes that it moves. */
static inline void step_moves(step *s, double bytes)
{
    s->work.bytes += bytes;
    s->work.traffic += bytes;
}

/* Adds bytes that work-groups read again, which a GPU's cache has. */
static inline void step_rereads(step *s, double bytes)
{
    s->work.traffic += bytes / MACHINE_CACHE_RATE;
}

/* The steps of a plan: `pack` makes the packed weight, `run` does the rest. Where memory is out or a step
 * overflows it has `failed`, and appending does nothing, so only the end needs a check: recipe_check(). */
typedef struct recipe {
    step *pack, *run;
    size_t pack_count, run_count;
    size_t run_capacity, pack_capacity;
    int64_t packed_bytes;    /* 0: the weight is used as it is */
    uint64_t packed_layout;  /* identity of the packed form */
    int64_t workspace_bytes; /* BUFFER_PACKED not included */
    bool has_epilogue;       /* a step of the run has */
    const machine
        *compared; /* only to be compared by the seconds on this machine: long runs are cut. NULL: whole */
    double speed;  /* of the device that it is compared on */
    double run_seconds; /* if it is compared: of all steps of the run */
    size_t run_steps;   /* of the run, with those left out */
    bool is_cut;        /* steps at the end of the run were left out */
    bool failed;
    const char *overflowed; /* name of the step that overflows; NULL: memory is out, or nothing failed */
} recipe;

void recipe_append_run(recipe *r, const step *s);
void recipe_append_pack(recipe *r, const step *s);
void recipe_release(recipe *r);

/* The error of a recipe that has failed; `owner` is whose steps they are. */
clconv_status recipe_check(const recipe *r, const char *owner, clconv_error *err);

/* Appends to the pack steps one that copies so many bytes. */
void recipe_append_copy(recipe *r, step_buffer from, step_buffer to, int64_t bytes, int64_t element_size);

/* Whether a run may grow by so many chunks of so many steps each. What repeats without end is refused, with the number,
 * before any of it is appended: planning costs the same for any problem, and a run of more steps would be slower than
 * any other. */
bool recipe_admits(const recipe *r, int64_t chunks, int64_t steps, text *why);
enum { RECIPE_MOST_STEPS = 4096 };

/* Reserves workspace, aligned for every device, and returns its offset in bytes. */
int64_t recipe_reserve(recipe *r, int64_t bytes);

/* Workspace is handed out in multiples of this many bytes: CL_DEVICE_MEM_BASE_ADDR_ALIGN of all devices
 * known. */
enum { WORKSPACE_ALIGNMENT = 512 };

#endif
