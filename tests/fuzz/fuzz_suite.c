/* Suites of layers: those that are read have names; that one is not legal is said when it is its turn. */
#include "fuzz.h"

#include "measure/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    suite s = {0};
    fuzz_hush();
    const char *path = fuzz_file(".csv", data, size);
    if (suite_read(path, CLCONV_FORWARD, &s) == 0)
        for (size_t i = 0; i < s.count; i++)
            FUZZ_REQUIRE(s.layers[i].network != NULL && s.layers[i].name != NULL &&
                         clconv_problem_validate(&s.layers[i].problem, NULL) <= CLCONV_INVALID_PROBLEM);
    suite_release(&s);
    fuzz_listen();
    return 0;
}
