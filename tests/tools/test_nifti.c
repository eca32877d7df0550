/* NIfTI-1: voxels, scales, byte orders and geometry of files that are built here byte by byte from the
 * format's definition, and the refusal of all that is damaged or lies. */
#include "files/nifti.h"
#include "files/outputs.h"
#include "harness.h"
#include "scratch.h"

#include <math.h>
#include <nifti1.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char test_suite_name[] = "tools/nifti";

enum { START = 352, FILE_ROOM = 2048, VOXELS = 2 * 3 * 4 };

/* A volume of W = 4, H = 3, D = 2 whose voxel number i is i, with a voxel type, both scales absent. */
typedef struct built {
    size_t count;
    unsigned char bytes[FILE_ROOM];
} built;

static nifti_1_header make_header(short datatype, short width)
{
    nifti_1_header h;
    memset(&h, 0, sizeof h);
    h.sizeof_hdr = 348;
    h.dim[0] = 3;
    h.dim[1] = 4;
    h.dim[2] = 3;
    h.dim[3] = 2;
    h.dim[4] = h.dim[5] = h.dim[6] = h.dim[7] = 1;
    h.datatype = datatype;
    h.bitpix = (short)(8 * width);
    h.vox_offset = START;
    for (int i = 0; i < 8; i++)
        h.pixdim[i] = 1;
    memcpy(h.magic, "n+1", 4);
    return h;
}

static void store(unsigned char *to, short datatype, int value)
{
    switch (datatype) {
    case DT_UINT8:
        *to = (uint8_t)value;
        break;
    case DT_INT8:
        memcpy(to, &(int8_t){(int8_t)value}, 1);
        break;
    case DT_UINT16:
        memcpy(to, &(uint16_t){(uint16_t)value}, 2);
        break;
    case DT_INT16:
        memcpy(to, &(int16_t){(int16_t)value}, 2);
        break;
    case DT_UINT32:
        memcpy(to, &(uint32_t){(uint32_t)value}, 4);
        break;
    case DT_INT32:
        memcpy(to, &(int32_t){value}, 4);
        break;
    case DT_UINT64:
        memcpy(to, &(uint64_t){(uint64_t)value}, 8);
        break;
    case DT_INT64:
        memcpy(to, &(int64_t){value}, 8);
        break;
    case DT_FLOAT32:
        memcpy(to, &(float){(float)value}, 4);
        break;
    default:
        memcpy(to, &(double){value}, 8);
        break;
    }
}

static built build(const nifti_1_header *h)
{
    built b = {.count = (size_t)(START + VOXELS * h->bitpix / 8)};
    memcpy(b.bytes, h, sizeof *h);
    for (int i = 0; i < VOXELS; i++)
        store(b.bytes + START + i * h->bitpix / 8, h->datatype, i);
    return b;
}

static void reverse(unsigned char *at, int width)
{
    for (int i = 0; i < width / 2; i++) {
        unsigned char kept = at[i];
        at[i] = at[width - 1 - i];
        at[width - 1 - i] = kept;
    }
}

/* The same file as the other kind of machine writes it; fields by the format's table of offsets. */
static void swap_bytes(built *b, int width)
{
    static const short of_four[] = {0,   32,  56,  60,  64,  76,  80,  84,  88,  92,  96,  100, 104, 108,
                                    112, 116, 124, 128, 132, 136, 140, 144, 256, 260, 264, 268, 272, 276,
                                    280, 284, 288, 292, 296, 300, 304, 308, 312, 316, 320, 324};
    static const short of_two[] = {36, 40, 42, 44, 46, 48, 50, 52, 54, 68, 70, 72, 74, 120, 252, 254};
    for (size_t i = 0; i < sizeof of_four / sizeof of_four[0]; i++)
        reverse(b->bytes + of_four[i], 4);
    for (size_t i = 0; i < sizeof of_two / sizeof of_two[0]; i++)
        reverse(b->bytes + of_two[i], 2);
    for (int i = 0; i < VOXELS; i++)
        reverse(b->bytes + START + i * width, width);
}

static const char *save(scratch *s, const built *b, bool compressed)
{
    if (!compressed) return scratch_file(s, "x.nii", b->bytes, b->count);
    const char *path = scratch_path(s, "x.nii.gz");
    gzFile file = gzopen(path, "wb");
    CU_ASSERT_EQUAL(gzwrite(file, b->bytes, (unsigned)b->count), (int)b->count);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    return path;
}

static int read_quietly(scratch *s, const char *path, tensor *t)
{
    scratch_hush(s);
    int status = tensor_read("--input", path, TENSOR_DTYPE_STORED, t);
    scratch_listen(s);
    return status;
}

static const struct {
    short datatype, width;
} types[] = {{DT_UINT8, 1}, {DT_INT8, 1},   {DT_UINT16, 2}, {DT_INT16, 2},   {DT_UINT32, 4},
             {DT_INT32, 4}, {DT_UINT64, 8}, {DT_INT64, 8},  {DT_FLOAT32, 4}, {DT_FLOAT64, 8}};
enum { TYPES = sizeof types / sizeof types[0] };

/* Reads the file and compares voxel i with i * slope + intercept. */
static void check_values(const built *b, bool compressed, double slope, double intercept)
{
    static const int64_t shape[5] = {1, 1, 2, 3, 4};
    scratch s;
    tensor t = {0};
    short datatype = ((const nifti_1_header *)(const void *)b->bytes)->datatype;
    scratch_open(&s);
    CU_ASSERT_EQUAL_FATAL(read_quietly(&s, save(&s, b, compressed), &t), EXIT_DONE);
    CU_ASSERT_EQUAL(t.rank, 5);
    CU_ASSERT_EQUAL(memcmp(t.shape, shape, sizeof shape), 0);
    bool wide = datatype == DT_FLOAT64 || datatype == DT_FLOAT64 << 8;
    CU_ASSERT_EQUAL(t.dtype, wide ? CLCONV_FLOAT64 : CLCONV_FLOAT32);
    for (int i = 0; i < VOXELS; i++) {
        double got = wide ? ((double *)t.data)[i] : (double)((float *)t.data)[i];
        CU_ASSERT_EQUAL(got, i * slope + intercept);
    }
    tensor_release(&t);
    scratch_close(&s);
}

static void every_type_order_and_scale_is_read(void)
{
    for (int i = 0; i < TYPES; i++) {
        for (int variant = 0; variant < 8; variant++) {
            nifti_1_header h = make_header(types[i].datatype, types[i].width);
            bool scaled = variant % 2 == 1;
            if (scaled) {
                h.scl_slope = 0.5f;
                h.scl_inter = -3;
            } else {
                h.scl_inter = 7; /* means nothing beside a slope of 0 */
            }
            built b = build(&h);
            if (variant / 2 % 2 == 1) swap_bytes(&b, types[i].width);
            check_values(&b, variant / 4 == 1, scaled ? 0.5 : 1, scaled ? -3 : 0);
        }
    }
}

static void time_becomes_channels(void)
{
    nifti_1_header h = make_header(DT_FLOAT32, 4);
    scratch s;
    tensor t = {0};
    h.dim[0] = 4;
    h.dim[3] = 1;
    h.dim[4] = 2;
    built b = build(&h);
    scratch_open(&s);
    CU_ASSERT_EQUAL_FATAL(read_quietly(&s, save(&s, &b, false), &t), EXIT_DONE);
    CU_ASSERT_EQUAL(memcmp(t.shape, (int64_t[]){1, 2, 1, 3, 4}, 5 * sizeof(int64_t)), 0);
    CU_ASSERT_EQUAL(((float *)t.data)[VOXELS - 1], VOXELS - 1);
    tensor_release(&t);
    scratch_close(&s);
}

static void extensions_are_skipped(void)
{
    nifti_1_header h = make_header(DT_UINT8, 1);
    built b = build(&h);
    h.vox_offset = START + 160;
    memcpy(b.bytes, &h, sizeof h);
    memmove(b.bytes + START + 160, b.bytes + START, VOXELS);
    memset(b.bytes + START, 1, 160);
    b.count += 160;
    check_values(&b, false, 1, 0);
    check_values(&b, true, 1, 0);
}

static void refuse(const built *b, bool compressed, const char *part)
{
    scratch s;
    tensor t = {0};
    scratch_open(&s);
    CU_ASSERT_EQUAL(read_quietly(&s, save(&s, b, compressed), &t), EXIT_WRONG_USE);
    CU_ASSERT(scratch_one_error(&s, part));
    CU_ASSERT(scratch_one_error(&s, "--input: '"));
    CU_ASSERT_PTR_NULL(t.data);
    scratch_close(&s);
}

/* Two bytes at an offset of the header, little-endian as the machines that run this. */
static void wrong_headers_are_refused(void)
{
    static const struct {
        size_t offset;
        short value;
        const char *part;
    } cases[] = {{0, 540, "NIfTI-2"},        {0, 347, "348"},
                 {344, 0x6e78, "n+1"},       {345, 0x3169, "pair of files"},
                 {40, 0, "0 dimensions"},    {40, 2, "2 dimensions"},
                 {40, 8, "8 dimensions"},    {40, -1, "dimensions"},
                 {42, 0, "dim[1] = 0"},      {44, -3, "dim[2] = -3"},
                 {42, 32767, "truncated"},   {42, 5, "truncated"},
                 {42, 2, "longer"},          {70, DT_RGB24, "RGB24"},
                 {70, DT_COMPLEX64, "type"}, {70, 0, "type"},
                 {70, DT_BINARY, "type"},    {72, 8, "8 bits"},
                 {110, 0, "byte 0"},         {110, 0x7fc0, "start at byte"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nifti_1_header h = make_header(DT_FLOAT32, 4);
        h.vox_offset = START;
        built b = build(&h);
        if (cases[i].offset == 110) memset(b.bytes + 108, 0, 2);
        memcpy(b.bytes + cases[i].offset, &cases[i].value, 2);
        refuse(&b, false, cases[i].part);
        refuse(&b, true, cases[i].part);
    }
}

static void a_small_compressed_file_cannot_claim_gigabytes(void)
{
    nifti_1_header h = make_header(DT_FLOAT32, 4);
    h.dim[1] = h.dim[2] = h.dim[3] = 32767;
    built b = build(&h);
    refuse(&b, false, "has 448");
    refuse(&b, true, "can hold at most");
}

static void every_truncation_is_refused(void)
{
    nifti_1_header h = make_header(DT_UINT8, 1);
    built b = build(&h);
    scratch s;
    scratch_open(&s);
    for (int compressed = 0; compressed < 2; compressed++) {
        size_t count = 0;
        char *bytes = scratch_load(save(&s, &b, compressed), &count);
        for (size_t kept = 0; kept < count; kept++) {
            tensor t = {0};
            const char *path = scratch_file(&s, compressed ? "y.nii.gz" : "y.nii", bytes, kept);
            CU_ASSERT_EQUAL(read_quietly(&s, path, &t), EXIT_WRONG_USE);
            CU_ASSERT(scratch_one_error(&s, path));
            CU_ASSERT_PTR_NULL(t.data);
        }
        free(bytes);
    }
    scratch_close(&s);
}

static void the_ending_must_tell_the_truth(void)
{
    nifti_1_header h = make_header(DT_UINT8, 1);
    built b = build(&h);
    scratch s;
    scratch_open(&s);
    for (int compressed = 0; compressed < 2; compressed++) {
        tensor t = {0};
        const char *path = save(&s, &b, compressed),
                   *other = scratch_path(&s, compressed ? "y.nii" : "y.nii.gz");
        CU_ASSERT_EQUAL(rename(path, other), 0);
        CU_ASSERT_EQUAL(read_quietly(&s, other, &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, "ending"));
    }
    scratch_close(&s);
}

/* An oblique volume: the same map as sform and as qform, voxels 2 x 3 x 4, 60 degrees about (1, 2, 2) / 3. */
static nifti_1_header make_oblique(void)
{
    nifti_1_header h = make_header(DT_FLOAT32, 4);
    const double b = 0.5 / 3, c = 1.0 / 3, d = 1.0 / 3, a = sqrt(0.75);
    const double turn[3][3] = {{a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
                               {2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)},
                               {2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c}};
    float *rows[3] = {h.srow_x, h.srow_y, h.srow_z};
    h.quatern_b = (float)b;
    h.quatern_c = (float)c;
    h.quatern_d = (float)d;
    h.qform_code = 1;
    h.sform_code = 4;
    h.xyzt_units = 10;
    for (int i = 0; i < 3; i++) {
        h.pixdim[1 + i] = (float)(2 + i);
        for (int j = 0; j < 3; j++)
            rows[i][j] = (float)(turn[i][j] * (2 + j));
        rows[i][3] = (float)(10 * i - 7);
    }
    h.qoffset_x = -7;
    h.qoffset_y = 3;
    h.qoffset_z = 13;
    return h;
}

/* Writes the tensor and returns the header of the file. */
static nifti_1_header write_and_load(const char *name, const tensor *t)
{
    scratch s;
    nifti_1_header h;
    memset(&h, 0, sizeof h);
    scratch_open(&s);
    const char *path = scratch_path(&s, name);
    outputs *set = outputs_create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--output", path), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_write_tensor(set, path, t), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    gzFile file = gzopen(path, "rb");
    CU_ASSERT_EQUAL(gzdirect(file), strstr(name, ".gz") == NULL);
    CU_ASSERT_EQUAL(gzread(file, &h, sizeof h), (int)sizeof h);
    gzclose(file);
    scratch_close(&s);
    return h;
}

/* Where the sform puts a voxel. */
static void place(const nifti_1_header *h, const double voxel[3], double world[3])
{
    const float *rows[3] = {h->srow_x, h->srow_y, h->srow_z};
    for (int i = 0; i < 3; i++) {
        world[i] = (double)rows[i][3];
        for (int j = 0; j < 3; j++)
            world[i] += (double)rows[i][j] * voxel[j];
    }
}

/* Reads an oblique volume, derives its geometry, writes it; the source's header and the file's. */
static void derive(const double origin[3], const double step[3], nifti_1_header *source,
                   nifti_1_header *written)
{
    scratch s;
    tensor t = {0};
    *source = make_oblique();
    built b = build(source);
    scratch_open(&s);
    CU_ASSERT_EQUAL_FATAL(read_quietly(&s, save(&s, &b, false), &t), EXIT_DONE);
    volume_header *derived = volume_derive(t.volume, origin, step);
    CU_ASSERT_PTR_NOT_NULL_FATAL(derived);
    volume_release(t.volume);
    t.volume = derived;
    *written = write_and_load("y.nii.gz", &t);
    tensor_release(&t);
    scratch_close(&s);
}

static void geometry_is_kept(void)
{
    nifti_1_header source, written;
    derive((double[]){0, 0, 0}, (double[]){1, 1, 1}, &source, &written);
    CU_ASSERT_EQUAL(memcmp(source.dim, written.dim, sizeof source.dim), 0);
    CU_ASSERT_EQUAL(memcmp(source.pixdim, written.pixdim, sizeof source.pixdim), 0);
    CU_ASSERT_EQUAL(memcmp(&source.qform_code, &written.qform_code, 4 + 6 * 4 + 12 * 4), 0);
    CU_ASSERT_EQUAL(source.xyzt_units, written.xyzt_units);
    CU_ASSERT_EQUAL(written.datatype, DT_FLOAT32);
}

static void geometry_follows_stride_and_padding(void)
{
    const double origin[3] = {-1, 0.5, 3}, step[3] = {2, 3, 1}; /* D, H, W */
    nifti_1_header source, written;
    derive(origin, step, &source, &written);
    for (int i = 0; i < VOXELS; i++) {
        double voxel[3] = {i % 4, i / 4 % 3, i / 12}, in_source[3], here[3], there[3];
        for (int j = 0; j < 3; j++)
            in_source[j] = origin[2 - j] + step[2 - j] * voxel[j];
        place(&written, voxel, here);
        place(&source, in_source, there);
        for (int j = 0; j < 3; j++)
            CU_ASSERT_DOUBLE_EQUAL(here[j], there[j], 1e-5);
    }
    /* The qform said the same before, so it must say the same now: its offset, and its scale. */
    CU_ASSERT_DOUBLE_EQUAL(written.qoffset_x, written.srow_x[3], 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(written.qoffset_y, written.srow_y[3], 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(written.qoffset_z, written.srow_z[3], 1e-5);
    CU_ASSERT_EQUAL(written.pixdim[1], 2);
    CU_ASSERT_EQUAL(written.pixdim[2], 9);
    CU_ASSERT_EQUAL(written.pixdim[3], 8);
    CU_ASSERT_EQUAL(written.quatern_b, source.quatern_b);
    CU_ASSERT_EQUAL(written.xyzt_units, source.xyzt_units);
}

static void without_a_source_geometry_is_the_identity(void)
{
    tensor t = {0};
    CU_ASSERT_EQUAL(tensor_create(CLCONV_FLOAT64, 4, (int64_t[]){3, 2, 4, 5}, &t), EXIT_DONE);
    nifti_1_header h = write_and_load("y.nii", &t);
    CU_ASSERT_EQUAL(memcmp(h.dim, (short[]){4, 5, 4, 2, 3, 1, 1, 1}, sizeof h.dim), 0);
    CU_ASSERT_EQUAL(h.datatype, DT_FLOAT64);
    CU_ASSERT_EQUAL(h.bitpix, 64);
    double world[3];
    place(&h, (double[]){1, 2, 3}, world);
    CU_ASSERT(world[0] == 1 && world[1] == 2 && world[2] == 3);
    tensor_release(&t);
}

static void what_is_written_is_read_back(void)
{
    static const char *const names[] = {"y.nii", "y.nii.gz"};
    for (int i = 0; i < 2; i++) {
        scratch s;
        tensor t = {0}, back = {0};
        scratch_open(&s);
        CU_ASSERT_EQUAL(tensor_create(CLCONV_FLOAT64, 5, (int64_t[]){1, 3, 2, 4, 5}, &t), EXIT_DONE);
        for (int64_t j = 0; j < t.elements; j++)
            ((double *)t.data)[j] = j == 3 ? -0.0 : sin((double)j);
        const char *path = scratch_path(&s, names[i]);
        outputs *set = outputs_create();
        CU_ASSERT_EQUAL(outputs_claim(set, "--output", path), EXIT_DONE);
        CU_ASSERT_EQUAL(outputs_write_tensor(set, path, &t), EXIT_DONE);
        CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
        outputs_release(set);
        CU_ASSERT_EQUAL_FATAL(read_quietly(&s, path, &back), EXIT_DONE);
        CU_ASSERT_EQUAL(memcmp(t.shape, back.shape, sizeof t.shape), 0);
        CU_ASSERT_EQUAL(memcmp(t.data, back.data, (size_t)t.elements * 8), 0);
        tensor_release(&t);
        tensor_release(&back);
        scratch_close(&s);
    }
}

static void shapes_that_do_not_fit_are_refused(void)
{
    static const struct {
        int rank;
        int64_t shape[6];
        const char *part;
    } cases[] = {{2, {3, 3}, "rank 2"},
                 {6, {1, 1, 1, 1, 1, 1}, "rank 6"},
                 {5, {2, 1, 3, 3, 3}, "N other"},
                 {4, {1, 0, 3, 3}, "size of 0"},
                 {3, {1, 1, 32768}, "32768"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch s;
        scratch_open(&s);
        outputs *set = outputs_create();
        const char *path = scratch_path(&s, "y.nii");
        CU_ASSERT_EQUAL(outputs_claim(set, "--output", path), EXIT_DONE);
        scratch_hush(&s);
        int status = outputs_check_shape(set, path, cases[i].rank, cases[i].shape);
        scratch_listen(&s);
        CU_ASSERT_EQUAL(status, EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
        CU_ASSERT_EQUAL(outputs_check_shape(set, "y.npy", cases[i].rank, cases[i].shape), EXIT_DONE);
        outputs_release(set);
        scratch_close(&s);
    }
}

static void the_frame_follows_the_affine(void)
{
    nifti_1_header h = make_header(DT_UINT8, 1);
    h.sform_code = 1;
    h.pixdim[1] = 2;
    h.pixdim[3] = 5;
    h.srow_x[2] = -5; /* z runs to the left */
    h.srow_y[0] = 2;  /* x to the front */
    h.srow_z[1] = 1;  /* y up */
    volume_header *volume = volume_create(&h);
    volume_frame f = volume_get_frame(volume);
    CU_ASSERT(f.axis[0] == 0 && f.axis[1] == 2 && f.axis[2] == 1);
    CU_ASSERT(f.reversed[0] && !f.reversed[1] && !f.reversed[2]);
    CU_ASSERT(f.spacing[0] == 5 && f.spacing[1] == 1 && f.spacing[2] == 2);
    volume_release(volume);
    f = volume_get_frame(NULL);
    CU_ASSERT(f.axis[0] == 2 && f.axis[1] == 1 && f.axis[2] == 0);
}

const test_entry test_suite[] = {
    {"every type, order and scale is read", every_type_order_and_scale_is_read},
    {"time becomes channels", time_becomes_channels},
    {"extensions are skipped", extensions_are_skipped},
    {"wrong headers are refused", wrong_headers_are_refused},
    {"a small file cannot claim gigabytes", a_small_compressed_file_cannot_claim_gigabytes},
    {"every truncation is refused", every_truncation_is_refused},
    {"the ending must tell the truth", the_ending_must_tell_the_truth},
    {"geometry is kept", geometry_is_kept},
    {"geometry follows stride and padding", geometry_follows_stride_and_padding},
    {"without a source geometry is the identity", without_a_source_geometry_is_the_identity},
    {"what is written is read back", what_is_written_is_read_back},
    {"shapes that do not fit are refused", shapes_that_do_not_fit_are_refused},
    {"the frame follows the affine", the_frame_follows_the_affine},
    {NULL, NULL}};
