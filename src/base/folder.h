/* A folder that only its user can have written, by its descriptor: what store.c needs of POSIX for it. */
#ifndef CLCONV_BASE_FOLDER_H
#define CLCONV_BASE_FOLDER_H

#include "base/entry.h"

#include <stdint.h>

enum { FOLDER_NAME = 96, FOLDER_WHY = 512 };

/* The descriptor of the folder, made with its parents if it is not there; -1 and a reason. *is_unsafe: it is a symbolic
 * link, another user's, or open to others. */
int folder_open(const char *path, char why[FOLDER_WHY], bool *is_unsafe);

/* A regular file of the user's in it, opened to be read; -1 if there is none, or another error number in errno. */
int folder_open_file(int folder, const char *name, int64_t *size, int64_t *used);

/* The whole file from its start, to be freed; NULL if that cannot be had. */
char *folder_read(int file, size_t size);

bool folder_write(int file, byte_span bytes);

/* The file under this name, made if it is not there, locked; -1 if another process holds it or it cannot be made. It is
 * still the one of that name. */
int folder_lock(int folder, const char *name);

typedef struct folder_item {
    char name[FOLDER_NAME];
    int64_t bytes, used;
} folder_item;

/* The regular files that `wants` accepts by name, to be freed; NULL if memory is out or it cannot be read. */
folder_item *folder_list(int folder, bool (*wants)(const char *name), size_t *count);

#endif
