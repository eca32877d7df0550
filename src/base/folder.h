/* A folder that only its user can have written, by its descriptor: what store.c needs of POSIX for it. */
#ifndef CLCONV_BASE_FOLDER_H
#define CLCONV_BASE_FOLDER_H

#include "base/entry.h"

#include <stdint.h>

enum { FOLDER_NAME = 96, FOLDER_WHY = 512 };

/* The descriptor of the folder, made with its parents if it is not there; -1 and a reason. *is_unsafe: it is a symbolic
 * link, another user's, or open to others. */
int folder_open(const char *path, char why[FOLDER_WHY], bool *is_unsafe);

/* The same of a folder whose rights are its owner's business; made only if it is wished. */
int folder_open_any(const char *path, bool makes, char why[FOLDER_WHY]);
void folder_close(int folder);
void folder_remove(int folder, const char *name);

/* A regular file of the user's in it, opened to be read; -1 if there is none, or another error number in errno. */
int folder_open_file(int folder, const char *name, int64_t *size, int64_t *used);

/* The whole file from its start, to be freed; NULL if that cannot be had. */
char *folder_read(int file, size_t size);

bool folder_write(int file, byte_span bytes);

/* The file under this name, made if it is not there, locked; -1 if another process holds it or it cannot be made. It is
 * still the one of that name. */
int folder_lock(int folder, const char *name);

/* The same, tried for so long. */
int folder_lock_within(int folder, const char *name, double seconds);

/* Writes the bytes to the locked file named `from` and renames it to `to`, so that this is whole whenever the process ends;
 * `lasts`: when they are on the disk. False, and the reason in errno, if it could not; then nothing is left of `from`. */
bool folder_commit(int folder, int file, const char *from, const char *to, byte_span bytes, bool lasts);

typedef struct folder_item {
    char name[FOLDER_NAME];
    int64_t bytes, used;
} folder_item;

/* The regular files that `wants` accepts by name, to be freed; NULL if memory is out or it cannot be read. */
folder_item *folder_list(int folder, bool (*wants)(const char *name), size_t *count);

#endif
