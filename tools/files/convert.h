/* Numbers as files store them, made float32 or float64. What that cannot keep is counted: integers of more
 * significant bits than the result has, which are rounded to nearest, and values beyond its range, which
 * become infinite. */
#ifndef CLCONV_TOOLS_FILES_CONVERT_H
#define CLCONV_TOOLS_FILES_CONVERT_H

#include "files/source.h"

#include <stdbool.h>

typedef enum element_type {
    ELEMENT_BOOL, /* a byte; all but 0 is true */
    ELEMENT_INT8,
    ELEMENT_INT16,
    ELEMENT_INT32,
    ELEMENT_INT64,
    ELEMENT_UINT8,
    ELEMENT_UINT16,
    ELEMENT_UINT32,
    ELEMENT_UINT64,
    ELEMENT_FLOAT16, /* IEEE 754's */
    ELEMENT_FLOAT32,
    ELEMENT_FLOAT64,
    ELEMENT_NONE /* any other type */
} element_type;

/* Bytes; 0 of ELEMENT_NONE. */
int element_width(element_type type);

enum { CONVERSION_MOST = 4096 };

typedef struct conversion {
    element_type from;
    bool swapped; /* the bytes lie in the order that is not the machine's */
    clconv_dtype to;
    bool scaled; /* a value v becomes v * slope + intercept, in double */
    double slope, intercept;
    int64_t values, rounded, infinite; /* so far */
} conversion;

/* Converts `count` elements, CONVERSION_MOST at most. `raw` may lie at any address and is overwritten. */
void conversion_run(conversion *c, void *raw, void *to, int64_t count);

/* One line on standard error if anything was lost. */
void conversion_warn(const conversion *c, const source *s);

#endif
