/* Problem text: what is taken is legal, and what is written of it is read as the same. */
#include "fuzz.h"

#include "clconv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clconv_problem p, again;
    clconv_error err;
    char *text = fuzz_text(data, size), made[CLCONV_PROBLEM_TEXT_SIZE], twice[CLCONV_PROBLEM_TEXT_SIZE];
    if (clconv_problem_parse(text, &p, &err) == CLCONV_SUCCESS) {
        int64_t output[3];
        FUZZ_REQUIRE(clconv_output_size(&p, output, NULL) == CLCONV_SUCCESS);
        FUZZ_REQUIRE(clconv_problem_format(&p, made, NULL) == CLCONV_SUCCESS);
        FUZZ_REQUIRE(clconv_problem_parse(made, &again, NULL) == CLCONV_SUCCESS);
        FUZZ_REQUIRE(clconv_problem_format(&again, twice, NULL) == CLCONV_SUCCESS &&
                     strcmp(made, twice) == 0);
    } else {
        FUZZ_REQUIRE(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
    }
    free(text);
    return 0;
}
