/* The worker of oneDNN, versions 2 and 3. Weights are reordered beforehand into the layout that the primitive
 * wants. Input and output are NCDHW: "plain" asks for a primitive that takes them so, "blocked" for the one
 * that oneDNN likes best, with the reorders into and out of its layouts timed. */
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

typedef struct onednn {
    int blocked;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t convolution, reorder_input, reorder_output; /* reorders: NULL if there are none */
    dnnl_memory_t input, weight, output;                         /* NCDHW and OIDHW */
    dnnl_memory_t input_inside, weight_inside, output_inside;    /* as the primitive wants; NULL if that */
} onednn;

/* Descriptors of what the caller has (`..._tag` plain) or of what the primitive may choose (any). */
typedef struct descriptors {
    dnnl_memory_desc_t input, weight, output;
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
    dnnl_status_t status = desc_create(&d->input, 5, input, dnnl_f32, data_tag);
    if (!status) status = desc_create(&d->output, 5, output, dnnl_f32, data_tag);
    if (!status)
        status = desc_create(&d->weight, g > 1 ? 6 : 5, g > 1 ? grouped : dense, dnnl_f32, weight_tag);
    return check(w, status, "memory descriptor");
}

static void destroy_descriptors(descriptors *d)
{
    desc_destroy(d->input);
    desc_destroy(d->weight);
    desc_destroy(d->output);
}

static dnnl_status_t describe(onednn *o, const bench_layer *l, const descriptors *d)
{
    const dnnl_prop_kind_t kind = dnnl_forward_inference;
    const dnnl_alg_kind_t algorithm = dnnl_convolution_auto;
    dnnl_dims_t stride = {0}, dilation = {0}, padding = {0};
    for (int a = 0; a < 3; a++) {
        stride[a] = l->stride[a];
        dilation[a] = l->dilation[a] - 1;
        padding[a] = l->padding[a];
    }
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(&o->desc, o->engine, kind, algorithm, d->input,
                                                          d->weight, NULL, d->output, stride, dilation,
                                                          padding, padding, NULL);
#else
    dnnl_convolution_desc_t convolution;
    dnnl_status_t status =
        dnnl_dilated_convolution_forward_desc_init(&convolution, kind, algorithm, &d->input, &d->weight, NULL,
                                                   &d->output, stride, dilation, padding, padding);
    return status ? status : dnnl_primitive_desc_create(&o->desc, &convolution, NULL, o->engine, NULL);
#endif
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
static int create_inside(worker *w, desc_ref plain, dnnl_query_t which, dnnl_memory_t *inside,
                         dnnl_primitive_t *primitive)
{
    const onednn *o = w->state;
    desc_ref wanted = dnnl_primitive_desc_query_md(o->desc, which, 0);
    if (dnnl_memory_desc_equal(plain, wanted)) return 0;
    if (create_memory(w, wanted, inside)) return 1;
    int leaves = which == dnnl_query_dst_md;
    return create_reorder(w, leaves ? wanted : plain, leaves ? plain : wanted, primitive);
}

static int pack_weight(worker *w, desc_ref plain)
{
    onednn *o = w->state;
    dnnl_primitive_t primitive = NULL;
    int failed = create_inside(w, plain, dnnl_query_weights_md, &o->weight_inside, &primitive);
    if (!failed && primitive) {
        failed = check(w, reorder(o, primitive, o->weight, o->weight_inside), "reorder of the weights") ||
                 check(w, dnnl_stream_wait(o->stream), "wait");
    }
    if (primitive) dnnl_primitive_destroy(primitive);
    return failed;
}

static int create_tensors(worker *w, const bench_layer *l, const descriptors *plain)
{
    onednn *o = w->state;
    return create_memory(w, DESC_REF(plain->input), &o->input) ||
           create_memory(w, DESC_REF(plain->weight), &o->weight) ||
           create_memory(w, DESC_REF(plain->output), &o->output) ||
           fill(w, o->input, l->input_size, INPUT_SEED) || fill(w, o->weight, l->weight_size, WEIGHT_SEED) ||
           create_inside(w, DESC_REF(plain->input), dnnl_query_src_md, &o->input_inside, &o->reorder_input) ||
           create_inside(w, DESC_REF(plain->output), dnnl_query_dst_md, &o->output_inside,
                         &o->reorder_output) ||
           pack_weight(w, DESC_REF(plain->weight));
}

static int prepare(worker *w, const bench_layer *l)
{
    onednn *o = w->state;
    const char *implementation = "";
    descriptors plain = {0}, wanted = {0};
    int failed = create_descriptors(w, l, dnnl_ncdhw, l->groups > 1 ? dnnl_goidhw : dnnl_oidhw, &plain) ||
                 create_descriptors(w, l, o->blocked ? dnnl_format_tag_any : dnnl_ncdhw, dnnl_format_tag_any,
                                    &wanted) ||
                 check(w, describe(o, l, &wanted), "convolution descriptor") ||
                 check(w, dnnl_primitive_create(&o->convolution, o->desc), "convolution") ||
                 create_tensors(w, l, &plain);
    if (!failed) dnnl_primitive_desc_query(o->desc, dnnl_query_impl_info_str, 0, (void *)&implementation);
    snprintf(w->note, sizeof w->note, "%s%s", implementation,
             o->reorder_input || o->reorder_output ? ", reordered" : "");
    destroy_descriptors(&plain);
    destroy_descriptors(&wanted);
    return failed;
}

static int run(worker *w)
{
    const onednn *o = w->state;
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, o->input_inside ? o->input_inside : o->input},
        {DNNL_ARG_WEIGHTS, o->weight_inside ? o->weight_inside : o->weight},
        {DNNL_ARG_DST, o->output_inside ? o->output_inside : o->output},
    };
    dnnl_status_t status = dnnl_success;
    if (o->reorder_input) status = reorder(o, o->reorder_input, o->input, o->input_inside);
    if (!status) status = dnnl_primitive_execute(o->convolution, o->stream, 3, arguments);
    if (!status && o->reorder_output) status = reorder(o, o->reorder_output, o->output_inside, o->output);
    if (!status) status = dnnl_stream_wait(o->stream);
    return check(w, status, "run");
}

static int read_output(worker *w, float *output, size_t count)
{
    const onednn *o = w->state;
    void *data;
    if (check(w, dnnl_memory_map_data(o->output, &data), "map")) return 1;
    memcpy(output, data, count * sizeof *output);
    return check(w, dnnl_memory_unmap_data(o->output, data), "unmap");
}

static void release(worker *w)
{
    onednn *o = w->state;
    dnnl_memory_t *const memories[] = {&o->input,        &o->weight,        &o->output,
                                       &o->input_inside, &o->weight_inside, &o->output_inside};
    dnnl_primitive_t *const primitives[] = {&o->convolution, &o->reorder_input, &o->reorder_output};
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        if (*primitives[i]) dnnl_primitive_destroy(*primitives[i]);
        *primitives[i] = NULL;
    }
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        if (*memories[i]) dnnl_memory_destroy(*memories[i]);
        *memories[i] = NULL;
    }
    if (o->desc) dnnl_primitive_desc_destroy(o->desc);
    o->desc = NULL;
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
    worker w = {version, &o, "", "", 0, prepare, run, read_output, release};
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
