/* Names of files, as outputs need them. What is returned as char * belongs to the caller; NULL if memory is out. */
#ifndef CLCONV_TOOLS_PATHS_H
#define CLCONV_TOOLS_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/* Where the last part of a path begins. */
size_t paths_folder_length(const char *path);

/* "FOLDER/.clconv-PID-NUMBER.KIND" beside `target`. */
char *paths_beside(const char *target, const char *kind, int number);

/* Where a path leads: through links, also to a file that is not there yet. */
char *paths_follow(const char *path);

/* Whether two paths that links have been followed of name one file: their last parts are equal and their folders are one. */
bool paths_are_one_file(const char *a, const char *b);

#endif
