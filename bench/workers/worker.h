/* What every worker of the benchmark written in C shares: a worker computes one layer at a time with one
 * library, as often as it is asked to, and says how long each run took.
 *
 * It answers each line on standard input by one JSON object on standard output:
 *   OP N Cin D H W Cout kD kH kW sD sH sW pD pH pW dD dH dW groups         {"elements", "samples", "note"}
 *   run SECONDS                                                            {"seconds": [...]}
 * or {"error": TEXT}. OP is forward, backward-input or backward-weight. Before the first line it prints
 * {"ready": VERSION}. worker.py is the same in Python, of forward alone. */
#ifndef CLCONV_BENCH_WORKER_H
#define CLCONV_BENCH_WORKER_H

#include <stddef.h>
#include <stdint.h>

typedef enum bench_op { OP_FORWARD, OP_BACKWARD_INPUT, OP_BACKWARD_WEIGHT, BENCH_OPS } bench_op;

/* A layer's tensors or, backwards, their gradients: two are read, one is made. The number is also the seed of
 * one that is read. */
enum { INPUT_TENSOR, WEIGHT_TENSOR, OUTPUT_TENSOR, BENCH_TENSORS };

typedef struct bench_layer {
    bench_op op;
    int64_t batch, in_channels, input[3], out_channels, kernel[3], stride[3], padding[3], dilation[3], groups;
    int64_t output[3];            /* from the others */
    int64_t sizes[BENCH_TENSORS]; /* in elements */
    int made;                     /* the tensor that the op makes */
} bench_layer;

enum { WORKER_TEXT_SIZE = 1024 };

/* A library that computes. Each function returns 0, or not and then has written `error`.
 */
typedef struct worker {
    const char *version;
    void *state; /* the library's own */
    char error[WORKER_TEXT_SIZE];
    char note[WORKER_TEXT_SIZE]; /* how the layer is computed; "" if there is nothing to say */
    int ready;                   /* a layer is prepared: worker.c's */
    /* Makes the layer ready: what is read filled, weights packed. Called after `release`. */
    int (*prepare)(struct worker *w, const bench_layer *layer);
    int (*run)(struct worker *w); /* one run, complete on return: what is timed */
    int (*read)(struct worker *w, float *made, size_t count);
    void (*release)(struct worker *w); /* of what `prepare` made, all or part of it */
} worker;

/* Writes the error and returns 1. */
int worker_fail(worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Values in -1 .. 1, the same in every worker. */
void worker_fill(float *data, int64_t count, uint32_t seed);

/* Answers until the end of standard input; an exit status. */
int worker_serve(worker *w);

#endif
