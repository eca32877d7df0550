/* Entries of the cache: bytes that are taken for one are what formatting its parts gives, and a store gives an entry out under
 * no other key. */
#include "fuzz.h"

#include "base/entry.h"

#include <stdlib.h>
#include <string.h>

static byte_span span(const uint8_t *data, size_t size)
{
    return (byte_span){(const char *)data, size};
}

static void check_parsed(byte_span file, byte_span key, byte_span content)
{
    size_t size = 0;
    char *again = entry_format(key, content, &size);
    FUZZ_REQUIRE(again == NULL || (size == file.size && memcmp(again, file.bytes, size) == 0));
    free(again);
}

/* The data as key and content, whole, and with one byte changed. */
static void check_formatted(const uint8_t *data, size_t size)
{
    size_t cut = data[0] % size, length = 0;
    byte_span key, content, own_key = span(data, cut), own_content = span(data + cut, size - cut);
    char *file = entry_format(own_key, own_content, &length);
    if (file == NULL) return;
    FUZZ_REQUIRE(entry_parse((byte_span){file, length}, &key, &content) && byte_span_equals(key, own_key) &&
                 byte_span_equals(content, own_content));
    size_t at = ((size_t)data[size - 1] * 257 + data[size / 2]) % length;
    file[at] = (char)(file[at] ^ (data[size / 2] | 1));
    FUZZ_REQUIRE(!entry_parse((byte_span){file, length}, &key, &content));
    FUZZ_REQUIRE(!entry_parse((byte_span){file, length - 1}, &key, &content));
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    byte_span key, content;
    if (entry_parse(span(data, size), &key, &content)) check_parsed(span(data, size), key, content);
    if (size > 0) check_formatted(data, size);
    return 0;
}
