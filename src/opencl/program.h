/* Programs of one runtime: built from cl/ with options, kept until the runtime is released. A program is its
 * source and its options: it is built once, and all of its kernels are created from it. Thread-safe: who asks for
 * a program that another thread builds waits for it, and for no other. */
#ifndef CLCONV_OPENCL_PROGRAM_H
#define CLCONV_OPENCL_PROGRAM_H

#include "opencl/runtime.h"

/* What is known of a kernel of a program. */
typedef struct kernel_record kernel_record;

/* A kernel of the caller's own from cl/`source` built with `options`. *cold is its record while no kernel of
 * that program and name has been run in this context: then the caller should run it once, empty, and tell by
 * program_set_warm(). Else *cold is NULL. */
clconv_status program_get_kernel(runtime *rt, const char *source, const char *name, const char *options,
                                 cl_kernel *kernel, kernel_record **cold, clconv_error *err);

/* Whether such a program has been built in this context; and whether that kernel of it has been run. */
bool program_is_there(runtime *rt, const char *source, const char *options);
bool program_is_warm(runtime *rt, const char *source, const char *name, const char *options);

/* It has been run at this local size. Now the program is written to the cache on disk, or noted there. */
void program_set_warm(runtime *rt, kernel_record *cold, const size_t local[3]);

/* Whether the program came from the cache on disk or a bundle and nothing is known yet of what it computes; and what came of it. A
 * program that is not right leaves the context and the cache, and is built from source when it is next asked for. */
bool program_is_unproven(runtime *rt, const char *source, const char *options);
void program_prove(runtime *rt, const char *source, const char *options, bool is_right);

/* Writes it to the cache on disk, whatever the driver must compile for that; false if it is not there afterwards. */
bool program_save(runtime *rt, const char *source, const char *options);

/* Appends the binary of a program that has been built here, whatever the driver must compile for that; false if there is none. */
bool program_binary(runtime *rt, const char *source, const char *options, text *binary);

void program_release_all(program_entry *first);

#endif
