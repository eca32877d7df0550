/* The worker of oneDNN, versions 2 and 3. Weights that are read are reordered beforehand into the layout that
 * the primitive wants. Input and output are NCDHW: "plain" asks for a primitive that takes them so, "blocked"
 * for the one that oneDNN likes best, with the reorders into and out of its layouts timed. */
#include "worker.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory descriptors are handles in version 3 and structs before. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t desc_ref;
#define DESC_REF(desc) (desc)
#define desc_create dnnl_memory_desc_create_with_tag
#define desc_destroy(desc) dnnl_memory_desc_destroy(desc)
#else
typedef const dnnl_memory_desc_t *desc_ref;
#define DESC_REF(desc) (&(desc))
#define desc_create dnnl_memory_desc_init_by_tag
#define desc_destroy(desc) (void)(desc)
#endif

/* What an op calls its tensors. */
typedef struct tensor_name {
    dnnl_query_t query;
    int argument;
} tensor_name;

static const tensor_name tensor_names[BENCH_OPS][BENCH_TENSORS] = {
    {{dnnl_query_src_md, DNNL_ARG_SRC},
     {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
     {dnnl_query_dst_md, DNNL_ARG_DST}},
    {{dnnl_query_diff_src_md, DNNL_ARG_DIFF_SRC},
     {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
     {dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST}},
    {{dnnl_query_src_md, DNNL_ARG_SRC},
     {dnnl_query_diff_weights_md, DNNL_ARG_DIFF_WEIGHTS},
     {dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST}},
};

/* A tensor as the caller has it, NCDHW or OIDHW, and as the primitive wants it where that differs, with the
 * reorder from one to the other; else NULL. */
typedef struct tensor {
    dnnl_memory_t plain, inside;
    dnnl_primitive_t reorder;
} tensor;

typedef struct onednn {
    int blocked;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc, hint; /* hint: of the forward primitive, which gradients are derived from */
    dnnl_primitive_t convolution;
    bench_op op;
    int made;
    tensor tensors[BENCH_TENSORS];
} onednn;

/* Descriptors of what the caller has (`..._tag` plain) or of what the primitive may choose (any). */
typedef struct descriptors {
    dnnl_memory_desc_t of[BENCH_TENSORS];
} descriptors;

static int check(worker *w, dnnl_status_t status, const char *what)
{
    return status == dnnl_success ? 0 : worker_fail(w, "%s: oneDNN status %d", what, (int)status);
}

static int create_descriptors(worker *w, const bench_layer *l, dnnl_format_tag_t data_tag,
                              dnnl_format_tag_t weight_tag, descriptors *d)
{
    const int64_t *x = l->input, *k = l->kernel, *y = l->output, g = l->groups;
    const dnnl_dims_t input = {l->batch, l->in_channels, x[0], x[1], x[2]};
    const dnnl_dims_t output = {l->batch, l->out_channels, y[0], y[1], y[2]};
    const dnnl_dims_t dense = {l->out_channels, l->in_channels, k[0], k[1], k[2]};
    const dnnl_dims_t grouped = {g, l->out_channels / g, l->in_channels / g, k[0], k[1], k[2]};
    dnnl_status_t status = desc_create(&d->of[INPUT_TENSOR], 5, input, dnnl_f32, data_tag);
    if (!status) status = desc_create(&d->of[OUTPUT_TENSOR], 5, output, dnnl_f32, data_tag);
    if (!status)
        status =
            desc_create(&d->of[WEIGHT_TENSOR], g > 1 ? 6 : 5, g > 1 ? grouped : dense, dnnl_f32, weight_tag);
    return check(w, status, "memory descriptor");
}

static void destroy_descriptors(descriptors *d)
{
    for (int i = 0; i < BENCH_TENSORS; i++) {
        desc_destroy(d->of[i]);
    }
}

static dnnl_status_t describe(const onednn *o, const bench_layer *l, bench_op op, const descriptors *d,
                              dnnl_primitive_desc_t *desc)
{
    const dnnl_prop_kind_t kind = l->op == OP_FORWARD ? dnnl_forward_inference : dnnl_forward_training;
    const dnnl_alg_kind_t algorithm = dnnl_convolution_auto;
    dnnl_dims_t s = {0}, dilation = {0}, p = {0};
    for (int a = 0; a < 3; a++) {
        s[a] = l->stride[a];
        dilation[a] = l->dilation[a] - 1;
        p[a] = l->padding[a];
    }
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t x = d->of[INPUT_TENSOR], f = d->of[WEIGHT_TENSOR], y = d->of[OUTPUT_TENSOR];
    if (op == OP_BACKWARD_INPUT)
        return dnnl_convolution_backward_data_primitive_desc_create(desc, o->engine, algorithm, x, f, y, s,
                                                                    dilation, p, p, o->hint, NULL);
    if (op == OP_BACKWARD_WEIGHT)
        return dnnl_convolution_backward_weights_primitive_desc_create(desc, o->engine, algorithm, x, f, NULL,
                                                                       y, s, dilation, p, p, o->hint, NULL);
    return dnnl_convolution_forward_primitive_desc_create(desc, o->engine, kind, algorithm, x, f, NULL, y, s,
                                                          dilation, p, p, NULL);
#else
    const dnnl_memory_desc_t *x = &d->of[INPUT_TENSOR], *f = &d->of[WEIGHT_TENSOR];
    const dnnl_memory_desc_t *y = &d->of[OUTPUT_TENSOR];
    dnnl_convolution_desc_t convolution;
    dnnl_status_t status = op == OP_BACKWARD_INPUT ? dnnl_dilated_convolution_backward_data_desc_init(
                                                         &convolution, algorithm, x, f, y, s, dilation, p, p)
                           : op == OP_BACKWARD_WEIGHT
                               ? dnnl_dilated_convolution_backward_weights_desc_init(
                                     &convolution, algorithm, x, f, NULL, y, s, dilation, p, p)
                               : dnnl_dilated_convolution_forward_desc_init(&convolution, kind, algorithm, x,
                                                                            f, NULL, y, s, dilation, p, p);
    return status ? status : dnnl_primitive_desc_create(desc, &convolution, NULL, o->engine, o->hint);
#endif
}

static int create_convolution(worker *w, const bench_layer *l, const descriptors *d)
{
    onednn *o = w->state;
    dnnl_status_t status = dnnl_success;
    if (l->op != OP_FORWARD) status = describe(o, l, OP_FORWARD, d, &o->hint);
    if (check(w, status, "the forward convolution's descriptor")) return 1;
    return check(w, describe(o, l, l->op, d, &o->desc), "convolution descriptor") ||
           check(w, dnnl_primitive_create(&o->convolution, o->desc), "convolution");
}

static int create_memory(worker *w, desc_ref desc, dnnl_memory_t *memory)
{
    const onednn *o = w->state;
    return check(w, dnnl_memory_create(memory, desc, o->engine, DNNL_MEMORY_ALLOCATE), "memory");
}

static int fill(worker *w, dnnl_memory_t memory, int64_t count, uint32_t seed)
{
    void *data;
    if (check(w, dnnl_memory_map_data(memory, &data), "map")) return 1;
    worker_fill(data, count, seed);
    return check(w, dnnl_memory_unmap_data(memory, data), "unmap");
}

static int create_reorder(worker *w, desc_ref from, desc_ref to, dnnl_primitive_t *reorder)
{
    const onednn *o = w->state;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&desc, from, o->engine, to, o->engine, NULL);
    if (!status) status = dnnl_primitive_create(reorder, desc);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return check(w, status, "reorder");
}

static dnnl_status_t reorder(const onednn *o, dnnl_primitive_t primitive, dnnl_memory_t from,
                             dnnl_memory_t to)
{
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    return dnnl_primitive_execute(primitive, o->stream, 2, arguments);
}

/* Memory of the primitive's own layout where it differs from the caller's, and the reorder between them. */
static int create_inside(worker *w, desc_ref plain, int which)
{
    onednn *o = w->state;
    tensor *t = &o->tensors[which];
    desc_ref wanted = dnnl_primitive_desc_query_md(o->desc, tensor_names[o->op][which].query, 0);
    if (dnnl_memory_desc_equal(plain, wanted)) return 0;
    if (create_memory(w, wanted, &t->inside)) return 1;
    int leaves = which == o->made;
    return create_reorder(w, leaves ? wanted : plain, leaves ? plain : wanted, &t->reorder);
}

/* Reorders the weights once, and no more when they are run. */
static int pack_weight(worker *w)
{
    onednn *o = w->state;
    tensor *t = &o->tensors[WEIGHT_TENSOR];
    if (!t->reorder) return 0;
    int failed = check(w, reorder(o, t->reorder, t->plain, t->inside), "reorder of the weights") ||
                 check(w, dnnl_stream_wait(o->stream), "wait");
    dnnl_primitive_destroy(t->reorder);
    t->reorder = NULL;
    return failed;
}

static int create_tensors(worker *w, const bench_layer *l, const descriptors *plain)
{
    onednn *o = w->state;
    int failed = 0;
    for (int i = 0; i < BENCH_TENSORS && !failed; i++) {
        desc_ref desc = DESC_REF(plain->of[i]);
        failed = create_memory(w, desc, &o->tensors[i].plain) ||
                 fill(w, o->tensors[i].plain, l->sizes[i], (uint32_t)i) || create_inside(w, desc, i);
    }
    return failed || (o->made != WEIGHT_TENSOR && pack_weight(w));
}

static int prepare(worker *w, const bench_layer *l)
{
    onednn *o = w->state;
    const char *implementation = "";
    descriptors plain = {0}, wanted = {0};
    o->op = l->op;
    o->made = l->made;
    int failed = create_descriptors(w, l, dnnl_ncdhw, l->groups > 1 ? dnnl_goidhw : dnnl_oidhw, &plain) ||
                 create_descriptors(w, l, o->blocked ? dnnl_format_tag_any : dnnl_ncdhw, dnnl_format_tag_any,
                                    &wanted) ||
                 create_convolution(w, l, &wanted) || create_tensors(w, l, &plain);
    if (!failed) dnnl_primitive_desc_query(o->desc, dnnl_query_impl_info_str, 0, (void *)&implementation);
    int reorders = 0;
    for (int i = 0; i < BENCH_TENSORS; i++) {
        reorders += o->tensors[i].reorder != NULL;
    }
    snprintf(w->note, sizeof w->note, "%s%s", implementation, reorders ? ", reordered" : "");
    destroy_descriptors(&plain);
    destroy_descriptors(&wanted);
    return failed;
}

static int run(worker *w)
{
    const onednn *o = w->state;
    const tensor *made = &o->tensors[o->made];
    dnnl_exec_arg_t arguments[BENCH_TENSORS];
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < BENCH_TENSORS; i++) {
        const tensor *t = &o->tensors[i];
        arguments[i] = (dnnl_exec_arg_t){tensor_names[o->op][i].argument, t->inside ? t->inside : t->plain};
        if (!status && t->reorder && t != made) status = reorder(o, t->reorder, t->plain, t->inside);
    }
    if (!status) status = dnnl_primitive_execute(o->convolution, o->stream, BENCH_TENSORS, arguments);
    if (!status && made->reorder) status = reorder(o, made->reorder, made->inside, made->plain);
    if (!status) status = dnnl_stream_wait(o->stream);
    return check(w, status, "run");
}

static int read_made(worker *w, float *made, size_t count)
{
    const onednn *o = w->state;
    dnnl_memory_t memory = o->tensors[o->made].plain;
    void *data;
    if (check(w, dnnl_memory_map_data(memory, &data), "map")) return 1;
    memcpy(made, data, count * sizeof *made);
    return check(w, dnnl_memory_unmap_data(memory, data), "unmap");
}

static void release(worker *w)
{
    onednn *o = w->state;
    for (int i = 0; i < BENCH_TENSORS; i++) {
        tensor *t = &o->tensors[i];
        if (t->reorder) dnnl_primitive_destroy(t->reorder);
        if (t->plain) dnnl_memory_destroy(t->plain);
        if (t->inside) dnnl_memory_destroy(t->inside);
        *t = (tensor){NULL, NULL, NULL};
    }
    if (o->convolution) dnnl_primitive_destroy(o->convolution);
    if (o->desc) dnnl_primitive_desc_destroy(o->desc);
    if (o->hint) dnnl_primitive_desc_destroy(o->hint);
    o->convolution = NULL;
    o->desc = o->hint = NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "plain") != 0 && strcmp(argv[1], "blocked") != 0)) {
        fprintf(stderr, "usage: %s plain|blocked\n", argv[0]);
        return 2;
    }
    char version[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(version, sizeof version, "%d.%d.%d", v->major, v->minor, v->patch);
    onednn o = {.blocked = strcmp(argv[1], "blocked") == 0};
    worker w = {version, &o, "", "", 0, prepare, run, read_made, release};
    int status = EXIT_FAILURE;
    if (check(&w, dnnl_engine_create(&o.engine, dnnl_cpu, 0), "CPU engine") ||
        check(&w, dnnl_stream_create(&o.stream, o.engine, dnnl_stream_in_order), "stream")) {
        fprintf(stderr, "%s\n", w.error);
    } else {
        status = worker_serve(&w);
    }
    if (o.stream) dnnl_stream_destroy(o.stream);
    if (o.engine) dnnl_engine_destroy(o.engine);
    return status;
}
