/* PoCL's cache folder: see pocl.h. Where it lies is said by pocl_cache_init_topdir() of PoCL 3.1. */
#include "opencl/pocl.h"

#include "base/environment.h"
#include "base/system.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

bool pocl_is_platform(const char *platform_name)
{
    return strcmp(platform_name, POCL_PLATFORM) == 0;
}

static void append_cache_folder(text *folder)
{
    const char *own = environment_get("POCL_CACHE_DIR"), *caches = environment_get("XDG_CACHE_HOME");
    const char *home = environment_get("HOME");
    if (own != NULL)
        text_append(folder, "%s", own);
    else if (caches != NULL)
        text_append(folder, "%s/pocl/kcache", caches);
    else if (home != NULL)
        text_append(folder, "%s/.cache/pocl/kcache", home);
    else
        text_append(folder, "/tmp/pocl/kcache");
}

const char *pocl_cache_fault(char fault[POCL_FAULT_SIZE])
{
    text folder = {0};
    append_cache_folder(&folder);
    fault[0] = '\0';
    if (!folder.failed && !system_can_write_folder(folder.data))
        snprintf(fault, POCL_FAULT_SIZE,
                 "PoCL cannot write its cache folder '%.400s'; POCL_CACHE_DIR names another", folder.data);
    text_release(&folder);
    return fault;
}

const char *pocl_build_environment(void)
{
    const char *options = environment_get("POCL_EXTRA_BUILD_FLAGS");
    return options != NULL ? options : "";
}
