/* The problems of clconv_check(). */
#ifndef CLCONV_CHECK_PROBLEMS_H
#define CLCONV_CHECK_PROBLEMS_H

#include "clconv.h"

typedef struct check_case {
    const char *text;
    clconv_check_level level; /* the first that has it */
    clconv_padding_mode mode;
    int64_t extra_after; /* padding after beyond that before, on each axis */
    int has_bias;
    int has_residual;
    clconv_activation activation;
} check_case;

/* In the order of their levels; the last has no text. */
extern const check_case check_cases[];

#endif
