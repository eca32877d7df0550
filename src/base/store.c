/* Entries in files: see store.h. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* flock() */
#include "base/store.h"

#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct store {
    int folder;
    int64_t limit;
};

static const char counts_name[] = "statistics", temporary[] = ".tmp";

store *store_open(const char *path, int64_t limit, char why[STORE_WHY], bool *is_unsafe)
{
    int folder = folder_open(path, why, is_unsafe);
    store *made = folder >= 0 ? malloc(sizeof *made) : NULL;
    if (made != NULL) {
        *made = (store){folder, limit};
    } else if (folder >= 0) {
        close(folder);
        snprintf(why, STORE_WHY, "no memory");
    }
    return made;
}

void store_close(store *s)
{
    if (s == NULL) return;
    close(s->folder);
    free(s);
}

static void name_of(const char *suffix, byte_span key, const char *end, char name[FOLDER_NAME])
{
    char sum[CHECKSUM_TEXT];
    checksum_text(key.bytes, key.size, sum);
    snprintf(name, FOLDER_NAME, "%s.%s%s", sum, suffix, end);
}

static const char *suffix_in(const char *name)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = strspn(name, digits);
    return length == CHECKSUM_TEXT - 1 && name[length] == '.' ? name + length + 1 : NULL;
}

/* A name that this file makes. */
static bool is_ours(const char *name)
{
    const char *suffix = suffix_in(name);
    if (suffix == NULL) return false;
    size_t letters = strspn(suffix, "abcdefghijklmnopqrstuvwxyz");
    return letters > 0 && (suffix[letters] == '\0' || strcmp(suffix + letters, temporary) == 0);
}

static bool is_temporary(const char *name)
{
    size_t length = strlen(name), end = sizeof temporary - 1;
    return length > end && strcmp(name + length - end, temporary) == 0;
}

void stored_release(stored *entry)
{
    free(entry->file);
    *entry = (stored){NULL};
}

static store_result read_entry(const store *s, int file, int64_t size, stored *entry)
{
    if (size > s->limit) return STORE_DAMAGED;
    char *bytes = folder_read(file, (size_t)size);
    if (bytes == NULL) return STORE_FAILED;
    stored made = {.file = bytes};
    if (!entry_parse((byte_span){bytes, (size_t)size}, &made.key, &made.content)) {
        free(bytes);
        return STORE_DAMAGED;
    }
    *entry = made;
    return STORE_FOUND;
}

store_result store_load(const store *s, const char *suffix, byte_span key, stored *entry)
{
    char name[FOLDER_NAME];
    int64_t size, used;
    stored found = {NULL};
    name_of(suffix, key, "", name);
    int file = folder_open_file(s->folder, name, &size, &used);
    if (file < 0) return errno == ENOENT ? STORE_ABSENT : STORE_FAILED;
    store_result result = read_entry(s, file, size, &found);
    if (result == STORE_FOUND && !byte_span_equals(found.key, key)) result = STORE_FOREIGN;
    if (result == STORE_FOUND) {
        (void)futimens(file, NULL);
        *entry = found;
    } else {
        stored_release(&found);
    }
    close(file);
    return result;
}

bool store_has(const store *s, const char *suffix, byte_span key)
{
    char name[FOLDER_NAME];
    struct stat st;
    name_of(suffix, key, "", name);
    return fstatat(s->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int by_use(const void *a, const void *b)
{
    const int64_t x = ((const folder_item *)a)->used, y = ((const folder_item *)b)->used;
    return x < y ? -1 : x > y;
}

/* What a process that was killed has left of its writing; not what one is writing now. */
static bool remove_leftover(const store *s, const char *name)
{
    int file = folder_lock(s->folder, name);
    if (file < 0) return false;
    bool is_gone = unlinkat(s->folder, name, 0) == 0;
    close(file);
    return is_gone;
}

static void evict(const store *s)
{
    size_t count = 0;
    folder_item *items = folder_list(s->folder, is_ours, &count);
    if (items == NULL) return;
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_temporary(items[i].name) && remove_leftover(s, items[i].name)) items[i].bytes = 0;
        total += items[i].bytes;
    }
    qsort(items, count, sizeof *items, by_use);
    for (size_t i = 0; i < count && total > s->limit; i++) {
        if (is_temporary(items[i].name) || unlinkat(s->folder, items[i].name, 0) != 0) continue;
        total -= items[i].bytes;
    }
    free(items);
}

bool store_save(const store *s, const char *suffix, byte_span key, byte_span content, bool lasts,
                char why[STORE_WHY])
{
    char from[FOLDER_NAME], to[FOLDER_NAME];
    size_t size = 0;
    bool is_saved = false;
    int file = -1;
    name_of(suffix, key, temporary, from);
    name_of(suffix, key, "", to);
    char *bytes = entry_format(key, content, &size);
    if (bytes == NULL || size > (size_t)s->limit) {
        snprintf(why, STORE_WHY, "%s", bytes == NULL ? "no memory" : "it is larger than the cache");
        goto done;
    }
    file = folder_lock(s->folder, from);
    if (file < 0) {
        snprintf(why, STORE_WHY, "another process writes it, or the folder cannot be written");
        goto done;
    }
    is_saved = folder_commit(s->folder, file, from, to, (byte_span){bytes, size}, lasts);
    if (!is_saved) snprintf(why, STORE_WHY, "%s", strerror(errno));
    if (is_saved) evict(s);
done:
    if (file >= 0) close(file);
    free(bytes);
    return is_saved;
}

void store_remove_name(const store *s, const char *name)
{
    if (is_ours(name)) (void)unlinkat(s->folder, name, 0);
}

void store_remove(const store *s, const char *suffix, byte_span key)
{
    char name[FOLDER_NAME];
    name_of(suffix, key, "", name);
    store_remove_name(s, name);
}

static int visit_item(const store *s, const folder_item *item, store_visitor visit, void *user)
{
    store_item seen = {.name = item->name, .bytes = item->bytes, .result = STORE_FAILED};
    stored entry = {NULL};
    char sum[CHECKSUM_TEXT];
    int file = folder_open_file(s->folder, item->name, &seen.bytes, &seen.used);
    if (file < 0 && errno == ENOENT) return 0; /* it went meanwhile */
    if (file >= 0) seen.result = read_entry(s, file, seen.bytes, &entry);
    if (seen.result == STORE_FOUND) {
        checksum_text(entry.key.bytes, entry.key.size, sum);
        if (strncmp(sum, item->name, CHECKSUM_TEXT - 1) != 0) seen.result = STORE_FOREIGN;
    }
    seen.key = entry.key;
    seen.content = entry.content;
    int ends = visit(user, &seen);
    if (file >= 0) close(file);
    stored_release(&entry);
    return ends;
}

bool store_visit(const store *s, const char *suffix, store_visitor visit, void *user)
{
    size_t count = 0;
    folder_item *items = folder_list(s->folder, is_ours, &count);
    if (items == NULL) return false;
    int ends = 0;
    for (size_t i = 0; i < count && ends == 0; i++)
        if (strcmp(suffix_in(items[i].name), suffix) == 0) ends = visit_item(s, &items[i], visit, user);
    free(items);
    return true;
}

int64_t store_clear(const store *s)
{
    size_t count = 0;
    folder_item *items = folder_list(s->folder, is_ours, &count);
    int64_t removed = 0;
    for (size_t i = 0; items != NULL && i < count; i++) {
        if (is_temporary(items[i].name))
            removed += remove_leftover(s, items[i].name);
        else
            removed += unlinkat(s->folder, items[i].name, 0) == 0;
    }
    free(items);
    (void)unlinkat(s->folder, counts_name, 0);
    return removed;
}

int store_hold(const store *s, const char *name)
{
    return folder_lock(s->folder, name);
}

void store_leave(int held)
{
    close(held);
}

int64_t store_limit(const store *s)
{
    return s->limit;
}

/* The number after `name` at the start of a line; 0 if there is none. */
static int64_t count_in(const char *text, const char *name)
{
    const char *found = text_line_value(text, name);
    long long value = found != NULL ? strtoll(found, NULL, 10) : 0;
    return value > 0 && value < INT64_MAX / 2 ? (int64_t)value : 0;
}

enum { COUNTS_SIZE = 2048 };

static void read_counts(int file, const char *const *names, int64_t *counts, int count)
{
    char text[COUNTS_SIZE];
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    for (int i = 0; i < count; i++)
        counts[i] += count_in(text, names[i]);
}

static void write_counts(int file, const char *const *names, const int64_t *counts, int count)
{
    char text[COUNTS_SIZE];
    int length = 0;
    for (int i = 0; i < count && length < COUNTS_SIZE - 128; i++)
        length +=
            snprintf(text + length, sizeof text - (size_t)length, "%.90s %" PRId64 "\n", names[i], counts[i]);
    if (ftruncate(file, 0) == 0 && pwrite(file, text, (size_t)length, 0) < 0) (void)ftruncate(file, 0);
}

/* Not for long, since a process that is stopped keeps its lock: what it would have added is then lost. */
static bool lock_soon(int file)
{
    enum { TRIES = 20 };
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < TRIES; i++) {
        if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

void store_count(const store *s, const char *const *names, int64_t *counts, int count)
{
    bool adds = false;
    for (int i = 0; i < count; i++)
        adds = adds || counts[i] != 0;
    int file = openat(s->folder, counts_name,
                      (adds ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (file < 0) return;
    bool is_held = lock_soon(file);
    if (is_held || !adds) read_counts(file, names, counts, count);
    if (is_held && adds) write_counts(file, names, counts, count);
    close(file);
}
