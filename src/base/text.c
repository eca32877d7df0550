/* A growing text: see text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_reserve(text *t, size_t more)
{
    if (t->failed) return false;
    size_t needed = t->length + more + 1;
    if (needed <= t->capacity) return true;
    size_t capacity = needed < 256 ? 256 : 2 * needed;
    char *data = realloc(t->data, capacity);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void text_append(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !text_reserve(t, (size_t)length)) return;
    va_start(arguments, format);
    vsnprintf(t->data + t->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    t->length += (size_t)length;
}

void text_append_bytes(text *t, const char *bytes, size_t count)
{
    if (!text_reserve(t, count)) return;
    memcpy(t->data + t->length, bytes, count);
    t->length += count;
    t->data[t->length] = '\0';
}

void text_release(text *t)
{
    free(t->data);
    *t = (text){0};
}

/* The C library's tolower() would depend on the locale. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_holds(const char *text, const char *word, size_t length)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (i < length && lower(text[i]) == lower(word[i]))
            i++;
        if (i == length) return true;
    }
    return false;
}

const char *text_line_value(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ') return line + length + 1;
    }
    return NULL;
}

const char *text_integer(int64_t value, char digits[TEXT_INTEGER_SIZE])
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *at = digits + TEXT_INTEGER_SIZE - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) *--at = '-';
    return at;
}

bool text_join(char *to, size_t size, const char *const *parts, int count)
{
    for (int i = 0; i < count; i++) {
        size_t length = strlen(parts[i]);
        if (length >= size) return false;
        memcpy(to, parts[i], length + 1);
        to += length;
        size -= length;
    }
    return true;
}
