/* Scratch folders; see scratch.h. What fails here makes the test abort. */
#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void require(bool good, const char *what)
{
    if (good) return;
    perror(what);
    abort();
}

void scratch_open(scratch *s)
{
    *s = (scratch){.folder = "/tmp/clconv-test-XXXXXX", .old_stderr = -1};
    require(mkdtemp(s->folder) != NULL, "mkdtemp");
}

const char *scratch_path(scratch *s, const char *name)
{
    char path[sizeof s->paths[0]];
    require(snprintf(path, sizeof path, "%s/%s", s->folder, name) < (int)sizeof path, name);
    s->next_path = (s->next_path + 1) % 4;
    return memcpy(s->paths[s->next_path], path, sizeof path);
}

/* Calls unlink or rmdir on each entry if `remove_them`; returns how many there were. */
static int walk(const scratch *s, bool remove_them)
{
    int count = 0;
    DIR *folder = opendir(s->folder);
    require(folder != NULL, s->folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        count++;
        snprintf(path, sizeof path, "%s/%s", s->folder, entry->d_name);
        if (remove_them) require(remove(path) == 0, path);
    }
    closedir(folder);
    return count;
}

void scratch_close(scratch *s)
{
    walk(s, true);
    require(rmdir(s->folder) == 0, s->folder);
}

int scratch_count(const scratch *s)
{
    return walk(s, false);
}

const char *scratch_file(scratch *s, const char *name, const void *bytes, size_t count)
{
    const char *path = scratch_path(s, name);
    FILE *file = fopen(path, "wb");
    require(file != NULL, path);
    require(fwrite(bytes, 1, count, file) == count, path);
    require(fclose(file) == 0, path);
    return path;
}

char *scratch_load(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    require(fseek(file, 0, SEEK_END) == 0, path);
    *count = (size_t)ftell(file);
    rewind(file);
    char *bytes = calloc(*count + 1, 1);
    require(bytes != NULL && fread(bytes, 1, *count, file) == *count, path);
    fclose(file);
    return bytes;
}

void scratch_hush(scratch *s)
{
    fflush(stderr);
    s->old_stderr = dup(STDERR_FILENO);
    FILE *aside = tmpfile();
    require(s->old_stderr >= 0 && aside != NULL && dup2(fileno(aside), STDERR_FILENO) >= 0, "hush");
    fclose(aside); /* its descriptor lives on as stderr */
}

void scratch_listen(scratch *s)
{
    fflush(stderr);
    ssize_t got = pread(STDERR_FILENO, s->said, sizeof s->said - 1, 0);
    require(got >= 0 && dup2(s->old_stderr, STDERR_FILENO) >= 0, "listen");
    close(s->old_stderr);
    s->said[got] = '\0';
}

bool scratch_one_error(const scratch *s, const char *part)
{
    static const char start[] = "clconv: error: ";
    const char *end = strchr(s->said, '\n');
    bool good = strncmp(s->said, start, sizeof start - 1) == 0 && end != NULL && end[1] == '\0' &&
                strstr(s->said, part) != NULL;
    if (!good) fprintf(stderr, "\n  expected an error with '%s', got: %s\n", part, s->said);
    return good;
}
