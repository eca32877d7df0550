/* Every kernel on problems of a few thousand products (tests/cases/tiny.txt), in every padding mode and direction, against
 * the reference: for implementations that are slow, or that watch every access. Exit status 1 if a result is wrong, a run
 * fails, or, on a CPU, a kernel of cl/any/ or cl/cpu/ is not among those that ran.
 *
 *     tiny [KIND [PART [ALGORITHM]]]
 *
 * KIND is cpu:BITS, by vectors of so many bits, or gpu:LANES, by work-groups of so many, whatever the device says of itself; PART, such as 2/6, is a part
 * of the problems, which need not run every kernel; ALGORITHM asks for that one alone, or for all others after a "-". */
#include "cases.h"
#include "opencl/sources.h"
#include "plan/plan.h"
#include "problem/problem.h"
#include "runner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KERNELS = 256, NAME = 64 };

typedef struct name_set {
    char names[MOST_KERNELS][NAME];
    size_t count;
} name_set;

typedef struct tiny {
    test_device device;
    name_set ran;
    size_t passed, refused, failed;
    size_t part, parts;
    const char *only; /* an algorithm, one that is left out after a "-", or NULL */
} tiny;

static bool has_name(const name_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->names[i], name) == 0) return true;
    return false;
}

static void add_name(name_set *set, const char *name)
{
    if (!has_name(set, name) && set->count < MOST_KERNELS)
        snprintf(set->names[set->count++], NAME, "%s", name);
}

static void add_kernels(name_set *set, const step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_KERNEL) add_name(set, steps[i].launch.kernel);
}

/* The names of kernels in a source: what stands before the "(" after each "kernel". */
static void kernels_of(const embedded_source *source, name_set *set)
{
    for (const char *at = strstr(source->bytes, "\nkernel "); at != NULL; at = strstr(at + 1, "\nkernel ")) {
        const char *name = strstr(at, "void");
        if (name == NULL) return;
        for (name += 4; isspace((unsigned char)*name);)
            name++;
        char word[NAME] = "";
        sscanf(name, "%63[a-z0-9_]", word);
        add_name(set, word);
    }
}

/* Sums of so many products that they go to totals of totals: device/long_sums has them. */
static const char *const of_long_sums[] = {"add_rows", "add_sums", "end_sums"};

/* Prints the kernels for CPUs, and for any device, that did not run on a CPU, and returns how many. */
static size_t count_missing(const name_set *ran)
{
    name_set all = {.count = 0};
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++)
        if (strncmp(s->name, "any/", 4) == 0 || strncmp(s->name, "cpu/", 4) == 0) kernels_of(s, &all);
    size_t missing = 0;
    for (size_t i = 0; i < all.count; i++) {
        bool is_long = false;
        for (size_t k = 0; k < sizeof of_long_sums / sizeof of_long_sums[0]; k++)
            is_long = is_long || strcmp(of_long_sums[k], all.names[i]) == 0;
        if (is_long || has_name(ran, all.names[i])) continue;
        printf("FAILED: kernel %s did not run\n", all.names[i]);
        missing++;
    }
    return missing;
}

static void report(tiny *t, const char *algorithm, clconv_op op, const test_case *c, const char *why)
{
    t->failed++;
    printf("FAILED: %s, %s, mode %d, \"%s\": %s\n", clconv_op_name(op), algorithm,
           (int)c->problem.padding_mode, c->text, why);
}

static void expect(tiny *t, const char *algorithm, clconv_op op, const test_case *c, const double *output,
                   const test_reference *expected)
{
    bool is_exact = algorithm_is_direct(algorithm) && activation_is_exact(&c->problem);
    int64_t at = is_exact ? first_difference(output, expected->output, expected->count)
                          : first_outside_bound(algorithm, &c->problem, output, expected);
    if (at == expected->count) {
        t->passed++;
        return;
    }
    char why[128];
    snprintf(why, sizeof why, "element %lld is %.9g, not %.9g", (long long)at, output[at],
             expected->output[at]);
    report(t, algorithm, op, c, why);
}

static void run_algorithm(tiny *t, const char *algorithm, clconv_op op, const test_case *c,
                          const test_data *data, const test_reference *expected)
{
    clconv_error err = {.message = ""};
    char why[TEST_WHY];
    test_plan p;
    clconv_status status = test_plan_create_op(&t->device, op, &c->problem, algorithm, c->strict, false,
                                               CLCONV_WORKSPACE_UNLIMITED, &p, &err);
    if (status == CLCONV_UNSUPPORTED) {
        t->refused++;
        return;
    }
    if (status != CLCONV_SUCCESS) {
        report(t, algorithm, op, c, err.message);
        return;
    }
    double *output = calloc((size_t)expected->count + 1, sizeof *output);
    if (output == NULL)
        report(t, algorithm, op, c, "no memory");
    else if (test_plan_run(&t->device, &p, data, output, why))
        expect(t, algorithm, op, c, output, expected);
    else
        report(t, algorithm, op, c, why);
    add_kernels(&t->ran, p.plan->recipe.pack, p.plan->recipe.pack_count);
    add_kernels(&t->ran, p.plan->recipe.run, p.plan->recipe.run_count);
    free(output);
    test_plan_release(&p);
}

static bool is_wanted(const char *only, const char *algorithm)
{
    if (only == NULL) return true;
    return only[0] == '-' ? strcmp(only + 1, algorithm) != 0 : strcmp(only, algorithm) == 0;
}

static void run_op(tiny *t, clconv_op op, const test_case *whole)
{
    test_case c = *whole;
    c.problem = test_problem_of(op, &whole->problem);
    geometry g;
    test_data data;
    test_reference expected;
    if (geometry_compute(&c.problem, &g, NULL) != CLCONV_SUCCESS) return; /* reflect past the size */
    bool is_made = op == CLCONV_FORWARD ? test_data_integers(&c.problem, 1, &data)
                                        : test_data_small_integers(&c.problem, 1, &data);
    if (!is_made || !test_reference_compute_op(op, &c.problem, &data, &expected)) {
        report(t, "no algorithm", op, &c, "no reference");
        return;
    }
    for (size_t a = 0; a < clconv_algorithm_count(); a++)
        if (clconv_algorithm_serves(a, op) && is_wanted(t->only, clconv_algorithm_name(a)))
            run_algorithm(t, clconv_algorithm_name(a), op, &c, &data, &expected);
    free(expected.output);
    test_data_release(&data);
}

static bool is_padded(const clconv_problem *p)
{
    for (int axis = 0; axis < 3; axis++)
        if (p->pad_before[axis] > 0 || p->pad_after[axis] > 0) return true;
    return false;
}

static void run_case(tiny *t, const test_case *whole)
{
    test_case c = *whole;
    const clconv_padding_mode last = is_padded(&c.problem) ? CLCONV_PADDING_SYMMETRIC : CLCONV_PADDING_ZEROS;
    for (c.problem.padding_mode = CLCONV_PADDING_ZEROS; c.problem.padding_mode <= last;
         c.problem.padding_mode++)
        for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
            run_op(t, op, &c);
}

/* The number after `prefix`, and what follows it; 0 if there is none. */
static int64_t number_after(const char *text, const char *prefix, char **rest)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? strtoll(text + length, rest, 10) : 0;
}

static bool set_part(tiny *t, const char *text)
{
    char *rest = NULL;
    t->part = (size_t)number_after(text, "", &rest);
    t->parts = rest != NULL ? (size_t)number_after(rest, "/", &rest) : 0;
    return t->part >= 1 && t->part <= t->parts;
}

/* False if the text is no kind. The context takes the device to be of that kind from here on. */
static bool set_kind(runtime *rt, const char *text)
{
    char *rest = NULL;
    const int64_t bits = number_after(text, "cpu:", &rest), lanes = number_after(text, "gpu:", &rest);
    if (bits == 0 && lanes == 0) return false;
    rt->info.type = bits > 0 ? CL_DEVICE_TYPE_CPU : CL_DEVICE_TYPE_GPU;
    if (bits > 0) rt->info.vector_bits = (int)bits;
    rt->info.platform_name[0] = '\0'; /* of which it may be known that work-items are lanes */
    traits_derive(&rt->info, &rt->traits);
    if (lanes > 0) rt->traits.work_group = rt->traits.local_size = (int)lanes;
    return true;
}

static bool set_up(int count, char **arguments, tiny *t)
{
    t->part = t->parts = 1;
    t->only = count > 3 ? arguments[3] : NULL;
    if (count > 2 && !set_part(t, arguments[2])) return false;
    return count < 2 || set_kind(&t->device.context->rt, arguments[1]);
}

int main(int count, char **arguments)
{
    static tiny t;
    size_t cases = 0;
    int status = 1;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was done is told even if the process is ended */
    test_case *table = cases_read(SOURCE_DIR "/tests/cases/tiny.txt", &cases);
    if (table == NULL || !test_device_open(&t.device)) goto done;
    if (!set_up(count, arguments, &t)) {
        fprintf(stderr, "usage: tiny [cpu:BITS|gpu:LANES [PART/PARTS [ALGORITHM]]]\n");
        goto done;
    }
    for (size_t i = 0; i < cases; i++)
        if (i % t.parts == t.part - 1) {
            run_case(&t, &table[i]);
            printf("%s: %zu passed so far\n", table[i].text, t.passed);
        }
    if (t.parts == 1 && t.only == NULL && t.device.context->rt.traits.is_cpu)
        t.failed += count_missing(&t.ran);
    printf("%zu passed, %zu refused, %zu failed\n", t.passed, t.refused, t.failed);
    status = t.failed == 0 && t.passed > 0 ? 0 : 1;
done:
    test_device_close(&t.device);
    free(table);
    return status;
}
