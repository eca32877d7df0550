/* Reads and writes .npy; see npy.h. The data is read and converted some thousand elements at a time, and each
 * lands where C order has it, so that no second copy of an array is ever held. */
#include "files/npy.h"

#include "files/convert.h"
#include "files/mapping.h"
#include "files/npy_header.h"

#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies values as they lie in memory, which must be little-endian"
#endif

enum { ALIGNMENT = 64, WIDEST = 8 };

static int64_t width_of(clconv_dtype dtype)
{
    return dtype == CLCONV_FLOAT64 ? 8 : 4;
}

/* Where the next element of a file in Fortran order belongs. */
typedef struct fortran_place {
    int rank;
    int64_t shape[TENSOR_MAX_RANK], strides[TENSOR_MAX_RANK], index[TENSOR_MAX_RANK], offset;
} fortran_place;

static fortran_place fortran_start(const tensor *t)
{
    fortran_place p = {.rank = t->rank};
    memcpy(p.shape, t->shape, sizeof p.shape);
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; stride *= p.shape[i--])
        p.strides[i] = stride;
    return p;
}

/* The first extent runs fastest. */
static void fortran_step(fortran_place *p)
{
    for (int i = 0; i < p->rank; i++) {
        p->offset += p->strides[i];
        if (++p->index[i] < p->shape[i]) return;
        p->offset -= p->strides[i] * p->shape[i];
        p->index[i] = 0;
    }
}

static void scatter(fortran_place *p, const char *from, int64_t count, tensor *t)
{
    int64_t width = width_of(t->dtype);
    for (; count > 0; count--, from += width, fortran_step(p))
        memcpy((char *)t->data + p->offset * width, from, (size_t)width);
}

static int read_data(source *s, const npy_header *h, tensor *t)
{
    unsigned char raw[CONVERSION_MOST * WIDEST];
    char converted[CONVERSION_MOST * WIDEST], *to = t->data;
    conversion c = {.from = h->type, .swapped = h->swapped, .to = t->dtype};
    fortran_place place = fortran_start(t);
    int width = element_width(h->type);
    for (int64_t left = t->elements, count; left > 0; left -= count) {
        count = left < CONVERSION_MOST ? left : CONVERSION_MOST;
        int status = source_read(s, raw, count * width);
        if (status != EXIT_DONE) return status;
        conversion_run(&c, raw, h->fortran_order ? converted : to, count);
        if (h->fortran_order)
            scatter(&place, converted, count, t);
        else
            to += count * width_of(t->dtype);
    }
    conversion_warn(&c, s);
    return EXIT_DONE;
}

/* What the tensor's type is to be. */
static int choose_dtype(const source *s, const npy_header *h, tensor_dtype wanted, clconv_dtype *dtype)
{
    bool is_float = h->type == ELEMENT_FLOAT32 || h->type == ELEMENT_FLOAT64;
    if (h->type == ELEMENT_NONE)
        return source_refuse(s,
                             "holds dtype '%s'%s; clconv reads float16, float32, float64, integers and bool",
                             h->descr, strcmp(h->descr, "|O") == 0 ? " (objects)" : "");
    if (wanted == TENSOR_DTYPE_STORED && !is_float)
        return source_refuse(s,
                             "holds dtype '%s'; without --dtype it must be float32 or float64, and "
                             "--dtype float32 reads it",
                             h->descr);
    *dtype = tensor_dtype_choose(wanted, h->type == ELEMENT_FLOAT64);
    return EXIT_DONE;
}

/* Whether the file holds the tensor as memory does. */
static bool is_plain(const source *s, const npy_header *h, clconv_dtype dtype)
{
    element_type same = dtype == CLCONV_FLOAT64 ? ELEMENT_FLOAT64 : ELEMENT_FLOAT32;
    return s->read == NULL && h->type == same && !h->swapped && !h->fortran_order;
}

int npy_read(source *s, tensor_dtype dtype, tensor *t)
{
    npy_header h = {.rank = 0};
    tensor made = {.rank = 0};
    clconv_dtype chosen = CLCONV_FLOAT32;
    int64_t data_start = 0;
    int status = npy_header_read(s, &h, &data_start);
    if (status == EXIT_DONE) status = choose_dtype(s, &h, dtype, &chosen);
    if (status == EXIT_DONE) status = npy_header_check_size(s, &h, data_start);
    if (status == EXIT_DONE && is_plain(s, &h, chosen) &&
        mapping_create(s->file, data_start, true, chosen, h.rank, h.shape, t))
        return status;
    if (status == EXIT_DONE) status = tensor_create_spilled(chosen, h.rank, h.shape, &made);
    if (status == EXIT_DONE) status = read_data(s, &h, &made);
    if (status == EXIT_DONE)
        *t = made;
    else
        tensor_release(&made);
    return status;
}

bool npy_write_header(FILE *file, const tensor *t)
{
    char shape[NPY_SHAPE_TEXT], text[NPY_PREFIX + 4 * ALIGNMENT + NPY_SHAPE_TEXT];
    size_t width = (size_t)width_of(t->dtype);
    npy_shape_format(t->rank, t->shape, shape);
    int used =
        snprintf(text, sizeof text, "%c%s%c%c%c%c{'descr': '<f%d', 'fortran_order': False, 'shape': %s, }",
                 0x93, "NUMPY", 1, 0, 0, 0, (int)width, shape);
    int total = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + used, ' ', (size_t)(total - used));
    text[total - 1] = '\n';
    text[8] = (char)((total - NPY_PREFIX) & 0xff);
    text[9] = (char)((total - NPY_PREFIX) >> 8);
    return fwrite(text, 1, (size_t)total, file) == (size_t)total;
}

bool npy_write(FILE *file, const tensor *t)
{
    size_t elements = (size_t)t->elements;
    return npy_write_header(file, t) &&
           fwrite(t->data, (size_t)width_of(t->dtype), elements, file) == elements;
}
