/* The format of entries: see entry.h. */
#include "base/entry.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = {'c', 'l', 'c', 'o', 'n', 'v', '1', '\n'};

enum { AT_SUM = 8, AT_KEY_SIZE = AT_SUM + CHECKSUM_SIZE, AT_CONTENT_SIZE = AT_KEY_SIZE + 8 };

byte_span byte_span_of(const char *text)
{
    return (byte_span){text, strlen(text)};
}

bool byte_span_equals(byte_span a, byte_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static void put_size(char *to, size_t size)
{
    for (int i = 0; i < 8; i++)
        to[i] = (char)(unsigned char)((uint64_t)size >> (8 * i));
}

static uint64_t get_size(const char *from)
{
    uint64_t size = 0;
    for (int i = 0; i < 8; i++)
        size |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return size;
}

static void append(char **to, byte_span part)
{
    if (part.size > 0) memcpy(*to, part.bytes, part.size);
    *to += part.size;
}

char *entry_format(byte_span key, byte_span content, size_t *size)
{
    if (key.size > SIZE_MAX / 4 || content.size > SIZE_MAX / 4) return NULL;
    *size = ENTRY_HEADER + key.size + content.size;
    char *made = malloc(*size), *end = made;
    if (made == NULL) return NULL;
    append(&end, (byte_span){magic, sizeof magic});
    put_size(made + AT_KEY_SIZE, key.size);
    put_size(made + AT_CONTENT_SIZE, content.size);
    end = made + ENTRY_HEADER;
    append(&end, key);
    append(&end, content);
    checksum_of(made + AT_KEY_SIZE, *size - AT_KEY_SIZE, (unsigned char *)made + AT_SUM);
    return made;
}

bool entry_parse(byte_span file, byte_span *key, byte_span *content)
{
    if (file.size < ENTRY_HEADER || memcmp(file.bytes, magic, sizeof magic) != 0) return false;
    const uint64_t room = file.size - ENTRY_HEADER, key_size = get_size(file.bytes + AT_KEY_SIZE);
    if (key_size > room || get_size(file.bytes + AT_CONTENT_SIZE) != room - key_size) return false;
    unsigned char sum[CHECKSUM_SIZE];
    checksum_of(file.bytes + AT_KEY_SIZE, file.size - AT_KEY_SIZE, sum);
    if (memcmp(sum, file.bytes + AT_SUM, CHECKSUM_SIZE) != 0) return false;
    *key = (byte_span){file.bytes + ENTRY_HEADER, (size_t)key_size};
    *content = (byte_span){file.bytes + ENTRY_HEADER + key_size, (size_t)(room - key_size)};
    return true;
}
