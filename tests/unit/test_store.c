/* The store of entries without OpenCL: what was damaged, swapped or is not safe is never given out, and only what is the
 * store's own is removed. */
#define _XOPEN_SOURCE 700
#include "base/store.h"
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT = 1 << 20, LONGEST_PATH = 512 };

static const char suffix[] = "program";

/* A store in a folder of its own, and the path of the first entry's file. */
typedef struct fixture {
    char folder[64], why[STORE_WHY];
    store *store;
} fixture;

static void fixture_open(fixture *f, int64_t limit)
{
    bool is_unsafe;
    *f = (fixture){.folder = "/tmp/clconv-test-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->folder));
    f->store = store_open(f->folder, limit, f->why, &is_unsafe);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f->store);
}

static void fixture_close(fixture *f)
{
    char path[LONGEST_PATH];
    DIR *stream = opendir(f->folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    for (struct dirent *e; stream != NULL && (e = readdir(stream)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", f->folder, e->d_name);
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
    if (stream != NULL) closedir(stream);
    store_close(f->store);
    CU_ASSERT_EQUAL(rmdir(f->folder), 0);
}

static bool save(fixture *f, const char *key, const char *content)
{
    return store_save(f->store, suffix, byte_span_of(key), byte_span_of(content), true, f->why);
}

/* What a load of the key gives; what it found must be `content`. */
static store_result load(const fixture *f, const char *key, const char *content)
{
    stored entry = {NULL};
    store_result result = store_load(f->store, suffix, byte_span_of(key), &entry);
    if (result == STORE_FOUND) CU_ASSERT(byte_span_equals(entry.content, byte_span_of(content)));
    if (result != STORE_FOUND) CU_ASSERT_PTR_NULL(entry.file);
    stored_release(&entry);
    return result;
}

static void path_of(const fixture *f, const char *key, char path[LONGEST_PATH])
{
    char sum[CHECKSUM_TEXT];
    checksum_text(key, strlen(key), sum);
    snprintf(path, LONGEST_PATH, "%s/%s.%s", f->folder, sum, suffix);
}

static size_t read_file(const char *path, char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void test_round_trip(void)
{
    fixture f;
    fixture_open(&f, LIMIT);
    CU_ASSERT_EQUAL(load(&f, "key", ""), STORE_ABSENT);
    CU_ASSERT(save(&f, "key", "content"));
    CU_ASSERT(save(&f, "other key", ""));
    CU_ASSERT_EQUAL(load(&f, "key", "content"), STORE_FOUND);
    CU_ASSERT_EQUAL(load(&f, "other key", ""), STORE_FOUND);
    CU_ASSERT(save(&f, "key", "new content"));
    CU_ASSERT_EQUAL(load(&f, "key", "new content"), STORE_FOUND);
    CU_ASSERT(store_has(f.store, suffix, byte_span_of("key")));
    CU_ASSERT(!store_has(f.store, "wanted", byte_span_of("key")));
    store_remove(f.store, suffix, byte_span_of("key"));
    CU_ASSERT_EQUAL(load(&f, "key", ""), STORE_ABSENT);
    CU_ASSERT_EQUAL(load(&f, "other key", ""), STORE_FOUND);
    fixture_close(&f);
}

/* Every length short of the whole, and one more byte; every byte, one bit of it or all. */
static void test_damage(void)
{
    static const char key[] = "device A\ndriver 1.2",
                      content[] = "a program of a device, as its driver gave it";
    fixture f;
    char path[LONGEST_PATH], bytes[512];
    fixture_open(&f, LIMIT);
    CU_ASSERT_FATAL(save(&f, key, content));
    path_of(&f, key, path);
    size_t size = read_file(path, bytes, sizeof bytes);
    CU_ASSERT_EQUAL(size, ENTRY_HEADER + strlen(key) + strlen(content));
    for (size_t length = 0; length <= size + 1; length++) {
        write_file(path, bytes, length);
        CU_ASSERT_EQUAL(load(&f, key, content), length == size ? STORE_FOUND : STORE_DAMAGED);
    }
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit <= 8; bit++) {
            const char right = bytes[i];
            bytes[i] = (char)(right ^ (bit == 8 ? 0xff : 1 << bit));
            write_file(path, bytes, size);
            CU_ASSERT_EQUAL(load(&f, key, content), STORE_DAMAGED);
            bytes[i] = right;
        }
    }
    CU_ASSERT(save(&f, key, content));
    CU_ASSERT_EQUAL(load(&f, key, content), STORE_FOUND);
    fixture_close(&f);
}

/* Lengths that add up to the file's only modulo 2^64. */
static void test_huge_lengths(void)
{
    size_t size = 0;
    char *file = entry_format(byte_span_of("key"), byte_span_of("content"), &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    if (file == NULL) return;
    byte_span key, content;
    CU_ASSERT(entry_parse((byte_span){file, size}, &key, &content));
    for (int i = 0; i < 8; i++)
        file[8 + CHECKSUM_SIZE + i] = (char)0xff; /* the key's length: -1 */
    file[8 + CHECKSUM_SIZE + 8] = 11;             /* the content's: what is left, and one */
    checksum_of(file + 8 + CHECKSUM_SIZE, size - 8 - CHECKSUM_SIZE, (unsigned char *)file + 8);
    CU_ASSERT(!entry_parse((byte_span){file, size}, &key, &content));
    free(file);
}

static void test_swapped(void)
{
    fixture f;
    char a[LONGEST_PATH], b[LONGEST_PATH], c[LONGEST_PATH];
    fixture_open(&f, LIMIT);
    CU_ASSERT(save(&f, "a", "content of a"));
    CU_ASSERT(save(&f, "b", "content of b"));
    path_of(&f, "a", a);
    path_of(&f, "b", b);
    path_of(&f, "c", c);
    CU_ASSERT(rename(a, c) == 0 && rename(b, a) == 0 && rename(c, b) == 0);
    CU_ASSERT_EQUAL(load(&f, "a", ""), STORE_FOREIGN);
    CU_ASSERT_EQUAL(load(&f, "b", ""), STORE_FOREIGN);
    fixture_close(&f);
}

/* Entries that are no regular files: not read, not waited for. */
static void test_links(void)
{
    fixture f;
    char path[LONGEST_PATH], other[LONGEST_PATH];
    fixture_open(&f, LIMIT);
    CU_ASSERT(save(&f, "key", "content"));
    path_of(&f, "key", path);
    snprintf(other, sizeof other, "%s/elsewhere", f.folder);
    CU_ASSERT(rename(path, other) == 0 && symlink(other, path) == 0);
    CU_ASSERT_EQUAL(load(&f, "key", ""), STORE_FAILED);
    CU_ASSERT(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CU_ASSERT_EQUAL(load(&f, "key", ""), STORE_FAILED);
    fixture_close(&f);
}

static void expect_unsafe(const char *path, const char *word)
{
    char why[STORE_WHY] = "";
    bool is_unsafe = false;
    CU_ASSERT_PTR_NULL(store_open(path, LIMIT, why, &is_unsafe));
    CU_ASSERT(is_unsafe);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
}

static void test_unsafe_folders(void)
{
    fixture f;
    char path[LONGEST_PATH], why[STORE_WHY];
    bool is_unsafe = true;
    fixture_open(&f, LIMIT);
    for (int bit = 0; bit < 6; bit++) {
        CU_ASSERT_EQUAL(chmod(f.folder, (mode_t)(0700 | 1 << bit)), 0);
        expect_unsafe(f.folder, "open to other users");
    }
    CU_ASSERT_EQUAL(chmod(f.folder, 0700), 0);
    snprintf(path, sizeof path, "%s/link", f.folder);
    CU_ASSERT_EQUAL(symlink(f.folder, path), 0);
    expect_unsafe(path, "symbolic link");
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chown(f.folder, 65534, (gid_t)-1), 0);
        expect_unsafe(f.folder, "another user");
        CU_ASSERT_EQUAL(chown(f.folder, 0, (gid_t)-1), 0);
    }
    snprintf(path, sizeof path, "%s/file", f.folder);
    write_file(path, "", 0);
    CU_ASSERT_PTR_NULL(store_open(path, LIMIT, why, &is_unsafe));
    CU_ASSERT(!is_unsafe);
    fixture_close(&f);
}

static void test_made_with_parents(void)
{
    fixture f;
    char path[LONGEST_PATH], why[STORE_WHY];
    bool is_unsafe;
    struct stat st;
    fixture_open(&f, LIMIT);
    snprintf(path, sizeof path, "%s/a/b", f.folder);
    store *made = store_open(path, LIMIT, why, &is_unsafe);
    CU_ASSERT_PTR_NOT_NULL(made);
    store_close(made);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/a", f.folder);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    fixture_close(&f);
}

static void set_age(const fixture *f, const char *key, time_t seconds)
{
    char path[LONGEST_PATH];
    const struct timespec then[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    path_of(f, key, path);
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* What was not used for longest goes, and nothing that is not the store's. */
static void test_eviction(void)
{
    fixture f;
    char content[301], path[LONGEST_PATH];
    memset(content, 'x', 300);
    content[300] = '\0';
    fixture_open(&f, 1100);
    snprintf(path, sizeof path, "%s/letters.txt", f.folder);
    write_file(path, content, 300);
    CU_ASSERT(save(&f, "a", content) && save(&f, "b", content) && save(&f, "c", content));
    set_age(&f, "a", 1000);
    set_age(&f, "b", 2000);
    set_age(&f, "c", 3000);
    CU_ASSERT_EQUAL(load(&f, "a", content), STORE_FOUND); /* used now */
    CU_ASSERT(save(&f, "d", content));
    CU_ASSERT_EQUAL(load(&f, "b", content), STORE_ABSENT);
    CU_ASSERT_EQUAL(load(&f, "a", content), STORE_FOUND);
    CU_ASSERT_EQUAL(load(&f, "c", content), STORE_FOUND);
    CU_ASSERT_EQUAL(load(&f, "d", content), STORE_FOUND);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    char large[1200];
    memset(large, 'y', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    CU_ASSERT(!save(&f, "large", large));
    CU_ASSERT_EQUAL(load(&f, "a", content), STORE_FOUND);
    CU_ASSERT_EQUAL(store_clear(f.store), 3);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    fixture_close(&f);
}

/* A temporary file without a writer is taken over, and goes with the next entry; one under a lock is left alone. */
static void test_leftovers(void)
{
    fixture f;
    char path[LONGEST_PATH], other[LONGEST_PATH];
    fixture_open(&f, LIMIT);
    path_of(&f, "a", path);
    snprintf(path + strlen(path), sizeof path - strlen(path), ".tmp");
    path_of(&f, "b", other);
    snprintf(other + strlen(other), sizeof other - strlen(other), ".tmp");
    write_file(path, "half of", 7);
    write_file(other, "half of", 7);
    CU_ASSERT(save(&f, "a", "content"));
    CU_ASSERT_EQUAL(load(&f, "a", "content"), STORE_FOUND);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(other, F_OK), 0);
    fixture_close(&f);
}

typedef struct seen {
    int found, damaged, foreign;
} seen;

static int note(void *user, const store_item *item)
{
    seen *s = user;
    s->found += item->result == STORE_FOUND;
    s->damaged += item->result == STORE_DAMAGED;
    s->foreign += item->result == STORE_FOREIGN;
    if (item->result == STORE_FOUND) CU_ASSERT(byte_span_equals(item->key, byte_span_of("a")));
    return 0;
}

static void test_visit(void)
{
    fixture f;
    char a[LONGEST_PATH], b[LONGEST_PATH], bytes[256];
    seen s = {0, 0, 0};
    fixture_open(&f, LIMIT);
    CU_ASSERT(save(&f, "a", "content"));
    path_of(&f, "a", a);
    path_of(&f, "b", b);
    size_t size = read_file(a, bytes, sizeof bytes);
    write_file(b, bytes, size);
    path_of(&f, "c", b);
    write_file(b, bytes, size - 1);
    CU_ASSERT(store_visit(f.store, suffix, note, &s));
    CU_ASSERT(s.found == 1 && s.damaged == 1 && s.foreign == 1);
    fixture_close(&f);
}

static void test_counts(void)
{
    static const char *const names[] = {"hits", "misses"};
    fixture f;
    char path[LONGEST_PATH];
    fixture_open(&f, LIMIT);
    int64_t none[2] = {0, 0}, some[2] = {3, 4}, more[2] = {1, 0};
    store_count(f.store, names, none, 2);
    CU_ASSERT(none[0] == 0 && none[1] == 0);
    store_count(f.store, names, some, 2);
    store_count(f.store, names, more, 2);
    CU_ASSERT(more[0] == 4 && more[1] == 4);
    snprintf(path, sizeof path, "%s/statistics", f.folder);
    write_file(path, "hits 99999999999999999999\nmiss", 30);
    int64_t after[2] = {1, 1};
    store_count(f.store, names, after, 2);
    CU_ASSERT(after[0] == 1 && after[1] == 1);
    fixture_close(&f);
}

const char test_suite_name[] = "store";
const test_entry test_suite[] = {
    {"what was saved is found", test_round_trip},
    {"every truncation and flipped byte is noticed", test_damage},
    {"lengths that overflow are noticed", test_huge_lengths},
    {"swapped entries are noticed", test_swapped},
    {"links and pipes are not read", test_links},
    {"folders that are not the user's alone are refused", test_unsafe_folders},
    {"a folder is made with its parents", test_made_with_parents},
    {"what was used least recently goes", test_eviction},
    {"what killed writers left goes", test_leftovers},
    {"a visit checks every entry", test_visit},
    {"counts add up", test_counts},
    {NULL, NULL},
};
