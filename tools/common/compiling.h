/* Shows on a terminal what the library compiles, once that takes longer than a second: "compiling cl/any/winograd.cl, 3 left,
 * 4 s". A thread does so, from the first message on; where busy.h shows another text it shows this one in its place. */
#ifndef CLCONV_TOOLS_COMMON_COMPILING_H
#define CLCONV_TOOLS_COMMON_COMPILING_H

#include <stddef.h>

/* A text of CLCONV_MESSAGE_PROGRESS; "": nothing is compiled any more. */
void compiling_note(const char *text);

/* What to show; 0 if nothing has been compiled for so long. */
int compiling_text(char *text, size_t size);

/* Who shows it: busy.c while it runs. */
void compiling_leave_to_busy(int is_left);

#endif
