/* The conversation of a worker with bench.py, and the timing: one untimed run, then at least MIN_RUNS and
 * until the time is over. */
#include "worker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_RUNS = 2, MAX_RUNS = 1000, SAMPLES = 256, LINE_SIZE = 1024 };

int worker_fail(worker *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->error, sizeof w->error, format, arguments);
    va_end(arguments);
    return 1;
}

void worker_fill(float *data, int64_t count, uint32_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t x = ((uint32_t)i + seed * 0x9e3779b9u) * 0x9e3779b1u;
        x = (x ^ (x >> 16)) * 0x45d9f3bu;
        x ^= x >> 16;
        data[i] = (float)(x >> 8) / (float)(1 << 23) - 1.0f;
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_text(const char *key, const char *text)
{
    printf("{\"%s\": \"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    printf("\"}\n");
}

static int parse_numbers(const char *line, bench_layer *l)
{
    int64_t *const members[] = {
        &l->batch,        &l->in_channels, &l->input[0],    &l->input[1],   &l->input[2],
        &l->out_channels, &l->kernel[0],   &l->kernel[1],   &l->kernel[2],  &l->stride[0],
        &l->stride[1],    &l->stride[2],   &l->padding[0],  &l->padding[1], &l->padding[2],
        &l->dilation[0],  &l->dilation[1], &l->dilation[2], &l->groups,
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char *end;
        *members[i] = strtoll(line, &end, 10);
        if (end == line) return 1;
        line = end;
    }
    return 0;
}

/* The layers are the benchmark's own: only what would go wrong here is refused, the rest is the libraries' to
 * say. */
static int parse_layer(worker *w, const char *line, bench_layer *l)
{
    if (parse_numbers(line, l) || l->groups < 1) return worker_fail(w, "no layer: %s", line);
    int64_t input = l->batch * l->in_channels, output = l->batch * l->out_channels;
    int64_t weight = l->out_channels * (l->in_channels / l->groups);
    for (int a = 0; a < 3; a++) {
        int64_t room = l->input[a] + 2 * l->padding[a] - l->dilation[a] * (l->kernel[a] - 1) - 1;
        if (room < 0 || l->stride[a] < 1) return worker_fail(w, "the layer has no output");
        l->output[a] = room / l->stride[a] + 1;
        input *= l->input[a];
        weight *= l->kernel[a];
        output *= l->output[a];
    }
    const int64_t sizes[BENCH_TENSORS] = {input, weight, output};
    memcpy(l->sizes, sizes, sizeof sizes);
    return output > 0 ? 0 : worker_fail(w, "the layer has no output");
}

/* Values of what is made, at even distances, by which bench.py sees that all compute the same. */
static int answer_samples(worker *w, const bench_layer *l)
{
    int64_t count = l->sizes[l->made];
    float *made = malloc((size_t)count * sizeof *made);
    if (!made) return worker_fail(w, "host memory is exhausted");
    int failed = w->run(w) || w->read(w, made, (size_t)count);
    if (!failed) {
        printf("{\"elements\": %" PRId64 ", \"note\": \"%s\", \"samples\": [", count, w->note);
        for (int i = 0; i < SAMPLES; i++) {
            double value = made[(count - 1) * i / (SAMPLES - 1)];
            /* JSON has no NaN; a result that is none fails the comparison as well. */
            printf("%s%.9g", i ? ", " : "", value == value ? value : 1e30);
        }
        printf("]}\n");
    }
    free(made);
    return failed;
}

/* The op that a request starts with, and in *line what follows it; BENCH_OPS if it is none. */
static bench_op parse_op(const char **line)
{
    static const char *const names[BENCH_OPS] = {"forward ", "backward-input ", "backward-weight "};
    for (int op = 0; op < BENCH_OPS; op++) {
        if (strncmp(*line, names[op], strlen(names[op])) != 0) continue;
        *line += strlen(names[op]);
        return (bench_op)op;
    }
    return BENCH_OPS;
}

static int answer_layer(worker *w, bench_op op, const char *line)
{
    static const int makes[BENCH_OPS] = {OUTPUT_TENSOR, INPUT_TENSOR, WEIGHT_TENSOR};
    bench_layer layer = {.op = op, .made = makes[op]};
    w->release(w);
    w->note[0] = '\0';
    w->ready = 0;
    if (parse_layer(w, line, &layer)) return 1;
    w->ready = !w->prepare(w, &layer) && !answer_samples(w, &layer);
    return !w->ready;
}

static int answer_run(worker *w, double seconds)
{
    double times[MAX_RUNS];
    int runs = 0;
    if (!w->ready) return worker_fail(w, "no layer is ready");
    if (w->run(w)) return 1;
    for (double end = now() + seconds; runs < MAX_RUNS && (runs < MIN_RUNS || now() < end); runs++) {
        double start = now();
        if (w->run(w)) return 1;
        times[runs] = now() - start;
    }
    printf("{\"seconds\": [");
    for (int i = 0; i < runs; i++) {
        printf("%s%.9g", i ? ", " : "", times[i]);
    }
    printf("]}\n");
    return 0;
}

int worker_serve(worker *w)
{
    char line[LINE_SIZE];
    print_text("ready", w->version);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const char *rest = line;
        bench_op op = parse_op(&rest);
        int failed = op != BENCH_OPS                 ? answer_layer(w, op, rest)
                     : strncmp(line, "run ", 4) == 0 ? answer_run(w, strtod(line + 4, NULL))
                                                     : worker_fail(w, "no request: %s", line);
        if (failed) print_text("error", w->error);
        fflush(stdout);
    }
    w->release(w);
    return EXIT_SUCCESS;
}
