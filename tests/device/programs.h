/* What plans build: which programs and kernels their steps name, and a folder of kernel sources of which one is
 * broken. */
#ifndef CLCONV_TESTS_DEVICE_PROGRAMS_H
#define CLCONV_TESTS_DEVICE_PROGRAMS_H

#include "plan/plan.h"

/* Texts, each once. */
typedef struct text_set {
    char *texts[96];
    size_t count;
} text_set;

void text_set_add(text_set *set, const char *text);
void text_set_release(text_set *set);

/* Adds the programs (source and options) and the kernels of the plan's steps. */
void programs_add(const clconv_plan *plan, text_set *programs, text_set *kernels);

/* Makes CLCONV_KERNEL_DIR a folder with the sources of cl/, `name` among them with `content` instead of its own.
 * No other thread may be running. */
void kernel_folder_open(const char *name, const char *content);
void kernel_folder_close(void);

#endif
