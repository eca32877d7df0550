/* A folder for the files of one test, and what was said on stderr meanwhile. */
#ifndef CLCONV_TESTS_TOOLS_SCRATCH_H
#define CLCONV_TESTS_TOOLS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct scratch {
    char folder[64];
    char paths[4][128]; /* the latest four that were asked for */
    int next_path;
    int old_stderr;
    char said[4096];
} scratch;

void scratch_open(scratch *s);
void scratch_close(scratch *s); /* removes the folder with all that is in it */

/* A path in the folder; valid until four more were asked for. */
const char *scratch_path(scratch *s, const char *name);

/* Writes a file and returns its path. */
const char *scratch_file(scratch *s, const char *name, const void *bytes, size_t count);

/* The bytes of a file, terminated; the caller frees them. NULL if there is none. */
char *scratch_load(const char *path, size_t *count);

int scratch_count(const scratch *s); /* files in the folder */

/* stderr goes aside from hush to listen, which fills `said`. */
void scratch_hush(scratch *s);
void scratch_listen(scratch *s);

/* After listening: exactly one line was said, an error of the tool that holds `part`. */
bool scratch_one_error(const scratch *s, const char *part);

#endif
