/* Parses headers of .npy; see npy_header.h. The parser walks a terminated copy of the text and returns a
 * sentence when it stumbles. */
#include "files/npy_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 64 * 1024 };

static const char not_a_dictionary[] =
    "has a header that is not the dictionary {'descr': ..., 'fortran_order': ..., 'shape': (...)} of .npy";

static void skip_blanks(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static bool accept(const char **at, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(at);
    if (strncmp(*at, word, length) != 0) return false;
    *at += length;
    return true;
}

static const char *parse_string(const char **at, char *out, size_t size)
{
    accept(at, "u"); /* Python 2 might */
    skip_blanks(at);
    char quote = **at;
    if (quote != '\'' && quote != '"') return not_a_dictionary;
    const char *end = strchr(*at + 1, quote);
    if (end == NULL || (size_t)(end - *at) > size) return not_a_dictionary;
    size_t length = (size_t)(end - *at) - 1;
    memcpy(out, *at + 1, length);
    out[length] = '\0';
    *at = end + 1;
    return NULL;
}

static const char *parse_descr(const char **at, npy_header *h)
{
    skip_blanks(at);
    if (**at == '[') return "holds a structured dtype; clconv reads arrays of numbers";
    return parse_string(at, h->descr, sizeof h->descr);
}

static const char *parse_order(const char **at, npy_header *h)
{
    h->fortran_order = accept(at, "True");
    return h->fortran_order || accept(at, "False") ? NULL : not_a_dictionary;
}

static const char *parse_extent(const char **at, int64_t *extent)
{
    int64_t value = 0;
    skip_blanks(at);
    if (**at < '0' || **at > '9') return "has a shape that is not a tuple of integers of at least 0";
    for (; **at >= '0' && **at <= '9'; ++*at) {
        int digit = **at - '0';
        if (value > (INT64_MAX - digit) / 10) return "has a shape that does not fit 63 bits";
        value = value * 10 + digit;
    }
    if (**at == 'L') ++*at; /* Python 2's mark of a long integer */
    *extent = value;
    return NULL;
}

static const char *parse_shape(const char **at, npy_header *h)
{
    bool comma = true;
    if (!accept(at, "(")) return not_a_dictionary;
    for (h->rank = 0; !accept(at, ")"); h->rank++) {
        if (!comma) return not_a_dictionary;
        if (h->rank == TENSOR_MAX_RANK) return "has more than 8 dimensions; clconv takes at most 8";
        const char *reason = parse_extent(at, &h->shape[h->rank]);
        if (reason != NULL) return reason;
        comma = accept(at, ",");
    }
    return h->rank == 1 && !comma ? not_a_dictionary : NULL;
}

static const char *parse_value(const char **at, const char *key, npy_header *h, int *seen)
{
    static const struct {
        const char *key;
        const char *(*parse)(const char **at, npy_header *h);
    } table[] = {{"descr", parse_descr}, {"fortran_order", parse_order}, {"shape", parse_shape}};
    for (int i = 0; i < 3; i++) {
        if (strcmp(key, table[i].key) != 0 || (*seen & 1 << i) != 0) continue;
        *seen |= 1 << i;
        return table[i].parse(at, h);
    }
    return not_a_dictionary;
}

/* What the descr says: a byte order (absent and '=' are the machine's, '|' none), a kind, a width. */
static void parse_type(npy_header *h)
{
    static const struct {
        char text[3];
        element_type type;
    } types[] = {{"b1", ELEMENT_BOOL},    {"i1", ELEMENT_INT8},    {"i2", ELEMENT_INT16},
                 {"i4", ELEMENT_INT32},   {"i8", ELEMENT_INT64},   {"u1", ELEMENT_UINT8},
                 {"u2", ELEMENT_UINT16},  {"u4", ELEMENT_UINT32},  {"u8", ELEMENT_UINT64},
                 {"f2", ELEMENT_FLOAT16}, {"f4", ELEMENT_FLOAT32}, {"f8", ELEMENT_FLOAT64}};
    const char *at = h->descr;
    h->type = ELEMENT_NONE;
    h->swapped = *at == '>';
    if (*at != '\0' && strchr("<>=|", *at) != NULL) at++;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(at, types[i].text) == 0) h->type = types[i].type;
}

/* NULL, or what is wrong with the text. */
static const char *parse_header(const char *text, npy_header *h)
{
    const char *at = text;
    bool comma = true;
    int seen = 0;
    if (!accept(&at, "{")) return not_a_dictionary;
    while (!accept(&at, "}")) {
        char key[NPY_DESCR_SIZE];
        const char *reason = parse_string(&at, key, sizeof key);
        if (reason == NULL && (!comma || !accept(&at, ":"))) reason = not_a_dictionary;
        if (reason == NULL) reason = parse_value(&at, key, h, &seen);
        if (reason != NULL) return reason;
        comma = accept(&at, ",");
    }
    skip_blanks(&at);
    if (*at == '\n') at++;
    if (seen != 7 || *at != '\0') return not_a_dictionary;
    parse_type(h);
    return NULL;
}

/* Reads the magic, the version and the length: *start becomes where the text starts, *length its length. */
static int read_prefix(source *s, int64_t *start, int64_t *length)
{
    unsigned char b[NPY_PREFIX + 2] = {0};
    if (s->size < NPY_PREFIX)
        return source_refuse(s, "is no .npy file: it has only %" PRId64 " bytes", s->size);
    int status = source_read(s, b, NPY_PREFIX);
    if (status != EXIT_DONE) return status;
    if (memcmp(b, "\x93NUMPY", 6) != 0)
        return source_refuse(s, "is no .npy file: it does not start with \\x93NUMPY");
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return source_refuse(s, "is .npy version %d.%d; clconv reads 1.0, 2.0 and 3.0", b[6], b[7]);
    *start = b[6] == 1 ? NPY_PREFIX : NPY_PREFIX + 2;
    if (s->size < *start) return source_refuse(s, "is truncated in its header");
    if (b[6] != 1 && (status = source_read(s, b + NPY_PREFIX, 2)) != EXIT_DONE) return status;
    *length = (int64_t)b[8] | (int64_t)b[9] << 8 | (int64_t)b[10] << 16 | (int64_t)b[11] << 24;
    if (*length > HEADER_LIMIT)
        return source_refuse(s, "claims a header of %" PRId64 " bytes; at most %d are read", *length,
                             (int)HEADER_LIMIT);
    if (*length > s->size - *start) return source_refuse(s, "is truncated in its header");
    return EXIT_DONE;
}

int npy_header_read(source *s, npy_header *h, int64_t *data_start)
{
    int64_t start = 0, length = 0;
    int status = read_prefix(s, &start, &length);
    if (status != EXIT_DONE) return status;
    char *text = calloc((size_t)length + 1, 1);
    if (text == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", s->name);
    status = source_read(s, text, length);
    if (status == EXIT_DONE) {
        const char *reason = strlen(text) == (size_t)length ? parse_header(text, h) : not_a_dictionary;
        if (reason != NULL) status = source_refuse(s, "%s", reason);
    }
    free(text);
    *data_start = start + length;
    return status;
}

void npy_shape_format(int rank, const int64_t *shape, char text[NPY_SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, NPY_SHAPE_TEXT, "(");
    for (int i = 0; i < rank; i++)
        used +=
            (size_t)snprintf(text + used, NPY_SHAPE_TEXT - used, "%s%" PRId64, i > 0 ? ", " : "", shape[i]);
    snprintf(text + used, NPY_SHAPE_TEXT - used, rank == 1 ? ",)" : ")");
}

int npy_header_check_size(const source *s, const npy_header *h, int64_t data_start)
{
    char text[NPY_SHAPE_TEXT];
    int64_t bytes = element_width(h->type), there = s->size - data_start;
    bool empty = false;
    for (int i = 0; i < h->rank; i++)
        empty = empty || h->shape[i] == 0;
    npy_shape_format(h->rank, h->shape, text);
    for (int i = 0; i < h->rank; i++) {
        if (!empty && h->shape[i] > INT64_MAX / bytes)
            return source_refuse(s, "claims shape %s, whose size does not fit 63 bits", text);
        bytes = empty ? 0 : bytes * h->shape[i];
    }
    if (there == bytes) return EXIT_DONE;
    return source_refuse(
        s, "%s: shape %s of '%s' needs %" PRId64 " bytes after the header, %" PRId64 " are there",
        there < bytes ? "is truncated" : "is longer than its header says", text, h->descr, bytes, there);
}
