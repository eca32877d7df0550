/* Prints one hash of every output of the whole case table by every algorithm, with the weights as they are
 * and packed. tests/device/determinism.cmake runs it again and again and compares. */
#include "base/hash.h"
#include "cases.h"
#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Adds the outputs of one plan; false after a failure, which is printed. A refused case adds nothing. */
static bool hash_case(const test_device *device, const test_case *c, const char *algorithm, bool packed,
                      const test_data *data, double *output, uint64_t *hash, int *runs)
{
    test_plan p;
    clconv_error err = {.message = ""};
    char why[TEST_WHY] = "";
    clconv_status status = test_plan_create(device, &c->problem, algorithm, c->strict, packed,
                                            CLCONV_WORKSPACE_UNLIMITED, &p, &err);
    if (status == CLCONV_UNSUPPORTED) return true;
    bool ok = status == CLCONV_SUCCESS && test_plan_run(device, &p, data, output, why);
    if (ok) {
        *hash = hash_bytes(*hash, output, (size_t)p.geometry.elements.output * sizeof *output);
        ++*runs;
    } else {
        fprintf(stderr, "%s on \"%s\": %s%s\n", algorithm, c->text, err.message, why);
    }
    test_plan_release(&p);
    return ok;
}

static bool hash_table(const test_device *device, const test_case *cases, size_t count, uint64_t *hash,
                       int *runs)
{
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        clconv_tensor_sizes sizes;
        test_data data = {.input = NULL};
        double *output = NULL;
        ok = clconv_problem_tensor_sizes(&cases[i].problem, &sizes, NULL) == CLCONV_SUCCESS &&
             test_data_reals(&cases[i].problem, 1000 + i, &data) &&
             (output = calloc((size_t)sizes.output + 1, sizeof *output)) != NULL;
        for (size_t a = 0; a < 2 * clconv_algorithm_count() && ok; a++)
            ok = hash_case(device, &cases[i], clconv_algorithm_name(a / 2), a % 2 == 1, &data, output, hash,
                           runs);
        free(output);
        test_data_release(&data);
    }
    return ok;
}

int main(void)
{
    size_t count = 0;
    uint64_t hash = HASH_START;
    int runs = 0;
    test_device device = {0};
    test_case *cases = cases_read(SOURCE_DIR "/tests/cases/conv3d.txt", &count);
    bool ok = cases != NULL && test_device_open(&device) && hash_table(&device, cases, count, &hash, &runs);
    if (ok) printf("%016" PRIx64 " of %d runs\n", hash, runs);
    test_device_close(&device);
    free(cases);
    return ok && runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
