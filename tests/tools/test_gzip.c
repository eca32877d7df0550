/* Compression: zlib, which knows nothing of how a file was made, must read one member that ends where the file
 * does, and its very bytes; the number of threads must not show. */
#include "files/deflate.h"
#include "files/gzip.h"
#include "harness.h"

#include <errno.h>
#include <libdeflate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char test_suite_name[] = "tools/gzip";

enum { JOB = 1 << 20, KINDS = 9 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void fill_floats(unsigned char *data, size_t bytes, double step)
{
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        float value = (float)sin(step * (double)i);
        memcpy(data + i, &value, 4);
    }
}

/* Data of several kinds: what compresses away, what does not at all, and what volumes look like. */
static void fill(unsigned char *data, size_t bytes, int kind, uint32_t seed)
{
    memset(data, 0, bytes);
    if (kind == 1) fill_floats(data, bytes, 1e-4);
    if (kind == 2) fill_floats(data, bytes, 1);
    if (kind == 3) fill_floats(data, bytes / 3, 1e-2);
    for (size_t i = 0; i < bytes && kind >= 4; i++) {
        uint32_t random = next_random(&seed);
        data[i] = (unsigned char)(kind == 4   ? random
                                  : kind == 5 ? random & random >> 8 & random >> 16
                                  : kind == 6 ? random % 2
                                  : kind == 7 ? i % 4
                                              : i * i / (1 + i / 5000) % (random % 64 + 1));
    }
}

/* Inflates what is one whole stream of `window` bits, and nothing after it, to the data. */
static bool inflates_to(const unsigned char *from, size_t count, int window, const unsigned char *data,
                        size_t bytes)
{
    unsigned char *got = malloc(bytes + 1);
    z_stream s = {.next_in = (Bytef *)(uintptr_t)from,
                  .avail_in = (unsigned)count,
                  .next_out = got,
                  .avail_out = (unsigned)bytes + 1};
    bool good = got != NULL && inflateInit2(&s, window) == Z_OK;
    good = good && inflate(&s, Z_FINISH) == Z_STREAM_END && s.avail_in == 0 && s.total_out == bytes &&
           memcmp(got, data, bytes) == 0;
    inflateEnd(&s);
    free(got);
    return good;
}

/* A piece with the end of a stream behind it. */
static bool piece_is_right(struct libdeflate_compressor *c, const unsigned char *data, size_t bytes)
{
    static const unsigned char end[2] = {3, 0};
    unsigned char *made = malloc(deflate_room(bytes) + sizeof end);
    size_t count = deflate_piece(c, data, bytes, made);
    bool good = count <= deflate_room(bytes);
    memcpy(made + count, end, sizeof end);
    good = good && inflates_to(made, count + sizeof end, -MAX_WBITS, data, bytes);
    free(made);
    return good;
}

static void a_piece_of_anything_can_be_joined(void)
{
    static const size_t sizes[] = {
        0, 1, 2, 3, 7, 64, 100, 255, 1000, 4095, 10001, DEFLATE_PIECE - 1, DEFLATE_PIECE};
    unsigned char data[DEFLATE_PIECE];
    for (int level = 1; level <= 9; level += 4) {
        struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
        for (int kind = 0; kind < KINDS; kind++) {
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                fill(data, sizes[i], kind, (uint32_t)i);
                CU_ASSERT(piece_is_right(c, data, sizes[i]));
            }
        }
        libdeflate_free_compressor(c);
    }
}

/* Ends of every length in bits, and codes of many shapes. */
static void blocks_that_end_anywhere_can_be_joined(void)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(2);
    unsigned char data[DEFLATE_PIECE];
    uint32_t state = 7;
    for (int i = 0; i < 3000; i++) {
        size_t bytes = next_random(&state) % 600 + 1;
        fill(data, bytes, 4 + (int)(next_random(&state) % 5), state);
        for (size_t j = 0; j < bytes; j++)
            data[j] = (unsigned char)(data[j] % (i % 40 + 1));
        CU_ASSERT(piece_is_right(c, data, bytes));
    }
    libdeflate_free_compressor(c);
}

/* Two halves that are nothing like each other, which libdeflate would make two blocks of. */
static void a_piece_of_several_blocks_is_cut(void)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    unsigned char data[4 * DEFLATE_PIECE], made[sizeof data];
    fill(data, sizeof data / 2, 1, 1);
    fill(data + sizeof data / 2, sizeof data / 2, 6, 1);
    size_t count = libdeflate_deflate_compress(c, data, sizeof data, made, sizeof made);
    CU_ASSERT_FATAL(count > 0 && (made[0] & 1) == 0);
    CU_ASSERT(piece_is_right(c, data, sizeof data));
    libdeflate_free_compressor(c);
}

/* Writes two parts; the file's bytes, or NULL. */
static unsigned char *write_parts(const unsigned char *data, size_t first, size_t bytes, int threads,
                                  size_t *count)
{
    FILE *file = tmpfile();
    const gzip_part parts[] = {{data, (int64_t)first}, {data + first, (int64_t)(bytes - first)}};
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT(gzip_write(file, parts, 2, threads));
    *count = (size_t)ftell(file);
    rewind(file);
    unsigned char *made = malloc(*count);
    CU_ASSERT_EQUAL(fread(made, 1, *count, file), *count);
    fclose(file);
    return made;
}

static void a_file_is_one_member_whatever_the_threads(void)
{
    static const size_t sizes[] = {0, 1, 352, 20000, JOB - 1, JOB, JOB + 1, 9 * JOB + 12345};
    unsigned char *data = malloc(10 * JOB);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t bytes = sizes[i], first = bytes < 352 ? bytes : 352, counts[4];
        for (size_t at = 0; at < bytes; at += 100000)
            fill(data + at, bytes - at < 100000 ? bytes - at : 100000, (int)(at / 100000 % KINDS), 1);
        unsigned char *made[4];
        static const int threads[4] = {1, 2, 5, 0};
        for (int j = 0; j < 4; j++)
            made[j] = write_parts(data, first, bytes, threads[j], &counts[j]);
        CU_ASSERT(inflates_to(made[0], counts[0], MAX_WBITS + 16, data, bytes));
        for (int j = 1; j < 4; j++)
            CU_ASSERT(counts[j] == counts[0] && memcmp(made[j], made[0], counts[0]) == 0);
        for (int j = 0; j < 4; j++)
            free(made[j]);
    }
    free(data);
}

/* Against zlib at level 6, on what a filtered volume looks like: smooth values beside zeros. */
static void a_file_is_about_as_small_as_gzip_makes_it(void)
{
    uLong bytes = 4 * JOB, room = compressBound(bytes);
    size_t count = 0;
    unsigned char *data = malloc(bytes), *other = malloc(room);
    for (size_t at = 0; at < bytes; at += 200000)
        fill(data + at, bytes - at < 200000 ? bytes - at : 200000, 3, 1);
    unsigned char *made = write_parts(data, 352, bytes, 0, &count);
    CU_ASSERT_EQUAL(compress2(other, &room, data, bytes, 6), Z_OK);
    CU_ASSERT((double)count < 1.05 * (double)room);
    free(made);
    free(other);
    free(data);
}

static void a_full_disk_is_told(void)
{
    unsigned char *data = malloc(8 * JOB);
    const gzip_part part = {data, 8 * JOB};
    fill(data, 8 * JOB, 4, 1);
    for (int threads = 1; threads <= 3; threads++) {
        FILE *full = fopen("/dev/full", "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(full);
        errno = 0;
        CU_ASSERT_FALSE(gzip_write(full, &part, 1, threads));
        CU_ASSERT_EQUAL(errno, ENOSPC);
        fclose(full);
    }
    free(data);
}

const test_entry test_suite[] = {
    {"a piece of anything can be joined", a_piece_of_anything_can_be_joined},
    {"blocks that end anywhere can be joined", blocks_that_end_anywhere_can_be_joined},
    {"a piece of several blocks is cut", a_piece_of_several_blocks_is_cut},
    {"a file is one member whatever the threads", a_file_is_one_member_whatever_the_threads},
    {"a file is about as small as gzip makes it", a_file_is_about_as_small_as_gzip_makes_it},
    {"a full disk is told", a_full_disk_is_told},
    {NULL, NULL}};
