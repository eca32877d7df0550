/* The table of cases (tests/cases/conv3d.txt). A line holds a problem's text as clconv_problem_parse() takes
 * it, then any of these, in any order:
 *   mode=zeros|reflect|replicate|circular|symmetric
 *   pad=d0,d1,h0,h1,w0,w1                    instead of the text's padding, with which it is legal too
 *   bias=0|1, residual=0|1, strict=0|1, dtype=f32|f64
 *   activation=none|relu|leaky_relu:SLOPE|silu|sigmoid|tanh|gelu
 * `#` starts a comment. Every line must be a legal problem: the first that is not is an error. */
#ifndef CLCONV_TESTS_CASES_H
#define CLCONV_TESTS_CASES_H

#include "clconv.h"

#include <stdbool.h>

typedef struct test_case {
    clconv_problem problem;
    int strict;
    int line;
    char text[160]; /* the line itself */
} test_case;

/* Whether the gradients of case `index` are tested: of every third, and of all if CLCONV_FULL_TESTS is set. */
bool case_has_gradients(size_t index);

/* Whether the case is among those that the environment asks for: CLCONV_TEST_WORK is "heavy" for those of more than 4 million
 * multiply-adds, "light" for the others; unset, all are. */
bool case_is_wanted(const test_case *c);

/* The cases of the file, to be freed; NULL after a mistake in it, which is printed. */
test_case *cases_read(const char *path, size_t *count);

#endif
