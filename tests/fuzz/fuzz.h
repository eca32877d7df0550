/* What the fuzzers share. Each is one function that takes any bytes: libFuzzer's (https://llvm.org/docs/LibFuzzer.html), or,
 * where that is not, run on the files of the corpus by replay.c. */
#ifndef CLCONV_TESTS_FUZZ_FUZZ_H
#define CLCONV_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The data as text; the caller frees it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* A file of this process's own that holds the data, with this ending. Overwritten by the next; removed at exit. */
const char *fuzz_file(const char *ending, const uint8_t *data, size_t size);

/* From hush to listen what the tool says goes nowhere. */
void fuzz_hush(void);
void fuzz_listen(void);

/* Ends the program where something does not hold. */
#define FUZZ_REQUIRE(condition)             \
    do {                                    \
        if (!(condition)) __builtin_trap(); \
    } while (0)

#endif
