/* See prove.h. The small problem is of the plan's kind: by the same algorithm and parameters, with as few channels and positions
 * as need the same programs, of small integers. */
#include "plan/prove.h"

#include "base/error.h"
#include "opencl/memory.h"
#include "opencl/program.h"
#include "plan/bind.h"
#include "problem/reference.h"
#include "steps/kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 64, MOST_PROGRAMS = 16 };

/* Programs that nobody has tried, each by one of the plan's steps that need it. */
typedef struct unproven {
    runtime *rt;
    const kernel_launch *programs[MOST_PROGRAMS];
    size_t count;
} unproven;

/* Or all, if they were tried or not. */
static void add_programs(unproven *u, bool all, const step *steps, size_t count)
{
    for (size_t i = 0; i < count && i < MOST_STEPS && u->count < MOST_PROGRAMS; i++) {
        const kernel_launch *l = &steps[i].launch;
        bool is_known = steps[i].kind != STEP_KERNEL;
        for (size_t k = 0; k < u->count && !is_known; k++)
            is_known = launch_same_program(u->programs[k], l);
        if (!is_known && (all || program_is_unproven(u->rt, l->source, l->options)))
            u->programs[u->count++] = l;
    }
}

static unproven find_programs(clconv_plan *plan, bool all)
{
    unproven u = {.rt = &plan->context->rt};
    add_programs(&u, all, plan->recipe.pack, plan->recipe.pack_count);
    add_programs(&u, all, plan->recipe.run, plan->recipe.run_count);
    return u;
}

static bool needs(const step *steps, size_t count, const kernel_launch *program)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_KERNEL && launch_same_program(&steps[i].launch, program)) return true;
    return false;
}

static bool has_all(const clconv_plan *plan, const step *steps, size_t count)
{
    const recipe *r = &plan->recipe;
    for (size_t i = 0; i < count && i < MOST_STEPS; i++)
        if (steps[i].kind == STEP_KERNEL && !needs(r->run, r->run_count, &steps[i].launch) &&
            !needs(r->pack, r->pack_count, &steps[i].launch))
            return false;
    return true;
}

/* Whether the other plan needs no program that this one does not, which would have to be compiled or be missing. */
static bool has_programs_of(const clconv_plan *plan, const clconv_plan *other)
{
    return has_all(plan, other->recipe.run, other->recipe.run_count) &&
           has_all(plan, other->recipe.pack, other->recipe.pack_count);
}

/* How many of them the plan needs too. */
static size_t count_needed(const unproven *u, const clconv_plan *plan)
{
    const recipe *r = &plan->recipe;
    size_t count = 0;
    for (size_t i = 0; i < u->count; i++)
        count += needs(r->run, r->run_count, u->programs[i]) || needs(r->pack, r->pack_count, u->programs[i]);
    return count;
}

/* Positions that give so many outputs, and that the padding's mode allows; never more than there are. */
static int64_t small_extent(const clconv_problem *p, int axis, int64_t outputs)
{
    int64_t padding = p->pad_before[axis] + p->pad_after[axis];
    int64_t window = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    int64_t extent = window - padding + (outputs - 1) * p->stride[axis];
    int64_t least = max_i64(p->pad_before[axis], p->pad_after[axis]) + 1;
    return min_i64(max_i64(max_i64(extent, least), 1), p->input[axis]);
}

/* The problem with so few input and output channels a group. */
static clconv_problem shrink(const clconv_problem *problem, const geometry *g, int64_t in, int64_t out,
                             int64_t outputs)
{
    clconv_problem p = *problem;
    const int64_t most_groups = g->group_in == 1 && g->group_out == 1 ? 20 : 2;
    p.batch = min_i64(p.batch, 2);
    p.groups = min_i64(p.groups, most_groups);
    p.in_channels = p.groups * min_i64(g->group_in, in);
    p.out_channels = p.groups * min_i64(g->group_out, out);
    for (int axis = 0; axis < 3; axis++)
        p.input[axis] = small_extent(problem, axis, outputs);
    return p;
}

/* A small problem by whose plan all the programs are needed, or most of them: how many. */
static size_t choose_problem(const unproven *u, const clconv_plan *plan, const clconv_plan_options *how,
                             clconv_problem *chosen)
{
    static const double most_products = 1 << 20;
    /* Sums of more products than a run has, over all taps and over those along depth, which are Winograd's own. */
    const int64_t many = 700 / plan->geometry.taps + 1, more = 700 / plan->problem.kernel[0] + 1;
    const int64_t channels[][2] = {{3, 5},       {20, 20},  {20, 40},  {many, 20},      {20, many},
                                   {many, many}, {more, 5}, {5, more}, {INT64_MAX, 20}, {20, INT64_MAX}};
    static const int64_t outputs[] = {2, 5, 12, 34};
    size_t best = 0;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        for (size_t k = 0; k < sizeof channels / sizeof channels[0] && best < u->count; k++) {
            geometry g;
            clconv_plan *outline = NULL;
            clconv_problem p =
                shrink(&plan->problem, &plan->geometry, channels[k][0], channels[k][1], outputs[i]);
            if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS ||
                (double)g.elements.output * (double)g.reduction > most_products ||
                plan_create_as(PLAN_OUTLINE, plan->context, plan->op, &p, how, &outline, NULL) !=
                    CLCONV_SUCCESS)
                continue;
            size_t count = has_programs_of(plan, outline) ? count_needed(u, outline) : 0;
            if (count > best) *chosen = p;
            best = count > best ? count : best;
            plan_release(outline);
        }
    }
    return best;
}

/* Arrays of the small problem in doubles, and buffers of its elements: input, weight, bias, residual, the output's gradient. */
enum { TENSORS = 5 };
typedef struct proof {
    clconv_plan *plan;
    int64_t counts[TENSORS], made;
    double *values[TENSORS], *exact, *magnitude;
    void *got;
    cl_mem memory[TENSORS], output, workspace;
} proof;

static void proof_release(proof *p)
{
    for (int i = 0; i < TENSORS; i++) {
        free(p->values[i]);
        if (p->memory[i] != NULL) clReleaseMemObject(p->memory[i]);
    }
    free(p->exact);
    free(p->magnitude);
    free(p->got);
    if (p->output != NULL) clReleaseMemObject(p->output);
    if (p->workspace != NULL) clReleaseMemObject(p->workspace);
    plan_release(p->plan);
}

static clconv_status no_memory(clconv_error *err)
{
    return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the test of a program");
}

/* -2 to 2 in an order that no permutation of axes keeps. */
static double value_of(int tensor, int64_t i)
{
    return (double)((i * 7 + i / 5 + i / 37 + (int64_t)3 * tensor) % 5 - 2);
}

static clconv_status make_tensor(proof *p, int i, clconv_error *err)
{
    const bool is_double = p->plan->problem.dtype == CLCONV_FLOAT64;
    const size_t count = (size_t)p->counts[i], element = (size_t)p->plan->geometry.element_size;
    p->values[i] = calloc(count + 1, sizeof(double));
    char *bytes = calloc(count + 1, element);
    clconv_status status = CLCONV_SUCCESS;
    if (p->values[i] == NULL || bytes == NULL) {
        status = no_memory(err);
        goto done;
    }
    for (size_t k = 0; k < count; k++) {
        p->values[i][k] = value_of(i, (int64_t)k);
        const float narrow = (float)p->values[i][k];
        memcpy(bytes + k * element, is_double ? (const void *)&p->values[i][k] : &narrow, element);
    }
    status = memory_create(&p->plan->context->rt, "a test", (count + 1) * element, bytes, &p->memory[i], err);
done:
    free(bytes);
    return status;
}

static clconv_status make_proof(proof *p, clconv_error *err)
{
    const clconv_plan *plan = p->plan;
    const clconv_tensor_sizes *n = &plan->geometry.elements;
    const int64_t counts[TENSORS] = {n->input, n->weight,
                                     plan->problem.has_bias ? max_i64(n->bias, plan->problem.in_channels) : 0,
                                     n->residual, n->output};
    const size_t element = (size_t)plan->geometry.element_size;
    clconv_status status = CLCONV_SUCCESS;
    p->made = geometry_made(&plan->problem, &plan->geometry, plan->op);
    for (int i = 0; i < TENSORS && status == CLCONV_SUCCESS; i++) {
        p->counts[i] = counts[i];
        status = make_tensor(p, i, err);
    }
    p->exact = calloc((size_t)p->made + 1, sizeof(double));
    p->magnitude = calloc((size_t)p->made + 1, sizeof(double));
    p->got = calloc((size_t)p->made + 1, element);
    if (status == CLCONV_SUCCESS && (p->exact == NULL || p->magnitude == NULL || p->got == NULL))
        status = no_memory(err);
    const runtime *rt = &plan->context->rt;
    if (status == CLCONV_SUCCESS)
        status = memory_create(rt, "a test", ((size_t)p->made + 1) * element, NULL, &p->output, err);
    if (status == CLCONV_SUCCESS && plan->workspace_size > 0)
        status = memory_create(rt, "a test", (size_t)plan->workspace_size, NULL, &p->workspace, err);
    return status;
}

/* Every tensor that some op has; bind_runs() takes those of the plan's. */
static clconv_tensors tensors_of(const proof *p)
{
    const clconv_problem *problem = &p->plan->problem;
    const clconv_op op = p->plan->op;
    const bool has_epilogue = op == CLCONV_FORWARD || op == CLCONV_TRANSPOSED;
    clconv_tensors t = {.input = {p->memory[op == CLCONV_TRANSPOSED ? 4 : 0], 0},
                        .weight = {p->memory[1], 0},
                        .grad_output = {p->memory[4], 0}};
    clconv_buffer *const made[] = {&t.output, &t.grad_input, &t.grad_weight, &t.grad_bias, &t.output};
    made[op]->memory = p->output;
    if (has_epilogue && problem->has_bias) t.bias.memory = p->memory[2];
    if (has_epilogue && problem->has_residual) t.residual.memory = p->memory[3];
    return t;
}

static clconv_status run_proof(proof *p, clconv_error *err)
{
    clconv_plan *plan = p->plan;
    cl_command_queue queue = plan->context->rt.queue;
    const clconv_tensors tensors = tensors_of(p);
    const clconv_buffer workspace = {p->workspace, 0};
    plan_buffers buffers;
    clconv_status status = bind_runs(&plan, 1, &tensors, &workspace, &buffers, err);
    if (status == CLCONV_SUCCESS)
        status = plan_enqueue_steps(plan, PLAN_RUN, queue, &buffers, 0, NULL, NULL, NULL, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code =
        clEnqueueReadBuffer(queue, p->output, CL_TRUE, 0,
                            (size_t)p->made * (size_t)plan->geometry.element_size, p->got, 0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

static bool is_right_answer(const proof *p)
{
    const clconv_plan *plan = p->plan;
    const clconv_problem *problem = &plan->problem;
    const reference_tensors t = {.input = p->values[0],
                                 .weight = p->values[1],
                                 .bias = problem->has_bias ? p->values[2] : NULL,
                                 .residual = problem->has_residual ? p->values[3] : NULL,
                                 .grad_output = p->values[4]};
    const bool is_double = problem->dtype == CLCONV_FLOAT64, direct = plan->algorithm->accumulates_directly;
    reference_op(plan->op, problem, &plan->geometry, &t, p->exact, p->magnitude);
    for (int64_t i = 0; i < p->made; i++) {
        double got = is_double ? ((const double *)p->got)[i] : (double)((const float *)p->got)[i];
        double allowed = bound_op(plan->op, problem, &plan->geometry, direct, p->magnitude[i], p->exact[i]);
        if (!(fabs(got - p->exact[i]) <= allowed)) return false;
    }
    return true;
}

/* Whether the programs compute the small problem right; that memory is out or there is no plan says nothing of them. */
static bool try_programs(const clconv_plan *plan, const clconv_plan_options *how,
                         const clconv_problem *problem)
{
    clconv_error failure = {.status = CLCONV_SUCCESS};
    proof p = {NULL};
    clconv_status status =
        plan_create_as(PLAN_PROOF, plan->context, plan->op, problem, how, &p.plan, &failure);
    const bool is_made = status == CLCONV_SUCCESS;
    if (status == CLCONV_SUCCESS) status = make_proof(&p, &failure);
    if (status == CLCONV_SUCCESS) status = run_proof(&p, &failure);
    bool is_right = status == CLCONV_SUCCESS
                        ? is_right_answer(&p)
                        : !is_made || status == CLCONV_OUT_OF_MEMORY || status == CLCONV_OUT_OF_DEVICE_MEMORY;
    proof_release(&p);
    return is_right;
}

/* Tells which programs are wrong. */
static clconv_status report(const unproven *u, clconv_error *err)
{
    text names = {0};
    for (size_t i = 0; i < u->count; i++)
        text_append(&names, " cl/%s %s;", u->programs[i]->source, u->programs[i]->options);
    const bool has_compiler = u->rt->info.has_compiler != 0;
    clconv_error told;
    error_set(&told, CLCONV_UNSUPPORTED,
              "programs compiled beforehand give a wrong answer to a small problem%s:%.700s",
              has_compiler ? ", and are compiled again" : "", names.failed ? "" : names.data);
    text_release(&names);
    if (has_compiler) {
        runtime_message(u->rt, CLCONV_MESSAGE_WARNING, told.message);
        return CLCONV_SUCCESS;
    }
    if (err != NULL) *err = told;
    return told.status;
}

static void tell(const unproven *u, size_t tried, const char *algorithm, double seconds)
{
    text line = {0};
    text_append(&line, "tried %zu of %zu programs of %s that were compiled elsewhere in %.1f ms", tried,
                u->count, algorithm, 1e3 * seconds);
    if (!line.failed) runtime_message(u->rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

/* The plan's own algorithm and parameters. */
static clconv_plan_options options_of(const clconv_plan *plan, const clconv_plan_options *options)
{
    clconv_plan_options how = *options;
    how.algorithm = plan->algorithm->name;
    how.parameters = plan->parameters_text;
    how.packed_weights = 0;
    how.packed_layout = 0;
    return how;
}

clconv_status prove_plan(clconv_plan *plan, const clconv_plan_options *options, bool *is_right,
                         clconv_error *err)
{
    const unproven u = find_programs(plan, false);
    const clconv_plan_options how = options_of(plan, options);
    clconv_problem small;
    *is_right = true;
    if (u.count == 0) return CLCONV_SUCCESS;
    const double started = clock_seconds();
    const size_t tried = choose_problem(&u, plan, &how, &small);
    if (tried > 0) *is_right = try_programs(plan, &how, &small);
    tell(&u, tried, plan->algorithm->name, clock_seconds() - started);
    for (size_t i = 0; i < u.count; i++)
        program_prove(u.rt, u.programs[i]->source, u.programs[i]->options, *is_right);
    return *is_right ? CLCONV_SUCCESS : report(&u, err);
}

size_t prove_count_untried(clconv_plan *plan, const clconv_plan_options *options)
{
    const unproven u = find_programs(plan, true);
    const clconv_plan_options how = options_of(plan, options);
    clconv_problem small;
    return u.count - choose_problem(&u, plan, &how, &small);
}
