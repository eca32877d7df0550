/* Tensor files: the first byte chooses the kind, the rest is the file. What is read has the data that its shape says. */
#include "fuzz.h"

#include "files/tensor.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const endings[] = {".npy", ".nii", ".nii.gz", ".npz"};
    char path[160];
    tensor t = {0};
    if (size == 0) return 0;
    fuzz_hush();
    const char *ending = endings[data[0] % 4], *file = fuzz_file(ending, data + 1, size - 1);
    snprintf(path, sizeof path, "%s%s", file, data[0] % 4 == 3 ? ":x" : "");
    if (tensor_read("--input", path, (tensor_dtype)(data[0] / 4 % 3), &t) == EXIT_DONE) {
        const volatile char *bytes = t.data;
        int64_t count = t.elements * (t.dtype == CLCONV_FLOAT64 ? 8 : 4);
        FUZZ_REQUIRE(t.data != NULL && count >= 0);
        if (count > 0) FUZZ_REQUIRE(bytes[0] + bytes[count - 1] < 1000);
        tensor_release(&t);
    }
    fuzz_listen();
    return 0;
}
