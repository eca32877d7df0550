/* XXH3 by the header of xxHash alone, so that nothing more is linked: see checksum.h. */
#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

void checksum_of(const void *bytes, size_t size, unsigned char sum[CHECKSUM_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(sum, canonical.digest, CHECKSUM_SIZE);
}

void checksum_text(const void *bytes, size_t size, char text[CHECKSUM_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[CHECKSUM_SIZE];
    checksum_of(bytes, size, sum);
    for (size_t i = 0; i < CHECKSUM_SIZE; i++) {
        text[2 * i] = digits[sum[i] >> 4];
        text[2 * i + 1] = digits[sum[i] & 15];
    }
    text[CHECKSUM_TEXT - 1] = '\0';
}
