/* The output files of one command: each is written whole beside its place, without a name where the file system can do
 * that, else under a temporary one; all get their names together at the end. After any error, and however the process
 * ends, there is no new file and old ones are untouched; a temporary name may stay where the process is killed while it
 * has one. What replaces a file has its mode. A path that is a symbolic link is followed. Functions that return an
 * int return an exit status and have reported their failure. */
#ifndef CLCONV_TOOLS_FILES_OUTPUTS_H
#define CLCONV_TOOLS_FILES_OUTPUTS_H

#include "files/tensor.h"

#include <stdio.h>

typedef struct outputs outputs; /* zero files at first; one at a time is watched for signals */

outputs *outputs_create(void); /* NULL if memory is out */

/* From here on outputs of the set have temporary names, as where files without one cannot be. */
void outputs_name_all(outputs *set);

/* Checks at once, before any work is done, that a tensor can be written to `path`, by making its temporary
 * file: its folder exists and is writable, it is no folder, it differs from the other outputs, it ends in
 * .npy, .nii or .nii.gz. `name` is the option, for messages; both strings must outlive the set. */
int outputs_claim(outputs *set, const char *name, const char *path);

/* The same for a picture, which ends in .png. */
int outputs_claim_picture(outputs *set, const char *name, const char *path);

/* Checks, before the work, that a tensor of this shape fits the kind of file that `path` names (NIfTI has
 * rules, .npy has none). */
int outputs_check_shape(const outputs *set, const char *path, int rank, const int64_t *shape);

/* Gives a tensor whose type, shape and volume are set its memory, for an output: host memory, or if it is large and not
 * compressed the file itself. */
int outputs_create_tensor(outputs *set, const char *path, tensor *t);

/* Writes the tensor to the temporary file of a claimed path; one that outputs_create_tensor() has put there is. */
int outputs_write_tensor(outputs *set, const char *path, const tensor *t);

/* The temporary file of a claimed path for a writer of another kind (a picture); it stays the set's. NULL if
 * the path was not claimed. outputs_close() ends the writing and reports an error of it. */
FILE *outputs_open(outputs *set, const char *path);
int outputs_close(outputs *set, const char *path);

/* Renames all that were written. If one fails, the others are undone as far as the system allows. */
int outputs_commit(outputs *set);

/* Removes temporary files that were not committed; NULL is ignored. */
void outputs_release(outputs *set);

#endif
