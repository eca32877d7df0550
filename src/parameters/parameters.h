/* The tunable parameters of an algorithm: their names and legal ranges (constant), and a set of values within
 * them. */
#ifndef CLCONV_PARAMETERS_PARAMETERS_H
#define CLCONV_PARAMETERS_PARAMETERS_H

#include "base/text.h"
#include "clconv.h"

enum { PARAMETER_MAX = 8 };

typedef struct parameter_range {
    const char *name;
    int64_t minimum, maximum;
    bool power_of_two;
} parameter_range;

/* values[i] belongs to ranges[i] of the algorithm; ranges end in a NULL name. */
typedef struct parameter_set {
    int64_t values[PARAMETER_MAX];
} parameter_set;

/* Applies "name=value,name=value" to *set; NULL or "" changes nothing. An unknown name, a repeated one or a
 * value out of its range is CLCONV_INVALID_ARGUMENT and changes nothing. */
clconv_status parameters_override(const parameter_range *ranges, const char *text, parameter_set *set,
                                  clconv_error *err);

/* Appends "name=value,name=value". */
void parameters_format(const parameter_range *ranges, const parameter_set *set, text *out);

#endif
