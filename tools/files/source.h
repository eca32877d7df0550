/* A tensor file that is being read: opened once, known to be a regular file, its size taken before anything
 * in it is believed; or a member of an archive, whose size has been checked against the archive's. Every function returns an exit status of tool.h and has reported its failure in one
 * line, "OPTION: 'PATH': what was found; the rule". */
#ifndef CLCONV_TOOLS_FILES_SOURCE_H
#define CLCONV_TOOLS_FILES_SOURCE_H

#include "common/tool.h"

typedef struct source source;

struct source {
    const char *name; /* the option that gave the path */
    const char *path;
    int file;     /* descriptor, owned; -1 of a member */
    int64_t size; /* bytes */
    /* Of a member: reads exactly so many bytes and returns an exit status. NULL of a file. */
    int (*read)(const source *s, void *to, int64_t bytes);
    void *archive; /* what `read` works on */
};

/* Pipes, folders and devices are refused: a size is needed to check a header against. */
int source_open(const char *name, const char *path, source *s);
void source_close(source *s);

/* Reads exactly `bytes` at the current position; a file that ends before is wrong use. */
int source_read(source *s, void *to, int64_t bytes);

/* Reports that the contents are wrong. What is not printable ASCII becomes '?'. Returns EXIT_WRONG_USE. */
int source_refuse(const source *s, const char *format, ...) TOOL_PRINTF(2, 3);

/* The same as a warning, "OPTION: 'PATH': text". */
void source_warn(const source *s, const char *format, ...) TOOL_PRINTF(2, 3);

/* Reports that reading failed, by errno. Returns EXIT_FAILED. */
int source_fail(const source *s);

#endif
