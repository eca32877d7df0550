/* Memory of runs on host arrays: see kept.h. */
#include "plan/kept.h"

#include "opencl/runtime.h"

static void release(cl_mem memory)
{
    if (memory != NULL) clReleaseMemObject(memory);
}

void kept_release(kept_memory *kept)
{
    if (runtime_is_usable()) {
        release(kept->workspace);
        release(kept->packing);
        for (int i = 0; i < KEPT_TENSORS; i++)
            release(kept->tensors[i]);
    }
    *kept = (kept_memory){.workspace = NULL};
}
