/* Lists of layers to time: a CSV file read by its header, one problem text, or a short list of the tool's
 * own. */
#ifndef CLCONV_TOOLS_MEASURE_SUITE_H
#define CLCONV_TOOLS_MEASURE_SUITE_H

#include "common/tool.h"

typedef struct layer {
    char *network, *name; /* owned */
    clconv_problem problem;
} layer;

typedef struct suite {
    layer *layers; /* owned */
    size_t count;
} suite;

/* A zeroed suite may be released. */
void suite_release(suite *s);

/* Columns may come in any order, unknown ones are ignored; rows whose `transposed` is 1 are read for the
 * op transposed alone, and no others are then. Each returns an exit status of tool.h and has reported its failure. A row may break the rules of Conv3d: that
 * shows when it is planned. */
int suite_read(const char *path, clconv_op op, suite *s);
int suite_from_problem(const char *text, suite *s);
int suite_builtin(suite *s);

#endif
