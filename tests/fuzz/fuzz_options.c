/* Values of options: lines, of which each is a value that every parser is given. */
#include "fuzz.h"

#include "options/options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const option_parser parsers[] = {
        option_integer, option_positive, option_seed, option_seconds,      option_bytes,      option_extents,
        option_shape,   option_padding,  option_op,   option_padding_mode, option_activation, option_dtype};
    fuzz_hush();
    char *text = fuzz_text(data, size);
    for (size_t i = 0; i < sizeof parsers / sizeof parsers[0]; i++) {
        int64_t member[32] = {0}; /* larger than what any of them fills */
        parsers[i](member, "--option", text);
        FUZZ_REQUIRE(member[31] == 0);
    }
    fuzz_listen();
    free(text);
    return 0;
}
