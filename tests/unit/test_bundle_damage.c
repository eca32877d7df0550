/* Bundles as bytes: what a whole one says is found, and each truncation and each flipped byte of it is refused before any
 * of it is used. */
#include "harness.h"
#include "opencl/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char manifest[] = "clconv-bundle 1\n"
                               "platform P 1\n"
                               "device a device\n"
                               "\n"
                               "program any/direct.cl\n"
                               "source-hash 00ff\n"
                               "options  -DREAL_BITS=32 -DX=2\n"
                               "problem forward ic1\n"
                               "kernel direct 1 1 1\n"
                               "kernel other 4 1 1 other_12\n"
                               "%s"
                               "\nprogram any/fill.cl\n"
                               "source-hash 0a\n"
                               "options \n"
                               "kernel fill 1 1 1\n"
                               "%s";
static const char first[] = "bytes of one program", second[] = "and of another";

/* The bytes of a bundle of that manifest; `lines` may be other lines than those of the binaries. */
static char *make(const char *line, const char *other, size_t *size)
{
    char text_[2048];
    char content[64];
    snprintf(text_, sizeof text_, manifest, line, other);
    snprintf(content, sizeof content, "%s%s", first, second);
    char *bytes = entry_format(byte_span_of(text_), byte_span_of(content), size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    return bytes;
}

static char *make_sound(size_t *size)
{
    text a = {0}, b = {0};
    bundle_append_binary(&a, byte_span_of(first));
    bundle_append_binary(&b, byte_span_of(second));
    char *bytes = make(a.data, b.data, size);
    text_release(&a);
    text_release(&b);
    return bytes;
}

/* A copy, since the bundle takes it over. */
static bundle *open_copy(const char *bytes, size_t size, char why[BUNDLE_WHY])
{
    char *copy = malloc(size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, bytes, size);
    why[0] = '\0';
    return bundle_of_bytes(copy, size, why);
}

static void expect_name(const bundled_program *p, const char *kernel, const char *expected)
{
    char *name = bundle_kernel_name(p, kernel);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    CU_ASSERT_STRING_EQUAL(name, expected);
    free(name);
}

static void test_sound(void)
{
    size_t size;
    char why[BUNDLE_WHY], *bytes = make_sound(&size);
    bool is_stale;
    bundle *b = open_copy(bytes, size, why);
    free(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    const bundled_program *p = bundle_find(b, "any/direct.cl", "00ff", " -DREAL_BITS=32 -DX=2", &is_stale);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT(byte_span_equals(p->binary, byte_span_of(first)));
    expect_name(p, "direct", "direct");
    expect_name(p, "other", "other_12");
    p = bundle_find(b, "any/fill.cl", "0a", "", &is_stale);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT(byte_span_equals(p->binary, byte_span_of(second)));
    CU_ASSERT_PTR_NULL(bundle_find(b, "any/fill.cl", "0a", " -DX=1", &is_stale));
    CU_ASSERT_FALSE(is_stale);
    CU_ASSERT_PTR_NULL(bundle_find(b, "any/fill.cl", "0b", "", &is_stale));
    CU_ASSERT(is_stale);
    bundle_release(b);
}

static void test_device(void)
{
    size_t size;
    char why[BUNDLE_WHY], *bytes = make_sound(&size);
    bundle *b = open_copy(bytes, size, why);
    free(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT(bundle_is_for(b, "clconv 9\nplatform P 1\ndevice a device\ndriver 7\n", why));
    CU_ASSERT_FALSE(bundle_is_for(b, "platform P 1\ndevice a device 2\n", why));
    CU_ASSERT_STRING_EQUAL(why, "it is for device a device, and this device has device a device 2");
    CU_ASSERT_FALSE(bundle_is_for(b, "device a device\n", why));
    bundle_release(b);
}

static void test_damage(void)
{
    size_t size;
    char why[BUNDLE_WHY], *bytes = make_sound(&size);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
            CU_ASSERT_PTR_NULL(open_copy(bytes, size, why));
            CU_ASSERT(why[0] != '\0');
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
        }
        CU_ASSERT_PTR_NULL(open_copy(bytes, at, why));
        CU_ASSERT(why[0] != '\0');
    }
    free(bytes);
}

/* Whole, with a right checksum, and wrong by what they say. */
static void test_contradictions(void)
{
    static const char *const lines[][2] = {
        {"", "binary 34 00\n"},
        {"binary 20 00112233445566778899aabbccddeeff\n", ""},
        {"binary 18446744073709551615 00112233445566778899aabbccddeeff\n", ""},
        {"binary\n", ""},
        {"binary 20\n", ""},
        {"file /etc/passwd\n", "file /etc/passwd\n"},
        {"kernel direct 1 1\n", ""},
        {"sorce-hash 12\n", ""},
        {"\nprogram any/none.cl\n", ""},
    };
    char why[BUNDLE_WHY];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t size;
        char *bytes = make(lines[i][0], lines[i][1], &size);
        CU_ASSERT_PTR_NULL(open_copy(bytes, size, why));
        CU_ASSERT(why[0] != '\0');
        free(bytes);
    }
}

/* Manifests cut anywhere, or with a byte replaced, before they are packed: no crash, and what is accepted can be read. */
static void test_manifests(void)
{
    char whole[2048], why[BUNDLE_WHY];
    snprintf(whole, sizeof whole, manifest, "file missing.bin\n", "file missing.bin\n");
    for (size_t at = 0; whole[at] != '\0'; at++) {
        size_t size;
        char kept = whole[at];
        static const char others[] = {'\n', ' ', '#', 'x', '\0'};
        for (size_t i = 0; i < sizeof others; i++) {
            whole[at] = others[i];
            CU_ASSERT_PTR_NULL(bundle_pack(whole, "/nowhere", &size, why));
        }
        whole[at] = kept;
    }
}

const char test_suite_name[] = "bundle_damage";
const test_entry test_suite[] = {
    {"a sound one says what it holds", test_sound},
    {"a device is the one that each line names", test_device},
    {"each truncation and each flipped bit is refused", test_damage},
    {"so is what contradicts itself", test_contradictions},
    {"manifests that are not packed", test_manifests},
    {NULL, NULL},
};
