/* determinism_hash PASSES: prints one hash of every output and gradient of the whole case table by every algorithm, with the
 * weights as they are and packed, if each of so many passes gives the same. tests/device/determinism.cmake runs it with
 * several numbers of threads and compares. */
#include "base/arith.h"
#include "base/hash.h"
#include "cases.h"
#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Adds what one plan makes; false after a failure, which is printed. A refused case adds nothing. */
static bool hash_plan(const test_device *device, const test_case *c, clconv_op op, size_t algorithm,
                      bool packed, const test_data *data, double *output, uint64_t *hash, int *runs)
{
    test_plan p;
    clconv_problem problem = test_problem_of(op, &c->problem);
    clconv_error err = {.message = ""};
    char why[TEST_WHY] = "";
    const char *name = clconv_algorithm_name(algorithm);
    clconv_status status = test_plan_create_op(device, op, &problem, name, c->strict, packed,
                                               CLCONV_WORKSPACE_UNLIMITED, &p, &err);
    if (status == CLCONV_UNSUPPORTED) return true;
    bool ok = status == CLCONV_SUCCESS && test_plan_run(device, &p, data, output, why);
    if (ok) {
        size_t count = (size_t)geometry_made(&problem, &p.geometry, op);
        *hash = hash_bytes(*hash, output, count * sizeof *output);
        ++*runs;
    } else {
        fprintf(stderr, "%s by %s on \"%s\": %s%s\n", clconv_op_name(op), name, c->text, err.message, why);
    }
    test_plan_release(&p);
    return ok;
}

/* By every op and algorithm, and with packed weights where weights are read. */
static bool hash_case(const test_device *device, const test_case *c, clconv_op last, const test_data *data,
                      double *output, uint64_t *hash, int *runs)
{
    bool ok = true;
    for (clconv_op op = CLCONV_FORWARD; op <= last; op++) {
        int forms = op == CLCONV_FORWARD || op == CLCONV_BACKWARD_INPUT ? 2 : 1;
        for (size_t a = 0; a < clconv_algorithm_count(); a++)
            for (int packed = 0; packed < forms && ok && clconv_algorithm_serves(a, op); packed++)
                ok = hash_plan(device, c, op, a, packed == 1, data, output, hash, runs);
    }
    return ok;
}

/* Elements of the largest tensor that an op makes. */
static size_t largest(const clconv_tensor_sizes *sizes, const clconv_problem *problem)
{
    return (size_t)max_i64(max_i64(sizes->input, sizes->weight),
                           max_i64(sizes->output, problem->out_channels));
}

static bool hash_table(const test_device *device, const test_case *cases, size_t count, uint64_t *hash,
                       int *runs)
{
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (!case_is_wanted(&cases[i])) continue;
        clconv_tensor_sizes sizes;
        test_data data = {.input = NULL};
        double *output = NULL;
        clconv_op last = case_has_gradients(i) ? CLCONV_BACKWARD_BIAS : CLCONV_FORWARD;
        ok = clconv_problem_tensor_sizes(&cases[i].problem, &sizes, NULL) == CLCONV_SUCCESS &&
             test_data_reals(&cases[i].problem, 1000 + i, &data) &&
             (output = calloc(largest(&sizes, &cases[i].problem), sizeof *output)) != NULL &&
             hash_case(device, &cases[i], last, &data, output, hash, runs);
        free(output);
        test_data_release(&data);
    }
    return ok;
}

/* False if a run fails or a pass differs from the first. */
static bool hash_passes(const test_device *device, const test_case *cases, size_t count, long passes,
                        uint64_t *hash, int *runs)
{
    uint64_t again = HASH_START;
    *hash = HASH_START;
    *runs = 0;
    bool ok = hash_table(device, cases, count, hash, runs);
    for (long pass = 1; ok && pass < passes; pass++, again = HASH_START) {
        ok = hash_table(device, cases, count, &again, runs) && again == *hash;
        if (again != *hash)
            fprintf(stderr, "pass %ld: %016" PRIx64 ", not %016" PRIx64 "\n", pass, again, *hash);
    }
    return ok;
}

int main(int arguments, char **argument)
{
    size_t count = 0;
    uint64_t hash = 0;
    int runs = 0;
    long passes = arguments == 2 ? strtol(argument[1], NULL, 10) : 1;
    test_device device = {0};
    test_case *cases = cases_read(SOURCE_DIR "/tests/cases/conv3d.txt", &count);
    bool ok = cases != NULL && test_device_open(&device) &&
              hash_passes(&device, cases, count, passes, &hash, &runs);
    if (ok) printf("%016" PRIx64 " of %d runs\n", hash, runs);
    test_device_close(&device);
    free(cases);
    return ok && runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
