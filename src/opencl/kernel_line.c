/* See kernel_line.h. */
#include "opencl/kernel_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The word at *at, up to a blank or the end, which *at moves to; false if it is empty or too long. */
static bool take_word(const char **at, char word[KERNEL_NAME])
{
    size_t length = strcspn(*at, " \n");
    if (length == 0 || length >= KERNEL_NAME) return false;
    memcpy(word, *at, length);
    word[length] = '\0';
    *at += length;
    return true;
}

static bool take_blank(const char **at)
{
    return **at == ' ' && *++*at != ' ';
}

static bool take_size(const char **at, size_t *size)
{
    char *end = NULL;
    if (**at < '0' || **at > '9') return false;
    errno = 0;
    *size = (size_t)strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

static bool is_end(const char *at)
{
    return *at == '\0' || *at == '\n';
}

bool kernel_line_parse(const char *line, kernel_line *k)
{
    if (!take_word(&line, k->name)) return false;
    for (int axis = 0; axis < 3; axis++)
        if (!take_blank(&line) || !take_size(&line, &k->local[axis])) return false;
    k->other[0] = '\0';
    if (is_end(line)) return true;
    return take_blank(&line) && take_word(&line, k->other) && is_end(line);
}
