/* See progress.h. */
#include "opencl/progress.h"

#include <inttypes.h>
#include <stdio.h>

void progress_open(runtime *rt, int64_t kernels)
{
    lock_acquire(rt->guard);
    rt->telling.plans++;
    rt->telling.expected += kernels;
    lock_leave(rt->guard);
}

void progress_close(runtime *rt, int64_t kernels)
{
    lock_acquire(rt->guard);
    rt->telling.plans--;
    rt->telling.expected -= kernels;
    bool is_end = rt->telling.plans == 0 && rt->telling.has_told;
    if (is_end) rt->telling.has_told = false;
    lock_leave(rt->guard);
    if (is_end) runtime_message(rt, CLCONV_MESSAGE_PROGRESS, "");
}

void progress_begin(runtime *rt, const char *what)
{
    char line[160];
    if (!rt->options.progress) return;
    lock_acquire(rt->guard);
    rt->telling.compiling++;
    rt->telling.has_told = true;
    const int64_t left = rt->telling.expected - rt->telling.compiling;
    lock_leave(rt->guard);
    snprintf(line, sizeof line, "compiling %.100s, %" PRId64 " left", what, left > 0 ? left : 0);
    runtime_message(rt, CLCONV_MESSAGE_PROGRESS, line);
}

void progress_end(runtime *rt, int64_t kernels)
{
    if (!rt->options.progress) return;
    lock_acquire(rt->guard);
    rt->telling.compiling--;
    rt->telling.expected -= kernels;
    lock_leave(rt->guard);
}
