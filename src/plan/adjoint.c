/* The input gradient as forward convolutions: see adjoint.h. */
#include "plan/adjoint.h"

#include "base/arith.h"
#include "base/error.h"
#include "base/hash.h"
#include "plan/emit.h"
#include "steps/adjoint.h"

#include <string.h>

typedef struct adjoint {
    const request *q;
    adjoint_volumes volumes;
    bool is_direct;       /* the one volume is the gradient */
    int64_t scratch_at;   /* where the convolutions' own workspace starts, */
    int64_t scratch_size; /* the largest of them */
    uint64_t identity;    /* of the packed weight */
} adjoint;

/* More cells, the same of all residues, so that no convolution has a negative padding. */
static void widen_axis(const clconv_problem *p, const geometry *g, int axis, adjoint_axis *a)
{
    int64_t stride = p->stride[axis], first = a->low / stride, last = 0;
    for (int64_t e = 0; e < a->residues; e++) {
        adjoint_taps t = adjoint_taps_of(p, axis, a, e);
        first = min_i64(first, -t.start);
        last = max_i64(last, t.first + a->count);
        last = max_i64(last, g->output[axis] - t.start - (t.count - 1) * t.dilation);
    }
    a->low = first * stride;
    a->count = last - first;
}

static bool scatters(const clconv_problem *p)
{
    bool is_strided = false;
    for (int axis = 0; axis < 3; axis++) {
        if (p->kernel[axis] > p->stride[axis] || (p->kernel[axis] > 1 && p->dilation[axis] > 1)) return false;
        is_strided = is_strided || p->stride[axis] > 1;
    }
    return is_strided;
}

static bool plan_axes(adjoint *a, text *why)
{
    const clconv_problem *p = a->q->problem;
    const geometry *g = a->q->geometry;
    adjoint_volumes *v = &a->volumes;
    v->scatters = scatters(p);
    a->is_direct = p->padding_mode == CLCONV_PADDING_ZEROS && !v->scatters;
    if (!v->scatters && !adjoint_is_few(p, ADJOINT_MAX_CONVOLUTIONS, why)) return false;
    for (int axis = 0; axis < 3; axis++) {
        adjoint_axis *x = &v->axis[axis];
        if (v->scatters) {
            *x = (adjoint_axis){p->kernel[axis], 0, g->output[axis], 1};
        } else {
            *x = adjoint_span(p, g, axis);
            widen_axis(p, g, axis, x);
        }
        a->is_direct = a->is_direct && p->stride[axis] == 1 && x->low == p->pad_before[axis] &&
                       x->count == p->input[axis];
    }
    v->pitch = v->axis[2].count;
    if (!adjoint_lay_out(p, g, p->batch, v, why)) return false;
    if (a->is_direct) v->bytes = 0;
    return true;
}

/* The convolution that makes the volumes of residues e of the axes. */
static clconv_problem convolution(const adjoint *a, const int64_t e[3])
{
    const clconv_problem *p = a->q->problem;
    const adjoint_volumes *v = &a->volumes;
    clconv_problem c = adjoint_convolution(p, a->q->geometry, v, e);
    c.has_bias = a->is_direct && a->q->op == CLCONV_TRANSPOSED && p->has_bias;
    for (int axis = 0; axis < 3 && !v->scatters; axis++) {
        adjoint_taps t = adjoint_taps_of(p, axis, &v->axis[axis], e[axis]);
        c.pad_before[axis] = -t.start - t.first;
        c.pad_after[axis] =
            v->axis[axis].count - c.input[axis] - c.pad_before[axis] + (t.count - 1) * t.dilation;
    }
    return c;
}

/* Bytes of the workspace that are left to a convolution. */
static int64_t workspace_left(const adjoint *a, const recipe *r)
{
    int64_t packed = a->q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    return max_i64(a->q->workspace_limit - a->scratch_at - packed - (int64_t)2 * WORKSPACE_ALIGNMENT, 0);
}

static clconv_status append_convolution(adjoint *a, const algorithm *algorithm, const char *overrides,
                                        const int64_t e[3], int64_t volume, parameter_set *parameters,
                                        recipe *r, text *why, clconv_error *err)
{
    clconv_problem c = convolution(a, e);
    geometry g;
    clconv_error refusal;
    if (geometry_compute(&c, &g, &refusal) != CLCONV_SUCCESS) {
        text_append(why, "of its convolutions %s", refusal.message);
        return CLCONV_SUCCESS;
    }
    adjoint_place where = adjoint_append_transpose(r, a->q->problem, a->q->geometry, &a->volumes, e,
                                                   g.elements.weight * g.element_size, a->q->traits);
    where.scratch_at = a->scratch_at;
    where.output = a->is_direct
                       ? (step_buffer){BUFFER_OUTPUT, 0}
                       : (step_buffer){BUFFER_WORKSPACE,
                                       a->volumes.offset + volume * a->volumes.volume * g.element_size};
    request q = *a->q;
    q.op = CLCONV_FORWARD;
    q.is_adjoint = true;
    q.problem = &c;
    q.geometry = &g;
    q.workspace_limit = workspace_left(a, r);
    recipe part = {.run_steps = r->run_steps, .speed = r->speed};
    parameter_set own;
    clconv_status status = forward_emit(&q, algorithm, overrides, &own, &part, why, err);
    if (status == CLCONV_SUCCESS && why->length == 0 && recipe_admits(r, (int64_t)part.run_count, 1, why)) {
        adjoint_append_part(r, &part, &where);
        a->scratch_size = max_i64(a->scratch_size, part.workspace_bytes);
        a->identity = hash_bytes(a->identity, &part.packed_layout, sizeof part.packed_layout);
        if (volume == 0) *parameters = own;
    }
    recipe_release(&part);
    return status;
}

static clconv_status append_all(adjoint *a, const algorithm *algorithm, const char *overrides,
                                parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    int64_t volume = 0, e[3] = {0, 0, 0};
    clconv_status status = CLCONV_SUCCESS;
    if (a->volumes.scatters)
        return append_convolution(a, algorithm, overrides, e, 0, parameters, r, why, err);
    for (e[0] = 0; e[0] < a->volumes.axis[0].residues; e[0]++)
        for (e[1] = 0; e[1] < a->volumes.axis[1].residues; e[1]++)
            for (e[2] = 0; e[2] < a->volumes.axis[2].residues; e[2]++, volume++)
                if (status == CLCONV_SUCCESS && why->length == 0)
                    status = append_convolution(a, algorithm, overrides, e, volume, parameters, r, why, err);
    return status;
}

clconv_status adjoint_emit(const request *q, const algorithm *algorithm, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    adjoint a = {.q = q, .identity = HASH_START};
    if (!plan_axes(&a, why)) return CLCONV_SUCCESS;
    if (a.volumes.bytes > q->workspace_limit) {
        text_append(
            why, "it needs %lld bytes of workspace for the gradient of the padded input; the limit is %lld",
            (long long)a.volumes.bytes, (long long)q->workspace_limit);
        return CLCONV_SUCCESS;
    }
    a.volumes.offset = recipe_reserve(r, a.volumes.bytes);
    a.scratch_at = r->workspace_bytes;
    clconv_status status = append_all(&a, algorithm, overrides, parameters, r, why, err);
    recipe_reserve(r, a.scratch_size);
    bool has_bias = q->op == CLCONV_TRANSPOSED && q->problem->has_bias;
    if (!a.is_direct)
        adjoint_append_gather(r, q->problem, q->geometry, &a.volumes, 0, q->problem->batch, has_bias,
                              q->traits);
    r->packed_layout = hash_bytes(a.identity, q->problem->stride, sizeof q->problem->stride);
    return status;
}
