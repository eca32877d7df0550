/* .npz: members of archives that libzip or these tests write, and the refusal of all that is damaged, lies or
 * is no plain archive. */
#include "files/npz.h"
#include "harness.h"
#include "scratch.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

const char test_suite_name[] = "tools/npz";

enum { VALUES = 200, MEMBER_ROOM = 1024, CENTRAL = 46, NAME = 5 };

/* An array of VALUES floats, first, first + 1, ..., as a .npy file. */
static size_t build_array(unsigned char *out, float first)
{
    static const char start[] =
        "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (200,), }";
    memset(out, ' ', 128);
    memcpy(out, start, sizeof start - 1);
    out[127] = '\n';
    for (int i = 0; i < VALUES; i++)
        memcpy(out + 128 + 4 * i, &(float){first + (float)i}, 4);
    return 128 + 4 * VALUES;
}

static void add(zip_t *zip, const char *name, const void *bytes, size_t count, int method)
{
    zip_source_t *from = zip_source_buffer(zip, bytes, count, 0);
    zip_int64_t index = zip_file_add(zip, name, from, ZIP_FL_ENC_UTF_8);
    CU_ASSERT_FATAL(index >= 0);
    CU_ASSERT_EQUAL_FATAL(zip_set_file_compression(zip, (zip_uint64_t)index, method, 0), 0);
}

/* Writes x.npz with a stored member a.npy, and one, b.npy, that is compressed by the method. */
static const char *make_archive(scratch *s, int method)
{
    static unsigned char a[MEMBER_ROOM], b[MEMBER_ROOM]; /* libzip reads them when it closes */
    const char *path = scratch_path(s, "x.npz");
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    CU_ASSERT_PTR_NOT_NULL_FATAL(zip);
    add(zip, "a.npy", a, build_array(a, 0), ZIP_CM_STORE);
    add(zip, "b.npy", b, build_array(b, 1000), method);
    add(zip, "text", "text", 4, ZIP_CM_STORE);
    CU_ASSERT_EQUAL_FATAL(zip_close(zip), 0);
    return path;
}

static int read_member(scratch *s, const char *file, const char *member, tensor *t)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", file, member);
    scratch_hush(s);
    int status = tensor_read("--input", path, TENSOR_DTYPE_STORED, t);
    scratch_listen(s);
    return status;
}

static void check_values(const tensor *t, float first)
{
    CU_ASSERT_EQUAL_FATAL(t->elements, VALUES);
    for (int i = 0; i < VALUES; i++)
        CU_ASSERT_EQUAL(((const float *)t->data)[i], first + (float)i);
}

static void stored_and_deflated_members_are_read(void)
{
    static const struct {
        const char *member;
        float first;
    } cases[] = {{":a", 0}, {":a.npy", 0}, {":b", 1000}, {":b.npy", 1000}};
    for (int method = ZIP_CM_STORE; method <= ZIP_CM_DEFLATE; method += ZIP_CM_DEFLATE) {
        scratch s;
        scratch_open(&s);
        const char *path = make_archive(&s, method);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            tensor t = {0};
            CU_ASSERT_EQUAL_FATAL(read_member(&s, path, cases[i].member, &t), EXIT_DONE);
            CU_ASSERT_STRING_EQUAL(s.said, "");
            check_values(&t, cases[i].first);
            tensor_release(&t);
        }
        scratch_close(&s);
    }
}

static void what_is_not_there_is_told_with_what_is(void)
{
    static const struct {
        const char *member, *part;
        int status;
    } cases[] = {{":c", "has no member 'c'", EXIT_WRONG_USE},
                 {":", "no member is named", EXIT_WRONG_USE},
                 {"", "this archive has 3: a, b, text", EXIT_WRONG_USE},
                 {":A", "3: a, b, text", EXIT_WRONG_USE},
                 {":text", "is no .npy file", EXIT_WRONG_USE},
                 {".npz:a", "No such file", EXIT_FAILED}};
    scratch s;
    scratch_open(&s);
    const char *path = make_archive(&s, ZIP_CM_DEFLATE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tensor t = {0};
        CU_ASSERT_EQUAL(read_member(&s, path, cases[i].member, &t), cases[i].status);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
    }
    scratch_close(&s);
}

/* A thousand names do not fit an error's line. */
static void a_long_list_of_names_is_cut(void)
{
    scratch s;
    tensor t = {0};
    int code = 0;
    scratch_open(&s);
    const char *path = scratch_path(&s, "x.npz");
    zip_t *zip = zip_open(path, ZIP_CREATE, &code);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d.weight.npy", i);
        add(zip, name, "", 0, ZIP_CM_STORE);
    }
    CU_ASSERT_EQUAL_FATAL(zip_close(zip), 0);
    CU_ASSERT_EQUAL(read_member(&s, path, ":w", &t), EXIT_WRONG_USE);
    CU_ASSERT(scratch_one_error(&s, "1000: layer.0.weight, layer.1.weight, "));
    CU_ASSERT(scratch_one_error(&s, ", ..."));
    CU_ASSERT(strlen(s.said) < 600);
    scratch_close(&s);
}

/* Where the central directory has the entry of b.npy. */
static size_t find_entry(const char *bytes, size_t count)
{
    for (size_t at = 0; at + CENTRAL + NAME <= count; at++)
        if (memcmp(bytes + at, "PK\1\2", 4) == 0 && memcmp(bytes + at + CENTRAL, "b.npy", NAME) == 0)
            return at;
    CU_FAIL_FATAL("no entry of b.npy");
    return 0;
}

/* Claims of the central directory: its fields by their offsets, as APPNOTE.TXT of PKWARE has them. */
static void entries_that_lie_are_refused(void)
{
    static const struct {
        size_t offset;
        unsigned char bytes[4];
        size_t count;
        const char *part;
    } cases[] = {{8, {1, 0}, 2, "is encrypted"},
                 {10, {12, 0}, 2, "method 12"},
                 {10, {99, 0}, 2, "libzip says"},
                 {16, {1, 2, 3, 4}, 4, "libzip says"},                  /* the checksum */
                 {20, {0xff, 0xff, 0xff, 0x7f}, 4, "2147483647 bytes"}, /* compressed */
                 {24, {0xff, 0xff, 0xff, 0x7f}, 4, "2147483647 bytes"}, /* uncompressed */
                 {24, {0xa4, 0x03, 0, 0}, 4, "after the header"},       /* 4 more */
                 {42, {0xff, 0xff, 0xff, 0x7f}, 4, "libzip says"}};     /* where it starts */
    scratch s;
    size_t count = 0;
    scratch_open(&s);
    char *bytes = scratch_load(make_archive(&s, ZIP_CM_DEFLATE), &count);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tensor t = {0};
        char *copy = malloc(count);
        memcpy(copy, bytes, count);
        memcpy(copy + find_entry(bytes, count) + cases[i].offset, cases[i].bytes, cases[i].count);
        const char *path = scratch_file(&s, "y.npz", copy, count);
        free(copy);
        CU_ASSERT_EQUAL(read_member(&s, path, ":b", &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
        CU_ASSERT_PTR_NULL(t.data);
    }
    free(bytes);
    scratch_close(&s);
}

/* What ends the archive claims entries, disks or places that are not there. */
static void endings_that_lie_are_refused(void)
{
    static const struct {
        size_t offset;
        unsigned char bytes[4];
        size_t count;
    } cases[] = {{4, {1, 0, 1, 0}, 4},              /* this disk, the directory's disk */
                 {8, {0xfe, 0xff, 0xfe, 0xff}, 4},  /* entries */
                 {12, {0xff, 0xff, 0xff, 0x7f}, 4}, /* bytes of the directory */
                 {16, {0xff, 0xff, 0xff, 0x7f}, 4}};
    scratch s;
    size_t count = 0;
    scratch_open(&s);
    char *bytes = scratch_load(make_archive(&s, ZIP_CM_DEFLATE), &count);
    CU_ASSERT_EQUAL_FATAL(memcmp(bytes + count - 22, "PK\5\6", 4), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tensor t = {0};
        char *copy = malloc(count);
        memcpy(copy, bytes, count);
        memcpy(copy + count - 22 + cases[i].offset, cases[i].bytes, cases[i].count);
        const char *path = scratch_file(&s, "y.npz", copy, count);
        free(copy);
        CU_ASSERT_EQUAL(read_member(&s, path, ":b", &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, "libzip says"));
    }
    free(bytes);
    scratch_close(&s);
}

/* Cut anywhere: refused. Changed anywhere: the right values, or a refusal. */
static void damage_is_told(void)
{
    scratch s;
    size_t count = 0;
    scratch_open(&s);
    char *bytes = scratch_load(make_archive(&s, ZIP_CM_DEFLATE), &count);
    for (size_t kept = 0; kept < count; kept += kept + 200 < count ? 7 : 1) {
        tensor t = {0};
        const char *path = scratch_file(&s, "y.npz", bytes, kept);
        CU_ASSERT_EQUAL(read_member(&s, path, ":b", &t), EXIT_WRONG_USE);
        CU_ASSERT(scratch_one_error(&s, path));
        CU_ASSERT_PTR_NULL(t.data);
    }
    for (size_t at = 0; at < count; at++) {
        tensor t = {0};
        bytes[at] = (char)(bytes[at] ^ 0xff);
        const char *path = scratch_file(&s, "y.npz", bytes, count);
        bytes[at] = (char)(bytes[at] ^ 0xff);
        int status = read_member(&s, path, ":b", &t);
        CU_ASSERT(status == EXIT_DONE || (status == EXIT_WRONG_USE && scratch_one_error(&s, path)));
        if (status == EXIT_DONE) check_values(&t, 1000);
        tensor_release(&t);
    }
    free(bytes);
    scratch_close(&s);
}

static void a_path_is_one_of_an_archive_by_its_ending(void)
{
    CU_ASSERT(npz_is_path("x.npz"));
    CU_ASSERT(npz_is_path("x.npz:w"));
    CU_ASSERT(npz_is_path("folder.npzs/x.npz:w.npy"));
    CU_ASSERT(npz_is_path("x.npz:"));
    CU_ASSERT_FALSE(npz_is_path("x.npy"));
    CU_ASSERT_FALSE(npz_is_path("x.npz.npy"));
    CU_ASSERT_FALSE(npz_is_path("x.npz/x.npy"));
    CU_ASSERT_FALSE(npz_is_path("npz"));
}

const test_entry test_suite[] = {
    {"stored and deflated members are read", stored_and_deflated_members_are_read},
    {"what is not there is told with what is", what_is_not_there_is_told_with_what_is},
    {"a long list of names is cut", a_long_list_of_names_is_cut},
    {"entries that lie are refused", entries_that_lie_are_refused},
    {"endings that lie are refused", endings_that_lie_are_refused},
    {"damage is told", damage_is_told},
    {"a path is one of an archive by its ending", a_path_is_one_of_an_archive_by_its_ending},
    {NULL, NULL}};
