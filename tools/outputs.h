/* The output files of one command: each is written whole under a temporary name beside its place; all are
 * renamed together at the end. After any error there is no new file and old ones are untouched. */
#ifndef CLCONV_TOOLS_OUTPUTS_H
#define CLCONV_TOOLS_OUTPUTS_H

#include "tensor.h"

typedef struct outputs outputs; /* zero files at first */

outputs *outputs_create(void); /* NULL if memory is out */

/* Checks at once, before any work is done, that `path` can be written: its folder exists and is writable, it
 * is no folder, it differs from the other outputs, its ending is one that the tool can write. `name` is the
 * option, for messages. */
int outputs_claim(outputs *set, const char *name, const char *path);

/* Writes the tensor to the temporary file of a claimed path (.npy, .nii, .nii.gz by its ending). */
int outputs_write_tensor(outputs *set, const char *path, const tensor *t);

/* Opens the temporary file of a claimed path for a writer of another kind (a picture); closed by
 * outputs_close(), which reports a write error. */
int outputs_open(outputs *set, const char *path, void **file /* FILE * */);
int outputs_close(outputs *set, const char *path);

/* Renames all. If one fails, the others are undone as far as the system allows, and it is reported. */
int outputs_commit(outputs *set);

/* Removes temporary files that were not committed; NULL is ignored. */
void outputs_release(outputs *set);

#endif
