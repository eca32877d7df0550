/* POSIX's side of folder.h. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* flock(), O_NOFOLLOW */
#include "base/folder.h"

#include "base/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Makes what is missing of the path. */
static bool make_folders(const char *path)
{
    enum { LONGEST = 4096 };
    char part[LONGEST];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) return false;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (mkdir(part, 0700) != 0 && errno != EEXIST && errno != EISDIR && access(part, F_OK) != 0)
            return false;
    }
    return true;
}

static const char *fault_of(int folder)
{
    struct stat st;
    if (fstat(folder, &st) != 0) return "cannot be looked at";
    if (st.st_uid != geteuid()) return "belongs to another user";
    return (st.st_mode & 077) != 0 ? "is open to other users (chmod 700 closes it)" : NULL;
}

int folder_open(const char *path, char why[FOLDER_WHY], bool *is_unsafe)
{
    *is_unsafe = false;
    if (!make_folders(path)) {
        snprintf(why, FOLDER_WHY, "folder '%.400s' cannot be made: %s", path, strerror(errno));
        return -1;
    }
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) {
        struct stat st;
        *is_unsafe = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
        snprintf(why, FOLDER_WHY, "folder '%.400s' %s", path,
                 *is_unsafe ? "is a symbolic link" : "cannot be opened");
        return -1;
    }
    const char *fault = fault_of(folder);
    if (fault == NULL) return folder;
    *is_unsafe = true;
    snprintf(why, FOLDER_WHY, "folder '%.400s' %s", path, fault);
    close(folder);
    return -1;
}

int folder_open_any(const char *path, bool makes, char why[FOLDER_WHY])
{
    int folder = !makes || make_folders(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder < 0) snprintf(why, FOLDER_WHY, "folder '%.400s': %s", path, strerror(errno));
    return folder;
}

void folder_close(int folder)
{
    close(folder);
}

void folder_remove(int folder, const char *name)
{
    (void)unlinkat(folder, name, 0);
}

int folder_open_file(int folder, const char *name, int64_t *size, int64_t *used)
{
    /* A pipe is not waited for. */
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (file < 0) return -1;
    if (fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid()) {
        *size = (int64_t)st.st_size;
        *used = (int64_t)st.st_mtime;
        return file;
    }
    close(file);
    errno = EPERM;
    return -1;
}

char *folder_read(int file, size_t size)
{
    char *bytes = malloc(size + 1);
    size_t done = 0;
    while (bytes != NULL && done < size) {
        ssize_t got = read(file, bytes + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got > 0) {
            done += (size_t)got;
            continue;
        }
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

bool folder_write(int file, byte_span bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t put = write(file, bytes.bytes + done, bytes.size - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        done += (size_t)put;
    }
    return true;
}

static bool is_named(int folder, const char *name, int file)
{
    struct stat own, named;
    return fstat(file, &own) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(own.st_mode) && own.st_uid == geteuid() && own.st_ino == named.st_ino &&
           own.st_dev == named.st_dev;
}

int folder_lock(int folder, const char *name)
{
    int file = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    /* Who held it before may have renamed it between the two calls. */
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_named(folder, name, file)) return file;
    close(file);
    return -1;
}

int folder_lock_within(int folder, const char *name, double seconds)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int file = folder_lock(folder, name);
    for (double end = clock_seconds() + seconds; file < 0 && clock_seconds() < end;) {
        nanosleep(&pause, NULL);
        file = folder_lock(folder, name);
    }
    return file;
}

bool folder_commit(int folder, int file, const char *from, const char *to, byte_span bytes, bool lasts)
{
    bool is_written = ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0 && folder_write(file, bytes) &&
                      (!lasts || fsync(file) == 0);
    if (is_written && renameat(folder, from, folder, to) == 0) return true;
    int code = errno;
    (void)unlinkat(folder, from, 0);
    errno = code;
    return false;
}

static bool add(folder_item **items, size_t *count, size_t *room, int folder, const char *name)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return true;
    if (*count == *room) {
        size_t more = 2 * *room;
        folder_item *grown = realloc(*items, more * sizeof **items);
        if (grown == NULL) return false;
        *items = grown;
        *room = more;
    }
    folder_item *item = &(*items)[(*count)++];
    *item = (folder_item){.bytes = (int64_t)st.st_size, .used = (int64_t)st.st_mtime};
    snprintf(item->name, sizeof item->name, "%s", name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const folder_item *)a)->name, ((const folder_item *)b)->name);
}

folder_item *folder_list(int folder, bool (*wants)(const char *name), size_t *count)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = again >= 0 ? fdopendir(again) : NULL;
    size_t found = 0, room = 64;
    folder_item *items = stream != NULL ? calloc(room, sizeof *items) : NULL;
    bool ok = items != NULL;
    for (struct dirent *e; ok && (e = readdir(stream)) != NULL;)
        if (strlen(e->d_name) < FOLDER_NAME && wants(e->d_name))
            ok = add(&items, &found, &room, folder, e->d_name);
    if (stream != NULL)
        closedir(stream);
    else if (again >= 0)
        close(again);
    if (!ok) {
        free(items);
        return NULL;
    }
    qsort(items, found, sizeof *items, by_name);
    *count = found;
    return items;
}
