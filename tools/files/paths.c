/* Names of files: see paths.h. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): for realpath() */
#define _GNU_SOURCE
#include "files/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t paths_folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

char *paths_beside(const char *target, const char *kind, int number)
{
    size_t folder = paths_folder_length(target), room = folder + 64;
    char *name = malloc(room);
    if (name == NULL) return NULL;
    snprintf(name, room, "%.*s.clconv-%ld-%d.%s", (int)folder, target, (long)getpid(), number, kind);
    return name;
}

bool paths_are_one_file(const char *a, const char *b)
{
    struct stat of[2];
    const char *paths[2] = {a, b};
    if (strcmp(a + paths_folder_length(a), b + paths_folder_length(b)) != 0) return false;
    for (int i = 0; i < 2; i++) {
        size_t length = paths_folder_length(paths[i]);
        char *folder = length == 0 ? strdup(".") : strndup(paths[i], length);
        int result = folder == NULL ? -1 : stat(folder, &of[i]);
        free(folder);
        if (result != 0) return false;
    }
    return of[0].st_dev == of[1].st_dev && of[0].st_ino == of[1].st_ino;
}

char *paths_follow(const char *path)
{
    enum { MOST_LINKS = 40 };
    char *target = realpath(path, NULL);
    if (target != NULL) return target;
    target = strdup(path);
    for (int i = 0; i < MOST_LINKS && target != NULL; i++) {
        char to[4096];
        ssize_t length = readlink(target, to, sizeof to - 1);
        if (length <= 0) break;
        to[length] = '\0';
        size_t folder = to[0] == '/' ? 0 : paths_folder_length(target);
        char *next = malloc(folder + (size_t)length + 1);
        if (next != NULL) snprintf(next, folder + (size_t)length + 1, "%.*s%s", (int)folder, target, to);
        free(target);
        target = next;
    }
    return target;
}
