/* Runs a fuzzer on files, each whole, cut short at every length up to some, and with each of its first bytes changed. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 1 << 16, MOST_CUTS = 512 };

int main(int argc, char **argv)
{
    static uint8_t bytes[MOST_BYTES];
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) return EXIT_FAILURE;
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
        for (size_t at = 0; at < size && at < MOST_CUTS; at++) {
            LLVMFuzzerTestOneInput(bytes, at);
            for (size_t c = 0; c < sizeof changes; c++) {
                bytes[at] ^= changes[c];
                LLVMFuzzerTestOneInput(bytes, size);
                bytes[at] ^= changes[c];
            }
        }
    }
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
