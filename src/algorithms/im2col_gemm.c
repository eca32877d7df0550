/* im2col_gemm: unfolds chunks of output positions into a matrix (cl/im2col.cl) and multiplies it with the
 * weights by CLBlast's GEMM, onto an output that holds the bias. For large channel counts, where a device's
 * tuned GEMM beats kernels of our own. */
#include "algorithms/algorithm.h"
#include "arguments/im2col.clh"
#include "base/arith.h"
#include "steps/fill.h"
#include "steps/gemm.h"
#include "steps/kernel.h"

typedef struct im2col_arguments {
    IM2COL_ARGUMENTS(ARGUMENT_MEMBER)
} im2col_arguments;

enum { COLUMNS_MIB };

static const parameter_range ranges[] = {
    [COLUMNS_MIB] = {"columns_mib", 1, 4096, false}, /* the unfolded matrix's size at most */
    {NULL, 0, 0, false},
};

enum { MIN_COLUMNS = 16, MAX_STEPS = 4096, ITEM_POSITIONS = 1024 };

static void choose(const request *q, parameter_set *p)
{
    p->values[COLUMNS_MIB] = q->traits->is_cpu ? 16 : 256;
}

static gemm_call product(const request *q, int64_t columns)
{
    const geometry *g = q->geometry;
    return (gemm_call){.m = g->group_out,
                       .n = columns,
                       .k = g->reduction,
                       .lda = g->reduction,
                       .ldb = columns,
                       .ldc = g->output_plane};
}

/* Bytes that a chunk of `columns` positions needs: the temporary of the GEMM first, then the matrix. */
static bool workspace_needed(const request *q, int64_t columns, step *gemm, int64_t *bytes, text *why)
{
    clconv_error err;
    gemm_call call = product(q, columns);
    if (gemm_step(q->queue, q->problem->dtype, &call, gemm, &err) != CLCONV_SUCCESS) {
        text_append(why, "%s", err.message);
        return false;
    }
    int64_t matrix = columns * q->geometry->reduction * q->geometry->element_size;
    *bytes =
        round_up(gemm->gemm.temporary_bytes, WORKSPACE_ALIGNMENT) + round_up(matrix, WORKSPACE_ALIGNMENT);
    return true;
}

/* The most positions whose matrix keeps within the parameter and the workspace limit; 0 with a reason if too
 * few. */
static int64_t choose_columns(const request *q, const parameter_set *p, text *why)
{
    const geometry *g = q->geometry;
    int64_t row = g->reduction * g->element_size, all = g->output_plane;
    int64_t columns = min_i64(all, max_i64((p->values[COLUMNS_MIB] << 20) / row, MIN_COLUMNS));
    for (;; columns = columns / 2) {
        step gemm;
        int64_t bytes;
        if (columns > INT64_MAX / 4 / row || !workspace_needed(q, columns, &gemm, &bytes, why)) return 0;
        if (bytes <= q->workspace_limit) return columns;
        if (columns > min_i64(all, MIN_COLUMNS)) continue;
        text_append(why, "it needs %lld bytes of workspace for %lld columns; the limit is %lld",
                    (long long)bytes, (long long)columns, (long long)q->workspace_limit);
        return 0;
    }
}

static void append_im2col(const request *q, int64_t channel_start, int64_t first, int64_t count,
                          int64_t offset, recipe *r)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t item = q->traits->is_cpu ? ITEM_POSITIONS : 1, local = q->traits->local_size;
    im2col_arguments a = {
        .rows = g->reduction,
        .first = first,
        .count = count,
        .items = ceil_divide(count, item),
        .item_size = item,
        .channel_start = channel_start,
        .depth = problem->input[0],
        .height = problem->input[1],
        .width = problem->input[2],
        .out_height = g->output[1],
        .out_width = g->output[2],
        KERNEL_WINDOW(problem),
    };
    step s = kernel_step("im2col", "im2col.cl", "im2col", problem->dtype);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){ceil_divide(a.items, local), a.rows, 1},
                     (const int64_t[]){local, 1, 1});
    s.bytes = 2 * (double)a.rows * (double)count * (double)g->element_size;
    recipe_append_run(r, &s);
}

/* Unfolds and multiplies positions [first, first + count) of sample n's group. */
static void append_chunk(const request *q, int64_t n, int64_t group, int64_t first, int64_t count,
                         int64_t matrix, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    int64_t element = g->element_size, out_channel = (n * q->problem->groups + group) * g->group_out;
    step s;
    int64_t bytes;
    append_im2col(q, (n * q->problem->groups + group) * g->group_in, first, count, matrix, r);
    if (!workspace_needed(q, count, &s, &bytes, why)) return;
    s.buffers[0] = (step_buffer){BUFFER_WEIGHT, group * g->group_out * g->reduction * element};
    s.buffers[1] = (step_buffer){BUFFER_WORKSPACE, matrix};
    s.buffers[2] = (step_buffer){BUFFER_OUTPUT, (out_channel * g->output_plane + first) * element};
    s.buffers[3] = (step_buffer){BUFFER_WORKSPACE, 0};
    s.efficiency = q->traits->is_cpu ? 0.07 : 0.6;
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    if (!gemm_is_available()) {
        text_append(why, "this build has no CLBlast");
        return;
    }
    int64_t columns = choose_columns(q, p, why);
    if (columns == 0) return;
    int64_t chunks = ceil_divide(g->output_plane, columns), products;
    if (!size_product((const int64_t[]){q->problem->batch, q->problem->groups, chunks}, 3, &products) ||
        products > MAX_STEPS / 2) {
        text_append(why, "it would take more than %d products", MAX_STEPS / 2);
        return;
    }
    step s;
    int64_t bytes;
    if (!workspace_needed(q, columns, &s, &bytes, why)) return;
    int64_t matrix = round_up(s.gemm.temporary_bytes, WORKSPACE_ALIGNMENT);
    recipe_reserve(r, bytes);
    const clconv_problem *problem = q->problem;
    fill_append(r, problem->dtype, problem->batch * problem->out_channels, problem->out_channels,
                g->output_plane, problem->has_bias, q->traits);
    for (int64_t n = 0; n < q->problem->batch; n++)
        for (int64_t group = 0; group < q->problem->groups; group++)
            for (int64_t first = 0; first < g->output_plane && why->length == 0; first += columns)
                append_chunk(q, n, group, first, min_i64(columns, g->output_plane - first), matrix, r, why);
}

const algorithm algorithm_im2col_gemm = {.name = "im2col_gemm",
                                         .accumulates_directly = true,
                                         .ranges = ranges,
                                         .choose = choose,
                                         .emit = emit,
                                         .op = CLCONV_FORWARD};
