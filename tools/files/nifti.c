/* Reads NIfTI-1; see nifti.h. Plain and compressed files take the same way through zlib. The size
 * that a header claims is compared with what the file can hold before memory is taken for it: its size, or
 * for a compressed file that times the largest ratio that deflate can reach. */
#include "files/nifti.h"

#include "files/convert.h"
#include "files/mapping.h"

#include <inttypes.h>
#include <math.h>
#include <nifti2_io.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER_SIZE = 348, DATA_START = 352, DEFLATE_RATIO = 1032, CHUNK = 1 << 16 };

/* A volume file while it is read. */
typedef struct volume_file {
    source *source;
    gzFile stream;
    nifti_1_header header;
    conversion voxels;
    int width; /* bytes of a stored voxel */
} volume_file;

/* zlib's words for the last error, without the name it made up for the file; *code becomes its number. */
static const char *stream_error(volume_file *f, int *code)
{
    const char *text = gzerror(f->stream, code), *after = strstr(text, ": ");
    return after == NULL ? text : after + 2;
}

/* Reads exactly `bytes`. */
static int read_bytes(volume_file *f, void *to, unsigned bytes)
{
    int got = gzread(f->stream, to, bytes), code = Z_OK;
    if (got == (int)bytes) return EXIT_DONE;
    const char *text = stream_error(f, &code);
    if (code == Z_ERRNO) return source_fail(f->source);
    if (got < 0 && code != Z_BUF_ERROR) return source_refuse(f->source, "is damaged: zlib says '%s'", text);
    return source_refuse(f->source, "is truncated: it ends before the voxels that its header claims");
}

/* Nothing may follow the voxels; asking also lets zlib compare the checksum of a compressed file. */
static int read_end(volume_file *f)
{
    char byte;
    int code = Z_OK, got = gzread(f->stream, &byte, 1);
    const char *text = stream_error(f, &code);
    if (got == 1) return source_refuse(f->source, "is longer than its header says");
    if (got == 0 && code != Z_BUF_ERROR) return EXIT_DONE;
    if (code == Z_ERRNO) return source_fail(f->source);
    return source_refuse(f->source, "is damaged or truncated: zlib says '%s'", text);
}

static element_type element_of(int datatype)
{
    switch (datatype) {
    case DT_UINT8:
        return ELEMENT_UINT8;
    case DT_INT8:
        return ELEMENT_INT8;
    case DT_UINT16:
        return ELEMENT_UINT16;
    case DT_INT16:
        return ELEMENT_INT16;
    case DT_UINT32:
        return ELEMENT_UINT32;
    case DT_INT32:
        return ELEMENT_INT32;
    case DT_UINT64:
        return ELEMENT_UINT64;
    case DT_INT64:
        return ELEMENT_INT64;
    case DT_FLOAT32:
        return ELEMENT_FLOAT32;
    case DT_FLOAT64:
        return ELEMENT_FLOAT64;
    default:
        return ELEMENT_NONE;
    }
}

/* The 348 bytes are a NIfTI-1 header of a single file, in either byte order. */
static int check_kind(volume_file *f)
{
    nifti_1_header *h = &f->header;
    int size = h->sizeof_hdr, other = h->sizeof_hdr;
    nifti_swap_4bytes(1, &other);
    if (size == 540 || other == 540) return source_refuse(f->source, "is NIfTI-2; clconv reads NIfTI-1");
    if (size != HEADER_SIZE && other != HEADER_SIZE)
        return source_refuse(f->source, "is no NIfTI-1 file: its header does not start with the number 348");
    f->voxels.swapped = size != HEADER_SIZE;
    if (f->voxels.swapped) nifti_swap_as_nifti1(h);
    if (memcmp(h->magic, "ni1", 4) == 0)
        return source_refuse(f->source,
                             "is the header of a pair of files (.hdr, .img); clconv reads single files");
    if (memcmp(h->magic, "n+1", 4) != 0)
        return source_refuse(f->source, "is no NIfTI-1 file: its header does not end in 'n+1'");
    return EXIT_DONE;
}

static int check_dimensions(const volume_file *f)
{
    const short *dim = f->header.dim;
    if (dim[0] < 3 || dim[0] > 7)
        return source_refuse(f->source, "has %d dimensions; clconv reads volumes of 3 or 4", dim[0]);
    for (int i = 1; i <= dim[0]; i++) {
        if (dim[i] < 1)
            return source_refuse(f->source, "claims dim[%d] = %d; it must be at least 1", i, dim[i]);
        if (i > 4 && dim[i] != 1)
            return source_refuse(f->source, "has %d dimensions; clconv reads volumes of 3 or 4", dim[0]);
    }
    return EXIT_DONE;
}

static int check_voxel_type(volume_file *f)
{
    const nifti_1_header *h = &f->header;
    conversion *v = &f->voxels;
    v->from = element_of(h->datatype);
    if (v->from == ELEMENT_NONE)
        return source_refuse(f->source,
                             "holds voxels of type %d (%s); clconv reads integers, float32 and float64",
                             h->datatype, nifti_datatype_string(h->datatype));
    f->width = element_width(v->from);
    if (h->bitpix != 8 * f->width)
        return source_refuse(f->source, "claims %d bits for a voxel of type %s, which has %d", h->bitpix,
                             nifti_datatype_string(h->datatype), 8 * f->width);
    v->slope = (double)h->scl_slope;
    v->intercept = (double)h->scl_inter;
    bool absent = !isfinite(v->slope) || v->slope == 0; /* as the format has it */
    v->scaled = !absent && (v->slope != 1 || v->intercept != 0);
    if (v->scaled && !isfinite(v->intercept))
        return source_refuse(f->source, "has an intercept that is not finite");
    return EXIT_DONE;
}

static int64_t channels_of(const nifti_1_header *h)
{
    return h->dim[0] >= 4 ? h->dim[4] : 1;
}

/* Four extents below 2^15 and a width of at most 8 cannot overflow 63 bits. */
static int check_size(const volume_file *f)
{
    const nifti_1_header *h = &f->header;
    int64_t bytes = channels_of(h) * h->dim[3] * h->dim[2] * h->dim[1] * f->width, size = f->source->size;
    bool compressed = gzdirect(f->stream) == 0;
    if (!(h->vox_offset >= DATA_START && h->vox_offset <= (float)INT32_MAX) ||
        floorf(h->vox_offset) != h->vox_offset)
        return source_refuse(f->source,
                             "claims that voxels start at byte %g; it must be an integer of at least %d",
                             (double)h->vox_offset, (int)DATA_START);
    int64_t needed = (int64_t)h->vox_offset + bytes;
    if (compressed ? needed / DEFLATE_RATIO <= size : needed == size) return EXIT_DONE;
    if (!compressed && needed < size) return source_refuse(f->source, "is longer than its header says");
    return source_refuse(f->source,
                         "is truncated, or its header lies: %d x %d x %d x %d voxels need %" PRId64
                         " bytes, the file %s %" PRId64,
                         h->dim[1], h->dim[2], h->dim[3], (int)channels_of(h), needed,
                         compressed ? "can hold at most" : "has", compressed ? size * DEFLATE_RATIO : size);
}

static int read_header(volume_file *f)
{
    if (f->source->size < HEADER_SIZE && gzdirect(f->stream))
        return source_refuse(f->source, "is no NIfTI-1 file: it has only %" PRId64 " bytes", f->source->size);
    int status = read_bytes(f, &f->header, HEADER_SIZE);
    if (status == EXIT_DONE) status = check_kind(f);
    if (status == EXIT_DONE) status = check_dimensions(f);
    if (status == EXIT_DONE) status = check_voxel_type(f);
    if (status == EXIT_DONE) status = check_size(f);
    return status;
}

/* Skips what lies between the header and the voxels: extensions. */
static int skip_extensions(volume_file *f)
{
    char unused[CHUNK];
    int status = EXIT_DONE;
    for (int64_t left = (int64_t)f->header.vox_offset - HEADER_SIZE; left > 0 && status == EXIT_DONE;
         left -= CHUNK)
        status = read_bytes(f, unused, left < CHUNK ? (unsigned)left : (unsigned)CHUNK);
    return status;
}

static int read_voxels(volume_file *f, tensor *t)
{
    unsigned char raw[CHUNK];
    char *to = t->data;
    int64_t width = t->dtype == CLCONV_FLOAT64 ? 8 : 4;
    f->voxels.to = t->dtype;
    for (int64_t left = t->elements, count; left > 0; left -= count, to += count * width) {
        count = left < CONVERSION_MOST ? left : CONVERSION_MOST;
        int status = read_bytes(f, raw, (unsigned)(count * f->width));
        if (status != EXIT_DONE) return status;
        conversion_run(&f->voxels, raw, to, count);
    }
    int status = read_end(f);
    if (status == EXIT_DONE) conversion_warn(&f->voxels, f->source);
    return status;
}

/* Whether the file holds the tensor as memory does. */
static bool is_plain(const volume_file *f, clconv_dtype dtype)
{
    const conversion *v = &f->voxels;
    element_type same = dtype == CLCONV_FLOAT64 ? ELEMENT_FLOAT64 : ELEMENT_FLOAT32;
    return gzdirect(f->stream) != 0 && v->from == same && !v->swapped && !v->scaled;
}

static int read_tensor(volume_file *f, tensor_dtype dtype, tensor *t)
{
    const nifti_1_header *h = &f->header;
    int64_t shape[5] = {1, channels_of(h), h->dim[3], h->dim[2], h->dim[1]};
    clconv_dtype chosen = tensor_dtype_choose(dtype, h->datatype == DT_FLOAT64);
    bool is_mapped = is_plain(f, chosen) &&
                     mapping_create(f->source->file, (int64_t)h->vox_offset, true, chosen, 5, shape, t);
    int status = is_mapped ? EXIT_DONE : tensor_create_spilled(chosen, 5, shape, t);
    if (status != EXIT_DONE) return status;
    t->volume = volume_create(h);
    if (t->volume == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", f->source->name);
    if (is_mapped) return status;
    status = skip_extensions(f);
    return status == EXIT_DONE ? read_voxels(f, t) : status;
}

/* A stream on a descriptor that stays the caller's; NULL if it cannot be had. */
static gzFile open_stream(int file)
{
    int copy = dup(file); /* the stream closes its own */
    gzFile stream = copy < 0 ? NULL : gzdopen(copy, "rb");
    if (stream == NULL && copy >= 0) close(copy);
    return stream;
}

int volume_read(source *s, tensor_dtype dtype, tensor *t)
{
    volume_file f = {.source = s, .stream = open_stream(s->file)};
    tensor made = {.rank = 0};
    bool named_compressed = tensor_ends_with(s->path, ".gz");
    int status = EXIT_DONE;
    if (f.stream == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", s->name);
    nifti_set_debug_level(0);
    gzbuffer(f.stream, 4 * CHUNK);
    if (named_compressed == (gzdirect(f.stream) != 0))
        status = source_refuse(s, named_compressed ? "is not compressed by gzip, as its ending says"
                                                   : "is compressed by gzip; its ending must be .nii.gz");
    if (status == EXIT_DONE) status = read_header(&f);
    if (status == EXIT_DONE) status = read_tensor(&f, dtype, &made);
    if (status == EXIT_DONE)
        *t = made;
    else
        tensor_release(&made);
    gzclose(f.stream);
    return status;
}
