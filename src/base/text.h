/* A growing text. A failed allocation makes it `failed`; appending then does nothing, so only the end needs a
 * check. */
#ifndef CLCONV_BASE_TEXT_H
#define CLCONV_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    char *data; /* terminated; NULL while empty */
    size_t length, capacity;
    bool failed;
} text;

#if defined(__GNUC__)
void text_append(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
#else
void text_append(text *t, const char *format, ...);
#endif
void text_append_bytes(text *t, const char *bytes, size_t count);
void text_release(text *t);

/* Whether the text has such a word in it, whatever the case of its ASCII letters. An empty word is in all but an empty text. */
bool text_holds(const char *text, const char *word, size_t length);

/* Where the value begins in the line "NAME VALUE" of a text of lines; NULL if there is no such line. */
const char *text_line_value(const char *text, const char *name);

/* Without the formats of printf(), for what is written a thousand times for a plan. */

enum { TEXT_INTEGER_SIZE = 21 };

/* The value in decimal digits, written to the end of `digits`. */
const char *text_integer(int64_t value, char digits[TEXT_INTEGER_SIZE]);

/* The parts one after the other, terminated; false if they do not fit `size` bytes. */
bool text_join(char *to, size_t size, const char *const *parts, int count);

#endif
