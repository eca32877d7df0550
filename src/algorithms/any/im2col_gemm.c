/* im2col_gemm: unfolds chunks of output positions into a matrix (cl/any/im2col.cl) and multiplies it with the
 * weights by CLBlast's GEMM, onto an output that holds the bias. For large channel counts, where a device's
 * tuned GEMM beats kernels of our own. */
#include "algorithms/algorithm.h"
#include "arguments/add_rows.clh"
#include "arguments/im2col.clh"
#include "base/arith.h"
#include "steps/fill.h"
#include "steps/gemm.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

typedef struct im2col_arguments {
    IM2COL_ARGUMENTS(ARGUMENT_MEMBER)
} im2col_arguments;

typedef struct add_rows_arguments {
    ADD_ROWS_ARGUMENTS(ARGUMENT_MEMBER)
} add_rows_arguments;

enum { COLUMNS_MIB };

static const parameter_range ranges[] = {
    [COLUMNS_MIB] = {"columns_mib", 1, 4096, false}, /* the unfolded matrix's size at most */
    {NULL, 0, 0, false},
};

enum { MIN_COLUMNS = 16, MAX_STEPS = 4096, ITEM_POSITIONS = 1024 };

static void choose(const request *q, parameter_set *p)
{
    p->values[COLUMNS_MIB] = 2 * q->traits->machine->between_steps >> 20;
}

/* The rows of the matrix are multiplied in runs, so that errors do not grow with their number; many runs go to a total
 * first, which is then added to the output. */
static int64_t rows_of_run(const geometry *g)
{
    int64_t runs = ceil_divide(g->reduction, partial_sums_run(g->taps));
    return partial_sums_are_long(g->reduction) ? ceil_divide(g->reduction, runs) : g->reduction;
}

static int64_t run_count(const geometry *g)
{
    return ceil_divide(g->reduction, rows_of_run(g));
}

static gemm_call product(const request *q, int64_t rows, int64_t columns)
{
    const geometry *g = q->geometry;
    return (gemm_call){.m = g->group_out,
                       .n = columns,
                       .k = rows,
                       .lda = g->reduction,
                       .ldb = columns,
                       .ldc = g->output_plane};
}

/* Where the parts of the workspace lie: the temporary of the GEMM first, then the matrix and the total. */
typedef struct gemm_space {
    int64_t matrix, total, bytes;
} gemm_space;

/* For a chunk of `columns` positions. */
static bool workspace_needed(const request *q, int64_t columns, gemm_space *space, text *why)
{
    clconv_error err;
    step gemm;
    const geometry *g = q->geometry;
    gemm_call call = product(q, rows_of_run(g), columns);
    if (gemm_step(q->traits->machine, q->products, q->problem->dtype, &call, &gemm, &err) != CLCONV_SUCCESS) {
        text_append(why, "%s", err.message);
        return false;
    }
    int64_t total = run_count(g) > SUM_PARTS ? columns * g->group_out * g->element_size : 0;
    space->matrix = round_up(gemm.gemm.temporary_bytes, WORKSPACE_ALIGNMENT);
    space->total = space->matrix + round_up(columns * g->reduction * g->element_size, WORKSPACE_ALIGNMENT);
    space->bytes = space->total + round_up(total, WORKSPACE_ALIGNMENT);
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
        gemm_space space;
        if (columns > INT64_MAX / 8 / (row + g->group_out * g->element_size) ||
            !workspace_needed(q, columns, &space, why))
            return 0;
        if (space.bytes <= q->workspace_limit) return columns;
        if (columns > min_i64(all, MIN_COLUMNS)) continue;
        text_append(why, "it needs %lld bytes of workspace for %lld columns; the limit is %lld",
                    (long long)space.bytes, (long long)columns, (long long)q->workspace_limit);
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
        INPUT_EXTENTS(problem),
        .out_height = g->output[1],
        .out_width = g->output[2],
        KERNEL_WINDOW(problem),
    };
    step s = kernel_step("im2col", "any/im2col.cl", "im2col", problem->dtype);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){ceil_divide(a.items, local), a.rows, 1},
                     (const int64_t[]){local, 1, 1});
    step_moves(&s, 2 * (double)a.rows * (double)count * (double)g->element_size);
    recipe_append_run(r, &s);
}

/* C of the GEMMs of `count` positions from `first` on of a group's channels, of which `channel` is the first: the output, or
 * the total. */
typedef struct gemm_chunk {
    int64_t group, channel, first, count;
} gemm_chunk;

static step_buffer output_of(const request *q, const gemm_chunk *c)
{
    const geometry *g = q->geometry;
    return (step_buffer){BUFFER_OUTPUT, (c->channel * g->output_plane + c->first) * g->element_size};
}

static void append_gemm(const request *q, const gemm_chunk *c, const gemm_space *space, int64_t row,
                        bool to_total, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    int64_t element = g->element_size, rows = min_i64(rows_of_run(g), g->reduction - row);
    gemm_call call = product(q, rows, c->count);
    clconv_error err;
    step s;
    call.overwrites = to_total && row / rows_of_run(g) % SUM_PARTS == 0;
    if (to_total) call.ldc = c->count;
    if (gemm_step(q->traits->machine, q->products, q->problem->dtype, &call, &s, &err) != CLCONV_SUCCESS) {
        text_append(why, "%s", err.message);
        return;
    }
    s.buffers[0] = (step_buffer){BUFFER_WEIGHT, (c->group * g->group_out * g->reduction + row) * element};
    s.buffers[1] = (step_buffer){BUFFER_WORKSPACE, space->matrix + row * c->count * element};
    s.buffers[2] = to_total ? (step_buffer){BUFFER_WORKSPACE, space->total} : output_of(q, c);
    s.buffers[3] = (step_buffer){BUFFER_WORKSPACE, 0};
    recipe_append_run(r, &s);
}

static void append_total(const request *q, const gemm_chunk *c, const gemm_space *space, recipe *r)
{
    const geometry *g = q->geometry;
    int64_t local = q->traits->local_size;
    const add_rows_arguments a = {.rows = g->group_out, .count = c->count, .pitch = g->output_plane};
    step s = kernel_step("add_rows", "any/add_rows.cl", "add_rows", q->problem->dtype);
    step_buffer output = output_of(q, c);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, space->total);
    kernel_add_buffer(&s, output.role, output.offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){q->traits->is_cpu ? 1 : ceil_divide(a.count, local), a.rows, 1},
                     (const int64_t[]){local, 1, 1});
    step_moves(&s, 3 * (double)a.rows * (double)a.count * (double)g->element_size);
    recipe_append_run(r, &s);
}

/* Unfolds and multiplies a chunk. */
static void append_chunk(const request *q, int64_t n, const gemm_chunk *c, const gemm_space *space, recipe *r,
                         text *why)
{
    const geometry *g = q->geometry;
    int64_t runs = run_count(g);
    bool to_total = runs > SUM_PARTS;
    append_im2col(q, (n * q->problem->groups + c->group) * g->group_in, c->first, c->count, space->matrix, r);
    for (int64_t run = 0; run < runs && why->length == 0; run++) {
        append_gemm(q, c, space, run * rows_of_run(g), to_total, r, why);
        if (to_total && (run % SUM_PARTS == SUM_PARTS - 1 || run == runs - 1)) append_total(q, c, space, r);
    }
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    if (!q->traits->has_gemm) {
        text_append(why, "CLBlast compiles its kernels for the device, and here nothing is to be compiled");
        return;
    }
    if (!gemm_is_available()) {
        text_append(why, "this build has no CLBlast");
        return;
    }
    int64_t columns = choose_columns(q, p, why);
    if (columns == 0) return;
    int64_t chunks = ceil_divide(g->output_plane, columns), products;
    if (!size_product((const int64_t[]){problem->batch, problem->groups, chunks, run_count(g)}, 4,
                      &products) ||
        products > MAX_STEPS / 2) {
        text_append(why, "it would take more than %d products", MAX_STEPS / 2);
        return;
    }
    if (!recipe_admits(r, products, 2, why)) return;
    gemm_space space;
    if (!workspace_needed(q, columns, &space, why)) return;
    recipe_reserve(r, space.bytes);
    fill_append(r, problem->dtype, problem->batch * problem->out_channels, problem->out_channels,
                g->output_plane, problem->has_bias, q->traits);
    for (int64_t n = 0; n < problem->batch; n++)
        for (int64_t group = 0; group < problem->groups; group++)
            for (int64_t first = 0; first < g->output_plane && why->length == 0; first += columns) {
                const gemm_chunk c = {group, (n * problem->groups + group) * g->group_out, first,
                                      min_i64(columns, g->output_plane - first)};
                append_chunk(q, n, &c, &space, r, why);
            }
}

const algorithm algorithm_im2col_gemm = {.name = "im2col_gemm",
                                         .accumulates_directly = true,
                                         .ranges = ranges,
                                         .choose = choose,
                                         .emit = emit,
                                         .op = CLCONV_FORWARD};
