/* .npy: what NumPy writes is read to the value and written to the byte, everything else is refused in one line.
 * Expected bytes follow numpy.lib.format's description and numpy.save()'s output. */
#include "files/outputs.h"
#include "harness.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char test_suite_name[] = "tools/npy";

enum { FILE_ROOM = 1024 };

/* A file of version `version` with this header text and `data` bytes of data counting up; returns its length.
 */
static size_t build(char *out, int version, const char *text, size_t data)
{
    size_t length = strlen(text), start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (char)version;
    out[7] = 0;
    for (size_t i = 8; i < start; i++)
        out[i] = (char)(length >> (8 * (i - 8)) & 255);
    memcpy(out + start, text, length);
    for (size_t i = 0; i < data; i++)
        out[start + length + i] = (char)i;
    return start + length + data;
}

/* Reads the bytes as a file; returns the exit status, and leaves what was said in the scratch. */
static int read_as(scratch *s, const void *bytes, size_t count, tensor_dtype dtype, tensor *t)
{
    const char *path = scratch_file(s, "x.npy", bytes, count);
    scratch_hush(s);
    int status = tensor_read("--input", path, dtype, t);
    scratch_listen(s);
    return status;
}

static int read_bytes(scratch *s, const void *bytes, size_t count, tensor *t)
{
    return read_as(s, bytes, count, TENSOR_DTYPE_STORED, t);
}

static void write_tensor(scratch *s, const char *path, const tensor *t)
{
    outputs *set = outputs_create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--output", path), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_write_tensor(set, path, t), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    CU_ASSERT_EQUAL(scratch_count(s), 1);
}

static void every_rank_and_type_survives_a_round_trip(void)
{
    static const int64_t shape[8] = {2, 1, 3, 2, 1, 2, 2, 3};
    for (int rank = 0; rank <= 8; rank++) {
        for (int dtype = CLCONV_FLOAT32; dtype <= CLCONV_FLOAT64; dtype++) {
            scratch s;
            tensor t = {0}, back = {0};
            scratch_open(&s);
            CU_ASSERT_EQUAL(tensor_create((clconv_dtype)dtype, rank, shape, &t), EXIT_DONE);
            size_t bytes = (size_t)t.elements * (dtype == CLCONV_FLOAT64 ? 8 : 4);
            for (size_t i = 0; i < bytes; i++)
                ((unsigned char *)t.data)[i] = (unsigned char)(i * 37 + 200); /* NaNs among them */
            const char *path = scratch_path(&s, "x.npy");
            write_tensor(&s, path, &t);
            CU_ASSERT_EQUAL(tensor_read("--input", path, TENSOR_DTYPE_STORED, &back), EXIT_DONE);
            CU_ASSERT_EQUAL(back.dtype, t.dtype);
            CU_ASSERT_EQUAL(back.rank, rank);
            CU_ASSERT_EQUAL(memcmp(back.shape, t.shape, sizeof t.shape), 0);
            CU_ASSERT_EQUAL(back.elements, t.elements);
            CU_ASSERT_EQUAL(memcmp(back.data, t.data, bytes), 0);
            tensor_release(&t);
            tensor_release(&back);
            scratch_close(&s);
        }
    }
}

static void a_file_is_written_as_numpy_writes_it(void)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    scratch s;
    tensor t = {0};
    size_t count = 0;
    scratch_open(&s);
    CU_ASSERT_EQUAL(tensor_create(CLCONV_FLOAT32, 2, (int64_t[]){2, 3}, &t), EXIT_DONE);
    ((float *)t.data)[5] = 1;
    const char *path = scratch_path(&s, "x.npy");
    write_tensor(&s, path, &t);
    char *bytes = scratch_load(path, &count);
    CU_ASSERT_EQUAL_FATAL(count, 128 + 24);
    CU_ASSERT_EQUAL(memcmp(bytes, "\x93NUMPY\x01\x00\x76\x00", 10), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 10, header, sizeof header - 1), 0);
    for (size_t i = 10 + sizeof header - 1; i < 127; i++)
        CU_ASSERT_EQUAL(bytes[i], ' ');
    CU_ASSERT_EQUAL(bytes[127], '\n');
    CU_ASSERT_EQUAL(memcmp(bytes + 128 + 20, "\0\0\x80\x3f", 4), 0);
    free(bytes);
    tensor_release(&t);
    scratch_close(&s);
}

static void all_versions_and_spellings_are_read(void)
{
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }            \n",
        "{'shape': (2, 3), 'descr': '<f4', 'fortran_order': False}",
        "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3,)}\n",
        "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }\n",
        "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }        \n", /* Python 2 */
        "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L, 3), }\n"};
    for (int version = 1; version <= 3; version++) {
        for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
            scratch s;
            tensor t = {0};
            char bytes[FILE_ROOM];
            size_t count = build(bytes, version, headers[i], 24);
            scratch_open(&s);
            CU_ASSERT_EQUAL_FATAL(read_bytes(&s, bytes, count, &t), EXIT_DONE);
            CU_ASSERT_STRING_EQUAL(s.said, "");
            CU_ASSERT_EQUAL(t.rank, 2);
            CU_ASSERT_EQUAL(t.shape[0] * 10 + t.shape[1], 23);
            CU_ASSERT_EQUAL(memcmp(t.data, bytes + count - 24, 24), 0);
            tensor_release(&t);
            scratch_close(&s);
        }
    }
}

static void wrong_headers_are_refused(void)
{
    static const struct {
        const char *header, *part;
        size_t data;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "truncated", 20},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "longer", 28},
        {"{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }", "truncated", 23},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", "'<c8'", 24},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "'<f16'", 16},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", "'<U4'", 16},
        {"{'descr': '<<f4', 'fortran_order': False, 'shape': (2, 3), }", "'<<f4'", 24},
        {"{'descr': '', 'fortran_order': False, 'shape': (2, 3), }", "''", 24},
        {"{'descr': '<', 'fortran_order': False, 'shape': (2, 3), }", "'<'", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2LL, 3), }", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (L, 3), }", "tuple of integers", 24},
        {"{'descr': b'<f4', 'fortran_order': False, 'shape': (2, 3), }", "dictionary", 24},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", "objects", 48},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", "'<i4'; without --dtype", 24},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }", "--dtype float32 reads it", 12},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", "structured", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6), }", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }", "at least 0", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3), }", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6), }", "at most 8", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "63 bits", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551618, 3), }", "63 bits", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000), }", "40000000000 bytes", 24},
        {"{'descr': '<f4', 'fortran_order': False, }", "dictionary", 24},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", "dictionary", 24},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3), }", "dictionary", 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", "dictionary", 24},
        {"{'descr': '\n\xff', 'fortran_order': False, 'shape': (2, 3), }",
         "'?"
         "?'",
         24},
        {"", "dictionary", 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch s;
        tensor t = {0};
        char bytes[FILE_ROOM];
        scratch_open(&s);
        size_t count = build(bytes, 1, cases[i].header, cases[i].data);
        CU_ASSERT_EQUAL(read_bytes(&s, bytes, count, &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
        CU_ASSERT(scratch_one_error(&s, "--input: '"));
        CU_ASSERT_PTR_NULL(t.data);
        scratch_close(&s);
    }
}

/* A file of 2 x 3 x 4 whose element at index (i, j, k) is 100 i + 10 j + k. */
static size_t build_indexed(char *out, const char *descr, bool fortran)
{
    char header[128];
    int width = descr[2] - '0';
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (2, 3, 4), }\n", descr,
             fortran ? "True" : "False");
    size_t count = build(out, 1, header, (size_t)(24 * width));
    for (int i = 0; i < 24; i++) {
        int place = fortran ? i / 12 + i / 4 % 3 * 2 + i % 4 * 6 : i;
        char *at = out + count - 24 * width + place * width;
        double value = 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4;
        if (width == 4) memcpy(at, &(float){(float)value}, 4);
        if (width == 8) memcpy(at, &value, 8);
        for (int j = 0; j < width / 2 && descr[0] == '>'; j++) {
            char kept = at[j];
            at[j] = at[width - 1 - j];
            at[width - 1 - j] = kept;
        }
    }
    return count;
}

static void either_order_and_byte_order_is_read_as_any_float(void)
{
    static const char *const descrs[] = {"<f4", ">f4", "<f8", ">f8"};
    static const tensor_dtype dtypes[] = {TENSOR_DTYPE_STORED, TENSOR_DTYPE_FLOAT32, TENSOR_DTYPE_FLOAT64};
    for (int i = 0; i < 24; i++) {
        scratch s;
        tensor t = {0};
        char bytes[FILE_ROOM];
        const char *descr = descrs[i % 4];
        tensor_dtype dtype = dtypes[i / 8];
        size_t count = build_indexed(bytes, descr, i / 4 % 2 == 1);
        scratch_open(&s);
        CU_ASSERT_EQUAL_FATAL(read_as(&s, bytes, count, dtype, &t), EXIT_DONE);
        CU_ASSERT_STRING_EQUAL(s.said, "");
        bool wide = dtype == TENSOR_DTYPE_STORED ? descr[2] == '8' : dtype == TENSOR_DTYPE_FLOAT64;
        CU_ASSERT_EQUAL(t.dtype, wide ? CLCONV_FLOAT64 : CLCONV_FLOAT32);
        for (int j = 0; j < 24; j++) {
            double got = wide ? ((double *)t.data)[j] : (double)((float *)t.data)[j];
            CU_ASSERT_EQUAL(got, 100 * (j / 12) + 10 * (j / 4 % 3) + j % 4);
        }
        tensor_release(&t);
        scratch_close(&s);
    }
}

static void empty_arrays_and_scalars_are_read_in_either_order(void)
{
    static const char *const shapes[] = {"(0,)", "(2, 0, 3)", "(0, 0)", "()", "(1,)"};
    for (int i = 0; i < 10; i++) {
        scratch s;
        tensor t = {0};
        char bytes[FILE_ROOM], header[128];
        size_t elements = i / 2 < 3 ? 0 : 1;
        snprintf(header, sizeof header, "{'descr': '>f8', 'fortran_order': %s, 'shape': %s, }\n",
                 i % 2 == 0 ? "True" : "False", shapes[i / 2]);
        scratch_open(&s);
        CU_ASSERT_EQUAL_FATAL(read_bytes(&s, bytes, build(bytes, 1, header, 8 * elements), &t), EXIT_DONE);
        CU_ASSERT_EQUAL(t.elements, (int64_t)elements);
        CU_ASSERT_PTR_NOT_NULL(t.data);
        tensor_release(&t);
        scratch_close(&s);
    }
}

/* Each bit of each byte of the header, and all of them: values, or a refusal in one line. */
static void a_header_with_any_byte_changed_is_read_or_refused(void)
{
    char bytes[FILE_ROOM];
    size_t count = build(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24);
    scratch s;
    scratch_open(&s);
    for (size_t at = 0; at < count - 24; at++) {
        char kept = bytes[at];
        for (int flip = 0; flip < 9; flip++) {
            tensor t = {0};
            bytes[at] = (char)(kept ^ (flip < 8 ? 1 << flip : 0xff));
            int status = read_as(&s, bytes, count, TENSOR_DTYPE_FLOAT32, &t);
            CU_ASSERT(status == EXIT_DONE || (status == EXIT_WRONG_USE && scratch_one_error(&s, "x.npy")));
            CU_ASSERT_EQUAL(t.data != NULL, status == EXIT_DONE);
            tensor_release(&t);
        }
        bytes[at] = kept;
    }
    scratch_close(&s);
}

static void wrong_beginnings_are_refused(void)
{
    static const struct {
        const char *bytes, *part;
        size_t count;
    } cases[] = {{"", "0 bytes", 0},
                 {"PK\3\4aaaaaaaaaaaa", "no .npy file", 16},
                 {"\x93NUMPY\4\0\1\0\0\0 ", "version 4.0", 13},
                 {"\x93NUMPY\1\1\1\0 ", "version 1.1", 11},
                 {"\x93NUMPY\2\0\xff\xff\xff\xff{}", "4294967295", 14},
                 {"\x93NUMPY\1\0\xff\xff{}", "truncated", 12},
                 {"\x93NUMPY\2\0\1\0\0", "truncated", 11}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch s;
        tensor t = {0};
        scratch_open(&s);
        CU_ASSERT_EQUAL(read_bytes(&s, cases[i].bytes, cases[i].count, &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
        scratch_close(&s);
    }
}

static void every_truncation_is_refused(void)
{
    char bytes[FILE_ROOM];
    size_t count = build(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24);
    scratch s;
    scratch_open(&s);
    for (size_t kept = 0; kept < count; kept++) {
        tensor t = {0};
        CU_ASSERT_EQUAL(read_bytes(&s, bytes, kept, &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, "x.npy"));
    }
    scratch_close(&s);
}

static void what_cannot_be_opened_is_another_failure(void)
{
    static const struct {
        const char *path, *part;
        int status;
    } cases[] = {{"/tmp/clconv-there-is-no-such-file.npy", "No such file", EXIT_FAILED},
                 {"/tmp", "directory", EXIT_FAILED},
                 {"/dev/null", "regular file", EXIT_FAILED}};
    scratch s;
    scratch_open(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tensor t = {0};
        scratch_hush(&s);
        int status = tensor_read("--weight", cases[i].path, TENSOR_DTYPE_STORED, &t);
        scratch_listen(&s);
        CU_ASSERT_EQUAL(status, cases[i].status);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
    }
    tensor t = {0};
    const char *path = scratch_file(&s, "x.txt", "text", 4);
    scratch_hush(&s);
    CU_ASSERT_EQUAL(tensor_read("--weight", path, TENSOR_DTYPE_STORED, &t), EXIT_WRONG_USE);
    scratch_listen(&s);
    CU_ASSERT(scratch_one_error(&s, "unknown ending"));
    scratch_close(&s);
}

const test_entry test_suite[] = {
    {"every rank and type survives a round trip", every_rank_and_type_survives_a_round_trip},
    {"a file is written as NumPy writes it", a_file_is_written_as_numpy_writes_it},
    {"all versions and spellings are read", all_versions_and_spellings_are_read},
    {"wrong headers are refused", wrong_headers_are_refused},
    {"either order and byte order is read as any float", either_order_and_byte_order_is_read_as_any_float},
    {"empty arrays and scalars are read in either order", empty_arrays_and_scalars_are_read_in_either_order},
    {"a header with any byte changed is read or refused", a_header_with_any_byte_changed_is_read_or_refused},
    {"wrong beginnings are refused", wrong_beginnings_are_refused},
    {"every truncation is refused", every_truncation_is_refused},
    {"what cannot be opened is another failure", what_cannot_be_opened_is_another_failure},
    {NULL, NULL}};
