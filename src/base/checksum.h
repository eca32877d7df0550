/* XXH3, 128 bits (https://xxhash.com): tells damage and names files; not against an adversary. */
#ifndef CLCONV_BASE_CHECKSUM_H
#define CLCONV_BASE_CHECKSUM_H

#include <stddef.h>

enum { CHECKSUM_SIZE = 16, CHECKSUM_TEXT = 2 * CHECKSUM_SIZE + 1 };

void checksum_of(const void *bytes, size_t size, unsigned char sum[CHECKSUM_SIZE]);

/* In hexadecimal digits, terminated. */
void checksum_text(const void *bytes, size_t size, char text[CHECKSUM_TEXT]);

#endif
