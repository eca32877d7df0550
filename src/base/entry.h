/* What a file of a store holds: a key and the bytes that are kept under it.
 *
 *     8 bytes   "clconv", the format's version, a line feed
 *     16 bytes  XXH3 of all that follows
 *     8 bytes   length of the key      } least byte first
 *     8 bytes   length of the content  }
 *     the key, then the content, and nothing after it
 *
 * Nothing of it is used before its lengths and its checksum are right and its whole key is the one that was asked for. */
#ifndef CLCONV_BASE_ENTRY_H
#define CLCONV_BASE_ENTRY_H

#include "base/checksum.h"

#include <stdbool.h>
#include <stddef.h>

enum { ENTRY_HEADER = 8 + CHECKSUM_SIZE + 8 + 8 };

/* Bytes of another owner. */
typedef struct byte_span {
    const char *bytes;
    size_t size;
} byte_span;

byte_span byte_span_of(const char *text);
bool byte_span_equals(byte_span a, byte_span b);

/* The file's bytes, to be freed, and how many; NULL if memory is out or the sizes cannot be added. */
char *entry_format(byte_span key, byte_span content, size_t *size);

/* Finds the parts in a file's bytes. False if those are no whole entry. */
bool entry_parse(byte_span file, byte_span *key, byte_span *content);

#endif
