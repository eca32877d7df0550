/* Reads and writes .npy; see npy.h. The header is text: a Python dictionary with exactly the keys descr,
 * fortran_order and shape. The parser walks a terminated copy of it and returns a sentence when it stumbles.
 */
#include "npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies values as they lie in memory, which must be little-endian"
#endif

enum { HEADER_LIMIT = 64 * 1024, PREFIX = 10, ALIGNMENT = 64, DESCR_SIZE = 24, SHAPE_TEXT = 192 };

typedef struct npy_header {
    char descr[DESCR_SIZE];
    bool fortran_order;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
} npy_header;

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
    if (**at == '[') return "holds a structured dtype; clconv reads '<f4' and '<f8'";
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

/* NULL, or what is wrong with the text. */
static const char *parse_header(const char *text, npy_header *h)
{
    const char *at = text;
    bool comma = true;
    int seen = 0;
    if (!accept(&at, "{")) return not_a_dictionary;
    while (!accept(&at, "}")) {
        char key[DESCR_SIZE];
        const char *reason = parse_string(&at, key, sizeof key);
        if (reason == NULL && (!comma || !accept(&at, ":"))) reason = not_a_dictionary;
        if (reason == NULL) reason = parse_value(&at, key, h, &seen);
        if (reason != NULL) return reason;
        comma = accept(&at, ",");
    }
    skip_blanks(&at);
    if (*at == '\n') at++;
    return seen == 7 && *at == '\0' ? NULL : not_a_dictionary;
}

/* Reads the magic, the version and the length: *start becomes where the text starts, *length its length. */
static int read_prefix(source *s, int64_t *start, int64_t *length)
{
    unsigned char b[PREFIX + 2] = {0};
    if (s->size < PREFIX) return source_refuse(s, "is no .npy file: it has only %" PRId64 " bytes", s->size);
    int status = source_read(s, b, PREFIX);
    if (status != EXIT_DONE) return status;
    if (memcmp(b, "\x93NUMPY", 6) != 0)
        return source_refuse(s, "is no .npy file: it does not start with \\x93NUMPY");
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return source_refuse(s, "is .npy version %d.%d; clconv reads 1.0, 2.0 and 3.0", b[6], b[7]);
    *start = b[6] == 1 ? PREFIX : PREFIX + 2;
    if (s->size < *start) return source_refuse(s, "is truncated in its header");
    if (b[6] != 1 && (status = source_read(s, b + PREFIX, 2)) != EXIT_DONE) return status;
    *length = (int64_t)b[8] | (int64_t)b[9] << 8 | (int64_t)b[10] << 16 | (int64_t)b[11] << 24;
    if (*length > HEADER_LIMIT)
        return source_refuse(s, "claims a header of %" PRId64 " bytes; at most %d are read", *length,
                             (int)HEADER_LIMIT);
    if (*length > s->size - *start) return source_refuse(s, "is truncated in its header");
    return EXIT_DONE;
}

static int read_header(source *s, npy_header *h, int64_t *data_start)
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

static int check_dtype(const source *s, const npy_header *h, clconv_dtype *dtype)
{
    if (strcmp(h->descr, "<f4") == 0) {
        *dtype = CLCONV_FLOAT32;
    } else if (strcmp(h->descr, "<f8") == 0) {
        *dtype = CLCONV_FLOAT64;
    } else {
        const char *kind = h->descr[0] == '>'            ? " (big-endian)"
                           : strcmp(h->descr, "|O") == 0 ? " (objects)"
                                                         : "";
        return source_refuse(s, "holds dtype '%s'%s; clconv reads '<f4' and '<f8'", h->descr, kind);
    }
    if (h->fortran_order) return source_refuse(s, "is in Fortran order; clconv reads C order");
    return EXIT_DONE;
}

/* The shape as Python writes it. A shape that fits the header's limit of 8 extents always fits `text`. */
static void format_shape(int rank, const int64_t *shape, char text[SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "(");
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRId64, i > 0 ? ", " : "", shape[i]);
    snprintf(text + used, SHAPE_TEXT - used, rank == 1 ? ",)" : ")");
}

/* The shape that the header claims against the bytes that follow it. */
static int check_size(const source *s, const npy_header *h, int64_t width, int64_t data_start)
{
    char text[SHAPE_TEXT];
    int64_t bytes = width, there = s->size - data_start;
    bool empty = false;
    for (int i = 0; i < h->rank; i++)
        empty = empty || h->shape[i] == 0;
    format_shape(h->rank, h->shape, text);
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

int npy_read(source *s, tensor *t)
{
    npy_header h = {.rank = 0};
    tensor made = {.rank = 0};
    clconv_dtype dtype = CLCONV_FLOAT32;
    int64_t data_start = 0;
    int status = read_header(s, &h, &data_start);
    if (status == EXIT_DONE) status = check_dtype(s, &h, &dtype);
    int64_t width = dtype == CLCONV_FLOAT64 ? 8 : 4;
    if (status == EXIT_DONE) status = check_size(s, &h, width, data_start);
    if (status == EXIT_DONE) status = tensor_create(dtype, h.rank, h.shape, &made);
    if (status == EXIT_DONE) status = source_read(s, made.data, made.elements * width);
    if (status == EXIT_DONE)
        *t = made;
    else
        tensor_release(&made);
    return status;
}

bool npy_write(FILE *file, const tensor *t)
{
    char shape[SHAPE_TEXT], text[PREFIX + 4 * ALIGNMENT + SHAPE_TEXT];
    size_t width = t->dtype == CLCONV_FLOAT64 ? 8 : 4, elements = (size_t)t->elements;
    format_shape(t->rank, t->shape, shape);
    int used =
        snprintf(text, sizeof text, "%c%s%c%c%c%c{'descr': '<f%d', 'fortran_order': False, 'shape': %s, }",
                 0x93, "NUMPY", 1, 0, 0, 0, (int)width, shape);
    int total = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + used, ' ', (size_t)(total - used));
    text[total - 1] = '\n';
    text[8] = (char)((total - PREFIX) & 0xff);
    text[9] = (char)((total - PREFIX) >> 8);
    return fwrite(text, 1, (size_t)total, file) == (size_t)total &&
           fwrite(t->data, width, elements, file) == elements;
}
